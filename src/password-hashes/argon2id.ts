/** `$argon2id$…`, for passwords that people choose. Slow on purpose: OWASP's 19 MiB and two passes. */
import { UNKNOWN_HASH, type SlowAlgorithm } from './algorithm.js';

const COST = { memoryCost: 19456, timeCost: 2, parallelism: 1 };
const WHOLE =
  /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=[1-4]\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}$/;
/** Memory in KiB times passes, some seven times ours: one row that somebody wrote must not stall the server. */
const MAX_WORK = 262_144;

const load = () => import('@node-rs/argon2');

/** Takes hashes with other parameters than ours, if their cost is no more than some seven times ours. */
export const argon2id: SlowAlgorithm = {
  prefixes: ['$argon2id$'],
  passwordKind: 'chosen',
  speed: 'slow',
  fault(passwordHash) {
    const [, memory, passes] = WHOLE.exec(passwordHash) ?? [];
    if (memory === undefined) return UNKNOWN_HASH;
    return Number(memory) * Number(passes) <= MAX_WORK
      ? undefined
      : 'takes too much memory or too many passes of argon2id';
  },
  load,
  verify: async (passwordHash, password) => (await load()).verify(passwordHash, password),
};

/** For passwords that people choose; takes tens of milliseconds of a core. */
export async function hashChosen(password: string): Promise<string> {
  return (await load()).hash(password, COST);
}
