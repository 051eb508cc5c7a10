import { expect } from 'chai';
import { createCodeGuesses } from '../../../src/dock/code-guesses.js';

const RIGHT = { id: 'org-7' };
const wrong = (): Promise<undefined> => Promise.resolve(undefined);
const right = (): Promise<typeof RIGHT> => Promise.resolve(RIGHT);

describe('guesses of binding codes', () => {
  let now: number;
  let guesses: ReturnType<typeof createCodeGuesses>;

  beforeEach(() => {
    now = 1_000_000;
    guesses = createCodeGuesses(() => now);
  });

  async function guessWrong(times: number, gateway = 'A'): Promise<void> {
    for (let i = 0; i < times; i++) {
      expect(await guesses.attempt(gateway, wrong)).to.equal('wrong_binding_code');
    }
  }

  it('are refused after ten wrong ones, also a right one, without a look at it', async () => {
    await guessWrong(10);
    let looked = false;
    const lookup = (): Promise<typeof RIGHT> => {
      looked = true;
      return right();
    };
    expect(await guesses.attempt('A', lookup)).to.equal('too_many_wrong_codes');
    expect(looked).to.equal(false);
  });

  it('are free again one by one, a minute after each wrong one', async () => {
    await guessWrong(1);
    now += 30_000;
    await guessWrong(9);
    now += 29_999;
    expect(await guesses.attempt('A', right)).to.equal('too_many_wrong_codes');
    now += 1;
    await guessWrong(1);
    expect(await guesses.attempt('A', right)).to.equal('too_many_wrong_codes');
  });

  it('do not count if right', async () => {
    for (let i = 0; i < 20; i++) expect(await guesses.attempt('A', right)).to.equal(RIGHT);
    await guessWrong(10);
  });

  it('do not count if the store failed', async () => {
    for (let i = 0; i < 20; i++) {
      const failed = await guesses
        .attempt('A', () => Promise.reject(new Error('down')))
        .catch((error: unknown) => error);
      expect(failed).to.be.instanceOf(Error);
    }
    await guessWrong(10);
  });

  it('count for one gateway only', async () => {
    await guessWrong(10, 'A');
    await guessWrong(1, 'B');
  });

  it('count at once, so that many at the same time are not all tried', async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => guesses.attempt('A', wrong)));
    expect(outcomes.filter((outcome) => outcome === 'wrong_binding_code')).to.have.length(10);
  });

  it('of the quietest gateway are forgotten first, beyond 10,000 of them', async () => {
    await guessWrong(9, 'quiet');
    await guessWrong(9, 'busy');
    for (let i = 0; i < 5_000; i++) await guesses.attempt(`gateway${i}`, wrong);
    await guessWrong(1, 'busy');
    for (let i = 5_000; i < 9_999; i++) await guesses.attempt(`gateway${i}`, wrong);
    expect(await guesses.attempt('busy', right)).to.equal('too_many_wrong_codes');
    await guessWrong(10, 'quiet');
  });
});
