/** Reasons that no test can bring about on a broker: each has its code all the same. */
import { expect } from 'chai';
import { SN, Story } from '../../support/story.js';

describe('a connect that was refused', () => {
  for (const [reason, text] of [
    ['overloaded', /too many passwords/],
    ['too_many_gateways', /10,000 SNs/],
    ['internal_error', /dockhook failed/],
  ] as const) {
    it(`is told as ${reason}, with what it means and what to do`, () => {
      const story = new Story().add('authenticate', { own: false, gateway: SN, outcome: 'refused', reason });
      const [finding] = story.diagnose().findings;
      expect(finding).to.include({ code: reason, level: 'error', state: 'refused' });
      expect(finding?.what).to.match(text);
      expect(finding?.fix).to.not.be.empty;
    });
  }
});
