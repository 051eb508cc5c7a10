/** The REST API of EMQX that the settings of a command name. */
import type { Command } from 'commander';
import type { EmqxApi } from '../../emqx/api.js';
import { DockhookError } from '../../errors.js';
import { configOf } from '../options.js';

/** Rejects with `usage` if no setting names it. */
export async function apiOf(command: Command): Promise<EmqxApi> {
  const { openEmqx } = await import('../../emqx/api.js');
  const api = await openEmqx(configOf(command));
  if (!api) {
    throw new DockhookError(
      'usage',
      'say where EMQX is: --emqx http://host:18083 with --emqx-api-key-file and --emqx-api-secret-file, or ' +
        'DOCKHOOK_EMQX_URL, DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE. Keys are made in its ' +
        'dashboard, System, API Key',
    );
  }
  return api;
}

/** `--wait`, in milliseconds. */
export function waitOf(seconds: string): number {
  const waitS = Number(seconds);
  if (seconds.trim() === '' || !(waitS >= 0 && waitS <= 3600)) {
    throw new DockhookError('usage', `--wait ${seconds}: write seconds, 0 to 3600`);
  }
  return waitS * 1000;
}
