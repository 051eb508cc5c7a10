/**
 * Rules of EMQX's rule engine that answer docks beside a backend: EMQX runs them before it asks dockhook, they cost no
 * call, and the backend still gets the message. `npm run docs` writes them to deploy/emqx.
 */
import { EVENTS_OF_FILES } from '../answer-for-backend.js';
import { DockhookError } from '../errors.js';
import { dispatchesDirectly, type Version } from './versions.js';

/** As `dockhook emqx config --rules` takes them. */
export const RULES = ['update_topo', 'events', 'mirror'] as const;
export type RuleName = (typeof RULES)[number];

/** What comes before the topic of a request in the topic of its copy: no dock may use such a topic. */
const MIRROR = 'mirror/';

/** Methods that dockhook answers in the place of the request. */
const METHODS = ['config', 'airport_bind_status', 'airport_organization_get', 'airport_organization_bind'];

/** The fields of a DJI reply, copied as `dock/envelope.ts` does: what is absent stays absent. */
const REPLY = `SELECT
    topic,
    map_put('data.result', 0, map_put('method', payload.method, map_put('timestamp', now_timestamp('millisecond'),
      map_put('tid', payload.tid, map_new())))) as reply,
    CASE WHEN is_not_null(payload.bid) THEN map_put('bid', payload.bid, reply) ELSE reply END as reply,
    CASE WHEN is_not_null(payload.gateway) THEN map_put('gateway', payload.gateway, reply) ELSE reply END as reply,
    json_encode(reply) as reply`;

interface Rule {
  /** Why one wants it, and what to beware of: lines of a comment. */
  notes: string;
  sql: string;
  topic: string;
  payload: string;
}

const TEXTS: Record<RuleName, Rule> = {
  update_topo: {
    notes: `# Answers update_topo, with which a gateway says which drone it has. Without an answer it comes again every two seconds,
# and the drone is not reported.
# Not if your backend answers it, or with update_topo in DOCKHOOK_ANSWER_FOR_BACKEND: the gateway gets two replies then.`,
    sql: `${REPLY}
  FROM "sys/product/+/status", "thing/product/+/status"
  WHERE payload.method = 'update_topo' and is_not_null(payload.tid)`,
    topic: '${topic}_reply',
    payload: '${reply}',
  },
  events: {
    notes: `# Answers events that ask for a reply. Without one, each comes again four times in 23 s.
# Never those that tell of a file: the reply claims that somebody recorded it. Let a backend answer these.
# Not if your backend answers events, or with events in DOCKHOOK_ANSWER_FOR_BACKEND: the gateway gets two replies then.`,
    sql: `${REPLY}
  FROM "thing/product/+/events"
  WHERE payload.need_reply = 1 and is_not_null(payload.tid)
${[...EVENTS_OF_FILES].map((method) => `    and payload.method != '${method}'`).join('\n')}`,
    topic: '${topic}_reply',
    payload: '${reply}',
  },
  mirror: {
    notes: `# Copies each request that dockhook answers to ${MIRROR}thing/product/SN/requests, so that a backend learns of it: of a bind
# above all. The backend must not answer it. A copy says what was asked, and not whether dockhook agreed, nor whether the
# sender may still speak for that SN.
# A copy of a bind has the DEVICE BINDING CODE in it: whoever reads ${MIRROR}# can bind devices. Docks may not read it.`,
    sql: `SELECT topic, payload
  FROM "thing/product/+/requests"
  WHERE payload.method in (${METHODS.map((method) => `'${method}'`).join(', ')})`,
    topic: `${MIRROR}\${topic}`,
    payload: '${payload}',
  },
};

/**
 * Reads names that are separated by commas.
 * @throws DockhookError `usage`
 */
export function parseRules(list: string): Set<RuleName> {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !RULES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new DockhookError('usage', `--rules ${list}: "${unknown}" is not one of ${RULES.join(', ')}`);
  }
  return new Set(RULES.filter((known) => names.includes(known)));
}

/** The rules as HOCON, to be appended to `emqx.conf`. */
export function rulesConfiguration(names: ReadonlySet<RuleName>, version?: Version): string {
  const direct = version === undefined || dispatchesDirectly(version);
  const rules = RULES.filter((name) => names.has(name)).map((name) => ruleText(name, direct));
  return `# Rules of EMQX that answer docks beside a backend, or copy requests for it. EMQX runs them before it asks dockhook, they
# cost no call, and the backend still gets the message. docs/emqx.md of dockhook, "Rules beside a backend", says more.
# A message that dockhook does not allow (client.authorize) reaches no rule.

${rules.join('\n\n')}
`;
}

function ruleText(name: RuleName, direct: boolean): string {
  const { notes, sql, topic, payload } = TEXTS[name];
  return `${notes}
rule_engine.rules.dockhook_${name} {
  enable = true
  sql = """
  ${sql}
  """
  actions = [{
    function = republish
    args {
      topic = "${topic}"
      payload = "${payload}"
      qos = 1
      # The default takes the flag of the message, and EMQX would keep what a dock sends with it.
      retain = false${direct ? DIRECT : ''}
    }
  }]
}`;
}

const DIRECT = `
      # No hooks run for what the rule publishes. EMQX has this from 5.8.0 on. An older one does not start with it: take it
      # out there.
      direct_dispatch = true`;
