/** `client.authenticate`: what a client must pass to connect. */
import type { AccessEvent, Reason, Tell } from '../events.js';
import type { Client, Hooks } from '../hooks.js';
import type { Account, Accounts } from '../stores/types.js';
import { storeBudget, type Within } from '../time-limits.js';
import { claimRefusal } from './client-id-claims.js';
import { disabledOrExpired } from './expiry.js';
import type { GatewayOwners } from './gateway-owners.js';
import type { PasswordChecks, PasswordResult } from './password-checks.js';
import { clientNames, failureRefusal, wrongCertificate, type Refusal, type TellRefusal } from './refusal.js';
import { createTicks, startDelay } from './refusal-delay.js';
import { isUnsafeClientId, isUnsafeName } from './unsafe-names.js';
import { ownGateways } from './topic-rules.js';

interface ConnectOptions {
  accounts: Accounts;
  owners: GatewayOwners;
  passwords: PasswordChecks;
  unknownAccounts: 'deny' | 'ignore';
  tell: Tell;
  tellRefusal: TellRefusal;
  now: () => number;
}

/** A client that names an account which exists. */
interface Attempt {
  account: Account;
  client: Client;
  password: string;
  within: Within;
  /** Resolves when the time for checking the password is over. */
  checkOver: () => Promise<void>;
}

/** The hook delays each refusal, so that its time does not tell whether the account exists. */
export function createConnect(options: ConnectOptions): Hooks['authenticate'] {
  const { accounts, owners, passwords, unknownAccounts, tell, tellRefusal, now } = options;
  const ticks = createTicks();

  async function findAccount(client: Client, within: Within): Promise<Account | Refusal> {
    if (client.username === '') return { reason: 'no_username' };
    if (isUnsafeName(client.username) || isUnsafeClientId(client.clientId)) return { reason: 'unsafe_name' };
    return (await within(accounts.get(client.username))) ?? { reason: 'unknown_account' };
  }

  /** The order matters: only a client with the right password may make us look up who owns an SN. */
  async function check({
    account,
    client,
    password,
    within,
    checkOver,
  }: Attempt): Promise<Reason | undefined> {
    return (
      disabledOrExpired(account, now()) ??
      wrongCertificate(account, client.certificateCn) ??
      PASSWORD_REASONS[await passwords.check(account, password, client.peerHost, checkOver)] ??
      (await claimRefusal(account, client.clientId, { accounts, owners, within }))
    );
  }

  return async (client, password) => {
    const { peerHost, peerPort, node } = client;
    const about = { step: 'authenticate', ...clientNames(client), peerHost, peerPort, node } as const;
    const within = storeBudget();
    const delay = startDelay(ticks, passwords.checkMs);
    const found = await findAccount(client, within).catch(failureRefusal);
    delay.accountRead();
    const refusal =
      'reason' in found
        ? found
        : await check({ account: found, client, password, within, checkOver: delay.checkOver }).then(
            (reason) => reason && { reason },
            failureRefusal,
          );
    if (refusal === undefined) {
      // V8 takes five times as long to make, and to read, a literal that begins with a spread.
      tell({ outcome: 'ok', ...about, ...onlyGateway(found, client) });
      return true;
    }
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') {
      tell({ outcome: 'passed', ...about, ...refusal });
      return 'ignore';
    }
    tellRefusal({ ...about, ...refusal, ...onlyGateway(found, client) }, client.peerHost);
    await delay.over();
    return false;
  };
}

const PASSWORD_REASONS: Record<PasswordResult, Reason | undefined> = {
  right: undefined,
  wrong: 'wrong_password',
  throttled: 'too_many_wrong_passwords',
  overloaded: 'overloaded',
};

/** The gateway that a connect is for, if account and client id leave no choice. */
function onlyGateway(found: Account | Refusal, { clientId }: Client): Pick<AccessEvent, 'gateway'> {
  if ('reason' in found) return {};
  const [gateway, another] = ownGateways(found.scope, clientId);
  return gateway === undefined || another !== undefined ? {} : { gateway };
}
