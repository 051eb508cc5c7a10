/** The accounts that a probe works with: made for it, expiring soon, and removed whatever happens. */
import { randomBytes, randomInt } from 'node:crypto';
import { PROBE_ACCOUNT } from '../../access/safe-names.js';
import { generatePassword } from '../../access/new-passwords.js';
import { hashGenerated } from '../../password-hashes/index.js';
import { INVENTED_SERIAL_NUMBER } from '../../topics.js';
import { DockhookError, hasCode, messageOf } from '../../errors.js';
import type { Accounts, Scope } from '../../stores/types.js';
import { findingText, type Finding } from '../../finding.js';
import type { ProbeOptions } from './probe.js';

/** For a probe that was killed: longer than any takes. */
const EXPIRES_MS = 5 * 60_000;

/** An SN that no device has. */
export function inventedSerialNumber(): string {
  const letters = 'ABCDEFGHJKMNPQRSTUVWXYZ23456789';
  const tail = Array.from({ length: 12 }, () => letters.charAt(randomInt(letters.length))).join('');
  return `${INVENTED_SERIAL_NUMBER}${tail}`;
}

/** Runs the work with an account for a dock of its own and one that watches it. */
export async function withProbeAccounts(
  accounts: Accounts,
  foreign: string,
  work: (made: Pick<ProbeOptions, 'dock' | 'watcher'>) => Promise<Finding[]>,
): Promise<Finding[]> {
  const gateway = inventedSerialNumber();
  const id = randomBytes(6).toString('hex');
  const made: string[] = [];
  const make = async (name: string, scope: Scope): Promise<{ username: string; password: string }> => {
    const password = generatePassword();
    const now = Date.now();
    // Before it is there: it must go also if only the answer to the adding was lost.
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
      // There is nothing to remove, and a role that may not add may not remove either.
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
    what: `the account ${name} could not be removed (${messageOf(error)})`,
    why: 'it lets in nobody after five minutes, and stays in the list',
    fix: [`dockhook account remove ${name}`],
  };
}
