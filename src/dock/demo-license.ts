/** The license of `dockhook dev`. */
import type { License } from '../stores/types.js';

/** Shaped like a license; a real dock would refuse it, and `dockhook doctor` says so. */
export const DEMO_LICENSE: License = {
  appId: '100000',
  appKey: 'demo-app-key',
  appLicense: 'demo-app-license',
};
