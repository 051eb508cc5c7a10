/** From events to entries: whose they are, which are the same, and how few a flood leaves. */
import { expect } from 'chai';
import type { AccessEvent } from '../../../src/events.js';
import type { TimelineEntry } from '../../../src/stores/types.js';
import { createRecorder, type Recorder } from '../../../src/timeline/recorder.js';
import { heapUsed } from '../../support/heap.js';

const SN = '7CTDTEST00000A';
const about = { clientId: SN, account: 'dock-1' };
const REQUESTS = `thing/product/${SN}/requests`;

describe('the recorder', () => {
  let now: number;
  let dropped: number;
  let recorder: Recorder;
  beforeEach(() => {
    now = 1_790_000_000_000;
    dropped = 0;
    recorder = createRecorder({ now: () => now, onDropped: (count) => (dropped += count) });
  });

  const tell = (event: Partial<AccessEvent> & Pick<AccessEvent, 'step'>): void => {
    recorder.tell({ outcome: 'ok', ...about, ...event });
  };
  const request = (more: Partial<AccessEvent> = {}): void => {
    tell({ step: 'request', gateway: SN, topic: REQUESTS, method: 'config', result: 0, ...more });
  };
  const take = (all = false): TimelineEntry[] => recorder.take(recorder.turn(all));
  const places = (entries: TimelineEntry[]) => entries.map(({ gateway, own }) => [gateway, own]);

  it('takes an event for when it happened, if it is told later', () => {
    recorder.tell({ step: 'request', outcome: 'ok', ...about, gateway: SN, result: 0 }, now - 7);
    expect(take()).to.have.nested.property('[0].at', now - 7);
  });

  it('hands out each entry once', () => {
    request();
    expect(take()).to.deep.include.members([
      {
        ...{
          at: now,
          lastAt: now,
          count: 1,
          gateway: SN,
          own: true,
          ...about,
          step: 'request',
          outcome: 'ok',
        },
        reason: undefined,
        details: { ...EMPTY, topic: REQUESTS, method: 'config', result: 0 },
      },
    ]);
    expect(take(true)).to.deep.equal([]);
  });

  it('learns from the first accepted request which gateway a client is', () => {
    tell({ step: 'authenticate', clientId: 'random' });
    tell({ step: 'connected', clientId: 'random' });
    request({ clientId: 'random' });
    tell({ step: 'disconnected', clientId: 'random' });
    tell({ step: 'disconnected', clientId: 'other' });
    expect(places(take())).to.deep.equal([
      [undefined, false],
      [undefined, false],
      [SN, true],
      [SN, true],
      [undefined, false],
    ]);
  });

  it('takes the gateway from an accepted connect, and believes no refused one', () => {
    tell({ step: 'authenticate', outcome: 'refused', reason: 'wrong_password', gateway: SN });
    tell({ step: 'connected' });
    tell({ step: 'authenticate', gateway: SN });
    tell({ step: 'connected', peerPort: 7 });
    expect(places(take())).to.deep.equal([
      [SN, false],
      [undefined, false],
      [SN, true],
      [SN, true],
    ]);
  });

  it('believes a status only of the gateway that the client is known to be', () => {
    const status = { step: 'status', outcome: 'passed', drone: 'DRONE1' } as const;
    tell({ ...status, gateway: SN });
    request();
    tell({ ...status, gateway: SN });
    tell({ ...status, gateway: '7CTDTEST00000Z' });
    tell({ ...status, gateway: SN, account: 'another' });
    expect(places(take())).to.deep.equal([
      [SN, false],
      [SN, true],
      [SN, true],
      ['7CTDTEST00000Z', false],
      [SN, false],
    ]);
  });

  it("gives what was denied under another's SN to that SN, as somebody else's", () => {
    request();
    tell({ step: 'authorize', outcome: 'refused', action: 'publish', topic: 'thing/product/OTHER/osd' });
    tell({ step: 'authorize', outcome: 'refused', action: 'subscribe', topic: 'thing/product/+/osd' });
    tell({ step: 'authorize', outcome: 'refused', action: 'publish', topic: `thing/product/${SN}/services` });
    request({ outcome: 'dropped', reason: 'not_in_scope', gateway: 'OTHER' });
    expect(places(take()).slice(1)).to.deep.equal([
      ['OTHER', false],
      [SN, true],
      [SN, true],
      ['OTHER', false],
    ]);
  });

  it('writes the first of equal events at once, the next as one after 3 s, and the rest every 30 s or before another', () => {
    const repeat = (times: number): void => {
      for (let time = 0; time < times; time += 1) {
        request({ clockSkewMs: time });
        now += 1000;
      }
    };
    repeat(5);
    const [first, next, ...none] = take();
    expect([first?.count, next?.count, ...none]).to.deep.equal([1, 4]);
    expect(next).to.include({ at: 1_790_000_001_000, lastAt: 1_790_000_004_000 });
    expect(next?.details.clockSkewMs).to.equal(4);
    repeat(29);
    expect(take()).to.deep.equal([]);
    now += 1000;
    expect(take().map(({ count }) => count)).to.deep.equal([29]);
    request();
    request();
    request({ method: 'airport_bind_status' });
    expect(take().map(({ count, details }) => [details.method, count])).to.deep.equal([
      ['config', 2],
      ['airport_bind_status', 1],
    ]);
    request({ method: 'airport_bind_status' });
    now += 2000;
    expect(take()).to.deep.equal([]);
    now += 1000;
    expect(take().map(({ count }) => count)).to.deep.equal([1]);
  });

  it('hands out all when it is told that there is no next time', () => {
    request();
    request();
    expect(take(true).map(({ count }) => count)).to.deep.equal([1, 1]);
  });

  it('marks a request whose tid came before, also if others came between', () => {
    for (const [method, tid] of [
      ['config', 'a'],
      ['airport_bind_status', 'b'],
      ['config', 'a'],
      ['config', 'c'],
    ] as const) {
      request({ method, tid });
    }
    request({ method: 'config', tid: 'a', clientId: 'another' });
    expect(take().map(({ details }) => details.again)).to.deep.equal([
      ...[undefined, undefined, true, undefined, undefined],
    ]);
  });

  it('marks none under one tid with another method, nor one of another session', () => {
    for (const method of ['config', 'airport_bind_status', 'config', 'airport_bind_status'])
      request({ method, tid: 'constant' });
    request({ method: 'config', tid: 'b' });
    tell({ step: 'authenticate' });
    request({ method: 'config', tid: 'b' });
    tell({ step: 'disconnected' });
    request({ method: 'config', tid: 'b' });
    expect(take().map(({ details }) => details.again)).to.deep.equal(Array(9).fill(undefined));
  });

  it('marks an update_topo that comes again under its tid', () => {
    request();
    const topo = { step: 'status', gateway: SN, method: 'update_topo', drone: 'D' } as const;
    tell({ ...topo, tid: 'a' });
    tell({ ...topo, tid: 'a' });
    tell({ ...topo, tid: 'b' });
    expect(take(true).map(({ details }) => details.again)).to.deep.equal([
      ...[undefined, undefined, true, undefined],
    ]);
  });

  it('learns which gateway a client is when it may subscribe to the replies, once in each session', () => {
    const listen = (more: Partial<AccessEvent>): void => {
      tell({ step: 'authorize', action: 'subscribe', clientId: 'odd', ...more });
    };
    const replies = `thing/product/${SN}/requests_reply`;
    listen({ gateway: SN, topic: replies, peerPort: 1 });
    listen({ gateway: SN, topic: `sys/product/${SN}/status_reply`, peerPort: 1 });
    listen({ gateway: SN, topic: replies, peerPort: 2 });
    listen({ topic: 'thing/product/+/requests_reply', peerPort: 3 });
    tell({ step: 'status', clientId: 'odd', gateway: SN, drone: '' });
    const entries = take();
    expect(entries.map(({ step, own, gateway }) => [step, own, gateway])).to.deep.equal([
      ['authorize', true, SN],
      ['authorize', true, SN],
      ['authorize', true, SN],
      ['status', true, SN],
    ]);
    expect(entries.map(({ details }) => details.topic?.split('/')[2])).to.deep.equal([
      SN,
      SN,
      '+',
      undefined,
    ]);
  });

  it('takes no event twice of which the broker tells twice', () => {
    const told = (event: Partial<AccessEvent> & Pick<AccessEvent, 'step'>) => {
      tell(event);
      tell(event);
    };
    told({ step: 'connected', peerPort: 1 });
    told({ step: 'request', gateway: SN, messageId: 'm', tid: 't' });
    told({ step: 'disconnected', peerPort: 1 });
    told({ step: 'connected', peerPort: 1 });
    told({ step: 'disconnected', peerPort: 1, detail: 'takenover' });
    told({ step: 'connected', peerPort: 2 });
    expect(take(true).map(({ step, count }) => [step, count])).to.deep.equal([
      ['connected', 1],
      ['request', 1],
      ['disconnected', 1],
      ['connected', 1],
      ['disconnected', 1],
      ['connected', 1],
    ]);
  });

  it('takes a session from the port of the one before for another one', () => {
    tell({ step: 'authenticate', gateway: SN, peerPort: 1 });
    tell({ step: 'disconnected', peerPort: 1 });
    tell({ step: 'authenticate', gateway: SN, peerPort: 1 });
    tell({ step: 'disconnected', peerPort: 1 });
    // Its end was not told.
    tell({ step: 'connected', peerPort: 2 });
    tell({ step: 'authenticate', gateway: SN, peerPort: 2 });
    tell({ step: 'connected', peerPort: 2 });
    expect(take().map(({ step }) => step)).to.deep.equal([
      ...['authenticate', 'disconnected', 'authenticate', 'disconnected'],
      ...['connected', 'authenticate', 'connected'],
    ]);
  });

  it('takes connects that nothing followed for repeats of one, with the port of the last', () => {
    for (const peerPort of [1, 2, 3]) tell({ step: 'authenticate', gateway: SN, peerPort });
    expect(take(true).map(({ count, details }) => [count, details.peerPort])).to.deep.equal([
      [1, 1],
      [2, 3],
    ]);
  });

  it('takes the end of an old session after the beginning of the new one for what it is', () => {
    tell({ step: 'connected', peerPort: 1 });
    tell({ step: 'connected', peerPort: 2 });
    tell({ step: 'disconnected', peerPort: 1 });
    tell({ step: 'disconnected', peerPort: 2 });
    expect(take()).to.have.length(4);
  });

  it('keeps a hundred entries of strangers between two takes, and each of a dock', () => {
    for (let index = 0; index < 1000; index += 1) {
      const clientId = `random-${index}`;
      tell({ step: 'authenticate', outcome: 'refused', reason: 'unknown_account', clientId });
    }
    request();
    expect(take()).to.have.length(101);
    expect(dropped).to.equal(900);
    tell({ step: 'authenticate', outcome: 'refused', reason: 'unknown_account', clientId: 'next' });
    expect(take()).to.have.length(1);
  });

  it('records no refusal of which so many came from there that it need not be logged, but counts repeats', () => {
    const refusal = { step: 'authenticate', outcome: 'refused', reason: 'wrong_password' } as const;
    tell(refusal);
    tell({ ...refusal, repeated: true });
    tell({ ...refusal, repeated: true, clientId: 'another' });
    expect(take(true).map(({ clientId, count }) => [clientId, count])).to.deep.equal([
      [SN, 1],
      [SN, 1],
    ]);
    expect(dropped).to.equal(1);
  });

  it('keeps twenty entries of one client between two takes: it must not push out others', () => {
    for (let index = 0; index < 50; index += 1) request({ method: `method-${index}` });
    request({ clientId: 'another' });
    expect(take()).to.have.length(21);
    expect(dropped).to.equal(30);
  });

  it('loses nothing of 10,000 docks that come back at once, though the writer takes 500 at a time', () => {
    for (let index = 0; index < 10_000; index += 1) {
      const clientId = `dock-${index}`;
      tell({ step: 'authenticate', clientId, gateway: clientId });
      tell({ step: 'connected', clientId });
      request({ clientId, gateway: clientId });
      request({ clientId, gateway: clientId, method: 'airport_bind_status' });
    }
    expect(recorder.turn()).to.equal(40_000);
    const taken: TimelineEntry[] = [];
    for (let batch = recorder.take(500); batch.length > 0; batch = recorder.take(500)) {
      expect(batch).to.have.length(500);
      for (const entry of batch) taken.push(entry);
    }
    expect(taken.every(({ own }) => own)).to.equal(true);
    const told = taken.map(({ clientId, step, details }) => `${clientId} ${step} ${details.method ?? ''}`);
    expect(new Set(told).size).to.equal(40_000);
    expect(dropped).to.equal(0);
  });

  it('holds a hundred thousand entries and no more if nobody takes them, and repeats among them', () => {
    for (let index = 0; index < 30_000; index += 1) {
      const client = { account: `account-${index % 10}`, clientId: `client-${index}` };
      for (const method of ['a', 'b', 'c', 'd']) request({ ...client, method });
    }
    expect(dropped).to.equal(20_000);
    request({ account: 'account-0', clientId: 'client-0', method: 'd' });
    expect(recorder.turn(true)).to.equal(100_000);
    expect(dropped).to.equal(20_001);
    expect(recorder.take(1)).to.have.length(1);
    request({ clientId: 'another' });
    request({ clientId: 'another', method: 'no room' });
    expect(dropped).to.equal(20_002);
  });

  it('keeps sixty thousand entries of one account and then two a second, and all of the others', () => {
    const invent = (count: number): void => {
      for (let index = 0; index < count; index += 1) {
        const sn = `INVENTED${(invented += 1)}`;
        request({ clientId: sn, gateway: sn, account: 'shared' });
      }
    };
    let invented = 0;
    invent(70_000);
    request();
    expect(take()).to.have.length(60_001);
    expect(dropped).to.equal(10_000);
    now += 10_000;
    invent(100);
    expect(take()).to.have.length(20);
  });

  it('charges no account with strangers who come under its name', () => {
    for (let turn = 0; turn < 600; turn += 1) {
      for (let index = 0; index < 100; index += 1) {
        tell({ step: 'authenticate', outcome: 'refused', clientId: `stranger-${turn}-${index}` });
      }
      take();
    }
    request();
    expect(take()).to.have.length(1);
  });

  it('holds five thousand entries of others, which take no room of the docks', () => {
    for (let turn = 0; turn < 60; turn += 1) {
      for (let index = 0; index < 100; index += 1) {
        tell({ step: 'status', outcome: 'passed', gateway: 'SN', clientId: `other-${turn}-${index}` });
      }
      recorder.turn();
    }
    request();
    expect(recorder.turn()).to.equal(5001);
    expect(dropped).to.equal(1000);
    recorder.take(5001);
    tell({ step: 'status', outcome: 'passed', gateway: 'SN', clientId: 'other' });
    expect(recorder.turn()).to.equal(1);
  });

  it('forgets no dock for strangers, however many come', () => {
    request();
    for (let index = 0; index < 60_000; index += 1) {
      tell({ step: 'authenticate', outcome: 'refused', reason: 'unknown_account', clientId: `x${index}` });
    }
    take();
    tell({ step: 'disconnected' });
    expect(places(take())).to.deep.equal([[SN, true]]);
  });

  it('holds on to no name of a stranger', () => {
    const before = heapUsed();
    for (let index = 0; index < 500; index += 1) {
      const long = (end: string): string => `${index}${end}`.padEnd(60_000, `${index}${end}`);
      const names = { clientId: long('c'), account: long('a') };
      tell({ step: 'authenticate', outcome: 'refused', ...names, repeated: true });
    }
    expect(heapUsed() - before).to.be.below(10e6);
  });

  it('keeps 256 characters of a text that a client chose', () => {
    const long = 'x'.repeat(60_000);
    tell({ step: 'authorize', outcome: 'refused', clientId: long, account: long, topic: long, detail: long });
    const [entry] = take();
    for (const text of [entry?.clientId, entry?.account, entry?.details.topic, entry?.details.detail])
      expect(text).to.have.length(256);
  });
});

const EMPTY = {
  ...{ sn: undefined, organizationId: undefined, method: undefined, result: undefined, action: undefined },
  ...{ topic: undefined, peerHost: undefined, peerPort: undefined, node: undefined, clockSkewMs: undefined },
  ...{
    drone: undefined,
    modelKey: undefined,
    license: undefined,
    broker: undefined,
    detail: undefined,
    again: undefined,
  },
};
