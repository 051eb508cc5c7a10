/**
 * The other hashes of EMQX's authenticators, as `password_hash_algorithm` describes them (EMQX 5.x, "Password hash"):
 *
 * - `$emqx-pbkdf2$sha256$4096$salt$digest`: mac_fun and iterations; dk_length is the length of the digest;
 * - `$emqx-hash$sha256$prefix$salt$digest`: salt_position `prefix` or `suffix`; an empty salt is `disable`.
 *
 * Salt and digest are hexadecimal, so that SQL can make the text from EMQX's columns.
 */
import { createHash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { UNKNOWN_HASH, type SlowAlgorithm } from './algorithm.js';

/**
 * Erlang's names and OpenSSL's, the length of a digest in bytes, and the most rounds of PBKDF2 (iterations
 * times blocks of the digest). We do not take md4, md5 and ripemd160.
 *
 * Measured on an idle core (AMD EPYC, with SHA extensions): 0.2 s for 1,000,000 rounds up to sha256, 0.5 s
 * for as many of sha384 and sha512, hence half of them. On a busy machine up to three times that.
 */
const DIGESTS: ReadonlyMap<string, { name: string; bytes: number; maxRounds: number }> = new Map([
  ['sha', { name: 'sha1', bytes: 20, maxRounds: 1_000_000 }],
  ['sha224', { name: 'sha224', bytes: 28, maxRounds: 1_000_000 }],
  ['sha256', { name: 'sha256', bytes: 32, maxRounds: 1_000_000 }],
  ['sha384', { name: 'sha384', bytes: 48, maxRounds: 500_000 }],
  ['sha512', { name: 'sha512', bytes: 64, maxRounds: 500_000 }],
]);

/** Shorter ones can be found by trying. */
const MIN_DERIVED_BYTES = 16;
const MAX_DERIVED_BYTES = 64;
/** The block of sha256 and shorter digests. HMAC takes a longer password for the digest of it. */
const HMAC_BLOCK_BYTES = 64;

const HEX = '((?:[0-9a-f]{2})*)';
const PBKDF2 = new RegExp(`^\\$emqx-pbkdf2\\$([a-z0-9]+)\\$([1-9]\\d{0,8})\\$${HEX}\\$${HEX}$`);
const SALTED = new RegExp(`^\\$emqx-hash\\$([a-z0-9]+)\\$(prefix|suffix)\\$${HEX}\\$${HEX}$`);

/** Takes digests of the SHA family, and a limited number of rounds; see {@link DIGESTS}. */
export const emqxPbkdf2: SlowAlgorithm = {
  prefixes: ['$emqx-pbkdf2$'],
  passwordKind: 'imported',
  speed: 'slow',
  fault(passwordHash) {
    const [, macFun, iterations, , digest = ''] = PBKDF2.exec(passwordHash) ?? [];
    if (macFun === undefined) return UNKNOWN_HASH;
    const mac = DIGESTS.get(macFun);
    if (mac === undefined) return unknownDigest(macFun);
    const bytes = digest.length / 2;
    if (bytes < MIN_DERIVED_BYTES || bytes > MAX_DERIVED_BYTES) {
      return `is not ${MIN_DERIVED_BYTES} to ${MAX_DERIVED_BYTES} bytes long`;
    }
    const rounds = Number(iterations) * Math.ceil(bytes / mac.bytes);
    return rounds <= mac.maxRounds
      ? undefined
      : `takes more than ${mac.maxRounds} rounds of PBKDF2 with ${macFun}`;
  },
  async verify(passwordHash, password) {
    const [, macFun = '', iterations, salt = '', digest = ''] = PBKDF2.exec(passwordHash) ?? [];
    const expected = Buffer.from(digest, 'hex');
    const actual = await promisify(pbkdf2)(
      password,
      Buffer.from(salt, 'hex'),
      Number(iterations),
      expected.length,
      DIGESTS.get(macFun)?.name ?? '',
    );
    return timingSafeEqual(actual, expected);
  },
  // HMAC takes a password that ends with NULs for one that does not.
  mayReplace: (_passwordHash, password) =>
    Buffer.byteLength(password) <= HMAC_BLOCK_BYTES && !password.includes('\0'),
};

/** One plain digest of salt and password. Takes the SHA family only. */
export const emqxSalted: SlowAlgorithm = {
  prefixes: ['$emqx-hash$'],
  passwordKind: 'imported',
  speed: 'slow',
  fault(passwordHash) {
    const [, name, , , digest = ''] = SALTED.exec(passwordHash) ?? [];
    if (name === undefined) return UNKNOWN_HASH;
    const known = DIGESTS.get(name);
    if (known === undefined) return unknownDigest(name);
    return digest.length === 2 * known.bytes ? undefined : `is not as long as ${name} makes it`;
  },
  // A promise, although it takes no time: people chose these passwords, so guesses must wait in the queue.
  verify(passwordHash, password) {
    const [, name = '', position, salt = '', digest = ''] = SALTED.exec(passwordHash) ?? [];
    const parts = [Buffer.from(salt, 'hex'), Buffer.from(password)];
    if (position === 'suffix') parts.reverse();
    const actual = createHash(DIGESTS.get(name)?.name ?? '')
      .update(Buffer.concat(parts))
      .digest();
    return Promise.resolve(timingSafeEqual(actual, Buffer.from(digest, 'hex')));
  },
  mayReplace: () => true,
};

/** How EMQX's authenticator makes its hashes, in EMQX's words. */
export interface EmqxAlgorithm {
  /** `bcrypt`, `pbkdf2`, or the name of a digest. */
  name: string;
  saltPosition: string;
  macFun: string;
  iterations: string;
}

/** How we store what EMQX's table has. `hashFault` says whether it can be used. */
export function fromEmqx(algorithm: EmqxAlgorithm, salt: string, passwordHash: string): string {
  const { name, saltPosition, macFun, iterations } = algorithm;
  if (name === 'bcrypt') return passwordHash;
  const digest = passwordHash.toLowerCase();
  const salted = Buffer.from(saltPosition === 'disable' ? '' : salt).toString('hex');
  if (name === 'pbkdf2') {
    return `$emqx-pbkdf2$${macFun}$${iterations}$${Buffer.from(salt).toString('hex')}$${digest}`;
  }
  return `$emqx-hash$${name}$${saltPosition === 'suffix' ? 'suffix' : 'prefix'}$${salted}$${digest}`;
}

function unknownDigest(name: string): string {
  return `uses ${name}; dockhook takes ${[...DIGESTS.keys()].join(', ')}`;
}
