/** Who else decides in EMQX: authenticators and authorization sources that come before dockhook, or must. */
import { answers, type Authenticator } from '../../emqx/api-answers.js';
import { durationMs } from '../../emqx/durations.js';
import { refusesWithoutPassword } from '../../emqx/versions.js';
import { deniesRetainedRequests, verdictForAll } from './acl-rules.js';
import { accountsWantCertificate, count } from '../check.js';
import type { EmqxContext } from './context.js';
import type { Finding } from '../../finding.js';

const CLOSING =
  'authentication = [{ mechanism = password_based, backend = built_in_database, user_id_type = username }]';

export async function checkAuthentication(context: EmqxContext): Promise<Finding[]> {
  const all = await context.api.get('/authentication', answers.authenticators);
  const enabled = all.filter(({ enable }) => enable !== false);
  if (enabled.length === 0) return [noAuthenticator(context)];
  const findings: Finding[] = enabled.flatMap((authenticator) => ofPrecondition(authenticator));
  for (const authenticator of enabled) {
    if (authenticator.backend === 'built_in_database')
      findings.push(...(await usersOf(authenticator, context)));
    else findings.push(decides(authenticator));
  }
  const needCertificate = context.accounts.filter(({ certificateCn }) => certificateCn !== undefined).length;
  if (needCertificate > 0 && context.versions.some(refusesWithoutPassword)) {
    findings.push({
      level: 'warning',
      code: 'emqx_certificate_without_password',
      what: `${accountsWantCertificate(needCertificate)}, and this EMQX refuses clients that send no password`,
      why: 'its empty authenticator says no to them (134) before dockhook is asked; a certificate alone is not enough',
      fix: ['type the account’s password into the client beside its certificate; docks always send one'],
    });
  }
  return findings;
}

function noAuthenticator({ unknownAccounts }: EmqxContext): Finding {
  const ignored = unknownAccounts === 'ignore' ? ', and every account that dockhook leaves to EMQX' : '';
  return {
    level: 'error',
    code: 'emqx_no_authenticator',
    what: 'EMQX has no authenticator of its own',
    why: `while it has no hooks (before it has reached dockhook, and on some versions after an outage) it lets everybody in${ignored}`,
    fix: [`${CLOSING} in emqx.conf, without users: dockhook emqx config prints it`],
  };
}

/** From 6.2 on an authenticator is left out for whom its precondition does not fit (read). */
function ofPrecondition({ id, mechanism, precondition = '' }: Authenticator): Finding[] {
  if (precondition.trim() === '') return [];
  return [
    {
      level: 'error',
      code: 'emqx_authenticator_precondition',
      what: `authenticator ${id ?? mechanism} has the precondition ${precondition}`,
      why: 'while EMQX has no hooks it keeps out only whom that fits, and lets everybody else in',
      fix: [`take precondition out of authenticator ${id ?? mechanism} (dashboard, Authentication)`],
    },
  ];
}

async function usersOf(authenticator: Authenticator, { api }: EmqxContext): Promise<Finding[]> {
  const id = authenticator.id ?? `${authenticator.mechanism}:built_in_database`;
  const { data, meta } = await api.get(
    `/authentication/${encodeURIComponent(id)}/users?page=1&limit=1`,
    answers.users,
  );
  const users = meta?.count ?? data.length;
  if (data.length === 0 && users === 0) {
    return [
      {
        level: 'ok',
        code: 'emqx_authenticator',
        what: `authenticator ${id} has no users: it refuses every client that dockhook does not let in`,
      },
    ];
  }
  return [
    {
      level: 'warning',
      code: 'emqx_authenticator_users',
      what: `authenticator ${id} holds ${count(users, 'user')}`,
      why: 'EMQX decides on them alone: they connect without dockhook being asked, also when it would refuse them',
      fix: [
        `move them to dockhook (dockhook account add), and delete them from ${id} (dashboard, Authentication)`,
      ],
    },
  ];
}

function decides({ id, mechanism, backend }: Authenticator): Finding {
  const name = id ?? (backend === undefined ? mechanism : `${mechanism}:${backend}`);
  return {
    level: 'warning',
    code: 'emqx_authenticator_decides',
    what: `authenticator ${name} decides before dockhook`,
    why: 'whom it knows connects, or is refused, without dockhook being asked',
    fix: [`disable ${name} (dashboard, Authentication), unless it is meant for other clients`],
  };
}

export async function checkAuthorization({ api }: EmqxContext): Promise<Finding[]> {
  const settings = await api.get('/authorization/settings', answers.authorization);
  const { sources } = await api.get('/authorization/sources', answers.sources);
  const findings: Finding[] = [];
  if (settings.no_match !== 'deny') {
    findings.push({
      level: 'error',
      code: 'emqx_no_match_allow',
      what: `authorization.no_match = ${settings.no_match}`,
      why: 'who is connected while EMQX has no hooks may publish and subscribe anything',
      fix: ['authorization.no_match = deny'],
    });
  }
  for (const { type, enable, rules } of sources)
    if (enable !== false) findings.push(...ofSource(type, rules));
  if (settings.deny_action === 'disconnect') {
    findings.push({
      level: 'warning',
      code: 'emqx_deny_action',
      what: 'authorization.deny_action = disconnect',
      why: 'a dock loses its session for one topic that it may not use, and comes back only to lose it again',
      fix: ['authorization.deny_action = ignore'],
    });
  }
  findings.push(...ofCache(settings.cache));
  if (settings.cache?.enable === false) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache',
      what: 'authorization.cache.enable = false',
      why: 'each message of a dock, telemetry too, costs a call to dockhook',
      fix: ['authorization.cache.enable = true'],
    });
  }
  if (findings.length > 0) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_authorization',
      what: 'dockhook alone decides what clients may publish and subscribe',
    },
  ];
}

function ofSource(type: string, rules: string | undefined): Finding[] {
  const verdict = type === 'file' ? verdictForAll(rules) : undefined;
  if (verdict === 'allows all') {
    return [
      {
        level: 'error',
        code: 'emqx_authorization_allows_all',
        what: 'the authorization source "file" (acl.conf) allows everybody topics of docks',
        why: 'client.authorize is never called for them: every client may publish and subscribe there, commands to docks included',
        fix: ['authorization.sources = []'],
      },
    ];
  }
  if (verdict === 'denies all') {
    return [
      {
        level: 'error',
        code: 'emqx_authorization_denies_all',
        what: 'the authorization source "file" (acl.conf) denies everybody everything',
        why: 'docks connect, and every topic is refused before dockhook is asked',
        fix: ['authorization.sources = []'],
      },
    ];
  }
  if (type === 'file' && deniesRetainedRequests(rules) && !/\{\s*allow\b/.test(rules ?? '')) return [];
  return [
    {
      level: 'warning',
      code: 'emqx_authorization_source',
      what: `the authorization source "${type}" decides before dockhook`,
      why: 'what it allows or denies, dockhook is not asked about',
      fix: ['authorization.sources = []'],
    },
  ];
}

/** EMQX's default for a client's remembered answers, which a dock itself all but fills. */
const SMALL_CACHE = 128;
/** An operator who revokes something wants it to be over. In milliseconds. */
const LONG_CACHE_MS = 5 * 60_000;

function ofCache(cache: { max_size?: number; ttl?: string | number; excludes?: string[] } = {}): Finding[] {
  const { max_size: size, ttl, excludes = [] } = cache;
  const findings: Finding[] = [];
  if (size !== undefined && size < SMALL_CACHE) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_small',
      what: `authorization.cache.max_size = ${size}`,
      why: 'a client that uses more topics, such as a backend of several docks, costs a call to dockhook for almost every message',
      fix: ['authorization.cache.max_size = 4096'],
    });
  }
  if ((durationMs(ttl) ?? 0) > LONG_CACHE_MS) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_long',
      what: `authorization.cache.ttl = ${String(ttl)}`,
      why: 'for that long a connected client keeps a right that it has lost, and a dock stays deaf that was refused in an outage',
      fix: ['authorization.cache.ttl = 1m'],
    });
  }
  if (excludes.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_authorization_cache_excludes',
      what: `authorization.cache.excludes = ${excludes.join(', ')}`,
      why: 'each message on these topics costs a call to dockhook',
      fix: ['authorization.cache.excludes = []'],
    });
  }
  return findings;
}
