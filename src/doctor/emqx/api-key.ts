/** Whether the API key of EMQX has the rights that dockhook needs. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../errors.js';
import { statusOf } from '../../emqx/api.js';
import type { EmqxContext } from './context.js';
import type { Finding } from '../../finding.js';

/** Asks EMQX to disconnect a client that does not exist: a key with the right gets 404 (recorded), one without it 403. */
export async function checkKey({ api }: EmqxContext): Promise<Finding | undefined> {
  try {
    await api.remove(`/clients/dockhook-${randomUUID()}`);
    return undefined;
  } catch (error) {
    if (statusOf(error) !== 403) throw error;
    return {
      level: 'error',
      code: 'emqx_key_cannot_write',
      what: `the API key may only read: ${messageOf(error)}`,
      why: 'dockhook cannot end the sessions of an account that is disabled or changed',
      fix: [
        'make a key with the role Administrator (dashboard, System, API Key), and put it into the files of DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE',
      ],
    };
  }
}
