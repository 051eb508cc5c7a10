/**
 * Who may do what at a broker of the classic design: a password file and an ACL file. Mosquitto checks PBKDF2 with
 * HMAC-SHA-512 and 101 iterations at each connect (as mosquitto_passwd writes them); dockhook checks a generated password's
 * salted SHA-256 when it meets it first, and a keyed digest from then on. Either takes less than a tenth of a millisecond,
 * so neither side has the easier check.
 */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The account of the client that answers. */
export const BACKEND = 'backend';

interface Topics {
  publish: string[];
  subscribe: string[];
}

/**
 * `%u` is the username, which is the SN. What docks do beside their requests is not in it: such a file would have to name
 * each dock's drone, and Mosquitto would look through all of that at each connect.
 */
export const DOCK_TOPICS: Topics = {
  publish: ['thing/product/%u/requests', 'thing/product/%u/osd', 'sys/product/%u/status'],
  subscribe: ['thing/product/%u/requests_reply', 'thing/product/%u/services', 'sys/product/%u/status_reply'],
};

export const BACKEND_TOPICS: Topics = {
  publish: ['thing/product/+/requests_reply'],
  subscribe: ['thing/product/+/requests'],
};

/** In bytes, but for the iterations. */
const HASH = { iterations: 101, salt: 12, length: 64 };

/** `$7$iterations$salt$hash` */
function hashForMosquitto(password: string): string {
  const salt = randomBytes(HASH.salt);
  const hash = pbkdf2Sync(password, salt, HASH.iterations, HASH.length, 'sha512');
  return `$7$${HASH.iterations}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

/** Files as Mosquitto reads them. */
export interface AccessFiles {
  passwords: string;
  acl: string;
  remove(): void;
}

/** For these accounts and {@link BACKEND}, all with one password. */
export function writeAccessFiles(usernames: readonly string[], password: string): AccessFiles {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-classic-'));
  const [passwords, acl] = [join(directory, 'passwords'), join(directory, 'acl')];
  writeFileSync(
    passwords,
    [...usernames, BACKEND].map((name) => `${name}:${hashForMosquitto(password)}\n`).join(''),
  );
  const rules = (word: string, { publish, subscribe }: Topics): string[] => [
    ...publish.map((topic) => `${word} write ${topic}`),
    ...subscribe.map((topic) => `${word} read ${topic}`),
  ];
  const lines = [...rules('pattern', DOCK_TOPICS), `user ${BACKEND}`, ...rules('topic', BACKEND_TOPICS)];
  writeFileSync(acl, `${lines.join('\n')}\n`);
  return {
    passwords,
    acl,
    remove: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
