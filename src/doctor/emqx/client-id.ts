/** Whether EMQX makes the account part of every client id, without which a session is anybody's who knows its id. */
import { CLIENT_ID_OVERRIDE } from '../../emqx/configuration.js';
import { lineOf, overridesClientId, type Version } from '../../emqx/versions.js';
import type { Finding } from '../../finding.js';

const TAKEN_OVER =
  'a client that comes with the client id of another account ends its session, or takes it over with its subscriptions and messages';

/** @param expression `mqtt.clientid_override`, as EMQX's REST API tells it */
export function ofClientId(expression = 'disabled', versions: readonly Version[] = []): Finding[] {
  const old = versions.filter((version) => !overridesClientId(version));
  // What is too old for anything has been told.
  if (old.length > 0 && old.every((version) => lineOf(version) === undefined)) return [];
  if (old.length > 0) {
    return [
      {
        level: 'warning',
        code: 'emqx_client_id_shared',
        what: 'EMQX before 5.8.3 cannot make the account part of a client id',
        why: `${TAKEN_OVER}; dockhook refuses only client ids that name a dock of others, and those kept for a backend`,
        fix: [
          'upgrade EMQX to 5.8.3 or later; until then dockhook account set BACKEND --client-id ID, for each backend',
        ],
      },
    ];
  }
  // Blanks between its parts mean nothing to EMQX.
  if (expression.replaceAll(' ', '') === CLIENT_ID_OVERRIDE) {
    return [
      {
        level: 'ok',
        code: 'emqx_client_id',
        what: 'no account takes over the session of another (client id override)',
      },
    ];
  }
  if (expression === 'disabled') {
    return [
      {
        level: 'error',
        code: 'emqx_client_id_shared',
        what: 'mqtt.clientid_override is not set',
        why: TAKEN_OVER,
        fix: [
          `mqtt.clientid_override = ${JSON.stringify(CLIENT_ID_OVERRIDE)} in emqx.conf: dockhook emqx config prints it`,
        ],
      },
    ];
  }
  return [
    {
      level: 'error',
      code: 'emqx_client_id_other',
      what: `mqtt.clientid_override = ${expression}`,
      why: `dockhook does not know this form, and takes what it makes for the client's own id: docks may be refused, and unless the account is part of it, ${TAKEN_OVER}`,
      fix: [`mqtt.clientid_override = ${JSON.stringify(CLIENT_ID_OVERRIDE)}`],
    },
  ];
}
