/** Accounts: those that allow too much, those that let nobody in, and whether a dock has one at all. */
import { passwordKind } from '../password-hashes/index.js';
import { CLIENT_ID_SEPARATOR } from '../client-id.js';
import { hasExpired, disabledOrExpired } from '../access/expiry.js';
import type { Account, Accounts } from '../stores/types.js';
import { count, some } from './check.js';
import type { Finding } from '../finding.js';
import { badRowFindings } from './bad-rows.js';

/** Time to notice and to renew. */
const SOON_MS = 7 * 24 * 3_600_000;

export async function checkAccounts(accounts: Accounts, now = Date.now()): Promise<Finding[]> {
  const { records, badRows } = await accounts.list();
  return [
    ...badRowFindings(badRows),
    ...checkPresence(records, now),
    ...RULES.flatMap((rule) => applied(rule, records, now)),
    ...checkSharedGateways(records),
  ];
}

/** What is said of all accounts that are such. */
interface Rule extends Omit<Finding, 'what'> {
  is: (account: Account, now: number) => boolean;
  /** Their names follow. */
  what: string;
}

const RULES: readonly Rule[] = [
  {
    level: 'warning',
    code: 'account_any_gateway',
    is: (account) => account.scope.kind === 'any-gateway',
    what: 'accounts that may act as any dock',
    why: 'one dock with this password can speak for all others, and hear their license',
    fix: [
      'one account per dock: dockhook account set NAME --gateway SN, and account add for each other dock',
    ],
  },
  {
    level: 'warning',
    code: 'account_client_id',
    is: (account) => account.scope.kind === 'client-id',
    what: 'accounts that may act as the dock that the client id names',
    why: 'whoever has the password may come with any client id: the docks that share it are not isolated',
    fix: [
      'one account per dock: dockhook account set NAME --gateway SN, and account add for each other dock',
    ],
  },
  {
    level: 'warning',
    code: 'account_service_all',
    is: ({ scope }) =>
      scope.kind === 'service' && [...scope.publish, ...scope.subscribe].some((filter) => filter === '#'),
    what: 'backend accounts that may publish or subscribe everything (#)',
    why: 'it can command every dock, and sees the license in config replies',
    fix: [
      "dockhook account set NAME --publish 'thing/product/+/services' … --subscribe 'thing/product/+/osd' …",
    ],
  },
  {
    level: 'warning',
    code: 'account_expired',
    is: (account, now) => disabledOrExpired(account, now) === 'expired',
    what: 'accounts that have expired',
    why: 'a dock with such an account is refused',
    fix: ['dockhook account set NAME --expires 90d, or dockhook account remove NAME'],
  },
  {
    level: 'warning',
    code: 'account_expires_soon',
    is: (account, now) => !disabledOrExpired(account, now) && hasExpired(account, now + SOON_MS),
    what: 'accounts that expire within a week',
    why: 'a dock with it is refused from then on',
    fix: ['dockhook account set NAME --expires 90d, if the dock is to stay'],
  },
  {
    level: 'warning',
    code: 'account_separator',
    is: ({ name }) => name.includes(CLIENT_ID_SEPARATOR),
    what: `accounts with ${CLIENT_ID_SEPARATOR} in their name`,
    why: 'they never get in where EMQX puts the account in front of the client id (mqtt.clientid_override)',
    fix: ['dockhook account add NEWNAME …, type it into the dock, then dockhook account remove NAME'],
  },
  {
    level: 'warning',
    code: 'account_lower_case',
    is: ({ scope }) => scope.kind === 'gateways' && scope.gateways.some((sn) => /[a-z]/.test(sn)),
    what: 'accounts that list an SN with lower-case letters',
    why: 'SNs are compared letter by letter, and those of DJI docks have capitals only',
    fix: ['look at the SN in DJI Pilot 2, then dockhook account set NAME --gateway SN'],
  },
  {
    level: 'warning',
    code: 'account_foreign_hash',
    is: ({ passwordHash }) => passwordKind(passwordHash) === 'imported',
    what: 'accounts that still have the password hash they were imported with',
    why: 'it is replaced by a better one when the dock comes; until then the old hash is kept',
    fix: ['have the dock connect once, or dockhook account set NAME --generate'],
  },
  {
    level: 'ok',
    code: 'account_chosen_password',
    is: ({ passwordHash }) => passwordKind(passwordHash) !== 'generated',
    what: 'accounts with a password that a person chose (guesses are slowed down, each check takes tens of ms)',
  },
  {
    level: 'ok',
    code: 'account_disabled',
    is: (account) => account.disabled === true,
    what: 'accounts that are disabled',
  },
];

function applied({ is, what, ...rest }: Rule, accounts: readonly Account[], now: number): Finding[] {
  const names = accounts.filter((account) => is(account, now)).map(({ name }) => `"${name}"`);
  if (names.length === 0) return [];
  return [{ ...rest, what: `${what}: ${some(names)}` }];
}

function checkPresence(accounts: readonly Account[], now: number): Finding[] {
  const docks = accounts.filter(
    (account) => account.scope.kind !== 'service' && disabledOrExpired(account, now) === undefined,
  );
  if (docks.length > 0) {
    const what = `${count(accounts.length, 'account')}, ${docks.length} of them for docks and in force`;
    return [{ level: 'ok', code: 'accounts', what }];
  }
  return [
    {
      level: 'error',
      code: 'accounts_no_dock',
      what: 'no account lets a dock in',
      why: 'DJI Pilot 2 asks for an account and its password, and each dock is refused without',
      fix: ['dockhook account add dock-north --gateway SN --generate'],
    },
  ];
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
      what: `listed by more than one account: ${some(shared.map(([sn, names]) => `${sn} (${some(names)})`))}`,
      why: 'each of them may act as this dock; a password that was changed in one still works in the other',
      fix: ['dockhook account remove the one that the dock does not use'],
    },
  ];
}
