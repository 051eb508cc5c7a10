/** `dockhook simulate` as a process: one dock over TLS, a fleet, and a reason for each way to fail. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetSummary } from '../../src/simulator/simulated-fleet.js';
import { startBroker, type Broker } from '../../src/trial-broker/broker.js';
import { startSilentServer, startTlsProxy, type TestServer } from '../support/bare-broker.js';
import { certificateDirectories } from '../support/certificates.js';
import { run, startCommand, type Result } from '../support/cli.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { connectClient, type TestClient } from '../support/mqtt.js';
import { until } from '../support/until.js';
import { bindOne } from '../contract/store-suite.js';

const GATEWAY = '7CTDTEST00000A';
const PASSWORD = 'correct horse battery';
const LICENSE = { appId: '166400', appKey: 'key-in-the-test', appLicense: 'license-in-the-test' };
const CODE = 'abcde-fghjk';

describe('simulate', function () {
  this.timeout(120_000);
  const { make, empty } = certificateDirectories();
  let dockhook: TestDockhook;
  let broker: Broker;
  let directory: string;
  let cleanUps: (() => Promise<unknown>)[] = [];

  before(() => {
    directory = make(GATEWAY);
  });
  beforeEach(async () => {
    dockhook = await startDockhook();
    cleanUps.push(() => dockhook.stop());
    await dockhook.ready;
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: dockhook.grpc });
    cleanUps.push(() => broker.close());
    await dockhook.stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: CODE });
    await dockhook.stores.license.set(LICENSE);
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    cleanUps = [];
  });

  const file = (name: string): string => join(directory, name);
  const place = ['--organization', 'north', '--binding-code', CODE];

  async function simulate(args: string[], input = PASSWORD): Promise<Result> {
    const result = await run(['simulate', ...args], { input });
    expect(result.stdout + result.stderr).not.to.match(/correct horse|key-in-the-test|license-in-the-test/);
    return result;
  }
  const dockAt = (url: string, ...more: string[]): Promise<Result> =>
    simulate([
      '--broker',
      url,
      '--username',
      'dock',
      '--password-stdin',
      '--gateway',
      GATEWAY,
      ...place,
      ...more,
    ]);
  const plain = (): string => `mqtt://127.0.0.1:${broker.port}`;

  /** A TLS port in front of the broker, which wants client certificates of this CA if one is given. */
  async function tlsPort(clientCa?: string): Promise<string> {
    const proxy = await startTlsProxy(broker.port, {
      cert: readFileSync(file('mqtt/broker.pem')),
      key: readFileSync(file('mqtt/broker.key')),
      ...(clientCa === undefined
        ? {}
        : { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true }),
    });
    return track(proxy, 'mqtts');
  }
  function track(server: TestServer, scheme: string): string {
    cleanUps.push(() => server.close());
    return `${scheme}://127.0.0.1:${server.port}`;
  }

  describe('of one dock', () => {
    beforeEach(() => dockhook.addAccount('dock', PASSWORD, { kind: 'gateways', gateways: [GATEWAY] }));
    const certificate = (name: string): string[] => [
      '--cert',
      file(`${name}.pem`),
      '--key',
      file(`${name}.key`),
    ];

    it('comes online over TLS with a certificate of its own', async () => {
      const url = await tlsPort(file('mqtt/ca.pem'));
      const shown = ['--ca', file('mqtt/ca.pem'), ...certificate(`mqtt/dock-${GATEWAY}`)];
      const { code, stdout, stderr } = await dockAt(url, ...shown);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(new RegExp(`dock ${GATEWAY} is online and bound\n$`));
    });

    const faults: [what: string, url: () => Promise<string> | string, args: () => string[], text: RegExp][] =
      [
        [
          'a CA that is not known here',
          () => tlsPort(),
          () => [],
          /comes from a CA that is not trusted here.*--ca FILE/,
        ],
        [
          'no certificate where one is wanted',
          () => tlsPort(file('mqtt/ca.pem')),
          () => ['--ca', file('mqtt/ca.pem')],
          /wants a client certificate: give it with --cert FILE and --key FILE/,
        ],
        [
          'a certificate of another CA',
          () => tlsPort(file('mqtt/ca.pem')),
          () => ['--ca', file('mqtt/ca.pem'), ...certificate('grpc/emqx')],
          /wants another client certificate/,
        ],
        [
          'a certificate for another name',
          async () => {
            const key = join(empty(), 'key');
            const own = [
              '-newkey',
              'ec',
              '-pkeyopt',
              'ec_paramgen_curve:prime256v1',
              '-nodes',
              '-subj',
              '/CN=elsewhere',
            ];
            const name = ['-addext', 'subjectAltName=DNS:elsewhere.example'];
            execFileSync(
              'openssl',
              ['req', '-x509', ...own, ...name, '-days', '2', '-keyout', key, '-out', file('elsewhere.pem')],
              { stdio: 'pipe' },
            );
            const tls = { cert: readFileSync(file('elsewhere.pem')), key: readFileSync(key) };
            return track(await startTlsProxy(broker.port, tls), 'mqtts');
          },
          () => ['--ca', file('elsewhere.pem')],
          /is for another name .*a dock refuses it, too/,
        ],
        [
          'TLS to a port without',
          () => plain().replace('mqtt:', 'mqtts:'),
          () => [],
          /check that this is its TLS port/,
        ],
        [
          'no TLS to a port with it',
          async () => (await tlsPort()).replace('mqtts:', 'mqtt:'),
          () => [],
          /write mqtts:\/\//,
        ],
        [
          'a broker that does not answer',
          async () => track(await startSilentServer(), 'mqtt'),
          () => ['--timeout', '1'],
          /could not connect to .*check address, port, and the network/,
        ],
        [
          'a scheme that is no broker',
          () => 'ws://127.0.0.1:8083',
          () => [],
          /mqtt:\/\/host:1883.*without WebSocket/,
        ],
        [
          'an account that may not act for the dock',
          plain,
          () => ['--gateway', '7CTDTEST00000B'],
          /may act for gateway/,
        ],
        [
          'an organization that is not that of the code',
          plain,
          () => ['--organization', 'south'],
          /result 210230/,
        ],
      ];
    for (const [what, url, args, text] of faults) {
      it(`names ${what}`, async () => {
        const { code, stderr } = await dockAt(await url(), ...args());
        expect(stderr).to.match(text, stderr);
        expect(code).to.equal(what.startsWith('a scheme') ? 2 : 1);
        expect((await dockhook.stores.bindings.list()).records).to.deep.equal([]);
      });
    }

    for (const [what, args, text] of [
      ['a CA file that holds a key', ['--ca', 'mqtt/ca.key'], /--ca: .*ca\.key holds no certificate/],
      [
        'a key of another certificate',
        ['--cert', 'grpc/emqx.pem', '--key', 'mqtt/ca.key'],
        /--cert .*emqx\.pem and --key .*ca\.key do not go together/,
      ],
    ] as const) {
      it(`refuses ${what}`, async () => {
        const given = args.map((word) => (word.startsWith('--') ? word : file(word)));
        const { code, stderr } = await dockAt('mqtts://127.0.0.1:1', ...given);
        expect(stderr).to.match(text);
        expect(code).to.equal(2);
      });
    }
  });

  describe('of one gateway', () => {
    const DRONE = '1581FTEST000000000B';
    const CONTROLLER = '9N9CNTEST00RC2';
    let backend: TestClient;

    beforeEach(async () => {
      await dockhook.addAccount('dock', PASSWORD, { kind: 'gateways', gateways: [GATEWAY, CONTROLLER] });
      await dockhook.addAccount('backend', PASSWORD, { kind: 'service', publish: [], subscribe: ['#'] });
      backend = await connectClient(plain(), { username: 'backend', password: PASSWORD });
      cleanUps.push(() => backend.close());
      await backend.subscribe('thing/product/#', 'sys/product/#');
    });
    /** Every `data` on this topic so far. */
    const published = (topic: string): Record<string, unknown>[] =>
      backend.received
        .filter((message) => message.topic === topic)
        .map(({ payload }) => JSON.parse(payload.toString()) as { data: Record<string, unknown> })
        .map(({ data }) => data);
    const dataOf = async (topic: string): Promise<Record<string, unknown>> => {
      await until(() => published(topic).length > 0);
      return published(topic)[0] ?? {};
    };
    const controllerAt = (...more: string[]): Promise<Result> => {
      const who = ['--username', 'dock', '--password-stdin', '--controller', '--gateway', CONTROLLER];
      return simulate(['--broker', plain(), ...who, ...more]);
    };

    it('is a remote controller, which says that it is there, asks for nothing and is not bound', async () => {
      const { code, stdout, stderr } = await controllerAt('--drone', DRONE);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(new RegExp(`controller ${CONTROLLER} is online\n$`));
      const topo = await dataOf(`sys/product/${CONTROLLER}/status`);
      expect(topo).to.include({ domain: 2, type: 174, sub_type: 0 });
      expect(topo['sub_devices']).to.have.nested.property('[0].sn', DRONE);
      expect(topo['sub_devices']).to.have.nested.property('[0].domain', 0);
      await dataOf(`thing/product/${CONTROLLER}/osd`);
      await dataOf(`thing/product/${DRONE}/osd`);
      expect(backend.received.filter(({ topic }) => topic.includes('/requests'))).to.deep.equal([]);
      expect((await dockhook.stores.bindings.list()).records).to.deep.equal([]);
    });

    it('is a remote controller of the model that is asked for', async () => {
      expect((await controllerAt('--model', '2-144-0')).code).to.equal(0);
      const topo = await dataOf(`sys/product/${CONTROLLER}/status`);
      expect(topo).to.deep.include({ domain: 2, type: 144, sub_devices: [] });
    });

    it('is a Dock 2 with its drone, in the bind and in update_topo', async () => {
      expect((await dockAt(plain(), '--drone', DRONE, '--model', '3-2-0')).code).to.equal(0);
      const topo = await dataOf(`sys/product/${GATEWAY}/status`);
      expect(topo).to.include({ domain: '3', type: 2, sub_type: 0 });
      expect(topo['sub_devices']).to.have.nested.property('[0].type', 91);
      const bound = await dockhook.stores.bindings.getMany([GATEWAY, DRONE]);
      expect([bound.get(GATEWAY)?.modelKey, bound.get(DRONE)?.modelKey]).to.deep.equal(['3-2-0', '0-91-1']);
    });

    it('is a dock whose drone is away', async () => {
      expect((await dockAt(plain(), '--no-drone')).code).to.equal(0);
      expect(await dataOf(`sys/product/${GATEWAY}/status`)).to.deep.include({ sub_devices: [] });
      expect((await dockhook.stores.bindings.list()).records.map(({ sn }) => sn)).to.deep.equal([GATEWAY]);
    });

    it('leaves after config, and so is not bound', async () => {
      const { code, stdout } = await dockAt(plain(), '--leave-after', 'config');
      expect(code).to.equal(0);
      expect(stdout).to.match(new RegExp(`← config .*\ndock ${GATEWAY} has left after config\n$`));
      expect((await dockhook.stores.bindings.list()).records).to.deep.equal([]);
    });

    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      it(`stays online and sends osd until ${signal}`, async () => {
        const who = ['--username', 'dock', '--password-stdin', '--gateway', GATEWAY, '--drone', DRONE];
        const stays = startCommand(['simulate', '--broker', plain(), ...who, ...place, '--stay']);
        stays.stdin.end(PASSWORD);
        await stays.line((line) => line.includes('until Ctrl-C'));
        await until(() => published(`thing/product/${GATEWAY}/osd`).length >= 2);
        expect(stays.lines.filter((line) => line.includes('/osd'))).to.have.length(2);
        expect(await dataOf(`thing/product/${GATEWAY}/osd`)).to.have.nested.property(
          'sub_device.device_sn',
          DRONE,
        );
        expect(await stays.stop(signal)).to.equal(0);
        await dockhook.event('disconnected');
      });
    }

    it('says that the broker hung up while it stayed', async () => {
      const who = ['--username', 'dock', '--password-stdin', '--gateway', GATEWAY];
      const stays = startCommand(['simulate', '--broker', plain(), ...who, ...place, '--stay']);
      stays.stdin.end(PASSWORD);
      await stays.line((line) => line.includes('until Ctrl-C'));
      await broker.close();
      const end: unknown = await stays.line(() => false).catch((error: unknown) => error);
      expect(String(end)).to.match(/the broker closed the connection during osd/);
      expect(await stays.stop()).to.equal(1);
    });
  });

  describe('of a fleet', () => {
    const fleet = [
      '--username',
      'fleet',
      '--password-stdin',
      '--gateway',
      'SIM',
      '--drone',
      'SIMD',
      ...place,
    ];

    it('brings as many docks and drones online, all under one account', async () => {
      await dockhook.addAccount('fleet', PASSWORD, { kind: 'any-gateway' });
      const { code, stdout, stderr } = await simulate([
        '--json',
        '--broker',
        plain(),
        ...fleet,
        '--docks',
        '30',
        '--at-once',
        '7',
      ]);
      expect(stderr).to.equal('');
      expect(code).to.equal(0);
      const summary = JSON.parse(stdout) as FleetSummary;
      expect(summary).to.deep.include({ docks: 30, online: 30, failures: [] });
      expect(summary.steps.map(({ step, count }) => `${step} ${count}`)).to.deep.equal([
        'connect 30',
        'subscribe 30',
        'config 30',
        'airport_bind_status 60',
        'airport_organization_get 30',
        'airport_organization_bind 30',
      ]);
      for (const { p50, p95, max } of summary.steps)
        expect([p50, p95, max]).to.deep.equal([p50, p95, max].sort((a, b) => a - b));
      const bound = (await dockhook.stores.bindings.list()).records.map(({ sn }) => sn);
      expect(bound)
        .to.have.length(60)
        .and.to.include.members(['SIM00001', 'SIMD00001', 'SIM00030', 'SIMD00030']);
    });

    it('counts those that failed, each reason once, and exits with 1', async () => {
      await dockhook.stores.organizations.add({ id: 'south', name: 'South', bindingCode: 'south-code' });
      const csv = join(empty(), 'fleet.csv');
      const rows = ['\uFEFFnote,name,password,gateways'];
      for (const sn of ['SN1', 'SN2', 'SN3', 'SN4', 'SN5']) {
        const wrong = sn === 'SN2' || sn === 'SN3';
        await dockhook.addAccount(`dock ${sn}`, PASSWORD, { kind: 'gateways', gateways: [sn] });
        rows.push(`"roof, ${sn}",dock ${sn},"${wrong ? 'wrong' : PASSWORD}",${sn} SN9`);
      }
      await bindOne(dockhook.stores, {
        ...{ sn: 'SN5', organizationId: 'south', callsign: '', modelKey: '', gateway: 'SN5' },
        boundAt: '2026-01-01T00:00:00Z',
      });
      writeFileSync(csv, rows.join('\r\n'));
      const { code, stdout } = await simulate(['--broker', plain(), '--accounts', csv, ...place]);
      expect(code).to.equal(1);
      expect(stdout).to.match(/^2 of 5 docks came online and are bound, in [\d.]+ s\n\nSTEP +COUNT +P50 ms/);
      const [, wrong, elsewhere] = stdout.split(/\n\n(?=\d+ failed)/);
      expect(wrong).to.match(
        /^2 failed at connect, for example SN[23]:\n {2}.* refused account ACCOUNT \(CONNACK 5\)/,
      );
      expect(elsewhere).to.match(
        /^1 failed at airport_organization_get, for example SN5:\n {2}SN is bound to /,
      );
    });

    it('takes the name of an account for the SN if the file has nothing else', async () => {
      await dockhook.addAccount('7CTDTEST00000C', PASSWORD, {
        kind: 'gateways',
        gateways: ['7CTDTEST00000C'],
      });
      const csv = join(empty(), 'passwords.csv');
      writeFileSync(csv, `name,password\n7CTDTEST00000C,${PASSWORD}\n`);
      const { code, stderr } = await simulate(['--broker', plain(), '--accounts', csv, ...place]);
      expect(code, stderr).to.equal(0);
      expect((await dockhook.stores.bindings.getMany(['7CTDTEST00000C'])).size).to.equal(1);
    });

    const unusable: [what: string, args: string[], csv: string, text: RegExp][] = [
      [
        'a line without password',
        [],
        'name,password,gateways\na,b,SN1\nc,,SN2\n',
        /fleet\.csv:3: has no name, password or SN/,
      ],
      ['a file without the columns', [], 'user;pass\na;b\n', /fleet\.csv:2: has no name/],
      ['an open quote', [], 'name,password,gateways\na,"b,SN1\n', /never closed/],
      [
        'a stray quote, and shows nothing of the password',
        [],
        'name,password,gateways\na,secr"et,SN1\n',
        /^(?![^]*secr).*fleet\.csv:2: a quote inside a field/,
      ],
      ['a file without a line', [], 'name,password,gateways\n', /holds no account/],
      [
        '--accounts with --gateway',
        ['--gateway', 'SN1'],
        'name,password,gateways\na,b,SN1\n',
        /already names the docks/,
      ],
    ];
    for (const [what, args, csv, text] of unusable) {
      it(`refuses ${what}, and sends nobody`, async () => {
        const path = join(empty(), 'fleet.csv');
        writeFileSync(path, csv);
        const { code, stderr } = await simulate(['--broker', plain(), '--accounts', path, ...place, ...args]);
        expect(stderr).to.match(text, stderr);
        expect(code).to.equal(2);
        expect(dockhook.logged.filter(({ event }) => event === 'refused')).to.deep.equal([]);
      });
    }

    it('names all that is missing or wrong at once', async () => {
      const nothing = await run(['simulate']);
      expect(nothing.code).to.equal(2);
      expect(nothing.stderr).to.equal(
        'error: missing: --broker URL --username NAME --password-stdin --gateway SN --organization ID ' +
          '--binding-code CODE\n',
      );
      for (const step of ['connect', 'subscribe', 'config', 'airport_bind_status']) {
        const leaves = await run(['simulate', '--leave-after', step]);
        expect(leaves.stderr).to.equal(
          'error: missing: --broker URL --username NAME --password-stdin --gateway SN\n',
        );
      }
      const asks = await run(['simulate', '--leave-after', 'airport_organization_get']);
      expect(asks.stderr).to.include('--organization ID --binding-code CODE');
      const wrong = ['--broker', 'foo', '--gateway', 'dock 1', '--model', '3', '--leave-after', 'lunch'];
      const { code, stderr } = await run(['simulate', ...wrong]);
      expect(code).to.equal(2);
      for (const text of [
        'missing: --username',
        'mqtt://host:1883',
        '--gateway dock 1:',
        '--model 3:',
        'lunch:',
      ])
        expect(stderr).to.include(text);
      const controller = await run(['simulate', '--controller', '--organization', 'north', '--docks', '2']);
      expect(controller.code).to.equal(2);
      expect(controller.stderr).to.match(/bound nowhere[^]*|for one gateway/);
      expect(controller.stderr).to.include(
        'missing: --broker URL --username NAME --password-stdin --gateway SN\n',
      );
    });

    for (const [what, args] of [
      ['no file', ['--accounts', '/absent/fleet.csv']],
      ['0 docks', [...fleet, '--docks', '0']],
      ['many docks under one client id', [...fleet, '--docks', '2', '--client-id', 'one']],
      ['0 at once', [...fleet, '--docks', '2', '--at-once', '0']],
      ['nobody', []],
    ] as const) {
      it(`refuses ${what}`, async () => {
        expect((await simulate(['--broker', plain(), ...place, ...args])).code).to.equal(2);
      });
    }
  });
});
