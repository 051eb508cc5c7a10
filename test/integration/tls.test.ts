/** The gRPC port under TLS, with the certificates that deploy/tls makes and the bytes that EMQX sends. */
import { expect } from 'chai';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { serviceName, type Version } from '../../src/exhook/proto.js';
import { certificateDirectories, grpcClient, grpcSettings } from '../support/certificates.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { NO, YES } from '../support/exhook.js';
import { connectGrpc, frame, Status, unframe, type GrpcConnection } from '../support/grpc.js';
import { recordings, type Recording } from '../support/recordings.js';

const SN = '7CTDTEST00000A';

/** How it looks to a client whose certificate dockhook does not accept: no alert, the connection ends. */
const CUT_OFF = /ended without a grpc-status|disconnected before secure TLS connection/;

const exactly = (version: SecureVersion): ConnectionOptions => ({ minVersion: version, maxVersion: version });

describe('the gRPC port with TLS', () => {
  const { make } = certificateDirectories();
  let ours: string;
  let others: string;
  let connections: GrpcConnection[] = [];
  let dockhook: TestDockhook;

  before(() => {
    ours = make(SN);
    // The same names, signed by other keys.
    others = make(SN);
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    connections = [];
  });

  function connect(tls?: ConnectionOptions): GrpcConnection {
    const [host = '', port] = dockhook.grpc.split(':');
    const connection = connectGrpc({ host, port: Number(port) }, tls);
    connections.push(connection);
    return connection;
  }

  /** Asks to authenticate, as EMQX would; gives the answer in hexadecimal, or why there was none. */
  async function ask(
    connection: GrpcConnection,
    version: Version = 'v3',
    request = someRequest,
  ): Promise<string> {
    const path = `/${serviceName(version)}/OnClientAuthenticate`;
    try {
      const { status, body } = await connection.call(path, frame(request.bytes));
      return status === Status.OK ? unframe(body).toString('hex') : `status ${status}`;
    } catch (error) {
      return String(error);
    }
  }
  const someRequest = authentication('v3', (c) => c.cn === undefined && c.password === 's3cret');

  describe('and a client CA', () => {
    before(async () => {
      dockhook = await startDockhook({ environment: grpcSettings(ours) });
    });
    after(() => dockhook.stop());

    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      describe(`over ${version}`, () => {
        it('answers a client of that CA', async () => {
          const tls = { ...grpcClient(ours, 'grpc/emqx'), ...exactly(version) };
          expect(await ask(connect(tls))).to.equal(NO);
        });

        const alert = version === 'TLSv1.3' ? /alert certificate required/ : /alert handshake failure/;
        it('refuses a client without a certificate', async () => {
          expect(await ask(connect({ ...grpcClient(ours), ...exactly(version) }))).to.match(alert);
        });

        for (const [whose, directory, name] of [
          ['of another CA of the same name', () => others, 'grpc/emqx'],
          ['of a dock', () => ours, `mqtt/dock-${SN}`],
          ['that is for servers', () => ours, 'grpc/dockhook'],
        ] as const) {
          it(`refuses a client with a certificate ${whose}, before it has read a call`, async () => {
            const before = dockhook.logged.length;
            const { cert, key } = grpcClient(directory(), name);
            const answer = await ask(connect({ ...grpcClient(ours), cert, key, ...exactly(version) }));
            expect(answer).to.match(CUT_OFF);
            // Which may take a moment longer to be told.
            expect(dockhook.logged.slice(before).map(({ event }) => event)).to.not.include('authenticate');
          });
        }
      });
    }

    it('refuses TLS 1.1', async () => {
      // OpenSSL 3 offers it at this security level only.
      const old = { ...exactly('TLSv1.1'), ciphers: 'DEFAULT@SECLEVEL=0' };
      const answer = await ask(connect({ ...grpcClient(ours, 'grpc/emqx'), ...old }));
      expect(answer).to.match(/alert protocol version/);
    });

    it('refuses plain text', async () => {
      expect(await ask(connect())).to.match(/ended without a grpc-status/);
    });

    it('shows a certificate that a client can verify by name and address, and tell from another', async () => {
      const emqx = grpcClient(ours, 'grpc/emqx');
      expect(await ask(connect({ ...emqx, servername: 'localhost' }))).to.equal(NO);
      expect(await ask(connect({ ...emqx, servername: 'elsewhere.example' }))).to.match(/does not match/);
      expect(await ask(connect({ ...emqx, ca: grpcClient(others).ca! }))).to.match(/self-signed certificate/);
    });
  });

  describe('and an account with a certificate name', () => {
    beforeEach(async () => {
      dockhook = await startDockhook({ environment: grpcSettings(ours) });
    });
    afterEach(() => dockhook.stop());

    for (const [version, username, password] of [
      ['v2', 'u', 'p'],
      ['v3', 'SN0001', 's3cret'],
    ] as const) {
      const of = (cn: string | undefined): Recording =>
        authentication(version, (c) => c.cn === cn && c.username === username && c.password === password);
      const answerFor = async (certificateCn: string, request: Recording): Promise<string> => {
        await dockhook.addAccount(
          username,
          password,
          { kind: 'any-gateway' },
          { chosen: true, certificateCn },
        );
        return ask(connect(grpcClient(ours, 'grpc/emqx')), version, request);
      };

      it(`lets in a dock whose certificate has it, as EMQX tells in ${version}`, async () => {
        expect(await answerFor('dock-SN0001', of('dock-SN0001'))).to.equal(YES);
      });

      it(`refuses one with the right password and no certificate, as EMQX tells in ${version}`, async () => {
        expect(await answerFor('dock-SN0001', of(undefined))).to.equal(NO);
        expect(dockhook.logged.at(-1)).to.include({ outcome: 'refused', reason: 'wrong_certificate' });
      });

      for (const other of ['dock-SN0002', 'DOCK-SN0001', 'dock-SN0001 ']) {
        it(`refuses one with the right password and a name other than "${other}", as EMQX tells in ${version}`, async () => {
          expect(await answerFor(other, of('dock-SN0001'))).to.equal(NO);
          expect(dockhook.logged.at(-1)).to.include({ outcome: 'refused', reason: 'wrong_certificate' });
        });
      }
    }
  });
});

interface ClientInfo {
  username?: string;
  password?: string;
  cn?: string;
}

/** A recorded OnClientAuthenticate of a client that `wanted` accepts. */
function authentication(version: Version, wanted: (client: ClientInfo) => boolean): Recording {
  const found = recordings(version).find(
    ({ method, request }) =>
      method === 'OnClientAuthenticate' && wanted((request as { clientinfo: ClientInfo }).clientinfo),
  );
  if (!found) throw new Error(`no such OnClientAuthenticate is recorded in ${version}`);
  return found;
}
