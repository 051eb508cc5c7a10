import { expect } from 'chai';
import { parseAnswerForBackend } from '../../../src/answer-for-backend.js';
import { DockhookError } from '../../../src/errors.js';
import {
  LICENSE,
  GATEWAY,
  NORTH,
  NOW,
  SESSION,
  SOUTH,
  TOPIC,
  asked,
  cloud,
  down,
  hang,
  request,
} from './support.js';

const CONFIG = request('config', { config_type: 'json', config_scope: 'product' });

describe('a message on a requests topic', () => {
  it('passes in silence if it does not come from a live session', async () => {
    const world = cloud();
    expect(await world.ask(CONFIG, { session: undefined })).to.deep.equal({ kind: 'pass' });
    expect(world.events).to.deep.equal([]);
  });

  it('is dropped in silence if it is the call by which doctor and emqx status try EMQX', async () => {
    const world = cloud();
    const topic = 'thing/product/DOCKHOOKPROBESTATUS/requests';
    expect(await world.ask(CONFIG, { topic, session: undefined })).to.deep.equal({ kind: 'drop' });
    expect(world.events).to.deep.equal([]);
    expect(await world.ask(CONFIG, { topic })).to.include({
      kind: 'reply',
    });
    const status = topic.replace('requests', 'status');
    expect(await world.ask(CONFIG, { topic: status, session: undefined })).to.deep.equal({ kind: 'pass' });
  });

  for (const publisher of ['service', 'not_ours'] as const) {
    it(`passes if it comes from ${publisher}`, async () => {
      const world = cloud();
      world.publisher = publisher;
      expect(await world.ask(CONFIG)).to.deep.equal({ kind: 'pass' });
    });
  }

  it('is dropped if it comes from a stranger, and told', async () => {
    const world = cloud();
    world.publisher = 'stranger';
    expect(await world.ask(CONFIG)).to.deep.equal({ kind: 'drop' });
    expect(world.events).to.deep.equal([
      {
        step: 'request',
        outcome: 'dropped',
        reason: 'not_in_scope',
        clientId: 'client-1',
        account: 'yard',
        gateway: GATEWAY,
        topic: TOPIC,
        messageId: '1',
        peerHost: '192.0.2.7',
      },
    ]);
  });

  for (const [reason, error] of [
    ['store_unavailable', new DockhookError('store_unavailable', 'gone')],
    ['bad_row', new DockhookError('bad_row', 'dockhook_accounts, key yard')],
    ['internal_error', new TypeError('a bug')],
  ] as const) {
    it(`is dropped with ${reason} if nobody can tell who asks`, async () => {
      const world = cloud();
      world.publisher = () => Promise.reject(error);
      expect(await world.ask(CONFIG)).to.deep.equal({ kind: 'drop' });
      expect(world.events[0]).to.include({ outcome: 'dropped', reason });
      expect(world.events[0]?.detail).to.include(error.message);
    });
  }

  it('is a question to access/ with the account, client id and gateway of the message', async () => {
    const questions: unknown[] = [];
    const world = cloud({
      identifyPublisher: async (session, gateway) => {
        questions.push(session, gateway);
        return 'dock';
      },
    });
    await world.ask(CONFIG);
    expect(questions).to.deep.equal([SESSION, GATEWAY]);
  });

  for (const [payload, reason] of [
    ['', 'not_json'],
    ['{"method":"config"', 'not_json'],
    ['[]', 'not_json'],
    ['null', 'not_json'],
    ['"config"', 'not_json'],
    [Buffer.from([0x7b, 0xff, 0x7d]), 'not_json'],
    [Buffer.from('{"method":"config","tid":"\u00e4"}', 'latin1'), 'not_json'],
    ['{}', 'no_method'],
    ['{"method":""}', 'no_method'],
    ['{"method":7}', 'no_method'],
    ['{"method":["config"]}', 'no_method'],
    ['{"__proto__":{"method":"config"}}', 'no_method'],
  ] as const) {
    it(`passes with ${reason} if its payload is ${JSON.stringify(payload.toString())}`, async () => {
      const world = cloud();
      expect(await world.ask(payload)).to.deep.equal({ kind: 'pass' });
      expect(world.events).to.have.length(1);
      expect(world.events[0]).to.include({ step: 'request', outcome: 'passed', reason });
    });
  }

  for (const method of ['flighttask_resource_get', 'Config', 'toString', '__proto__', 'constructor']) {
    it(`passes if its method is ${method}, which is not ours`, async () => {
      const world = cloud();
      expect(await world.ask(request(method, {}))).to.deep.equal({ kind: 'pass' });
      expect(world.events[0]).to.include({ outcome: 'passed', reason: 'method_not_ours', method });
    });
  }

  it('leaves no more than 64 characters of a foreign method in an event', async () => {
    const world = cloud();
    await world.ask(request('x'.repeat(10_000), {}));
    expect(world.events[0]?.method).to.have.length(64);
  });
});

describe('an event about a request', () => {
  it('has its tid and how far the clock of the dock is off', async () => {
    const world = cloud();
    await world.ask(request('config', {}, { timestamp: NOW + 90_000 }));
    await world.ask(request('config', {}, { tid: 7, timestamp: String(NOW - 1) }));
    await world.ask({ method: 'config', 'timestamp:': NOW + 5 });
    expect(world.events.map(({ tid, clockSkewMs }) => [tid, clockSkewMs])).to.deep.equal([
      ['tid-1', 90_000],
      ['7', -1],
      [undefined, 5],
    ]);
  });

  for (const timestamp of [0, -1, null, '', 'now', true, {}, 1e300]) {
    it(`has no clock if the timestamp is ${JSON.stringify(timestamp)}`, async () => {
      const world = cloud();
      await world.ask(request('config', {}, { timestamp }));
      expect(world.events[0]).to.not.have.property('clockSkewMs');
    });
  }

  it('keeps no more than 64 characters of a tid', async () => {
    const world = cloud();
    await world.ask(request('config', {}, { tid: 'x'.repeat(10_000) }));
    expect(world.events[0]?.tid).to.have.length(64);
  });
});

describe('a message on another topic', () => {
  for (const topic of [
    `thing/product/${GATEWAY}/status`,
    `sys/product/${GATEWAY}/status`,
    `thing/product/${GATEWAY}/requests_reply`,
    'thing/product/+/requests',
    `thing/product/${'A'.repeat(300)}/requests`,
    'thing/product/a\u0000b/requests',
    'thing/product//requests',
  ]) {
    it(`passes in silence: ${JSON.stringify(topic.slice(0, 40))}`, async () => {
      const world = cloud();
      expect(await world.ask(CONFIG, { topic })).to.deep.equal({ kind: 'pass' });
      expect(world.events).to.deep.equal([]);
    });
  }
});

describe('replies for a backend to requests', () => {
  it('are result 0 and nothing else for a listed method, and an empty list of flight areas', async () => {
    const world = cloud({
      answerForBackend: parseAnswerForBackend('offline_map_get,flight_areas_get,weather_get'),
    });
    expect(await world.dataFor('offline_map_get', {})).to.deep.equal({ result: 0 });
    expect(await world.dataFor('flight_areas_get', null)).to.deep.equal({ result: 0, output: { files: [] } });
    expect(await world.dataFor('weather_get', {})).to.deep.equal({ result: 0 });
    expect(world.events[0]).to.include({ outcome: 'ok', method: 'offline_map_get', result: 0 });
  });

  it('never stand in for one of our methods', async () => {
    const world = cloud({ answerForBackend: parseAnswerForBackend('config') });
    expect(await world.dataFor('config', {})).to.have.property('app_id', LICENSE.appId);
  });

  it('are not given to a method that is not listed, nor to update_topo and events as methods of requests', async () => {
    const world = cloud({ answerForBackend: parseAnswerForBackend('update_topo,events,offline_map_get') });
    for (const method of ['update_topo', 'events', 'flight_areas_get', 'storage_config_get'])
      expect(await world.ask(request(method, {})), method).to.deep.equal({ kind: 'pass' });
  });
});

describe('a reply', () => {
  it('is these bytes', async () => {
    const verdict = await cloud().ask(
      '{"gateway":"7CTDTEST00000A","data":{"devices":[{"sn":"1581FTEST00000B"}]},"bid":"B","method":"airport_bind_status","tid":"T"}',
    );
    expect(verdict).to.deep.equal({
      kind: 'reply',
      topic: 'thing/product/7CTDTEST00000A/requests_reply',
      payload: Buffer.from(
        '{"tid":"T","bid":"B","timestamp":1790000000000,"gateway":"7CTDTEST00000A","method":"airport_bind_status",' +
          '"data":{"result":0,"output":{"bind_status":[{"sn":"1581FTEST00000B","is_device_bind_organization":false,' +
          '"organization_id":"","organization_name":"","device_callsign":""}]}}}',
      ),
      qos: 1,
    });
  });

  for (const [sent, replied] of [
    [0, 1],
    [1, 1],
    [2, 2],
  ] as const) {
    it(`to QoS ${sent} has QoS ${replied}`, async () => {
      expect(await cloud().ask(CONFIG, { qos: sent })).to.include({ kind: 'reply', qos: replied });
    });
  }

  it('is the same to the same request, but for its timestamp', async () => {
    const world = cloud();
    const bind = request('airport_organization_bind', { bind_devices: [asked(GATEWAY)] });
    const first = await world.replyTo(bind);
    world.now += 2100;
    expect(await world.replyTo(bind)).to.deep.equal({ ...first, timestamp: NOW + 2100 });
    expect(world.binds).to.deep.equal([[GATEWAY], [GATEWAY]]);
  });

  it('repeats tid, bid and gateway as sent, numbers as numbers', async () => {
    const reply = await cloud().replyTo({ ...CONFIG, tid: 17, bid: 'ü\ud800"', gateway: 'elsewhere' });
    expect(reply).to.include({ tid: 17, bid: 'ü\ud800"', gateway: 'elsewhere', method: 'config' });
  });

  it('lacks what the request lacks', async () => {
    const reply = await cloud().replyTo({ method: 'config' });
    expect(Object.keys(reply)).to.deep.equal(['timestamp', 'method', 'data']);
  });

  it('lacks a tid, bid or gateway that is neither text nor number', async () => {
    const payload = '{"tid":null,"bid":1e999,"gateway":{"a":[]},"method":"config"}';
    expect(Object.keys(await cloud().replyTo(payload))).to.deep.equal(['timestamp', 'method', 'data']);
  });

  for (const [what, more] of [
    ['its key spelt "timestamp:"', { timestamp: undefined, 'timestamp:': NOW }],
    ['none', { timestamp: undefined }],
    ['text', { timestamp: String(NOW) }],
    ['zero', { timestamp: 0 }],
  ] as const) {
    it(`comes also if the request's timestamp is ${what}`, async () => {
      expect(await cloud().replyTo({ ...CONFIG, ...more })).to.have.property('timestamp', NOW);
    });
  }
});

describe('a method of ours', () => {
  const requests = [
    ['config', {}, 210001],
    ['airport_bind_status', { devices: [{ sn: GATEWAY }] }, 210233],
    ['airport_organization_get', { device_binding_code: NORTH.bindingCode }, 210230],
  ] as const;

  for (const [method, data, result] of requests) {
    it(`replies ${result} to ${method} if the store is down`, async () => {
      const world = cloud();
      world.trouble = down;
      expect(await world.dataFor(method, data)).to.deep.equal({ result, output: {} });
      expect(world.events[0]).to.include({ outcome: 'faulty', reason: 'store_unavailable', method, result });
    });

    it(`replies ${result} to ${method} if the store never answers`, async () => {
      const world = cloud({ storeBudgetMs: 5 });
      world.trouble = hang;
      expect(await world.dataFor(method, data)).to.deep.equal({ result, output: {} });
      expect(world.events[0]).to.include({ outcome: 'faulty', reason: 'store_unavailable', method });
    });

    it(`replies ${result} to ${method} if there is a bug`, async () => {
      const world = cloud();
      world.trouble = () => Promise.reject(new TypeError('a bug'));
      expect(await world.dataFor(method, data)).to.deep.equal({ result, output: {} });
      expect(world.events[0]).to.include({ outcome: 'faulty', reason: 'internal_error' });
    });
  }

  it('has one store budget with the question who asks', async () => {
    const budgets = new Set<unknown>();
    const world = cloud({
      identifyPublisher: async (_session, _gateway, within) => {
        budgets.add(within);
        return 'dock';
      },
      isListed: async (_sn, within) => {
        budgets.add(within);
        return false;
      },
    });
    await world.dataFor('airport_organization_bind', { bind_devices: [asked('1581FTEST00000B')] });
    expect(budgets.size).to.equal(1);
  });

  it('never tells a code, key or license, whatever happens', async () => {
    const world = cloud();
    const wrong = 'wrong-secret';
    for (const trouble of [undefined, down]) {
      world.trouble = trouble;
      await world.dataFor('config', { config_type: LICENSE.appKey });
      await world.dataFor('config', {});
      for (const code of [NORTH.bindingCode, wrong, [wrong]]) {
        const device = asked(GATEWAY, { device_binding_code: code, organization_id: wrong });
        await world.dataFor('airport_organization_get', {
          device_binding_code: code,
          organization_id: wrong,
        });
        await world.dataFor('airport_organization_bind', { bind_devices: [device] });
      }
    }
    const told = JSON.stringify(world.events);
    for (const secret of [LICENSE.appKey, LICENSE.appLicense, NORTH.bindingCode, SOUTH.bindingCode, wrong]) {
      expect(told).not.to.include(secret);
    }
  });
});
