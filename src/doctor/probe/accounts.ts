/** The accounts that are made for a probe: they expire soon, and are removed whatever happens. */
import { removeAccount } from '../../fixes.js';
import { randomBytes, randomInt } from 'node:crypto';
import { PROBE_ACCOUNT } from '../../access/unsafe-names.js';
import { generatePassword } from '../../access/generate-password.js';
import { hashGenerated } from '../../password-hashes/index.js';
import { INVENTED_SERIAL_NUMBER } from '../../serial-number.js';
import { DockhookError, hasCode, messageOf } from '../../errors.js';
import type { Accounts, Scope } from '../../stores/types.js';
import { findingText, type Finding } from '../../finding.js';
import type { ConnectOptions } from './connects.js';

/** Longer than any probe takes. If one is killed, nobody removes its accounts. */
const EXPIRES_MS = 5 * 60_000;

/** An SN that no device has. */
export function inventSerialNumber(): string {
  const letters = 'ABCDEFGHJKMNPQRSTUVWXYZ23456789';
  const tail = Array.from({ length: 12 }, () => letters.charAt(randomInt(letters.length))).join('');
  return `${INVENTED_SERIAL_NUMBER}${tail}`;
}

/** Runs the work with an account for an invented dock, and one that watches it. */
export async function withProbeAccounts(
  accounts: Accounts,
  foreign: string,
  work: (made: Pick<ConnectOptions, 'dock' | 'watcher'>) => Promise<Finding[]>,
): Promise<Finding[]> {
  const gateway = inventSerialNumber();
  const id = randomBytes(6).toString('hex');
  const made: string[] = [];
  const make = async (name: string, scope: Scope): Promise<{ username: string; password: string }> => {
    const password = generatePassword();
    const now = Date.now();
    // Before it is added: if only the answer is lost, it must be removed all the same.
    made.push(name);
    const account = {
      name,
      passwordHash: hashGenerated(password),
      scope,
      expiresAt: new Date(now + EXPIRES_MS).toISOString(),
      createdAt: new Date(now).toISOString(),
      note: 'made by dockhook doctor --probe',
    };
    await accounts.add(account).catch((error: unknown) => {
      // Nothing was added, and a role that may not add may not remove.
      if (hasCode(error, 'store_refused')) made.pop();
      throw error;
    });
    return { username: name, password };
  };
  const left: Finding[] = [];
  const removeAll = async (): Promise<void> => {
    for (const name of made) {
      await accounts.remove(name).catch((error: unknown) => {
        if (!hasCode(error, 'not_found')) left.push(leftBehind(name, error));
      });
    }
  };
  try {
    const dock = await make(`${PROBE_ACCOUNT}${id}`, { kind: 'gateways', gateways: [gateway] });
    const subscribe = [gateway, foreign].map((sn) => `thing/product/${sn}/#`);
    const watcher = await make(`${PROBE_ACCOUNT}${id}-watcher`, { kind: 'service', publish: [], subscribe });
    const findings = await work({ dock: { ...dock, gateway }, watcher });
    await removeAll();
    return [...findings, ...left];
  } catch (error) {
    await removeAll();
    const more = left.map((finding) => `; ${findingText(finding)}`).join('');
    throw new DockhookError('failed', `${messageOf(error)}${more}`, { cause: error });
  }
}

function leftBehind(name: string, error: unknown): Finding {
  return {
    level: 'warning',
    code: 'probe_account_left',
    what: `the probe could not remove its account ${name} (${messageOf(error)})`,
    why: 'it expires after five minutes, but stays in the list of accounts',
    fix: [removeAccount(name)],
  };
}
