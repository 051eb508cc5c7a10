import { expect } from 'chai';
import { createCodeGuesses } from '../../../src/dock/code-guesses.js';

const RIGHT = { id: 'org-7' };
const wrong = (): Promise<'wrong_binding_code'> => Promise.resolve('wrong_binding_code');
const right = (): Promise<typeof RIGHT> => Promise.resolve(RIGHT);

describe('guesses of binding codes', () => {
  let now: number;
  let guesses: ReturnType<typeof createCodeGuesses>;

  beforeEach(() => {
    now = 1_000_000;
    guesses = createCodeGuesses(() => now);
  });

  const attempt = <T extends object | string>(gateway: string, lookup: () => Promise<T>, account = gateway) =>
    guesses.attempt({ gateway, account }, lookup);

  async function guessWrong(times: number, gateway = 'A'): Promise<void> {
    for (let i = 0; i < times; i++) expect(await attempt(gateway, wrong)).to.equal('wrong_binding_code');
  }

  it('are refused after ten wrong ones, also a right one, without a look at it', async () => {
    await guessWrong(10);
    let looked = false;
    const lookup = (): Promise<typeof RIGHT> => {
      looked = true;
      return right();
    };
    expect(await attempt('A', lookup)).to.equal('too_many_wrong_codes');
    expect(looked).to.equal(false);
  });

  it('are free again one by one, one in six seconds', async () => {
    await guessWrong(10);
    now += 5_999;
    expect(await attempt('A', right)).to.equal('too_many_wrong_codes');
    now += 1;
    await guessWrong(1);
    expect(await attempt('A', right)).to.equal('too_many_wrong_codes');
    now += 3_600_000;
    await guessWrong(10);
    expect(await attempt('A', right)).to.equal('too_many_wrong_codes');
  });

  it('do not count if right', async () => {
    for (let i = 0; i < 20; i++) expect(await attempt('A', right)).to.equal(RIGHT);
    await guessWrong(10);
  });

  it('do not count if the store failed', async () => {
    for (let i = 0; i < 20; i++) {
      const failed = await attempt('A', () => Promise.reject(new Error('down'))).catch(
        (error: unknown) => error,
      );
      expect(failed).to.be.instanceOf(Error);
    }
    await guessWrong(10);
  });

  it('count for one gateway only', async () => {
    await guessWrong(10, 'A');
    await guessWrong(1, 'B');
  });

  it('count at once, so that many at the same time are not all tried', async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => attempt('A', wrong)));
    expect(outcomes.filter((outcome) => outcome === 'wrong_binding_code')).to.have.length(10);
  });

  it('count for an account under all its gateways together, at five hundred', async () => {
    for (let i = 0; i < 500; i++)
      expect(await attempt(`gateway${i}`, wrong, 'fleet')).to.equal('wrong_binding_code');
    expect(await attempt('another', right, 'fleet')).to.equal('too_many_wrong_codes');
    expect(await attempt('another', right, 'other')).to.equal(RIGHT);
  });
});
