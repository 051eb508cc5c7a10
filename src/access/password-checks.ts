/**
 * Checks passwords so that neither a reconnect storm nor a guesser can overload the machine: few slow hashes at once
 * and a bounded queue (`hash-queue.ts`), one hash for identical checks that run at the same time, and none for a
 * password that was right before (`verified-passwords.ts`).
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { createBoundedMap } from '../bounded-map.js';
import { clientNetwork } from '../client-network.js';
import { findAlgorithm, hashChosen, loadAlgorithms } from '../password-hashes/index.js';
import type { FastAlgorithm } from '../password-hashes/algorithm.js';
import { createThrottle } from '../throttle.js';
import { createHashQueue, hashesAtOnce, type HashQueue } from './hash-queue.js';
import { checkTime } from './refusal-delay.js';
import { replaceImportedHashes, type ReplaceHash } from './replace-hash.js';
import { createRightPasswords, type RightPasswords } from './verified-passwords.js';

/** Wrong passwords that are remembered as such, of all accounts together. */
const MAX_KNOWN_WRONG = 10_000;

/**
 * Slow hashes for one account and network at once, and the time in which one more is allowed, in milliseconds: ten a
 * minute. A right password counts, too: bcrypt looks at only 72 bytes, so one known password makes endless others that
 * cost a hash each.
 */
const HASHES = { burst: 10, refillMs: 6_000 };

/** Only `right` lets the client in; the last two say nothing about this password. */
export type PasswordResult =
  | 'right'
  | 'wrong'
  /** Too many checks are waiting; not looked at. */
  | 'overloaded'
  /** Wrong too often for this account from this network; not looked at. */
  | 'throttled';

interface Credentials {
  name: string;
  passwordHash: string;
}

export interface PasswordChecks {
  /**
   * Rejects with `bad_row` if the stored hash cannot be read.
   * @param peerHost where the client comes from. Only chosen passwords are throttled, and never one that was right
   * before: a stranger behind the same address cannot lock out a dock that was in before. A password that was wrong
   * before does not count again: docks with an old password lock nobody out.
   * @param over when it resolves, the answer is `overloaded`; called only if a hash is needed. The check goes on: if the
   * password is right, the next attempt is answered at once. So the first login with an imported bcrypt hash of cost 12
   * may be refused once; the dock's next try succeeds, and by then the hash is one of ours.
   */
  check(
    account: Credentials,
    password: string,
    peerHost: string,
    over: () => Promise<unknown>,
  ): Promise<PasswordResult>;
  /** How long a check may take, in milliseconds; see {@link checkTime}. */
  readonly checkMs: number;
}

/**
 * Measures this machine's time for a hash of ours; then ready.
 * @param replaceHash if given, it replaces an imported hash by one of ours once its password was right
 */
export async function createPasswordChecks(
  workers = hashesAtOnce(availableParallelism(), process.env['UV_THREADPOOL_SIZE']),
  replaceHash?: ReplaceHash,
): Promise<PasswordChecks> {
  await loadAlgorithms();
  const start = performance.now();
  await hashChosen(randomBytes(16).toString('hex'));
  const hashMs = performance.now() - start;
  const queue = createHashQueue(workers, hashMs);
  const remembered = createRightPasswords();
  const checkSlow = slowChecks(queue, remembered);
  const checkFast = fastChecks();
  const replace =
    replaceHash &&
    replaceImportedHashes(queue, replaceHash, (name, newHash, password) => {
      remembered.add(name, remembered.tag(name, newHash, password));
    });

  return {
    checkMs: checkTime(hashMs),
    async check(account, password, peerHost, over) {
      const { name, passwordHash } = account;
      const algorithm = findAlgorithm(passwordHash);
      if (algorithm?.speed === 'fast') return checkFast(algorithm, account, password);
      const replaceIfRight = (result: PasswordResult): PasswordResult => {
        if (result === 'right') void replace?.(name, passwordHash, password);
        return result;
      };
      const tag = remembered.tag(name, passwordHash, password);
      if (remembered.has(name, tag)) return replaceIfRight('right');
      const checked = checkSlow(account, password, peerHost, tag).then(replaceIfRight);
      return Promise.race([checked, over().then(() => 'overloaded' as const)]);
    },
  };
}

/**
 * They have their own memory of passwords, so they push out no chosen password: to learn that again takes a slow hash.
 */
function fastChecks() {
  const remembered = createRightPasswords();
  return (
    algorithm: FastAlgorithm,
    { name, passwordHash }: Credentials,
    password: string,
  ): 'right' | 'wrong' => {
    const tag = remembered.tag(name, passwordHash, password);
    if (remembered.has(name, tag)) return 'right';
    if (!algorithm.verify(passwordHash, password)) return 'wrong';
    remembered.add(name, tag);
    return 'right';
  };
}

/** Starts a check, or joins an equal one. It goes on when nobody waits for it any longer. */
function slowChecks(queue: HashQueue, remembered: RightPasswords) {
  const hashes = createThrottle(HASHES);
  const knownWrong = createBoundedMap<true>(MAX_KNOWN_WRONG);
  const running = new Map<string, Promise<boolean>>();

  return async (
    { name, passwordHash }: Credentials,
    password: string,
    peerHost: string,
    tag: string,
  ): Promise<PasswordResult> => {
    if (knownWrong.has(tag)) return 'wrong';
    const underWay = running.get(tag);
    // Joining costs no hash and tries nothing new: a shared account's docks may all come at once.
    if (underWay) return (await underWay) ? 'right' : 'wrong';
    if (queue.isFull(name)) return 'overloaded';
    const source = JSON.stringify([name, clientNetwork(peerHost)]);
    if (!hashes.take(source)) return 'throttled';
    const verification = queue.verify(name, passwordHash, password).finally(() => running.delete(tag));
    running.set(tag, verification);
    const isRight = await verification.catch((error: unknown) => {
      hashes.giveBack(source);
      throw error;
    });
    if (isRight) remembered.add(name, tag);
    else knownWrong.set(tag, true);
    return isRight ? 'right' : 'wrong';
  };
}
