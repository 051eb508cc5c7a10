/** Tells one license from another without showing it. Pure. */
import { createHash } from 'node:crypto';
import type { License } from './stores/types.js';

/**
 * The beginning of a hash: enough to see that a license was changed, and too little to find it by trying. The time server
 * is no part of it.
 */
export function licenseMark({ appId, appKey, appLicense }: License): string {
  return createHash('sha256')
    .update(JSON.stringify([appId, appKey, appLicense]))
    .digest('hex')
    .slice(0, 8);
}
