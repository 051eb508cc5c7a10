/** bcrypt, as it is everywhere: `$2a$`, `$2b$` and `$2y$`. It reads 72 bytes of a password. */
import { UNKNOWN_HASH, type SlowAlgorithm } from './algorithm.js';

const WHOLE = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** 0.24 s of an idle core, up to 0.7 s of a busy one. EMQX's own limit is 10. */
const MAX_COST = 12;
const BYTES_READ = 72;

const load = () => import('@node-rs/bcrypt');

/** Takes costs from 4 to 12. */
export const bcrypt: SlowAlgorithm = {
  prefixes: ['$2a$', '$2b$', '$2y$'],
  passwordKind: 'imported',
  speed: 'slow',
  fault(passwordHash) {
    const [, cost] = WHOLE.exec(passwordHash) ?? [];
    if (cost === undefined) return UNKNOWN_HASH;
    return Number(cost) >= 4 && Number(cost) <= MAX_COST
      ? undefined
      : `has a bcrypt cost beyond 4 to ${MAX_COST}`;
  },
  load,
  verify: async (passwordHash, password) => (await load()).verify(password, passwordHash),
  // A NUL among the bytes it reads begins the password anew.
  mayReplace: (_passwordHash, password) =>
    Buffer.byteLength(password) <= BYTES_READ && !password.includes('\0'),
};
