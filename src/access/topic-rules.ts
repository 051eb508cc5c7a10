/**
 * What a scope allows on a topic, as far as the topic alone can tell. Pure.
 * Topics and directions: DJI Cloud API, "Topic definition".
 */
import type { Action } from '../hooks.js';
import { isSerialNumber } from '../serial-number.js';
import { parseDeviceTopic, type DeviceTopic } from '../topics.js';
import type { Scope } from '../stores/types.js';
import { covers } from './topic-filters.js';

/** The objects leave a question open, which only the store can answer. */
export type Judgement =
  | 'yes'
  | 'no'
  /** The SN that the client id names: yes, unless another account lists it as its own. */
  | { as: 'client-id'; sn: string }
  /** Another SN, on a topic that a dock uses for its drone: yes, if that SN is nobody else's. */
  | { as: 'drone'; sn: string }
  /** Another SN, on a topic that commands a drone: yes, if that SN is bound to the gateway's organization. */
  | { as: 'bound drone'; sn: string };

/** Only the cloud sends these: a dock that could publish here could command or deceive others. */
const CLOUD_ONLY: ReadonlySet<string> = new Set([
  'services',
  'requests_reply',
  'events_reply',
  'state_reply',
  'status_reply',
  'property/set',
  'drc/down',
]);

/** What a dock's session publishes and receives under the SN of its drone. */
const DRONE_TOPICS: Record<Action, ReadonlySet<string>> = {
  publish: new Set(['osd', 'state', 'events']),
  subscribe: new Set(['state_reply', 'events_reply']),
};

/**
 * Commands to a drone, and the answers to them. DJI sets the properties of an aircraft under the aircraft's own SN (property
 * pages of the M30, M3D and M4D), so the gateway that carries it subscribes there.
 */
const DRONE_COMMAND_TOPICS: Record<Action, ReadonlySet<string>> = {
  publish: new Set(['services_reply', 'property/set_reply']),
  subscribe: new Set(['services', 'property/set']),
};

/** What a gateway may subscribe to under the SN of its drone: all of it, or only the commands. */
export function droneSubscriptions(sn: string): Record<'all' | 'commands', ReadonlySet<string>> {
  const topics = (rests: ReadonlySet<string>): string[] =>
    [...rests].map((rest) => `thing/product/${sn}/${rest}`);
  const commands = topics(DRONE_COMMAND_TOPICS.subscribe);
  return { all: new Set([...commands, ...topics(DRONE_TOPICS.subscribe)]), commands: new Set(commands) };
}

/**
 * The gateway SNs that a client of this scope may be, as far as they can be listed.
 * With scope `client-id` the client id is the SN, or has it as a part: DJI suggests a prefixed SN for the second
 * (DRC) session of a dock, and clouds were seen to hand out others, see {@link serialNumbersIn}.
 */
export function ownGateways(scope: Scope, clientId: string): string[] {
  switch (scope.kind) {
    case 'gateways': {
      const claimed = serialNumbersIn(clientId);
      const named = scope.gateways.filter((sn) => claimed.includes(sn));
      return named.length > 0 ? named : scope.gateways;
    }
    case 'client-id': {
      const sn = claimedBy(clientId);
      return sn === undefined ? [] : [sn];
    }
    default:
      return [];
  }
}

/** Whether a client of this scope may act as gateway `sn`. */
export function isOwnGateway(scope: Scope, clientId: string, sn: string): boolean {
  switch (scope.kind) {
    case 'gateways':
      return scope.gateways.includes(sn);
    case 'client-id':
      return claimedBy(clientId) === sn;
    case 'any-gateway':
      return true;
    case 'service':
      return false;
  }
}

/** Judges a publish to a topic, or a subscribe to a filter. */
export function judge(scope: Scope, clientId: string, action: Action, topic: string): Judgement {
  if (scope.kind === 'service') {
    return scope[action].some((filter) => covers(filter, topic)) ? 'yes' : 'no';
  }
  if (scope.kind === 'any-gateway' && action === 'subscribe' && isFromCloudToAll(topic)) return 'yes';
  const device = parseDeviceTopic(topic);
  if (!device) return 'no';
  if (isOwnGateway(scope, clientId, device.sn)) {
    if (!allowedUnderOwn(device, action)) return 'no';
    return scope.kind === 'client-id' ? { as: 'client-id', sn: device.sn } : 'yes';
  }
  if (device.root !== 'thing') return 'no';
  if (DRONE_TOPICS[action].has(device.rest)) return { as: 'drone', sn: device.sn };
  return DRONE_COMMAND_TOPICS[action].has(device.rest) ? { as: 'bound drone', sn: device.sn } : 'no';
}

/**
 * What the cloud sends on one topic, to all gateways at once: a bridge in front of docks subscribes to that. An account of
 * any gateway may subscribe to each of them anyway. It may not listen to what all docks send: there it must know the SN.
 */
function isFromCloudToAll(filter: string): boolean {
  const [, rest = ''] = /^(?:thing|sys)\/product\/\+\/(.+)$/.exec(filter) ?? [];
  return CLOUD_ONLY.has(rest);
}

function allowedUnderOwn({ rest }: DeviceTopic, action: Action): boolean {
  return action === 'subscribe' || !(CLOUD_ONLY.has(rest) || /[+#]/.test(rest));
}

/**
 * What a part of a client id must look like to be taken for an SN: DJI's have 14 and 20 characters, letters and digits.
 * Otherwise somebody who binds a device with the SN "drc" would block the second sessions of all others.
 */
const LIKELY_SERIAL_NUMBER = /^(?=.*[A-Za-z])(?=.*[0-9])[A-Za-z0-9]{10,32}$/;

/**
 * The SNs that a client id may name: the whole of it, or its parts between `-` and `_` that look like one. Second
 * (DRC) sessions were seen to be called `SN-TIME`, `drc-SN`, `drc-SN-TIME` and `SN_drc`.
 */
export function serialNumbersIn(clientId: string): string[] {
  if (isSerialNumber(clientId)) return [clientId];
  return [...new Set(clientId.split(/[-_]/))].filter((part) => LIKELY_SERIAL_NUMBER.test(part));
}

/** The one SN that a client id names; undefined if it names none, or more than one. */
function claimedBy(clientId: string): string | undefined {
  const [sn, another] = serialNumbersIn(clientId);
  return another === undefined ? sn : undefined;
}
