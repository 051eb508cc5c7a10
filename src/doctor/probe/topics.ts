/** Which topics the broker lets a dock use: its own, and no others. */
import { randomUUID } from 'node:crypto';
import type { Finding } from '../../finding.js';
import type { BrokerWords } from '../brokers.js';
import {
  subscribe,
  listen,
  meaningless,
  REFUSED,
  asRefusal,
  sendMarker,
  type DockSession,
} from './session.js';

/** Why a dock may do what it must not. */
const causeOf = ({ decidesBefore }: BrokerWords): string =>
  `${decidesBefore}, or the account may act as any gateway`;

/** Subscribes to the replies, as every dock does first. */
export async function ownReplies(dock: DockSession): Promise<Finding> {
  const { client, watcher, gateway, foreign } = dock;
  const topic = `thing/product/${gateway}/requests_reply`;
  const [code] = await subscribe(dock, client, [topic]);
  if (code === undefined || code >= REFUSED) {
    return {
      level: 'error',
      code: 'probe_replies_refused',
      what: `a dock may not subscribe to its own ${topic} (${code === undefined ? 'no answer' : `SUBACK ${code}`})`,
      why: 'no reply and no command reaches the dock',
      fix: [
        'check that the account may act as this gateway',
        'check that no other authorization source of the broker decides before dockhook',
      ],
    };
  }
  if (watcher) {
    await subscribe(
      dock,
      watcher,
      [gateway, foreign].map((sn) => `thing/product/${sn}/#`),
    );
  }
  return { level: 'ok', code: 'probe_replies', what: 'a dock may subscribe to its own replies' };
}

/** Subscribes to topics of others. */
export async function foreignFilters(dock: DockSession): Promise<Finding> {
  const { client, foreign } = dock;
  const filters = [`thing/product/${foreign}/services`, 'thing/product/+/osd', '#'];
  const codes = await subscribe(dock, client, filters);
  const granted = filters.filter((_, index) => (codes[index] ?? REFUSED) < REFUSED);
  if (granted.length === 0) {
    return {
      level: 'ok',
      code: 'probe_foreign_subscribe_refused',
      what: 'a dock may not subscribe to topics of others',
    };
  }
  await dock.within(client.unsubscribeAsync(granted).catch(() => undefined));
  return {
    level: 'error',
    code: 'probe_foreign_subscribe_granted',
    what: `a dock may subscribe to ${granted.join(', ')}`,
    why: `it gets the telemetry and the license of others: ${causeOf(dock.broker)}`,
    fix: dock.broker.askDockhookAlone,
  };
}

/** Publishes what a dock must not publish, then what it may. If only the second arrives, the first was dropped. */
export async function foreignPublish(dock: DockSession): Promise<Finding> {
  const { client, watcher, gateway, foreign, within } = dock;
  // Without a watcher the SN is the operator's, and a real dock might get the command.
  const command = watcher ? [`thing/product/${gateway}/services`] : [];
  const forbidden = [`thing/product/${foreign}/services_reply`, ...command];
  const tid = randomUUID();
  const seen = watcher ? listen(watcher, tid) : undefined;
  const outcomes = new Map<string, 'taken' | 'refused' | 'unknown'>();
  // Some brokers are set to end the connection of a client that is refused.
  const isCutOff = (): boolean => !client.connected;
  for (const topic of forbidden) {
    if (isCutOff()) break;
    const sent = client
      .publishAsync(topic, meaningless(tid), { qos: 1 })
      .then(() => 'taken' as const, asRefusal);
    outcomes.set(topic, (await within(sent)) ?? 'unknown');
  }
  const arrived = isCutOff() || !seen ? undefined : await sendMarker(dock, tid, seen);
  seen?.stop();
  // Only MQTT 5 tells a publisher that it was refused: with 3.1.1 "taken" means nothing.
  const isTold = dock.protocolVersion === 5;
  const delivered = forbidden.filter(
    (topic) => seen?.topics.has(topic) || (isTold && outcomes.get(topic) === 'taken'),
  );
  const proven =
    arrived !== undefined || isCutOff() || (isTold && ![...outcomes.values()].includes('unknown'));
  if (delivered.length > 0) {
    return {
      level: 'error',
      code: 'probe_foreign_publish_delivered',
      what: `a dock may publish to ${delivered.join(', ')}`,
      why: `it can send telemetry and commands in the name of others: ${causeOf(dock.broker)}`,
      fix: dock.broker.askDockhookAlone,
    };
  }
  if (proven) {
    const what = 'a dock may not publish for others, nor what only the cloud sends';
    return { level: 'ok', code: 'probe_foreign_publish_refused', what };
  }
  return {
    level: 'warning',
    code: 'probe_publish_unproven',
    what: 'it is not known whether a dock may publish for others',
    why: 'MQTT 3.1.1 does not tell a publisher that it was refused, and no second client could see what arrived',
    fix: ['probe with --mqtt 5', 'or without --username, where this command reaches the database'],
  };
}
