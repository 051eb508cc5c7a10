import { expect } from 'chai';
import { generatePassword, randomCode } from '../../../src/access/generate-password.js';

describe('new passwords', () => {
  it('generates passwords of at least 128 random bits that can be typed', () => {
    const password = generatePassword();
    expect(password).to.match(/^([a-hj-km-np-z2-9]{5}-){5}[a-hj-km-np-z2-9]{5}$/);
    expect(30 * Math.log2(31)).to.be.greaterThan(128);
    expect(generatePassword()).to.not.equal(password);
  });

  it('generates codes of the length asked for', () => {
    expect(randomCode(10)).to.match(/^.{5}-.{5}$/);
  });
});
