/** The plugin's lines in mosquitto.conf: the shipped fragments start a broker that serves, faults start none. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateDirectories, grpcSettings } from '../support/certificates.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { freePorts } from '../support/haproxy.js';
import { connackCode, connectClient } from '../support/mqtt.js';
import { describeWithMosquitto, PLUGIN, runMosquitto } from '../support/mosquitto.js';
import { startProvider, type ScriptedProvider } from '../support/scripted-provider.js';

const PASSWORD = 'p4ssword of the test';
const SN = '7CTDTEST00000A';

const shipped = (file: string): string =>
  readFileSync(new URL(`../../deploy/mosquitto/${file}`, import.meta.url), 'utf8');
const asWhoever = process.getuid?.() === 0 ? ['user root'] : [];

/** ExHook servers that end after each test; call it inside a `describe`. */
function providers(): () => Promise<ScriptedProvider> {
  const started: ScriptedProvider[] = [];
  afterEach(() => {
    for (const provider of started.splice(0)) provider.stop();
  });
  return async () => {
    const provider = await startProvider();
    started.push(provider);
    return provider;
  };
}

describeWithMosquitto('the shipped mosquitto.conf', () => {
  const { make } = certificateDirectories();
  const start = providers();
  let certificates: string;
  let dockhook: TestDockhook;
  before(async () => {
    certificates = make(SN);
    dockhook = await startDockhook({ environment: grpcSettings(certificates) });
    await dockhook.addAccount('dock', PASSWORD, { kind: 'gateways', gateways: [SN] }, { certificateCn: SN });
    await dockhook.addAccount('other', PASSWORD, { kind: 'any-gateway' });
  });
  after(() => dockhook.stop());

  it('serves over TCP, TLS and TLS with client certificates, asking dockhook over mutual TLS', async () => {
    const [tcp = 0, tls = 0, mutual = 0] = await freePorts(3);
    const file = (path: string): string => join(certificates, path);
    const replaced: [shipped: string, ours: string][] = [
      ['plugin /usr/local/lib/mosquitto_dockhook.so', `plugin ${PLUGIN}`],
      ['plugin_opt_url http://127.0.0.1:9000\n', '\n'],
      ['#plugin_opt_url https://dockhook.example:9000', `plugin_opt_url https://${dockhook.grpc}`],
      ['#plugin_opt_tls_ca /etc/mosquitto/certs/grpc-ca.pem', `plugin_opt_tls_ca ${file('grpc/ca.pem')}`],
      [
        '#plugin_opt_tls_cert /etc/mosquitto/certs/grpc-client.pem',
        `plugin_opt_tls_cert ${file('grpc/emqx.pem')}`,
      ],
      [
        '#plugin_opt_tls_key /etc/mosquitto/certs/grpc-client.key',
        `plugin_opt_tls_key ${file('grpc/emqx.key')}`,
      ],
      ['listener 1883', `listener ${tcp}`],
      ['listener 8883', `listener ${tls}`],
      ['listener 8884', `listener ${mutual}`],
    ];
    const text = replaced.reduce((all, [theirs, ours]) => {
      if (all.split(theirs).length !== 2) throw new Error(`the fragments do not hold "${theirs}" once`);
      return all.replace(theirs, ours);
    }, ['dockhook.conf', 'listener-client-certificates.conf', 'listener-server-certificate.conf', 'listener-tcp.conf'].map(shipped).join('\n'));
    const broker = runMosquitto([
      ...asWhoever,
      ...text
        .replaceAll('/etc/mosquitto/certs/broker', file('mqtt/broker'))
        .replaceAll('/etc/mosquitto/certs/docks-ca.pem', file('mqtt/ca.pem'))
        .split('\n'),
    ]);
    await broker.says(' serves');

    const other = { clientId: 'c', username: 'other', password: PASSWORD };
    const dock = { clientId: SN, username: 'dock', password: PASSWORD };
    const ca = readFileSync(file('mqtt/ca.pem'));
    const shown = {
      cert: readFileSync(file(`mqtt/dock-${SN}.pem`)),
      key: readFileSync(file(`mqtt/dock-${SN}.key`)),
    };
    expect(await connackCode(`mqtt://127.0.0.1:${tcp}`, other)).to.equal(0);
    expect(await connackCode(`mqtts://localhost:${tls}`, { ...other, ca })).to.equal(0);
    expect(await connackCode(`mqtts://localhost:${mutual}`, { ...dock, ca, ...shown })).to.equal(0);
    // The account is tied to a certificate, and no other listener asks for one.
    expect(await connackCode(`mqtts://localhost:${tls}`, { ...dock, ca })).to.equal(5);
    expect(await broker.stop()).to.equal(0);
  });

  it('tells the common and the distinguished name of a client certificate', async () => {
    const provider = await start();
    const [port = 0] = await freePorts(1);
    const broker = runMosquitto([
      ...asWhoever,
      `listener ${port}`,
      `certfile ${join(certificates, 'mqtt/broker.pem')}`,
      `keyfile ${join(certificates, 'mqtt/broker.key')}`,
      `cafile ${join(certificates, 'mqtt/ca.pem')}`,
      'require_certificate true',
      `plugin ${PLUGIN}`,
      `plugin_opt_url http://${provider.address}`,
    ]);
    await broker.says(' serves');
    const client = await connectClient(`mqtts://localhost:${port}`, {
      clientId: SN,
      username: 'dock',
      ca: readFileSync(join(certificates, 'mqtt/ca.pem')),
      cert: readFileSync(join(certificates, `mqtt/dock-${SN}.pem`)),
      key: readFileSync(join(certificates, `mqtt/dock-${SN}.key`)),
      will: { topic: 'test/will', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    // The last will is published when the connection, and its certificate, are gone.
    client.mqtt.stream.destroy();
    await provider.once('OnClientDisconnected');
    for (const method of ['OnClientAuthenticate', 'OnClientAuthorize']) {
      expect((await provider.once(method)).clientinfo, method).to.include({ cn: SN, dn: `CN=${SN}` });
    }
    expect(await broker.stop()).to.equal(0);
  });
});

describeWithMosquitto('an ExHook server that cannot be reached', () => {
  const { make } = certificateDirectories();
  const start = providers();
  let ours: string;
  let others: string;
  let dockhook: TestDockhook;
  before(async () => {
    [ours, others] = [make(), make()];
    dockhook = await startDockhook({
      environment: { ...grpcSettings(ours), DOCKHOOK_GRPC_LISTEN: '0.0.0.0:0' },
    });
  });
  after(() => dockhook.stop());

  /** What a broker says that tries it with these options. */
  async function whatIsSaid(url: string, ...options: string[]): Promise<string> {
    const [port = 0] = await freePorts(1);
    const broker = runMosquitto([
      ...asWhoever,
      `listener ${port} 127.0.0.1`,
      `plugin ${PLUGIN}`,
      ...[`url ${url}`, ...options].map((option) => `plugin_opt_${option}`),
    ]);
    const line = await broker.says('cannot be reached');
    expect(await broker.stop()).to.equal(0);
    // gRPC's own words, which it would repeat with each attempt.
    expect(broker.log()).not.to.include('ssl_transport_security');
    return line;
  }
  const port = (): string => dockhook.grpc.split(':')[1] ?? '';
  const own = (directory: string): string[] => [
    `tls_cert ${join(directory, 'grpc/emqx.pem')}`,
    `tls_key ${join(directory, 'grpc/emqx.key')}`,
  ];
  const ca = (directory: string): string => `tls_ca ${join(directory, 'grpc/ca.pem')}`;

  it('has a certificate of another CA', async () => {
    const said = await whatIsSaid(`https://127.0.0.1:${port()}`, ca(others), ...own(ours));
    expect(said).to.include('certificate verify failed').and.to.include('plugin_opt_tls_ca');
  });

  it('has a certificate for another host', async () => {
    const said = await whatIsSaid(`https://127.0.0.2:${port()}`, ca(ours), ...own(ours));
    expect(said).to.include('127.0.0.2 is not in peer certificate').and.to.include('plugin_opt_url');
  });

  it('wants a certificate and is shown none, or one of another CA', async () => {
    for (const shown of [[], own(others)]) {
      const said = await whatIsSaid(`https://127.0.0.1:${port()}`, ca(ours), ...shown);
      expect(said).to.include('it may want').and.to.include('plugin_opt_tls_cert');
    }
  });

  it('speaks TLS and is spoken to in plain text', async () => {
    expect(await whatIsSaid(`http://127.0.0.1:${port()}`)).to.include('it may want TLS');
  });

  it('speaks no TLS and is spoken to in TLS', async () => {
    const provider = await start();
    expect(await whatIsSaid(`https://${provider.address}`, ca(ours))).to.include('it does not speak TLS');
  });

  it('is not there', async () => {
    expect(await whatIsSaid('http://127.0.0.1:1')).to.include('Connection refused');
  });
});

describeWithMosquitto('a plugin line that cannot be used', () => {
  const cases: [what: string, options: string[], said: string][] = [
    [
      'an option that is not there',
      ['url http://a:1', 'ulr x'],
      'plugin_opt_ulr: there is no such option. There are: ',
    ],
    ['no url', [], 'plugin_opt_url is missing'],
    [
      'a url of another kind',
      ['url mqtt://a:1'],
      'plugin_opt_url mqtt://a:1: must be http://HOST:PORT or https',
    ],
    ['a url without a port', ['url http://a'], 'plugin_opt_url http://a: must be http://HOST:PORT or https'],
    ...[
      'http://user@a:1',
      'http://a/b:1',
      'http://a b:1',
      'http://::1:1',
      'http://[::g]:1',
      'http://127.1:1',
    ].map((url): [string, string[], string] => [
      `a url with something else where the host is, ${url}`,
      [`url ${url}`],
      'must be a name, an IPv4 address, or an IPv6 address in brackets',
    ]),
    ...['http://a:1x', 'http://a:', 'http://a:1/path', 'xhttp://a:1', 'http://a:123456'].map(
      (url): [string, string[], string] => [
        `a url with something else around it, ${url}`,
        [`url ${url}`],
        `plugin_opt_url ${url}: must be http://HOST:PORT or https`,
      ],
    ),
    [
      'a port that is none',
      ['url http://a:65536'],
      'plugin_opt_url 65536: must be a whole number from 1 to 65535',
    ],
    ['an option twice', ['url http://a:1', 'node a', 'node b'], 'plugin_opt_node: stands there twice'],
    [
      'a wait that would stop the broker for too long',
      ['url http://a:1', 'auth_wait_ms 251'],
      'plugin_opt_auth_wait_ms 251: must be a whole number from 10 to 250',
    ],
    [
      'half a certificate',
      ['url https://a:1', 'tls_cert DIR/mqtt/ca.pem'],
      'plugin_opt_tls_key belong together',
    ],
    [
      'a certificate with another key',
      ['url https://a:1', 'tls_cert DIR/mqtt/ca.pem', 'tls_key DIR/grpc/ca.key'],
      'grpc/ca.key: is not the key of plugin_opt_tls_cert ',
    ],
    ['certificates without TLS', ['url http://a:1', 'tls_ca DIR/mqtt/ca.pem'], 'must begin with https://'],
    [
      'a key for a certificate',
      ['url https://a:1', 'tls_ca DIR/mqtt/ca.key'],
      'ca.key: holds no certificate',
    ],
    [
      'a file that is not there',
      ['url https://a:1', 'tls_ca /not/there.pem'],
      "/not/there.pem: cannot be read by the broker's user (No such file or directory)",
    ],
  ];
  const { make } = certificateDirectories();
  const start = providers();
  let certificates: string;
  before(() => {
    certificates = make();
  });
  for (const [what, options, said] of cases) {
    it(`starts no broker and says why: ${what}`, async () => {
      const [port = 0] = await freePorts(1);
      const broker = runMosquitto([
        ...asWhoever,
        `listener ${port} 127.0.0.1`,
        `plugin ${PLUGIN}`,
        ...options.map((option) => `plugin_opt_${option.replace('DIR', certificates)}`),
      ]);
      expect(await broker.exit).not.to.equal(0);
      expect(broker.log()).to.include(said);
    });
  }

  /** A broker with an ExHook server that it will not reach, when it has said all about its options. */
  async function logWith(url: string): Promise<string> {
    const [port = 0] = await freePorts(1);
    const broker = runMosquitto([
      ...asWhoever,
      `listener ${port} 127.0.0.1`,
      `plugin ${PLUGIN}`,
      `plugin_opt_url ${url}`,
    ]);
    // Not " running": a SIGTERM just after that is lost (2.0.11, source).
    await broker.says('cannot be reached');
    expect(await broker.stop()).to.equal(0);
    return broker.log();
  }

  const WARNING = 'in plain text; use https:// beyond this machine';
  for (const url of [
    'http://127.0.0.1:1',
    'http://[::1]:1/',
    'http://localhost:1',
    'https://127.example:1',
  ]) {
    it(`sends passwords to ${url} without a warning`, async () => {
      expect(await logWith(url)).not.to.include(WARNING);
    });
  }
  for (const url of ['http://127.example:1', 'http://127.0.0.1.example:1', 'http://dock_hook:1']) {
    it(`warns that passwords go to ${url} in plain text`, async () => {
      expect(await logWith(url)).to.include(WARNING);
    });
  }

  it('names every option there is, and those are the documented ones', async () => {
    const broker = runMosquitto([...asWhoever, `plugin ${PLUGIN}`, 'plugin_opt_other value']);
    await broker.exit;
    const names = /There are: (.*)$/m.exec(broker.log())?.[1]?.split(', ');
    const rows = shipped('README.md').matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm);
    const documented = [...rows].flatMap(([, cell = '']) => cell.replaceAll('`', '').split(', '));
    expect(names).to.have.members(documented);
  });

  it('lets nobody in under per_listener_settings, where the broker gives plugins no time, and says why', async () => {
    const provider = await start();
    const [port = 0] = await freePorts(1);
    const broker = runMosquitto([
      'per_listener_settings true',
      ...asWhoever,
      `listener ${port} 127.0.0.1`,
      `plugin ${PLUGIN}`,
      `plugin_opt_url http://${provider.address}`,
    ]);
    await broker.says('mosquitto version', ' running');
    // Without time slices the plugin cannot say that dockhook serves.
    const is2011 = broker.log().includes('mosquitto version 2.0.11');
    if (!is2011) await broker.says(' serves');
    const login = { clientId: 'a', username: 'a', password: 'b' };
    const code = (): Promise<number> => connackCode(`mqtt://127.0.0.1:${port}`, login);
    expect(await code()).to.equal(is2011 ? 5 : 0);
    // Not at once, for it may only just have started.
    while (is2011 && !broker.log().includes('Set per_listener_settings false')) {
      expect(await code()).to.equal(5);
    }
    expect(await broker.stop()).to.equal(0);
  });
});
