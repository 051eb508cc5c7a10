import { expect } from 'chai';
import { hookProvider, VERSIONS } from '../../src/exhook/proto.js';
import { startExhookServer, type ExhookServer } from '../../src/exhook/server.js';
import type { WireMessage } from '../../src/exhook/translate.js';
import type { Client } from '../../src/hooks.js';
import { exhookServers, IGNORE, YES, YES_MAN } from '../support/exhook.js';
import { frame, unframe } from '../support/grpc.js';
import { hookProviderContract } from './exhook.js';

describe('ExHook server', () => {
  const { start, connect } = exhookServers();

  describe('as a HookProvider', () => {
    let server: ExhookServer;
    before(async () => {
      server = await startExhookServer({ hooks: YES_MAN, listen: { host: '127.0.0.1', port: 0 } });
    });
    after(() => server.stop(0));
    hookProviderContract(() => server);
  });

  describe('hands on', () => {
    it('the mounted hooks with their topic filters, on both versions', async () => {
      const server = await start();
      for (const version of VERSIONS) {
        const { path, responseDeserialize } = hookProvider(version)['OnProviderLoaded']!;
        const { body } = await connect(server).call(path, frame(Buffer.alloc(0)));
        expect(responseDeserialize(unframe(body)) as object).to.deep.equal({
          hooks: [
            { name: 'client.authenticate', topics: [] },
            { name: 'client.authorize', topics: [] },
            { name: 'message.publish', topics: ['thing/product/+/requests'] },
          ],
        });
      }
    });

    it('a question with all that EMQX says, and the answer to it', async () => {
      const asked: unknown[] = [];
      const server = await start({
        authenticate: async ({ clientId, username }, password) => {
          asked.push([clientId, username, password]);
          return true;
        },
        authorize: async ({ clientId }, action, topic) => {
          asked.push([clientId, action, topic]);
          return 'ignore';
        },
        publish: async ({ session, topic, payload }) => {
          asked.push([session?.clientId, topic, payload.toString()]);
          return { kind: 'reply', topic: `${topic}_reply`, payload: Buffer.from('{}'), qos: 1 };
        },
      });
      expect(await server.answer('OnClientAuthenticate')).to.equal(YES);
      expect(await server.answer('OnClientAuthorize')).to.equal(IGNORE);
      const reply = hookProvider('v3')['OnMessagePublish']!.responseDeserialize(
        Buffer.from(await server.answer('OnMessagePublish'), 'hex'),
      ) as { type: string; message: WireMessage };
      const topic = 'thing/product/SN0001/requests';
      expect(asked).to.deep.equal([
        ['dock-SN0001', 'SN0001', 's3cret'],
        ['dock-SN0001', 'subscribe', topic],
        ['dock-SN0001', topic, '{"q":0}'],
      ]);
      expect(reply.type).to.equal('STOP_AND_RETURN');
      expect(reply.message).to.include({
        from: 'dock-SN0001',
        topic: `${topic}_reply`,
        qos: 1,
      });
      expect(server.calls).to.deep.equal([
        'client.authenticate allow',
        'client.authorize ignore',
        'message.publish reply',
      ]);
    });

    it('that a client came and went', async () => {
      const told: [string, Client, string?][] = [];
      const server = await start({
        connected: (client) => told.push(['connected', client]),
        disconnected: (client, reason) => told.push(['disconnected', client, reason]),
      });
      expect(await server.answer('OnClientConnected')).to.equal('');
      expect(await server.answer('OnClientDisconnected')).to.equal('');
      const [connected, disconnected] = told;
      expect([connected![0], connected![1].clientId]).to.deep.equal(['connected', 'dock-SN0001']);
      expect([disconnected![0], disconnected![2]]).to.deep.equal(['disconnected', 'normal']);
      expect(disconnected![1].peerPort).to.equal(connected![1].peerPort);
      expect(server.calls).to.deep.equal(['client.connected ok', 'client.disconnected ok']);
    });

    it('the question of one account between those of another that asks very much', async () => {
      const asked: string[] = [];
      const server = await start({
        publish: async ({ session }) => {
          asked.push(session!.account);
          return { kind: 'pass' };
        },
      });
      const { path, requestSerialize } = hookProvider('v3')['OnMessagePublish']!;
      const bodyOf = (username: string): Buffer =>
        frame(
          requestSerialize({
            message: { topic: 'thing/product/SN0001/requests', headers: { username, protocol: 'mqtt' } },
          }),
        );
      const connection = connect(server);
      const [flood, other] = [bodyOf('flood'), bodyOf('other')];
      const calls = Array.from({ length: 400 }, () => connection.call(path, flood));
      calls.push(connection.call(path, other));
      for (const { body } of await Promise.all(calls)) expect(unframe(body).toString('hex')).to.equal(IGNORE);
      expect(asked).to.have.length(401);
      // Without turns it is the last: its bytes came behind those of all others.
      expect(asked.indexOf('other')).to.be.below(200);
    });

    it('nothing of the hooks that nobody mounts, and still answers them', async () => {
      const server = await start();
      const mounted =
        /OnProviderLoaded|OnClient(Authenticate|Authorize|Connected|Disconnected)|OnMessagePublish/;
      const others = Object.keys(hookProvider('v3')).filter((method) => !mounted.test(method));
      for (const method of others) expect(await server.answer(method), method).to.equal('');
      expect(others).to.have.lengthOf(15);
      expect(server.calls).to.have.lengthOf(15);
      for (const call of server.calls)
        expect(call).to.match(/^(provider|client|session|message)\.[a-z]+ ok$/);
    });
  });
});
