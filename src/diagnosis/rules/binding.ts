/** Organizations and bindings: the dock is not bound, or a bind was refused. Pure. */
import { command } from '../../command.js';
import type { Reason } from '../../events.js';
import type { Binding, TimelineEntry } from '../../stores/types.js';
import { codeFor } from '../codes.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { serverFault, type ReasonText } from '../reasons.js';
import { isOk } from './requests.js';

/** Finds nothing for a dock that is not connected, or that has sent no request. */
export function notBound({ own, session }: History, facts: DockFacts): DockFinding | undefined {
  const { bindings, organizations, sn } = facts;
  if (session === undefined || bindings.has(sn) || !own.some(({ step }) => step === 'request'))
    return undefined;
  const create = `create an organization: ${command('organization', 'add', 'ID', '--name', 'NAME')}`;
  return {
    code: 'not_bound',
    level: 'error',
    state: 'not bound',
    since: session.since,
    brief: 'not bound to an organization',
    what: 'The dock is connected and got its license, but it is not bound to an organization.',
    fix: [
      ...(organizations.size > 0 ? [] : [create]),
      `type organization id and device binding code into DJI Pilot 2: ${LIST} shows them`,
    ],
  };
}

/** What the dock was last told about its organization and each of its devices, if that was a fault. */
export function bindFaults(history: History, facts: DockFacts): DockFinding[] {
  const { own } = history;
  const asked = own.findLast(({ details }) => details.method === 'airport_organization_get');
  const last = new Map(
    own.filter(({ step }) => step === 'bind').map((entry) => [entry.details.sn ?? '', entry]),
  );
  const isPast = (entry: TimelineEntry): boolean =>
    history.hasLater(entry, (later) => later.own && later.step === 'bind' && isOk(later));
  const entries = [...(asked === undefined || isPast(asked) ? [] : [asked]), ...last.values()];
  const faults = entries.filter((entry) => isBindFault(entry) && !isMended(entry, facts));
  const findings = faults.map((entry) => bindFinding(entry, facts));
  // A wrong code is refused for the look-up and for each device: once is enough.
  return findings.filter(({ what }, index) => findings.findIndex((other) => other.what === what) === index);
}

/** Other faulty requests have their own finding; a bind request is answered even if no device could be bound. */
function isBindFault({ step, outcome, reason }: TimelineEntry): boolean {
  return (
    outcome === 'faulty' &&
    (step === 'bind' || (reason !== 'invalid_data' && serverFault(reason) === undefined))
  );
}

/** Whether what was refused is so by now: an operator may have moved the device, or bound it through another server. */
function isMended(
  { reason, details, at }: TimelineEntry,
  { sn: gateway, bindings, listings }: DockFacts,
): boolean {
  const { sn = gateway, organizationId } = details;
  const binding = bindings.get(sn);
  if (reason === 'bound_elsewhere') return binding !== undefined && binding.organizationId === organizationId;
  if (reason === 'another_gateway') return !listings.has(sn) && binding?.gateway !== sn;
  return binding !== undefined && Date.parse(binding.boundAt) > at;
}

function bindFinding(entry: TimelineEntry, facts: DockFacts): DockFinding {
  const { reason = 'internal_error', details, at } = entry;
  const { sn = facts.sn, organizationId } = details;
  const binding = facts.bindings.get(sn);
  const isOwn = sn === facts.sn;
  // A dock that is already bound is online, even if its drone is not bound.
  const isBound = facts.bindings.has(facts.sn);
  const isStopped = !isBound || (isOwn && reason === 'bound_elsewhere');
  return {
    code: codeFor(reason),
    level: isStopped ? 'error' : 'warning',
    state: isBound ? 'stopped at bind' : 'not bound',
    since: at,
    ...bindText(reason, {
      sn,
      organizationId: organizationId ?? '?',
      binding,
      detail: details.detail,
      isLongAgo: facts.now - entry.lastAt > LIMIT_MS,
      hasOrganizations: facts.organizations.size > 0,
    }),
  };
}

const LIST = command('organization', 'list');
const TYPE_AGAIN = `type organization id and device binding code into DJI Pilot 2 as ${LIST} shows them`;
/** After this time, a limit on codes or binds lets the next one through; in milliseconds. */
const LIMIT_MS = 60_000;
const BIND_AGAIN = 'bind it again in DJI Pilot 2';

interface Bind {
  sn: string;
  /** The organization that was asked for. */
  organizationId: string;
  /** That of the device, now. */
  binding: Binding | undefined;
  detail: string | undefined;
  isLongAgo: boolean;
  hasOrganizations: boolean;
}

/** By the reason for which a bind, or the look-up of an organization, was refused. */
const TEXTS: Readonly<Record<string, (bind: Bind) => ReasonText>> = {
  no_binding_code: () => ({
    brief: 'no device binding code typed',
    what: 'No device binding code was typed into DJI Pilot 2.',
    fix: [TYPE_AGAIN],
  }),
  wrong_binding_code: ({ hasOrganizations }) => ({
    brief: 'wrong device binding code',
    what: 'No organization had the device binding code that was typed into DJI Pilot 2.',
    fix: [
      ...(hasOrganizations
        ? []
        : [`create an organization: ${command('organization', 'add', 'ID', '--name', 'NAME')}`]),
      TYPE_AGAIN,
      'capital and small letters of a code differ',
    ],
  }),
  organization_id_as_code: () => ({
    brief: 'organization id typed as code',
    what: 'What was typed as device binding code into DJI Pilot 2 is the id of an organization: the two fields may be swapped.',
    fix: [TYPE_AGAIN],
  }),
  typed_with_spaces: () => ({
    brief: 'a space typed with code or id',
    what:
      'Device binding code and organization id are right, but one of them was typed into DJI Pilot 2 with a space before or ' +
      'after it.',
    fix: ['type it again without the space'],
  }),
  wrong_organization_id: () => ({
    brief: 'wrong organization id',
    what: 'The device binding code belongs to another organization than the id that was typed into DJI Pilot 2.',
    fix: [TYPE_AGAIN],
  }),
  too_many_wrong_codes: ({ isLongAgo }) => ({
    brief: 'too many wrong codes',
    what:
      'This dock or its account sent too many wrong device binding codes, so dockhook refused more without looking at ' +
      'them.',
    fix: [...(isLongAgo ? [] : ['wait a minute']), TYPE_AGAIN],
  }),
  too_many_binds: ({ sn, isLongAgo }) => ({
    brief: 'too many devices',
    what:
      `The dock or its account asked to bind so many different devices that dockhook refused ${sn} without looking at it. A dock ` +
      'may bind 20, then one a minute; an account 5,000, then one a second.',
    fix: [
      `see what it bound: ${command('binding', 'list')}`,
      isLongAgo ? BIND_AGAIN : `wait a minute, then ${BIND_AGAIN}`,
    ],
  }),
  another_gateway: ({ sn }) => ({
    brief: `${sn} is another gateway`,
    what: `The dock asked to bind ${sn}, which is itself a gateway. A dock binds only itself and its drone.`,
    fix: [`see which account acts as ${sn}: ${command('account', 'list')}`],
  }),
  invalid_data: ({ sn, detail = 'invalid_data' }) => ({
    brief: `what was sent of ${sn} cannot be used`,
    what: `dockhook did not bind ${sn}, because it cannot use what was sent of it: ${detail}.`,
    fix: [`shorten what was typed for ${sn}, then ${BIND_AGAIN}`],
  }),
  bound_elsewhere: ({ sn, organizationId, binding }) => {
    if (binding === undefined)
      return {
        brief: 'unbound since; bind it again',
        what: `${sn} was bound to another organization when DJI Pilot 2 asked. Now it is bound to none.`,
        fix: [BIND_AGAIN],
      };
    const bound = binding.organizationId;
    return {
      brief: `${sn} is bound to "${bound}"`,
      what: `${sn} is bound to organization "${bound}", and DJI Pilot 2 asked to bind it to "${organizationId}".`,
      fix: [
        `to move it: ${command('binding', 'move', sn, '--organization', organizationId)}`,
        `or to unbind it: ${command('binding', 'remove', sn)}; then ${BIND_AGAIN}`,
      ],
    };
  },
};

function bindText(reason: Reason, bind: Bind): ReasonText {
  const { sn, detail } = bind;
  const fault = serverFault(reason);
  if (fault !== undefined) {
    return {
      brief: `bind failed: ${fault.brief}`,
      what: `dockhook could not bind ${sn}: ${detail ?? fault.what}.`,
      fix: [...fault.fix, `then ${BIND_AGAIN}`],
    };
  }
  return (
    TEXTS[reason]?.(bind) ?? {
      brief: `bind failed: ${reason}`,
      what: `dockhook did not bind ${sn} (${reason}).`,
      fix: [TYPE_AGAIN],
    }
  );
}
