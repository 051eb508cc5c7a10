/** Rules of EMQX that answer docks or copy their requests. EMQX runs them before it asks dockhook. */
import { command } from '../../command.js';
import { getIfThere } from '../../emqx/api.js';
import { moduleAnswers, type Rule } from '../../emqx/module-answers.js';
import type { Finding } from '../../finding.js';
import { listed } from '../../text.js';
import type { EmqxContext } from './context.js';

/** What docks wait for, and where: a rule answers it with the same topic and `_reply`. */
const ANSWERED = [
  { what: 'update_topo', setting: 'updateTopo', topics: ['sys/product/+/status', 'thing/product/+/status'] },
  { what: 'events', setting: 'events', topics: ['thing/product/+/events'] },
] as const;

const REQUESTS = 'thing/product/+/requests';

export async function checkRules({ api, answerForBackend }: EmqxContext): Promise<Finding[]> {
  const all = (await getIfThere(api, '/rules?limit=1000&page=1', moduleAnswers.rules))?.data ?? [];
  const rules = all.filter(({ enable }) => enable !== false);
  const findings: Finding[] = [];
  const done: string[] = [];
  for (const { what, setting, topics } of ANSWERED) {
    const answering = rules.filter((rule) => topics.some((topic) => answers(rule, topic)));
    if (answering.length > 0) done.push(`answer ${what} (${listed(idsOf(answering))})`);
    const isTwice = topics.some((topic) => rules.filter((rule) => answers(rule, topic)).length > 1);
    if (answering.length > 0 && (answerForBackend[setting] || isTwice)) {
      findings.push(twoReplies(what, answering, answerForBackend[setting]));
    }
  }
  if (done.length > 0) {
    const probe = command('doctor', '--probe', '--broker', 'mqtt://HOST:1883');
    done.push(`which a backend should not do as well (${probe} counts the replies)`);
  }
  const copying = rules.filter((rule) => republishes(rule, REQUESTS).length > 0);
  if (copying.length > 0)
    done.push(`copy requests, with the device binding code (${listed(idsOf(copying))})`);
  if (done.length > 0)
    findings.push({ level: 'ok', code: 'emqx_rules', what: `rules of EMQX ${done.join(', ')}` });
  return findings;
}

function twoReplies(what: string, rules: readonly Rule[], isOurs: boolean): Finding {
  const names = listed(idsOf(rules));
  return {
    level: 'warning',
    code: 'emqx_rule_two_replies',
    what: isOurs
      ? `dockhook (DOCKHOOK_ANSWER_FOR_BACKEND) and EMQX's rules (${names}) both answer ${what}`
      : `several rules of EMQX answer ${what}: ${names}`,
    why: isOurs
      ? 'a dock gets two replies'
      : 'where they answer the same message, a dock gets a reply from each',
    fix: isOurs
      ? [
          'without a backend: disable the rule (dashboard, Integration, Rules), and take it out of emqx.conf',
          `beside a backend: take ${what} out of DOCKHOOK_ANSWER_FOR_BACKEND, restart dockhook serve, then: ${command('emqx', 'register')}`,
        ]
      : ['disable all but one: dashboard, Integration, Rules'],
  };
}

function answers(rule: Rule, topic: string): boolean {
  const replyTopic = `${topic.split('/').slice(3).join('/')}_reply`;
  return republishes(rule, topic).some((to) => to === '${topic}_reply' || to.endsWith(`/${replyTopic}`));
}

/** To which topics it republishes what comes on this one. */
function republishes({ from = [], actions = [] }: Rule, topic: string): string[] {
  if (!from.some((filter) => overlap(filter, topic))) return [];
  return actions.flatMap((action) =>
    typeof action === 'object' && action.function === 'republish' ? (action.args?.topic ?? []) : [],
  );
}

/** Whether some topic fits both filters. */
function overlap(one: string, other: string): boolean {
  const [left, right] = [one.split('/'), other.split('/')];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const [a, b] = [left[at], right[at]];
    if (a === '#' || b === '#') return true;
    if (a === undefined || b === undefined || (a !== b && a !== '+' && b !== '+')) return false;
  }
  return true;
}

function idsOf(rules: readonly Rule[]): string[] {
  return rules.map(({ id }) => id);
}
