/** Whether an account is disabled or has expired: the server and all commands give the same answer. */
import { expect } from 'chai';
import { hasExpired, disabledOrExpired } from '../../../src/access/expiry.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');

describe('the state of an account', () => {
  for (const [what, account, state] of [
    ['one that never expires', {}, undefined],
    ['one that expires in a millisecond', { expiresAt: '2026-01-01T00:00:00.001Z' }, undefined],
    ['one that expires this millisecond', { expiresAt: '2026-01-01T00:00:00Z' }, 'expired'],
    ['one whose date cannot be read', { expiresAt: 'next year' }, 'expired'],
    ['a disabled one', { disabled: true }, 'disabled'],
    ['a disabled one that has expired', { disabled: true, expiresAt: '2020-01-01' }, 'disabled'],
  ] as const) {
    it(`is ${state ?? 'good'} for ${what}`, () => {
      expect(disabledOrExpired(account, NOW)).to.equal(state);
    });
  }

  it('does not hide behind "disabled" that an account has expired', () => {
    expect(hasExpired({ expiresAt: '2020-01-01' }, NOW)).to.equal(true);
  });
});
