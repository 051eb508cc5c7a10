/** Connections to the gRPC port that end before a call: one line and one count each, with who and why. */
import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { certificateDirectories, grpcClient, grpcSettings } from '../support/certificates.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** How somebody comes to a port, and goes when it is over. */
type Visit = (port: number) => Promise<unknown>;

/** Unlike `once`, it takes an error on the way for what it is here: part of the end. */
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

/** Says something in plain text; the server hangs up. */
const plain =
  (bytes: string | Buffer): Visit =>
  async (port) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(bytes);
    await closed(socket);
  };

/** Says nothing, and hangs up itself. */
const silent: Visit = async (port) => {
  const socket = connectTcp(port, '127.0.0.1', () => socket.end());
  socket.resume();
  await closed(socket);
};

const overTls =
  (options: () => ConnectionOptions): Visit =>
  async (port) => {
    const socket = connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ...options() });
    socket.on('error', () => undefined).resume();
    await closed(socket);
  };

describe('a connection that ends before its first call', function () {
  this.timeout(20_000);
  const { make, empty } = certificateDirectories();
  let ours: string;
  let others: string;
  let made: string;
  let dockhook: TestDockhook;

  before(() => {
    ours = make('SN0001');
    others = make();
    made = makeCertificates(empty());
    // Two CAs, so that a chain may be of three.
    appendFileSync(join(ours, 'grpc/ca.pem'), readFileSync(join(made, 'root.pem')));
  });

  /** A client with this certificate, made here. */
  const shows = (name: string): ConnectionOptions => ({
    ...grpcClient(ours),
    cert: readFileSync(join(made, `${name}.pem`)),
    key: readFileSync(join(made, `${name}.key`)),
  });

  const refusals = (level: string): Record<string, unknown>[] =>
    dockhook.logged.filter((line) => line['event'] === 'connection_refused' && line['level'] === level);

  async function toldOf(reason: string, level = 'warn'): Promise<Record<string, unknown>> {
    for (;;) {
      const line = refusals(level).find((candidate) => candidate['reason'] === reason);
      if (line) return line;
      await pause(5);
    }
  }

  async function counted(reason: string): Promise<number> {
    const text = await (await fetch(`http://${dockhook.http}/metrics`)).text();
    const line = new RegExp(`^dockhook_connections_refused_total\\{reason="${reason}"\\} (\\d+)$`, 'm');
    return Number(line.exec(text)?.[1] ?? 0);
  }

  /** Each case comes alone, so that what is told is of it. */
  function tells(cases: Record<string, [visit: Visit, reason: string, advice: RegExp]>): void {
    for (const [what, [visit, reason, advice]] of Object.entries(cases)) {
      it(`is told as ${reason}: ${what}`, async () => {
        await visit(Number(dockhook.grpc.split(':')[1]));
        const line = await toldOf(reason);
        expect(line['peerHost']).to.equal('127.0.0.1');
        expect(line['peerPort']).to.be.above(0);
        expect(line['detail']).to.match(advice);
        expect(await counted(reason)).to.equal(1);
        expect(refusals('warn')).to.have.lengthOf(1);
      });
    }
  }

  describe('with TLS and a client CA', () => {
    beforeEach(async () => {
      dockhook = await startDockhook({ environment: grpcSettings(ours) });
    });
    afterEach(() => dockhook.stop());

    const distrusting: Visit = async (port) => {
      // Unlike Node, OpenSSL's own client says why it leaves, as Erlang's does.
      const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-verify_return_error', '-alpn', 'h2'];
      const { cert, key } = { cert: 'grpc/emqx.pem', key: 'grpc/emqx.key' };
      const files = ['-cert', join(ours, cert), '-key', join(ours, key)];
      const child = spawn('openssl', [...args, ...files, '-CAfile', join(others, 'grpc/ca.pem')], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      await once(child, 'close');
    };

    tells({
      'plain HTTP/2, as EMQX with http:// in its url': [plain(PREFACE), 'plain_text', /https:\/\//],
      'plain HTTP/1.1, as a browser': [plain('GET / HTTP/1.1\r\n\r\n'), 'plain_text', /https:\/\//],
      'MQTT, as a dock with the wrong port': [
        plain(Buffer.from('101000044d51545404', 'hex')),
        'plain_text',
        /TLS/,
      ],
      'no certificate': [overTls(() => grpcClient(ours)), 'no_certificate', /ssl\.certfile/],
      'a certificate of another CA of the same name': [
        overTls(() => ({ ...grpcClient(others, 'grpc/emqx'), ca: grpcClient(ours).ca! })),
        'unknown_ca',
        /DOCKHOOK_GRPC_TLS_CLIENT_CA/,
      ],
      "a dock's certificate": [
        overTls(() => ({ ...grpcClient(ours, 'mqtt/dock-SN0001') })),
        'unknown_ca',
        /DOCKHOOK_GRPC_TLS_CLIENT_CA/,
      ],
      'a certificate without the intermediate CA that signed it': [
        overTls(() => shows('under-intermediate')),
        'unknown_ca',
        /append/,
      ],
      "the server's own certificate": [
        overTls(() => grpcClient(ours, 'grpc/dockhook')),
        'wrong_purpose',
        /clientAuth/,
      ],
      'an expired certificate': [overTls(() => shows('expired')), 'expired', /CERT_HAS_EXPIRED/],
      'an old version of TLS': [
        overTls(() => ({
          ...shows('good'),
          maxVersion: 'TLSv1.1',
          minVersion: 'TLSv1.1',
          ciphers: 'DEFAULT@SECLEVEL=0',
        })),
        'old_tls',
        /1\.2/,
      ],
      'a client of HTTP/1.1': [
        overTls(() => ({ ...shows('good'), ALPNProtocols: ['http/1.1'] })),
        'no_http2',
        /ALPN/,
      ],
      'a client that names no protocol': [
        overTls(() => ({ ...shows('good'), ALPNProtocols: [] })),
        'no_http2',
        /ALPN/,
      ],
      'a client that knows another CA for us, and leaves': [
        overTls(() => ({ ...shows('good'), ca: grpcClient(others).ca!, minVersion: 'TLSv1.3' })),
        'hung_up',
        /ssl\.cacertfile/,
      ],
      'a client that knows another CA for us, and says so': [distrusting, 'not_trusted', /ssl\.cacertfile/],
    });

    it('is told once a minute from one place, however many there are, and counted each time', async () => {
      const port = Number(dockhook.grpc.split(':')[1]);
      for (let time = 0; time < 20; time += 1) await plain(PREFACE)(port);
      await toldOf('plain_text', 'debug');
      expect(await counted('plain_text')).to.equal(20);
      expect(refusals('warn')).to.have.lengthOf(1);
      // Another reason is another matter.
      await overTls(() => grpcClient(ours))(port);
      await toldOf('no_certificate');
    });

    it('is only counted if it sent nothing, as load balancers do', async () => {
      await silent(Number(dockhook.grpc.split(':')[1]));
      await toldOf('silent', 'debug');
      expect(await counted('silent')).to.equal(1);
      expect(refusals('warn')).to.deep.equal([]);
    });
  });

  describe('in plain text', () => {
    beforeEach(async () => {
      dockhook = await startDockhook();
    });
    afterEach(() => dockhook.stop());

    tells({
      'TLS, as EMQX with https:// in its url': [
        overTls(() => ({})),
        'tls_on_plain_port',
        /DOCKHOOK_GRPC_TLS_CERT/,
      ],
      'HTTP/1.1': [plain('GET / HTTP/1.1\r\n\r\n'), 'not_http2', /wrong port/],
      MQTT: [plain(Buffer.from('101000044d51545404', 'hex')), 'not_http2', /wrong port/],
      'random bytes': [plain(Buffer.from('deadbeef', 'hex')), 'not_http2', /wrong port/],
    });

    it('is only counted if it sent nothing, as load balancers do', async () => {
      await silent(Number(dockhook.grpc.split(':')[1]));
      await toldOf('silent', 'debug');
      expect(await counted('silent')).to.equal(1);
      expect(refusals('warn')).to.deep.equal([]);
    });

    it('is none if its opening comes in pieces', async () => {
      const socket = connectTcp(Number(dockhook.grpc.split(':')[1]), '127.0.0.1');
      socket.setNoDelay().write(PREFACE.slice(0, 1));
      await pause(20);
      socket.write(PREFACE.slice(1));
      // Its SETTINGS: HTTP/2 is spoken.
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first[3]).to.equal(4);
      socket.destroy();
      expect(refusals('warn')).to.deep.equal([]);
    });
  });
});

/** A root CA, and clients of it: good, expired, and under an intermediate CA. @returns the directory */
function makeCertificates(directory: string): string {
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  };
  writeFileSync(path('ca.ext'), 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n');
  writeFileSync(path('client.ext'), 'extendedKeyUsage=clientAuth\n');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'root.key',
    '-subj',
    '/CN=root',
    '-days',
    '10',
    '-out',
    'root.pem',
  );
  const sign = (name: string, ca: string, extensions: string, days: string): void => {
    openssl('req', ...key, '-keyout', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`);
    const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial'];
    const what = ['-in', `${name}.csr`, '-extfile', extensions, '-days', days, '-out', `${name}.pem`];
    openssl('x509', '-req', ...by, ...what);
  };
  sign('good', 'root', 'client.ext', '10');
  sign('expired', 'root', 'client.ext', '-1');
  sign('intermediate', 'root', 'ca.ext', '10');
  sign('under-intermediate', 'intermediate', 'client.ext', '10');
  return directory;
}
