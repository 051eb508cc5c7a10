/** Requests: none came, the reply was lost, they failed, or nobody answers them. Pure. */
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { serverFault } from '../reasons.js';

/** A request that dockhook answered or passed on. */
export const isRequest = ({ step, outcome }: TimelineEntry): boolean =>
  step === 'request' && outcome !== 'dropped';
/** A `config` request, with which a dock asks for its license. */
export const isConfig = (entry: TimelineEntry): boolean =>
  isRequest(entry) && entry.details.method === 'config';
export const isOk = ({ outcome }: TimelineEntry): boolean => outcome === 'ok';

/** A dock subscribes and asks for its license at once; until then it is only connecting. In milliseconds. */
export const CONNECTING_MS = 30_000;

/** Finds nothing for a dock that is bound, or that connected a moment ago. */
export function noRequest(
  { own, sessions, letIn, lastAccepted }: History,
  facts: DockFacts,
): DockFinding | undefined {
  // A bound dock has asked before, and need not ask again.
  if (lastAccepted === undefined || facts.bindings.has(facts.sn)) return undefined;
  if (own.some(({ step }) => step === 'request')) return undefined;
  const since = sessions.at(-1)?.since ?? letIn?.lastAt;
  if (since !== undefined && facts.now - since < CONNECTING_MS) return undefined;
  return {
    code: 'no_request',
    level: 'error',
    state: 'stopped at connect',
    since: lastAccepted.at,
    brief: 'connects, but asks for nothing',
    what:
      `Client id "${lastAccepted.clientId}" with account "${lastAccepted.account}" was let in, but dockhook never saw a request ` +
      `on thing/product/${facts.sn}/requests.`,
    fix: [
      'check that EMQX passes requests to dockhook (hook message.publish): dockhook doctor',
      'with Mosquitto, check the lines "dockhook:" in its log, and that its listener has no mount_point',
      'check that this client is the dock itself, and not a remote controller or a test tool',
      'start the cloud service of the dock again in DJI Pilot 2',
    ],
  };
}

/** A dock that sends a request again under the same tid did not get our reply. */
export function repliesLost({ own }: History, { sn }: DockFacts): DockFinding | undefined {
  const last = own.findLast((entry) => isRequest(entry) && entry.details.result !== undefined);
  if (!last?.details.again || !isOk(last)) return undefined;
  const { method = '' } = last.details;
  return {
    code: 'replies_lost',
    level: 'error',
    state: method === 'config' ? 'stopped at config' : 'stopped at bind',
    since: last.at,
    brief: `does not get the reply to ${method}`,
    what: `The dock sends the same ${method} request again and again. dockhook replies, but the reply does not reach the dock.`,
    fix: [
      'in EMQX, set mqtt.ignore_loop_deliver = false: dockhook doctor checks it',
      `check that client id "${last.clientId}" subscribes to thing/product/${sn}/requests_reply, and not with MQTT 5 "No Local"`,
      `see whether a simulated dock gets a reply: dockhook simulate --gateway ${sn} …`,
    ],
  };
}

const UNREADABLE = new Set<string>(['invalid_data', 'too_large', 'not_json', 'no_method']);

/** The last request of each method, if it could not be read, or if dockhook or its database failed. */
export function failedRequests({ own }: History): DockFinding[] {
  const last = new Map(own.filter(isRequest).map((entry) => [entry.details.method ?? '', entry]));
  return [...last.values()].flatMap((entry) => failedRequest(entry) ?? []);
}

function failedRequest({ reason, outcome, details, at }: TimelineEntry): DockFinding | undefined {
  const { method = '', detail } = details;
  const state = method === 'config' ? 'stopped at config' : 'stopped at bind';
  const fault = outcome === 'faulty' ? serverFault(reason) : undefined;
  if (reason !== undefined && fault !== undefined) {
    return {
      code: reason,
      level: 'error',
      state,
      since: at,
      brief: `${method} failed: ${fault.brief}`,
      what: `dockhook could not answer ${method}: ${detail ?? fault.what}.`,
      fix: [...fault.fix, 'then restart the dock, or its cloud service in DJI Pilot 2'],
    };
  }
  if (reason === undefined || !UNREADABLE.has(reason)) return undefined;
  return {
    code: 'malformed_request',
    level: reason === 'invalid_data' ? 'error' : 'warning',
    state,
    since: at,
    brief: `${method || 'a request'} is malformed`,
    what: `dockhook cannot read a request${method && ` for ${method}`} (${reason}${detail === undefined ? '' : `: ${detail}`}).`,
    fix: [
      'check that the sender is a dock; if it is, its firmware may be new: report it with the line above',
    ],
  };
}

/** Without an answer to these a take-off waits for 40 s; an empty answer is enough (DJI's FAQ of the Cloud API). */
const BEFORE_TAKE_OFF = ['offline_map_get', 'flight_areas_get'];

/** Methods for a backend that nobody answers. The only sign is that the dock asks again. */
export function unanswered({ own }: History): DockFinding | undefined {
  const methods = new Map<string, TimelineEntry>();
  for (const entry of own) {
    const { method } = entry.details;
    if (entry.step !== 'request' || method === undefined) continue;
    if (entry.reason !== 'method_not_ours') methods.delete(method);
    else if (BEFORE_TAKE_OFF.includes(method) || entry.details.again) methods.set(method, entry);
  }
  const [first] = methods.values();
  if (first === undefined) return undefined;
  const names = [...methods.keys()];
  const slow = names.filter((name) => BEFORE_TAKE_OFF.includes(name));
  const others = names.filter((name) => !BEFORE_TAKE_OFF.includes(name));
  const what = [`dockhook leaves ${names.join(', ')} to your backend.`];
  const fix: string[] = [];
  if (slow.length > 0) {
    what.push(`If nobody answers ${slow.join(', ')}, each take-off waits for about 40 s.`);
    fix.push(`if your backend does not answer, set DOCKHOOK_EMPTY_REPLIES=${slow.join(',')}`);
  }
  if (others.length > 0) {
    what.push(`The dock asked for ${others.join(', ')} again: nobody answered.`);
    fix.push('check that your backend subscribes to thing/product/+/requests and answers');
  }
  return {
    code: 'method_unanswered',
    level: 'warning',
    state: 'online',
    since: first.at,
    brief: `${names.join(', ')} left to your backend`,
    what: what.join(' '),
    fix,
  };
}
