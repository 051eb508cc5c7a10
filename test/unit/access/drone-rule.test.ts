/** The drone rule as a table: which gateway may do what under the SN of which drone. */
import { expect } from 'chai';
import { createAccess, type Access } from '../../../src/access/access.js';
import type { PasswordChecks } from '../../../src/access/password-checks.js';
import { DockhookError } from '../../../src/errors.js';
import type { AccessEvent, Reason } from '../../../src/events.js';
import type { Action } from '../../../src/hooks.js';
import { rememberAccounts } from '../../../src/stores/remembered-stores.js';
import type { Account, Scope, Stores } from '../../../src/stores/types.js';
import { bindOne } from '../../contract/store-suite.js';
import { openFakeStores } from '../../support/fake-stores.js';

const listing = (...gateways: string[]): Scope => ({ kind: 'gateways', gateways });

/** Bound gateways are docks, which bind themselves. `clientId` is the SN unless told. */
const GATEWAYS = {
  'a dock of north': { sn: '7CTDTEST0NORTH', scope: listing('7CTDTEST0NORTH'), bound: 'north' },
  'another dock of north': { sn: '7CTDTEST1NORTH', scope: listing('7CTDTEST1NORTH'), bound: 'north' },
  'a dock of south': { sn: '7CTDTEST0SOUTH', scope: listing('7CTDTEST0SOUTH'), bound: 'south' },
  'a dock of north, its account of south': {
    sn: '7CTDTEST2NORTH',
    scope: listing('7CTDTEST2NORTH'),
    bound: 'north',
    organizationId: 'south',
  },
  'a controller of north': {
    sn: '9N9CNTEST0NRTH',
    scope: listing('9N9CNTEST0NRTH'),
    organizationId: 'north',
  },
  'a controller of south': {
    sn: '9N9CNTEST0STH0',
    scope: listing('9N9CNTEST0STH0'),
    organizationId: 'south',
  },
  'a controller of no organization': { sn: '9N9CNTEST0NONE', scope: listing('9N9CNTEST0NONE') },
  'a controller of a shared account of north': {
    sn: '9N9CNTEST0SHRD',
    scope: { kind: 'client-id' },
    organizationId: 'north',
    clientId: 'drc-9N9CNTEST0SHRD-1780390153000',
  },
  'a shared account of north that names no SN': {
    sn: '9N9CNTEST0SHR1',
    scope: { kind: 'client-id' },
    organizationId: 'north',
    clientId: 'drc-9N9CNTES-1780390153',
  },
  'a shared account of north that names two SNs': {
    sn: '9N9CNTEST0SHR2',
    scope: { kind: 'client-id' },
    organizationId: 'north',
    clientId: '9N9CNTEST0SHR2-7CTDTEST0NORTH',
  },
  // Its session is older than the listing: it came when nobody had this SN.
  'a shared account under the SN of a dock of north': {
    sn: '9N9CNTEST0SHR3',
    scope: { kind: 'client-id' },
    organizationId: 'north',
    clientId: '7CTDTEST0NORTH',
  },
} as const satisfies Record<
  string,
  { sn: string; scope: Scope; bound?: string; organizationId?: string; clientId?: string }
>;
type Gateway = keyof typeof GATEWAYS;

const DRONES = {
  "north's, brought by its first dock": { sn: '1581FTEST00NORTH0', in: 'north', through: '7CTDTEST0NORTH' },
  "south's": { sn: '1581FTEST00SOUTH0', in: 'south', through: '7CTDTEST0SOUTH' },
  "south's, brought by the controller of no organization": {
    sn: '1581FTEST00SOUTH1',
    in: 'south',
    through: '9N9CNTEST0NONE',
  },
  "south's, brought by the controller of north": {
    sn: '1581FTEST00SOUTH2',
    in: 'south',
    through: '9N9CNTEST0NRTH',
  },
  'bound nowhere': { sn: '1581FTEST00UNBND0' },
  "north's, and listed by an account by SQL": {
    sn: '1581FTEST00LISTD0',
    in: 'north',
    through: '7CTDTEST0NORTH',
  },
  'no drone but a dock of north': { sn: '7CTDTEST3NORTH', in: 'north', through: '7CTDTEST3NORTH' },
} as const satisfies Record<string, { sn: string; in?: string; through?: string }>;
type Drone = keyof typeof DRONES;

/** Its telemetry, and the answers to that. */
const CARRY: [Action, string][] = [
  ['publish', 'osd'],
  ['publish', 'state'],
  ['publish', 'events'],
  ['subscribe', 'state_reply'],
  ['subscribe', 'events_reply'],
];
const COMMAND: [Action, string][] = [
  ['subscribe', 'services'],
  ['subscribe', 'property/set'],
  ['publish', 'services_reply'],
  ['publish', 'property/set_reply'],
];
/** Of no drone, for nobody. */
const NEVER: [Action, string][] = [
  ['publish', 'requests'],
  ['publish', 'services'],
  ['publish', 'property/set'],
  ['publish', 'events_reply'],
  ['publish', 'state_reply'],
  ['publish', 'drc/up'],
  ['publish', 'services/reply'],
  ['subscribe', 'osd'],
  ['subscribe', 'requests_reply'],
  ['subscribe', 'services_reply'],
  ['subscribe', 'drc/down'],
  ['subscribe', '+'],
  ['subscribe', '#'],
  ['subscribe', 'services/#'],
  ['subscribe', 'property/+'],
];

type May = { carry: true | Reason; command: true | Reason };
const all: May = { carry: true, command: true };
const foreign: May = { carry: 'foreign_organization', command: 'foreign_organization' };
const unbound: May = { carry: true, command: 'drone_not_bound' };
const gateway: May = { carry: 'foreign_gateway', command: 'foreign_gateway' };

const NORTHS = [
  'a dock of north',
  'another dock of north',
  'a dock of north, its account of south',
  'a controller of north',
  'a controller of a shared account of north',
] as const;
const SOUTHS = ['a dock of south', 'a controller of south'] as const;
/** They are no gateway, and so have no organization. */
const NOBODIES = [
  'a shared account of north that names no SN',
  'a shared account of north that names two SNs',
] as const;

const TABLE: [readonly Gateway[], Drone, May][] = [
  // Two gateways of one organization may carry one drone, one after the other.
  [NORTHS, "north's, brought by its first dock", all],
  [SOUTHS, "north's, brought by its first dock", foreign],
  [['a controller of no organization', ...NOBODIES], "north's, brought by its first dock", foreign],
  [NORTHS, "south's", foreign],
  [SOUTHS, "south's", all],
  [['a controller of no organization', ...NOBODIES], "south's", foreign],
  [SOUTHS, "south's, brought by the controller of no organization", all],
  [NORTHS, "south's, brought by the controller of no organization", foreign],
  // It brought the drone, and is of no organization: an operator may have moved the drone to south since.
  [
    ['a controller of no organization'],
    "south's, brought by the controller of no organization",
    { carry: true, command: 'foreign_organization' },
  ],
  // The account says where a controller belongs, whatever was typed into it.
  [NORTHS, "south's, brought by the controller of north", foreign],
  [SOUTHS, "south's, brought by the controller of north", all],
  [[...NORTHS, ...SOUTHS, 'a controller of no organization', ...NOBODIES], 'bound nowhere', unbound],
  [
    [...NORTHS, ...SOUTHS, 'a controller of no organization'],
    "north's, and listed by an account by SQL",
    gateway,
  ],
  [
    [...NORTHS, ...SOUTHS, 'a controller of no organization', ...NOBODIES],
    'no drone but a dock of north',
    gateway,
  ],
  ...(Object.keys(DRONES) as Drone[]).map((drone): [readonly Gateway[], Drone, May] => [
    ['a shared account under the SN of a dock of north'],
    drone,
    gateway,
  ]),
];

describe('the drone rule', () => {
  let stores: Stores;
  let access: Access;
  let events: AccessEvent[];
  let isAway: boolean;

  before(async () => {
    stores = openFakeStores();
    for (const id of ['north', 'south'])
      await stores.organizations.add({ id, name: id, bindingCode: `code-of-${id}` });
    const add = (account: Omit<Account, 'passwordHash'>): Promise<void> =>
      stores.accounts.add({ passwordHash: '$argon2id$unused', ...account });
    const bind = (sn: string, organizationId: string, through: string) =>
      bindOne(stores, {
        sn,
        organizationId,
        gateway: through,
        callsign: '',
        modelKey: '',
        boundAt: '2026-01-01T00:00:00Z',
      });
    for (const [name, { sn, scope, ...rest }] of Object.entries(GATEWAYS)) {
      const organizationId = 'organizationId' in rest ? rest.organizationId : undefined;
      await add({
        name,
        scope: scope.kind === 'gateways' ? { kind: 'gateways', gateways: [...scope.gateways] } : scope,
        ...(organizationId === undefined ? {} : { organizationId }),
      });
      if ('bound' in rest) await bind(sn, rest.bound, sn);
    }
    await add({ name: 'by SQL', scope: listing(DRONES["north's, and listed by an account by SQL"].sn) });
    for (const drone of Object.values(DRONES))
      if ('in' in drone) await bind(drone.sn, drone.in, drone.through);
  });

  beforeEach(() => {
    events = [];
    isAway = false;
    const failing = <T extends object>(store: T): T =>
      new Proxy(store, {
        get: (target, name) =>
          isAway
            ? () => Promise.reject(new DockhookError('store_unavailable', 'away'))
            : (Reflect.get(target, name) as unknown),
      });
    access = createAccess({
      accounts: rememberAccounts(failing(stores.accounts)),
      bindings: failing(stores.bindings),
      passwords: {} as PasswordChecks,
      unknownAccounts: 'deny',
      tell: (event) => events.push(event),
    });
  });

  /** True, or why not. */
  async function ask(name: Gateway, action: Action, topic: string): Promise<true | Reason | undefined> {
    const found = GATEWAYS[name];
    const clientId = 'clientId' in found ? found.clientId : found.sn;
    const client = {
      ...{ clientId, username: name, peerHost: '192.0.2.7', peerPort: 40000 },
      ...{ certificateCn: '', node: 'emqx@127.0.0.1' },
    };
    const isAllowed = await access.authorize(client, action, topic);
    return isAllowed === true ? true : events.at(-1)?.reason;
  }

  for (const [names, drone, may] of TABLE) {
    for (const name of names) {
      it(`lets ${name} ${inWords(may)}: ${drone}`, async () => {
        const { sn } = DRONES[drone];
        for (const [action, topic] of CARRY)
          expect(await ask(name, action, `thing/product/${sn}/${topic}`), `${action} ${topic}`).to.equal(
            may.carry,
          );
        for (const [action, topic] of COMMAND)
          expect(await ask(name, action, `thing/product/${sn}/${topic}`), `${action} ${topic}`).to.equal(
            may.command,
          );
        for (const [action, topic] of NEVER)
          expect(await ask(name, action, `thing/product/${sn}/${topic}`), `${action} ${topic}`).to.equal(
            'not_in_scope',
          );
        for (const [action, topic] of [...CARRY, ...COMMAND, ...NEVER])
          expect(await ask(name, action, `sys/product/${sn}/${topic}`), `sys ${action} ${topic}`).to.equal(
            'not_in_scope',
          );
      });
    }
  }

  it('is asked of each gateway and drone of this table', () => {
    const asked = new Set(TABLE.flatMap(([names, drone]) => names.map((name) => `${name}: ${drone}`)));
    const listedDrone = "north's, and listed by an account by SQL";
    for (const drone of Object.keys(DRONES) as Drone[]) {
      for (const name of Object.keys(GATEWAYS) as Gateway[]) {
        const isLeftOut =
          (NOBODIES as readonly Gateway[]).includes(name) &&
          (drone === listedDrone || drone.includes('brought by the controller'));
        const isOwnAnswer =
          name === 'a controller of no organization' && drone.endsWith('controller of north');
        if (!isLeftOut && !isOwnAnswer) expect(asked, `${name}: ${drone}`).to.include(`${name}: ${drone}`);
      }
    }
  });

  it('takes no yes about telemetry for a yes about commands while the store is away', async () => {
    const name = 'a dock of north';
    const topic = (rest: string): string => `thing/product/${DRONES['bound nowhere'].sn}/${rest}`;
    expect(await ask(name, 'publish', topic('osd'))).to.equal(true);
    isAway = true;
    expect(await ask(name, 'publish', topic('osd')), 'remembered').to.equal(true);
    expect(await ask(name, 'subscribe', topic('services'))).to.equal('store_unavailable');
  });

  it('repeats its answer about commands while the store is away', async () => {
    const name = 'another dock of north';
    const topic = `thing/product/${DRONES["north's, brought by its first dock"].sn}/services`;
    expect(await ask(name, 'subscribe', topic)).to.equal(true);
    isAway = true;
    expect(await ask(name, 'subscribe', topic)).to.equal(true);
  });

  it('repeats no answer of the organization that the account had before', async () => {
    const name = 'a controller of north';
    const topic = `thing/product/${DRONES["north's, brought by its first dock"].sn}/services`;
    expect(await ask(name, 'subscribe', topic)).to.equal(true);
    await stores.accounts.update(name, ({ organizationId: _taken, ...account }) => account);
    try {
      // The server has read the account anew.
      expect(await ask(name, 'publish', `thing/product/${GATEWAYS[name].sn}/osd`)).to.equal(true);
      isAway = true;
      expect(await ask(name, 'subscribe', topic)).to.equal('store_unavailable');
    } finally {
      await stores.accounts.update(name, (account) => ({ ...account, organizationId: 'north' }));
    }
  });

  it('says which topics name a device by something that is no SN', async () => {
    for (const topic of ['thing/product/DOCK-SN-001/osd', 'sys/product/gateway-1/status'])
      expect(await ask('a dock of north', 'publish', topic), topic).to.equal('not_a_serial_number');
    expect(await ask('a dock of north', 'subscribe', 'thing/product/+/requests_reply')).to.equal(
      'not_in_scope',
    );
  });
});

function inWords({ carry, command }: May): string {
  if (carry !== true) return 'do nothing for the drone';
  return command === true ? 'carry and command the drone' : 'carry, but not command the drone';
}
