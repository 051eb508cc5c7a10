/**
 * Checks passwords without letting a reconnect storm or a guesser take the machine: few slow hashes at once
 * ({@link hashesAtOnce}), a bounded queue, one hash for identical checks that run at the same time,
 * and none for a password that was right before.
 */
import { hash, randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { createThrottle } from '../throttle.js';
import { clientNetwork } from '../client-network.js';
import {
  findAlgorithm,
  hashChosen,
  loadAlgorithms,
  mayReplace,
  verifyPassword,
} from '../password-hashes/index.js';

/** Longest time in the queue, in milliseconds; a check that would wait longer is shed. */
const MAX_WAIT_MS = 1000;
/** Accounts of either kind whose last right password is remembered. */
const MAX_REMEMBERED = 50_000;
/** Wrong passwords that are remembered as such, of all accounts together. */
const MAX_KNOWN_WRONG = 10_000;
/** Bounds of {@link PasswordChecks.patienceMs}. With the store's budget they stay below a hook's 2 s. */
const PATIENCE_MS = { least: 200, most: 400 };

/**
 * Slow hashes for one account and address at once, and the time in which one more is allowed, in milliseconds: ten a
 * minute. A right password pays, too: bcrypt looks at 72 bytes, so who knows one has endless others that cost a hash
 * each.
 */
const HASHES = { burst: 10, refillMs: 6_000 };
/** Share of the queue that the checks of one account may fill, from wherever they come. */
const QUEUE_SHARE = 1 / 10;

/** After a replacement of an imported hash failed, none is tried for so long, in milliseconds. */
const REPLACE_PAUSE_MS = 10 * 60_000;

/** Puts an account's new hash in place of the old one, if it still has that. @returns whether it did */
export type ReplaceHash = (name: string, oldHash: string, newHash: string) => Promise<boolean>;

export type PasswordResult =
  | 'right'
  | 'wrong'
  /** Too many checks are waiting; not looked at. */
  | 'overloaded'
  /** Wrong too often for this account from this address; not looked at. */
  | 'throttled';

export interface PasswordChecks {
  /**
   * Rejects with `bad_row` if the stored hash cannot be read.
   * @param peerHost where the client comes from. Only chosen passwords are throttled, and never one that
   * was right before: a stranger behind the same address cannot lock a dock out that has been in. Nor does
   * one that was wrong before count again: docks that still have an old password lock nobody out.
   * @param patience when it resolves, the answer is `overloaded`
   */
  check(
    account: { name: string; passwordHash: string },
    password: string,
    peerHost: string,
    patience: Promise<unknown>,
  ): Promise<PasswordResult>;
  /**
   * How long a client waits for its check, and how long any refusal is held back once the account was looked
   * for, in milliseconds: about twice a hash of ours. An unknown name, which costs no hash, then looks like a wrong password, however
   * long the queue. Always the same: if it followed the checks, it would tell a guesser that they are of an
   * imported hash, which takes longer or less, and so that the account exists.
   *
   * A check that takes longer goes on: if the password is right, the next attempt is answered at once. So
   * the first login with an imported bcrypt hash of cost 12 may be refused once, as overloaded; the dock's
   * next try succeeds, and by then the hash is one of ours.
   */
  patienceMs(): number;
}

/**
 * As many slow hashes as there are cores, but one less than Node has threads for such work. Host names are looked up and
 * files written by the same threads, four unless UV_THREADPOOL_SIZE says otherwise: with a hash on each, the name of the
 * database is looked up after them all.
 */
export function hashesAtOnce(cores: number, threadPoolSize: string | undefined): number {
  // As libuv reads it.
  const threads = threadPoolSize === undefined ? 4 : Number.parseInt(threadPoolSize, 10) || 1;
  return Math.max(1, Math.min(cores, threads - 1));
}

/**
 * Measures this machine's time for a hash of ours; then ready.
 * @param replaceHash given, an imported hash is replaced by one of ours once its password was right
 */
export async function createPasswordChecks(
  workers = hashesAtOnce(availableParallelism(), process.env['UV_THREADPOOL_SIZE']),
  replaceHash?: ReplaceHash,
): Promise<PasswordChecks> {
  await loadAlgorithms();
  const ownHashMs = await timed(() => hashChosen(randomBytes(16).toString('hex')));
  const patienceMs = Math.min(PATIENCE_MS.most, Math.max(PATIENCE_MS.least, 2 * ownHashMs));
  /** Of the latest checks, whatever their hashes: only for the length of the queue, see `patienceMs`. */
  let hashMs = ownHashMs;
  const hashes = createThrottle(HASHES.burst, HASHES.refillMs);
  const remembered = createMemory();
  /** Apart: those push out no chosen password, which takes a slow hash to be known again. */
  const rememberedGenerated = createMemory();
  const knownWrong = new Set<string>();
  const running = new Map<string, Promise<boolean>>();
  /** How many of them are of one account. */
  const underWayOf = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (busy >= workers) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
    try {
      return await work();
    } finally {
      // A waiting check takes over this one's place, so `busy` stays as it is.
      const next = waiting.shift();
      if (next) next();
      else busy -= 1;
    }
  }

  function verifyInTurn(passwordHash: string, password: string): Promise<boolean> {
    return inTurn(async () => {
      let right = false;
      const took = await timed(async () => {
        right = await verifyPassword(passwordHash, password);
      });
      hashMs += (took - hashMs) / 8;
      return right;
    });
  }

  const replacing = new Set<string>();
  let replaceFrom = 0;

  /** Replaces an imported hash, behind the answer's back and never in a check's way; else at a later login. */
  async function replaceForeign(name: string, passwordHash: string, password: string): Promise<void> {
    const isIdle = busy < workers && !replacing.has(name) && performance.now() >= replaceFrom;
    if (!replaceHash || !isIdle || !mayReplace(passwordHash, password)) return;
    replacing.add(name);
    try {
      const newHash = await inTurn(() => hashChosen(password));
      if (await replaceHash(name, passwordHash, newHash)) {
        remembered.add(name, remembered.tag(name, newHash, password));
      }
    } catch {
      // The old hash is as good as before. The store counts its failures itself.
      replaceFrom = performance.now() + REPLACE_PAUSE_MS;
    } finally {
      replacing.delete(name);
    }
  }

  /** Starts a check, or joins an equal one. Goes on when nobody waits for it any longer. */
  async function checkSlow(
    { name, passwordHash }: { name: string; passwordHash: string },
    password: string,
    peerHost: string,
  ): Promise<PasswordResult> {
    const tag = remembered.tag(name, passwordHash, password);
    if (remembered.has(name, tag)) return 'right';
    if (knownWrong.has(tag)) return 'wrong';
    const underWay = running.get(tag);
    // Joining costs no hash and tries nothing new: a shared account's docks may all come at once.
    if (underWay) return (await underWay) ? 'right' : 'wrong';
    const places = (MAX_WAIT_MS * workers) / hashMs;
    const ofAccount = underWayOf.get(name) ?? 0;
    if (waiting.length > places || ofAccount > places * QUEUE_SHARE) return 'overloaded';
    const source = JSON.stringify([name, clientNetwork(peerHost)]);
    if (!hashes.take(source)) return 'throttled';
    underWayOf.set(name, ofAccount + 1);
    const verification = verifyInTurn(passwordHash, password).finally(() => {
      running.delete(tag);
      const left = (underWayOf.get(name) ?? 0) - 1;
      if (left > 0) underWayOf.set(name, left);
      else underWayOf.delete(name);
    });
    running.set(tag, verification);
    const right = await verification.catch((error: unknown) => {
      hashes.giveBack(source);
      throw error;
    });
    if (right) {
      remembered.add(name, tag);
      return 'right';
    }
    knownWrong.add(tag);
    const [oldest] = knownWrong;
    if (knownWrong.size > MAX_KNOWN_WRONG && oldest !== undefined) knownWrong.delete(oldest);
    return 'wrong';
  }

  return {
    patienceMs: () => patienceMs,
    async check(account, password, peerHost, patience) {
      const { name, passwordHash } = account;
      const algorithm = findAlgorithm(passwordHash);
      if (algorithm?.speed === 'fast') {
        const tag = rememberedGenerated.tag(name, passwordHash, password);
        if (rememberedGenerated.has(name, tag)) return 'right';
        if (!algorithm.verify(passwordHash, password)) return 'wrong';
        rememberedGenerated.add(name, tag);
        return 'right';
      }
      const checked = checkSlow(account, password, peerHost).then((result) => {
        if (result === 'right') void replaceForeign(name, passwordHash, password);
        return result;
      });
      return Promise.race([checked, patience.then(() => 'overloaded' as const)]);
    },
  };
}

/**
 * Remembers one right password per account, as a digest under a key that never leaves this process.
 * It covers the stored hash too: a changed or removed password is forgotten at once.
 */
function createMemory() {
  const key = randomBytes(32).toString('hex');
  const tags = new Map<string, string>();
  return {
    /** In one call, for it is made at each login: an HMAC object takes Node five times as long. */
    tag: (name: string, passwordHash: string, password: string): string =>
      hash('sha256', key + JSON.stringify([name, passwordHash, password]), 'hex'),
    // How far two tags agree tells nothing to who has not the key, so the time of this comparison may.
    has: (name: string, tag: string): boolean => tags.get(name) === tag,
    add(name: string, tag: string): void {
      tags.delete(name);
      tags.set(name, tag);
      const [oldest] = tags.keys();
      if (tags.size > MAX_REMEMBERED && oldest !== undefined) tags.delete(oldest);
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
