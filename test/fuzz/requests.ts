/** Messages on their way through the broker, from docks and strangers, whole and broken. */
import fc from 'fast-check';
import * as methods from '../../src/dock/methods/index.js';
import type { WireMessage } from '../../src/exhook/translate.js';
import type { Account, Organization } from '../../src/stores/types.js';
import { mutated } from '../support/fuzz.js';

export const NORTH: Organization = { id: 'north', name: 'North yard', bindingCode: 'K7Q2-north' };
/** Its binding code is one that a dock may send as a number. */
export const SOUTH: Organization = { id: 'south', name: 'South yard', bindingCode: '30200917' };

const hash = { passwordHash: '$dockhook-sha256$salt$digest' };
export const ACCOUNTS: Account[] = [
  { name: 'dock-a', ...hash, scope: { kind: 'gateways', gateways: ['7CTDFUZZ1A'] } },
  { name: 'dock-b', ...hash, scope: { kind: 'gateways', gateways: ['7CTDFUZZ1B', '7CTDFUZZ1C'] } },
  { name: 'by-client-id', ...hash, scope: { kind: 'client-id' } },
  { name: 'fleet', ...hash, scope: { kind: 'any-gateway' } },
  { name: 'disabled', ...hash, disabled: true, scope: { kind: 'any-gateway' } },
  { name: 'expired', ...hash, expiresAt: '2020-01-01T00:00:00Z', scope: { kind: 'any-gateway' } },
  { name: 'backend', ...hash, scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } },
];

/** The gateways that an account lists: nobody else may bind them. */
export const LISTED = ['7CTDFUZZ1A', '7CTDFUZZ1B', '7CTDFUZZ1C'];
const DRONES = Array.from({ length: 40 }, (_, index) => `1581FFUZZ${index}`);
const SERIAL_NUMBERS = [...LISTED, '7CTDFUZZ1D', ...DRONES, '12345678'];

export const OURS: readonly string[] = Object.values(methods).map(({ name }) => name);

export interface Case {
  message: WireMessage;
  /** Who the sender is to dockhook: `dock` gets replies, `nobody` is dropped, `not-asked` passes. */
  sender: 'dock' | 'nobody' | 'not-asked';
}

interface Sender {
  username: string;
  from: string;
  gateway: string;
  sender: Case['sender'];
  topic?: string;
  protocol?: string;
}

function sender(kind: Case['sender'], username: string, from: string, gateway: string, more = {}): Sender {
  return { sender: kind, username, from, gateway, ...more };
}

const docks = fc.constantFrom(
  sender('dock', 'dock-a', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('dock', 'dock-a', 'any-other-name', '7CTDFUZZ1A'),
  sender('dock', 'dock-b', '7CTDFUZZ1B', '7CTDFUZZ1B'),
  sender('dock', 'dock-b', '7CTDFUZZ1B', '7CTDFUZZ1C'),
  sender('dock', 'by-client-id', '7CTDFUZZ1D', '7CTDFUZZ1D'),
  sender('dock', 'by-client-id', 'drc-7CTDFUZZ1D', '7CTDFUZZ1D'),
  ...[...LISTED, '7CTDFUZZ1D', '12345678'].map((sn) => sender('dock', 'fleet', 'fleet-client', sn)),
);

const strangers = fc.constantFrom(
  sender('nobody', 'dock-a', '7CTDFUZZ1A', '7CTDFUZZ1B'),
  sender('nobody', 'dock-a', '7CTDFUZZ1B', '7CTDFUZZ1B'),
  sender('nobody', 'dock-a', '7CTDFUZZ1A', '7ctdfuzza'),
  sender('nobody', 'by-client-id', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('nobody', 'by-client-id', '7CTDFUZZ1D', '7CTDFUZZ1E'),
  sender('nobody', 'disabled', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('nobody', 'expired', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('nobody', 'Dock-a', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('nobody', '__proto__', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('not-asked', 'backend', 'backend', '7CTDFUZZ1A'),
  sender('not-asked', '', '7CTDFUZZ1A', '7CTDFUZZ1A'),
  sender('not-asked', 'dock-a', '7CTDFUZZ1A', '7CTDFUZZ1A', { protocol: '' }),
  ...['sys/product/7CTDFUZZ1A/status', 'thing/product/7CTDFUZZ1A/requests/', 'thing/product//requests'].map(
    (topic) => sender('not-asked', 'dock-a', '7CTDFUZZ1A', '7CTDFUZZ1A', { topic }),
  ),
);

const unknown = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .filter((name) => !ACCOUNTS.some((account) => account.name === name))
  .map((username) => sender('nobody', username, '7CTDFUZZ1A', '7CTDFUZZ1A'));

const anything = fc.jsonValue({ maxDepth: 2 });
/** Now and then something that does not belong there. */
const mostly = (good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 60, arbitrary: good }, { weight: 1, arbitrary: anything });

const serialNumber = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom<unknown>(...SERIAL_NUMBERS, 12345678) },
  // Not well-formed, so that what is stored stays bounded.
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text): unknown => `${text}#`) },
);
const codes = fc.oneof(
  // Both right, or no id at all.
  {
    weight: 9,
    arbitrary: fc.constantFrom<[unknown, unknown][]>(
      [NORTH.bindingCode, NORTH.id],
      [SOUTH.bindingCode, ''],
      [30200917, null],
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple<[unknown, unknown]>(
      fc.constantFrom<unknown>(NORTH.bindingCode, SOUTH.bindingCode, 'wrong', '', null),
      fc.constantFrom<unknown>(NORTH.id, SOUTH.id, 'nowhere', '', null, undefined),
    ),
  },
);
const text = fc.oneof<fc.Arbitrary<unknown>[]>(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.constant(null),
);
const device = fc
  .record(
    {
      sn: mostly(serialNumber),
      codes,
      device_callsign: mostly(text),
      device_model_key: mostly(fc.constantFrom<unknown>('3-3-0', '0-100-1', null, 7)),
    },
    { requiredKeys: ['sn', 'codes'] },
  )
  .map(({ codes: [device_binding_code, organization_id], ...rest }): unknown => ({
    ...rest,
    device_binding_code,
    organization_id,
  }));
const devices = mostly(
  fc.oneof(
    { weight: 9, arbitrary: fc.array(device, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(fc.oneof(device, anything), { maxLength: 18 }) },
  ),
);
const data = new Map<string, fc.Arbitrary<unknown>>(
  Object.entries({
    config: fc.record(
      { config_type: fc.constantFrom('json', 'xml', null), config_scope: fc.constantFrom('product', 'all') },
      { requiredKeys: [] },
    ),
    airport_bind_status: fc.record({ devices }),
    airport_organization_get: fc
      .tuple(codes, anything)
      .map(([[device_binding_code, organization_id], more]) => ({
        device_binding_code,
        organization_id,
        more,
      })),
    airport_organization_bind: fc.record({ bind_devices: devices }),
  }),
);

const id = fc.oneof<fc.Arbitrary<unknown>[]>(fc.uuid(), fc.string({ unit: 'binary' }), fc.double(), anything);
/** JSON that only hand-written text has. */
const oddities = fc.constantFrom(
  '1e999',
  '-0',
  '"\\ud800"',
  '{"__proto__":{"tid":"T"}}',
  `${'['.repeat(5000)}${']'.repeat(5000)}`,
);

const request = fc
  .oneof(
    { weight: 12, arbitrary: fc.constantFrom(...OURS) },
    { weight: 1, arbitrary: fc.constantFrom('offline_map_get', '__proto__', 'constructor', '') },
  )
  .chain((method) =>
    fc.record(
      {
        tid: id,
        bid: id,
        timestamp: anything,
        gateway: id,
        data: mostly(data.get(method) ?? anything),
        extra: oddities,
        method: fc.constant(method),
      },
      { requiredKeys: ['method'] },
    ),
  )
  .map(({ extra, ...fields }) => {
    const json = JSON.stringify(fields);
    // Under one more key, or once more under a known one: the last of two counts.
    if (extra === undefined) return json;
    return `${json.slice(0, -1)},"${extra.length % 2 === 0 ? 'tid' : 'new_in_this_firmware'}":${extra}}`;
  })
  .map((json) => Buffer.from(json));

const payload = fc.oneof(
  { weight: 16, arbitrary: request },
  { weight: 3, arbitrary: mutated(request) },
  { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
);

const from = fc.oneof(
  { weight: 8, arbitrary: docks },
  { weight: 3, arbitrary: strangers },
  { weight: 1, arbitrary: unknown },
);

/** One published message and what dockhook must take its sender for. */
export const anyCase: fc.Arbitrary<Case> = fc
  .record({ from, payload, qos: fc.constantFrom(0, 1, 2) })
  .map(({ from: { username, from, gateway, sender, topic, protocol = 'mqtt' }, payload, qos }) => ({
    sender,
    message: {
      node: 'emqx@127.0.0.1',
      timestamp: '1790000000000',
      id: '0006610319788C4C32DA0000026E0002',
      from,
      topic: topic ?? `thing/product/${gateway}/requests`,
      qos,
      payload,
      headers: { peerhost: '192.0.2.1', ...(username && { username }), ...(protocol && { protocol }) },
    },
  }));
