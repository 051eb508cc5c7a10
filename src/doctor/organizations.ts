/** Organizations, their device binding codes, and what is bound to them. */
import { SHORT_CODE } from '../dock/binding-code.js';
import type { Stores } from '../stores/types.js';
import { count, some } from './check.js';
import type { Finding } from '../finding.js';
import { badRowFindings } from './bad-rows.js';

export async function checkOrganizations({
  organizations,
  bindings,
}: Pick<Stores, 'organizations' | 'bindings'>): Promise<Finding[]> {
  const [known, bound] = [await organizations.list(), await bindings.list()];
  const findings = [...badRowFindings(known.badRows), ...badRowFindings(bound.badRows)];
  if (known.records.length === 0 && known.badRows.length === 0) {
    findings.push({
      level: 'error',
      code: 'organizations_none',
      what: 'there is no organization',
      why: 'DJI Pilot 2 asks for an organization id and a device binding code, and no dock can be bound without',
      fix: ["dockhook organization add north --name 'North yard'"],
    });
  } else {
    const devices = count(bound.records.length, 'bound device');
    findings.push({
      level: 'ok',
      code: 'organizations',
      what: `${count(known.records.length, 'organization')}, ${devices}`,
    });
  }
  const short = known.records.filter(({ bindingCode }) => bindingCode.length < SHORT_CODE);
  if (short.length > 0) {
    findings.push({
      level: 'warning',
      code: 'organization_code_short',
      what: `a device binding code of fewer than ${SHORT_CODE} characters: ${some(short.map(({ id }) => id))}`,
      why: 'who has any account of a dock can guess it and bind a device there',
      fix: ['dockhook organization set ID --generate-binding-code; docks that are bound stay bound'],
    });
  }
  return findings;
}
