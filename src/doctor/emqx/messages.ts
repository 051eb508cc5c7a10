/** Parts of EMQX that refuse clients, subscribe for them, or change or keep messages, without asking dockhook. */
import { getIfThere } from '../../emqx/api.js';
import { answers } from '../../emqx/api-answers.js';
import { bansOf, fits, liftOf, type Ban } from '../../emqx/bans.js';
import { moduleAnswers, type Transformation } from '../../emqx/module-answers.js';
import { hasTransformations, ignoresRetainerSwitch } from '../../emqx/versions.js';
import { covers } from '../../access/topic-filters.js';
import { gatewayOfRequest } from '../../topics.js';
import { deniesRetainedRequests, mayTouchDocks } from './acl-rules.js';
import { count, some } from '../check.js';
import type { EmqxContext } from './context.js';
import type { Finding } from '../../finding.js';

const REQUESTS = 'thing/product/+/requests';

/** Whom EMQX keeps out by itself. */
export async function checkBans({ api, accounts }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const bans = await bansOf(api);
  const names = {
    clientIds: new Set(accounts.flatMap(({ scope }) => (scope?.kind === 'gateways' ? scope.gateways : []))),
    accounts: new Set(accounts.flatMap(({ name }) => name ?? [])),
    addresses: new Set<string>(),
  };
  const ours = bans.filter((ban) => fits(ban, names));
  const others = bans.filter((ban) => !ours.includes(ban));
  if (ours.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_banned',
      what: `EMQX bans ${some(ours.map(textOf))}, which dockhook has an account for`,
      why: 'EMQX refuses it (138) before dockhook is asked, and dockhook’s timeline shows nothing',
      fix: [ours[0] ? `dashboard, Access Control, Banned Clients; or ${liftOf(ours[0])}` : ''],
    });
  }
  if (others.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_bans',
      what: `EMQX bans ${count(others.length, 'client')}: ${some(others.map(textOf))}`,
      why: 'if one of them is a dock, EMQX refuses it (138) before dockhook is asked',
      fix: [
        'see dashboard, Access Control, Banned Clients; dockhook dock show SN says whether it is that dock',
      ],
    });
  }
  return findings;
}

function textOf({ as, who }: Ban): string {
  return `${as} ${who}`;
}

/** Who gets topics, or other topics, than it asked for. */
export async function checkTopics({ api }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const rewrites = (await getIfThere(api, '/mqtt/topic_rewrite', moduleAnswers.rewrites)) ?? [];
  const rewritten = rewrites.filter(({ source_topic: topic }) => mayTouchDocks(topic));
  if (rewritten.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_rewrite',
      what: `EMQX rewrites topics of docks: ${some(rewritten.map(({ source_topic: from, dest_topic: to }) => `${from} to ${to ?? '?'}`))}`,
      why: 'dockhook is asked about another topic than the dock used, or not at all',
      fix: ['take these lines out of rewrite (dashboard, Management, MQTT Settings, Topic Rewrite)'],
    });
  }
  const subscriptions = (await getIfThere(api, '/mqtt/auto_subscribe', moduleAnswers.subscriptions)) ?? [];
  const given = subscriptions.filter(({ topic }) => mayTouchDocks(topic));
  if (given.length > 0) {
    const open = given.some(({ topic }) => !topic.includes('${'));
    findings.push({
      level: open ? 'error' : 'warning',
      code: 'emqx_auto_subscribe',
      what: `EMQX subscribes every client to ${some(given.map(({ topic }) => topic))}`,
      why: `dockhook is not asked about it${open ? ': each dock hears the others' : ''}`,
      fix: ['take these topics out of auto_subscribe (dashboard, Management, MQTT Settings, Auto Subscribe)'],
    });
  }
  return findings;
}

/** What changes or drops messages of docks between them and dockhook, and other protocols by which clients come. */
export async function checkMessages({ api }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [what, code, path] of [
    ['changes', 'emqx_transformation', '/message_transformations'],
    ['may drop', 'emqx_validation', '/schema_validations'],
  ] as const) {
    // Only in the editions that have them (5.8 Enterprise, and from 5.9 on).
    const all = (await getIfThere(api, path, moduleAnswers.transformations)) ?? [];
    const names = all
      .filter((one) => concernsDocks(one) && !onlyTakesRetainAway(one))
      .map(({ name }) => name);
    if (names.length === 0) continue;
    findings.push({
      level: 'warning',
      code,
      what: `EMQX ${what} messages of docks (${path.slice(1).replace('_', ' ')}: ${some(names)})`,
      why: 'it does so before dockhook is asked, which then answers something else than the dock sent, or nothing',
      fix: [
        'see that its topics leave out thing/product/+/requests and sys/product/+/status (dashboard, Smart Data Hub)',
      ],
    });
  }
  const gateways = (await getIfThere(api, '/gateways', moduleAnswers.gateways)) ?? [];
  const running = gateways.filter(({ status }) => status === 'running').map(({ name }) => name);
  if (running.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_gateways',
      what: `EMQX also takes clients over ${some(running)}`,
      why: 'a gateway has an authentication of its own, and without one lets everybody in',
      fix: ['disable what you do not need (dashboard, Management, Gateways), or give it an authentication'],
    });
  }
  return findings;
}

function concernsDocks({ enable, topics }: Transformation): boolean {
  return enable !== false && [topics].flat().some((topic) => mayTouchDocks(topic));
}

function onlyTakesRetainAway({ operations = [] }: Transformation): boolean {
  return operations.length > 0 && operations.every(({ key }) => key === 'retain');
}

/** Whether EMQX keeps requests of docks, with the binding code in them, for whoever subscribes later. */
export async function checkRetained(context: EmqxContext): Promise<Finding[]> {
  const { api, versions } = context;
  // What cannot be read here is told by the check that it belongs to.
  const zone = await api.get('/configs/global_zone', answers.zone).catch(() => undefined);
  const retainer = await getIfThere(api, '/mqtt/retainer', moduleAnswers.retainer);
  const isOff = retainer?.enable === false && !versions.some(ignoresRetainerSwitch);
  if (retainer === undefined || isOff || zone?.mqtt.retain_available === false) return [];
  const kept = await retainedRequests(context);
  if (kept.length > 0) {
    return [
      {
        level: 'error',
        code: 'emqx_requests_retained',
        what: `EMQX keeps retained requests: ${some(kept)}`,
        why: 'whoever subscribes to them gets them again, with the device binding code in them, and a backend that answers sends the dock a second reply',
        fix: [
          `delete them: dashboard, Monitoring, Retained Messages; or DELETE /api/v5/mqtt/retainer/message/${encodeURIComponent(kept[0] ?? '')}`,
        ],
      },
    ];
  }
  if (await keepsOthersFromRetaining(context)) return [];
  return [
    {
      level: 'warning',
      code: 'emqx_retainer',
      what: 'EMQX would keep a request that a dock publishes with the retain flag',
      why: 'it does so before dockhook is asked: each later subscriber gets the request, with the device binding code in it',
      fix: [
        versions.every(hasTransformations)
          ? 'message_transformation.transformations, as dockhook emqx config prints it'
          : 'retainer.enable = false, as dockhook emqx config prints it; if you need retained messages, see docs/emqx.md, "Retained requests"',
      ],
    },
  ];
}

async function retainedRequests({ api }: EmqxContext): Promise<string[]> {
  const query = `topic=${encodeURIComponent(REQUESTS)}&limit=100&page=1`;
  const page = await getIfThere(api, `/mqtt/retainer/messages?${query}`, moduleAnswers.retained);
  // Held against the topic here too: an old EMQX may take no notice of the filter.
  return (page?.data ?? [])
    .map(({ topic }) => topic)
    .filter((topic) => gatewayOfRequest(topic) !== undefined);
}

/** By a rule of acl.conf, or by a transformation that takes the flag away. */
async function keepsOthersFromRetaining({ api }: EmqxContext): Promise<boolean> {
  const file = await api.get('/authorization/sources', answers.sources).catch(() => undefined);
  if (file?.sources.some(({ enable, rules }) => enable !== false && deniesRetainedRequests(rules)))
    return true;
  // Only in the editions that have it (5.8 Enterprise, and from 5.9 on).
  const all = (await getIfThere(api, '/message_transformations', moduleAnswers.transformations)) ?? [];
  return all.some(takesRetainAway);
}

function takesRetainAway({ enable, topics, operations = [] }: Transformation): boolean {
  return (
    enable !== false &&
    [topics].flat().some((topic) => covers(topic, REQUESTS)) &&
    operations.some(({ key, value }) => key === 'retain' && value === 'false')
  );
}

/** A license that lets no more clients in. */
export async function checkLicense({ api }: EmqxContext): Promise<Finding[]> {
  const license = await getIfThere(api, '/license', moduleAnswers.license);
  if (license === undefined) return [];
  const findings: Finding[] = [];
  if (license.expiry === true) {
    findings.push({
      level: 'error',
      code: 'emqx_license_expired',
      what: `the license of EMQX has expired${license.expiry_at === undefined ? '' : ` (${license.expiry_at})`}`,
      why: 'by its kind EMQX refuses every new client (quota exceeded), at once or some time after, without asking dockhook',
      fix: ['renew it: dashboard, System, License'],
    });
  }
  const nodes = await api.get('/nodes', moduleAnswers.load);
  const places = Number(license.max_sessions ?? license.max_connections ?? Infinity);
  const taken = nodes.reduce((sum, { connections = 0 }) => sum + connections, 0);
  if (Number.isFinite(places) && taken >= places * 0.9) {
    findings.push({
      level: taken >= places ? 'error' : 'warning',
      code: 'emqx_license_full',
      what: `EMQX has ${taken} of the ${places} sessions of its license`,
      why: 'when it is full, new clients are refused (quota exceeded) without dockhook being asked',
      fix: ['a larger license, or fewer clients: dashboard, System, License'],
    });
  }
  return findings;
}
