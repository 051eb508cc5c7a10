import { expect } from 'chai';
import { hash as bcryptHash } from '@node-rs/bcrypt';
import { hashesAtOnce } from '../../../src/access/hash-queue.js';
import { createPasswordChecks, type PasswordChecks } from '../../../src/access/password-checks.js';
import { hashChosen, hashGenerated, verifyPassword } from '../../../src/password-hashes/index.js';

/** Of who waits as long as it takes. */
const ENDLESS = () => new Promise<never>(() => undefined);

const ADDRESS = '192.0.2.1';

describe('slow hashes', () => {
  it('leave one of the threads on which host names are looked up and files are written', () => {
    for (const [cores, size, atOnce] of [
      [2, undefined, 2],
      [4, undefined, 3],
      [64, undefined, 3],
      [64, '16', 15],
      [8, '16', 8],
      [8, '1', 1],
      [8, '', 1],
    ] as const) {
      expect(hashesAtOnce(cores, size), `${cores} cores, UV_THREADPOOL_SIZE=${size ?? 'unset'}`).to.equal(
        atOnce,
      );
    }
  });
});

describe('password checks', () => {
  it('answers right and wrong for both formats', async () => {
    const checks = await createPasswordChecks();
    const chosen = { name: 'a', passwordHash: await hashChosen('right') };
    const generated = { name: 'b', passwordHash: hashGenerated('right') };
    for (const account of [chosen, generated]) {
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('right');
      expect(await check(checks, account, 'right', ADDRESS), 'remembered').to.equal('right');
      expect(await check(checks, account, 'wrong', ADDRESS)).to.equal('wrong');
    }
  });

  it('forgets a remembered password as soon as the stored hash is another', async () => {
    const checks = await createPasswordChecks();
    for (const hash of [hashChosen, hashGenerated]) {
      const before = { name: hash.name, passwordHash: await hash('old') };
      expect(await check(checks, before, 'old', ADDRESS)).to.equal('right');
      const after = { name: hash.name, passwordHash: await hash('new') };
      expect(await check(checks, after, 'old', ADDRESS), hash.name).to.equal('wrong');
      expect(await check(checks, after, 'new', ADDRESS), hash.name).to.equal('right');
      expect(await check(checks, before, 'new', ADDRESS), hash.name).to.equal('wrong');
    }
  });

  it('does not take the password of one account for that of another', async () => {
    const checks = await createPasswordChecks();
    for (const hash of [hashChosen, hashGenerated]) {
      const one = { name: 'a', passwordHash: await hash('one') };
      expect(await check(checks, one, 'one', ADDRESS)).to.equal('right');
      const two = { name: 'b', passwordHash: await hash('two') };
      expect(await check(checks, two, 'one', ADDRESS), hash.name).to.equal('wrong');
    }
  });

  it('lets nobody wait longer than a wrong password takes, and knows the answer at the next attempt', async () => {
    const checks = await createPasswordChecks(1);
    const account = { name: 'a', passwordHash: await hashChosen('right') };
    const start = performance.now();
    await hashChosen('x');
    const hashMs = performance.now() - start;
    // A queue before it that is longer than its time, and short of being shed.
    const others = Array.from({ length: Math.ceil(600 / hashMs) }, (_, i) =>
      check(checks, { ...account, name: `b${i}` }, 'x', ADDRESS),
    );
    const over = () => new Promise((resolve) => setTimeout(resolve, checks.checkMs).unref());
    expect(await checks.check(account, 'right', ADDRESS, over)).to.equal('overloaded');
    await Promise.all(others);
    expect(await checkWhenIdle(checks, account, 'right')).to.equal('right');
  });

  it('sheds what would wait too long, and answers the rest', async () => {
    const checks = await createPasswordChecks(1);
    const account = { name: 'a', passwordHash: await hashChosen('right') };
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, i) => check(checks, account, `guess ${i}`, `192.0.2.${i}`)),
    );
    expect(results.filter((result) => result === 'wrong')).to.have.length.greaterThan(0);
    expect(results.filter((result) => result === 'overloaded')).to.have.length.greaterThan(0);
    expect(await checkWhenIdle(checks, account, 'right'), 'afterwards').to.equal('right');
  });

  it('leaves most of the queue to others, from however many places one account is guessed at', async () => {
    const checks = await createPasswordChecks(1);
    const passwordHash = await hashChosen('right');
    const flood = Array.from({ length: 500 }, (_, i) =>
      checks.check({ name: 'a', passwordHash }, `guess ${i}`, `192.0.${i >> 8}.${i & 255}`, ENDLESS),
    );
    expect(await checks.check({ name: 'b', passwordHash }, 'right', '198.51.100.1', ENDLESS)).to.equal(
      'right',
    );
    const answers = await Promise.all(flood);
    // A full queue has places for a second: some tens.
    expect(answers.filter((answer) => answer === 'overloaded')).to.have.length.above(480);
    expect(await checkWhenIdle(checks, { name: 'a', passwordHash }, 'right')).to.equal('right');
  });

  it('hashes once for any number of equal checks at the same time', async () => {
    const checks = await createPasswordChecks(1);
    const account = { name: 'a', passwordHash: await hashChosen('right') };
    const results = await Promise.all(
      Array.from({ length: 500 }, () => check(checks, account, 'right', ADDRESS)),
    );
    // 500 hashes one after another would have been shed.
    expect(new Set(results)).to.deep.equal(new Set(['right']));
  });

  describe('after ten wrong chosen passwords for an account from an address', () => {
    const guess = async (
      checks: PasswordChecks,
      account: { name: string; passwordHash: string },
      { address = ADDRESS, times = 10 } = {},
    ) => {
      const results = [];
      for (let i = 0; i < times; i += 1) results.push(await check(checks, account, `guess ${i}`, address));
      expect(new Set(results)).to.deep.equal(new Set(['wrong']));
    };

    it('refuses even the right one, which was never used before, without a look at it', async () => {
      const checks = await createPasswordChecks();
      const account = { name: 'a', passwordHash: await hashChosen('right') };
      await guess(checks, account);
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('throttled');
    });

    it('still lets in who was in before: docks behind one address are not locked out by a stranger', async () => {
      const checks = await createPasswordChecks();
      const account = { name: 'a', passwordHash: await hashChosen('right') };
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('right');
      // The right one cost a hash, too.
      await guess(checks, account, { times: 9 });
      expect(await check(checks, account, 'guess 10', ADDRESS)).to.equal('throttled');
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('right');
    });

    it('takes the account from another address, and another account from this one', async () => {
      const checks = await createPasswordChecks();
      const passwordHash = await hashChosen('right');
      await guess(checks, { name: 'a', passwordHash });
      expect(await check(checks, { name: 'a', passwordHash }, 'right', '192.0.2.2')).to.equal('right');
      expect(await check(checks, { name: 'b', passwordHash }, 'right', ADDRESS)).to.equal('right');
    });

    it('does not count the same wrong password twice: docks with an old one lock nobody out', async () => {
      const checks = await createPasswordChecks();
      const account = { name: 'a', passwordHash: await hashChosen('right') };
      for (let i = 0; i < 50; i += 1) expect(await check(checks, account, 'old', ADDRESS)).to.equal('wrong');
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('right');
    });

    it('counts a right one that cost a hash: bcrypt knows endless right ones', async () => {
      const checks = await createPasswordChecks();
      const password = 'x'.repeat(72);
      const account = { name: 'a', passwordHash: await bcryptHash(password, 4) };
      const answers = [];
      for (let i = 0; i < 12; i += 1) answers.push(await check(checks, account, `${password}${i}`, ADDRESS));
      expect(answers.slice(0, 10)).to.deep.equal(Array(10).fill('right'));
      expect(answers.slice(10)).to.deep.equal(['throttled', 'throttled']);
      expect(await check(checks, account, `${password}9`, ADDRESS), 'the one that was right last').to.equal(
        'right',
      );
    });

    it('does not count a hash that cannot be read', async () => {
      const checks = await createPasswordChecks();
      const account = { name: 'a', passwordHash: '$argon2id$damaged' };
      for (let i = 0; i < 20; i += 1) {
        const error = await check(checks, account, `guess ${i}`, ADDRESS).catch((reason: unknown) => reason);
        expect(error).to.have.property('code', 'bad_row');
      }
    });

    it('does not care for generated passwords, which cannot be guessed', async () => {
      const checks = await createPasswordChecks();
      const account = { name: 'a', passwordHash: hashGenerated('right') };
      for (let i = 0; i < 100; i += 1) await check(checks, account, `guess ${i}`, ADDRESS);
      expect(await check(checks, account, 'right', ADDRESS)).to.equal('right');
    });

    it('does not count what was shed', async () => {
      const checks = await createPasswordChecks(1);
      const account = { name: 'a', passwordHash: await hashChosen('right') };
      const others = Array.from({ length: 500 }, (_, i) =>
        check(checks, { ...account, name: `b${i}` }, 'x', ADDRESS),
      );
      for (let i = 0; i < 50; i += 1)
        expect(await check(checks, account, `guess ${i}`, ADDRESS)).to.equal('overloaded');
      await Promise.all(others);
      expect(await checkWhenIdle(checks, account, 'right')).to.equal('right');
    });
  });
});

describe('an imported hash', () => {
  // sha256 of salt "slat_foo123" behind the password "public"; the example of EMQX's manual.
  const IMPORTED =
    '$emqx-hash$sha256$suffix$736c61745f666f6f313233$44edc2d57cde8d79c98145003e105b90a14f1460b79186ea9cfe83942fc5abb5';
  const account = { name: 'a', passwordHash: IMPORTED };

  /** Checks whose replacements are kept here, and resolve as they are told to. */
  async function open(answer: (call: number) => Promise<boolean>) {
    const replaced: string[][] = [];
    let called: () => void = () => undefined;
    const calls = async (count: number): Promise<void> => {
      while (replaced.length < count) await new Promise<void>((resolve) => (called = resolve));
    };
    const checks = await createPasswordChecks(2, (...call) => {
      replaced.push(call);
      called();
      return answer(replaced.length);
    });
    return { checks, replaced, calls };
  }

  it('is replaced by one of ours once the password was right, and the password is known at once', async () => {
    const { checks, replaced, calls } = await open(async () => true);
    expect(await check(checks, account, 'public', ADDRESS)).to.equal('right');
    await calls(1);
    const [name, oldHash, newHash = ''] = replaced[0] ?? [];
    expect([name, oldHash]).to.deep.equal(['a', IMPORTED]);
    expect(newHash).to.match(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await verifyPassword(newHash, 'public')).to.equal(true);
    const upgraded = { name: 'a', passwordHash: newHash };
    expect(await check(checks, upgraded, 'public', ADDRESS)).to.equal('right');
    expect(await check(checks, upgraded, 'wrong', ADDRESS)).to.equal('wrong');
    expect(replaced).to.have.length(1);
  });

  it('is not replaced for a wrong password, nor is a hash of ours', async () => {
    const { checks, replaced, calls } = await open(async () => true);
    expect(await check(checks, account, 'wrong', ADDRESS)).to.equal('wrong');
    const chosen = { name: 'b', passwordHash: await hashChosen('right') };
    expect(await check(checks, chosen, 'right', ADDRESS)).to.equal('right');
    expect(
      await check(checks, { name: 'c', passwordHash: hashGenerated('right') }, 'right', ADDRESS),
    ).to.equal('right');
    expect(await check(checks, account, 'public', ADDRESS)).to.equal('right');
    await calls(1);
    expect(replaced.map(([name]) => name)).to.deep.equal(['a']);
  });

  it('stays in force where it cannot be replaced, and is not tried again at every login', async () => {
    const { checks, replaced, calls } = await open(async () => {
      throw new Error('read-only');
    });
    expect(await check(checks, account, 'public', ADDRESS)).to.equal('right');
    await calls(1);
    for (let i = 0; i < 5; i += 1) expect(await check(checks, account, 'public', ADDRESS)).to.equal('right');
    const other = { ...account, name: 'b' };
    expect(await check(checks, other, 'public', ADDRESS)).to.equal('right');
    expect(replaced).to.have.length(1);
  });

  it('does not make the new hash known if the account has another by now', async () => {
    const { checks, replaced, calls } = await open(async () => false);
    expect(await check(checks, account, 'public', ADDRESS)).to.equal('right');
    await calls(1);
    const rotated = { name: 'a', passwordHash: await hashChosen('rotated') };
    expect(await check(checks, rotated, 'public', ADDRESS)).to.equal('wrong');
    expect(await check(checks, rotated, 'rotated', ADDRESS)).to.equal('right');
    expect(replaced).to.have.length(1);
  });

  /** Of cost 12, the most that is taken; longer than it may take on most machines. Of the password "p". */
  const BCRYPT_12 = '$2y$12$GYDRtgl8AQrTkLR60L4QE.6XWiQARKRoFt5k7cIDU5hwfhh/tOE0m';

  it('that takes longer than its time is known at the next attempt, and replaced by then', async () => {
    const { checks, replaced, calls } = await open(async () => true);
    const slow = { name: 'a', passwordHash: BCRYPT_12 };
    expect(await checks.check(slow, 'p', ADDRESS, () => Promise.resolve())).to.equal('overloaded');
    await calls(1);
    expect(await checks.check(slow, 'p', ADDRESS, ENDLESS), 'the old hash').to.equal('right');
    const upgraded = { name: 'a', passwordHash: replaced[0]?.[2] ?? '' };
    expect(await checks.check(upgraded, 'p', ADDRESS, ENDLESS), 'the new hash').to.equal('right');
  });

  it('does not move the time that refusals wait for, which would tell that the account exists', async () => {
    const { checks } = await open(async () => true);
    const before = checks.checkMs;
    // One after another, so that none is shed.
    const guess = async (passwordHash: string) => {
      for (let i = 0; i < 6; i += 1) {
        const account = { name: passwordHash, passwordHash };
        expect(await checks.check(account, `guess ${i}`, ADDRESS, ENDLESS)).to.equal('wrong');
      }
    };
    await guess(BCRYPT_12);
    expect(checks.checkMs, 'after a slow hash').to.equal(before);
    await guess(IMPORTED);
    expect(checks.checkMs, 'after a fast one').to.equal(before);
  });

  it('is throttled like a chosen password, however fast it is', async () => {
    const { checks } = await open(async () => true);
    for (let i = 0; i < 10; i += 1) {
      expect(await check(checks, account, `guess ${i}`, ADDRESS)).to.equal('wrong');
    }
    expect(await check(checks, account, 'public', ADDRESS)).to.equal('throttled');
  });
});

/** With as much time as it takes: a busy machine makes no difference. */
function check(
  checks: PasswordChecks,
  account: { name: string; passwordHash: string },
  password: string,
  peerHost: string,
) {
  return checks.check(account, password, peerHost, ENDLESS);
}

/** Tries again for as long as earlier checks are in the way. */
async function checkWhenIdle(
  checks: PasswordChecks,
  account: { name: string; passwordHash: string },
  password: string,
): Promise<string> {
  for (;;) {
    const result = await check(checks, account, password, ADDRESS);
    if (result !== 'overloaded') return result;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
