/** What is seen of a gateway's `status`, and that it is only seen. */
import { expect } from 'chai';
import { cloud, DRONE, GATEWAY, NOW, request } from './support.js';

const topic = `sys/product/${GATEWAY}/status`;
const topo = (...devices: unknown[]) =>
  request('update_topo', { domain: '3', type: 1, sub_type: 0, sub_devices: devices });

describe('an update_topo', () => {
  it('passes untouched, and tells of the drone', async () => {
    const world = cloud();
    expect(await world.ask(topo({ sn: DRONE, domain: '0' }), { topic })).to.deep.equal({ kind: 'pass' });
    expect(world.events).to.deep.equal([
      {
        step: 'status',
        outcome: 'passed',
        clientId: 'client-1',
        account: 'yard',
        gateway: GATEWAY,
        method: 'update_topo',
        messageId: '1',
        drone: DRONE,
        modelKey: '3-1-0',
        peerHost: '192.0.2.7',
        tid: 'tid-1',
        clockSkewMs: -120,
      },
    ]);
  });

  it('without a device says that there is no drone', async () => {
    const world = cloud();
    await world.ask(topo(), { topic });
    expect(world.events[0]).to.include({ drone: '' });
  });

  for (const [what, data, told] of [
    ['a domain that is a number', { domain: 2, type: 144, sub_type: 0, sub_devices: [] }, ['2-144-0', '']],
    ['a type that is a text', { domain: '2', type: '174', sub_type: '1', sub_devices: [] }, ['2-174-1', '']],
    ['a kind of gateway that is new', { domain: 7, type: 9001, sub_type: 0 }, ['7-9001-0', undefined]],
    ['no type', { domain: 2, sub_devices: [] }, ['2-?-?', '']],
    ['no domain', { version: 1, sub_devices: [{ sn: DRONE }] }, [undefined, DRONE]],
    ['the old key', { domain: 3, type: 2, sub_type: 0, sub_device: [{ sn: DRONE }] }, ['3-2-0', DRONE]],
    [
      'an SN that is none',
      { domain: 3, type: 2, sub_type: 0, sub_devices: [{ sn: 'a/b' }] },
      ['3-2-0', undefined],
    ],
    ['a device that is null', { domain: 3, type: 2, sub_type: 0, sub_devices: [null] }, ['3-2-0', undefined]],
    ['a domain that is none', { domain: 'x'.repeat(9000), sub_devices: [] }, [undefined, '']],
  ] as const) {
    for (const root of ['sys', 'thing']) {
      it(`with ${what} tells what can be told, on ${root}/product`, async () => {
        const world = cloud();
        await world.ask(request('update_topo', data), { topic: `${root}/product/${GATEWAY}/status` });
        const [event] = world.events;
        expect([event?.modelKey, event?.drone]).to.deep.equal(told);
      });
    }
  }

  it('asks nobody who the sender is, for that would hold the message back', async () => {
    const world = cloud({ identifyPublisher: () => Promise.reject(new Error('asked')) });
    expect(await world.ask(topo(), { topic })).to.deep.equal({ kind: 'pass' });
    expect(world.events).to.have.length(1);
  });

  for (const [what, payload, more] of [
    ['no message of a live session', topo({ sn: DRONE }), { session: undefined }],
    ['16 KiB long', topo({ sn: DRONE, nonce: 'x'.repeat(16 * 1024) }), {}],
    ['under no SN', topo({ sn: DRONE }), { topic: 'sys/product/a b/status' }],
    ['on a deeper topic', topo({ sn: DRONE }), { topic: `${topic}/x` }],
    ['of another method', request('config', { sub_devices: [{ sn: DRONE }] }), {}],
    ['without a list of devices or a domain', request('update_topo', { sub_devices: DRONE }), {}],
    ['without data', request('update_topo', null), {}],
    ['a text for data', request('update_topo', DRONE), {}],
    ['of nothing but a type', request('update_topo', { type: 119 }), {}],
    ['no JSON', '{"method":"update_topo"', {}],
  ] as const) {
    it(`is not told of if it is ${what}`, async () => {
      const world = cloud();
      world.now = NOW;
      expect(await world.ask(payload, { topic, ...more })).to.deep.equal({ kind: 'pass' });
      expect(world.events).to.deep.equal([]);
    });
  }
});
