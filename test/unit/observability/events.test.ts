/** What becomes of an event: a log line of the right level, and counts without a name in them. */
import { expect } from 'chai';
import { Writable } from 'node:stream';
import type { AccessEvent } from '../../../src/events.js';
import { createLog, logEvents, logFailures } from '../../../src/observability/log.js';
import { createMetrics } from '../../../src/observability/metrics.js';

const about = { clientId: '7CTDTEST00000A', account: 'dock-1', gateway: '7CTDTEST00000A' };

function logged(event: AccessEvent, level = 'debug'): Record<string, unknown>[] {
  return allLogged([event], level);
}

function allLogged(events: AccessEvent[], level: string): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const tell = logEvents(createLog(level, sink));
  for (const event of events) tell(event);
  return lines;
}

describe('an event in the log', () => {
  const table: [string, AccessEvent, string][] = [
    ['an accepted connect', { step: 'authenticate', outcome: 'ok', ...about }, 'info'],
    ['a refused connect', { step: 'authenticate', outcome: 'refused', reason: 'expired', ...about }, 'warn'],
    ['a dropped request', { step: 'request', outcome: 'dropped', reason: 'not_in_scope', ...about }, 'warn'],
    ['a reply', { step: 'request', outcome: 'ok', method: 'config', result: 0, ...about }, 'info'],
    [
      'a missing license',
      { step: 'request', outcome: 'faulty', reason: 'license_not_set', ...about },
      'error',
    ],
    [
      'a mistake of ours',
      { step: 'authorize', outcome: 'refused', reason: 'internal_error', ...about },
      'error',
    ],
  ];
  for (const [what, event, level] of table) {
    it(`is ${level} for ${what}`, () => {
      const { step, ...rest } = event;
      const [line] = logged(event);
      expect(line).to.include({ level, event: step, ...rest });
      expect(Number.isNaN(Date.parse(String(line?.['time'])))).to.equal(false);
    });
  }

  it('holds no more than 256 characters of what came from outside', () => {
    const long = '\0'.repeat(60_000);
    const [line] = logged({
      step: 'request',
      outcome: 'dropped',
      clientId: long,
      account: long,
      topic: long,
    });
    for (const name of ['clientId', 'account', 'topic']) expect(line?.[name], name).to.have.length(256);
  });

  it('holds all that an event tells, and nothing that is not listed', () => {
    const event: Required<AccessEvent> = {
      step: 'request',
      outcome: 'faulty',
      reason: 'invalid_data',
      ...about,
      sn: 'SN9',
      organizationId: 'north',
      method: 'config',
      result: 1,
      action: 'publish',
      topic: 'thing/product/7CTDTEST00000A/requests',
      peerHost: '10.0.0.1',
      peerPort: 1,
      node: 'emqx@10.0.0.2',
      messageId: '0006',
      tid: 'tid',
      clockSkewMs: -1,
      drone: '',
      modelKey: '3-3-0',
      license: '0a1b2c3d',
      broker: 'EMQX 5.8.9',
      repeated: true,
      detail: 'as a driver says it',
    };
    const secret = { password: 'secret' };
    const [{ level: _level, time: _time, event: step, ...rest } = {}] = logged({ ...event, ...secret });
    expect({ step, ...rest }).to.deep.equal(event);
  });

  it('does not let a flood of refusals fill the disk', () => {
    const event: AccessEvent = {
      step: 'authenticate',
      outcome: 'refused',
      reason: 'unknown_account',
      repeated: true,
      ...about,
    };
    expect(logged(event, 'info')).to.deep.equal([]);
  });

  it('does not let one account fill the disk, and says so once', () => {
    const bind: AccessEvent = { step: 'bind', outcome: 'faulty', result: 210230, ...about };
    const flood = Array<AccessEvent>(20_000).fill(bind);
    const lines = allLogged([...flood, { ...bind, account: 'dock-2' }], 'info');
    // A few may come back while the test runs.
    expect(
      lines.filter(({ account, event }) => account === 'dock-1' && event === 'bind'),
    ).to.have.length.within(10_000, 10_100);
    expect(lines.filter(({ event }) => event === 'log_limited')).to.have.length(1);
    expect(lines.at(-1)).to.include({ event: 'bind', account: 'dock-2' });
  });

  it('charges no account with strangers who come under its name', () => {
    const refused: AccessEvent = {
      step: 'authenticate',
      outcome: 'refused',
      reason: 'wrong_password',
      ...about,
    };
    const bind: AccessEvent = { step: 'bind', outcome: 'ok', ...about };
    const lines = allLogged([...Array<AccessEvent>(20_000).fill(refused), bind], 'info');
    expect(lines).to.have.length(20_001);
    expect(lines.at(-1)).to.include({ event: 'bind' });
  });

  it('leaves nothing out at debug', () => {
    const bind: AccessEvent = { step: 'bind', outcome: 'ok', ...about };
    const lines = allLogged(Array<AccessEvent>(20_000).fill(bind), 'debug');
    expect(lines.filter(({ event }) => event === 'bind')).to.have.length(20_000);
  });
});

describe('a failed hook in the log', () => {
  it('is not written a thousand times, whatever else fails', () => {
    const lines: string[] = [];
    const log = logFailures(createLog('info', { write: (line) => lines.push(line) }));
    for (let i = 0; i < 1000; i += 1) log('client.authenticate', new Error('away'));
    log('message.publish', new Error('boom'));
    const hooks = lines.map((line) => (JSON.parse(line) as { hook: string }).hook);
    expect(hooks.slice(0, 10)).to.deep.equal(Array(10).fill('client.authenticate'));
    expect(hooks).to.have.lengthOf.below(20);
    expect(hooks.at(-1)).to.equal('message.publish');
  });
});

describe('an event in the metrics', () => {
  it('is counted by step, reason and result, never by name', async () => {
    const metrics = createMetrics();
    metrics.tell({ step: 'authenticate', outcome: 'refused', reason: 'wrong_password', ...about });
    metrics.tell({ step: 'request', outcome: 'ok', method: 'config', result: 0, ...about });
    metrics.tell({
      step: 'request',
      outcome: 'passed',
      reason: 'method_not_ours',
      method: 'chosen-by-sender',
      ...about,
    });
    metrics.tell({ step: 'bind', outcome: 'faulty', result: 210232, sn: 'SN9', ...about });
    const { text } = await metrics.read();
    expect(text).to.include(
      'dockhook_events_total{step="authenticate",outcome="refused",reason="wrong_password"} 1',
    );
    expect(text).to.include('dockhook_replies_total{method="config",result="0"} 1');
    expect(text).to.include('dockhook_bind_devices_total{result="210232"} 1');
    for (const name of ['dock-1', about.gateway, 'chosen-by-sender', 'SN9'])
      expect(text).to.not.include(name);
  });
});
