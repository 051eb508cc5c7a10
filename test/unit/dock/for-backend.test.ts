/** What is answered on `status` and `events` where there is no backend, and what passes all the same. */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseAnswerForBackend } from '../../../src/answer-for-backend.js';
import { DockhookError } from '../../../src/errors.js';
import type { Message } from '../../../src/hooks.js';
import { cloud, DRONE, GATEWAY, hang, request, SESSION, type Data } from './support.js';

const SYS_STATUS = `sys/product/${GATEWAY}/status`;
const THING_STATUS = `thing/product/${GATEWAY}/status`;
const EVENTS = `thing/product/${GATEWAY}/events`;
const DRONE_EVENTS = `thing/product/${DRONE}/events`;
const PASS = { kind: 'pass' };

const topo = (more: Data = {}): Data =>
  request('update_topo', { domain: '3', sub_devices: [{ sn: DRONE }] }, more);
const event = (method = 'fly_to_point_progress', more: Data = {}): Data =>
  request(method, { status: 'ok' }, { need_reply: 1, ...more });

const world = (words = 'update_topo,events') => cloud({ answerForBackend: parseAnswerForBackend(words) });

describe('an answer for a backend', () => {
  for (const [topic, payload, method] of [
    [SYS_STATUS, topo(), 'update_topo'],
    [THING_STATUS, topo(), 'update_topo'],
    [EVENTS, event(), 'fly_to_point_progress'],
    [DRONE_EVENTS, event('hms_of_tomorrow'), 'hms_of_tomorrow'],
  ] as const) {
    it(`to ${method} on ${topic} is these bytes, on the reply topic of the same root`, async () => {
      expect(await world().ask(payload, { topic })).to.deep.equal({
        kind: 'reply',
        topic: `${topic}_reply`,
        payload: Buffer.from(
          `{"tid":"tid-1","bid":"bid-1","timestamp":1790000000000,"method":"${method}","data":{"result":0}}`,
        ),
        qos: 1,
      });
    });
  }

  it('has the QoS of the message, but at least 1, and the gateway if one was named', async () => {
    const verdict = await world().ask(event('airsense_warning', { gateway: GATEWAY }), {
      topic: EVENTS,
      qos: 2,
    });
    expect(verdict).to.include({ kind: 'reply', qos: 2 });
    expect(verdict.kind === 'reply' && verdict.payload.toString()).to.include(`"gateway":"${GATEWAY}"`);
  });

  it('is given to an event with need_reply as text, and to none without', async () => {
    for (const [needReply, kind] of [
      ['1', 'reply'],
      [0, 'pass'],
      ['0', 'pass'],
      [undefined, 'pass'],
      [null, 'pass'],
      [true, 'pass'],
      [2, 'pass'],
      [{ a: 1 }, 'pass'],
    ] as const) {
      const verdict = await world().ask(event('airsense_warning', { need_reply: needReply }), {
        topic: EVENTS,
      });
      expect(verdict.kind, JSON.stringify(needReply)).to.equal(kind);
    }
  });

  for (const method of ['file_upload_callback', 'highest_priority_upload_flighttask_media']) {
    it(`is never given to ${method}, which says that somebody has the file`, async () => {
      for (const topic of [EVENTS, DRONE_EVENTS])
        expect(await world().ask(event(method), { topic })).to.deep.equal(PASS);
    });
  }

  it('is given only to what was asked for', async () => {
    for (const [words, status, events] of [
      ['', 'pass', 'pass'],
      ['update_topo', 'reply', 'pass'],
      ['events', 'pass', 'reply'],
      ['flight_areas_get', 'pass', 'pass'],
    ] as const) {
      expect((await world(words).ask(topo(), { topic: SYS_STATUS })).kind, words).to.equal(status);
      expect((await world(words).ask(event(), { topic: EVENTS })).kind, words).to.equal(events);
    }
  });

  it('asks access/ with the session and the topic, so that a drone is judged by its rule', async () => {
    const asked: unknown[] = [];
    const one = world();
    one.mayPublish = (session, topic) => asked.push(session, topic) > 0;
    await one.ask(event(), { topic: DRONE_EVENTS });
    expect(asked).to.deep.equal([SESSION, DRONE_EVENTS]);
  });

  it('is told as the answer to update_topo, and an event is not told', async () => {
    const one = world();
    await one.ask(topo(), { topic: SYS_STATUS });
    await one.ask(event(), { topic: EVENTS });
    expect(one.events).to.have.length(1);
    expect(one.events[0]).to.include({ step: 'status', outcome: 'ok', result: 0, drone: DRONE });
  });

  const unchanged = (sent: Data): unknown => sent;
  for (const [what, change, more] of [
    ['no message of a live session', unchanged, { session: undefined }],
    ['without a tid', (sent) => ({ ...sent, tid: undefined }), {}],
    ['of a tid that is no text', (sent) => ({ ...sent, tid: { a: 1 } }), {}],
    ['of no method', (sent) => ({ ...sent, method: undefined }), {}],
    ['longer than 16 KiB', (sent) => ({ ...sent, more: 'x'.repeat(16 * 1024) }), {}],
    ['a list', (sent) => [sent], {}],
    ['no JSON', (sent) => JSON.stringify(sent).slice(1), {}],
    ['broken UTF-8', (sent) => Buffer.concat([Buffer.from(JSON.stringify(sent)), Buffer.from([0xff])]), {}],
    ['empty', () => '', {}],
  ] as [string, (sent: Data) => unknown, Partial<Message>][]) {
    it(`is not given to a message that is ${what}: it passes`, async () => {
      for (const [topic, sent] of [
        [SYS_STATUS, topo()],
        [THING_STATUS, topo()],
        [EVENTS, event()],
      ] as const)
        expect(await world().ask(change(sent), { topic, ...more }), topic).to.deep.equal(PASS);
    });
  }

  it('is not given to another method on status', async () => {
    for (const method of ['config', 'update_topology', 'fly_to_point_progress'])
      expect(await world().ask(event(method), { topic: SYS_STATUS }), method).to.deep.equal(PASS);
  });

  for (const topic of [
    `${SYS_STATUS}_reply`,
    `${EVENTS}_reply`,
    `sys/product/${GATEWAY}/events`,
    `thing/product/${GATEWAY}/osd`,
    'thing/product/a b/events',
    `${EVENTS}/x`,
  ]) {
    it(`is not given on ${topic}`, async () => {
      for (const payload of [topo({ need_reply: 1 }), event()])
        expect(await world().ask(payload, { topic })).to.deep.equal(PASS);
    });
  }

  for (const [what, mayPublish] of [
    ['may not act as it', () => false],
    [
      'cannot be judged, because the store is away',
      () => Promise.reject(new DockhookError('store_unavailable', 'away')),
    ],
    ['cannot be judged, because of a mistake of ours', () => Promise.reject(new TypeError('a bug'))],
    ['is not judged in time', hang],
  ] as const) {
    it(`is not given to a session that ${what}: its message passes, and is told as passed`, async () => {
      const one = cloud({
        answerForBackend: parseAnswerForBackend('update_topo,events'),
        storeBudgetMs: 5,
        mayPublish: async (_session, _topic, within) => within(Promise.resolve(mayPublish())),
      });
      expect(await one.ask(event(), { topic: DRONE_EVENTS })).to.deep.equal(PASS);
      expect(await one.ask(topo(), { topic: SYS_STATUS })).to.deep.equal(PASS);
      expect(one.events.map(({ outcome }) => outcome)).to.deep.equal(['passed']);
    });
  }

  it('is a reply or lets pass, whatever is sent: nothing is dropped, and nothing fails', async () => {
    const method = fc.constantFrom('update_topo', 'hms', 'file_upload_callback', '__proto__');
    const any = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      fc
        .record({
          tid: fc.jsonValue(),
          bid: fc.jsonValue(),
          need_reply: fc.jsonValue(),
          method,
          data: fc.jsonValue(),
        })
        .map((sent) => Buffer.from(JSON.stringify(sent))),
    );
    await fc.assert(
      fc.asyncProperty(any, fc.constantFrom(SYS_STATUS, THING_STATUS, EVENTS), async (payload, topic) => {
        const verdict = await world().ask(payload, { topic });
        expect(verdict.kind).to.be.oneOf(['pass', 'reply']);
        if (payload.includes('file_upload_callback')) expect(verdict).to.deep.equal(PASS);
      }),
      { numRuns: 500 },
    );
  });
});
