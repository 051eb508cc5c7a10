/** Walks of gateways that are well, through the gRPC port: `dock list` and `dock show` have nothing to say of them. */
import { expect } from 'chai';
import { findDock, listDocks, type Dock } from '../../src/diagnosis/docks.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Account, Stores } from '../../src/stores/types.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { openStage, type Actor, type Stage } from '../support/exhook-actor.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const PASSWORD = 'the-password-in-the-test';
const CODE = 'the-code-of-north';
const LICENSE = { appId: '166400', appKey: 'key-in-the-test', appLicense: 'license-in-the-test' };

interface Scene {
  sn: string;
  drone: string;
  client(clientId: string, username?: string): Actor;
}

/** All that a dock does, with the answers that it gets. */
async function walk(
  actor: Actor,
  { sn, drone }: Scene,
  more: { tid?: string } = {},
  brings = true,
): Promise<void> {
  const sent = { gateway: sn, ...more };
  await actor.connect(PASSWORD, sn);
  await actor.request('config', {}, sent);
  const devices = brings ? [sn, drone] : [sn];
  await actor.request('airport_bind_status', { devices: devices.map((one) => ({ sn: one })) }, sent);
  const typed = { device_binding_code: CODE, organization_id: 'north', device_model_key: '3-3-0' };
  await actor.request('airport_organization_get', typed, sent);
  await actor.request(
    'airport_organization_bind',
    { bind_devices: devices.map((one) => ({ sn: one, ...typed })) },
    sent,
  );
  await actor.status(brings ? drone : undefined, sent);
}

interface Walk {
  name: string;
  scope?: Account['scope'];
  kind?: Dock['kind'];
  act(scene: Scene): Promise<void>;
}

const WALKS: Walk[] = [
  { name: 'a dock under its SN', act: async (scene) => walk(scene.client(scene.sn), scene) },
  {
    name: 'a simulator with a client id of its own',
    act: async (scene) => walk(scene.client('dji-sim-1790000000000'), scene),
  },
  {
    name: 'a dock behind a bridge with an account of any gateway',
    scope: { kind: 'any-gateway' },
    act: async (scene) => walk(scene.client('bridge'), scene),
  },
  {
    name: 'a dock whose account takes the SN from the client id',
    scope: { kind: 'client-id' },
    act: async (scene) => walk(scene.client(scene.sn), scene),
  },
  {
    name: 'a remote controller',
    kind: 'remote controller',
    async act({ sn, drone, client }) {
      const actor = client(sn);
      await actor.authenticate(PASSWORD);
      await actor.authorize('SUBSCRIBE', `sys/product/${sn}/status_reply`);
      await actor.status(drone, { modelKey: '2-174-0' });
    },
  },
  {
    name: 'a remote controller under an odd client id, with an account of any gateway',
    scope: { kind: 'any-gateway' },
    kind: 'remote controller',
    async act({ sn, drone, client }) {
      const actor = client('pilot-2-of-somebody');
      await actor.authenticate(PASSWORD);
      await actor.authorize('SUBSCRIBE', `sys/product/${sn}/status_reply`);
      await actor.status(drone, { gateway: sn, modelKey: '2-144-0' });
    },
  },
  {
    name: 'a client that changes its id',
    async act(scene) {
      for (const clientId of ['sim-1', 'sim-2', 'sim-3']) {
        const actor = scene.client(clientId);
        await walk(actor, scene);
        if (clientId !== 'sim-3') await actor.disconnected('normal');
      }
    },
  },
  {
    name: 'a client with one tid for all',
    async act(scene) {
      await walk(scene.client(scene.sn), scene, { tid: 'tid-1' });
    },
  },
  {
    name: 'a dock with a second session',
    async act(scene) {
      await walk(scene.client(scene.sn), scene);
      const second = scene.client(`drc-${scene.sn}-1790000000000`);
      await second.authenticate(PASSWORD);
      await second.authorize('SUBSCRIBE', `thing/product/${scene.sn}/drc/down`);
    },
  },
  {
    name: 'a dock without a drone',
    act: async (scene) => walk(scene.client(scene.sn), scene, {}, false),
  },
  {
    name: 'a session that was resumed',
    async act(scene) {
      const first = scene.client(scene.sn);
      await walk(first, scene);
      await first.disconnected('tcp_closed');
      const again = scene.client(scene.sn);
      await again.authenticate(PASSWORD);
      await again.authorize('PUBLISH', `thing/product/${scene.sn}/requests`);
      await again.request('config');
      await again.status(scene.drone);
    },
  },
  {
    name: 'a dock that was bound before, and only tells of its drone',
    async act(scene) {
      const first = scene.client(scene.sn);
      await walk(first, scene);
      await first.disconnected('normal');
      const again = scene.client(scene.sn);
      await again.connect(PASSWORD);
      await again.status(scene.drone);
    },
  },
  {
    name: 'a client that subscribes to all of its own topics',
    async act(scene) {
      const actor = scene.client(scene.sn);
      await actor.authenticate(PASSWORD);
      await actor.authorize('SUBSCRIBE', `thing/product/${scene.sn}/#`);
      await walk(actor, scene);
    },
  },
];

describeWithPostgres('gateways that are well', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let stores: Stores;
  let docks: Dock[];
  const snOf = (index: number): string => `7CTDWELL${1000 + index}A`;

  before(async () => {
    database = await freshDatabase();
    stores = openStores(connectPostgres(database.url));
    const app: TestDockhook = await startDockhook({ stores: openStores(connectPostgres(database.url)) });
    await app.ready;
    const stage: Stage = await openStage(app.grpc);
    await app.stores.license.set(LICENSE);
    await app.stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: CODE });
    for (const [index, { scope, act }] of WALKS.entries()) {
      const sn = snOf(index);
      const username = `account-${index}`;
      await app.addAccount(username, PASSWORD, scope ?? { kind: 'gateways', gateways: [sn] });
      await act({
        sn,
        drone: `1581FWELL${index}`,
        client: (clientId) => stage.client({ clientId, username }),
      });
    }
    stage.close();
    await app.stop();
    docks = (await listDocks(stores)).docks;
  });
  after(async () => {
    await stores.close();
    await database.drop();
  });

  for (const [index, { name, kind = 'dock' }] of WALKS.entries()) {
    it(`such as ${name}`, async () => {
      const sn = snOf(index);
      const found = await findDock(stores, sn);
      for (const dock of [
        docks.find((one) => one.sn === sn),
        found.kind === 'dock' ? found.dock : undefined,
      ]) {
        expect(dock?.findings).to.deep.equal([]);
        expect(dock).to.include({ state: 'online', kind });
      }
    });
  }

  it('are all that there is', async () => {
    expect(docks).to.have.length(WALKS.length);
    expect((await listDocks(stores)).refusedClients).to.deep.equal([]);
  });
});
