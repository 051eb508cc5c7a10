/** Whether EMQX keeps requests of docks, with the device binding code in them, for clients that subscribe later. */
import { EMQX_CONFIG } from '../../fixes.js';
import { covers } from '../../access/topic-filters.js';
import { answers } from '../../emqx/api-answers.js';
import { getIfThere } from '../../emqx/api.js';
import { moduleAnswers, type Transformation } from '../../emqx/module-answers.js';
import { hasTransformations, ignoresRetainerSwitch } from '../../emqx/versions.js';
import type { Finding } from '../../finding.js';
import { listed } from '../../text.js';
import { gatewayOfRequest } from '../../topics.js';
import { deniesRetainedRequests } from './acl-rules.js';
import type { EmqxContext } from './context.js';

const REQUESTS = 'thing/product/+/requests';

/** Finds nothing if EMQX has no retainer, or the retainer is off. */
export async function checkRetained(context: EmqxContext): Promise<Finding | undefined> {
  const { api, versions } = context;
  // If it cannot be read, the check that it belongs to says so.
  const zone = await api.get('/configs/global_zone', answers.zone).catch(() => undefined);
  const retainer = await getIfThere(api, '/mqtt/retainer', moduleAnswers.retainer);
  const isOff = retainer?.enable === false && !versions.some(ignoresRetainerSwitch);
  if (retainer === undefined || isOff || zone?.mqtt.retain_available === false) return undefined;
  const kept = await retainedRequests(context);
  if (kept.length > 0) {
    return {
      level: 'error',
      code: 'emqx_requests_retained',
      what: `EMQX keeps retained requests: ${listed(kept)}`,
      why: 'every client that subscribes to them gets them again, with the device binding code; a backend that answers sends the dock a second reply',
      fix: [
        `delete them: dashboard, Monitoring, Retained Messages, or DELETE /api/v5/mqtt/retainer/message/${encodeURIComponent(kept[0] ?? '')}`,
      ],
    };
  }
  if (await neverRetained(context)) return undefined;
  return {
    level: 'warning',
    code: 'emqx_retainer',
    what: 'EMQX would keep a request that a dock publishes with the retain flag',
    why: 'it does so before it asks dockhook: every client that subscribes later gets the request, with the device binding code',
    fix: [
      versions.every(hasTransformations)
        ? `set message_transformation.transformations as ${EMQX_CONFIG} prints it`
        : `set retainer.enable = false as ${EMQX_CONFIG} prints it; if you need retained messages, see docs/emqx.md, "Retained requests"`,
    ],
  };
}

async function retainedRequests({ api }: EmqxContext): Promise<string[]> {
  const query = `topic=${encodeURIComponent(REQUESTS)}&limit=100&page=1`;
  const page = await getIfThere(api, `/mqtt/retainer/messages?${query}`, moduleAnswers.retained);
  // Filtered here, too: an old EMQX may ignore the filter.
  return (page?.data ?? [])
    .map(({ topic }) => topic)
    .filter((topic) => gatewayOfRequest(topic) !== undefined);
}

/** Whether a rule of acl.conf, or a transformation that removes the retain flag, keeps EMQX from it. */
async function neverRetained({ api }: EmqxContext): Promise<boolean> {
  const file = await api.get('/authorization/sources', answers.sources).catch(() => undefined);
  if (file?.sources.some(({ enable, rules }) => enable !== false && deniesRetainedRequests(rules)))
    return true;
  // Only in the editions that have it (5.8 Enterprise, and from 5.9 on).
  const all = (await getIfThere(api, '/message_transformations', moduleAnswers.transformations)) ?? [];
  return all.some(removesRetainFlag);
}

function removesRetainFlag({ enable, topics, operations = [] }: Transformation): boolean {
  return (
    enable !== false &&
    [topics].flat().some((topic) => covers(topic, REQUESTS)) &&
    operations.some(({ key, value }) => key === 'retain' && value === 'false')
  );
}
