/** The license: whether one is set, and whether it looks like one. No finding shows what is in it. */
import { command } from '../command.js';
import { DEMO_LICENSE } from '../dock/demo-license.js';
import { hasCode } from '../errors.js';
import type { License, LicenseStore } from '../stores/types.js';
import { counted } from '../text.js';
import type { Finding } from '../finding.js';

const FIX = [
  `set the license of your app of type "Cloud API" on developer.dji.com: ${command('license', 'set', 'FILE')}`,
];
const WHY = 'a dock verifies it, and disconnects at once if that fails; DJI Pilot 2 then shows no binding';

/** An error if the license is missing, damaged, or the demo license. Rejects for other store errors. */
export async function checkLicense(store: LicenseStore): Promise<Finding[]> {
  let license: License | undefined;
  try {
    license = await store.get();
  } catch (error) {
    if (!hasCode(error, 'bad_row')) throw error;
    return [{ level: 'error', code: 'license_bad_row', what: error.message, why: WHY, fix: FIX }];
  }
  if (!license)
    return [{ level: 'error', code: 'license_missing', what: 'no license is set', why: WHY, fix: FIX }];
  if (license.appKey === DEMO_LICENSE.appKey) {
    const what = 'the license is the demo license of dockhook dev, and a real dock refuses it';
    return [{ level: 'error', code: 'license_demo', what, why: WHY, fix: FIX }];
  }
  const doubts = findDoubts(license);
  if (doubts.length === 0) {
    return [
      {
        level: 'ok',
        code: 'license',
        what: `a license is set, for app ${license.appId}, and it looks right`,
      },
    ];
  }
  return doubts.map((what) => ({ level: 'warning', code: 'license_doubtful', what, why: WHY, fix: FIX }));
}

/** DJI publishes no lengths. These are the forms that were seen, so another form is a doubt and no error. */
function findDoubts({ appId, appKey, appLicense }: License): string[] {
  const doubts: string[] = [];
  if (!/^\d+$/.test(appId)) doubts.push('the app id is not a number');
  if (!/^[0-9a-f]{32}$/i.test(appKey)) {
    doubts.push(`the app key is not 32 hexadecimal digits (it has ${counted(appKey.length, 'character')})`);
  }
  if (!/^[A-Za-z0-9+/=_-]{64,}$/.test(appLicense)) {
    doubts.push(
      `the app license is not one long base64 text (it has ${counted(appLicense.length, 'character')}` +
        `${/\s/.test(appLicense) ? ', some of them blanks' : ''})`,
    );
  }
  return doubts;
}
