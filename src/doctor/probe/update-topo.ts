/** Who answers `update_topo`, with which a dock says which drone it has: nobody, one, or several. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import type { Finding } from '../../finding.js';
import type { BrokerWords } from '../brokers.js';
import { REFUSED, subscribe, type DockSession } from './session.js';

/** A dock that has no reply by then repeats its message (seen on docks). In milliseconds. */
const DOCK_REPEATS_MS = 2000;

/**
 * Says that the dock has no drone, and counts the replies for as long as a dock waits. Only for an SN that no device has:
 * a backend would believe it of a real dock.
 */
export async function updateTopoIsAnswered(dock: DockSession): Promise<Finding> {
  const { client, gateway, within } = dock;
  const topic = `sys/product/${gateway}/status`;
  const tid = randomUUID();
  let replies = 0;
  let onSecond = (): void => undefined;
  const second = new Promise<void>((resolve) => (onSecond = resolve));
  const onMessage = (to: string, payload: Buffer): void => {
    if (to !== `${topic}_reply` || !payload.includes(tid)) return;
    replies += 1;
    if (replies > 1) onSecond();
  };
  client.on('message', onMessage);
  try {
    const [code] = await subscribe(dock, client, [`${topic}_reply`]);
    if (code === undefined || code >= REFUSED) return notTried(`it may not subscribe to ${topic}_reply`);
    const data = { domain: '3', type: 3, sub_type: 0, sub_devices: [] };
    const message = { tid, bid: tid, timestamp: Date.now(), method: 'update_topo', data };
    const fault = await within(
      client.publishAsync(topic, JSON.stringify(message), { qos: 1 }).then(() => undefined, messageOf),
    );
    if (fault !== undefined) return notTried(fault);
    await within(Promise.race([second, pause(DOCK_REPEATS_MS)]));
  } finally {
    client.off('message', onMessage);
  }
  if (replies > 1) return twoReplies(dock.broker);
  if (replies === 0) return noReply(dock.broker);
  return { level: 'ok', code: 'probe_update_topo', what: 'update_topo of a dock gets one reply' };
}

function twoReplies({ rules }: BrokerWords): Finding {
  const others = ['a backend', ...(rules ? [rules.name] : [])].join(', ');
  return {
    level: 'warning',
    code: 'probe_two_replies',
    what: 'update_topo of a dock gets two replies or more',
    why: `several answer it: ${others} or dockhook (DOCKHOOK_ANSWER_FOR_BACKEND)`,
    fix: [`let one of them answer: ${rules?.paper ?? 'docs/backend.md'}`],
  };
}

const WHY = 'a dock whose update_topo is not answered does not report its drone';

function noReply({ rules }: BrokerWords): Finding {
  return {
    level: 'warning',
    code: 'probe_update_topo_unanswered',
    what: 'nobody answered the update_topo of a dock that does not exist',
    why: WHY,
    fix: [
      'let your backend answer it; one that answers only docks that it knows is all right',
      'without a backend, DOCKHOOK_ANSWER_FOR_BACKEND=update_topo (docs/backend.md)',
      ...(rules ? [`beside a backend that does not answer, ${rules.name} (${rules.paper})`] : []),
    ],
  };
}

function notTried(why: string): Finding {
  return {
    level: 'warning',
    code: 'probe_update_topo_not_tried',
    what: `whether update_topo of a dock is answered could not be tried: ${why}`,
    why: WHY,
    fix: ['check that no other authorization source of the broker decides before dockhook'],
  };
}
