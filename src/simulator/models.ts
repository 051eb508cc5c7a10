/** Model keys, `domain-type-sub_type` (DJI's page "Product support"), and how a gateway tells its own. */
import type { Data } from './dock-connection.js';

export const DOCK_3 = '3-3-0';
export const RC_PLUS_2 = '2-174-0';

/** The first number of a model key. */
export const DOMAIN = { controller: '2', dock: '3' } as const;

/** The drone that a gateway comes with, by the model of the gateway. */
const DRONES: Readonly<Record<string, string>> = {
  // Dock: M30T.
  '3-1-0': '0-67-1',
  // Dock 2: M3TD.
  '3-2-0': '0-91-1',
  // Dock 3: M4TD.
  [DOCK_3]: '0-100-1',
  // RC Plus 2: M4T.
  [RC_PLUS_2]: '0-99-1',
};

/** A gateway of an unknown model comes with the newest drone of its kind. */
export function droneOf(model: string): string {
  const newest = domainOf(model) === DOMAIN.dock ? DOCK_3 : RC_PLUS_2;
  return DRONES[model] ?? DRONES[newest] ?? '';
}

export function isModel(text: string): boolean {
  return /^\d{1,6}-\d{1,6}-\d{1,6}$/.test(text);
}

export function domainOf(model: string): string {
  return model.split('-')[0] ?? '';
}

/** The `data` of `update_topo`: a gateway and its drone. An empty list of sub devices says "no drone". */
export function topology(model: string, drone: string | undefined): Data {
  // In DJI's examples a dock tells domains as texts; a real RC Pro was seen to tell them as numbers.
  const isText = domainOf(model) === DOMAIN.dock;
  const self = (key: string): Data => {
    const [domain = '', type, subType] = key.split('-');
    const secrets = { device_secret: '', nonce: '', thing_version: '1.2.0' };
    return {
      domain: isText ? domain : Number(domain),
      type: Number(type),
      sub_type: Number(subType),
      ...secrets,
    };
  };
  const aircraft = drone === undefined ? [] : [{ sn: drone, ...self(droneOf(model)), index: 'A' }];
  return { ...self(model), sub_devices: aircraft };
}
