/**
 * Password hashes that were made elsewhere: those of EMQX's authenticators, as `password_hash_algorithm`
 * describes them (EMQX 5.x, "Password hash"). Each is one text that says how it is to be verified:
 *
 * - `$2b$10$…` (also `$2a$`, `$2y$`): bcrypt, as it is everywhere; reads 72 bytes of a password;
 * - `$emqx-pbkdf2$sha256$4096$salt$digest`: mac_fun and iterations; dk_length is the digest's;
 * - `$emqx-hash$sha256$prefix$salt$digest`: salt_position `prefix` or `suffix`; an empty salt is `disable`.
 *
 * Salt and digest are hexadecimal, so that SQL can make the text of EMQX's columns. All are passwords that
 * people chose, whatever the hash costs. What costs too much is refused: one row must not stall the server.
 */
import { createHash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { verify } from '@node-rs/bcrypt';

/**
 * Erlang's names and OpenSSL's, the length of a digest in bytes, and the most rounds of PBKDF2 (iterations
 * times blocks of the digest). md4, md5 and ripemd160 are not taken.
 *
 * Measured on an idle core (AMD EPYC, with SHA extensions): 0.2 s for 1,000,000 rounds up to sha256, 0.5 s
 * for as many of sha384 and sha512, hence half of them. On a busy machine up to three times that.
 */
const DIGESTS: Readonly<Record<string, { name: string; bytes: number; maxRounds: number }>> = {
  sha: { name: 'sha1', bytes: 20, maxRounds: 1_000_000 },
  sha224: { name: 'sha224', bytes: 28, maxRounds: 1_000_000 },
  sha256: { name: 'sha256', bytes: 32, maxRounds: 1_000_000 },
  sha384: { name: 'sha384', bytes: 48, maxRounds: 500_000 },
  sha512: { name: 'sha512', bytes: 64, maxRounds: 500_000 },
};

/** 0.24 s of the same core, and up to 0.7 s of a busy one. EMQX's own limit is 10. */
const MAX_BCRYPT_COST = 12;
/** Shorter ones are found by trying. */
const MIN_DERIVED_BYTES = 16;
const MAX_DERIVED_BYTES = 64;
/** What bcrypt reads of a password. */
const BCRYPT_BYTES = 72;
/** Of the digests with the shortest. */
const HMAC_BLOCK_BYTES = 64;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const HEX = '((?:[0-9a-f]{2})*)';
const PBKDF2 = new RegExp(`^\\$emqx-pbkdf2\\$([a-z0-9]+)\\$([1-9]\\d{0,8})\\$${HEX}\\$${HEX}$`);
const SALTED = new RegExp(`^\\$emqx-hash\\$([a-z0-9]+)\\$(prefix|suffix)\\$${HEX}\\$${HEX}$`);

/** How EMQX's authenticator makes its hashes, in EMQX's words. */
export interface EmqxAlgorithm {
  /** `bcrypt`, `pbkdf2`, or the name of a digest. */
  name: string;
  saltPosition: string;
  macFun: string;
  iterations: string;
}

/** The stored form of what EMQX's table has; to be judged by {@link foreignFault}. */
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

/** Whether a hash was made elsewhere. */
export function isForeign(passwordHash: string): boolean {
  return /^\$(2[aby]|emqx-hash|emqx-pbkdf2)\$/.test(passwordHash);
}

/** Why a hash of {@link isForeign} cannot be used, or `undefined` if it can. Does not quote it. */
export function foreignFault(passwordHash: string): string | undefined {
  const bcrypt = BCRYPT.exec(passwordHash);
  if (bcrypt) {
    const cost = Number(bcrypt[1]);
    return cost >= 4 && cost <= MAX_BCRYPT_COST
      ? undefined
      : `has a bcrypt cost beyond 4 to ${MAX_BCRYPT_COST}`;
  }
  const salted = SALTED.exec(passwordHash);
  if (salted) {
    const [, name = '', , , digest = ''] = salted;
    const known = DIGESTS[name];
    if (known === undefined) return digestFault(name);
    return digest.length === 2 * known.bytes ? undefined : `is not as long as ${name} makes it`;
  }
  const derived = PBKDF2.exec(passwordHash);
  if (derived === null) return 'is not a hash of a kind that dockhook knows';
  const [, macFun = '', iterations, , digest = ''] = derived;
  const mac = DIGESTS[macFun];
  if (mac === undefined) return digestFault(macFun);
  const bytes = digest.length / 2;
  if (bytes < MIN_DERIVED_BYTES || bytes > MAX_DERIVED_BYTES) {
    return `is not ${MIN_DERIVED_BYTES} to ${MAX_DERIVED_BYTES} bytes long`;
  }
  const rounds = Number(iterations) * Math.ceil(bytes / mac.bytes);
  return rounds <= mac.maxRounds
    ? undefined
    : `takes more than ${mac.maxRounds} rounds of PBKDF2 with ${macFun}`;
}

function digestFault(name: string): string {
  return `uses ${name}; dockhook takes ${Object.keys(DIGESTS).join(', ')}`;
}

/** Takes as long as the hash says. Rejects if {@link foreignFault} has something against it. */
export async function verifyForeign(passwordHash: string, password: string): Promise<boolean> {
  const fault = foreignFault(passwordHash);
  if (fault !== undefined) throw new Error(`the hash ${fault}`);
  const salted = SALTED.exec(passwordHash);
  if (salted) {
    const [, name = '', position, salt = '', digest = ''] = salted;
    const parts = [Buffer.from(salt, 'hex'), Buffer.from(password)];
    if (position === 'suffix') parts.reverse();
    const actual = createHash(digestName(name)).update(Buffer.concat(parts)).digest();
    return timingSafeEqual(actual, Buffer.from(digest, 'hex'));
  }
  const derived = PBKDF2.exec(passwordHash);
  if (derived) {
    const [, macFun = '', iterations, salt = '', digest = ''] = derived;
    const expected = Buffer.from(digest, 'hex');
    const derive = promisify(pbkdf2);
    const saltBytes = Buffer.from(salt, 'hex');
    const actual = await derive(password, saltBytes, Number(iterations), expected.length, digestName(macFun));
    return timingSafeEqual(actual, expected);
  }
  return verify(password, passwordHash);
}

/**
 * Whether a password that was right may become the account's hash in our format. Not if the old hash takes others
 * as well, for the docks may have one of those: bcrypt reads 72 bytes, and a NUL in them begins the password anew;
 * PBKDF2 (HMAC) takes one that ends with NULs for one that does not, and one longer than a block for its digest.
 */
export function mayReplace(passwordHash: string, password: string): boolean {
  if (!isForeign(passwordHash)) return false;
  const bytes = Buffer.byteLength(password);
  if (BCRYPT.test(passwordHash)) return bytes <= BCRYPT_BYTES && !password.includes('\0');
  return SALTED.test(passwordHash) || (bytes <= HMAC_BLOCK_BYTES && !password.includes('\0'));
}

function digestName(name: string): string {
  return DIGESTS[name]?.name ?? '';
}
