/** What goes wrong with a dock's requests: license, replies that do not arrive, organization and bind. Pure. */
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { Walk } from '../history.js';

const isRequest = ({ step, outcome }: TimelineEntry): boolean => step === 'request' && outcome !== 'dropped';
const isConfig = (entry: TimelineEntry): boolean => isRequest(entry) && entry.details.method === 'config';
const isOk = ({ outcome }: TimelineEntry): boolean => outcome === 'ok';

export function licenseNotSet({ own }: Walk, { hasLicense }: DockFacts): DockFinding[] {
  const last = own.findLast(isConfig);
  if (last?.reason !== 'license_not_set') return [];
  return [
    {
      code: 'license_not_set',
      level: 'error',
      state: 'stopped at config',
      since: last.at,
      brief: hasLicense ? 'license set since; waits for the dock' : 'no license set',
      what: hasLicense
        ? 'The dock asked for the license when there was none. One has been set since.'
        : 'The dock asked for the license of your "Cloud API" app, and there is none.',
      fix: hasLicense
        ? ['wait until the dock connects again, or restart it']
        : [
            'dockhook license set license.json (dockhook license set --help shows the form)',
            'then restart the dock',
          ],
    },
  ];
}

/** Within this time after `config` a dock has verified the license, or left; in milliseconds. */
const VERIFIED_WITHIN_MS = 30_000;
/** Ends that a dock or its network chooses, in EMQX's words. */
const OWN_ENDS = new Set(['normal', 'tcp_closed', 'ssl_closed']);

/**
 * A dock verifies the license itself, and tells nobody: if it fails, it disconnects and asks for no bind status
 * (DJI, "Dock access to cloud").
 */
export function licenseRefused({ own, sessions }: Walk, { now }: DockFacts): DockFinding[] {
  const progress = own.findLastIndex((entry) => isRequest(entry) && !isConfig(entry));
  const since = own.slice(progress + 1);
  const asked = since.filter((entry) => isConfig(entry) && isOk(entry) && !entry.details.again);
  const left = asked.filter((config) => isFollowedByEnd(config, since));
  const [first] = left;
  const last = asked.at(-1);
  if (first === undefined || last === undefined) return [];
  // It is there again; give it the time.
  if (!left.includes(last) && (sessions.length === 0 || now - last.lastAt > VERIFIED_WITHIN_MS)) return [];
  const times = left.reduce((sum, { count }) => sum + count, 0);
  return [
    {
      code: 'license_refused',
      level: 'error',
      state: 'stopped at config',
      since: first.at,
      brief: 'license probably refused by the dock',
      what:
        `The dock got the license and disconnected within seconds${times > 1 ? `, ${times} times` : ''}, without asking ` +
        'for its bind status: most likely it could not verify the license.',
      fix: [
        'compare app id, key and license with developer.dji.com: dockhook license show',
        'the app there must be of the type "Cloud API"; set it again: dockhook license set license.json',
        'check the clock and the internet access of the dock, with which it verifies',
      ],
    },
  ];
}

function isFollowedByEnd(config: TimelineEntry, own: readonly TimelineEntry[]): boolean {
  const next = own
    .slice(own.indexOf(config) + 1)
    .find(({ clientId, step }) => clientId === config.clientId && step !== 'authenticate');
  return (
    next?.step === 'disconnected' &&
    OWN_ENDS.has(next.details.detail ?? '') &&
    next.at - config.lastAt <= VERIFIED_WITHIN_MS
  );
}

/** A dock that asks again under the same tid did not get the reply that we gave. */
export function repliesLost({ own }: Walk, { sn }: DockFacts): DockFinding[] {
  const last = own.findLast((entry) => isRequest(entry) && entry.details.result !== undefined);
  if (!last?.details.again || !isOk(last)) return [];
  const { method = '' } = last.details;
  return [
    {
      code: 'replies_lost',
      level: 'error',
      state: method === 'config' ? 'stopped at config' : 'stopped at bind',
      since: last.at,
      brief: `does not get the reply to ${method}`,
      what: `The dock asks for ${method} again and again under one tid: dockhook replies, but the reply does not reach it.`,
      fix: [
        'in EMQX, set mqtt.ignore_loop_deliver = false: dockhook doctor checks it',
        `check that client id "${last.clientId}" subscribes to thing/product/${sn}/requests_reply, and not with MQTT 5 "No Local"`,
        `try it: dockhook simulate --gateway ${sn} … shows whether a reply arrives`,
      ],
    },
  ];
}

const UNREADABLE = new Set<string>(['invalid_data', 'too_large', 'not_json', 'no_method']);
const OUR_FAULTS = new Set<string>(['store_unavailable', 'store_refused', 'bad_row', 'internal_error']);

/** The newest request of each method, if it could not be read, or not be answered for reasons of ours. */
export function failedRequests({ own }: Walk): DockFinding[] {
  const newest = new Map(own.filter(isRequest).map((entry) => [entry.details.method ?? '', entry]));
  return [...newest].flatMap(([method, entry]) => {
    const { reason = '', outcome, details, at } = entry;
    const base = { since: at, state: method === 'config' ? 'stopped at config' : 'stopped at bind' } as const;
    if (outcome === 'faulty' && OUR_FAULTS.has(reason)) {
      return [
        {
          ...base,
          code: reason,
          level: 'error',
          brief: reason === 'store_unavailable' ? 'database away' : `${method} failed`,
          what: `${method} could not be answered (${reason}): ${details.detail ?? ''}`,
          fix: [
            reason.startsWith('store_')
              ? 'check PostgreSQL and DATABASE_URL: dockhook doctor'
              : "look at dockhook's log at that time",
            'then restart the dock, or its cloud service in DJI Pilot 2',
          ],
        },
      ];
    }
    if (!UNREADABLE.has(reason)) return [];
    const what = method === '' ? 'A request' : `A request for ${method}`;
    return [
      {
        ...base,
        code: 'malformed_request',
        level: reason === 'invalid_data' ? 'error' : 'warning',
        brief: `${method || 'a request'} is malformed`,
        what: `${what} cannot be read (${reason}${details.detail === undefined ? '' : `: ${details.detail}`}).`,
        fix: [
          'check that the sender is a dock; a new firmware may do this, too: then report it with the line above',
        ],
      },
    ];
  });
}

/** What the dock was told about its organization and devices last, if that was no success. */
export function bindFaults(walk: Walk, facts: DockFacts): DockFinding[] {
  const { own } = walk;
  const asked = own.findLast(({ details }) => details.method === 'airport_organization_get');
  const newest = new Map(
    own.filter(({ step }) => step === 'bind').map((entry) => [entry.details.sn ?? '', entry]),
  );
  const isPast = (entry: TimelineEntry): boolean =>
    !walk.isLast(entry, (later) => later.own && later.step === 'bind' && isOk(later));
  const faulty = [...(asked === undefined || isPast(asked) ? [] : [asked]), ...newest.values()].filter(
    // Of a request {@link failedRequests} tells what was our fault; one that binds is answered all the same.
    ({ step, outcome, reason = '' }) =>
      outcome === 'faulty' && reason !== 'invalid_data' && (step === 'bind' || !OUR_FAULTS.has(reason)),
  );
  const findings = faulty.flatMap((entry) => bindFinding(entry, facts));
  // A wrong code is told of the look-up and of each device: once is enough.
  return findings.filter(({ what }, index) => findings.findIndex((other) => other.what === what) === index);
}

function bindFinding(entry: TimelineEntry, facts: DockFacts): DockFinding[] {
  const { reason = '', details, at } = entry;
  const { sn = facts.sn, organizationId = '?' } = details;
  const bound = facts.bindings.get(sn);
  const base = {
    since: at,
    state: 'not bound' as const,
    // Bound already, it is online; and without its drone it is a dock all the same.
    level:
      !facts.bindings.has(facts.sn) || (sn === facts.sn && reason === 'bound_elsewhere')
        ? 'error'
        : 'warning',
    code: reason,
  } as const;
  const typeAgain =
    'type organization id and device binding code into DJI Pilot 2 as dockhook organization list shows them';
  switch (reason) {
    case 'wrong_binding_code':
      return [
        {
          ...base,
          brief: 'wrong device binding code',
          what: 'No organization has the device binding code that was typed into DJI Pilot 2.',
          fix: [typeAgain, 'codes are compared letter by letter, capital or small'],
        },
      ];
    case 'wrong_organization_id':
      return [
        {
          ...base,
          brief: 'wrong organization id',
          what: 'The device binding code is right, but it is not that of the organization id typed into DJI Pilot 2.',
          fix: [typeAgain],
        },
      ];
    case 'too_many_wrong_codes':
      return [
        {
          ...base,
          brief: 'too many wrong codes',
          what: 'Too many wrong device binding codes came from this dock or its account: further ones are refused unseen.',
          fix: ['wait a minute', typeAgain],
        },
      ];
    case 'too_many_binds':
      return [
        {
          ...base,
          brief: 'too many devices',
          what: `The dock or its account asked to bind so many different devices that ${sn} was refused unseen: 20 of one dock, then one a minute; 5,000 of one account, then one a second.`,
          fix: [
            'see what it bound: dockhook binding list',
            'wait a minute, then bind it again in DJI Pilot 2',
          ],
        },
      ];
    case 'another_gateway':
      return [
        {
          ...base,
          brief: `${sn} is another gateway`,
          what: `The dock asked to bind ${sn}, which is a gateway of its own: a dock binds itself and its drone.`,
          fix: [`see which account acts for ${sn}: dockhook account list`],
        },
      ];
    case 'bound_elsewhere':
      if (bound?.organizationId === organizationId) return [];
      return [
        {
          ...base,
          brief: bound ? `${sn} is bound to "${bound.organizationId}"` : 'unbound since; bind it again',
          what: bound
            ? `${sn} is bound to organization "${bound.organizationId}", and DJI Pilot 2 asked to bind it to "${organizationId}".`
            : `${sn} was bound to another organization when DJI Pilot 2 asked; now it is bound to none.`,
          fix: bound
            ? [
                `to move it: dockhook binding move ${sn} --organization ${organizationId}`,
                `or to unbind it, and bind it again in DJI Pilot 2: dockhook binding remove ${sn}`,
              ]
            : ['bind it again in DJI Pilot 2'],
        },
      ];
    case 'store_unavailable':
    case 'store_refused':
    case 'bad_row':
    case 'internal_error':
      return [
        {
          ...base,
          brief: reason === 'store_refused' ? 'the database refuses' : `bind failed: ${reason}`,
          what: `Binding ${sn} failed (${reason}): ${details.detail ?? ''}`,
          fix: ['check PostgreSQL and DATABASE_URL: dockhook doctor', 'then bind it again in DJI Pilot 2'],
        },
      ];
    default:
      return [
        {
          ...base,
          brief: `bind failed: ${reason}`,
          what: `Binding ${sn} failed (${reason}).`,
          fix: [typeAgain],
        },
      ];
  }
}
