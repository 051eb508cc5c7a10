import { expect } from 'chai';
import { clientNetwork } from '../../src/client-network.js';

describe('clientNetwork', () => {
  const table: [address: string, origin: string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1:2:3:4', 'fe80:0:0:0::/64'],
    ['', ''],
    ['not an address', 'not an address'],
  ];
  for (const [address, origin] of table) {
    it(`is ${origin || 'nothing'} for ${address || 'no address'}`, () => {
      expect(clientNetwork(address)).to.equal(origin);
    });
  }
});
