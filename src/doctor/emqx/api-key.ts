/** Whether the API key may do what dockhook needs it for. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../errors.js';
import { statusOf } from '../../emqx/api.js';
import type { EmqxContext } from './context.js';
import type { Finding } from '../../finding.js';

/** Asks EMQX to disconnect a client that there is not: a key that may is told 404 (recorded), one that may not 403. */
export async function checkKey({ api }: EmqxContext): Promise<Finding[]> {
  try {
    await api.remove(`/clients/dockhook-${randomUUID()}`);
    return [];
  } catch (error) {
    if (statusOf(error) !== 403) throw error;
    return [
      {
        level: 'error',
        code: 'emqx_key_cannot_write',
        what: `the API key may read and not act: ${messageOf(error)}`,
        why: 'an account that is disabled or changed keeps its sessions: dockhook cannot disconnect them',
        fix: [
          'a key with the role Administrator in the files of DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE (dashboard, System, API Key)',
        ],
      },
    ];
  }
}
