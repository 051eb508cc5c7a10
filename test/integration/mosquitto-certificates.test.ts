/** The Mosquitto plugin's own certificates: renewed while the broker runs. */
import { expect } from 'chai';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { certificateDirectories, renewPair } from '../support/certificates.js';
import { connackCode, connectClient } from '../support/mqtt.js';
import { describeWithMosquitto, startMosquitto, type TestMosquitto } from '../support/mosquitto.js';
import {
  rewritten,
  startProvider,
  type Handler,
  type ScriptedProvider,
} from '../support/scripted-provider.js';

const PASSWORD = 'p4ssword of the test';
const TAKEN = 'what they hold now is in use';
const KEPT = 'What they held before stays in use';
const REQUESTS = 'thing/product/SN1/requests';

describeWithMosquitto('Mosquitto with the plugin, whose certificates are renewed', function () {
  this.timeout(30_000);
  const { make } = certificateDirectories();
  let directory: string;
  let other: string;
  let provider: ScriptedProvider;
  let broker: TestMosquitto;

  const pair = (): string => join(directory, 'grpc/emqx');
  /** A server whose clients must show a certificate of this directory's CA; its own is always of the first. */
  const serve = (handlers: Record<string, Handler> = {}, clients = directory, port = 0) =>
    startProvider(
      handlers,
      port,
      ServerCredentials.createSsl(
        readFileSync(join(clients, 'grpc/ca.pem')),
        [
          {
            cert_chain: readFileSync(join(directory, 'grpc/dockhook.pem')),
            private_key: readFileSync(join(directory, 'grpc/dockhook.key')),
          },
        ],
        true,
      ),
    );
  async function start(handlers: Record<string, Handler> = {}, alone = false): Promise<void> {
    provider = await serve(handlers);
    broker = await startMosquitto({
      exhook: provider.address,
      alone,
      options: {
        url: `https://${provider.address}`,
        tls_ca: join(directory, 'grpc/ca.pem'),
        tls_cert: `${pair()}.pem`,
        tls_key: `${pair()}.key`,
      },
    });
  }
  async function restart(clients = directory): Promise<void> {
    provider.stop();
    await broker.says('cannot be reached');
    provider = await serve({}, clients, Number(provider.address.split(':')[1]));
  }
  const login = (clientId: string): Promise<number> =>
    connackCode(broker.url, { clientId, username: clientId, password: PASSWORD });
  /** By which certificate the server knows the broker that asks about this client. */
  const shownFor = (clientId: string): string | undefined =>
    provider.of('OnClientAuthenticate').find(({ clientinfo }) => clientinfo.clientid === clientId)?.shown;

  before(() => {
    other = make();
  });
  beforeEach(() => {
    directory = make();
    renewPair(pair(), directory, 'before');
  });
  afterEach(async () => {
    provider.stop();
    expect(await broker.stop(), broker.log()).to.equal(0);
  });

  it('shows the new one after a reload (SIGHUP), and asks for the hooks again', async () => {
    await start();
    expect(await login('one')).to.equal(0);
    renewPair(pair(), directory, 'renewed');
    broker.signal('SIGHUP');
    await broker.says(TAKEN);
    expect(await login('two')).to.equal(0);
    expect([shownFor('one'), shownFor('two')]).to.deep.equal(['before', 'renewed']);
    expect(provider.of('OnProviderLoaded').map(({ shown }) => shown)).to.deep.equal(['before', 'renewed']);
  });

  it('shows the new one by itself', async () => {
    await start();
    renewPair(pair(), directory, 'renewed');
    await broker.says(TAKEN);
    expect(await login('one')).to.equal(0);
    expect(shownFor('one')).to.equal('renewed');
  });

  it('answers requests that were under way', async () => {
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await start({
      OnMessagePublish: async ({ message }) => {
        await held;
        return rewritten(message, { topic: `${REQUESTS}_reply` });
      },
    });
    const dock = await connectClient(broker.url, { clientId: 'SN1', username: 'SN1', password: PASSWORD });
    await dock.subscribe(`${REQUESTS}_reply`);
    await dock.publish(REQUESTS, 'request', { qos: 1 });
    await provider.once('OnMessagePublish');
    renewPair(pair(), directory, 'renewed');
    broker.signal('SIGHUP');
    await broker.says(TAKEN);
    answer();
    expect((await dock.next()).payload.toString()).to.equal('request');
    await dock.close();
  });

  it('comes back with the new one when the server trusts only the new one', async () => {
    await start();
    renewPair(pair(), other, 'renewed');
    await restart(other);
    await broker.says(' serves');
    expect(await login('one')).to.equal(0);
    expect(shownFor('one')).to.equal('renewed');
  });

  it('trusts the new CA of a server that changes to it', async () => {
    await start();
    provider.stop();
    await broker.says('cannot be reached');
    for (const name of ['ca', 'dockhook', 'emqx']) {
      for (const kind of ['pem', 'key']) {
        const file = `grpc/${name}.${kind}`;
        writeFileSync(join(directory, file), readFileSync(join(other, file)));
      }
    }
    provider = await serve({}, directory, Number(provider.address.split(':')[1]));
    await broker.says(' serves');
    expect(await login('one')).to.equal(0);
  });

  it('says that it has expired, and comes in when it is renewed', async () => {
    renewPair(pair(), directory, 'before', -1);
    await start({}, true);
    expect(await broker.says('cannot be reached')).to.include('plugin_opt_tls_cert has expired');
    expect(await login('one')).to.equal(5);
    renewPair(pair(), directory, 'renewed');
    broker.signal('SIGHUP');
    await broker.says(' serves');
    expect(await login('two')).to.equal(0);
    expect(shownFor('two')).to.equal('renewed');
  });

  const broken: [what: string, spoil: () => void, said: () => string][] = [
    [
      'is no certificate',
      () => {
        writeFileSync(`${pair()}.pem`, 'half a cert');
      },
      () => `plugin_opt_tls_cert ${pair()}.pem: holds no certificate in PEM form`,
    ],
    [
      'is empty',
      () => {
        writeFileSync(`${pair()}.key`, '');
      },
      () => `plugin_opt_tls_key ${pair()}.key: cannot be read by the broker's user (it is empty)`,
    ],
    [
      'has gone',
      () => {
        renameSync(`${pair()}.pem`, `${pair()}.away`);
      },
      () => `${pair()}.pem: cannot be read by the broker's user (No such file or directory)`,
    ],
    [
      'is half of a pair',
      () => {
        const key = readFileSync(`${pair()}.key`);
        renewPair(pair(), directory, 'renewed');
        writeFileSync(`${pair()}.key`, key);
      },
      () => `plugin_opt_tls_key ${pair()}.key: is not the key of plugin_opt_tls_cert ${pair()}.pem`,
    ],
    [
      'is refused by the server',
      () => {
        renewPair(pair(), other, 'renewed');
      },
      () => `does not answer with what they hold now`,
    ],
  ];
  for (const [what, spoil, said] of broken) {
    it(`goes on with the old one, and says why, when the new one ${what}`, async () => {
      await start();
      spoil();
      broker.signal('SIGHUP');
      expect(await broker.says(KEPT)).to.include(said());
      expect(await login('one')).to.equal(0);
      expect(shownFor('one')).to.equal('before');
    });
  }

  for (const [what, spoil] of broken)
    it(`comes back with the old one after an outage while the new one ${what}`, async () => {
      await start();
      spoil();
      broker.signal('SIGHUP');
      await broker.says(KEPT);
      await restart();
      await broker.says(' serves');
      expect(await login('one')).to.equal(0);
      expect(shownFor('one')).to.equal('before');
    });

  it('takes a new one that was put right', async () => {
    await start();
    writeFileSync(`${pair()}.pem`, 'half a cert');
    broker.signal('SIGHUP');
    await broker.says(KEPT);
    renewPair(pair(), directory, 'renewed');
    broker.signal('SIGHUP');
    await broker.says(TAKEN);
    expect(await login('two')).to.equal(0);
    expect(shownFor('two')).to.equal('renewed');
  });
});
