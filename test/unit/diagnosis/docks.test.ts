/** What a list and a single dock make of the stores: one verdict, and clients that belong to no dock. */
import { expect } from 'chai';
import { findDock, listDocks, type Dock } from '../../../src/diagnosis/docks.js';
import type { Account, Stores, TimelineEntry } from '../../../src/stores/types.js';
import { openFakeStores } from '../../support/fake-stores.js';
import { ACCOUNT, BINDING, SN, START, Story } from '../../support/story.js';

const DRONE = '1581FTEST000000010CC';
const OTHER = '7CTDTEST00001A';

describe('the docks', () => {
  let stores: Stores;
  beforeEach(async () => {
    stores = openFakeStores();
    await stores.accounts.add(ACCOUNT);
    await stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: 'the-code-of-north' });
    await stores.bindings.bind([{ ...BINDING, account: 'dock-1' }]);
  });

  const add = (...entries: TimelineEntry[]) => stores.timeline.append(entries);
  const shown = async (sn = SN): Promise<Dock> => {
    const found = await findDock(stores, sn);
    if (found.kind !== 'dock') throw new Error(`${sn} is a drone`);
    return found.dock;
  };
  const listed = async (sn = SN): Promise<Dock | undefined> =>
    (await listDocks(stores)).docks.find((dock) => dock.sn === sn);
  const verdict = (dock: Dock | undefined) => [
    dock?.state,
    ...(dock?.findings ?? []).map(({ code }) => code),
  ];
  async function expectVerdict(...expected: string[]): Promise<void> {
    expect(verdict(await shown()), 'shown').to.deep.equal(expected);
    expect(verdict(await listed()), 'listed').to.deep.equal(expected);
  }

  describe('have one verdict, however long the story', () => {
    it('whose connect lies so far back that a list does not read it', async () => {
      const story = new Story();
      story.add('authenticate', {
        ...{ own: false, outcome: 'refused', reason: 'unknown_account', account: 'fl1x', clientId: SN },
      });
      story.walk().bind();
      for (let flight = 0; flight < 32; flight += 1) story.status(DRONE).wait(60_000).status('').wait(60_000);
      await add(...story.disconnect('normal').entries);
      await expectVerdict('offline', 'offline');
      expect((await listDocks(stores)).refusedClients).to.deep.equal([]);
    });

    it('with strangers under a client id that the dock used long ago', async () => {
      const story = new Story().walk({ clientId: 'sim-1' }).disconnect('normal');
      for (let time = 0; time < 70; time += 1)
        story.status(time % 2 === 0 ? '' : DRONE, {}, { clientId: 'sim-2' });
      story.add('authenticate', {
        ...{
          own: false,
          outcome: 'refused',
          reason: 'unknown_account',
          account: 'x',
          clientId: 'sim-1',
          gateway: undefined,
        },
      });
      await add(...story.entries);
      await expectVerdict('online');
    });

    it('of which only the beginning shows that the license was fine', async () => {
      const story = new Story()
        .connect()
        .request('config', { license: 'aaaaaaaa' })
        .request('airport_bind_status');
      story.disconnect();
      for (let port = 2; port < 20; port += 1)
        story.connect(port).request('config', { license: 'aaaaaaaa' }).disconnect('tcp_closed', port);
      await add(...story.entries);
      // The story is of the past, so the loop is over.
      await expectVerdict('offline', 'offline');
    });
  });

  it('may be remote controllers, and are called that', async () => {
    await add(
      ...new Story()
        .connect()
        .status(DRONE, { modelKey: '2-174-0' })
        .entries.map((entry) => ({
          ...entry,
          ...{ gateway: OTHER, clientId: OTHER },
        })),
    );
    expect(await shown(OTHER)).to.include({
      kind: 'remote controller',
      modelKey: '2-174-0',
      state: 'online',
    });
    expect(await listed()).to.include({ kind: 'dock' });
    expect(await findDock(stores, DRONE)).to.deep.equal({ kind: 'drone', gateway: OTHER });
  });

  it('are not told to list the drone that another gateway announced', async () => {
    const other = new Story().connect().status(DRONE).entries;
    await add(...other.map((entry) => ({ ...entry, gateway: OTHER, clientId: OTHER })));
    await add(...new Story().connect().refuseTopic(`thing/product/${DRONE}/drc/up`).entries);
    for (const dock of [await shown(), await listed()]) {
      const fixes = dock?.findings.flatMap(({ fix }) => fix).join() ?? '';
      expect(fixes)
        .to.include(`the drone of ${OTHER}`)
        .and.not.match(/account (set|add)/);
    }
  });

  describe('know their brokers', () => {
    const booted = (node: string, broker: string | undefined): TimelineEntry => ({
      ...{ at: START, lastAt: START, count: 1, gateway: '', own: true, clientId: node, account: '' },
      ...{ step: 'booted', outcome: 'ok', details: { node, broker } },
    });
    for (const [broker, said] of [
      ['EMQX Enterprise 5.10.4', /EMQX/],
      ['Mosquitto 2.0.22', /Mosquitto/],
      ['dockhook embedded broker 5.10.4', /check from the network/],
    ] as const) {
      it(`by what ${broker} says at its start`, async () => {
        await add(booted('node-1', broker));
        const text = (await shown()).findings[0]?.fix.join() ?? '';
        expect(text).to.match(said);
        for (const other of ['EMQX', 'Mosquitto'])
          if (!broker.includes(other)) expect(text).to.not.include(other);
      });
    }

    it('as any, if none has said', async () => {
      await add(booted('node-1', undefined));
      expect((await shown()).findings[0]?.fix.join())
        .to.include('EMQX')
        .and.include('Mosquitto');
    });
  });

  describe('are followed by refused clients of none of them', () => {
    const refused = (topic: string, more: Partial<TimelineEntry> = {}): TimelineEntry => ({
      ...{ at: START, lastAt: START, count: 2, gateway: undefined, own: false, clientId: 'backend-1' },
      ...{ account: 'backend', step: 'authorize', outcome: 'refused', reason: 'not_in_scope' },
      ...more,
      details: { action: 'subscribe', topic },
    });
    const backend: Account = {
      ...ACCOUNT,
      name: 'backend',
      scope: { kind: 'service', publish: [], subscribe: ['thing/product/+/osd'] },
    };
    const clients = async () => (await listDocks(stores)).refusedClients;
    beforeEach(() => stores.accounts.add(backend));

    it('with the filter of a service account that names no SN', async () => {
      await add(refused('thing/product/+/state'));
      expect(await clients()).to.deep.equal([
        {
          ...{ clientId: 'backend-1', account: 'backend', address: undefined, reason: 'not_in_scope' },
          ...{ topic: 'subscribe thing/product/+/state', times: 2, lastAt: START },
        },
      ]);
    });

    it('without what the account may do by now', async () => {
      await add(refused('thing/product/+/osd'));
      expect(await clients()).to.deep.equal([]);
    });

    it('without those whose account exists by now', async () => {
      const unknown = { step: 'authenticate', reason: 'unknown_account', account: 'late' } as const;
      await add({ ...refused(''), ...unknown, details: {} });
      expect((await clients()).map(({ account }) => account)).to.deep.equal(['late']);
      await stores.accounts.add({ ...ACCOUNT, name: 'late' });
      expect(await clients()).to.deep.equal([]);
    });

    it('and with an SN that is none', async () => {
      await add(
        refused('thing/product/DOCK-SN-001/requests_reply', { account: 'any', clientId: 'dji-sim-1' }),
      );
      await stores.accounts.add({ ...ACCOUNT, name: 'any', scope: { kind: 'any-gateway' } });
      expect((await clients())[0]?.reason).to.equal(
        'not_in_scope: "DOCK-SN-001" is no SN, which has letters and digits only',
      );
    });
  });

  it('show the refused filters of the accounts that list them', async () => {
    await add(...new Story().walk().entries);
    await add({
      ...{ at: START, lastAt: START, count: 1, gateway: undefined, own: false, clientId: 'bridge' },
      ...{ account: 'dock-1', step: 'authorize', outcome: 'refused', reason: 'not_in_scope' },
      details: { action: 'subscribe', topic: 'thing/product/+/osd' },
    });
    const found = await findDock(stores, SN);
    expect(found.kind === 'dock' && found.entries.map(({ clientId }) => clientId)).to.include('bridge');
    expect((await listDocks(stores)).refusedClients.map(({ topic }) => topic)).to.deep.equal([
      'subscribe thing/product/+/osd',
    ]);
  });

  it('do not hide the refused filter of a bridge that carries them', async () => {
    await stores.accounts.add({ ...ACCOUNT, name: 'anyg', scope: { kind: 'any-gateway' } });
    const bridge = { clientId: 'bridge', account: 'anyg' };
    await add(
      {
        ...{ at: START, lastAt: START, count: 1, gateway: undefined, own: false, ...bridge },
        ...{ step: 'authorize', outcome: 'refused', reason: 'not_in_scope' },
        details: { action: 'subscribe', topic: 'thing/product/#' },
      },
      ...new Story().walk(bridge).entries,
    );
    expect(await listed()).to.include({ account: 'anyg', isAccountOfGateways: false });
    expect((await listDocks(stores)).refusedClients).to.deep.equal([
      {
        ...{ ...bridge, address: undefined, reason: 'not_in_scope', topic: 'subscribe thing/product/#' },
        ...{ times: 1, lastAt: START },
      },
    ]);
  });

  it('have accounts to hand out for a second session only if these act as them alone', async () => {
    await add(...new Story().walk().entries);
    expect(await shown()).to.include({ account: 'dock-1', isAccountOfGateways: true });
    await stores.accounts.add({ ...ACCOUNT, name: 'anyg', scope: { kind: 'any-gateway' } });
    const refused = { clientId: `drc-${SN}`, account: SN, own: false, outcome: 'refused' } as const;
    const story = new Story().wait(60_000).disconnect().walk({ account: 'anyg' });
    await add(...story.add('authenticate', { ...refused, reason: 'unknown_account' }).entries);
    const dock = await shown();
    expect(dock).to.include({ account: 'anyg', isAccountOfGateways: false });
    const fix = dock.findings.flatMap((finding) => finding.fix).join();
    expect(fix).to.include('account add').and.not.include('"anyg"');
  });
});
