/**
 * One call that shows whether dockhook answers EMQX. EMQX itself says "connected" even when nobody is there any more
 * (seen on 5.8.9 with dockhook killed). Dockhook's port, tried from here, shows nothing about EMQX's way to it: EMQX runs on
 * another machine, has a TLS certificate of its own, or a proxy is between.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { INVENTED_SERIAL_NUMBER } from '../serial-number.js';
import { messageOf } from '../errors.js';
import { answers, type Provider } from './api-answers.js';
import { statusOf, type EmqxApi } from './api.js';
import { durationMs } from './durations.js';

/** What EMQX did with the message that {@link makeTestCall} published. */
export type TestCall =
  /** On these nodes; a publish over REST runs on the node that takes it. */
  | { kind: 'answered'; nodes: string[] }
  /** `unanswered`: EMQX called and got no answer it can use; `not called`: it did not call at all. */
  | { kind: 'unanswered' | 'not called'; nodes: string[] }
  | { kind: 'untried'; why: string };

/** Beyond what EMQX waits for dockhook: its own work, and the way. In milliseconds. */
const SLACK_MS = 2000;
/** What EMQX waits unless it says something else. In milliseconds. */
const REQUEST_TIMEOUT_MS = 5000;
/** A look at the counters of another node may come before its count. */
const LOOKS = 3;
const LOOK_MS = 200;

/**
 * Publishes a message under an SN that no device has, on a topic that EMQX must ask dockhook about, and looks which
 * counter of the hook rises. dockhook drops the message, so nobody gets it; without dockhook a subscriber of
 * `thing/product/+/requests` does, and finds a well-formed request with a method that nobody knows.
 */
export async function makeTestCall(api: EmqxApi, provider: Provider): Promise<TestCall> {
  const { name, request_timeout: timeout } = provider;
  const before = await countsOf(api, name);
  if (before === undefined)
    return { kind: 'untried', why: 'EMQX does not count the calls of message.publish' };
  const waits = durationMs(timeout) ?? REQUEST_TIMEOUT_MS;
  try {
    await api.send('POST', '/publish', callMessage(), waits + SLACK_MS);
  } catch (error) {
    // Without a status the call may be under way all the same, and its count tells.
    if (statusOf(error) !== undefined) return { kind: 'untried', why: messageOf(error) };
  }
  for (let look = 1; ; look += 1) {
    const after = (await countsOf(api, name)) ?? before;
    const rose = (which: keyof Counts): string[] =>
      [...after].flatMap(([node, counts]) => {
        return counts[which] > (before.get(node)?.[which] ?? 0) ? [node] : [];
      });
    const [failed, succeeded] = [rose('failed'), rose('succeed')];
    if (failed.length > 0) return { kind: 'unanswered', nodes: failed };
    if (succeeded.length > 0) return { kind: 'answered', nodes: succeeded };
    if (look === LOOKS) return { kind: 'not called', nodes: [] };
    await pause(LOOK_MS);
  }
}

/** What does not hold, in one line; undefined if dockhook answers. */
export function faultOfCall(call: TestCall): string | undefined {
  switch (call.kind) {
    case 'answered':
      return undefined;
    case 'unanswered':
      return `EMQX says "connected", but its call on ${call.nodes.join(', ')} got no answer`;
    case 'not called':
      return 'EMQX says "connected", but it did not call for a message that it must ask about';
    case 'untried':
      return `EMQX says "connected"; whether its calls are answered could not be tried: ${call.why}`;
  }
}

function callMessage(): object {
  const gateway = `${INVENTED_SERIAL_NUMBER}STATUS`;
  const payload = {
    tid: randomUUID(),
    bid: randomUUID(),
    timestamp: Date.now(),
    gateway,
    method: 'dockhook_status',
    data: {},
  };
  return {
    topic: `thing/product/${gateway}/requests`,
    qos: 0,
    retain: false,
    payload: JSON.stringify(payload),
  };
}

interface Counts {
  succeed: number;
  failed: number;
}

/** Calls of `message.publish` by node; undefined if EMQX does not tell. */
async function countsOf(api: EmqxApi, name: string): Promise<Map<string, Counts> | undefined> {
  const hooks = await api.get(`/exhooks/${encodeURIComponent(name)}/hooks`, answers.hooks);
  const nodes = hooks.find((hook) => hook.name === 'message.publish')?.node_metrics;
  if (nodes === undefined || nodes.length === 0) return undefined;
  return new Map(
    nodes.map(({ node, metrics = {} }) => [
      node,
      { succeed: metrics.succeed ?? 0, failed: metrics.failed ?? 0 },
    ]),
  );
}
