import { expect } from 'chai';
import { serviceName } from '../../src/exhook/proto.js';
import { deferred, exhookServers, IGNORE, NO, YES } from '../support/exhook.js';
import { frame, Status } from '../support/grpc.js';

describe('ExHook server', () => {
  const { start, connect } = exhookServers();

  describe('when a hook fails', () => {
    const boom = (): never => {
      throw new Error('boom');
    };
    const methods = [
      ['OnClientAuthenticate', 'client.authenticate', 'authenticate', NO],
      ['OnClientAuthorize', 'client.authorize', 'authorize', NO],
      ['OnMessagePublish', 'message.publish', 'publish', IGNORE],
    ] as const;

    for (const [method, hook, name, lastResort] of methods) {
      for (const [how, failing] of [
        ['throws', boom],
        ['rejects', async () => boom()],
        ['gives nothing', async () => undefined as never],
      ] as const) {
        it(`by answering ${lastResort} if ${name} ${how}`, async () => {
          const server = await start({ [name]: failing });
          expect(await server.answer(method)).to.equal(lastResort);
          expect(server.calls).to.have.lengthOf(1);
          if (how !== 'gives nothing') {
            expect(server.calls).to.deep.equal([`${hook} error`]);
            expect(server.errors).to.deep.equal([`${hook} boom`]);
          }
        });
      }

      it(`by answering ${lastResort} if ${name} never settles`, async () => {
        const server = await start({ [name]: () => new Promise(() => undefined) }, { hookDeadlineMs: 20 });
        expect(await server.answer(method)).to.equal(lastResort);
        expect(server.calls).to.deep.equal([`${hook} timeout`]);
        expect(server.errors).to.deep.equal([`${hook} ${hook} was not decided within 20 ms`]);
      });

      for (const late of ['resolves', 'rejects'] as const) {
        it(`by answering ${lastResort}, once, if ${name} ${late} after its deadline`, async () => {
          const { promise, resolve, reject } = deferred();
          const server = await start({ [name]: () => promise }, { hookDeadlineMs: 20 });
          expect(await server.answer(method)).to.equal(lastResort);
          if (late === 'resolves') resolve(name === 'publish' ? { kind: 'drop' } : true);
          else reject(new Error('late'));
          // The next call on the same connection: by then a second answer would have been made.
          expect(await server.answer('OnClientConnected')).to.equal('');
          expect(server.calls).to.deep.equal([`${hook} timeout`, 'client.connected ok']);
          expect(server.errors).to.have.lengthOf(late === 'resolves' ? 1 : 2);
        });
      }
    }

    it('by acknowledging an event all the same', async () => {
      const server = await start({ connected: boom, disconnected: boom });
      expect(await server.answer('OnClientConnected')).to.equal('');
      expect(await server.answer('OnClientDisconnected')).to.equal('');
      expect(server.calls).to.deep.equal(['client.connected error', 'client.disconnected error']);
      expect(server.errors).to.deep.equal(['client.connected boom', 'client.disconnected boom']);
    });

    it('or an observer throws, without changing the answer', async () => {
      const server = await start({ authorize: boom }, { onCall: boom, onError: boom });
      expect(await server.answer('OnClientAuthenticate')).to.equal(YES);
      expect(await server.answer('OnClientAuthorize')).to.equal(NO);
      expect(await server.answer('OnClientConnected')).to.equal('');
    });
  });

  describe('when the caller stops waiting', () => {
    it('asks no hook for a call that waited too long while others were decided', async () => {
      let asked = 0;
      const server = await start({
        authenticate: async () => {
          asked += 1;
          // Both calls came in the same bytes, so the second waits behind this.
          const end = Date.now() + 60;
          while (Date.now() < end);
          return true;
        },
      });
      await Promise.all(
        ['1S', '30m'].map((timeout) => server.ask('OnClientAuthenticate', { 'grpc-timeout': timeout })),
      );
      expect(asked).to.equal(1);
      expect(server.calls).to.have.members(['client.authenticate allow', 'client.authenticate cancelled']);
      expect(server.errors).to.deep.equal([]);
    });

    it('ends the call at its grpc-timeout, tells of it, and answers the next', async () => {
      const { promise, resolve } = deferred();
      const server = await start({ authenticate: () => promise });
      const { status } = await server.ask('OnClientAuthenticate', { 'grpc-timeout': '30m' });
      expect(status).to.equal(Status.DEADLINE_EXCEEDED);
      resolve(true);
      expect(await server.answer('OnClientAuthorize')).to.equal(YES);
      expect(server.calls).to.deep.equal(['client.authenticate cancelled', 'client.authorize allow']);
    });

    it('survives a connection that is lost in mid-call', async () => {
      const asked = deferred();
      const { promise, resolve } = deferred();
      const server = await start({
        authenticate: () => {
          asked.resolve(undefined);
          return promise;
        },
      });
      const connection = connect(server);
      const lost = connection
        .call(`/${serviceName('v2')}/OnClientAuthenticate`, frame(Buffer.from('0a00', 'hex')))
        .then(
          () => 'answered',
          () => 'lost',
        );
      await asked.promise;
      connection.close();
      expect(await lost).to.equal('lost');
      resolve(true);
      expect(await server.answer('OnClientAuthorize')).to.equal(YES);
    });
  });
});
