/** What an account acts for: from the options of `account add` and `account set` to its scope. */
import type { Command } from 'commander';
import { checkedClientIds, checkedFilters, checkedGateways } from '../../accounts/scope.js';
import { DockhookError } from '../../errors.js';
import type { Scope } from '../../stores/types.js';

/** The first four name a kind of scope, and only one may be set; the last three go with `service`. */
export interface ScopeOptions {
  gateway?: string[];
  clientIdIsGateway?: boolean;
  anyGateway?: boolean;
  service?: boolean;
  publish?: string[];
  subscribe?: string[];
  clientId?: string[];
}

type ServiceScope = Extract<Scope, { kind: 'service' }>;

const EVERYTHING: ServiceScope = { kind: 'service', publish: ['#'], subscribe: ['#'] };

export function addScopeOptions(command: Command): Command {
  return command
    .option('--gateway <sn...>', 'acts as these gateways (docks); recommended, one account per dock')
    .option(
      '--client-id-is-gateway',
      'acts as the gateway that its MQTT client id names: its SN, alone or as a part between - or _',
    )
    .option('--any-gateway', 'acts as any gateway; protects nothing')
    .option('--service', 'is a backend, not a dock')
    .option('--publish <filter...>', 'topics a service may publish to (default: #)')
    .option('--subscribe <filter...>', 'topics a service may subscribe to (default: #)')
    .option(
      '--client-id <id...>',
      "MQTT client ids of a service, which no other account may use; '' for none",
    );
}

/** The scope of a new account. Throws `usage`. */
export function newScope(options: ScopeOptions): Scope {
  const scope = namedScope(options, EVERYTHING);
  if (scope !== undefined) return scope;
  throw new DockhookError(
    'usage',
    'say what the account acts for, with one of --gateway SN…, --client-id-is-gateway, --any-gateway, --service',
  );
}

/** The scope of an account that had another; filters of a service that are not named stay. Throws `usage`. */
export function changedScope(options: ScopeOptions, current: Scope): Scope {
  const service = current.kind === 'service' ? current : undefined;
  const meant =
    namesServiceOption(options) && service && !namesKind(options) ? { ...options, service: true } : options;
  return namedScope(meant, service ?? EVERYTHING) ?? current;
}

/** Whether any option is about the scope. */
export function namesScope(options: ScopeOptions): boolean {
  return namesKind(options) || namesServiceOption(options);
}

function namesServiceOption({ publish, subscribe, clientId }: ScopeOptions): boolean {
  return publish !== undefined || subscribe !== undefined || clientId !== undefined;
}

function kindsOf(options: ScopeOptions): unknown[] {
  return [options.gateway, options.clientIdIsGateway, options.anyGateway, options.service].filter(Boolean);
}

function namesKind(options: ScopeOptions): boolean {
  return kindsOf(options).length > 0;
}

/** `undefined` if no option names a scope. */
function namedScope(options: ScopeOptions, defaults: ServiceScope): Scope | undefined {
  if (kindsOf(options).length > 1) {
    throw new DockhookError(
      'usage',
      'an account acts for one of --gateway SN…, --client-id-is-gateway, --any-gateway, --service',
    );
  }
  if (!options.service && namesServiceOption(options)) {
    throw new DockhookError(
      'usage',
      '--publish, --subscribe and --client-id are for --service: the topics of a dock are fixed',
    );
  }
  if (options.service) {
    const clientIds = checkedClientIds('--client-id', options.clientId ?? defaults.clientIds ?? []);
    const scope: ServiceScope = {
      kind: 'service',
      publish: checkedFilters('--publish', options.publish ?? defaults.publish),
      subscribe: checkedFilters('--subscribe', options.subscribe ?? defaults.subscribe),
    };
    if (clientIds.length > 0) scope.clientIds = clientIds;
    return scope;
  }
  if (options.clientIdIsGateway) return { kind: 'client-id' };
  if (options.anyGateway) return { kind: 'any-gateway' };
  return options.gateway && { kind: 'gateways', gateways: checkedGateways('--gateway', options.gateway) };
}
