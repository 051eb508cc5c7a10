import { expect } from 'chai';
import { createBindQuota, type BindQuota } from '../../../src/dock/bind-quota.js';

describe('the quota of binds', () => {
  let now: number;
  let quota: BindQuota;
  beforeEach(() => {
    now = 1_790_000_000_000;
    quota = createBindQuota(() => now);
  });

  /** How many of so many invented devices may be bound. */
  function bind(count: number, gateway = 'A', account = 'dock-a'): number {
    let bound = 0;
    for (let i = 0; i < count; i += 1)
      if (quota.take({ gateway, account }, `INVENTED${(invented += 1)}`)) bound += 1;
    return bound;
  }
  let invented = 0;

  it('lets one gateway bind twenty different devices, and then one a minute', () => {
    expect(bind(100)).to.equal(20);
    now += 59_999;
    expect(bind(1)).to.equal(0);
    now += 1;
    expect(bind(2)).to.equal(1);
  });

  it('lets a gateway bind the same devices again as often as it likes', () => {
    for (let i = 0; i < 1000; i += 1) {
      expect(quota.take({ gateway: 'A', account: 'dock-a' }, 'A')).to.equal(true);
      expect(quota.take({ gateway: 'A', account: 'dock-a' }, 'DRONE')).to.equal(true);
    }
    expect(bind(100)).to.equal(18);
  });

  it('counts what one account binds under many SNs: five thousand, and then one a second', () => {
    let bound = 0;
    for (let i = 0; i < 3000; i += 1) bound += bind(2, `GATEWAY${i}`, 'shared');
    expect(bound).to.equal(5000);
    now += 1000;
    expect(bind(5, 'ANOTHER', 'shared')).to.equal(1);
  });

  it('lets one account take nothing from another, also under the same SN', () => {
    bind(100, 'A', 'stranger');
    expect(bind(20, 'A', 'dock-a')).to.equal(20);
  });
});
