/** Whether a request of a dock gets its reply, and from dockhook. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../errors.js';
import type { Finding } from '../../finding.js';
import type { BrokerWords } from '../brokers.js';
import { listen, sendMarker, type DockSession } from './session.js';

/** Sends one request and waits for its reply. */
export async function requestIsAnswered(dock: DockSession): Promise<Finding> {
  const { client, watcher, gateway, broker, timeoutMs, within } = dock;
  const topics = {
    request: `thing/product/${gateway}/requests`,
    reply: `thing/product/${gateway}/requests_reply`,
  };
  const ids = { tid: randomUUID(), bid: randomUUID() };
  const method = 'airport_bind_status';
  const seen = watcher ? listen(watcher, ids.tid) : undefined;
  const heard = listen(client, ids.tid);
  const started = performance.now();
  const data = { devices: [{ sn: gateway }] };
  const message = JSON.stringify({ ...ids, timestamp: Date.now(), gateway, method, data });
  const sent = await within(
    client.publishAsync(topics.request, message, { qos: 1 }).then(() => true as const, messageOf),
  );
  const answer = sent === true ? await within(heard.first(topics.reply)) : undefined;
  const milliseconds = Math.round(performance.now() - started);
  heard.stop();
  // The reply may come before the request has reached others.
  if (answer !== undefined && seen) await sendMarker(dock, ids.tid, seen);
  seen?.stop();
  if (answer === undefined) {
    const { why, fix } = whyNoReply(sent, seen?.topics, { ...topics, broker });
    const what =
      sent === true ? `no reply to ${method} in ${timeoutMs / 1000} s` : `${method} could not be sent`;
    return { level: 'error', code: 'probe_no_reply', what, why, fix };
  }
  if (seen?.topics.has(topics.request)) {
    return {
      level: 'error',
      code: 'probe_answered_elsewhere',
      what: `${method} was answered, but the request itself also went to subscribers`,
      why: `another server answers docks, and ${broker.name} does not ask dockhook about this topic`,
      fix: ['stop that server, or let it alone answer requests', broker.configure],
    };
  }
  const result = resultOf(answer);
  if (result !== 0) {
    return {
      level: 'error',
      code: 'probe_reply_fault',
      what: `${method} was answered with result ${result ?? '(none)'}`,
      why: 'a dock takes that as a failure; 210233 means that dockhook could not read the bindings',
      fix: ['look at the log of dockhook serve, and check that its database answers'],
    };
  }
  return {
    level: 'ok',
    code: 'probe_reply',
    what: `a request of a dock got its reply in ${milliseconds} ms`,
  };
}

/** From what happened to the request, as far as it could be watched. */
function whyNoReply(
  sent: true | string | undefined,
  seen: ReadonlySet<string> | undefined,
  { broker, ...topics }: { request: string; reply: string; broker: BrokerWords },
): Required<Pick<Finding, 'why' | 'fix'>> {
  if (sent === undefined) {
    return {
      why: 'the broker did not even acknowledge the request',
      fix: ['look at the log and the load of the broker'],
    };
  }
  if (sent !== true) {
    return {
      why: `the broker refused the request (${sent})`,
      fix: ['check that the account may act as this gateway', LOOK_AT_LOG],
    };
  }
  if (seen?.has(topics.reply)) {
    return {
      why: 'the reply went to other subscribers, but not to the dock that asked',
      fix: [broker.deliverOwnReplies],
    };
  }
  if (seen?.has(topics.request)) {
    return {
      why: `the request went to subscribers unchanged: ${broker.name} did not ask dockhook, or got no answer in time`,
      fix: [broker.configure],
    };
  }
  return {
    why: 'the request was dropped, or its reply did not come back to the dock that asked',
    fix: [broker.deliverOwnReplies, LOOK_AT_LOG, broker.configure],
  };
}

const LOOK_AT_LOG = 'look at the log of dockhook serve';

function resultOf(payload: Buffer): number | undefined {
  try {
    const { data } = JSON.parse(payload.toString()) as { data?: { result?: unknown } };
    return typeof data?.result === 'number' ? data.result : undefined;
  } catch {
    return undefined;
  }
}
