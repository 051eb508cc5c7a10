/** Accounts that allow too much, accounts that let nobody in, and whether there is one for docks at all. */
import { command } from '../command.js';
import { disabledOrExpired, hasExpired } from '../access/expiry.js';
import { CLIENT_ID_SEPARATOR } from '../client-id.js';
import type { Finding } from '../finding.js';
import { addAccount, extendAccount, newPassword, removeAccount } from '../fixes.js';
import { passwordKind } from '../password-hashes/index.js';
import type { Account, Accounts } from '../stores/types.js';
import { counted, listed } from '../text.js';
import type { KnownBrokers } from './brokers.js';
import { badRowFindings } from './bad-rows.js';

/** Time to notice and to renew. */
const SOON_MS = 7 * 24 * 3_600_000;

/** Rejects if the accounts cannot be read. `now` is in milliseconds since the epoch. */
export async function checkAccounts(
  accounts: Accounts,
  brokers: KnownBrokers,
  now = Date.now(),
): Promise<Finding[]> {
  const { records, badRows } = await accounts.list();
  return [
    ...badRowFindings(badRows),
    checkPresence(records, now),
    ...RULES.filter(({ code }) => code !== 'account_separator' || brokers.emqx || !brokers.mosquitto).flatMap(
      (rule) => applyRule(rule, records, now),
    ),
    ...checkSharedGateways(records),
  ];
}

/** A finding about all accounts to which it applies. */
interface Rule extends Omit<Finding, 'what'> {
  appliesTo: (account: Account, now: number) => boolean;
  /** Their names follow. */
  what: string;
}

const ONE_PER_DOCK = [
  `let this account act as one dock: ${command('account', 'set', 'NAME', '--gateway', 'SN')}`,
  `make one account for each other dock: ${addAccount('NAME', 'SN')}`,
];

const RULES: readonly Rule[] = [
  {
    level: 'warning',
    code: 'account_any_gateway',
    appliesTo: (account) => account.scope.kind === 'any-gateway',
    what: 'accounts that may act as any dock',
    why: 'one dock with this password can send messages as any other dock, and get its license',
    fix: ONE_PER_DOCK,
  },
  {
    level: 'warning',
    code: 'account_client_id',
    appliesTo: (account) => account.scope.kind === 'client-id',
    what: 'accounts that may act as the dock in their client id',
    why: 'whoever has the password can use any client id, and so act as any of the docks that share it',
    fix: ONE_PER_DOCK,
  },
  {
    level: 'warning',
    code: 'account_service_all',
    appliesTo: ({ scope }) =>
      scope.kind === 'service' && [...scope.publish, ...scope.subscribe].some((filter) => filter === '#'),
    what: 'backend accounts that may publish or subscribe to everything (#)',
    why: 'such an account can command every dock, and gets the license from config replies',
    fix: [
      `name all topics that it needs, such as: ${command('account', 'set', 'NAME', '--publish', 'thing/product/+/services', '--subscribe', 'thing/product/+/osd')}`,
    ],
  },
  {
    level: 'warning',
    code: 'account_expired',
    appliesTo: (account, now) => disabledOrExpired(account, now) === 'expired',
    what: 'accounts that have expired',
    why: 'dockhook refuses a dock with such an account',
    fix: [extendAccount('NAME'), `or, if the dock is gone: ${removeAccount('NAME')}`],
  },
  {
    level: 'warning',
    code: 'account_expires_soon',
    appliesTo: (account, now) => !disabledOrExpired(account, now) && hasExpired(account, now + SOON_MS),
    what: 'accounts that expire within a week',
    why: 'from then on, dockhook refuses a dock with such an account',
    fix: [`if the dock should stay: ${extendAccount('NAME')}`],
  },
  {
    level: 'warning',
    code: 'account_separator',
    appliesTo: ({ name }) => name.includes(CLIENT_ID_SEPARATOR),
    what: `accounts with ${CLIENT_ID_SEPARATOR} in their names`,
    why: 'they are always refused if EMQX puts the account in front of the client id (mqtt.clientid_override)',
    fix: [addAccount('NEWNAME', 'SN'), 'type that name into DJI Pilot 2', `then ${removeAccount('NAME')}`],
  },
  {
    level: 'warning',
    code: 'account_lower_case',
    appliesTo: ({ scope }) => scope.kind === 'gateways' && scope.gateways.some((sn) => /[a-z]/.test(sn)),
    what: 'accounts that list an SN with small letters',
    why: 'capital and small letters of SNs differ, and SNs of DJI docks have only capital letters',
    fix: [
      `look at the SN in DJI Pilot 2, and write it like that: ${command('account', 'set', 'NAME', '--gateway', 'SN')}`,
    ],
  },
  {
    level: 'warning',
    code: 'account_foreign_hash',
    appliesTo: ({ passwordHash }) => passwordKind(passwordHash) === 'imported',
    what: 'accounts that still have the password hash with which they were imported',
    why: 'dockhook replaces it by a better one when the dock connects, but not before',
    fix: ['let the dock connect once', `or make a new password: ${newPassword('NAME')}`],
  },
  {
    level: 'ok',
    code: 'account_chosen_password',
    appliesTo: ({ passwordHash }) => passwordKind(passwordHash) !== 'generated',
    what: 'accounts with a password that a person chose (dockhook limits guesses, and each check takes tens of ms)',
  },
  {
    level: 'ok',
    code: 'account_disabled',
    appliesTo: (account) => account.disabled === true,
    what: 'accounts that are disabled',
  },
];

function applyRule({ appliesTo, what, ...rest }: Rule, accounts: readonly Account[], now: number): Finding[] {
  const names = accounts.filter((account) => appliesTo(account, now)).map(({ name }) => `"${name}"`);
  if (names.length === 0) return [];
  return [{ ...rest, what: `${what}: ${listed(names)}` }];
}

function checkPresence(accounts: readonly Account[], now: number): Finding {
  const docks = accounts.filter(
    (account) => account.scope.kind !== 'service' && disabledOrExpired(account, now) === undefined,
  );
  if (docks.length > 0) {
    const what = `${counted(accounts.length, 'account')}, ${docks.length} of them can be used by docks`;
    return { level: 'ok', code: 'accounts', what };
  }
  return {
    level: 'error',
    code: 'accounts_no_dock',
    what: 'no account lets a dock in',
    why: 'DJI Pilot 2 asks for an account and its password, and dockhook refuses a dock without them',
    fix: [addAccount('NAME', 'SN')],
  };
}

function checkSharedGateways(accounts: readonly Account[]): Finding[] {
  const holders = new Map<string, string[]>();
  for (const { name, scope } of accounts) {
    for (const sn of scope.kind === 'gateways' ? new Set(scope.gateways) : []) {
      holders.set(sn, [...(holders.get(sn) ?? []), `"${name}"`]);
    }
  }
  const shared = [...holders].filter(([, names]) => names.length > 1);
  if (shared.length === 0) return [];
  return [
    {
      level: 'warning',
      code: 'gateway_shared',
      what: `docks that more than one account lists: ${listed(shared.map(([sn, names]) => `${sn} (${listed(names)})`))}`,
      why: 'each of these accounts may act as the dock: if the password of one is changed, the other still works',
      fix: [`remove the account that the dock does not use: ${removeAccount('NAME')}`],
    },
  ];
}
