import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.js';
import { DockhookError } from '../../src/errors.js';
import { formatListen, isLoopback } from '../../src/listen.js';

function faultsOf(environment: Record<string, string>, flags = {}): string {
  try {
    readConfig(environment, flags);
  } catch (error) {
    expect(error).to.be.instanceOf(DockhookError).with.property('code', 'usage');
    return (error as DockhookError).message;
  }
  throw new Error('it was accepted');
}

describe('settings', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-config-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };

  it('have safe defaults', () => {
    const config = readConfig({});
    expect(config.grpcListen).to.deep.equal({ host: '127.0.0.1', port: 9000 });
    expect(config.httpListen).to.deep.equal({ host: '127.0.0.1', port: 9464 });
    expect(config.unknownAccounts).to.equal('deny');
    expect(config.databaseUrl).to.equal(undefined);
    expect(config.timeline).to.equal(true);
    expect(config.grpcInsecure).to.equal(false);
    expect(config.answerForBackend).to.deep.equal({ updateTopo: false, events: false, methods: new Set() });
  });

  it('take a flag before the environment, and an empty variable for none', () => {
    const config = readConfig(
      { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:1', DOCKHOOK_HTTP_LISTEN: '', DOCKHOOK_LOG_LEVEL: 'warn' },
      { grpcListen: '[::1]:2' },
    );
    expect(config.grpcListen).to.deep.equal({ host: '::1', port: 2 });
    expect(config.httpListen.port).to.equal(9464);
    expect(config.logLevel).to.equal('warn');
  });

  describe('of what is answered for a backend', () => {
    const WORDS = 'update_topo, events,offline_map_get, flight_areas_get,';
    const ANSWERS = {
      updateTopo: true,
      events: true,
      methods: new Set(['offline_map_get', 'flight_areas_get']),
    };

    it('are read from a list, under the name of before, too', () => {
      for (const name of ['DOCKHOOK_ANSWER_FOR_BACKEND', 'DOCKHOOK_EMPTY_REPLIES'])
        expect(readConfig({ [name]: WORDS }).answerForBackend, name).to.deep.equal(ANSWERS);
    });

    it('are a fault if both names are set, and not if one is empty', () => {
      const both = { DOCKHOOK_ANSWER_FOR_BACKEND: WORDS, DOCKHOOK_EMPTY_REPLIES: 'offline_map_get' };
      expect(faultsOf(both)).to.match(
        /DOCKHOOK_EMPTY_REPLIES.* are both set: keep DOCKHOOK_ANSWER_FOR_BACKEND/,
      );
      for (const name of Object.keys(both))
        expect(readConfig({ ...both, [name]: '' }).answerForBackend.methods).to.include('offline_map_get');
    });

    for (const [words, text] of [
      ['storage_config_get', /"storage_config_get" needs a backend: its reply names a storage/],
      ['events,flighttask_resource_get', /"flighttask_resource_get" needs a backend/],
      ['flighttask_progress_get', /"flighttask_progress_get" needs a backend/],
      ['file_upload_callback', /an event that only a backend may answer/],
      ['highest_priority_upload_flighttask_media', /an event that only a backend may answer/],
      ['offline_map_get;flight_areas_get', /is not the name of a method, such as flight_areas_get/],
      ['update-topo', /"update-topo" is not the name of a method/],
    ] as const) {
      it(`refuse ${words} and say why, under the name that was set`, () => {
        for (const name of ['DOCKHOOK_ANSWER_FOR_BACKEND', 'DOCKHOOK_EMPTY_REPLIES']) {
          const fault = faultsOf({ [name]: words });
          expect(fault).to.match(text).and.to.include(`${name}: `);
        }
      });
    }

    it('take any other method: a new firmware may have it', () => {
      const { methods } = readConfig({
        DOCKHOOK_ANSWER_FOR_BACKEND: 'weather_get,constructor',
      }).answerForBackend;
      expect([...methods]).to.deep.equal(['weather_get', 'constructor']);
    });
  });

  it('report all faults at once, each with the name of its variable or flag', () => {
    const text = faultsOf(
      {
        DOCKHOOK_HTTP_LISTEN: '9464',
        DOCKHOOK_UNKNOWN_ACCOUNTS: 'allow',
        DOCKHOOK_GRPC_TLS_CERT: '/does/not/exist',
      },
      { logLevel: 'loud' },
    );
    expect(text).to.match(/DOCKHOOK_HTTP_LISTEN: "9464" is not host:port/);
    expect(text).to.match(/DOCKHOOK_UNKNOWN_ACCOUNTS: "allow" is not one of deny, ignore/);
    expect(text).to.match(/DOCKHOOK_GRPC_TLS_CERT: cannot read the file: ENOENT/);
    expect(text).to.match(/--log-level: "loud" is not one of/);
  });

  for (const address of [
    'localhost',
    ':9000',
    '127.0.0.1:',
    '127.0.0.1:70000',
    '::1:9000',
    '1.2.3.4:9 ',
    'a b:1',
  ]) {
    it(`refuse "${address}" as an address`, () => {
      expect(faultsOf({ DOCKHOOK_HTTP_LISTEN: address })).to.include('is not host:port');
    });
  }

  describe('the listeners of EMQX to open', () => {
    const api = (): Record<string, string> => ({
      DOCKHOOK_EMQX_URL: 'http://127.0.0.1:18083',
      DOCKHOOK_EMQX_API_KEY_FILE: file('key', 'key'),
      DOCKHOOK_EMQX_API_SECRET_FILE: file('secret', 'secret'),
    });
    it('are none unless named', () => {
      expect(readConfig({}).emqxListeners).to.deep.equal([]);
      expect(readConfig(api()).emqxListeners).to.deep.equal([]);
    });
    it("are EMQX's ids, each once", () => {
      const config = readConfig({
        ...api(),
        DOCKHOOK_EMQX_LISTENERS: ' tcp:default, ssl:client_certificate,tcp:default',
      });
      expect(config.emqxListeners).to.deep.equal(['tcp:default', 'ssl:client_certificate']);
    });
    for (const ids of ['tcp', 'default', 'tcp:', 'tls:default', 'tcp:default,', 'tcp:a/b', 'tcp.default']) {
      it(`are not "${ids}"`, () => {
        expect(faultsOf({ ...api(), DOCKHOOK_EMQX_LISTENERS: ids })).to.include('not the id of a listener');
      });
    }
    it('need the REST API', () => {
      expect(faultsOf({ DOCKHOOK_EMQX_LISTENERS: 'tcp:default' })).to.include('DOCKHOOK_EMQX_URL');
    });
  });

  describe('the schema of the tables', () => {
    it('is public unless named, and may have letters that SQL wants in quotes', () => {
      expect(readConfig({}).databaseSchema).to.equal('public');
      for (const name of ['dockhook', 'Drone-Yard', '_', 'a'.repeat(63)]) {
        expect(readConfig({ DOCKHOOK_DATABASE_SCHEMA: name }).databaseSchema).to.equal(name);
      }
    });

    for (const name of [
      '1st',
      'a b',
      'a"b',
      "a'b",
      'a.b',
      'yård',
      'a'.repeat(64),
      'pg_x',
      'information_schema',
    ]) {
      it(`is not ${JSON.stringify(name)}`, () => {
        expect(faultsOf({ DOCKHOOK_DATABASE_SCHEMA: name })).to.include('DOCKHOOK_DATABASE_SCHEMA');
      });
    }
  });

  describe('the ExHook port beyond loopback', () => {
    for (const address of [
      '0.0.0.0:9000',
      '[::]:9000',
      '10.0.0.1:9000',
      'dockhook.example:9000',
      '127.0.0.1.example:9000',
    ]) {
      it(`is refused on ${address} without a client CA`, () => {
        expect(faultsOf({ DOCKHOOK_GRPC_LISTEN: address })).to.include(
          'can read the license and bind any device',
        );
      });
    }
    it('is allowed by DOCKHOOK_GRPC_INSECURE=yes', () => {
      const config = readConfig({ DOCKHOOK_GRPC_LISTEN: '0.0.0.0:9000', DOCKHOOK_GRPC_INSECURE: 'yes' });
      expect(config.grpcListen.host).to.equal('0.0.0.0');
    });
    it('is allowed with a client CA', () => {
      const pem = file('a.pem', 'PEM');
      const config = readConfig({
        DOCKHOOK_GRPC_LISTEN: '0.0.0.0:9000',
        DOCKHOOK_GRPC_TLS_CERT: pem,
        DOCKHOOK_GRPC_TLS_KEY: pem,
        DOCKHOOK_GRPC_TLS_CLIENT_CA: pem,
      });
      expect(config.grpcTlsClientCa).to.equal(pem);
    });
    it('is not allowed with a server certificate alone', () => {
      const pem = file('b.pem', 'PEM');
      const text = faultsOf({
        DOCKHOOK_GRPC_LISTEN: '0.0.0.0:9000',
        DOCKHOOK_GRPC_TLS_CERT: pem,
        DOCKHOOK_GRPC_TLS_KEY: pem,
      });
      expect(text).to.include('DOCKHOOK_GRPC_TLS_CLIENT_CA');
    });
  });

  it('want certificate and key together, and both for a client CA', () => {
    const pem = file('c.pem', 'PEM');
    expect(faultsOf({ DOCKHOOK_GRPC_TLS_CERT: pem })).to.include('go together');
    expect(faultsOf({ DOCKHOOK_GRPC_TLS_CLIENT_CA: pem })).to.include('needs DOCKHOOK_GRPC_TLS_CERT');
  });

  it("want key and secret of EMQX's API together, and both for its address, which may come later", () => {
    const pem = file('key', 'k');
    const both = { DOCKHOOK_EMQX_API_KEY_FILE: pem, DOCKHOOK_EMQX_API_SECRET_FILE: pem };
    expect(readConfig(both).emqxUrl).to.equal(undefined);
    expect(readConfig(both, { emqxUrl: 'https://emqx.example/api' }).emqxUrl?.host).to.equal('emqx.example');
    expect(faultsOf({ DOCKHOOK_EMQX_API_KEY_FILE: pem })).to.include('go together');
    expect(faultsOf({ DOCKHOOK_EMQX_URL: 'http://127.0.0.1:18083' })).to.include('needs both');
  });

  describe('the database URL', () => {
    it('may come from a file', () => {
      const path = file('url', 'postgres://u:p@localhost/d\n');
      expect(readConfig({ DATABASE_URL_FILE: path }).databaseUrl).to.equal('postgres://u:p@localhost/d');
    });
    it('is known with its file, which is followed', () => {
      const path = file('followed', 'postgres://u:p@localhost/d\n');
      expect(readConfig({ DATABASE_URL_FILE: path }).databaseUrlFile).to.equal(path);
      expect(readConfig({ DATABASE_URL: 'postgres://h/d' }).databaseUrlFile).to.equal(undefined);
    });
    it('comes with a number of connections that is enough', () => {
      expect(readConfig({}).databaseConnections).to.equal(11);
      expect(readConfig({ DOCKHOOK_DATABASE_CONNECTIONS: '2' }).databaseConnections).to.equal(2);
      for (const number of ['1', '0', '-3', '1001', '5.5', '1e2', 'many', ' 5']) {
        expect(faultsOf({ DOCKHOOK_DATABASE_CONNECTIONS: number }), number).to.include('whole number from 2');
      }
    });
    it('may not come from both', () => {
      expect(faultsOf({ DATABASE_URL_FILE: file('u', 'x'), DATABASE_URL: 'y' })).to.include('keep one');
    });
    it('is not looked for elsewhere if its file cannot be read', () => {
      expect(faultsOf({ DATABASE_URL_FILE: join(directory, 'absent') })).to.include(
        'DATABASE_URL_FILE: cannot read',
      );
      expect(faultsOf({ DATABASE_URL_FILE: file('empty', '\n') })).to.include('is empty');
    });
    it('is never a flag, since process arguments can be read by others', () => {
      const flags = { databaseUrl: 'postgres://u:p@localhost/d' };
      expect(readConfig({}, flags).databaseUrl).to.equal(undefined);
    });
  });
});

describe('addresses', () => {
  it('know what is loopback', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(isLoopback(host), host).to.equal(true);
    for (const host of ['0.0.0.0', '::', '127.example', '10.0.0.1', 'localhost.example']) {
      expect(isLoopback(host), host).to.equal(false);
    }
  });
  it('are written with brackets around IPv6', () => {
    expect(formatListen({ host: '::1', port: 1 })).to.equal('[::1]:1');
    expect(formatListen({ host: '127.0.0.1', port: 1 })).to.equal('127.0.0.1:1');
  });
});
