/** A refused connect in words: what is wrong, and what to do. Pure. */
import { disabledOrExpired } from '../access/expiry.js';
import type { TimelineEntry } from '../stores/types.js';
import type { DockFinding } from './dock-finding.js';
import { listingAccounts, word, type DockFacts } from './facts.js';

type Words = Pick<DockFinding, 'brief' | 'what' | 'fix'>;

/** Whether what an account was refused for has been mended since. */
export function isMended({ reason, account: name }: TimelineEntry, { accounts, now }: DockFacts): boolean {
  const isStanding = reason === 'disabled' || reason === 'expired' || reason === 'unknown_account';
  const account = accounts.get(name);
  return isStanding && account !== undefined && disabledOrExpired(account, now) === undefined;
}

export function wordsOfRefusal(entry: TimelineEntry, facts: DockFacts): Words {
  const { clientId, account, reason = 'internal_error', details } = entry;
  const name = word(account);
  const who = `Account "${account}", client id "${clientId}", from ${details.peerHost || 'an unknown address'}`;
  switch (reason) {
    case 'no_username':
      return {
        brief: 'no account name',
        what: `Client id "${clientId}" from ${details.peerHost ?? '?'} connected without an account name.`,
        fix: ['type account and password into DJI Pilot 2'],
      };
    case 'unsafe_name':
      return {
        brief: 'unsafe account name or client id',
        what: `${who}: one of the names has + # / | or a control character in it, or is too long.`,
        fix: ['use an account name of letters, digits and hyphens, and the SN as client id'],
      };
    case 'unknown_account':
      return { brief: `no account "${account}"`, ...unknownAccount(account, who, facts) };
    case 'disabled':
      return {
        brief: 'account disabled',
        what: `${who}: the account is disabled.`,
        fix: [`dockhook account enable ${name}`],
      };
    case 'expired':
      return {
        brief: 'account expired',
        what: `${who}: the account has expired.`,
        fix: [`dockhook account set ${name} --expires 90d`],
      };
    case 'wrong_password':
      return {
        brief: 'wrong password',
        what: `${who}: the password is wrong.`,
        fix: [
          'type the password into DJI Pilot 2 again, with its hyphens and without spaces around it',
          `if it is lost, make a new one: dockhook account set ${name} --generate`,
        ],
      };
    case 'too_many_wrong_passwords':
      return {
        brief: 'too many wrong passwords',
        what: `${who}: ten wrong passwords came from this address, so further ones are refused unseen.`,
        fix: [
          'wait a minute, then type the right password into DJI Pilot 2',
          `a generated password is never locked out: dockhook account set ${name} --generate`,
        ],
      };
    case 'wrong_certificate':
      return {
        brief: 'wrong client certificate',
        what:
          `${who}: the account demands a client certificate with the common name ` +
          `"${facts.accounts.get(account)?.certificateCn ?? '?'}", and the client showed another one or none.`,
        fix: [
          'give the dock that certificate, and connect it to a TLS listener with verify = verify_peer',
          `see what is demanded: dockhook account show ${name}`,
        ],
      };
    case 'too_many_gateways':
      return {
        brief: 'account brings too many new SNs',
        what: `${who}: this account came under 10,000 SNs that are bound nowhere; further ones are let in one in ten seconds.`,
        fix: [
          'if nobody invents SNs with this password, wait, or list the dock in an account of its own: dockhook account add NAME --gateway SN --generate',
          `else make a new password: dockhook account set ${name} --generate`,
        ],
      };
    case 'foreign_gateway':
      return {
        brief: "client id is another account's dock",
        what: `${who}: this client id names a dock that another account lists, or has bound.`,
        fix: [
          `find that account (dockhook account list, dockhook binding list), and use it for this dock in DJI Pilot 2`,
          `or give the dock to this one: dockhook account set ${name} --gateway SN, or dockhook binding move SN --account ${name}`,
        ],
      };
    case 'kept_client_id':
      return {
        brief: 'client id is kept for another account',
        what: `${who}: another account keeps this client id for itself.`,
        fix: [
          'give the client another client id',
          'or take the id from that account: dockhook account list, dockhook account set NAME --client-id',
        ],
      };
    case 'overloaded':
      return {
        brief: 'too many connects at once',
        what: `${who}: too many passwords were to be checked at the same time.`,
        fix: ['nothing, if it comes once: the next attempt will do', 'generated passwords cost no such time'],
      };
    case 'store_unavailable':
      return {
        brief: 'database away',
        what: `${who}: the database did not answer.`,
        fix: ['check PostgreSQL and DATABASE_URL: dockhook doctor'],
      };
    case 'store_refused':
      return {
        brief: 'database refuses',
        what: `${who}: the database answered with an error.`,
        fix: ["dockhook doctor says which; dockhook's log has it as database_refuses"],
      };
    case 'bad_row':
      return {
        brief: 'row of the account is damaged',
        what: `${who}: the row of this account cannot be used.`,
        fix: [`dockhook account show ${name} says what is wrong with it`],
      };
    default:
      return {
        brief: reason.replaceAll('_', ' '),
        what: `${who}: refused as ${reason}.`,
        fix: ["look at dockhook's log at that time, and report it if it is a mistake of dockhook"],
      };
  }
}

function unknownAccount(account: string, who: string, facts: DockFacts): Pick<Words, 'what' | 'fix'> {
  const [listing] = listingAccounts(facts);
  return {
    what: `${who}: there is no account of this name. Names are compared byte by byte.`,
    fix:
      listing === undefined
        ? [
            `create it: dockhook account add ${word(account)} --gateway ${facts.sn} --generate`,
            'or correct the account name in DJI Pilot 2',
          ]
        : [`type "${listing}" as account into DJI Pilot 2: that account acts for ${facts.sn}`],
  };
}
