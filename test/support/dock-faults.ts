/** Every fault of a dock that has a code, each as a real client causes it on a real broker. */
import type { IClientOptions } from 'mqtt';
import { setTimeout as pause } from 'node:timers/promises';
import type { DockFindingCode } from '../../src/diagnosis/codes.js';
import type { State } from '../../src/diagnosis/dock-finding.js';
import { messageOf } from '../../src/errors.js';
import type { Account } from '../../src/stores/types.js';
import { bindOne } from '../contract/store-suite.js';
import type { TestDockhook } from './dockhook.js';
import { connackCode, connectClient, type TestClient } from './mqtt.js';
import type { TestDatabase } from './postgres.js';
import { until } from './until.js';

const PASSWORD = 'the-password-in-the-test';
const CODE = 'the-code-of-north';
const SOUTH_CODE = 'the-code-of-south';
const LICENSE = { appId: '166400', appKey: 'key-in-the-test', appLicense: 'license-in-the-test' };
/** A dock with an account and a binding of its own. */
const OTHER = '7CTDOTHER00001A';
/** Listed nowhere. */
const STRANGE = '7CTDSTRANGE001A';
const FOREIGN_DRONE = '1581FFOREIGN0000001A';

/** How often a client comes that is to be let in. */
const MOST_TIMES = 50;

/** Where the faults happen. */
export interface Place {
  app: TestDockhook;
  /** That of the app. */
  database: TestDatabase;
  /** Of the broker. */
  url: string;
}

/** A dock with an SN and an account of its own, which comes with its SN as client id unless told otherwise. */
interface Scene extends Place {
  sn: string;
  drone: string;
  account: string;
  connect(more?: IClientOptions): Promise<TestClient>;
  /** Connects, and listens to the replies. */
  listen(more?: IClientOptions): Promise<TestClient>;
  /** Tries to connect. */
  refused(more?: IClientOptions): Promise<void>;
}

export interface Fault {
  /** What differs in the account of the dock. */
  account?: Partial<Account> & { chosen?: boolean };
  act(scene: Scene): Promise<unknown>;
  /** What more than the code is right. */
  state?: State;
  what?: RegExp;
  /** The advice is to use another broker. */
  advisesOthers?: true;
  /** Other findings that come with it, behind it. */
  also?: DockFindingCode[];
  /** Before a license is set; or when all others are done. */
  when?: 'first' | 'last';
  /** Brokers on which it cannot happen, and why. */
  notOn?: Record<string, string>;
}

/** What no client of a broker can cause here. */
export interface Elsewhere {
  why: string;
  /** The test in which the fault has that code. */
  test: string;
}

type Sent = { tid?: string; timestamp?: number } & object;
let tids = 0;

async function send(
  client: TestClient,
  topic: string,
  method: string,
  data: object,
  more: Sent = {},
): Promise<void> {
  const message = { tid: `tid-${(tids += 1)}`, bid: 'b', timestamp: Date.now(), method, data, ...more };
  await client.publish(topic, JSON.stringify(message), { qos: 1 });
}

/** Sends a request, and waits for the reply. */
async function ask(client: TestClient, sn: string, method: string, data: object = {}, more: Sent = {}) {
  await send(client, `thing/product/${sn}/requests`, method, data, more);
  await client.next();
}

const topo = (client: TestClient, sn: string, drone: string, more: Sent = {}, kind: object = {}) =>
  send(client, `sys/product/${sn}/status`, 'update_topo', { sub_devices: [{ sn: drone }], ...kind }, more);

interface Typed {
  code?: string;
  organization?: string;
  devices?: object[];
}

async function bind(client: TestClient, sn: string, typed: Typed = {}, more: Sent = {}): Promise<void> {
  const { code = CODE, organization = 'north', devices = [{ sn }] } = typed;
  const place = { device_binding_code: code, organization_id: organization };
  const bind_devices = devices.map((device) => ({ ...place, ...device }));
  await ask(client, sn, 'airport_organization_bind', { bind_devices }, more);
}

/** A dock that gets online. */
async function walk(scene: Scene, more: Sent = {}): Promise<TestClient> {
  const { sn, drone, listen } = scene;
  const client = await listen();
  await ask(client, sn, 'config', {}, more);
  await ask(client, sn, 'airport_bind_status', { devices: [{ sn }] }, more);
  await bind(client, sn, {}, more);
  await topo(client, sn, drone, more);
  // Mosquitto acknowledges it before dockhook hears of it.
  await until(async () => (await entriesOf(scene, 'status')) > 0);
  return client;
}

/** A dock that gets its license, and then binds with what was typed. */
const typed =
  (what: Typed) =>
  async ({ sn, listen }: Scene): Promise<void> => {
    const client = await listen();
    await ask(client, sn, 'config');
    await bind(client, sn, what);
  };

/** A dock that is refused with these options. */
const refusedWith =
  (more: (scene: Scene) => IClientOptions) =>
  (scene: Scene): Promise<void> =>
    scene.refused(more(scene));

/** A dock that goes on to this when it is online. */
const onceOnline =
  (act: (scene: Scene, client: TestClient) => Promise<unknown>) =>
  async (scene: Scene): Promise<unknown> =>
    act(scene, await walk(scene));

/** How many entries of this step or reason the timeline has of the dock. */
async function entriesOf({ database, sn }: Scene, word: string): Promise<number> {
  const [row] = await database.query(
    'SELECT coalesce(sum(count), 0)::int AS entries FROM dockhook_timeline WHERE gateway = $1 AND $2 IN (step, reason)',
    [sn, word],
  );
  return Number(row?.['entries']);
}

/** Whether this is for what it was refused last, and not for the first time. */
async function isRefusedAgain(scene: Scene, reason: string): Promise<boolean> {
  const [last] = await scene.database.query(
    'SELECT reason FROM dockhook_timeline WHERE gateway = $1 ORDER BY id DESC LIMIT 1',
    [scene.sn],
  );
  return last?.['reason'] === reason && (await entriesOf(scene, reason)) > 1;
}

/** A dock whose bind PostgreSQL refuses, after this. */
async function refuseBinds({ database, sn, listen }: Scene, before = ''): Promise<void> {
  const name = `refuse_${sn}`;
  await database.query(`CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN ${before} RAISE check_violation USING MESSAGE = 'no'; END $$`);
  await database.query(`CREATE TRIGGER ${name} BEFORE INSERT ON dockhook_bindings FOR EACH ROW
    WHEN (NEW.key = '${sn}') EXECUTE FUNCTION ${name}()`);
  const client = await listen();
  await ask(client, sn, 'config');
  await bind(client, sn);
}

/**
 * Connects as a dock does, which comes again: while others are refused, Mosquitto refuses some logins before dockhook has
 * said yes (deploy/mosquitto/README.md).
 */
async function comeUntilIn(url: string, options: IClientOptions): Promise<TestClient> {
  for (let time = 1; ; time += 1) {
    try {
      return await connectClient(url, options);
    } catch (error) {
      if (time === MOST_TIMES) throw error;
      await pause(200);
    }
  }
}

const refusalsNeed = 'test/unit/diagnosis/reasons.test.ts';

/** By the code that comes first in what is said of the dock. */
export const FAULTS: Record<DockFindingCode, Fault | Elsewhere> = {
  never_seen: { act: () => Promise.resolve(), state: 'never seen' },
  only_let_in: {
    why: 'only EMQX does not say that a client is in before it uses a topic',
    test: 'test/unit/diagnosis/diagnose.test.ts',
  },
  offline: { act: onceOnline((_, client) => client.mqtt.endAsync()), state: 'offline' },
  mended: {
    account: { disabled: true },
    async act({ refused, app, account }) {
      await refused();
      await app.stores.accounts.update(account, (before) => ({ ...before, disabled: false }));
    },
    state: 'refused',
  },
  banned_by_emqx: {
    why: 'only EMQX bans clients, and it asks nobody about them',
    test: 'test/unit/diagnosis/diagnose.test.ts',
  },
  client_id_twice: {
    async act({ listen }) {
      for (let time = 0; time < 4; time += 1) await listen();
    },
    state: 'unstable',
  },
  reconnects: {
    async act(scene) {
      for (let time = 0; time < 6; time += 1) {
        const client = await scene.listen();
        await ask(client, scene.sn, 'config');
        // It verified the license once, so it is not the license.
        if (time === 0) await topo(client, scene.sn, scene.drone);
        client.mqtt.stream.destroy();
        await until(async () => (await entriesOf(scene, 'disconnected')) > time);
      }
    },
    state: 'unstable',
  },

  refused: {
    why: 'it is for reasons of later versions',
    test: 'test/unit/diagnosis/codes.test.ts',
  },
  no_username: { act: refusedWith(() => ({ username: '', password: '' })) },
  unsafe_name: { act: refusedWith(({ sn }) => ({ clientId: `${sn}-a|b` })) },
  unknown_account: { act: refusedWith(() => ({ username: 'mistyped' })), state: 'refused' },
  disabled: { account: { disabled: true }, act: ({ refused }) => refused() },
  expired: { account: { expiresAt: '2020-01-01T00:00:00Z' }, act: ({ refused }) => refused() },
  wrong_password: { act: refusedWith(() => ({ password: 'wrong' })) },
  too_many_wrong_passwords: {
    account: { chosen: true },
    async act(scene) {
      // Of wrong logins in a row, Mosquitto asks only about some, and some are answered late.
      for (let time = 0; !(await isRefusedAgain(scene, 'too_many_wrong_passwords')); time += 1) {
        await scene.refused({ password: `wrong-${time}` });
        await pause(time > 10 ? 200 : 0);
      }
    },
  },
  wrong_certificate: { account: { certificateCn: 'dock-certificate' }, act: ({ refused }) => refused() },
  overloaded: { why: 'it takes more password checks than the machine has time for', test: refusalsNeed },
  foreign_gateway: { act: refusedWith(() => ({ username: 'other' })) },
  ambiguous_client_id: {
    act: refusedWith(({ sn }) => ({ username: 'by-id', clientId: `${sn}-${STRANGE}` })),
  },
  kept_client_id: {
    async act({ app, sn, refused }) {
      const clientId = `${sn}-kept`;
      const scope: Account['scope'] = { kind: 'service', publish: [], subscribe: [], clientIds: [clientId] };
      await app.addAccount('keeper', PASSWORD, scope);
      await refused({ clientId });
    },
  },
  unsupported_protocol: {
    act: refusedWith(() => ({ protocolVersion: 5 })),
    advisesOthers: true,
    notOn: { Mosquitto: 'Mosquitto speaks MQTT 5' },
  },
  too_many_gateways: { why: 'it takes 10,000 SNs that are bound nowhere', test: refusalsNeed },
  another_refused: { act: onceOnline(({ refused }) => refused({ password: 'wrong' })), state: 'online' },
  second_session_refused: {
    act: onceOnline(({ refused, sn }) => refused({ clientId: `${sn}-1790000000000`, username: sn })),
    state: 'online',
  },

  store_unavailable: {
    // Binds of others wait, too.
    when: 'last',
    act: (scene) => refuseBinds(scene, 'PERFORM pg_sleep(2);'),
    state: 'not bound',
  },
  store_refused: { act: (scene) => refuseBinds(scene), state: 'not bound' },
  bad_row: {
    async act({ database, refused }) {
      await database.query(`INSERT INTO dockhook_accounts (key, value) VALUES ('odd', '{"value":{}}')`);
      await refused({ username: 'odd' });
    },
    state: 'refused',
  },
  internal_error: { why: 'it takes a bug in dockhook', test: refusalsNeed },

  sn_not_in_account: {
    async act({ connect }) {
      await (await connect()).subscribe(`thing/product/${STRANGE}/requests_reply`);
    },
    state: 'stopped at connect',
  },
  not_a_serial_number: {
    async act({ connect }) {
      await (await connect()).subscribe('thing/product/DOCK-SN-001/requests_reply');
    },
    state: 'stopped at connect',
  },
  replies_refused: {
    async act({ sn, connect }) {
      const client = await connect();
      await client.subscribe('thing/product/+/requests_reply');
      await send(client, `thing/product/${sn}/requests`, 'config', {});
    },
    state: 'stopped at config',
  },
  topic_refused: {
    act: onceOnline(({ sn }, client) => send(client, `thing/product/${sn}/services`, 'cover_open', {})),
    state: 'online',
  },
  foreign_topic: {
    act: onceOnline((_, client) => client.subscribe(`thing/product/${OTHER}/osd`)),
    state: 'online',
  },
  account_shared: {
    act: onceOnline(async ({ connect }) => {
      const another = await connect({ clientId: 'another-device' });
      await another.subscribe(`thing/product/${STRANGE}/requests_reply`);
    }),
    state: 'online',
  },
  named_by_another: {
    act: onceOnline(async ({ sn, connect }) => {
      const other = await connect({ clientId: `other-of-${tids}`, username: 'other' });
      await other.subscribe(`thing/product/${sn}/requests_reply`);
    }),
    state: 'online',
  },
  drone_topic_refused: {
    act: onceOnline(({ drone }, client) => client.publish(`thing/product/${drone}/drc/up`, '{}', { qos: 1 })),
    state: 'online',
  },
  drone_of_another: {
    act: onceOnline((_, client) => client.publish(`thing/product/${FOREIGN_DRONE}/osd`, '{}', { qos: 1 })),
    state: 'online',
  },

  no_request: {
    act: async ({ listen }) => (await listen()).mqtt.endAsync(),
    state: 'stopped at connect',
  },
  replies_lost: {
    async act({ sn, connect }) {
      const client = await connect();
      for (let time = 0; time < 3; time += 1)
        await send(client, `thing/product/${sn}/requests`, 'config', {});
    },
    state: 'stopped at config',
    what: /where nobody listens/,
  },
  malformed_request: {
    async act({ sn, listen }) {
      await ask(await listen(), sn, 'airport_bind_status', { devices: 'none' });
    },
    state: 'stopped at bind',
  },
  method_unanswered: {
    act: onceOnline(({ sn }, client) => send(client, `thing/product/${sn}/requests`, 'offline_map_get', {})),
    state: 'online',
  },
  status_unanswered: {
    act: onceOnline(async ({ sn, drone }, client) => {
      for (let time = 0; time < 4; time += 1) await topo(client, sn, drone, { tid: 'the-same' });
    }),
    state: 'online',
  },
  license_not_set: {
    when: 'first',
    act: async ({ sn, listen }) => ask(await listen(), sn, 'config'),
    state: 'stopped at config',
  },
  license_refused: {
    async act({ sn, listen }) {
      for (let time = 0; time < 4; time += 1) {
        const client = await listen();
        await ask(client, sn, 'config');
        await client.mqtt.endAsync();
      }
    },
    state: 'stopped at config',
    what: /4 times/,
  },

  not_bound: {
    async act({ sn, listen }) {
      const client = await listen();
      await ask(client, sn, 'config');
      await ask(client, sn, 'airport_bind_status', { devices: [{ sn }] });
    },
    state: 'not bound',
  },
  no_binding_code: { act: typed({ code: '' }), state: 'not bound' },
  wrong_binding_code: { act: typed({ code: 'the-code-of-nobody' }), state: 'not bound' },
  organization_id_as_code: { act: typed({ code: 'north', organization: CODE }), state: 'not bound' },
  typed_with_spaces: { act: typed({ code: `${CODE} ` }), state: 'not bound' },
  wrong_organization_id: { act: typed({ organization: 'south' }), state: 'not bound' },
  too_many_wrong_codes: {
    async act({ sn, listen }) {
      const client = await listen();
      for (let time = 0; time < 11; time += 1)
        await ask(client, sn, 'airport_organization_get', { device_binding_code: `wrong-${time}` });
    },
    state: 'not bound',
  },
  too_many_binds: {
    act: onceOnline(async ({ sn, drone }, client) => {
      for (const part of [10, 20]) {
        const devices = Array.from({ length: 10 }, (_, index) => ({ sn: `${drone}${part + index}` }));
        await bind(client, sn, { devices });
      }
    }),
    state: 'online',
  },
  another_gateway: {
    act: onceOnline(({ sn }, client) => bind(client, sn, { devices: [{ sn: OTHER }] })),
    state: 'online',
  },
  bound_elsewhere: {
    async act({ app, sn, account, listen }) {
      const more = { callsign: '', modelKey: '3-3-0', boundAt: '2026-01-01T00:00:00Z' };
      await bindOne(app.stores, { sn, gateway: sn, account, organizationId: 'south', ...more });
      const client = await listen();
      await ask(client, sn, 'config');
      await bind(client, sn);
    },
    state: 'stopped at bind',
  },
  invalid_data: {
    act: onceOnline(({ sn, drone }, client) =>
      bind(client, sn, { devices: [{ sn }, { sn: drone, device_callsign: 'x'.repeat(300) }] }),
    ),
    state: 'online',
  },
  clock_skew: {
    act: (scene) => walk(scene, { timestamp: Date.now() - 3_600_000 }),
    state: 'online',
  },
};

/** What a remote controller does, of which there is nothing to say. */
export const CONTROLLER: Fault = {
  async act({ sn, drone, connect }) {
    const client = await connect();
    await client.subscribe(`sys/product/${sn}/status_reply`);
    await topo(client, sn, drone, {}, { domain: 2, type: 174, sub_type: 0 });
  },
  state: 'online',
};

export const isFault = (one: Fault | Elsewhere): one is Fault => 'act' in one;

/**
 * Lets each fault happen to a dock of its own, all at the same time.
 * @returns what closes the clients
 */
export async function causeFaults(
  place: Place,
  faults: readonly { sn: string; fault: Fault }[],
): Promise<() => Promise<unknown>> {
  const { app, url } = place;
  const { stores } = app;
  const clients: TestClient[] = [];
  const boundAt = '2026-01-01T00:00:00Z';
  await stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: CODE });
  await stores.organizations.add({ id: 'south', name: 'South yard', bindingCode: SOUTH_CODE });
  await app.addAccount('other', PASSWORD, { kind: 'gateways', gateways: [OTHER] });
  await app.addAccount('by-id', PASSWORD, { kind: 'client-id' });
  for (const sn of [OTHER, FOREIGN_DRONE]) {
    const more = { account: 'other', callsign: '', modelKey: '', boundAt };
    await bindOne(stores, { sn, gateway: OTHER, organizationId: 'south', ...more });
  }
  const begin = async ({ sn, fault }: { sn: string; fault: Fault }): Promise<void> => {
    const account = `dock-of-${sn}`;
    await app.addAccount(account, PASSWORD, { kind: 'gateways', gateways: [sn] }, fault.account);
    const usual = { clientId: sn, username: account, password: PASSWORD };
    const connect = async (more: IClientOptions = {}): Promise<TestClient> => {
      const client = await comeUntilIn(url, { ...usual, ...more });
      clients.push(client);
      return client;
    };
    const scene: Scene = {
      ...place,
      ...{ sn, drone: `1581F${sn.slice(4)}`, account, connect },
      async listen(more) {
        const client = await connect(more);
        await client.subscribe(`thing/product/${sn}/requests_reply`);
        return client;
      },
      async refused(more) {
        const code = await connackCode(url, { ...usual, ...more });
        if (code === 0) throw new Error('it was let in');
      },
    };
    await fault.act(scene).catch((error: unknown) => {
      throw new Error(`${account}: ${messageOf(error)}`, { cause: error });
    });
  };
  const all = (when: Fault['when']): Promise<unknown> =>
    Promise.all(faults.filter(({ fault }) => fault.when === when).map(begin));
  await all('first');
  await stores.license.set(LICENSE);
  await all(undefined);
  await all('last');
  return () => Promise.all(clients.map((client) => client.close()));
}
