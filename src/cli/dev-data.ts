/** What `dockhook dev` puts into its database: an organization, a license, and the account of the simulated dock. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generatePassword, randomCode } from '../access/generate-password.js';
import { DEMO_PASSWORD_FILE } from '../command.js';
import { GENERATED_CODE_CHARACTERS } from '../dock/binding-code.js';
import { DEMO_LICENSE } from '../dock/demo-license.js';
import { hasCode } from '../errors.js';
import { hashGenerated } from '../password-hashes/index.js';
import type { Stores } from '../stores/types.js';

export const DEMO = {
  account: 'demo-dock',
  organization: { id: 'demo', name: 'Demo yard' },
  gateway: '7CTDDEMO00000A',
  drone: '1581FDEMO0000000000B',
};

/** The dock that a person lets in, as `dev` tells them. */
const SECOND = { name: 'dock-2', gateway: '7CTDTEST00000C' };

export interface DemoData {
  password: string;
  bindingCode: string;
  /** `isNew`: its account is not there yet. */
  second: typeof SECOND & { isNew: boolean };
}

/** What is there from an earlier start stays, the password too. */
export async function writeDemoData(stores: Stores, dataDir: string): Promise<DemoData> {
  const { id, name } = DEMO.organization;
  let organization = await stores.organizations.get(id);
  if (!organization) {
    organization = { id, name, bindingCode: randomCode(GENERATED_CODE_CHARACTERS) };
    await stores.organizations.add(organization);
  }
  if (!(await stores.license.get())) await stores.license.set(DEMO_LICENSE);
  const password = await keptPassword(dataDir);
  const passwordHash = hashGenerated(password);
  const scope = { kind: 'gateways' as const, gateways: [DEMO.gateway] };
  try {
    await stores.accounts.update(DEMO.account, (account) => ({ ...account, passwordHash }));
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error;
    await stores.accounts.add({ name: DEMO.account, passwordHash, scope, note: 'made by dockhook dev' });
  }
  const second = { ...SECOND, isNew: (await stores.accounts.get(SECOND.name)) === undefined };
  return { password, bindingCode: organization.bindingCode, second };
}

/** The database has only the hash, so the password is in a file beside it, which nobody else can read. */
async function keptPassword(dataDir: string): Promise<string> {
  const file = join(dataDir, DEMO_PASSWORD_FILE);
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept.trim() !== '') return kept.trim();
  const password = generatePassword();
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}
