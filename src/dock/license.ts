/** The license of the DJI "Cloud API" app, usable also while the store is not. */
import type { License, LicenseStore } from '../stores/types.js';

export interface LicenseMemory {
  /** Reads the license from the store and remembers it, also that there is none. Rejects as the store does. */
  read(): Promise<void>;
  /** The license last read, if there was one. */
  last(): License | undefined;
}

/**
 * Remembers the license last read: without it a dock takes a store outage for a failed license check,
 * and disconnects.
 */
export function rememberLicense(store: LicenseStore): LicenseMemory {
  let last: License | undefined;
  return {
    async read() {
      last = await store.get();
    },
    last: () => last,
  };
}
