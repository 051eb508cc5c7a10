/** Whether EMQX makes the account part of every client id. If not, anybody who knows the id of a session can take it over. */
import { EMQX_CONFIG } from '../../fixes.js';
import { command } from '../../command.js';
import { CLIENT_ID_OVERRIDE } from '../../emqx/configuration.js';
import { lineOf, overridesClientId, type Version } from '../../emqx/versions.js';
import type { Finding } from '../../finding.js';

const TAKEN_OVER =
  'a client that uses the client id of another account ends the session of that account, or takes it over with its subscriptions and messages';

/** @param expression `mqtt.clientid_override`, as EMQX's REST API tells it */
export function checkClientId(
  expression = 'disabled',
  versions: readonly Version[] = [],
): Finding | undefined {
  const old = versions.filter((version) => !overridesClientId(version));
  // An EMQX that is too old for everything is told elsewhere.
  if (old.length > 0 && old.every((version) => lineOf(version) === undefined)) return undefined;
  if (old.length > 0) {
    return {
      level: 'warning',
      code: 'emqx_client_id_shared',
      what: 'EMQX before 5.8.3 cannot make the account part of a client id',
      why: `${TAKEN_OVER}; dockhook refuses only client ids that name the dock of another account, and those kept for a backend`,
      fix: [
        'upgrade EMQX to 5.8.3 or later',
        `until then, for each backend: ${command('account', 'set', 'BACKEND', '--client-id', 'ID')}`,
      ],
    };
  }
  // EMQX ignores blanks between the parts.
  if (expression.replaceAll(' ', '') === CLIENT_ID_OVERRIDE) {
    return {
      level: 'ok',
      code: 'emqx_client_id',
      what: 'no account can take over the session of another (mqtt.clientid_override)',
    };
  }
  if (expression === 'disabled') {
    return {
      level: 'error',
      code: 'emqx_client_id_shared',
      what: 'mqtt.clientid_override is not set',
      why: TAKEN_OVER,
      fix: [
        `mqtt.clientid_override = ${JSON.stringify(CLIENT_ID_OVERRIDE)} in emqx.conf: ${EMQX_CONFIG} prints it`,
      ],
    };
  }
  return {
    level: 'error',
    code: 'emqx_client_id_other',
    what: `mqtt.clientid_override = ${expression}`,
    why: `dockhook does not know this form, and takes the result for the client's own id: it may refuse docks. Unless the account is part of the result, ${TAKEN_OVER}`,
    fix: [`mqtt.clientid_override = ${JSON.stringify(CLIENT_ID_OVERRIDE)}`],
  };
}
