/**
 * `osd`, which a gateway sends of itself and of its drone while they are online (DJI's page "Properties", `pushMode` 0).
 * Only what shows that somebody is there: no server must need more.
 */
import type { Data, DockConnection } from './dock-connection.js';
import { DOMAIN, domainOf, droneOf } from './models.js';

/** DJI's pages say 0.5 Hz. In milliseconds. */
export const OSD_MS = 2000;

/** @param gateway its SN */
export async function sendOsd(
  connection: DockConnection,
  { gateway, model, drone }: { gateway: string; model: string; drone: string | undefined },
): Promise<void> {
  await connection.publish(`thing/product/${gateway}/osd`, 'osd', osdOf(model, drone));
  if (drone !== undefined) await connection.publish(`thing/product/${drone}/osd`, 'osd', { mode_code: 0 });
}

function osdOf(model: string, drone: string | undefined): Data {
  if (domainOf(model) !== DOMAIN.dock) return { capacity_percent: 100 };
  const none = { device_sn: '', device_model_key: '', device_online_status: 0, device_paired: 0 };
  const paired = {
    device_sn: drone ?? '',
    device_model_key: droneOf(model),
    device_online_status: 1,
    device_paired: 1,
  };
  return {
    mode_code: 0,
    drone_in_dock: drone === undefined ? 0 : 1,
    sub_device: drone === undefined ? none : paired,
  };
}
