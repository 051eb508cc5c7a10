/** The app as a whole: what it mounts, and when it is ready. */
import { expect } from 'chai';
import { hookProvider, serviceName } from '../../src/exhook/proto.js';
import { DockhookError } from '../../src/errors.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { connectGrpc, frame, unframe } from '../support/grpc.js';
import { openFakeStores } from '../support/fake-stores.js';

describe('the app', () => {
  let app: TestDockhook | undefined;
  afterEach(() => app?.stop());

  const mounted = async (environment: Record<string, string>, version = '6.2.0'): Promise<unknown> => {
    await app?.stop();
    app = await startDockhook({ environment });
    const [host = '', port] = app.grpc.split(':');
    const connection = connectGrpc({ host, port: Number(port) });
    const { requestSerialize, responseDeserialize } = hookProvider('v3')['OnProviderLoaded']!;
    const request = requestSerialize({ broker: { version }, meta: { node: 'emqx@a', version } });
    const { body } = await connection.call(`/${serviceName('v3')}/OnProviderLoaded`, frame(request));
    connection.close();
    const answer = responseDeserialize(unframe(body)) as { hooks: unknown };
    return answer.hooks;
  };
  const CONNECTED = { name: 'client.connected', topics: [] };
  const DISCONNECTED = { name: 'client.disconnected', topics: [] };
  const DECISIONS = [
    { name: 'client.authenticate', topics: [] },
    { name: 'client.authorize', topics: [] },
    {
      name: 'message.publish',
      topics: ['thing/product/+/requests', 'sys/product/+/status', 'thing/product/+/status'],
    },
  ];

  it('mounts what it decides and what it observes', async () => {
    expect(await mounted({})).to.have.deep.members([...DECISIONS, DISCONNECTED]);
  });

  it('mounts client.connected, which a dock of EMQX waits for, only where the broker may tell no peer port', async () => {
    for (const version of ['5.4.0', '5.8.9', '5.10.4', '7.0.0'])
      expect(await mounted({}, version), version).to.not.deep.include(CONNECTED);
    for (const version of ['5.3.2', '2.0.11', '2.1.2', '', 'unknown'])
      expect(await mounted({}, version), version).to.deep.include(CONNECTED);
  });

  it('says once of each node that it has mounted the hooks of an earlier dockhook', async () => {
    app = await startDockhook();
    const [host = '', port] = app.grpc.split(':');
    const connection = connectGrpc({ host, port: Number(port) });
    const { requestSerialize } = hookProvider('v3')['OnClientConnected']!;
    const connected = async (node: string, version: string): Promise<void> => {
      const clientinfo = { node, clientid: 'dock', username: 'dock', peerport: 1 };
      const request = requestSerialize({ clientinfo, meta: { node, version } });
      await connection.call(`/${serviceName('v3')}/OnClientConnected`, frame(request));
    };
    await connected('emqx@a', '5.8.9');
    await connected('emqx@a', '5.8.9');
    await connected('emqx@old', '5.3.2');
    await connected('emqx@b', '5.8.9');
    connection.close();
    const outdated = app.logged.filter(({ event }) => event === 'emqx_hooks_outdated');
    expect(outdated.map(({ node }) => node)).to.deep.equal(['emqx@a', 'emqx@b']);
    expect(outdated[0]?.detail).to.include('dockhook emqx register');
  });

  it('asks for nothing that only the timeline needs with DOCKHOOK_TIMELINE=off', async () => {
    const [requests] = DECISIONS.at(-1)?.topics ?? [];
    expect(await mounted({ DOCKHOOK_TIMELINE: 'off' })).to.have.deep.members([
      ...DECISIONS.slice(0, -1),
      { name: 'message.publish', topics: [requests] },
    ]);
  });

  it('asks for topics that it answers for a backend only if it is told to', async () => {
    const environment = { DOCKHOOK_TIMELINE: 'off', DOCKHOOK_ANSWER_FOR_BACKEND: 'update_topo,events' };
    const hooks = (await mounted(environment)) as { name: string; topics: string[] }[];
    expect(hooks.find(({ name }) => name === 'message.publish')?.topics).to.deep.equal([
      'thing/product/+/requests',
      'sys/product/+/status',
      'thing/product/+/status',
      'thing/product/+/events',
    ]);
  });

  it('is ready once the store was reached, and says so on both ports', async () => {
    const stores = openFakeStores();
    let away = true;
    const ping = async (): Promise<void> => {
      if (away) throw new DockhookError('store_unavailable', 'away');
    };
    app = await startDockhook({ stores: { ...stores, ping } });
    const readyz = async (http: string): Promise<number> => (await fetch(`http://${http}/readyz`)).status;
    expect(await readyz(app.http)).to.equal(503);
    expect(app.isReady()).to.equal(false);
    away = false;
    expect(await app.ready).to.equal(true);
    expect(await readyz(app.http)).to.equal(200);
  });

  it('says why it is not ready, and that its password is refused, which makes it unready after a while', async () => {
    const stores = openFakeStores();
    let refusal: { why: string; since: number } | undefined;
    let fault: Error | undefined = new DockhookError('store_unavailable', 'the store is away');
    const ping = async (): Promise<void> => {
      if (fault) throw fault;
    };
    app = await startDockhook({ stores: { ...stores, ping }, refusal: () => refusal, refusedMs: 60_000 });
    const { http } = app;
    const readyz = async (): Promise<[number, string]> => {
      const response = await fetch(`http://${http}/readyz`);
      return [response.status, await response.text()];
    };
    expect(await readyz()).to.deep.equal([503, 'not ready: the store is away\n']);
    fault = undefined;
    await app.ready;
    expect(await readyz()).to.deep.equal([200, 'ready\n']);
    refusal = { why: 'no such password', since: performance.now() - 30_000 };
    expect(await readyz()).to.deep.equal([
      200,
      'ready: the database has refused the user or password of DATABASE_URL for 30 s: no such password\n',
    ]);
    expect(app.isReady()).to.equal(true);
    refusal.since -= 31_000;
    expect((await readyz())[0]).to.equal(503);
    expect(app.isReady()).to.equal(false);
    refusal = undefined;
    expect(await readyz()).to.deep.equal([200, 'ready\n']);
  });

  it('stops at once while it still waits for the store', async () => {
    const ping = () => Promise.reject(new DockhookError('store_unavailable', 'away'));
    app = await startDockhook({ stores: { ...openFakeStores(), ping } });
    await app.stop();
    expect(await app.ready).to.equal(false);
  });

  it('is ready in spite of a license that cannot be read, and says so in the log', async () => {
    const stores = openFakeStores();
    const license = {
      ...stores.license,
      get: () => Promise.reject(new DockhookError('bad_row', 'bad license')),
    };
    app = await startDockhook({ stores: { ...stores, license } });
    expect(await app.ready).to.equal(true);
    expect(app.logged.find(({ event }) => event === 'license_not_loaded')).to.include({
      detail: 'bad license',
    });
  });
});
