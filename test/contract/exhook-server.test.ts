import { createConnection } from 'node:net';
import { expect } from 'chai';
import { DockhookError } from '../../src/errors.js';
import { serviceName, VERSIONS } from '../../src/exhook/proto.js';
import type { ExhookServer, ExhookServerOptions } from '../../src/exhook/server.js';
import { deferred, exhookServers, YES } from '../support/exhook.js';
import { frame, Status, unframe } from '../support/grpc.js';

describe('ExHook server', () => {
  const { start, connect } = exhookServers();

  describe('health', () => {
    // grpc.health.v1: HealthCheckRequest.service = 1; HealthCheckResponse.status = 1: SERVING 1, NOT_SERVING 2.
    const check = async (server: ExhookServer, service: string): Promise<string> => {
      const name = Buffer.from(service);
      const request = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
      const { status, body } = await connect(server).call('/grpc.health.v1.Health/Check', frame(request));
      return status === Status.OK ? unframe(body).toString('hex') : `status ${status}`;
    };

    it('is NOT_SERVING until told otherwise, for the server and for each service', async () => {
      const server = await start();
      for (const service of ['', ...VERSIONS.map(serviceName)]) {
        expect(await check(server, service), service).to.equal('0802');
        server.setServing(true);
        expect(await check(server, service), service).to.equal('0801');
        server.setServing(false);
      }
    });

    it('knows no other service', async () => {
      expect(await check(await start(), 'emqx.exhook.v1.HookProvider')).to.equal('status 5');
    });

    it('does not keep hooks from being answered', async () => {
      const server = await start();
      server.setServing(false);
      expect(await server.answer('OnClientAuthenticate')).to.equal(YES);
    });
  });

  describe('stop', () => {
    it('lets a call in flight finish, and takes no new connection', async () => {
      const asked = deferred();
      const { promise, resolve } = deferred();
      const server = await start({
        authenticate: () => {
          asked.resolve(undefined);
          return promise;
        },
      });
      const answer = server.answer('OnClientAuthenticate');
      await asked.promise;
      const stopped = server.stop(60_000);
      expect(await refused(server)).to.equal('ECONNREFUSED');
      resolve(true);
      expect(await answer).to.equal(YES);
      await stopped;
    });

    it('cuts what does not finish in time', async () => {
      const asked = deferred();
      const server = await start(
        {
          authenticate: () => {
            asked.resolve(undefined);
            return new Promise(() => undefined);
          },
        },
        { hookDeadlineMs: 60_000 },
      );
      const call = server.ask('OnClientAuthenticate').then(
        ({ status }) => status,
        () => 'cut',
      );
      await asked.promise;
      await server.stop(20);
      expect(await call).to.equal('cut');
    });

    it('does not wait for connections that ask nothing', async () => {
      const server = await start();
      const idle = createConnection(server);
      await new Promise((resolve) => idle.once('data', resolve));
      await server.answer('OnClientAuthenticate');
      await server.stop(60_000);
      idle.destroy();
    });

    it('may be called again', async () => {
      const server = await start();
      await Promise.all([server.stop(60_000), server.stop(60_000)]);
      await server.stop(60_000);
    });
  });

  describe('start', () => {
    const failure = async (options: Partial<ExhookServerOptions>): Promise<DockhookError> => {
      const error: unknown = await start({}, options).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(DockhookError);
      return error as DockhookError;
    };

    it('names the address and the way out if the port is taken', async () => {
      const { port } = await start();
      const error = await failure({ listen: { host: '127.0.0.1', port } });
      expect(error.code).to.equal('usage');
      expect(error.message).to.equal(
        `cannot listen for EMQX on 127.0.0.1:${port} (gRPC): another process has this port. ` +
          'Stop it, or choose another port with DOCKHOOK_GRPC_LISTEN or --grpc-listen.',
      );
    });

    it('names the address and the way out if this machine does not have it', async () => {
      // 192.0.2.0/24 is for documentation (RFC 5737).
      const error = await failure({ listen: { host: '192.0.2.1', port: 9000 } });
      expect(error.code).to.equal('usage');
      expect(error.message).to.match(/^cannot listen for EMQX on 192\.0\.2\.1:9000 .*DOCKHOOK_GRPC_LISTEN/);
    });
  });
});

/** The code of the error that a new connection meets. */
function refused({ host, port }: ExhookServer): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port }, () => {
      socket.destroy();
      resolve('accepted');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code);
    });
  });
}
