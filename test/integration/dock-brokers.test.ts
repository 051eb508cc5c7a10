/**
 * `dock list` and `dock show` name every fault, each caused by real clients on real brokers: the embedded one, and
 * Mosquitto, which tells the ends of sessions differently.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { DOCK_FINDING_CODES, type DockFindingCode } from '../../src/diagnosis/codes.js';
import { findDock, listDocks, type Dock } from '../../src/diagnosis/docks.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { startBroker } from '../../src/trial-broker/broker.js';
import { causeFaults, CONTROLLER, FAULTS, isFault, type Fault } from '../support/dock-faults.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { describeWithMosquitto, startMosquitto } from '../support/mosquitto.js';
import { ROOT } from '../support/papers.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';

interface Broker {
  url: string;
  stop(): Promise<unknown>;
}

describeWithPostgres('faults of docks, on the embedded broker', () => {
  describeBroker('the embedded broker', 'EMQX|Mosquitto', async (app) => {
    const { port, close } = await startBroker({
      listen: { host: '127.0.0.1', port: 0 },
      exhook: app.grpc,
      // As `dockhook dev` does.
      onMqtt5({ clientid: clientId, username: account, peerhost: peerHost, peerport: peerPort, node }) {
        const who = { clientId, account, peerHost, peerPort, node };
        app.tell({ step: 'authenticate', outcome: 'refused', reason: 'unsupported_protocol', ...who });
      },
    });
    return { url: `mqtt://127.0.0.1:${port}`, stop: close };
  });
});

describeWithPostgres('faults of docks, on a real broker', () => {
  describeWithMosquitto('which is Mosquitto', () => {
    describeBroker('Mosquitto', 'EMQX', (app) => startMosquitto({ exhook: app.grpc }));
  });
});

/** @param others brokers that are not there, for none of which there is advice */
function describeBroker(name: string, others: string, start: (app: TestDockhook) => Promise<Broker>): void {
  const faults: { code: DockFindingCode | undefined; sn: string; fault: Fault }[] =
    DOCK_FINDING_CODES.flatMap((code, index) => {
      const fault = FAULTS[code];
      return isFault(fault) && fault.notOn?.[name] === undefined
        ? [{ code: code, sn: `7CTDCODE${1000 + index}A`, fault }]
        : [];
    });
  faults.push({ code: undefined, sn: '7CTDCODE0999A', fault: CONTROLLER });
  let database: TestDatabase;
  let app: TestDockhook;
  let broker: Broker;
  let closeClients: () => Promise<unknown>;
  let docks: ReadonlyMap<string, Dock>;

  before(async function () {
    this.timeout(60_000);
    database = await freshDatabase();
    app = await startDockhook({
      stores: openStores(connectPostgres(database.url)),
      timeline: { writeMs: 10 },
    });
    await app.ready;
    broker = await start(app);
    closeClients = await causeFaults({ app, database, url: broker.url }, faults);
    // A broker tells some of it late. What is not named soon is not at all, and the tests say what is there instead.
    const end = Date.now() + 5000;
    await until(async () => {
      docks = new Map((await listDocks(app.stores)).docks.map((dock) => [dock.sn, dock]));
      const isNamed = faults.every(({ code, sn }) => docks.get(sn)?.findings[0]?.code === code);
      return isNamed || Date.now() > end;
    });
  });
  after(async () => {
    await closeClients();
    await broker.stop();
    await app.stop();
    await database.drop();
  });

  for (const { code, sn, fault } of faults) {
    it(`are named: ${code ?? 'none of a remote controller'}`, async () => {
      const found = await findDock(app.stores, sn);
      for (const dock of [docks.get(sn), found.kind === 'dock' ? found.dock : undefined])
        expectNamed(dock, code, fault);
    });
  }

  function expectNamed(dock: Dock | undefined, code: DockFindingCode | undefined, fault: Fault): void {
    const findings = dock?.findings ?? [];
    const codes = findings.map((finding) => finding.code);
    const expected = code === undefined ? [] : [code, ...(fault.also ?? [])];
    expect(codes, JSON.stringify(dock, null, 1)).to.deep.equal(expected);
    if (fault.state !== undefined) expect(dock?.state).to.equal(fault.state);
    if (fault.what !== undefined) expect(findings[0]?.what).to.match(fault.what);
    const advice = findings.flatMap(({ what, fix }) => [what, ...fix]).join(' ');
    if (!fault.advisesOthers) expect(advice).to.not.match(new RegExp(others));
  }
}

describe('the table of faults of docks', () => {
  it('has each code that there is', () => {
    expect(Object.keys(FAULTS).sort()).to.deep.equal([...DOCK_FINDING_CODES].sort());
  });

  for (const [code, one] of Object.entries(FAULTS)) {
    if (isFault(one)) continue;
    it(`has ${code} in another test, because ${one.why}`, () => {
      expect(readFileSync(`${ROOT}${one.test}`, 'utf8')).to.include(`'${code}'`);
    });
  }
});
