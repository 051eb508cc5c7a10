/** `dockhook dock`: faults injected through the gRPC port, and each named by the command that operators use. */
import { expect } from 'chai';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Account } from '../../src/stores/types.js';
import { run, type Result } from '../support/cli.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { openStage, type Actor, type Stage } from '../support/exhook-actor.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { bindOne } from '../contract/store-suite.js';

const PASSWORD = 'the-password-in-the-test';
const WRONG_PASSWORD = 'a-wrong-password-in-the-test';
const CODE = 'the-code-of-north';
const WRONG_CODE = 'a-wrong-code-in-the-test';
const DRONE = '1581FTEST000000000AA';
const LICENSE = { appId: '166400', appKey: 'key-in-the-test', appLicense: 'license-in-the-test' };

/** What a fault needs: a dock with an SN and an account of its own. */
interface Scene {
  sn: string;
  account: string;
  app: TestDockhook;
  stage: Stage;
  /** The dock, coming as its account with its SN as client id unless told otherwise. */
  dock(more?: { clientId?: string; username?: string; peerHost?: string }): Actor;
  bind(actor: Actor, more?: { code?: string; organization?: string; sn?: string }): Promise<unknown>;
}

interface Fault {
  name: string;
  /** Of the finding that comes first. */
  code: string;
  state: string;
  /** In what to do. */
  fix: RegExp;
  /** What differs in the account; null for none. */
  account?: Partial<Account> | null;
  act(scene: Scene): Promise<unknown>;
}

/** A dock that gets as far as it can. */
async function walk({ dock, bind, sn }: Scene, more: { timestamp?: number } = {}): Promise<Actor> {
  const actor = dock();
  await actor.connect(PASSWORD);
  await actor.request('config', {}, more);
  await actor.request('airport_bind_status', { devices: [{ sn }] }, more);
  await bind(actor);
  await actor.status(DRONE, more);
  return actor;
}

const FAULTS: Fault[] = [
  {
    name: 'an account that does not exist',
    code: 'unknown_account',
    state: 'refused',
    fix: /dockhook account add mistyped --gateway \w+ --generate/,
    account: null,
    act: ({ dock }) => dock({ username: 'mistyped' }).authenticate(PASSWORD),
  },
  {
    name: 'a mistyped account name where there is an account for the dock',
    code: 'unknown_account',
    state: 'refused',
    fix: /type "dock-\d+" as account/,
    act: ({ dock }) => dock({ username: 'mistyped' }).authenticate(PASSWORD),
  },
  {
    name: 'a wrong password',
    code: 'wrong_password',
    state: 'refused',
    fix: /dockhook account set dock-\d+ --generate/,
    act: ({ dock }) => dock().authenticate(WRONG_PASSWORD),
  },
  {
    name: 'a disabled account',
    code: 'disabled',
    state: 'refused',
    fix: /dockhook account enable dock-\d+/,
    account: { disabled: true },
    act: ({ dock }) => dock().authenticate(PASSWORD),
  },
  {
    name: 'an account that was disabled and is enabled now',
    code: 'mended',
    state: 'refused',
    fix: /wait until the dock tries again/,
    account: { disabled: true },
    async act({ dock, app, account }) {
      await dock().authenticate(PASSWORD);
      await app.stores.accounts.update(account, (before) => ({ ...before, disabled: false }));
    },
  },
  {
    name: 'an expired account',
    code: 'expired',
    state: 'refused',
    fix: /dockhook account set dock-\d+ --expires/,
    account: { expiresAt: '2020-01-01T00:00:00Z' },
    act: ({ dock }) => dock().authenticate(PASSWORD),
  },
  {
    name: 'a client certificate that is not there',
    code: 'wrong_certificate',
    state: 'refused',
    fix: /verify = verify_peer/,
    account: { certificateCn: 'dock-certificate' },
    act: ({ dock }) => dock().authenticate(PASSWORD),
  },
  {
    name: 'no account name at all',
    code: 'no_username',
    state: 'refused',
    fix: /type account and password/,
    act: ({ dock }) => dock({ username: '' }).authenticate(''),
  },
  {
    name: "an SN in its topics that is not the account's, seen from the dock",
    code: 'sn_not_in_account',
    state: 'stopped at connect',
    fix: /dockhook account set dock-\d+ --gateway 7CTDSOMEBODY0/,
    async act({ dock }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.authorize('SUBSCRIBE', 'thing/product/7CTDSOMEBODY0/requests_reply');
      await actor.request('config', {}, { gateway: '7CTDSOMEBODY0' });
    },
  },
  {
    name: 'an SN that the account of the dock does not list, seen from the SN',
    code: 'sn_not_in_account',
    state: 'stopped at connect',
    fix: /dockhook account set dock-\d+ --gateway 7CTD/,
    account: { scope: { kind: 'gateways', gateways: ['7CTDMISTYPED0'] } },
    async act({ dock, sn }) {
      const actor = dock({ clientId: 'client-of-a-dock' });
      await actor.connect(PASSWORD, sn);
      await actor.request('config', {}, { gateway: sn });
    },
  },
  {
    name: 'a connect after which nothing is asked for',
    code: 'no_request',
    state: 'stopped at connect',
    fix: /message\.publish/,
    async act({ dock }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.disconnected('normal');
    },
  },
  {
    name: 'a license that the dock does not verify',
    code: 'license_refused',
    state: 'stopped at config',
    fix: /dockhook license show/,
    async act({ dock }) {
      for (let time = 0; time < 2; time += 1) {
        const actor = dock();
        await actor.connect(PASSWORD);
        await actor.request('config');
        await actor.disconnected('tcp_closed');
      }
    },
  },
  {
    name: 'replies that do not reach the dock',
    code: 'replies_lost',
    state: 'stopped at config',
    fix: /mqtt\.ignore_loop_deliver = false/,
    async act({ dock }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      for (let time = 0; time < 3; time += 1) await actor.request('config', {}, { tid: 'the-same' });
      await actor.disconnected('normal');
    },
  },
  {
    name: 'a dock that nobody has bound yet',
    code: 'not_bound',
    state: 'not bound',
    fix: /organization id and device binding code/,
    async act({ dock, sn }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.request('config');
      await actor.request('airport_bind_status', { devices: [{ sn }] });
    },
  },
  {
    name: 'a code that matches no organization',
    code: 'wrong_binding_code',
    state: 'not bound',
    fix: /dockhook organization list/,
    async act({ dock, bind }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.request('config');
      await actor.request('airport_organization_get', { device_binding_code: WRONG_CODE });
      await bind(actor, { code: WRONG_CODE });
    },
  },
  {
    name: "an organization id that is not the code's",
    code: 'wrong_organization_id',
    state: 'not bound',
    fix: /dockhook organization list/,
    async act({ dock, bind }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await bind(actor, { organization: 'south' });
    },
  },
  {
    name: 'too many wrong codes',
    code: 'too_many_wrong_codes',
    state: 'not bound',
    fix: /wait a minute/,
    async act({ dock }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      for (let time = 0; time < 11; time += 1) {
        await actor.request('airport_organization_get', { device_binding_code: `${WRONG_CODE}-${time}` });
      }
    },
  },
  {
    name: 'a dock that is bound to another organization',
    code: 'bound_elsewhere',
    state: 'stopped at bind',
    fix: /dockhook binding move \w+ --organization north/,
    async act({ dock, bind, app, sn }) {
      const more = { callsign: '', modelKey: '3-3-0', gateway: sn, boundAt: '2026-01-01T00:00:00Z' };
      await bindOne(app.stores, { sn, organizationId: 'south', ...more });
      const actor = dock();
      await actor.connect(PASSWORD);
      await bind(actor);
    },
  },
  {
    name: 'a request that cannot be read',
    code: 'malformed_request',
    state: 'stopped at bind',
    fix: /firmware/,
    async act({ dock }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.request('airport_bind_status', { devices: 'none' });
    },
  },
  {
    name: 'two clients with one client id',
    code: 'client_id_twice',
    state: 'unstable',
    fix: /find the second client/,
    async act({ dock }) {
      let before: Actor | undefined;
      for (let time = 0; time < 4; time += 1) {
        const actor = dock({ peerHost: `192.0.2.${time % 2}` });
        await actor.authenticate(PASSWORD);
        await before?.disconnected('takenover');
        await actor.subscribe();
        before = actor;
      }
    },
  },
  {
    name: 'a dock that is gone',
    code: 'offline',
    state: 'offline',
    fix: /power and network/,
    async act(scene) {
      await (await walk(scene)).disconnected('keepalive_timeout');
    },
  },
  {
    name: 'a clock that is an hour behind',
    code: 'clock_skew',
    state: 'online',
    fix: /UDP port 123/,
    act: (scene) => walk(scene, { timestamp: Date.now() - 3_600_000 }),
  },
  {
    name: 'a method that nobody answers',
    code: 'method_unanswered',
    state: 'online',
    fix: /DOCKHOOK_ANSWER_FOR_BACKEND=offline_map_get/,
    async act(scene) {
      await (await walk(scene)).request('offline_map_get');
    },
  },
  {
    name: 'somebody else who tries the account of a dock that is online',
    code: 'another_refused',
    state: 'online',
    fix: /198\.51\.100\.7/,
    async act(scene) {
      await walk(scene);
      await scene.dock({ peerHost: '198.51.100.7' }).authenticate(WRONG_PASSWORD);
    },
  },
  {
    name: 'an SN that an account of several docks does not list',
    code: 'sn_not_in_account',
    state: 'stopped at connect',
    fix: /dockhook account set dock-\d+ --gateway 7CTDFLEET0 7CTDFLEET1 7CTD/,
    account: { scope: { kind: 'gateways', gateways: ['7CTDFLEET0', '7CTDFLEET1'] } },
    async act({ dock, sn }) {
      const actor = dock();
      await actor.connect(PASSWORD);
      await actor.authorize('SUBSCRIBE', `thing/product/${sn}/requests_reply`);
    },
  },
];

describeWithPostgres('dock, after faults were injected', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let environment: Record<string, string>;
  let docks: { sn: string; account: string }[];
  const HEALTHY = '7CTDHEALTHY00';
  /** As the SNs that doctor --probe invents. */
  const POSING = 'DOCKHOOKPROBE1';
  const NO_LICENSE = '7CTDNOLICENSE';
  const MENDED = '7CTDMENDED000';

  const show = (...args: string[]): Promise<Result> => run(['dock', 'show', ...args], { environment });
  const shown = async (sn: string): Promise<Record<string, unknown>> => {
    const result = await run(['--json', 'dock', 'show', sn], { environment });
    expect(result.code, result.stderr).to.equal(0);
    return JSON.parse(result.stdout) as Record<string, unknown>;
  };
  const sceneOf = (app: TestDockhook, stage: Stage, sn: string, account: string): Scene => ({
    ...{ sn, account, app, stage },
    dock: (more = {}) => stage.client({ clientId: sn, username: account, ...more }),
    bind: (actor, { code = CODE, organization = 'north', sn: device = sn } = {}) =>
      actor.request(
        'airport_organization_bind',
        { bind_devices: [{ sn: device, device_binding_code: code, organization_id: organization }] },
        { gateway: sn },
      ),
  });

  before(async () => {
    database = await freshDatabase();
    environment = { DATABASE_URL: database.url };
    const app = await startDockhook({ stores: openStores(connectPostgres(database.url)) });
    await app.ready;
    const stage = await openStage(app.grpc);
    await app.stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: CODE });
    await app.stores.organizations.add({ id: 'south', name: 'South yard', bindingCode: 'the-code-of-south' });
    const addDock = async (sn: string, account: string, more: Partial<Account> = {}): Promise<Scene> => {
      const { scope = { kind: 'gateways', gateways: [sn] }, ...rest } = more;
      await app.addAccount(account, PASSWORD, scope, rest);
      return sceneOf(app, stage, sn, account);
    };

    const first = (await addDock(NO_LICENSE, 'dock-without-license')).dock();
    await first.connect(PASSWORD);
    await first.request('config');
    await app.stores.license.set(LICENSE);

    docks = FAULTS.map((_, index) => ({ sn: `7CTDFAULT${index + 1000}`, account: `dock-${index}` }));
    for (const [index, { account: differs, act }] of FAULTS.entries()) {
      const { sn, account } = docks[index]!;
      const scene = differs === null ? sceneOf(app, stage, sn, account) : await addDock(sn, account, differs);
      await act(scene);
    }
    await walk(await addDock(HEALTHY, 'dock-healthy'));

    await (await addDock(`${POSING}0`, 'dockhook-probe-0')).dock().connect(PASSWORD);
    await (await addDock(POSING, 'fleet', { scope: { kind: 'client-id' } })).dock().connect(PASSWORD);
    const mended = await addDock(MENDED, 'dock-mended');
    await mended.dock().authenticate(WRONG_PASSWORD);
    const actor = mended.dock();
    await actor.connect(PASSWORD);
    await actor.request('config');
    await actor.disconnected('normal');
    const again = mended.dock();
    await again.connect(PASSWORD);
    await again.request('config');
    await mended.bind(again, { code: WRONG_CODE });
    await mended.bind(again);

    stage.close();
    await app.stop();
  });
  after(() => database.drop());

  for (const [index, { name, code, state, fix }] of FAULTS.entries()) {
    it(`names ${name}`, async () => {
      const { sn } = docks[index]!;
      const dock = await shown(sn);
      const [finding] = dock['findings'] as { code: string; what: string; fix: string[] }[];
      expect(finding?.code, JSON.stringify(dock, null, 1)).to.equal(code);
      expect(dock['state']).to.equal(state);
      expect(finding?.fix.join('\n')).to.match(fix);
      const { stdout } = await show(sn);
      expect(stdout).to.include(finding?.what).and.to.match(fix);
    });
  }

  it('names a license that was never set, and sees that it is set now', async () => {
    const dock = await shown(NO_LICENSE);
    expect(dock).to.include({ state: 'stopped at config' });
    const [finding] = dock['findings'] as { code: string; brief: string }[];
    expect(finding).to.include({ code: 'license_not_set', brief: 'license set since; waits for the dock' });
    expect((await run(['license', 'clear'], { environment })).code).to.equal(0);
    const [without] = (await shown(NO_LICENSE))['findings'] as { fix: string[] }[];
    expect(without?.fix[0]).to.match(/^dockhook license set /);
    const license = { app_id: LICENSE.appId, app_key: LICENSE.appKey, app_license: LICENSE.appLicense };
    await run(['license', 'set', '-'], { environment, input: JSON.stringify(license) });
  });

  it('finds nothing wrong with a healthy dock, and tells its story', async () => {
    const dock = await shown(HEALTHY);
    expect(dock).to.deep.include({
      state: 'online',
      connected: true,
      findings: [],
      account: 'dock-healthy',
      clientId: HEALTHY,
      address: '192.0.2.1',
      organization: 'north',
      drone: DRONE,
    });
    const story = dock['story'] as Record<string, unknown>[];
    expect(story.map(({ step, method }) => method ?? step)).to.deep.equal([
      ...['authenticate', 'connected', 'authorize', 'config', 'airport_bind_status'],
      ...['bind', 'airport_organization_bind', 'update_topo'],
    ]);
    const { stdout } = await show(HEALTHY);
    expect(stdout.trimEnd().split('\n').at(-1)).to.equal('Nothing is wrong.');
    expect(stdout).to.match(/organization +north \("North yard"\)/);
  });

  it('counts as history what was followed by success', async () => {
    const dock = await shown(MENDED);
    expect(dock).to.deep.include({ state: 'online', findings: [] });
    const story = dock['story'] as Record<string, unknown>[];
    expect(story.map(({ reason }) => reason)).to.include.members(['wrong_password', 'wrong_binding_code']);
  });

  it('shows the newest entries if there are more than it was asked for', async () => {
    const { stdout } = await show(HEALTHY, '--limit', '2');
    expect(stdout)
      .to.match(new RegExp(`\\(6 earlier entries: .* dock show ${HEALTHY} --limit 8.*\\)`))
      .and.to.include(`drone ${DRONE}`);
    expect(stdout).to.not.include('airport_bind_status');
  });

  it('knows which dock was meant by letters of the wrong case', async () => {
    const { code, stderr } = await show(HEALTHY.toLowerCase());
    expect(code)
      .to.equal((await show('7CTDNOBODY0000')).code)
      .and.to.be.above(0);
    expect(stderr).to.include(`did you mean ${HEALTHY}?`);
  });

  it('lists each known dock with its state and what is wrong', async () => {
    const result = await run(['--json', 'dock', 'list'], { environment });
    const listed = JSON.parse(result.stdout) as { sn: string; state: string; findings: { code: string }[] }[];
    for (const [index, { account, state, code }] of FAULTS.entries()) {
      // Without an account it is known to nobody.
      if (account === null || account?.scope !== undefined) continue;
      const dock = listed.find(({ sn }) => sn === docks[index]!.sn);
      expect(dock?.state, code).to.equal(state);
      expect(dock?.findings[0]?.code).to.equal(code);
    }
    const { stdout } = await run(['dock', 'list'], { environment: { ...environment, TZ: 'Asia/Tokyo' } });
    expect(stdout)
      .to.match(/^SN +STATE +SINCE \(Asia\/Tokyo\) /m)
      .and.to.include('LAST (Asia/Tokyo)');
    expect(stdout).to.match(
      new RegExp(`^${HEALTHY} +online +\\d{4}-\\d\\d-\\d\\d .* dock-healthy +north$`, 'm'),
    );
    expect(stdout).to.match(/^7CTDFAULT1002 +refused .* wrong password$/m);
  });

  it('lists no dock that a probe invented, but one that only calls itself so', async () => {
    const { stdout } = await run(['--json', 'dock', 'list'], { environment });
    const listed = (JSON.parse(stdout) as { sn: string }[]).map(({ sn }) => sn);
    expect(listed.filter((sn) => sn.startsWith(POSING))).to.deep.equal([POSING]);
  });

  it('ends the list with refused clients of no known dock', async () => {
    const { stdout } = await run(['dock', 'list'], { environment });
    const [, strangers = ''] = stdout.split('Refused clients that belong to none of these docks');
    expect(strangers).to.match(/^7CTDFAULT1000 +mistyped +192\.0\.2\.1 +unknown_account +1 +\d/m);
    expect(strangers).to.not.include('7CTDFAULT1002');
    expect(strangers).to.match(/^7CTDFAULT10\d\d +dock-\d+ .*not_in_scope/m);
  });

  it('says through which dock a drone comes', async () => {
    const result = await show(DRONE);
    expect(result.code).to.equal(0);
    expect(result.stdout).to.match(/is a drone; it comes through 7CTD\w+: dockhook dock show 7CTD/);
  });

  it('exits with 3 for an SN of which nothing is known, and with 2 for what is no SN', async () => {
    const unknown = await show('7CTDNOBODY000');
    expect(unknown.code).to.equal(3);
    expect(unknown.stderr).to.include('7CTDNOBODY000').and.to.include('dockhook dock list');
    expect((await show('no/sn')).code).to.equal(2);
    expect((await show(HEALTHY, '--limit', 'all')).code).to.equal(2);
  });

  it('keeps no password, code or license in any row', async () => {
    const rows = await database.query('SELECT * FROM dockhook_timeline');
    expect(rows.length).to.be.greaterThan(100);
    const text = JSON.stringify(rows);
    for (const secret of [PASSWORD, WRONG_PASSWORD, CODE, WRONG_CODE, LICENSE.appKey, LICENSE.appLicense]) {
      expect(text).to.not.include(secret);
    }
  });
});
