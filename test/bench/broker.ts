/**
 * An MQTT broker (aedes) as a process of its own. `asking HOST:PORT` is the embedded one, which asks dockhook. `classic
 * PASSWORD_FILE` decides by itself, for the classic design: by a password file of Mosquitto, and the same rules for topics
 * as its ACL file has.
 */
import { pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';
import { startBroker } from '../../src/trial-broker/broker.js';
import { matches } from '../../src/trial-broker/topic-filter.js';
import { BACKEND, BACKEND_TOPICS, DOCK_TOPICS } from './classic-rules.js';

const [kind, argument = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

/** Of each account; see {@link isRight}. */
let hashes: Map<string, string>;

/** PBKDF2 with HMAC-SHA-512, as `$7$iterations$salt$hash`. Not in another thread: it takes less than going there. */
function isRight(username: string, password: Buffer): boolean {
  const [, , iterations, salt = '', hash = ''] = hashes.get(username)?.split('$') ?? [];
  if (iterations === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const salted = Buffer.from(salt, 'base64');
  const given = pbkdf2Sync(password, salted, Number(iterations), expected.length, 'sha512');
  return timingSafeEqual(given, expected);
}

function may(username: string | undefined, action: 'publish' | 'subscribe', topic: string): boolean {
  if (username === undefined) return false;
  const rules = username === BACKEND ? BACKEND_TOPICS : DOCK_TOPICS;
  return rules[action].some((rule) => matches(rule.replace('%u', username), topic));
}

async function startClassic(): Promise<number> {
  const lines = readFileSync(argument, 'utf8').trimEnd().split('\n');
  hashes = new Map(lines.map((line) => line.split(':') as [string, string]));
  const usernames = new WeakMap<object, string>();
  const aedes = await Aedes.createBroker({
    authenticate(client, username = '', password = Buffer.alloc(0), done) {
      const allowed = isRight(username, password);
      if (allowed) usernames.set(client, username);
      done(null, allowed);
    },
    authorizePublish(client, { topic }, done) {
      const username = client === null ? undefined : usernames.get(client);
      done(may(username, 'publish', topic) ? null : new Error(`${username} may not publish on ${topic}`));
    },
    authorizeSubscribe(client, subscription, done) {
      done(null, may(usernames.get(client), 'subscribe', subscription.topic) ? subscription : null);
    },
  });
  const server = createServer({ noDelay: true }, aedes.handle);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function startAsking(): Promise<number> {
  const { port } = await startBroker({
    listen: { host: '127.0.0.1', port: 0 },
    exhook: argument,
    onError: (error) => {
      console.error(error.message);
    },
  });
  return port;
}

process.send!({ port: await (kind === 'asking' ? startAsking() : startClassic()) });
