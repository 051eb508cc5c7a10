/** The EMQX configurations: what EMQX is with them, and what is said of them. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { hookProvider, serviceName } from '../../../src/exhook/proto.js';
import { checkEmqx } from '../../../src/doctor/emqx/emqx.js';
import { parseAnswerForBackend } from '../../../src/answer-for-backend.js';
import { connectEmqx } from '../../../src/emqx/api.js';
import { missingHooks } from '../../../src/emqx/mounted-hooks.js';
import { configurations } from '../../support/emqx-configurations.js';
import { startDockhook } from '../../support/dockhook.js';
import { API_KEY, API_SECRET, startEmqxRest } from '../../support/emqx-rest.js';
import type { EmqxState } from '../../support/emqx-rest-routes.js';
import { connectGrpc, frame, unframe } from '../../support/grpc.js';
import { leaves, parseHocon, type Hocon } from '../../support/hocon.js';
import { linksIn, section } from '../../support/papers.js';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

interface File {
  /** A version that takes it. */
  version: string;
  /** What dockhook opens, because this EMQX opens its listeners too early. */
  opens: string[];
}

const FILES: Record<string, File> = {
  'emqx-5.1-5.8.conf': { version: '5.8.9', opens: ['tcp:default', 'ssl:default', 'ssl:client_certificate'] },
  'emqx-5.9-5.10.conf': { version: '5.10.4', opens: [] },
  'emqx-6.conf': { version: '6.2.2', opens: [] },
};

/** Docks that speak plain MQTT on their own network are the operator's choice; the fault of 5.10 is no setting. */
const KNOWN = ['warning emqx_listener_plain', 'warning emqx_version_loses_hooks'];

interface Configuration {
  exhook: { servers: Record<string, Hocon>[] };
  authentication: Record<string, Hocon>[];
  authorization: { sources: Record<string, Hocon>[] } & Record<string, Hocon>;
  mqtt: Record<string, Hocon>;
  listeners: Record<string, Record<string, Record<string, Hocon>>>;
  retainer?: { enable: boolean };
  message_transformation?: { transformations: Hocon[] };
}

/** Makes the stand-in what EMQX is with this configuration. */
function configure(state: EmqxState, text: string): void {
  const { exhook, authentication, authorization, mqtt, listeners, ...more } = parseHocon(
    text,
  ) as unknown as Configuration;
  const { sources, ...settings } = authorization;
  state.providers = exhook.servers.map((server) => ({ enable: true, ...server }));
  state.authenticators = authentication.map((one) => ({
    enable: true,
    id: 'password_based:built_in_database',
    ...one,
  }));
  state.sources = sources;
  state.authorization = settings;
  state.mqtt = mqtt;
  state.listeners = Object.fromEntries(
    Object.entries(listeners).flatMap(([type, named]) =>
      Object.entries(named).map(([name, listener]) => [
        `${type}:${name}`,
        { enable: true, bind: '0.0.0.0:1', ...listener },
      ]),
    ),
  );
  state.more['/mqtt/retainer'] = more.retainer ?? { enable: true };
  state.more['/message_transformations'] = more.message_transformation?.transformations ?? [];
}

for (const [file, { version, opens }] of Object.entries(FILES)) {
  describe(`deploy/emqx/${file}`, () => {
    const text = read(`deploy/emqx/${file}`);

    it('makes an EMQX in which doctor finds nothing wrong', async () => {
      const emqx = await startEmqxRest();
      try {
        emqx.state.version = version;
        configure(emqx.state, text);
        // As dockhook does once EMQX asks it.
        for (const id of opens) emqx.state.listeners[id]!['enable'] = true;
        const api = connectEmqx({ url: new URL(emqx.url), key: API_KEY, secret: API_SECRET });
        const answerForBackend = parseAnswerForBackend('');
        const asked = { timeline: true, answerForBackend };
        const facts = { accounts: [], docks: 0, unknownAccounts: 'deny' as const, ...asked, opens };
        const findings = await checkEmqx(api, facts);
        const wrong = findings
          .map(({ level, code }) => `${level} ${code}`)
          .filter((one) => !/^ok /.test(one));
        expect(wrong.filter((one) => !KNOWN.includes(one))).to.deep.equal([]);
      } finally {
        await emqx.close();
      }
    });

    it('keeps closed what dockhook opens, and WebSocket, whose hooks EMQX skips before 5.8.5', () => {
      const { listeners } = parseHocon(text) as unknown as Configuration;
      const closed = Object.entries(listeners).flatMap(([type, named]) =>
        Object.entries(named).flatMap(([name, { enable }]) => (enable === false ? [`${type}:${name}`] : [])),
      );
      expect(closed).to.have.members([...opens, 'ws:default', 'wss:default']);
    });

    it('takes TLS 1.2 at least, with a certificate that is not EMQX’s own', () => {
      const { ssl } = (parseHocon(text) as unknown as Configuration).listeners;
      for (const { ssl_options } of Object.values(ssl!)) {
        const options = ssl_options as Record<string, Hocon>;
        expect(options['versions']).to.have.members(['tlsv1.3', 'tlsv1.2']);
        expect(options).to.include({
          certfile: '/etc/emqx/certs/broker.pem',
          keyfile: '/etc/emqx/certs/broker.key',
        });
      }
    });

    it('asks docks for a certificate on a listener of its own, and lets nobody in there without one', () => {
      const { ssl } = (parseHocon(text) as unknown as Configuration).listeners;
      const required = Object.entries(ssl!).filter(
        ([, { ssl_options }]) => (ssl_options as Record<string, Hocon>)['fail_if_no_peer_cert'] === true,
      );
      expect(required.map(([name]) => name)).to.deep.equal(['client_certificate']);
      expect(required[0]?.[1]['ssl_options']).to.include({ verify: 'verify_peer' });
    });

    it('is what dockhook emqx config prints (npm run docs writes it)', () => {
      expect(text).to.equal(configurations()[file]);
    });

    it('names to dockhook serve what it closes, and nothing else', () => {
      const named = /DOCKHOOK_EMQX_LISTENERS=(\S+)$/m.exec(text)?.[1];
      expect(named?.split(',') ?? []).to.deep.equal(opens);
    });

    it('says of which versions it is', () => {
      expect(text.split('\n')[0]).to.match(/^# dockhook for EMQX [56]/);
    });

    it('keeps one ExHook server, over mutual TLS, when exhook-tls.conf is appended', () => {
      const both = leaves(parseHocon(text + read('deploy/emqx/exhook-tls.conf')));
      const server = 'exhook.servers.0';
      expect(both).to.deep.equal({
        ...leaves(parseHocon(text)),
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
    const said = leaves(parseHocon(block));
    // Without one of these, strangers get in, or no reply arrives.
    expect(Object.keys(said)).to.include.members([
      'exhook.servers.0.failed_action',
      'authentication.0.backend',
      'authorization.sources',
      'authorization.no_match',
      'mqtt.ignore_loop_deliver',
      'mqtt.clientid_override',
    ]);
    for (const file of Object.keys(FILES))
      expect(leaves(parseHocon(read(`deploy/emqx/${file}`))), file).to.deep.include(said);
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
      const { requestSerialize, responseDeserialize } = hookProvider('v3')['OnProviderLoaded']!;
      const request = requestSerialize({ broker: { version: '6.2.0' } });
      const { body } = await connection.call(`/${serviceName('v3')}/OnProviderLoaded`, frame(request));
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
