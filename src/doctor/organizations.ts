/** Organizations, their device binding codes, and what is bound to them. */
import { command } from '../command.js';
import { SHORT_CODE } from '../dock/binding-code.js';
import type { Stores } from '../stores/types.js';
import type { Finding } from '../finding.js';
import { compareAccounts } from './account-conflicts.js';
import { badRowFindings } from './bad-rows.js';
import { counted, listed } from '../text.js';

export async function checkOrganizations({
  organizations,
  bindings,
  accounts,
}: Pick<Stores, 'organizations' | 'bindings' | 'accounts'>): Promise<Finding[]> {
  const [known, bound] = [await organizations.list(), await bindings.list()];
  const { records } = await accounts.list();
  const findings = [...badRowFindings(known.badRows), ...badRowFindings(bound.badRows)];
  if (known.records.length === 0 && known.badRows.length === 0) {
    findings.push({
      level: 'error',
      code: 'organizations_none',
      what: 'there is no organization',
      why: 'DJI Pilot 2 asks for an organization id and a device binding code, and without them no dock can be bound',
      fix: [command('organization', 'add', 'north', '--name', 'North yard')],
    });
  } else {
    const devices = counted(bound.records.length, 'bound device');
    findings.push({
      level: 'ok',
      code: 'organizations',
      what: `${counted(known.records.length, 'organization')}, ${devices}`,
    });
  }
  const short = known.records.filter(({ bindingCode }) => bindingCode.length < SHORT_CODE);
  if (short.length > 0) {
    findings.push({
      level: 'warning',
      code: 'organization_code_short',
      what: `organizations with a device binding code of fewer than ${SHORT_CODE} characters: ${listed(short.map(({ id }) => id))}`,
      why: 'whoever has an account of a dock can guess the code, and bind a device there',
      fix: [
        `${command('organization', 'set', 'ID', '--generate-binding-code')} (docks that are bound stay bound)`,
      ],
    });
  }
  return [...findings, ...compareAccounts(records, bound.records, known.records)];
}
