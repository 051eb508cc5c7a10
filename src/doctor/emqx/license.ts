/** The license of EMQX, which may let no more clients in. */
import { getIfThere } from '../../emqx/api.js';
import { moduleAnswers } from '../../emqx/module-answers.js';
import type { Finding } from '../../finding.js';
import type { EmqxContext } from './context.js';

export async function checkLicense({ api }: EmqxContext): Promise<Finding[]> {
  const license = await getIfThere(api, '/license', moduleAnswers.license);
  if (license === undefined) return [];
  const findings: Finding[] = [];
  if (license.expiry === true) {
    findings.push({
      level: 'error',
      code: 'emqx_license_expired',
      what: `the license of EMQX has expired${license.expiry_at === undefined ? '' : ` (${license.expiry_at})`}`,
      why: 'EMQX refuses every new client (quota exceeded) and does not ask dockhook: at once or some time later, depending on the license',
      fix: ['renew it: dashboard, System, License'],
    });
  }
  const nodes = await api.get('/nodes', moduleAnswers.load);
  const places = Number(license.max_sessions ?? license.max_connections ?? Infinity);
  const taken = nodes.reduce((sum, { connections = 0 }) => sum + connections, 0);
  if (Number.isFinite(places) && taken >= places * 0.9) {
    findings.push({
      level: taken >= places ? 'error' : 'warning',
      code: 'emqx_license_full',
      what: `EMQX has ${taken} of the ${places} sessions of its license`,
      why: 'when it is full, EMQX refuses new clients (quota exceeded) and does not ask dockhook',
      fix: ['get a larger license, or connect fewer clients: dashboard, System, License'],
    });
  }
  return findings;
}
