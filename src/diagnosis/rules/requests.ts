/** Requests: none came, the reply was lost, they failed, or nobody answers them. Pure. */
import type { TimelineEntry } from '../../stores/types.js';
import { command } from '../../command.js';
import { DELIVER_OWN_REPLIES } from '../../fixes.js';
import { onBroker } from '../brokers.js';
import { codeFor } from '../codes.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import { wentOn, type History } from '../history.js';
import { serverFault } from '../reasons.js';
import { repliesTopic, subscribedToReplies } from './replies.js';

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
  { own, session, letIn, lastAccepted }: History,
  facts: DockFacts,
): DockFinding | undefined {
  // A bound dock has asked before, and need not ask again.
  if (lastAccepted === undefined || facts.bindings.has(facts.sn)) return undefined;
  if (own.some(({ step }) => step === 'request')) return undefined;
  const since = session?.since ?? letIn?.lastAt;
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
      ...onBroker(
        facts,
        'EMQX',
        `check that EMQX passes requests to dockhook (hook message.publish): ${command('doctor')}`,
      ),
      ...onBroker(
        facts,
        'Mosquitto',
        'check the lines "dockhook:" in the log of Mosquitto, and that its listener has no mount_point',
      ),
      'check that this client is the dock itself, and not a test tool',
      'start the cloud service of the dock again in DJI Pilot 2',
    ],
  };
}

/** So often the same request in so short a time, under new tids, in milliseconds. */
const RETRIES = { times: 3, withinMs: 60_000 };

/** A dock that sends a request again and again did not get our reply. */
export function repliesLost(history: History, facts: DockFacts): DockFinding | undefined {
  const { sn } = facts;
  const last = history.own.findLast((entry) => isRequest(entry) && entry.details.result !== undefined);
  if (last === undefined || !isOk(last) || wentOn(history, last)) return undefined;
  const { clientId } = last;
  const { method = '' } = last.details;
  const heard = subscribedToReplies(history, sn, clientId);
  // Under new tids it may be a person who tries again; but a license is asked for once in a session.
  const isRetry = method === 'config' || (heard !== 'yes' && !facts.bindings.has(sn));
  if (!last.details.again && !(isRetry && isRetried(last, history))) return undefined;
  const base = {
    code: 'replies_lost',
    level: 'error',
    state: method === 'config' ? 'stopped at config' : 'stopped at bind',
    since: last.at,
  } as const;
  const again = `The dock sends the same ${method} request again and again.`;
  const broker = ['--broker', 'mqtt://HOST:1883', '--username', last.account, '--password-stdin'];
  const typed = ['--organization', 'ID', '--binding-code', 'CODE'];
  const tryIt = `see whether a simulated dock gets a reply: ${command('simulate', ...broker, '--gateway', sn, ...typed)}`;
  if (heard === 'yes')
    return {
      ...base,
      brief: `does not get the reply to ${method}`,
      what: `${again} dockhook replies, but the reply does not reach the dock.`,
      fix: [
        ...onBroker(facts, 'EMQX', `${DELIVER_OWN_REPLIES}: ${command('doctor')} checks it`),
        `check that client id "${clientId}" does not subscribe to ${repliesTopic(sn)} with MQTT 5 "No Local"`,
        tryIt,
      ],
    };
  const may = heard === 'before' ? 'may listen' : 'listens';
  const seen =
    heard === 'before'
      ? 'did so in an earlier session, and this one may have kept that'
      : 'was not seen to subscribe there';
  return {
    ...base,
    brief:
      heard === 'before'
        ? `may not hear the reply to ${method}`
        : `does not listen to the reply to ${method}`,
    what: `${again} dockhook replies on ${repliesTopic(sn)}, where nobody ${may}: client id "${clientId}" ${seen}.`,
    fix: [
      `check that client id "${clientId}" subscribes to ${repliesTopic(sn)} before it asks, and that the SN is the same in both topics`,
      ...(heard === 'before'
        ? onBroker(facts, 'EMQX', `${DELIVER_OWN_REPLIES}: ${command('doctor')} checks it`)
        : []),
      tryIt,
    ],
  };
}

/** Whether a request came several times in a row in one session, and nothing else between. */
function isRetried(last: TimelineEntry, { own }: History): boolean {
  const ofClient = own.slice(0, own.indexOf(last) + 1).filter(({ clientId }) => clientId === last.clientId);
  const before = ofClient.findLastIndex(
    (entry) =>
      ['authenticate', 'connected', 'disconnected'].includes(entry.step) ||
      (entry.step === 'request' && entry.details.method !== last.details.method),
  );
  const same = ofClient
    .slice(before + 1)
    .filter((entry) => entry.step === 'request' && last.lastAt - entry.at <= RETRIES.withinMs);
  return same.reduce((sum, { count }) => sum + count, 0) >= RETRIES.times;
}

const UNREADABLE = new Set<string>(['invalid_data', 'too_large', 'not_json', 'no_method']);

/**
 * The last request of each method, if it could not be read, or if dockhook or its database failed, and the dock did not
 * go on. A dock that is bound and connected is online all the same.
 */
export function failedRequests(history: History, { sn, bindings }: DockFacts): DockFinding[] {
  const last = new Map(history.own.filter(isRequest).map((entry) => [entry.details.method ?? '', entry]));
  const isOnline = bindings.has(sn) && history.sessions.length > 0;
  const failed = [...last.values()].filter((entry) => !wentOn(history, entry));
  return failed.flatMap((entry) => failedRequest(entry, isOnline) ?? []);
}

function failedRequest(
  { reason, outcome, details, at }: TimelineEntry,
  isOnline: boolean,
): DockFinding | undefined {
  const { method = '', detail } = details;
  const state = method === 'config' ? 'stopped at config' : 'stopped at bind';
  const level = isOnline && method !== 'config' ? 'warning' : 'error';
  const fault = outcome === 'faulty' ? serverFault(reason) : undefined;
  if (reason !== undefined && fault !== undefined) {
    return {
      code: codeFor(reason),
      level,
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
    level: reason === 'invalid_data' ? level : 'warning',
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
    fix.push(`if your backend does not answer, set DOCKHOOK_ANSWER_FOR_BACKEND=${slow.join(',')}`);
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
