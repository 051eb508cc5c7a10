/**
 * Who may connect, and what they may publish and subscribe. Owns passwords, certificates and scopes;
 * knows DJI's topic names but not its messages. In doubt the answer is no.
 */
import type { Asker, Askers } from '../publisher.js';
import { storeBudget, type Within } from '../time-limits.js';
import { storeFault, traceOf } from '../errors.js';
import type { AccessEvent, Reason, Tell } from '../events.js';
import type { Action, Client, Hooks, Verdict } from '../hooks.js';
import type { Account, Accounts, Bindings } from '../stores/types.js';
import { createThrottle } from '../throttle.js';
import { createClaims } from './claims.js';
import { createDepartures, TICK_MS, type Departure } from './refusal-delay.js';
import { createLastRead, type LastRead } from './last-read.js';
import { isUnsafeClientId, isUnsafeName } from './safe-names.js';
import type { PasswordChecks } from './password-checks.js';
import { clientNetwork } from '../client-network.js';
import { ownGateways, isOwnGateway, judge, serialNumbersIn } from './topic-rules.js';
import { disabledOrExpired } from './expiry.js';

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

export type Access = Askers & Pick<Hooks, 'authenticate' | 'authorize'>;

/** Why not, or `undefined` for yes. */
type Refusal = Reason | undefined;

/** Refusals from one place, before they are only counted and not logged: a hundred a minute. */
const LOGGED_REFUSALS = { burst: 100, refillMs: 600 };
/** SNs remembered per account: a dock asks about its drone, and nobody can push out those of another account. */
const SERIAL_NUMBERS_PER_ACCOUNT = 200;
const MAX_ACCOUNTS = 50_000;
/** In which an account is read, in milliseconds; a refusal is held back for so much longer. */
const READ_MS = 100;

export function createAccess(options: AccessOptions): Access {
  const { accounts, bindings, passwords, unknownAccounts, tell, now = Date.now } = options;
  const loggedRefusals = createThrottle(LOGGED_REFUSALS.burst, LOGGED_REFUSALS.refillMs);
  const departures = createDepartures();
  const claims = createClaims(accounts, bindings, now);
  const lastAccounts = createLastRead<Account>();
  /** Whether an SN that is not listed in the account may be used; by account, then by client id and SN. */
  const lastSerialNumbers = new Map<string, LastRead<{ refusal: Refusal }>>();

  /** Decides about an SN, or answers what was decided last while the store is away. */
  async function refusalOfSerialNumber(
    { name }: Account,
    clientId: string,
    sn: string,
    decide: () => Promise<Refusal>,
  ): Promise<Refusal> {
    const last = lastSerialNumbers.get(name) ?? createLastRead(SERIAL_NUMBERS_PER_ACCOUNT);
    lastSerialNumbers.delete(name);
    lastSerialNumbers.set(name, last);
    const [oldest] = lastSerialNumbers.keys();
    if (lastSerialNumbers.size > MAX_ACCOUNTS && oldest !== undefined) lastSerialNumbers.delete(oldest);
    const decided = await last.read(JSON.stringify([clientId, sn]), async () => ({
      refusal: await decide(),
    }));
    return decided?.refusal;
  }

  function tellRefusal(event: Omit<AccessEvent, 'outcome'>, peerHost: string): void {
    const repeated = !loggedRefusals.take(clientNetwork(peerHost));
    tell({ outcome: 'refused', ...event, ...(repeated ? { repeated } : {}) });
  }

  /** Why an account may not be used at all, whatever it wants. */
  function standing(account: Account, certificateCn: string | undefined): Refusal {
    const refusal = disabledOrExpired(account, now());
    if (refusal) return refusal;
    if (certificateCn !== undefined && account.certificateCn !== undefined) {
      return account.certificateCn === certificateCn ? undefined : 'wrong_certificate';
    }
    return undefined;
  }

  async function isGateway(sn: string, within: Within): Promise<boolean> {
    return (await claims.lookUpGateway(sn, within)).known;
  }

  /**
   * The broker ends a session, or hands it over, when another client comes with its client id: no dock account may
   * come as somebody else's dock. Backends and accounts of any gateway are trusted with that, but not with an id that
   * an account keeps for itself.
   */
  async function refusalOfClientId(account: Account, clientId: string, within: Within): Promise<Refusal> {
    // In the same turn, so that both take one round trip.
    const [kept, refusal] = await Promise.all([
      isKeptFromIt(account, clientId, within),
      refusalOfNamedGateways(account, clientId, within),
    ]);
    return kept ? 'kept_client_id' : refusal;
  }

  async function isKeptFromIt({ scope }: Account, clientId: string, within: Within): Promise<boolean> {
    if (scope.kind === 'service' && scope.clientIds?.includes(clientId)) return false;
    // A dock under its own SN is never refused, and costs no question.
    if (scope.kind === 'gateways' && scope.gateways.includes(clientId)) return false;
    return within(accounts.keepsClientId(clientId));
  }

  async function refusalOfNamedGateways(
    account: Account,
    clientId: string,
    within: Within,
  ): Promise<Refusal> {
    const { name, scope } = account;
    if (scope.kind === 'any-gateway' || scope.kind === 'service') return undefined;
    const named = serialNumbersIn(clientId);
    // Of `SN-TIME`, a second session, nothing tells which part is the SN, until it acts.
    const asks = named.length === 1 ? 'to act' : 'may be named';
    const refusalOf = async (sn: string): Promise<Refusal> => {
      if (scope.kind === 'client-id') return claims.refusalOf(name, sn, within, asks);
      return !isOwnGateway(scope, clientId, sn) && (await isGateway(sn, within))
        ? 'foreign_gateway'
        : undefined;
    };
    const refusals = await Promise.all(named.map(refusalOf));
    return refusals.find((refusal) => refusal !== undefined);
  }

  async function refusalOfDrone(own: string[], sn: string, within: Within): Promise<Refusal> {
    // Asked in the same turn it takes no round trip of its own. Of many gateways, only if it comes to that.
    const early = own.length === 1 ? bindings.getMany(own) : undefined;
    early?.catch(() => undefined);
    const { known, binding } = await claims.lookUpGateway(sn, within);
    if (known) return 'foreign_gateway';
    if (!binding) return undefined;
    const ownBindings = [...(await within(early ?? bindings.getMany(own))).values()];
    if (ownBindings.some(({ organizationId }) => organizationId === binding.organizationId)) return undefined;
    // A gateway that is bound nowhere has the drones it bound; one that an operator moved has lost them.
    const throughOwn =
      own.includes(binding.gateway) && !ownBindings.some(({ sn: bound }) => bound === binding.gateway);
    return throughOwn ? undefined : 'foreign_organization';
  }

  /** The account that a client names, or why there is none to look at. */
  async function readAccount(client: Client, within: Within): Promise<Account | Told> {
    if (client.username === '') return { reason: 'no_username' };
    if (isUnsafeName(client.username) || isUnsafeClientId(client.clientId)) return { reason: 'unsafe_name' };
    const account = await lastAccounts.load(client.username, () => within(accounts.get(client.username)));
    return account ?? { reason: 'unknown_account' };
  }

  async function refusalOfConnect(
    account: Account,
    client: Client,
    password: string,
    { within, patience }: { within: Within; patience: Promise<unknown> },
  ): Promise<Told | undefined> {
    const reason = standing(account, client.certificateCn);
    if (reason) return { reason };
    const wrong = asRefusal(await passwords.check(account, password, client.peerHost, patience));
    if (wrong) return wrong;
    // Only now: who has the password may learn that such an account exists.
    const foreign = await refusalOfClientId(account, client.clientId, within);
    return foreign && { reason: foreign };
  }

  /**
   * All refusals leave as long after their arrival, whatever they are for. Only a read that takes longer than READ_MS
   * shows: the check of a password must have its time then, too.
   */
  function bookRefusal(arrival: number): Departure {
    return departures.book(arrival + READ_MS + passwords.patienceMs() + TICK_MS);
  }

  async function authenticate(client: Client, password: string): Promise<Verdict> {
    const about = { step: 'authenticate', ...names(client), peerHost: client.peerHost } as const;
    const within = storeBudget();
    const arrival = performance.now();
    let departure = bookRefusal(arrival);
    const found = await readAccount(client, within).catch(refusalBy);
    const read = performance.now();
    if (read - arrival > READ_MS) departure = departures.book(read + passwords.patienceMs());
    const refusal =
      'reason' in found
        ? found
        : await refusalOfConnect(found, client, password, { within, patience: departure.decideBy }).catch(
            refusalBy,
          );
    if (refusal === undefined) {
      // A literal that begins with a spread takes V8 five times as long to make, and whoever reads it, too.
      tell({ outcome: 'ok', ...about, ...onlyGateway(found, client) });
      return true;
    }
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') {
      tell({ outcome: 'passed', ...about, ...refusal });
      return 'ignore';
    }
    tellRefusal({ ...about, ...refusal, ...onlyGateway(found, client) }, client.peerHost);
    await departure.leave();
    return false;
  }

  /** The account, or what was last known of it while the store is away. */
  function recall(username: string, within: Within): Promise<Account | undefined> {
    return lastAccounts.read(username, () => within(accounts.get(username)));
  }

  async function refusalOfTopic(client: Client, action: Action, topic: string): Promise<Refusal> {
    const { username, clientId, certificateCn } = client;
    if (username === '') return 'no_username';
    const within = storeBudget();
    const account = await recall(username, within);
    if (!account) return 'unknown_account';
    const refusal = standing(account, certificateCn);
    if (refusal) return refusal;
    const judgement = judge(account.scope, clientId, action, topic);
    if (judgement === 'yes') return undefined;
    if (judgement === 'no') return 'not_in_scope';
    return refusalOfSerialNumber(account, clientId, judgement.sn, () =>
      judgement.as === 'drone'
        ? refusalOfDrone(ownGateways(account.scope, clientId), judgement.sn, within)
        : claims.refusalOf(account.name, judgement.sn, within),
    );
  }

  async function authorize(client: Client, action: Action, topic: string): Promise<Verdict> {
    const refusal = await refusalOfTopic(client, action, topic).then(
      (reason) => (reason ? { reason } : undefined),
      refusalBy,
    );
    if (refusal === undefined) return true;
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') return 'ignore';
    const about = { step: 'authorize', ...names(client), action, topic } as const;
    tellRefusal({ ...about, ...refusal }, client.peerHost);
    return false;
  }

  async function askerOf(
    { username, clientId }: { username: string; clientId: string },
    gateway: string,
    within: Within,
  ): Promise<Asker> {
    const account = await recall(username, within);
    if (!account) return unknownAccounts === 'ignore' ? 'not_ours' : 'stranger';
    // A message does not carry the certificate; it was compared when the session asked to publish.
    if (standing(account, undefined)) return 'stranger';
    if (account.scope.kind === 'service') return 'service';
    if (!isOwnGateway(account.scope, clientId, gateway)) return 'stranger';
    if (account.scope.kind !== 'client-id') return 'dock';
    const refusal = await refusalOfSerialNumber(account, clientId, gateway, () =>
      claims.refusalOf(account.name, gateway, within),
    );
    return refusal ? 'stranger' : 'dock';
  }

  return { authenticate, authorize, askerOf, isGateway };
}

/** A refusal as it is told. */
interface Told {
  reason: Reason;
  detail?: string;
}

function names(client: Client): Pick<AccessEvent, 'clientId' | 'account'> {
  return { clientId: client.clientId, account: client.username };
}

/** The gateway that a connect is for, if account and client id leave no choice. */
function onlyGateway(found: Account | Told, { clientId }: Client): Pick<AccessEvent, 'gateway'> {
  if ('reason' in found) return {};
  const [gateway, another] = ownGateways(found.scope, clientId);
  return gateway === undefined || another !== undefined ? {} : { gateway };
}

function asRefusal(result: Awaited<ReturnType<PasswordChecks['check']>>): Told | undefined {
  switch (result) {
    case 'right':
      return undefined;
    case 'wrong':
      return { reason: 'wrong_password' };
    case 'throttled':
      return { reason: 'too_many_wrong_passwords' };
    case 'overloaded':
      return { reason: 'overloaded' };
  }
}

/** What failed is a reason to refuse. */
function refusalBy(error: unknown): Told {
  return { reason: storeFault(error) ?? 'internal_error', detail: traceOf(error) };
}
