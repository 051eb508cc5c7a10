/**
 * Checks passwords without letting a reconnect storm or a guesser take the machine: as many slow hashes
 * at once as there are cores, a bounded queue, one hash for identical checks that run at the same time,
 * and none for a password that was right a moment ago.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { createThrottle } from '../throttle.js';
import { hashChosen, isFast, verifyFast, verifySlow } from './passwords.js';

/** Longest time in the queue, in milliseconds; a check that would wait longer is shed. */
const MAX_WAIT_MS = 1000;
/** Accounts whose last right password is remembered. */
const MAX_REMEMBERED = 50_000;
/** Slow checks are remembered this long for {@link PasswordChecks.refusalDelayMs}, in milliseconds. */
const SLOWNESS_WINDOW_MS = 10_000;
const MAX_REFUSAL_DELAY_MS = 1500;

/** Wrong chosen passwords at once, and the time in which one more is allowed, in milliseconds: ten a minute. */
const WRONG_PASSWORDS = { burst: 10, refillMs: 6_000 };

export type PasswordResult =
  | 'right'
  | 'wrong'
  /** Too many checks are waiting; not looked at. */
  | 'overloaded'
  /** Wrong too often for this account from this address; not looked at. */
  | 'throttled';

export interface PasswordChecks {
  /**
   * @param address where the client comes from. Only chosen passwords are throttled, and never one that
   * was right before: a stranger behind the same address cannot lock a dock out that has been in.
   */
  check(
    account: { name: string; passwordHash: string },
    password: string,
    address: string,
  ): Promise<PasswordResult>;
  /**
   * How long after its arrival a refusal should leave, in milliseconds: twice a hash, or what a check
   * took lately if the queue is long, so that unknown names and wrong passwords look alike without
   * spending a hash on the former.
   */
  refusalDelayMs(): number;
}

/** Measures this machine's hash time once; then ready. */
export async function createPasswordChecks(workers = availableParallelism()): Promise<PasswordChecks> {
  let hashMs = await timed(() => hashChosen(randomBytes(16).toString('hex')));
  const wrongPasswords = createThrottle(WRONG_PASSWORDS.burst, WRONG_PASSWORDS.refillMs);
  const slowest = createRecentMaximum(SLOWNESS_WINDOW_MS);
  const remembered = createMemory();
  const running = new Map<string, Promise<boolean>>();
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function verifyInTurn(passwordHash: string, password: string): Promise<boolean> {
    if (busy >= workers) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
    try {
      let right = false;
      const took = await timed(async () => {
        right = await verifySlow(passwordHash, password);
      });
      hashMs += (took - hashMs) / 8;
      return right;
    } finally {
      // A waiting check takes over this one's place, so `busy` stays as it is.
      const next = waiting.shift();
      if (next) next();
      else busy -= 1;
    }
  }

  /** `key` stands for account, hash and password together. */
  async function checkSlow(
    key: string,
    origin: string,
    passwordHash: string,
    password: string,
  ): Promise<PasswordResult> {
    const underWay = running.get(key);
    // Joining costs no hash and tries nothing new: a shared account's docks may all come at once.
    if (underWay) return (await underWay) ? 'right' : 'wrong';
    if ((waiting.length * hashMs) / workers > MAX_WAIT_MS) return 'overloaded';
    if (!wrongPasswords.take(origin)) return 'throttled';
    const verification = verifyInTurn(passwordHash, password).finally(() => running.delete(key));
    running.set(key, verification);
    const right = await verification;
    if (right) wrongPasswords.giveBack(origin);
    return right ? 'right' : 'wrong';
  }

  return {
    async check({ name, passwordHash }, password, address) {
      if (isFast(passwordHash)) return verifyFast(passwordHash, password) ? 'right' : 'wrong';
      const tag = remembered.tag(name, passwordHash, password);
      if (remembered.has(name, tag)) return 'right';
      const arrival = performance.now();
      const result = await checkSlow(
        tag.toString('base64'),
        JSON.stringify([name, address]),
        passwordHash,
        password,
      );
      slowest.note(performance.now() - arrival);
      if (result === 'right') remembered.add(name, tag);
      return result;
    },
    refusalDelayMs: () => Math.min(MAX_REFUSAL_DELAY_MS, Math.max(2 * hashMs, slowest.read())),
  };
}

/**
 * Remembers one right password per account as an HMAC under a key that never leaves this process.
 * It covers the stored hash too: a changed or removed password is forgotten at once.
 */
function createMemory() {
  const key = randomBytes(32);
  const tags = new Map<string, Buffer>();
  return {
    tag: (name: string, passwordHash: string, password: string): Buffer =>
      createHmac('sha256', key)
        .update(JSON.stringify([name, passwordHash, password]))
        .digest(),
    has(name: string, tag: Buffer): boolean {
      const known = tags.get(name);
      return known !== undefined && timingSafeEqual(known, tag);
    },
    add(name: string, tag: Buffer): void {
      tags.delete(name);
      tags.set(name, tag);
      const [oldest] = tags.keys();
      if (tags.size > MAX_REMEMBERED && oldest !== undefined) tags.delete(oldest);
    },
  };
}

/** The largest value noted within the last one to two windows. */
function createRecentMaximum(windowMs: number) {
  let [start, current, previous] = [performance.now(), 0, 0];
  function roll(): void {
    const windows = Math.floor((performance.now() - start) / windowMs);
    if (windows === 0) return;
    previous = windows === 1 ? current : 0;
    current = 0;
    start += windows * windowMs;
  }
  return {
    note(value: number): void {
      roll();
      current = Math.max(current, value);
    },
    read(): number {
      roll();
      return Math.max(current, previous);
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
