/** The text for each reason of a refusal or fault: what it means, and how to fix it. Pure. */
import type { Reason } from '../events.js';
import {
  addAccount,
  CHECK_DATABASE,
  enableAccount,
  extendAccount,
  newPassword,
  showAccount,
} from '../fixes.js';
import { command } from '../command.js';
import type { TimelineEntry } from '../stores/types.js';
import { onBroker } from './brokers.js';
import { listingAccounts, type DockFacts } from './facts.js';

/** What an operator is told of a {@link Reason}. */
export interface ReasonText {
  /** In a few words, for a list. */
  brief: string;
  /** A sentence, without the capital letter and the full stop. */
  what: string;
  fix: readonly string[];
}

const LOOK_AT_LOG = ["look at dockhook's log at that time, and report it if it is a bug in dockhook"];

/** Faults of dockhook and its database, at any step. */
const SERVER_FAULTS: Readonly<Record<string, ReasonText>> = {
  store_unavailable: {
    brief: 'database away',
    what: 'the database did not answer',
    fix: [CHECK_DATABASE],
  },
  store_refused: {
    brief: 'database refuses',
    what: 'the database answered with an error',
    fix: [`${CHECK_DATABASE} names the error, and so does dockhook's log (database_refuses)`],
  },
  bad_row: {
    brief: 'damaged row in the database',
    what: 'a row in the database cannot be used',
    fix: [`find the row: ${command('doctor')} names it`],
  },
  internal_error: {
    brief: 'error in dockhook',
    what: 'dockhook failed',
    fix: LOOK_AT_LOG,
  },
};

/** Undefined if the reason is the client's fault. */
export function serverFault(reason: Reason | undefined): ReasonText | undefined {
  return SERVER_FAULTS[reason ?? ''];
}

/** Why nobody can connect with an account. */
export type AccountFault = 'unknown_account' | 'disabled' | 'expired';

/** Why this account cannot be used now, with the command that repairs it. */
export function accountFault(fault: AccountFault, name: string, facts: DockFacts): ReasonText {
  switch (fault) {
    case 'disabled':
      return {
        brief: 'account disabled',
        what: `account "${name}" is disabled`,
        fix: [enableAccount(name)],
      };
    case 'expired':
      return {
        brief: 'account expired',
        what: `account "${name}" has expired`,
        fix: [extendAccount(name)],
      };
    case 'unknown_account': {
      const [listing] = listingAccounts(facts);
      const trimmed = name.trim();
      if (trimmed !== name && facts.accounts.has(trimmed))
        return {
          brief: `no account "${name}"`,
          what: `there is no account "${name}": "${trimmed}" was typed with a space before or after it`,
          fix: [`type "${trimmed}" without the space as account into DJI Pilot 2`],
        };
      return {
        brief: `no account "${name}"`,
        what: `there is no account "${name}" (capital and small letters differ)`,
        fix:
          listing === undefined
            ? [`create it: ${addAccount(name, facts.sn)}`, 'or correct the account name in DJI Pilot 2']
            : [`type "${listing}" as account into DJI Pilot 2: that account acts for ${facts.sn}`],
      };
    }
  }
}

/** Reasons for which a connect is refused, beside those above. */
const REFUSALS: Readonly<Record<string, (entry: TimelineEntry, facts: DockFacts) => ReasonText>> = {
  no_username: () => ({
    brief: 'no account name',
    what: 'it gave no account name',
    fix: ['type account and password into DJI Pilot 2'],
  }),
  unsupported_protocol: () => ({
    brief: 'speaks MQTT 5',
    what: 'it speaks MQTT 5, and the broker of dockhook dev speaks MQTT 3.1.1 only',
    fix: ['have it use MQTT 3.1.1, or connect it to EMQX or Mosquitto, which speak both'],
  }),
  unsafe_name: () => ({
    brief: 'unsafe account name or client id',
    what: 'its account name or client id is too long, or has + # / | or a control character in it',
    fix: ['use an account name of letters, digits and hyphens, and the SN as client id'],
  }),
  wrong_password: ({ account }) => ({
    brief: 'wrong password',
    what: 'the password is wrong',
    fix: [
      'type the password into DJI Pilot 2 again, with its hyphens and without spaces around it',
      `if it is lost, make a new one: ${newPassword(account)}`,
    ],
  }),
  too_many_wrong_passwords: ({ account }) => ({
    brief: 'too many wrong passwords',
    what: 'ten wrong passwords came from its address, so dockhook refuses more without looking at them',
    fix: [
      'wait a minute, then type the right password into DJI Pilot 2',
      `or make a generated password, which is never locked out: ${newPassword(account)}`,
    ],
  }),
  wrong_certificate: ({ account }, { accounts, ...facts }) => ({
    brief: 'wrong client certificate',
    what:
      'the account demands a client certificate with the common name ' +
      `"${accounts.get(account)?.certificateCn ?? '?'}", and the client showed another one or none`,
    fix: [
      'give the dock that certificate, and connect it to a TLS listener that asks for one',
      ...onBroker(facts, 'EMQX', 'in EMQX, that is a listener with verify = verify_peer'),
      ...onBroker(facts, 'Mosquitto', 'in Mosquitto, that is a listener with require_certificate true'),
      `see which name is demanded: ${showAccount(account)}`,
    ],
  }),
  too_many_gateways: ({ account }) => ({
    brief: 'account brings too many new SNs',
    what:
      'its account came with 10,000 SNs that are not bound to an organization, so dockhook lets in only one more such SN ' +
      'every ten seconds',
    fix: [
      `if these are your docks, wait, or give the dock an account of its own: ${addAccount('NAME', 'SN')}`,
      `if somebody invents SNs with this password, make a new one: ${newPassword(account)}`,
    ],
  }),
  foreign_gateway: ({ account }) => ({
    brief: "client id is another account's dock",
    what: 'its client id names a dock that another account lists, or has bound',
    fix: [
      `find that account (${command('account', 'list')}, ${command('binding', 'list')}), and type it into DJI Pilot 2 for this dock`,
      `or give the dock to this account: ${command('account', 'set', account, '--gateway', 'SN')}, or ${command('binding', 'move', 'SN', '--account', account)}`,
    ],
  }),
  kept_client_id: () => ({
    brief: 'client id is kept for another account',
    what: 'its client id is kept for another account',
    fix: [
      'give the client another client id',
      `or take the id from that account: ${command('account', 'list')} shows which has it`,
    ],
  }),
  ambiguous_client_id: ({ clientId }) => ({
    brief: 'client id may name two docks',
    what: `two parts of its client id "${clientId}" could be the SN of its dock`,
    fix: ['let the client id have one SN in it, and beside it only words or a time: drc-SN-1780390153000'],
  }),
  overloaded: () => ({
    brief: 'too many connects at once',
    what: 'too many passwords had to be checked at the same time',
    fix: [
      'nothing, if it comes once: the next attempt succeeds',
      'generated passwords take almost no time to check',
    ],
  }),
};

/** Why a connect was refused. */
export function refusalText(entry: TimelineEntry, facts: DockFacts): ReasonText {
  const { account, reason = 'internal_error' } = entry;
  if (reason === 'disabled' || reason === 'expired' || reason === 'unknown_account')
    return accountFault(reason, account, facts);
  return (
    serverFault(reason) ??
    REFUSALS[reason]?.(entry, facts) ?? {
      brief: reason.replaceAll('_', ' '),
      what: `the reason is ${reason}`,
      fix: LOOK_AT_LOG,
    }
  );
}
