/** Topics that EMQX changes or adds: rewrites and automatic subscriptions. */
import { getIfThere } from '../../emqx/api.js';
import { moduleAnswers } from '../../emqx/module-answers.js';
import type { Finding } from '../../finding.js';
import { listed } from '../../text.js';
import { mayTouchDocks } from './acl-rules.js';
import type { EmqxContext } from './context.js';

export async function checkTopics({ api }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const rewrites = (await getIfThere(api, '/mqtt/topic_rewrite', moduleAnswers.rewrites)) ?? [];
  const rewritten = rewrites.filter(({ source_topic: topic }) => mayTouchDocks(topic));
  if (rewritten.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_rewrite',
      what: `EMQX rewrites topics of docks: ${listed(rewritten.map(({ source_topic: from, dest_topic: to }) => `${from} to ${to ?? '?'}`))}`,
      why: 'EMQX asks dockhook about another topic than the dock used, or not at all',
      fix: ['remove these lines from rewrite (dashboard, Management, MQTT Settings, Topic Rewrite)'],
    });
  }
  const subscriptions = (await getIfThere(api, '/mqtt/auto_subscribe', moduleAnswers.subscriptions)) ?? [];
  const given = subscriptions.filter(({ topic }) => mayTouchDocks(topic));
  if (given.length > 0) {
    const open = given.some(({ topic }) => !topic.includes('${'));
    findings.push({
      level: open ? 'error' : 'warning',
      code: 'emqx_auto_subscribe',
      what: `EMQX subscribes every client to ${listed(given.map(({ topic }) => topic))}`,
      why: `EMQX does not ask dockhook about it${open ? ': each dock gets the messages of the others' : ''}`,
      fix: ['remove these topics from auto_subscribe (dashboard, Management, MQTT Settings, Auto Subscribe)'],
    });
  }
  return findings;
}
