/**
 * Who may connect, and what they may publish and subscribe. Owns passwords, certificates and scopes;
 * knows DJI's topic names but not its messages. In doubt the answer is no.
 *
 * One file for each question: `connect.ts`, `authorize.ts` and `identify-publisher.ts`.
 */
import type { Tell } from '../events.js';
import type { Hooks } from '../hooks.js';
import type { Publishers } from '../publisher.js';
import type { Bindings, RememberedAccounts } from '../stores/types.js';
import { createAuthorize } from './authorize.js';
import { createConnect } from './connect.js';
import { rememberDecisions } from './decisions.js';
import { createGatewayOwners } from './gateway-owners.js';
import { createIdentifyPublisher } from './identify-publisher.js';
import type { PasswordChecks } from './password-checks.js';
import { tellRefusals } from './refusal.js';

export interface AccessOptions {
  accounts: RememberedAccounts;
  bindings: Bindings;
  passwords: PasswordChecks;
  /** What to answer for an account that does not exist: no, or "let the broker's other rules decide". */
  unknownAccounts: 'deny' | 'ignore';
  tell: Tell;
  /** Wall clock in milliseconds, for expiry dates. */
  now?: () => number;
}

export type Access = Publishers & Pick<Hooks, 'authenticate' | 'authorize'>;

/** Remembers decisions and limits, so make one for a whole server. */
export function createAccess(options: AccessOptions): Access {
  const { accounts, bindings, now = Date.now } = options;
  const owners = createGatewayOwners(accounts, bindings, now);
  const shared = {
    ...options,
    now,
    owners,
    decide: rememberDecisions(),
    tellRefusal: tellRefusals(options.tell),
  };
  return {
    authenticate: createConnect(shared),
    ...createAuthorize(shared),
    identifyPublisher: createIdentifyPublisher(shared),
    isListed: (sn, within) => within(accounts.listsGateway(sn)),
  };
}
