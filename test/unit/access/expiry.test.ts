/** Whether an account can be used: the answer that the server and all commands give alike. */
import { expect } from 'chai';
import { hasExpired, standingOf } from '../../../src/access/expiry.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');

describe('the standing of an account', () => {
  for (const [what, account, standing] of [
    ['one that never expires', {}, undefined],
    ['one that expires in a millisecond', { expiresAt: '2026-01-01T00:00:00.001Z' }, undefined],
    ['one that expires this millisecond', { expiresAt: '2026-01-01T00:00:00Z' }, 'expired'],
    ['one whose date cannot be read', { expiresAt: 'next year' }, 'expired'],
    ['a disabled one', { disabled: true }, 'disabled'],
    ['a disabled one that has expired', { disabled: true, expiresAt: '2020-01-01' }, 'disabled'],
  ] as const) {
    it(`is ${standing ?? 'good'} for ${what}`, () => {
      expect(standingOf(account, NOW)).to.equal(standing);
    });
  }

  it('does not hide behind "disabled" that an account has expired', () => {
    expect(hasExpired({ expiresAt: '2020-01-01' }, NOW)).to.equal(true);
  });
});
