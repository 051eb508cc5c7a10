/** The EMQX configurations, each value held against the fact it rests on. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { hookProvider, serviceName } from '../../../src/exhook/proto.js';
import { missingHooks } from '../../../src/emqx/provider.js';
import { configurations } from '../../support/emqx-configurations.js';
import { startDockhook } from '../../support/dockhook.js';
import { connectGrpc, frame, unframe } from '../../support/grpc.js';
import { leaves, parseHocon, type Hocon } from '../../support/hocon.js';
import { linksIn, section } from '../../support/papers.js';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

/** By file: whether listeners must stay closed until dockhook opens them. */
const FILES = {
  'emqx-5.1-5.8.conf': true,
  'emqx-5.9-5.10.conf': false,
  'emqx-6.conf': false,
};

interface Line {
  path: string;
  value: Hocon;
  /** What goes wrong otherwise, and how that is known. */
  why: string;
}

const LINES: Line[] = [
  { path: 'exhook.servers.0.name', value: 'dockhook', why: 'the name in EMQX’s REST API' },
  {
    path: 'exhook.servers.0.url',
    value: 'http://127.0.0.1:9000',
    why: 'the default of DOCKHOOK_GRPC_LISTEN',
  },
  {
    path: 'exhook.servers.0.request_timeout',
    value: '5s',
    why: 'whole seconds, as EMQX cuts off the rest (seen on 5.8.9), and more than the 2 s in which a hook is answered',
  },
  {
    path: 'exhook.servers.0.failed_action',
    value: 'deny',
    why: 'with ignore, publish and subscribe are allowed while dockhook is away (seen on 5.8.9)',
  },
  {
    path: 'exhook.servers.0.auto_reconnect',
    value: '5s',
    why: 'the default of 60s keeps docks out for up to a minute after an outage (seen on 5.10.4)',
  },
  { path: 'exhook.servers.0.pool_size', value: 8, why: 'EMQX’s default, with which everything was measured' },
  {
    path: 'authentication.0.mechanism',
    value: 'password_based',
    why: 'without an authenticator everybody connects while there are no hooks (seen on 5.8.9 and 5.10.4)',
  },
  {
    path: 'authentication.0.backend',
    value: 'built_in_database',
    why: 'empty, it knows nobody, and dockhook’s yes overrides its no (seen on 5.8.9 and 5.10.4)',
  },
  {
    path: 'authentication.0.user_id_type',
    value: 'username',
    why: 'the form that was seen to close EMQX (5.8.9)',
  },
  {
    path: 'authorization.sources',
    value: [],
    why: 'acl.conf ends in allow-all, and then client.authorize is never called (seen on 5.8.9)',
  },
  {
    path: 'authorization.no_match',
    value: 'deny',
    why: 'with allow, whoever is connected may publish and subscribe while there are no hooks (seen on 5.8.9)',
  },
  {
    path: 'authorization.deny_action',
    value: 'ignore',
    why: 'with disconnect, a dock loses its session for one refused topic (EMQX’s source; its default)',
  },
  {
    path: 'authorization.cache.enable',
    value: true,
    why: 'without it every telemetry message costs an authorize call (EMQX’s source; its default)',
  },
  {
    path: 'authorization.cache.max_size',
    value: 4096,
    why: 'with the default of 32 a backend of several docks costs a call for almost every message (seen on 5.8.9)',
  },
  { path: 'authorization.cache.ttl', value: '1m', why: 'EMQX’s default, with which everything was measured' },
  {
    path: 'mqtt.ignore_loop_deliver',
    value: false,
    why: 'with true, an MQTT 3.1.1 client does not get the reply to its own request (EMQX’s source)',
  },
  {
    path: 'mqtt.peer_cert_as_username',
    value: 'disabled',
    why: 'else the certificate’s name replaces the account’s (EMQX’s source)',
  },
  {
    path: 'mqtt.peer_cert_as_clientid',
    value: 'disabled',
    why: 'else the certificate’s name replaces the client id, by which accounts may be scoped (EMQX’s source)',
  },
  {
    path: 'mqtt.clientid_override',
    value: "concat([username,'|',clientid])",
    why: 'else an account takes over the sessions of others (seen on 5.8.9 and 6.2.2)',
  },
  ...listener('tcp.default', '0.0.0.0:1883'),
  ...listener('ssl.default', '0.0.0.0:8883'),
  ...tls('ssl.default', 'DJI’s default, the dock verifies the server only', {
    verify: 'verify_none',
    fail_if_no_peer_cert: false,
  }),
  ...listener('ssl.client_certificate', '0.0.0.0:8884'),
  ...tls(
    'ssl.client_certificate',
    'only then the common name can be trusted (seen on 5.8.9, EMQX’s source)',
    {
      cacertfile: '/etc/emqx/certs/docks-ca.pem',
      verify: 'verify_peer',
      fail_if_no_peer_cert: true,
    },
  ),
];

function listener(name: string, bind: string): Line[] {
  return [
    {
      path: `listeners.${name}.bind`,
      value: bind,
      why: 'a bare port is loopback only in EMQX’s hardened profile (EMQX documentation)',
    },
    {
      path: `listeners.${name}.enable_authn`,
      value: true,
      why: 'with false everybody gets in and no hook is called (EMQX’s source)',
    },
  ];
}

function tls(name: string, why: string, differing: Record<string, Hocon>): Line[] {
  const path = `listeners.${name}.ssl_options`;
  const demo = 'EMQX’s own certificate is for tests, with a private key that everybody has';
  return [
    { path: `${path}.certfile`, value: '/etc/emqx/certs/broker.pem', why: demo },
    { path: `${path}.keyfile`, value: '/etc/emqx/certs/broker.key', why: demo },
    { path: `${path}.versions.0`, value: 'tlsv1.3', why: 'nothing below TLS 1.2' },
    { path: `${path}.versions.1`, value: 'tlsv1.2', why: 'nothing below TLS 1.2' },
    ...Object.entries(differing).map(([key, value]) => ({ path: `${path}.${key}`, value, why })),
  ];
}

function notRetained(file: string): Line[] {
  const why =
    'else a request with the retain flag is kept before dockhook is asked, binding code and all (seen on 5.8.9)';
  if (file.includes('5.8')) return [{ path: 'retainer.enable', value: false, why }];
  const path = 'message_transformation.transformations.0';
  return [
    { path: `${path}.name`, value: 'dock_requests_are_not_retained', why },
    { path: `${path}.topics.0`, value: 'thing/product/+/requests', why },
    { path: `${path}.failure_action`, value: 'ignore', why: 'a request goes on even if this fails' },
    { path: `${path}.operations.0.key`, value: 'retain', why },
    { path: `${path}.operations.0.value`, value: 'false', why },
  ];
}

function linesOf(isClosed: boolean, file: string): Line[] {
  const off = ['ws', 'wss'].map((type) => ({
    path: `listeners.${type}.default.enable`,
    value: false,
    why: 'on by default, and hooks of WebSocket clients are skipped before 5.8.5 (emqx/emqx#14543)',
  }));
  const closed = ['tcp.default', 'ssl.default', 'ssl.client_certificate'].map((name) => ({
    path: `listeners.${name}.enable`,
    value: false,
    why: 'open at boot, a wrong password got the license (seen on 5.8.9); `enabled` does nothing after a REST edit (seen)',
  }));
  return [...LINES, ...notRetained(file), ...off, ...(isClosed ? closed : [])];
}

for (const [file, isClosed] of Object.entries(FILES)) {
  describe(`deploy/emqx/${file}`, () => {
    const found = leaves(parseHocon(read(`deploy/emqx/${file}`)));

    for (const { path, value, why } of linesOf(isClosed, file)) {
      it(`has ${path} = ${JSON.stringify(value)}: ${why}`, () => {
        expect(found[path]).to.deep.equal(value);
      });
    }

    it('has nothing else', () => {
      expect(Object.keys(found)).to.have.members(linesOf(isClosed, file).map(({ path }) => path));
    });

    it('is what dockhook emqx config prints (npm run docs writes it)', () => {
      expect(read(`deploy/emqx/${file}`)).to.equal(configurations()[file]);
    });

    it('names to dockhook serve what it closes, and nothing else', () => {
      const named = /DOCKHOOK_EMQX_LISTENERS=(\S+)$/m.exec(read(`deploy/emqx/${file}`))?.[1];
      expect(named).to.equal(isClosed ? 'tcp:default,ssl:default,ssl:client_certificate' : undefined);
    });

    it('says of which versions it is', () => {
      expect(read(`deploy/emqx/${file}`).split('\n')[0]).to.match(/^# dockhook for EMQX [56]/);
    });

    it('keeps one ExHook server, over mutual TLS, when exhook-tls.conf is appended', () => {
      const both = leaves(parseHocon(read(`deploy/emqx/${file}`) + read('deploy/emqx/exhook-tls.conf')));
      const server = 'exhook.servers.0';
      expect(both).to.deep.equal({
        ...found,
        [`${server}.url`]: 'https://dockhook.example:9000',
        [`${server}.ssl.enable`]: true,
        [`${server}.ssl.cacertfile`]: '/etc/emqx/certs/grpc-ca.pem',
        [`${server}.ssl.certfile`]: '/etc/emqx/certs/emqx.pem',
        [`${server}.ssl.keyfile`]: '/etc/emqx/certs/emqx.key',
        // Its default, verify_none, takes any server for dockhook (EMQX's source).
        [`${server}.ssl.verify`]: 'verify_peer',
        [`${server}.ssl.server_name_indication`]: 'dockhook.example',
      });
    });
  });
}

describe('docs/emqx.md', () => {
  const text = read('docs/emqx.md');

  it('names as set what each configuration sets', () => {
    const set = [...text.matchAll(/set: `([\w.]+) = ([^`]+)`/g)].map(([, path = '', value = '']) => ({
      path,
      value,
    }));
    expect(set).to.have.length.above(8);
    for (const file of Object.keys(FILES)) {
      const found = leaves(parseHocon(read(`deploy/emqx/${file}`)));
      for (const { path, value } of set) {
        if (path === 'retainer.enable' && !file.includes('5.8')) continue;
        const shown = JSON.stringify(found[path]).replace(/^"(.*)"$/, '$1');
        expect(shown, `${file}: ${path}`).to.equal(value);
      }
    }
  });

  it('has the transformation that the configurations have', () => {
    const block = /```hocon\n(message_transformation[^]*?)```/.exec(text)?.[1] ?? '';
    expect(read('deploy/emqx/emqx-6.conf')).to.include(block.trim());
  });
});

describe('what the papers say of EMQX', () => {
  const needs = section('docs/emqx.md', 'What EMQX needs');

  it('is the configuration of deploy/emqx, as far as it goes: docs/emqx.md', () => {
    const block = /```hocon\n([^]*?)```/.exec(needs)?.[1] ?? '';
    const wanted = LINES.filter(
      ({ path }) =>
        !['listeners.', 'mqtt.peer_cert', 'authorization.cache', 'authorization.deny_action'].some((start) =>
          path.startsWith(start),
        ),
    ).map(({ path, value }) => [path, value]);
    expect(leaves(parseHocon(block))).to.deep.equal(Object.fromEntries(wanted));
  });

  it('names each configuration: deploy/emqx', () => {
    expect(linksIn('deploy/emqx/README.md')).to.include.members([...Object.keys(FILES), 'exhook-tls.conf']);
  });

  describe('of hooks', () => {
    /** What EMQX is really told. */
    let mounted: { name: string; topics: string[] }[];
    before(async () => {
      const dockhook = await startDockhook();
      const [host = '', port] = dockhook.grpc.split(':');
      const connection = connectGrpc({ host, port: Number(port) });
      const { body } = await connection.call(
        `/${serviceName('v3')}/OnProviderLoaded`,
        frame(Buffer.alloc(0)),
      );
      const { responseDeserialize } = hookProvider('v3')['OnProviderLoaded']!;
      const answer = responseDeserialize(unframe(body)) as { hooks: typeof mounted };
      mounted = answer.hooks;
      connection.close();
      await dockhook.stop();
    });

    it('are no less than register waits for', () => {
      const answered = mounted.map(({ name, topics }) => ({ name, params: { topics } }));
      expect(missingHooks(answered)).to.deep.equal([]);
      for (const { name } of mounted.filter((hook) => !/connected$/.test(hook.name))) {
        expect(missingHooks(answered.filter((hook) => hook.name !== name)), name).to.not.deep.equal([]);
      }
    });

    it('are the hooks that dockhook asks for: docs/emqx.md', () => {
      const check = section('docs/emqx.md', 'Check that it asks');
      const names = [...check.matchAll(/`((?:client|session|message)\.\w+)`/g)].map(([, name]) => name);
      expect(names).to.have.members(mounted.map(({ name }) => name));
    });

    it('are the hooks and topics that dockhook asks for: deploy/emqx/README.md', () => {
      const rows = [...read('deploy/emqx/README.md').matchAll(/^\| `([a-z]+\.[a-z]+)` \|(.*)\|$/gm)];
      const said = rows.map(([, name, topics = '']) => ({
        name,
        topics: [...topics.matchAll(/`([^`]+)`/g)].map(([, topic]) => topic),
      }));
      expect(said).to.have.deep.members(mounted);
    });
  });
});
