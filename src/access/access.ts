/**
 * Who may connect, and what they may publish and subscribe. Owns passwords, certificates and scopes;
 * knows DJI's topic names but not its messages. In doubt the answer is no.
 */
import { storeBudget, type Within } from '../budget.js';
import type { Asker } from '../dock/requests.js';
import { hasCode, messageOf } from '../errors.js';
import type { AccessEvent, Reason, Tell } from '../events.js';
import type { Action, Client, Hooks, Verdict } from '../hooks.js';
import type { Account, Accounts, Bindings } from '../stores/types.js';
import { createThrottle } from '../throttle.js';
import { createLastRead } from './last-read.js';
import { isUnsafeName } from './names.js';
import type { PasswordChecks, PasswordResult } from './password-checks.js';
import { gatewaysOf, isOwnGateway, judge } from './scope.js';

export interface AccessOptions {
  accounts: Accounts;
  bindings: Bindings;
  passwords: PasswordChecks;
  /** What to answer for an account that does not exist: no, or "let the broker's other rules decide". */
  unknownAccounts: 'deny' | 'ignore';
  tell: Tell;
  /** Wall clock in milliseconds, for expiry dates. */
  now?: () => number;
}

export interface Access extends Pick<Hooks, 'authenticate' | 'authorize'> {
  askerOf(client: { username: string; clientId: string }, gateway: string, within: Within): Promise<Asker>;
  /** Whether an account lists this SN as its gateway, or a device was bound through it. */
  isGateway(sn: string, within: Within): Promise<boolean>;
}

/** A refusal's reason, or `undefined` for yes. */
type Refusal = Reason | undefined;

const passwordReasons: Record<PasswordResult, Refusal> = {
  right: undefined,
  wrong: 'wrong_password',
  overloaded: 'overloaded',
  throttled: 'too_many_wrong_passwords',
};

/** Unknown names from one address, before they are only counted: a hundred a minute. */
const UNKNOWN_NAMES = { burst: 100, refillMs: 600 };

export function createAccess(options: AccessOptions): Access {
  const { accounts, bindings, passwords, unknownAccounts, tell, now = Date.now } = options;
  const unknownNames = createThrottle(UNKNOWN_NAMES.burst, UNKNOWN_NAMES.refillMs);
  const lastAccounts = createLastRead<Account | undefined>();
  const lastDroneRefusals = createLastRead<Refusal>();

  /** Why an account may not be used at all, whatever it wants. */
  function standing(account: Account, certificateCn: string | undefined): Refusal {
    if (account.disabled) return 'disabled';
    // Not `<`: a date that cannot be read compares as false either way, and must mean "expired".
    if (account.expiresAt !== undefined && !(Date.parse(account.expiresAt) > now())) return 'expired';
    if (certificateCn !== undefined && account.certificateCn !== undefined) {
      return account.certificateCn === certificateCn ? undefined : 'wrong_certificate';
    }
    return undefined;
  }

  async function refusalOfConnect(client: Client, password: string): Promise<Refusal> {
    if (client.username === '') return 'no_username';
    if (isUnsafeName(client.username) || isUnsafeName(client.clientId)) return 'unsafe_name';
    const account = await storeBudget()(accounts.get(client.username));
    lastAccounts.note(client.username, account);
    if (!account) return 'unknown_account';
    const refusal = standing(account, client.certificateCn);
    if (refusal) return refusal;
    return passwordReasons[await passwords.check(account, password, client.peerHost)];
  }

  async function authenticate(client: Client, password: string): Promise<Verdict> {
    const arrival = performance.now();
    const about = { step: 'authenticate', ...names(client), peerHost: client.peerHost } as const;
    const refusal = await orReason(refusalOfConnect(client, password));
    if (!refusal.reason) {
      tell({ ...about, outcome: 'ok' });
      return true;
    }
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') {
      tell({ ...about, outcome: 'passed', reason: 'unknown_account' });
      return 'ignore';
    }
    if (refusal.reason === 'unknown_account' && !unknownNames.take(client.peerHost)) {
      refusal.reason = 'too_many_unknown_names';
    }
    tell({ ...about, outcome: 'refused', ...refusal });
    if (refusal.reason !== 'overloaded') await until(arrival + passwords.refusalDelayMs());
    return false;
  }

  /** The account, or what was last known of it while the store is away. */
  function recall(username: string, within: Within): Promise<Account | undefined> {
    return lastAccounts.read(username, () => within(accounts.get(username)));
  }

  async function isGateway(sn: string, within: Within): Promise<boolean> {
    const [listed, bound] = await within(Promise.all([accounts.listsGateway(sn), bindings.hasGateway(sn)]));
    return listed || bound;
  }

  async function refusalOfDrone(account: Account, clientId: string, sn: string, within: Within) {
    if (await isGateway(sn, within)) return 'foreign_gateway';
    const own = gatewaysOf(account.scope, clientId);
    const bound = await within(bindings.getMany([sn, ...own]));
    const binding = bound.get(sn);
    if (!binding || own.includes(binding.gateway)) return undefined;
    const sameOrganization = own.some(
      (gateway) => bound.get(gateway)?.organizationId === binding.organizationId,
    );
    return sameOrganization ? undefined : 'foreign_organization';
  }

  async function refusalOf(client: Client, action: Action, topic: string): Promise<Refusal> {
    if (client.username === '') return 'no_username';
    const within = storeBudget();
    const account = await recall(client.username, within);
    if (!account) return 'unknown_account';
    const refusal = standing(account, client.certificateCn);
    if (refusal) return refusal;
    const judgement = judge(account.scope, client.clientId, action, topic);
    if (judgement === 'yes') return undefined;
    if (judgement === 'no') return 'not_in_scope';
    const key = JSON.stringify([account.name, client.clientId, judgement.drone]);
    return lastDroneRefusals.read(key, () =>
      refusalOfDrone(account, client.clientId, judgement.drone, within),
    );
  }

  async function authorize(client: Client, action: Action, topic: string): Promise<Verdict> {
    const refusal = await orReason(refusalOf(client, action, topic));
    if (!refusal.reason) return true;
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') return 'ignore';
    tell({ step: 'authorize', outcome: 'refused', ...names(client), action, topic, ...refusal });
    return false;
  }

  async function askerOf(client: { username: string; clientId: string }, gateway: string, within: Within) {
    const account = await recall(client.username, within);
    if (!account) return unknownAccounts === 'ignore' ? 'not_ours' : 'stranger';
    // A message does not carry the certificate; it was compared when the session asked to publish.
    if (standing(account, undefined)) return 'stranger';
    if (account.scope.kind === 'service') return 'service';
    return isOwnGateway(account.scope, client.clientId, gateway) ? 'dock' : 'stranger';
  }

  return { authenticate, authorize, askerOf, isGateway };
}

function names(client: Client): Pick<AccessEvent, 'clientId' | 'account'> {
  return { clientId: client.clientId, account: client.username };
}

/** Turns a failure into the reason to refuse. */
async function orReason(decision: Promise<Refusal>): Promise<{ reason?: Reason; detail?: string }> {
  try {
    const reason = await decision;
    return reason ? { reason } : {};
  } catch (error) {
    const reason =
      hasCode(error, 'store_unavailable') || hasCode(error, 'bad_row') ? error.code : 'internal_error';
    return { reason, detail: messageOf(error) };
  }
}

async function until(time: number): Promise<void> {
  const left = time - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
