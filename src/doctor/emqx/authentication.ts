/** Who decides about connects in EMQX: authenticators that come before dockhook, and the one that closes EMQX without it. */
import { addAccount, EMQX_CONFIG } from '../../fixes.js';
import { answers, type Authenticator } from '../../emqx/api-answers.js';
import { refusesWithoutPassword } from '../../emqx/versions.js';
import { allOf, type Finding } from '../../finding.js';
import { counted } from '../../text.js';
import type { EmqxContext } from './context.js';

const CLOSING =
  'authentication = [{ mechanism = password_based, backend = built_in_database, user_id_type = username }]';

/** Whether EMQX lets somebody in, or refuses somebody, before it asks dockhook about a password. */
export async function checkAuthentication(context: EmqxContext): Promise<Finding[]> {
  const all = await context.api.get('/authentication', answers.authenticators);
  const enabled = all.filter(({ enable }) => enable !== false);
  if (enabled.length === 0) return [noAuthenticator(context)];
  const findings: Finding[] = allOf(...enabled.map(checkPrecondition));
  for (const authenticator of enabled) {
    if (authenticator.backend === 'built_in_database')
      findings.push(await checkUsers(authenticator, context));
    else findings.push(decidesFirst(authenticator));
  }
  const needCertificate = context.accounts.filter(({ certificateCn }) => certificateCn !== undefined).length;
  if (needCertificate > 0 && context.versions.some(refusesWithoutPassword)) {
    findings.push({
      level: 'warning',
      code: 'emqx_certificate_without_password',
      what: `${counted(needCertificate, 'account')} with a client certificate, and this EMQX refuses clients that send no password`,
      why: 'its empty authenticator refuses them (134) and does not ask dockhook: a certificate alone is not enough',
      fix: ['give the client the password of its account beside the certificate; docks always send one'],
    });
  }
  return findings;
}

function noAuthenticator({ unknownAccounts }: EmqxContext): Finding {
  const ignored =
    unknownAccounts === 'ignore' ? '. It also lets in every account that dockhook leaves to EMQX' : '';
  return {
    level: 'error',
    code: 'emqx_no_authenticator',
    what: 'EMQX has no authenticator of its own',
    why: `while it has no hooks, it lets everybody in: until it has reached dockhook, and in some versions after an outage${ignored}`,
    fix: [`add it to emqx.conf, without users: ${CLOSING} (${EMQX_CONFIG} prints it)`],
  };
}

/** From 6.2 on, EMQX skips an authenticator for clients that do not meet its precondition (read). */
function checkPrecondition({ id, mechanism, precondition = '' }: Authenticator): Finding | undefined {
  if (precondition.trim() === '') return undefined;
  return {
    level: 'error',
    code: 'emqx_authenticator_precondition',
    what: `authenticator ${id ?? mechanism} has the precondition ${precondition}`,
    why: 'while EMQX has no hooks, it refuses only clients that meet the precondition, and lets in all others',
    fix: [`remove the precondition of authenticator ${id ?? mechanism} (dashboard, Authentication)`],
  };
}

async function checkUsers(authenticator: Authenticator, { api }: EmqxContext): Promise<Finding> {
  const id = authenticator.id ?? `${authenticator.mechanism}:built_in_database`;
  const { data, meta } = await api.get(
    `/authentication/${encodeURIComponent(id)}/users?page=1&limit=1`,
    answers.users,
  );
  const users = meta?.count ?? data.length;
  if (data.length === 0 && users === 0) {
    return {
      level: 'ok',
      code: 'emqx_authenticator',
      what: `authenticator ${id} has no users: it refuses every client that dockhook does not accept`,
    };
  }
  return {
    level: 'warning',
    code: 'emqx_authenticator_users',
    what: `authenticator ${id} holds ${counted(users, 'user')}`,
    why: 'EMQX decides about these users itself: they connect even if dockhook would refuse them',
    fix: [
      `add them to dockhook: ${addAccount('NAME', 'SN')}; then delete them from ${id} (dashboard, Authentication)`,
    ],
  };
}

function decidesFirst({ id, mechanism, backend }: Authenticator): Finding {
  const name = id ?? (backend === undefined ? mechanism : `${mechanism}:${backend}`);
  return {
    level: 'warning',
    code: 'emqx_authenticator_decides',
    what: `authenticator ${name} decides before dockhook`,
    why: 'EMQX does not ask dockhook about the clients that it knows',
    fix: [`disable ${name} (dashboard, Authentication), unless you need it for other clients`],
  };
}
