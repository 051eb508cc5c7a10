/** Who decides about topics in EMQX: authorization sources that come before dockhook, and the cache of its answers. */
import { answers } from '../../emqx/api-answers.js';
import { AUTHORIZATION_CACHE } from '../../emqx/configuration.js';
import { durationMs } from '../../emqx/durations.js';
import { allOf, type Finding } from '../../finding.js';
import { deniesRetainedRequests, verdictForAll } from './acl-rules.js';
import type { EmqxContext } from './context.js';

/** Whether EMQX decides about topics without dockhook: by its own rules, its cache, or its default. */
export async function checkAuthorization({ api, docks }: EmqxContext): Promise<Finding[]> {
  const settings = await api.get('/authorization/settings', answers.authorization);
  const { sources } = await api.get('/authorization/sources', answers.sources);
  const findings: Finding[] = [];
  if (settings.no_match !== 'deny') {
    findings.push({
      level: 'error',
      code: 'emqx_no_match_allow',
      what: `authorization.no_match = ${settings.no_match}`,
      why: 'while EMQX has no hooks, every connected client may publish and subscribe to anything',
      fix: ['authorization.no_match = deny'],
    });
  }
  const inForce = sources.filter(({ enable }) => enable !== false);
  findings.push(...allOf(...inForce.map(({ type, rules }) => checkSource(type, rules))));
  if (settings.deny_action === 'disconnect') {
    findings.push({
      level: 'warning',
      code: 'emqx_deny_action',
      what: 'authorization.deny_action = disconnect',
      why: 'one topic that a dock may not use ends its session, again and again',
      fix: ['authorization.deny_action = ignore'],
    });
  }
  findings.push(...checkCache(settings.cache, docks));
  if (settings.cache?.enable === false) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache',
      what: 'authorization.cache.enable = false',
      why: 'EMQX asks dockhook about each message of a dock, telemetry too',
      fix: ['authorization.cache.enable = true'],
    });
  }
  if (findings.length > 0) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_authorization',
      what: 'dockhook alone decides what clients may publish and subscribe to',
    },
  ];
}

function checkSource(type: string, rules: string | undefined): Finding | undefined {
  const verdict = type === 'file' ? verdictForAll(rules) : undefined;
  if (verdict === 'allows all') {
    return {
      level: 'error',
      code: 'emqx_authorization_allows_all',
      what: 'the authorization source "file" (acl.conf) allows topics of docks to everybody',
      why: 'EMQX never asks dockhook about them: every client may publish and subscribe there, and command docks',
      fix: ['authorization.sources = []'],
    };
  }
  if (verdict === 'denies all') {
    return {
      level: 'error',
      code: 'emqx_authorization_denies_all',
      what: 'the authorization source "file" (acl.conf) denies everything to everybody',
      why: 'docks connect, but EMQX refuses all their topics and does not ask dockhook',
      fix: ['authorization.sources = []'],
    };
  }
  if (type === 'file' && deniesRetainedRequests(rules) && !/\{\s*allow\b/.test(rules ?? '')) return undefined;
  return {
    level: 'warning',
    code: 'emqx_authorization_source',
    what: `the authorization source "${type}" decides before dockhook`,
    why: 'EMQX does not ask dockhook about the topics that it allows or denies',
    fix: ['authorization.sources = []'],
  };
}

/** With fewer remembered answers, a dock alone fills the cache. */
const SMALL_CACHE = 128;
/** A backend publishes on so many topics of each dock: `services`, and replies to its requests and events. */
const TOPICS_OF_DOCK = 3;

/** A right that an operator takes away should end sooner. In milliseconds. */
const LONG_CACHE_MS = 5 * 60_000;

function checkCache(
  cache: { max_size?: number; ttl?: string | number; excludes?: string[] } = {},
  docks: number,
): Finding[] {
  const { max_size: size, ttl, excludes = [] } = cache;
  const findings: Finding[] = [];
  const enough = Math.min(AUTHORIZATION_CACHE, Math.max(SMALL_CACHE, docks * TOPICS_OF_DOCK));
  if (size !== undefined && size < enough) {
    const fleet = docks * TOPICS_OF_DOCK > SMALL_CACHE ? `, and there are ${docks} docks` : '';
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_small',
      what: `authorization.cache.max_size = ${size}${fleet}`,
      why: 'for a client that uses more topics, such as a backend of several docks, EMQX asks dockhook about almost every message',
      fix: [`authorization.cache.max_size = ${AUTHORIZATION_CACHE}`],
    });
  }
  if ((durationMs(ttl) ?? 0) > LONG_CACHE_MS) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_long',
      what: `authorization.cache.ttl = ${String(ttl)}`,
      why: 'for that long a connected client keeps a right that was taken away, and a dock that was refused a topic in an outage gets nothing from it',
      fix: ['authorization.cache.ttl = 1m'],
    });
  }
  if (excludes.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_excludes',
      what: `authorization.cache.excludes = ${excludes.join(', ')}`,
      why: 'EMQX asks dockhook about each message on these topics',
      fix: ['authorization.cache.excludes = []'],
    });
  }
  return findings;
}
