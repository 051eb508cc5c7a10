/** What an account acts for: from the options of `account add` and `set` to its scope, and in words. */
import type { Command } from 'commander';
import { filterFault } from '../../access/topic-filters.js';
import { isUnsafeClientId } from '../../access/safe-names.js';
import { DockhookError } from '../../errors.js';
import type { Scope } from '../../stores/types.js';
import { demandSerialNumber } from '../input.js';

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
    .option('--any-gateway', 'acts as any gateway; isolates nothing')
    .option('--service', 'is a backend and no dock')
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
      '--publish, --subscribe and --client-id are for --service: a dock gets what a dock needs',
    );
  }
  if (options.service) {
    const clientIds = checkedClientIds('--client-id', options.clientId ?? defaults.clientIds ?? []);
    return {
      kind: 'service',
      publish: checkedFilters('--publish', options.publish ?? defaults.publish),
      subscribe: checkedFilters('--subscribe', options.subscribe ?? defaults.subscribe),
      ...(clientIds.length > 0 ? { clientIds } : {}),
    };
  }
  if (options.clientIdIsGateway) return { kind: 'client-id' };
  if (options.anyGateway) return { kind: 'any-gateway' };
  return options.gateway && { kind: 'gateways', gateways: checkedGateways('--gateway', options.gateway) };
}

/** @param where what the user wrote them behind: a flag or a column */
export function checkedGateways(where: string, gateways: string[]): string[] {
  for (const sn of gateways) demandSerialNumber(where, sn, '; put spaces between several');
  return gateways;
}

/** @param where as for {@link checkedGateways} */
export function checkedFilters(where: string, filters: string[]): string[] {
  for (const filter of filters) {
    const fault = filterFault(filter);
    if (fault) throw new DockhookError('usage', `${where} ${filter}: the topic filter ${fault}`);
  }
  return filters;
}

/** @param where as for {@link checkedGateways} */
export function checkedClientIds(where: string, clientIds: string[]): string[] {
  const named = clientIds.filter((id) => id !== '');
  const unsafe = named.find(isUnsafeClientId);
  if (unsafe === undefined) return named;
  throw new DockhookError(
    'usage',
    `${where} ${unsafe}: a client id with + # / | or a control character in it, or of more than 255 characters, never gets in`,
  );
}

export function describeScope(scope: Scope): string {
  switch (scope.kind) {
    case 'gateways':
      return scope.gateways.join(' ');
    case 'client-id':
      return 'the gateway in its client id';
    case 'any-gateway':
      return 'any gateway';
    case 'service':
      return [
        `service: publish ${scope.publish.join(' ')}, subscribe ${scope.subscribe.join(' ')}`,
        ...(scope.clientIds ? [`client ids ${scope.clientIds.join(' ')}`] : []),
      ].join(', ');
  }
}

/** What was probably mistyped: names and SNs are compared byte by byte, so it shows only at the dock. */
export function doubts(name: string, scope: Scope): string[] {
  const texts: string[] = [];
  if (name !== name.trim()) texts.push(`the name "${name}" begins or ends with a space`);
  for (const sn of gatewaysIn(scope)) {
    if (/[a-z]/.test(sn)) texts.push(`gateway ${sn} has lower-case letters; SNs of DJI docks have none`);
  }
  return texts;
}

/** The client ids that a scope keeps from all other accounts. */
export function clientIdsIn(scope: Scope): string[] {
  return scope.kind === 'service' ? (scope.clientIds ?? []) : [];
}

/** The SNs that a scope lists. */
export function gatewaysIn(scope: Scope): string[] {
  return scope.kind === 'gateways' ? scope.gateways : [];
}
