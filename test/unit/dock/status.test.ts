/** What is seen of `sys/product/{sn}/status`, and that it is only seen. */
import { expect } from 'chai';
import { cloud, DRONE, GATEWAY, NOW, request } from './support.js';

const topic = `sys/product/${GATEWAY}/status`;
const topo = (...devices: unknown[]) => request('update_topo', { domain: '3', sub_devices: devices });

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
    ['without a list of devices', request('update_topo', { sub_devices: DRONE }), {}],
    ['without data', request('update_topo', null), {}],
    ['of a device without SN', topo({}), {}],
    ['of a device that is null', topo(null), {}],
    ['of an SN that is none', topo({ sn: 'a/b' }), {}],
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
