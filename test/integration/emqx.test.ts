/** `dockhook emqx …` as a process, against a stand-in for EMQX's REST API. */
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { certificateDirectories } from '../support/certificates.js';
import { run, startCommand, type Result } from '../support/cli.js';
import { configurations, VERSION_OF } from '../support/emqx-configurations.js';
import { API_KEY, API_SECRET, startEmqxRest, type FakeEmqx, type Fault } from '../support/emqx-rest.js';
import { leaves, parseHocon } from '../support/hocon.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('dockhook emqx config', function () {
  // Each test starts some processes.
  this.timeout(60_000);
  const config = (...args: string[]): Promise<Result> => run(['emqx', 'config', ...args]);

  for (const [line, version] of Object.entries(VERSION_OF)) {
    it(`prints deploy/emqx/emqx-${line}.conf for ${version}, with all listeners`, async () => {
      const { stdout, code } = await config(
        '--emqx-version',
        version,
        '--listeners',
        'tcp,tls,client-certificate',
      );
      expect(code).to.equal(0);
      expect(stdout).to.equal(configurations()[`emqx-${line}.conf`]);
      expect(stdout).to.equal(read(`deploy/emqx/emqx-${line}.conf`));
    });

    it(`changes for ${version} what the flags say, and nothing else`, async () => {
      const all = leaves(parseHocon(read(`deploy/emqx/emqx-${line}.conf`)));
      const { stdout } = await config(
        ...[
          '--emqx-version',
          version,
          '--listeners',
          'tls',
          '--name',
          'fleet-2',
          '--exhook',
          'https://hook.example:9443',
        ],
        ...['--exhook-ca', '/a/ca "1".pem', '--exhook-cert', '/a/c.pem', '--exhook-key', '/a/k.pem'],
        ...['--mqtt-cert', '/b/c.pem', '--mqtt-key', '/b/k.pem'],
      );
      // The reader knows no escapes: this one is taken out before and looked for apart.
      expect(stdout).to.include(String.raw`cacertfile = "/a/ca \"1\".pem"`);
      const found = leaves(parseHocon(stdout.replace(String.raw`/a/ca \"1\".pem`, '/a/ca.pem')));
      const kept = Object.entries(all).filter(([path]) => !/^listeners\.(tcp\.|ssl\.client)/.test(path));
      expect(found).to.deep.equal({
        ...Object.fromEntries(kept),
        'listeners.tcp.default.enable': false,
        'listeners.ssl.default.ssl_options.certfile': '/b/c.pem',
        'listeners.ssl.default.ssl_options.keyfile': '/b/k.pem',
        'exhook.servers.0.name': 'fleet-2',
        'exhook.servers.0.url': 'https://hook.example:9443',
        'exhook.servers.0.ssl.enable': true,
        'exhook.servers.0.ssl.cacertfile': '/a/ca.pem',
        'exhook.servers.0.ssl.certfile': '/a/c.pem',
        'exhook.servers.0.ssl.keyfile': '/a/k.pem',
        'exhook.servers.0.ssl.verify': 'verify_peer',
        'exhook.servers.0.ssl.server_name_indication': 'hook.example',
      });
    });
  }

  it('has for https the exhook.servers of exhook-tls.conf', async () => {
    const { stdout } = await config('--emqx-version', '6', '--exhook', 'https://dockhook.example:9000');
    const ours = parseHocon(stdout)['exhook'];
    expect(ours).to.deep.equal(parseHocon(read('deploy/emqx/exhook-tls.conf'))['exhook']);
  });

  it('leaves no listener of EMQX on that was not asked for', async () => {
    const { stdout } = await config('--emqx-version', '5.10', '--listeners', 'client-certificate');
    const found = leaves(parseHocon(stdout));
    for (const name of ['tcp', 'ssl', 'ws', 'wss']) {
      expect(found[`listeners.${name}.default.enable`], name).to.equal(false);
    }
    expect(found['listeners.ssl.client_certificate.ssl_options.verify']).to.equal('verify_peer');
  });

  it('makes the account part of client ids where that EMQX can, and else says that it cannot', async () => {
    for (const version of ['5.8', '5.8.3', '5.10', '6', '6.2.2']) {
      const { stdout, stderr } = await config('--emqx-version', version);
      expect(leaves(parseHocon(stdout))['mqtt.clientid_override'], version).to.equal(
        "concat([username,'|',clientid])",
      );
      expect(stderr, version).to.not.include('takes over its session');
    }
    // They do not start with a key that they do not know.
    for (const version of ['5.1.2', '5.7', '5.8.2']) {
      const { stdout, stderr } = await config('--emqx-version', version);
      expect(stdout, version).to.not.include('clientid_override');
      expect(stderr, version)
        .to.include('takes over its session')
        .and.to.include('dockhook account set BACKEND --client-id');
    }
  });

  it('prints the rules that are named, below the configuration', async () => {
    const plain = await config('--emqx-version', '5.8.9');
    const all = await config('--emqx-version', '5.8.9', '--rules', 'mirror, events,update_topo');
    expect(all.stdout).to.equal(`${plain.stdout}\n${read('deploy/emqx/rules.conf')}`);
    const one = await config('--emqx-version', '6', '--rules', 'events');
    const engine = parseHocon(one.stdout)['rule_engine'] as unknown as { rules: Record<string, unknown> };
    expect(Object.keys(engine.rules)).to.deep.equal(['dockhook_events']);
  });

  it('prints rules without what that EMQX does not know', async () => {
    for (const [version, direct] of [
      ['5.1.2', false],
      ['5.7', false],
      ['5.7.2', false],
      ['5.8', true],
      ['5.8.0', true],
      ['5.10', true],
      ['6', true],
    ] as const) {
      const { stdout } = await config('--emqx-version', version, '--rules', 'update_topo,events,mirror');
      expect(stdout.includes('direct_dispatch = true'), version).to.equal(direct);
      expect(parseHocon(stdout)).to.have.property('rule_engine');
    }
  });

  for (const list of ['update-topo', 'mirror,', '', 'mirror events']) {
    it(`takes no other rules: "${list}"`, async () => {
      const { code, stdout, stderr } = await config('--emqx-version', '6', '--rules', list);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include('is not one of update_topo, events, mirror');
    });
  }

  it('warns of versions with a known fault on stderr, and prints all the same', async () => {
    for (const [version, words] of [
      ['5.10.4', 'loses dockhook'],
      ['6.1.1', 'loses dockhook'],
    ] as const) {
      const { code, stdout, stderr } = await config('--emqx-version', version);
      expect(code).to.equal(0);
      expect(stderr).to.include(words);
      expect(stdout).to.include('no_match = deny');
    }
    expect((await config('--emqx-version', '5.8.7', '--exhook', 'https://h:1')).stderr).to.include(
      'does not verify',
    );
    expect((await config('--emqx-version', '5.8.9', '--exhook', 'https://h:1')).stderr).to.not.include(
      'does not verify',
    );
  });

  it('names the address that dockhook listens on, if EMQX can only mean that', async () => {
    const url = async (environment: Record<string, string>): Promise<string | undefined> => {
      const args = ['emqx', 'config', '--emqx-version', '6', '--listeners', 'tcp'];
      return /^ *url = "(.*)"$/m.exec((await run(args, { environment })).stdout)?.[1];
    };
    const listen = (address: string): Record<string, string> => ({ DOCKHOOK_GRPC_LISTEN: address });
    expect(await url(listen('127.0.0.1:9100'))).to.equal('http://127.0.0.1:9100');
    expect(await url(listen('0.0.0.0:9100'))).to.equal('http://127.0.0.1:9000');
    const file = new URL('../../package.json', import.meta.url).pathname;
    const tls = { DOCKHOOK_GRPC_TLS_CERT: file, DOCKHOOK_GRPC_TLS_KEY: file };
    expect(await url({ ...listen('[::1]:9100'), ...tls })).to.equal('https://[::1]:9100');
  });

  it('names on stderr the files that must be on the node first', async () => {
    const files = async (...args: string[]): Promise<string[]> => {
      const { stderr } = await config('--emqx-version', '5.8.9', ...args);
      return [...stderr.matchAll(/^ +(.*)$/gm)].map(([, file = '']) => file.replace('/etc/emqx/certs/', ''));
    };
    expect(await files('--listeners', 'tls', '--mqtt-key', '/b/k.pem')).to.deep.equal([
      'broker.pem',
      '/b/k.pem',
    ]);
    expect(await files('--listeners', 'client-certificate')).to.include('docks-ca.pem');
    const exhook = await files('--listeners', 'tcp', '--exhook', 'https://h:1');
    expect(exhook).to.deep.equal(['grpc-ca.pem', 'emqx.pem', 'emqx.key']);
    const plain = await config('--emqx-version', '5.8.9', '--listeners', 'tcp');
    expect(await files('--listeners', 'tcp')).to.deep.equal([]);
    expect(plain.stderr).to.include('DOCKHOOK_EMQX_LISTENERS=tcp:default ');
    const newer = await config('--emqx-version', '6', '--listeners', 'tcp');
    expect(newer.stderr).to.equal('');
    expect((await config('--emqx-version', '5.8.9', '--json')).stderr).to.equal('');
  });

  it('is one JSON value with --json', async () => {
    const { stdout } = await config('--emqx-version', '5.8.9', '--json');
    const { line, configuration, listeners } = JSON.parse(stdout) as Record<string, string>;
    expect(listeners).to.deep.equal(['tcp:default', 'ssl:default']);
    expect(line).to.equal('5.1-5.8');
    expect(configuration).to.equal((await config('--emqx-version', '5.8.9')).stdout);
  });

  for (const [args, words] of [
    [[], '--emqx-version'],
    [['--emqx-version', '5.1.1'], 'cannot be kept closed'],
    [['--emqx-version', '5'], 'write 5.8, 5.10'],
    [['--emqx-version', '7.0'], 'nothing is known of EMQX 7'],
    [['--emqx-version', 'latest'], 'write 5.8, 5.10'],
    [['--emqx-version', '6', '--listeners', 'tcp,quic'], '"quic" is not one of tcp, tls'],
    [['--emqx-version', '6', '--exhook', 'http://h'], 'with the port'],
    [['--emqx-version', '6', '--exhook', 'tcp://h:1'], 'write http://host:port'],
    [['--emqx-version', '6', '--exhook', 'http://u:p@h:1'], 'write http://host:port'],
    [['--emqx-version', '6', '--exhook', 'http://h:1/path'], 'write http://host:port'],
    [['--emqx-version', '6', '--name', '-x'], '--name'],
    [['--emqx-version', '6', '--name', 'a"b'], '--name'],
    [['--emqx-version', '6', '--exhook-ca', '/a'], 'https://'],
  ] as const) {
    it(`refuses ${args.join(' ') || 'to guess the version'} and prints nothing`, async () => {
      const { code, stdout, stderr } = await config(...args);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.include(words);
    });
  }
});

describe('dockhook emqx register and status', function () {
  // Each test starts some processes.
  this.timeout(60_000);
  let emqx: FakeEmqx;
  beforeEach(async () => {
    emqx = await startEmqxRest();
  });
  afterEach(() => emqx.close());

  const dockhook = (...args: string[]): Promise<Result> => run(args, { environment: emqx.environment });
  const changes = (): string[] => emqx.calls.filter((call) => !call.startsWith('GET'));

  it('creates the provider, and changes nothing when run again', async () => {
    const first = await dockhook('emqx', 'register');
    expect(first.code, first.stderr).to.equal(0);
    expect(first.stdout)
      .to.include('registered: connected on 1 node, 4 hooks mounted')
      .and.to.include('dockhook doctor');
    expect(emqx.state.providers).to.deep.equal([
      {
        name: 'dockhook',
        url: 'http://127.0.0.1:9000',
        request_timeout: '5s',
        failed_action: 'deny',
        auto_reconnect: '5s',
        pool_size: 8,
        enable: true,
      },
    ]);
    expect(changes()).to.deep.equal(['POST /exhooks']);
    const again = await dockhook('--json', 'emqx', 'register');
    expect(again.code, again.stderr).to.equal(0);
    expect(JSON.parse(again.stdout)).to.include({ action: 'unchanged', moved: false, name: 'dockhook' });
    expect(changes()).to.deep.equal(['POST /exhooks']);
  });

  it('registers the same values that it prints as a configuration', async () => {
    for (const url of ['http://10.0.0.5:9000', 'https://dockhook.example:9000']) {
      await dockhook('emqx', 'register', '--exhook', url);
      const { stdout } = await dockhook('emqx', 'config', '--emqx-version', '6', '--exhook', url);
      const { enable: _enable, ...registered } = emqx.state.providers[0]!;
      expect(parseHocon(stdout)['exhook']).to.deep.equal({ servers: [registered] });
      emqx.state.providers = [];
    }
  });

  it('updates what differs, keeps what an operator set beside, and says so', async () => {
    emqx.state.providers = [
      {
        ...{ name: 'dockhook', url: 'http://10.0.0.1:9000', enable: false, failed_action: 'ignore' },
        ...{ socket_options: { nodelay: true }, ssl: { enable: true, cacertfile: '/old.pem' } },
      },
    ];
    const { code, stdout, stderr } = await dockhook('emqx', 'register', '--exhook', 'http://10.0.0.2:9000');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('updated');
    expect(changes()).to.deep.equal(['PUT /exhooks/dockhook']);
    expect(emqx.state.providers[0]).to.include({
      url: 'http://10.0.0.2:9000',
      enable: true,
      failed_action: 'deny',
    });
    expect(emqx.state.providers[0]).to.have.property('socket_options');
    // What EMQX reports is no setting, and TLS of before is not for the new address.
    expect(emqx.state.providers[0]).to.not.have.any.keys(
      'hooks',
      'metrics',
      'node_status',
      'node_metrics',
      'ssl',
    );
  });

  it('keeps the address and TLS of a provider that is there, unless another address is named', async () => {
    const ssl = {
      enable: true,
      cacertfile: '/yard/ca.pem',
      certfile: '/yard/emqx.pem',
      keyfile: '/yard/emqx.key',
    };
    emqx.state.providers = [
      {
        name: 'dockhook',
        url: 'https://dockhook-grpc.yard:9100',
        enable: false,
        failed_action: 'ignore',
        ssl,
      },
    ];
    const { code, stderr } = await dockhook('emqx', 'register');
    expect(code, stderr).to.equal(0);
    expect(emqx.state.providers[0]).to.deep.include({
      url: 'https://dockhook-grpc.yard:9100',
      enable: true,
      failed_action: 'deny',
      ssl,
    });
  });

  it('takes no TLS files without an address, for it would leave those of the provider', async () => {
    const { code, stderr } = await dockhook('emqx', 'register', '--exhook-cert', '/yard/new.pem');
    expect(code).to.equal(2);
    expect(stderr).to.include('--exhook');
    expect(changes()).to.deep.equal([]);
  });

  it('puts it before other providers', async () => {
    emqx.state.providers = [{ name: 'other', url: 'http://10.0.0.9:9000', enable: true }];
    const { stdout } = await dockhook('--json', 'emqx', 'register');
    expect(JSON.parse(stdout)).to.include({ action: 'created', moved: true });
    expect(emqx.state.providers.map(({ name }) => name)).to.deep.equal(['dockhook', 'other']);
  });

  it('refuses a second provider at the same address, and changes nothing', async () => {
    emqx.state.providers = [{ name: 'default', url: 'http://localhost:9000/', enable: true }];
    const { code, stderr } = await dockhook('emqx', 'register');
    expect(code).to.equal(4);
    expect(stderr).to.include('"default"').and.to.include('--name default');
    expect(changes()).to.deep.equal([]);
  });

  it('waits until every node is connected', async () => {
    emqx.state.nodes = ['emqx@a', 'emqx@b'];
    let looks = 0;
    emqx.state.status['emqx@b'] = () => ((looks += 1) < 4 ? 'connecting' : 'connected');
    const { code, stdout, stderr } = await dockhook('emqx', 'register');
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('connected on all 2 nodes');
    expect(looks).to.equal(4);
  });

  it('says which node is not connected when the time is up, and exits with 1', async () => {
    emqx.state.nodes = ['emqx@a', 'emqx@b'];
    emqx.state.status['emqx@b'] = 'connecting';
    const { code, stdout, stderr } = await dockhook('emqx', 'register', '--wait', '0');
    expect(code).to.equal(1);
    expect(stdout).to.equal('');
    expect(stderr).to.include('emqx@b (connecting)').and.to.include('127.0.0.1:9000');
    expect(stderr).to.not.include('emqx@a');
  });

  it('says which hooks are not mounted', async () => {
    emqx.state.hooks = emqx.state.hooks.filter(({ name }) => name !== 'client.authorize');
    const { code, stderr } = await dockhook('emqx', 'register', '--wait', '0');
    expect(code).to.equal(1);
    expect(stderr).to.include('not mounted: client.authorize');
  });

  describe('where EMQX has the hooks of an earlier dockhook', () => {
    beforeEach(async () => {
      await dockhook('emqx', 'register');
      emqx.state.hooksAtLoad = emqx.state.hooks;
      emqx.state.hooks = [...emqx.state.hooks, { name: 'client.connected', params: {} }];
      emqx.calls.length = 0;
    });

    it('status says so, and that register renews them, and that docks come in', async () => {
      const { code, stdout } = await dockhook('emqx', 'status');
      expect(code).to.equal(0);
      expect(stdout)
        .to.include('no longer asked for: client.connected')
        .and.to.include('dockhook emqx register')
        .and.to.include('EMQX asks dockhook.');
      const json = await dockhook('--json', 'emqx', 'status');
      expect(JSON.parse(json.stdout)).to.include({
        outdated: 'no longer asked for: client.connected',
        problem: null,
      });
    });

    it('register makes EMQX ask for them again, once', async () => {
      const first = await dockhook('emqx', 'register');
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout).to.include('asked for its hooks again').and.to.include('4 hooks mounted');
      expect(changes()).to.deep.equal(['PUT /exhooks/dockhook']);
      const again = await dockhook('--json', 'emqx', 'register');
      expect(JSON.parse(again.stdout)).to.include({ action: 'unchanged', outdated: null });
      expect(changes()).to.deep.equal(['PUT /exhooks/dockhook']);
      const status = await dockhook('--json', 'emqx', 'status');
      expect(JSON.parse(status.stdout)).to.include({ outdated: null });
    });

    it('register renews them also if EMQX has just lost dockhook, and finds it again', async () => {
      let looks = 0;
      emqx.state.status['emqx@127.0.0.1'] = () => ((looks += 1) < 3 ? 'connecting' : 'connected');
      const { stdout } = await dockhook('--json', 'emqx', 'register');
      expect(JSON.parse(stdout)).to.include({ action: 'renewed', outdated: null });
      expect(changes()).to.deep.equal(['PUT /exhooks/dockhook']);
    });

    it('register says if it is an earlier dockhook that answers', async () => {
      delete emqx.state.hooksAtLoad;
      const { code, stdout } = await dockhook('emqx', 'register');
      expect(code).to.equal(0);
      expect(stdout).to.include('no longer asked for: client.connected').and.to.include('another version');
    });

    it('takes them for right on an EMQX that tells no peer port, or has one such node', async () => {
      emqx.state.version = '5.3.2';
      const { stdout } = await dockhook('--json', 'emqx', 'register');
      expect(JSON.parse(stdout)).to.include({ action: 'unchanged', outdated: null });
      expect(changes()).to.deep.equal([]);
    });
  });

  for (const wait of ['soon', '-1', '', '1e9']) {
    it(`refuses --wait "${wait}" before it asks EMQX`, async () => {
      expect((await dockhook('emqx', 'register', '--wait', wait)).code).to.equal(2);
      expect(emqx.calls).to.deep.equal([]);
    });
  }

  it('status shows version, dialect, nodes, hooks and calls', async () => {
    await dockhook('emqx', 'register');
    const { code, stdout } = await dockhook('emqx', 'status');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^emqx@127\.0\.0\.1 +5\.8\.9 +v2 +connected$/m);
    expect(stdout).to.match(
      /^message\.publish +7 +0 +thing\/product\/\+\/requests sys\/product\/\+\/status thing\/product\/\+\/status$/m,
    );
    expect(stdout)
      .to.match(/^position +1 of 1$/m)
      .and.to.include('EMQX asks dockhook. A call on emqx@127.0.0.1 was answered.');
    const json = JSON.parse((await dockhook('--json', 'emqx', 'status')).stdout) as Record<string, unknown>;
    expect(json).to.deep.include({
      ...{ problem: null, call: 'answered' },
      nodes: [{ node: 'emqx@127.0.0.1', version: '5.8.9', dialect: 'v2', status: 'connected' }],
    });
  });

  it('status exits with 3 without a provider, and with 1 if EMQX does not ask it', async () => {
    const absent = await dockhook('--json', 'emqx', 'status');
    expect(absent.code).to.equal(3);
    expect((JSON.parse(absent.stderr) as { message: string }).message).to.include('dockhook emqx register');
    await dockhook('emqx', 'register');
    emqx.state.status['emqx@127.0.0.1'] = 'disconnected';
    const away = await dockhook('--json', 'emqx', 'status');
    expect(away.code).to.equal(1);
    expect(JSON.parse(away.stdout)).to.include({ problem: 'not connected: emqx@127.0.0.1 (disconnected)' });
    expect((JSON.parse(away.stderr) as { code: string }).code).to.equal('failed');
  });

  describe('status, where EMQX says "connected"', () => {
    beforeEach(() => dockhook('emqx', 'register'));
    const status = async () => {
      const { code, stdout, stderr } = await dockhook('--json', 'emqx', 'status');
      const said = JSON.parse(stdout) as { call: string; problem: string | null };
      return {
        code,
        ...said,
        message: stderr === '' ? '' : (JSON.parse(stderr) as { message: string }).message,
      };
    };

    it('exits with 1 if a call of EMQX gets no answer', async () => {
      emqx.state.call = 'unanswered';
      const { code, call, problem, message } = await status();
      expect([code, call]).to.deep.equal([1, 'unanswered']);
      expect(problem).to.include('its call on emqx@127.0.0.1 got no answer');
      expect(message).to.include('Check that dockhook runs').and.to.include('dockhook emqx register');
    });

    it('exits with 1 if EMQX makes no call', async () => {
      emqx.state.call = 'not made';
      const { code, call, problem } = await status();
      expect([code, call]).to.deep.equal([1, 'not called']);
      expect(problem).to.include('did not call');
    });

    it('exits with 1 and says why if the key may not have EMQX call', async () => {
      emqx.fault = (call) => (call === 'POST /publish' ? 403 : undefined);
      const { code, call, problem, message } = await status();
      expect([code, call]).to.deep.equal([1, 'untried']);
      expect(problem).to.include('could not be tried').and.to.include('role administrator');
      expect(message).to.not.include('Check that dockhook runs');
    });

    it('takes the counter for the answer if EMQX hangs in its call', async function () {
      this.timeout(20_000);
      emqx.fault = (call) => {
        if (call !== 'POST /publish') return undefined;
        emqx.state.counts.failed += 1;
        return 'hang';
      };
      expect((await status()).call).to.equal('unanswered');
    });

    it('says of a cluster which node was tried', async () => {
      emqx.state.nodes.push('emqx@10.0.0.2');
      const { code, stdout } = await dockhook('emqx', 'status');
      expect(code).to.equal(0);
      expect(stdout).to.include('A call on emqx@127.0.0.1 was answered').and.to.include('On the other nodes');
    });
  });

  describe('say what to do about', () => {
    const faults: [Fault, string][] = [
      [401, 'DOCKHOOK_EMQX_API_KEY_FILE'],
      [403, 'role administrator'],
      [404, 'port 18083'],
      [500, 'its log says why'],
      ['web page', 'with a web page'],
      ['wrong JSON', 'with JSON in which'],
      ['truncated', 'only part of it'],
      ['cut', 'broke off its answer'],
      ['endless', 'sends more than 16777216 bytes'],
      ['redirect', 'leads to https://elsewhere.example/login'],
      ['hang', 'within 5 s'],
    ];
    for (const [fault, words] of faults) {
      it(`an EMQX that answers with ${fault}, and change nothing`, async function () {
        this.timeout(20_000);
        emqx.fault = () => fault;
        const { code, stdout, stderr } = await dockhook('emqx', 'register');
        expect(code).to.equal(1);
        expect(stdout).to.equal('');
        expect(stderr).to.include(words).and.to.include(emqx.url);
        expect(stderr).to.not.include(API_SECRET).and.to.not.include(API_KEY).and.to.not.include('\u001b');
        expect(emqx.state.providers).to.deep.equal([]);
        expect(emqx.calls).to.have.length(1);
      });
    }

    it('an address where nothing listens', async () => {
      const free = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => free.once('listening', resolve));
      const { port } = free.address() as AddressInfo;
      await new Promise((resolve) => free.close(resolve));
      const { code, stderr } = await dockhook('emqx', 'status', '--emqx', `http://localhost:${port}`);
      expect(code).to.equal(1);
      expect(stderr)
        .to.include(`cannot reach EMQX at http://localhost:${port}`)
        .and.to.include('ECONNREFUSED');
    });

    it('https where EMQX speaks http', async () => {
      const { code, stderr } = await dockhook(
        'emqx',
        'status',
        '--emqx',
        emqx.url.replace('http:', 'https:'),
      );
      expect(code).to.equal(1);
      expect(stderr).to.include('does not speak TLS').and.to.include('http://');
    });

    it('an EMQX that refuses the change with a reason', async () => {
      emqx.state.providers = [{ name: 'dockhook', url: 'http://10.0.0.1:9000' }];
      emqx.fault = (call) => (call.startsWith('PUT') ? 500 : undefined);
      const { code, stderr } = await dockhook('emqx', 'register');
      expect(code).to.equal(1);
      expect(stderr)
        .to.include('PUT /api/v5/exhooks/dockhook')
        .and.to.include('INTERNAL_ERROR, boom\\u001b[2J');
    });
  });

  describe('take the API', () => {
    it('from flags, with key and secret only as files', async () => {
      const { DOCKHOOK_EMQX_API_KEY_FILE: key = '', DOCKHOOK_EMQX_API_SECRET_FILE: secret = '' } =
        emqx.environment;
      const { code, stderr } = await run(
        [
          'emqx',
          'register',
          '--emqx',
          emqx.url,
          '--emqx-api-key-file',
          key,
          '--emqx-api-secret-file',
          secret,
        ],
        {},
      );
      expect(code, stderr).to.equal(0);
    });

    it('from --emqx with the files in the environment', async () => {
      const { DOCKHOOK_EMQX_URL: _url, ...environment } = emqx.environment;
      const { code, stderr } = await run(['emqx', 'register', '--emqx', emqx.url], { environment });
      expect(code, stderr).to.equal(0);
    });

    it('or say how to name it', async () => {
      const { code, stderr } = await run(['emqx', 'status']);
      expect(code).to.equal(2);
      expect(stderr).to.include('--emqx http://host:18083').and.to.include('DOCKHOOK_EMQX_API_SECRET_FILE');
    });

    it('below the path of a proxy, with or without a slash or the part that EMQX adds', async () => {
      const proxied = await startEmqxRest({ prefix: '/emqx' });
      for (const end of ['', '/', '/api/v5', '/api/v5/']) {
        const environment = { ...proxied.environment, DOCKHOOK_EMQX_URL: `${proxied.url}/emqx${end}` };
        const { code, stderr } = await run(['emqx', 'register'], { environment });
        expect(code, stderr).to.equal(0);
      }
      await proxied.close();
    });

    for (const [what, text] of [
      ['is empty', '\n'],
      ['has two lines', `${API_SECRET}\nmore\n`],
    ] as const) {
      it(`not from a file that ${what}, without quoting it`, async () => {
        writeFileSync(emqx.environment['DOCKHOOK_EMQX_API_SECRET_FILE']!, text);
        const { code, stderr } = await dockhook('emqx', 'status');
        expect(code).to.equal(2);
        expect(stderr).to.include('must hold one line').and.to.not.include(API_SECRET);
        expect(emqx.calls).to.deep.equal([]);
      });
    }

    it('not from an address that holds a password', async () => {
      const { code, stderr } = await dockhook(
        'emqx',
        'status',
        '--emqx',
        'http://admin:public-word@localhost:18083',
      );
      expect(code).to.equal(2);
      expect(stderr).to.include('files of their own').and.to.not.include('public-word');
    });

    it('over TLS that is trusted, and say how to trust it', async () => {
      const directory = certificates.make();
      const file = (name: string): Buffer => readFileSync(join(directory, name));
      const secure = await startEmqxRest({
        tls: { cert: file('mqtt/broker.pem'), key: file('mqtt/broker.key') },
      });
      const distrusted = await run(['emqx', 'register'], { environment: secure.environment });
      expect(distrusted.code).to.equal(1);
      expect(distrusted.stderr).to.include('not trusted').and.to.include('NODE_EXTRA_CA_CERTS');
      expect(secure.calls).to.deep.equal([]);
      const trusted = await run(['emqx', 'register'], {
        environment: { ...secure.environment, NODE_EXTRA_CA_CERTS: join(directory, 'mqtt/ca.pem') },
      });
      expect(trusted.code, trusted.stderr).to.equal(0);
      await secure.close();
    });
    const certificates = certificateDirectories();

    it('without key or secret in the arguments of the process', async () => {
      emqx.fault = () => 'hang';
      const waiting = startCommand(['emqx', 'register'], { environment: emqx.environment });
      await emqx.called('', 1);
      const args = readFileSync(`/proc/${waiting.pid}/cmdline`, 'utf8');
      expect(args).to.include('register').and.to.not.include(API_KEY).and.to.not.include(API_SECRET);
      await waiting.stop();
    });
  });
});

describe('a stand-in for EMQX', function () {
  // Each test starts some processes.
  this.timeout(60_000);
  it('answers as a live one did, where that was recorded', async () => {
    const emqx = await startEmqxRest();
    const recorded = read('test/fixtures/emqx-5.8.9-rest.txt');
    const call = async (method: string, path: string, key = API_KEY): Promise<string> => {
      const authorization = `Basic ${Buffer.from(`${key}:${API_SECRET}`).toString('base64')}`;
      const response = await fetch(`${emqx.url}/api/v5${path}`, { method, headers: { authorization } });
      return `${response.status} ${await response.text()}`;
    };
    const fieldsOf = (text: string): string[] => [
      ...new Set([...text.matchAll(/"(\w+)":/g)].map(([, name]) => name ?? '')),
    ];
    expect(recorded).to.include(await call('GET', '/exhooks', 'another'));
    expect(recorded).to.include(await call('GET', '/no/such/path'));
    emqx.state.clients = [{ clientid: 'dock1', username: 'dock' }];
    expect(recorded).to.include(`DELETE client (kick) ${await call('DELETE', '/clients/dock1')}`);
    expect(recorded).to.include(`DELETE again ${await call('DELETE', '/clients/dock1')}`);
    emqx.state.providers = [
      { name: 'dockhook', url: 'http://127.0.0.1:9000', enable: true, failed_action: 'deny', pool_size: 8 },
    ];
    // The recorded lines are cut short; the address of the provider was in the part that is gone.
    const lines = recorded.split('\n').filter((line) => /^(GET exhooks|hooks endpoint) 200/.test(line));
    const answered = fieldsOf(
      (await call('GET', '/exhooks')) + (await call('GET', '/exhooks/dockhook/hooks')),
    );
    expect([...fieldsOf(lines.join()), 'url']).to.include.members(answered);
    await emqx.close();
  });
});
