import { createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { startBroker, type Broker } from '../../../src/trial-broker/broker.js';
import { simulateDock, type SimulatedDockOptions } from '../../../src/simulator/simulated-dock.js';
import { formatStep, type Step } from '../../../src/simulator/step-report.js';
import { DockhookError } from '../../../src/errors.js';
import { connectClient, type TestClient } from '../../support/mqtt.js';
import {
  ignore,
  no,
  rewritten,
  startProvider,
  yes,
  type ScriptedProvider,
} from '../../support/scripted-provider.js';

const DOCK = '7CTDTEST00000A';
const DRONE = '1581FTEST000000000B';
const PASSWORD = 'correct horse';
const CODE = 'K7Q2-K7Q2';
const LICENSE = { app_id: '166400', app_key: 'key-of-the-app', app_license: 'license-of-the-app' };
const SECRETS = [PASSWORD, CODE, ...Object.values(LICENSE)];

interface Request {
  tid: string;
  method: string;
  gateway: string;
  data: Record<string, unknown>;
}

/** What a cloud says to each method: the reply's `data`, or `undefined` for no reply at all. */
type Cloud = Record<
  string,
  (request: Request, earlier: Request[]) => object | undefined | Promise<object | undefined>
>;

const output = (value: object) => ({ result: 0, output: value });

const statusOf = (bound: boolean) => () =>
  output({
    bind_status: [DRONE, DOCK].map((sn) => ({
      sn,
      is_device_bind_organization: bound,
      organization_id: bound ? 'org-7' : '',
      organization_name: bound ? 'North yard' : '',
      device_callsign: '',
    })),
  });

const goodCloud: Cloud = {
  config: () => ({ ...LICENSE, ntp_server_host: 'ntp.example.org', ntp_server_port: 123 }),
  airport_bind_status: (_, earlier) =>
    statusOf(earlier.some(({ method }) => method === 'airport_organization_bind'))(),
  airport_organization_get: () => output({ organization_name: 'North yard' }),
  airport_organization_bind: () => output({ err_infos: [DOCK, DRONE].map((sn) => ({ sn, err_code: 0 })) }),
};

describe('simulated dock', () => {
  let provider: ScriptedProvider;
  let broker: Broker;
  let requests: Request[];
  let steps: Step[];

  async function start(cloud: Cloud = {}, refusedFilter = ''): Promise<void> {
    requests = [];
    provider = await startProvider({
      OnClientAuthenticate: ({ clientinfo }) => (clientinfo.password === PASSWORD ? yes : no),
      OnClientAuthorize: ({ topic }) => (topic === refusedFilter ? no : yes),
      OnMessagePublish: async ({ message }) => {
        const request = JSON.parse(message.payload.toString()) as Request;
        const data = await { ...goodCloud, ...cloud }[request.method]?.(request, [...requests]);
        requests.push(request);
        if (!data) return ignore;
        const payload = Buffer.from(JSON.stringify({ ...request, timestamp: Date.now(), data }));
        return rewritten(message, { topic: `${message.topic}_reply`, payload, qos: 1 });
      },
    });
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: provider.address });
  }

  beforeEach(() => {
    steps = [];
  });

  afterEach(async () => {
    await broker.close();
    provider.stop();
  });

  function options(change: Partial<SimulatedDockOptions> = {}): SimulatedDockOptions {
    return {
      url: `mqtt://127.0.0.1:${broker.port}`,
      username: 'yard',
      password: PASSWORD,
      gateway: DOCK,
      drone: DRONE,
      organizationId: 'org-7',
      bindingCode: CODE,
      onStep: (step) => steps.push(step),
      ...change,
    };
  }

  /** Walks where it must fail; no secret may appear in the error or in a step. */
  async function failure(change: Partial<SimulatedDockOptions> = {}): Promise<DockhookError> {
    const error: unknown = await simulateDock(options(change)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(DockhookError);
    const shown = (error as DockhookError).message + JSON.stringify(steps);
    for (const secret of SECRETS) expect(shown).not.to.contain(secret);
    return error as DockhookError;
  }

  const methods = () => requests.map(({ method }) => method);
  const line = ({ direction, method, result }: Step) => `${direction} ${method} ${result ?? ''}`.trim();

  it('walks the whole access sequence of an unbound dock and its drone', async () => {
    await start();
    const session = await simulateDock(options());
    await session.close();
    expect(steps.filter(({ method }) => method !== 'subscribe').map(line)).to.deep.equal([
      '→ connect 0',
      '→ config',
      '← config 0',
      '→ airport_bind_status',
      '← airport_bind_status 0',
      '→ airport_organization_get',
      '← airport_organization_get 0',
      '→ airport_organization_bind',
      '← airport_organization_bind 0',
      '→ airport_bind_status',
      '← airport_bind_status 0',
      '→ update_topo',
    ]);
    expect(steps.every(({ ok }) => ok)).to.be.true;
    for (const secret of SECRETS) expect(JSON.stringify(steps)).not.to.contain(secret);
  });

  it('sends what a dock sends', async () => {
    await start();
    await (await simulateDock(options({ callsign: 'Dock A' }))).close();
    expect(requests.every(({ gateway }) => gateway === DOCK)).to.be.true;
    expect(new Set(requests.map(({ tid }) => tid))).to.have.lengthOf(5);
    const credentials = { device_binding_code: CODE, organization_id: 'org-7' };
    expect(requests.map(({ data }) => data)).to.deep.equal([
      { config_type: 'json', config_scope: 'product' },
      { devices: [{ sn: DRONE }, { sn: DOCK }] },
      credentials,
      {
        bind_devices: [
          { sn: DOCK, ...credentials, device_callsign: 'Dock A', device_model_key: '3-3-0' },
          { sn: DRONE, ...credentials, device_callsign: `Drone ${DRONE}`, device_model_key: '0-100-1' },
        ],
      },
      { devices: [{ sn: DRONE }, { sn: DOCK }] },
    ]);
  });

  it('ends after the first status if all its devices are bound', async () => {
    await start({ airport_bind_status: statusOf(true) });
    await (await simulateDock(options())).close();
    expect(methods()).to.deep.equal(['config', 'airport_bind_status']);
    expect(steps.find(({ text }) => text.includes('bound to North yard'))?.text).to.contain(DRONE);
  });

  it('tells the cloud of its drone with update_topo once it is bound', async () => {
    await start();
    const cloud = await connectClient(`mqtt://127.0.0.1:${broker.port}`, {
      username: 'backend',
      password: PASSWORD,
    });
    await cloud.subscribe('sys/product/+/status');
    const session = await simulateDock(options());
    const { topic, payload } = await cloud.next();
    const { method, data } = JSON.parse(payload.toString()) as {
      method: string;
      data: { sub_devices: { sn: string }[] };
    };
    expect([topic, method]).to.deep.equal([`sys/product/${DOCK}/status`, 'update_topo']);
    expect(data.sub_devices.map(({ sn }) => sn)).to.deep.equal([DRONE]);
    await session.close();
    await cloud.close();
  });

  it('comes without a drone, under a client id of its own, and leaves when closed', async () => {
    await start({
      airport_bind_status: () => output({ bind_status: [{ sn: DOCK, is_device_bind_organization: true }] }),
    });
    const { drone: _, ...alone } = options({ clientId: 'DRC-1' });
    const session = await simulateDock(alone);
    await session.close();
    expect(requests[1]?.data).to.deep.equal({ devices: [{ sn: DOCK }] });
    const { clientinfo, reason } = await provider.once('OnClientDisconnected');
    expect([clientinfo.clientid, reason]).to.deep.equal(['DRC-1', 'normal']);
  });

  it('sends config again under the same tid when no reply comes, three times in all', async () => {
    await start({ config: (_, earlier) => (earlier.length < 2 ? undefined : LICENSE) });
    await (await simulateDock(options({ timeoutMs: 1800 }))).close();
    const configs = requests.filter(({ method }) => method === 'config');
    expect(configs).to.have.lengthOf(3);
    expect(new Set(configs.map(({ tid }) => tid))).to.have.lengthOf(1);
  });

  it('takes no notice of a reply to another tid', async () => {
    const strangers: TestClient[] = [];
    await start({
      config: async (request) => {
        const stray = { ...request, tid: 'other', data: { result: 210001, output: {} } };
        for (const stranger of strangers) {
          await stranger.publish(`thing/product/${DOCK}/requests_reply`, JSON.stringify(stray), { qos: 1 });
        }
        return LICENSE;
      },
    });
    const url = `mqtt://127.0.0.1:${broker.port}`;
    strangers.push(await connectClient(url, { username: 'other server', password: PASSWORD }));
    await (await simulateDock(options())).close();
    await strangers[0]!.close();
  });

  it('says what to check if no reply comes', async () => {
    await start({ airport_bind_status: () => undefined });
    expect((await failure({ timeoutMs: 1000 })).message).to.match(
      /^airport_bind_status got no reply in 1 s: check that the ExHook server runs.*gateway 7CTD/,
    );
  });

  const broken: [string, Cloud, RegExp][] = [
    ['the license is not flat', { config: () => output(LICENSE) }, /no app_id, app_key, app_license/],
    [
      'a license field is absent',
      { config: () => ({ ...LICENSE, app_key: '' }) },
      /no app_key\. A dock disconnects/,
    ],
    [
      'config has an error',
      { config: () => ({ result: 210001, output: {} }) },
      /config failed with result 210001/,
    ],
    [
      'the binding code is refused',
      { airport_organization_get: () => ({ result: 210230, output: {} }) },
      /airport_organization_get failed with result 210230.*binding code/,
    ],
    [
      'one device is bound elsewhere',
      {
        airport_organization_bind: () =>
          output({ err_infos: [DOCK, DRONE].map((sn) => ({ sn, err_code: sn === DRONE ? 210232 : 0 })) }),
      },
      new RegExp(
        `airport_organization_bind of ${DRONE} \\(\\w+ is bound\\) failed with result 210232.*another organization`,
      ),
    ],
    [
      'a device is missing in bind_status',
      {
        airport_bind_status: () => output({ bind_status: [{ sn: DOCK, is_device_bind_organization: true }] }),
      },
      new RegExp(`airport_bind_status is malformed .no bind_status for ${DRONE}`),
    ],
    [
      'a device is missing in err_infos',
      { airport_organization_bind: () => output({ err_infos: [{ sn: DOCK, err_code: 0 }] }) },
      new RegExp(`no err_infos for ${DRONE}`),
    ],
    ['it stays unbound', { airport_bind_status: statusOf(false) }, /still says unbound/],
    ['a code is unknown', { airport_bind_status: () => ({ result: 4711, output: {} }) }, /result 4711.*log/],
  ];
  for (const [what, cloud, message] of broken) {
    it(`fails and disconnects if ${what}`, async () => {
      await start(cloud);
      const error = await failure();
      expect(error.code).to.equal('failed');
      expect(error.message).to.match(message);
      expect((await provider.once('OnClientDisconnected')).reason).to.equal('normal');
    });
  }

  it('shows the refused step as not ok, with the code', async () => {
    await start({ airport_organization_get: () => ({ result: 210230, output: {} }) });
    await failure();
    expect(steps.at(-1)).to.deep.include({
      direction: '←',
      method: 'airport_organization_get',
      ok: false,
      result: 210230,
    });
  });

  it('says what to check if the password is wrong', async () => {
    await start();
    const error = await failure({ password: 'wrong' });
    expect(error.message).to.contain('account "yard" (CONNACK 5)').and.to.contain('password');
    expect(steps.map(line)).to.deep.equal(['→ connect 5']);
  });

  it('names the filter that the broker refused to subscribe', async () => {
    const replies = `thing/product/${DOCK}/requests_reply`;
    await start({}, replies);
    expect((await failure()).message).to.contain(
      `refused the subscription to ${replies}: check that account "yard"`,
    );
    expect(steps.filter(({ ok }) => !ok).map(({ topic, result }) => [topic, result])).to.deep.equal([
      [replies, 128],
    ]);
  });

  it('says at which step the broker closed the connection', async () => {
    await start({
      airport_bind_status: () => {
        void broker.close();
        return undefined;
      },
    });
    expect((await failure()).message).to.contain('closed the connection during airport_bind_status');
  });

  it('says that nothing listens, without what the URL holds of credentials', async () => {
    await start();
    await broker.close();
    const url = `mqtt://yard:${PASSWORD.replace(' ', '%20')}@127.0.0.1:${broker.port}`;
    const error = await failure({ url });
    expect(error.message)
      .to.contain(`nothing listens at mqtt://127.0.0.1:${broker.port}`)
      .and.not.to.contain('horse');
  });

  it('says that a broker which never answers did not', async () => {
    await start();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const error = await failure({ url: `mqtt://127.0.0.1:${port}`, timeoutMs: 100 });
    expect(error.message).to.contain(`could not connect to mqtt://127.0.0.1:${port}`);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  it('wants a broker URL of mqtt or mqtts', async () => {
    await start();
    for (const url of ['http://127.0.0.1:1883', '127.0.0.1:1883', '']) {
      expect((await failure({ url })).code).to.equal('usage');
    }
  });
});

describe('formatStep', () => {
  const step: Step = {
    direction: '←',
    method: 'config',
    topic: 'thing/product/7CTDTEST00000A/requests_reply',
    result: 0,
    milliseconds: 3.14159,
    ok: true,
    text: 'license complete',
  };

  it('shows direction, method, result, milliseconds, topic and text in one line', () => {
    expect(formatStep(step)).to.equal(
      '← config                         0     3.1 ms  thing/product/7CTDTEST00000A/requests_reply  license complete',
    );
  });

  it('keeps the columns where there is no result and no time', () => {
    const { result: _r, milliseconds: _m, ...sent } = step;
    expect(formatStep(sent).indexOf('thing/')).to.equal(formatStep(step).indexOf('thing/'));
  });

  it('adds colour codes only if asked to', () => {
    const escape = String.fromCharCode(27);
    expect(formatStep({ ...step, ok: false }, { colour: true }).startsWith(`${escape}[31m`)).to.be.true;
    expect(formatStep({ ...step, ok: false })).not.to.contain(escape);
  });
});
