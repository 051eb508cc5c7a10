/** What an account acts for: from the options of `account add` and `set` to its scope, and in words. */
import type { Command } from 'commander';
import { filterFault } from '../access/filters.js';
import { DockhookError } from '../errors.js';
import type { Scope } from '../stores/types.js';
import { demandSerialNumber } from './input.js';

export interface ScopeOptions {
  gateway?: string[];
  clientIdIsGateway?: boolean;
  anyGateway?: boolean;
  service?: boolean;
  publish?: string[];
  subscribe?: string[];
}

type ServiceScope = Extract<Scope, { kind: 'service' }>;

const EVERYTHING: ServiceScope = { kind: 'service', publish: ['#'], subscribe: ['#'] };

export function addScopeOptions(command: Command): Command {
  return command
    .option('--gateway <sn...>', 'acts as these gateways (docks); recommended, one account per dock')
    .option(
      '--client-id-is-gateway',
      'acts as the gateway that its MQTT client id names (SN, PREFIX-SN or SN-SUFFIX)',
    )
    .option('--any-gateway', 'acts as any gateway; isolates nothing')
    .option('--service', 'is a backend and no dock')
    .option('--publish <filter...>', 'topics a service may publish to (default: #)')
    .option('--subscribe <filter...>', 'topics a service may subscribe to (default: #)');
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
  const namesFilters = options.publish !== undefined || options.subscribe !== undefined;
  const meant = namesFilters && service && !namesKind(options) ? { ...options, service: true } : options;
  return namedScope(meant, service ?? EVERYTHING) ?? current;
}

/** Whether any option is about the scope. */
export function namesScope(options: ScopeOptions): boolean {
  return namesKind(options) || options.publish !== undefined || options.subscribe !== undefined;
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
  if (!options.service && (options.publish || options.subscribe)) {
    throw new DockhookError(
      'usage',
      '--publish and --subscribe are for --service: a dock gets what a dock needs',
    );
  }
  if (options.service) {
    return {
      kind: 'service',
      publish: checkedFilters('--publish', options.publish ?? defaults.publish),
      subscribe: checkedFilters('--subscribe', options.subscribe ?? defaults.subscribe),
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

export function describeScope(scope: Scope): string {
  switch (scope.kind) {
    case 'gateways':
      return scope.gateways.join(' ');
    case 'client-id':
      return 'the gateway in its client id';
    case 'any-gateway':
      return 'any gateway';
    case 'service':
      return `service: publish ${scope.publish.join(' ')}, subscribe ${scope.subscribe.join(' ')}`;
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

/** The SNs that a scope lists. */
export function gatewaysIn(scope: Scope): string[] {
  return scope.kind === 'gateways' ? scope.gateways : [];
}
