/** Organizations and bindings: the dock is not bound, or a bind was refused. Pure. */
import type { Reason } from '../../events.js';
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { serverFault, type ReasonText } from '../reasons.js';
import { isOk } from './requests.js';

/** Finds nothing for a dock that is not connected, or that has sent no request. */
export function notBound({ own, sessions }: History, facts: DockFacts): DockFinding | undefined {
  const { bindings, organizations, sn } = facts;
  const session = sessions.at(-1);
  if (session === undefined || bindings.has(sn) || !own.some(({ step }) => step === 'request'))
    return undefined;
  const create = "create an organization: dockhook organization add ID --name 'NAME'";
  return {
    code: 'not_bound',
    level: 'error',
    state: 'not bound',
    since: session.since,
    brief: 'not bound to an organization',
    what: 'The dock is connected and got its license, but it is not bound to an organization.',
    fix: [
      ...(organizations.size > 0 ? [] : [create]),
      'type organization id and device binding code into DJI Pilot 2: dockhook organization list shows them',
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
  const findings = entries.filter(isBindFault).flatMap((entry) => bindFinding(entry, facts) ?? []);
  // A wrong code is refused for the look-up and for each device: once is enough.
  return findings.filter(({ what }, index) => findings.findIndex((other) => other.what === what) === index);
}

/** Other faulty requests have their own finding; a bind request is answered even if no device could be bound. */
function isBindFault({ step, outcome, reason }: TimelineEntry): boolean {
  return (
    outcome === 'faulty' &&
    reason !== 'invalid_data' &&
    (step === 'bind' || serverFault(reason) === undefined)
  );
}

function bindFinding(entry: TimelineEntry, facts: DockFacts): DockFinding | undefined {
  const { reason = 'internal_error', details, at } = entry;
  const { sn = facts.sn, organizationId } = details;
  const bound = facts.bindings.get(sn)?.organizationId;
  if (reason === 'bound_elsewhere' && bound !== undefined && bound === (organizationId ?? '?'))
    return undefined;
  // A dock that is already bound is online, even if its drone is not bound.
  const isStopped = !facts.bindings.has(facts.sn) || (sn === facts.sn && reason === 'bound_elsewhere');
  return {
    code: reason,
    level: isStopped ? 'error' : 'warning',
    state: 'not bound',
    since: at,
    ...bindText(reason, { sn, organizationId: organizationId ?? '?', bound, detail: details.detail }),
  };
}

const TYPE_AGAIN =
  'type organization id and device binding code into DJI Pilot 2 as dockhook organization list shows them';
const BIND_AGAIN = 'bind it again in DJI Pilot 2';

interface Bind {
  sn: string;
  /** The organization that was asked for. */
  organizationId: string;
  /** The organization that the device is bound to now. */
  bound: string | undefined;
  detail: string | undefined;
}

/** By the reason for which a bind, or the look-up of an organization, was refused. */
const TEXTS: Readonly<Record<string, (bind: Bind) => ReasonText>> = {
  wrong_binding_code: () => ({
    brief: 'wrong device binding code',
    what: 'No organization has the device binding code that was typed into DJI Pilot 2.',
    fix: [TYPE_AGAIN, 'capital and small letters of a code differ'],
  }),
  wrong_organization_id: () => ({
    brief: 'wrong organization id',
    what: 'The device binding code belongs to another organization than the id that was typed into DJI Pilot 2.',
    fix: [TYPE_AGAIN],
  }),
  too_many_wrong_codes: () => ({
    brief: 'too many wrong codes',
    what:
      'This dock or its account sent too many wrong device binding codes, so dockhook refuses more without looking at ' +
      'them.',
    fix: ['wait a minute', TYPE_AGAIN],
  }),
  too_many_binds: ({ sn }) => ({
    brief: 'too many devices',
    what:
      `The dock or its account asked to bind so many different devices that dockhook refused ${sn} without looking at it. A dock ` +
      'may bind 20, then one a minute; an account 5,000, then one a second.',
    fix: ['see what it bound: dockhook binding list', `wait a minute, then ${BIND_AGAIN}`],
  }),
  another_gateway: ({ sn }) => ({
    brief: `${sn} is another gateway`,
    what: `The dock asked to bind ${sn}, which is itself a gateway. A dock binds only itself and its drone.`,
    fix: [`see which account acts as ${sn}: dockhook account list`],
  }),
  bound_elsewhere: ({ sn, organizationId, bound }) =>
    bound === undefined
      ? {
          brief: 'unbound since; bind it again',
          what: `${sn} was bound to another organization when DJI Pilot 2 asked. Now it is bound to none.`,
          fix: [BIND_AGAIN],
        }
      : {
          brief: `${sn} is bound to "${bound}"`,
          what: `${sn} is bound to organization "${bound}", and DJI Pilot 2 asked to bind it to "${organizationId}".`,
          fix: [
            `to move it: dockhook binding move ${sn} --organization ${organizationId}`,
            `or to unbind it: dockhook binding remove ${sn}; then ${BIND_AGAIN}`,
          ],
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
