import { expect } from 'chai';
import { startHttp, type HttpServer } from '../../../src/observability/http.js';
import { createMetrics, type Metrics } from '../../../src/observability/metrics.js';
import type { Readiness } from '../../../src/observability/readiness.js';

const LOOPBACK = { host: '127.0.0.1', port: 0 };

describe('the HTTP port', () => {
  let server: HttpServer | undefined;
  let readiness: Readiness = { isReady: true };
  const start = async (readMetrics: Metrics['read'] = createMetrics().read): Promise<void> => {
    server = await startHttp(LOOPBACK, () => readiness, readMetrics);
  };
  const ask = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${server?.port ?? 0}${path}`, { method });
    return [response.status, await response.text()];
  };
  afterEach(() => server?.close());

  it('says whether the process is alive and whether a broker should be sent here', async () => {
    await start();
    readiness = { isReady: false, why: 'it\nstops' };
    expect(await ask('/healthz')).to.deep.equal([200, 'ok\n']);
    expect(await ask('/readyz')).to.deep.equal([503, 'not ready: it stops\n']);
    readiness = { isReady: true, why: 'not for long' };
    expect(await ask('/readyz')).to.deep.equal([200, 'ready: not for long\n']);
    readiness = { isReady: true };
    expect(await ask('/readyz?probe=1')).to.deep.equal([200, 'ready\n']);
  });

  it('takes no other path and no other method', async () => {
    await start();
    expect((await ask('/'))[0]).to.equal(404);
    expect((await ask('/healthz', 'POST'))[0]).to.equal(405);
  });

  it('answers 500 if the metrics cannot be read, and lives', async () => {
    await start(() => Promise.reject(new Error('broken')));
    expect((await ask('/metrics'))[0]).to.equal(500);
    expect((await ask('/healthz'))[0]).to.equal(200);
  });

  it('names the setting if its address is taken', async () => {
    await start();
    const listen = { host: '127.0.0.1', port: server?.port ?? 0 };
    const error = await startHttp(listen, () => readiness, createMetrics().read).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.have.property('code', 'usage');
    expect(error)
      .to.have.property('message')
      .that.includes('DOCKHOOK_HTTP_LISTEN')
      .and.includes(`:${listen.port}`);
  });
});
