/** The license: whether there is one, and whether it looks like one. Says nothing of what is in it. */
import { DEMO_LICENSE } from '../dock/demo-license.js';
import { hasCode } from '../errors.js';
import type { License, LicenseStore } from '../stores/types.js';
import type { Finding } from '../finding.js';

const MEND =
  'dockhook license set FILE, with the license of your app of type "Cloud API" on developer.dji.com';
const WHY =
  'the dock verifies it, and leaves the broker at once if that fails; DJI Pilot 2 shows no binding then';

export async function checkLicense(store: LicenseStore): Promise<Finding[]> {
  let license: License | undefined;
  try {
    license = await store.get();
  } catch (error) {
    if (!hasCode(error, 'bad_row')) throw error;
    return [{ level: 'error', code: 'license_bad_row', what: error.message, why: WHY, fix: [MEND] }];
  }
  if (!license)
    return [{ level: 'error', code: 'license_missing', what: 'no license is set', why: WHY, fix: [MEND] }];
  if (license.appKey === DEMO_LICENSE.appKey) {
    const what = 'the license is the demo one of dockhook dev, which a real dock refuses';
    return [{ level: 'error', code: 'license_demo', what, why: WHY, fix: [MEND] }];
  }
  const doubts = doubtsOf(license);
  if (doubts.length === 0) {
    return [
      { level: 'ok', code: 'license', what: `the license of app ${license.appId} is set and looks like one` },
    ];
  }
  return doubts.map((what) => ({ level: 'warning', code: 'license_doubtful', what, why: WHY, fix: [MEND] }));
}

/** DJI publishes no lengths; these are the shapes that were seen, hence doubts and no errors. */
function doubtsOf({ appId, appKey, appLicense }: License): string[] {
  const doubts: string[] = [];
  if (!/^\d+$/.test(appId)) doubts.push('the app id is not a number');
  if (!/^[0-9a-f]{32}$/i.test(appKey)) {
    doubts.push(`the app key is not 32 hexadecimal digits (it has ${appKey.length} characters)`);
  }
  if (!/^[A-Za-z0-9+/=_-]{64,}$/.test(appLicense)) {
    doubts.push(
      `the app license is not one long base64 text (it has ${appLicense.length} characters` +
        `${/\s/.test(appLicense) ? ', some of them blanks' : ''})`,
    );
  }
  return doubts;
}
