/** `dockhook organization …`: the groups that devices are bound to. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { GENERATED_CODE_CHARACTERS, SHORT_CODE } from '../dock/binding-code.js';
import { DockhookError } from '../errors.js';
import type { Organization } from '../stores/types.js';
import { withStores } from './open-stores.js';
import { addExamples, wantsJson } from './options.js';
import { print, printFields, printJson, printTable, reportBadRows, warn } from './output.js';

export function addOrganizationCommand(program: Command): void {
  const organization = program.command('organization').description('organizations that devices are bound to');
  addExamples(
    organization
      .command('add <id>')
      .description('create an organization; its id and device binding code are typed into DJI Pilot 2')
      .requiredOption('--name <name>', 'shown in DJI Pilot 2')
      .option('--binding-code <code>', 'device binding code (default: a generated one)')
      .action(addOrganization),
    "dockhook organization add north --name 'North yard'",
  );
  addExamples(
    organization
      .command('set <id>')
      .description('change an organization: only what is named here changes; its devices stay bound')
      .option('--name <name>', 'shown in DJI Pilot 2')
      .option('--binding-code <code>', 'device binding code')
      .option('--generate-binding-code', 'make a new device binding code')
      .action(setOrganization),
    "dockhook organization set north --name 'North yard, new fence'",
    'dockhook organization set north --generate-binding-code',
  );
  addExamples(
    organization.command('list').description('list organizations').action(listOrganizations),
    'dockhook organization list',
  );
  addExamples(
    organization
      .command('show <id>')
      .description('show one organization and its code')
      .action(showOrganization),
    'dockhook organization show north',
  );
  addExamples(
    organization
      .command('remove <id>')
      .description('delete an organization that has no devices and no accounts')
      .action(removeOrganization),
    'dockhook organization remove north',
  );
}

async function addOrganization(
  id: string,
  options: { name: string; bindingCode?: string },
  command: Command,
): Promise<void> {
  const bindingCode = options.bindingCode ?? (await generatedCode());
  const organization: Organization = { id, name: options.name, bindingCode };
  if (bindingCode === '') {
    throw new DockhookError('usage', '--binding-code is empty; leave it out, and dockhook makes one');
  }
  await withStores(command, (stores) => stores.organizations.add(organization));
  warnOfTyping(`organization id "${id}"`, id, command);
  warnOfCode(bindingCode, command);
  if (wantsJson(command)) printJson(organization);
  else {
    print(`organization "${id}" added. Type into DJI Pilot 2:`);
    printFields({ '  organization id': id, '  device binding code': bindingCode });
  }
}

async function setOrganization(
  id: string,
  options: { name?: string; bindingCode?: string; generateBindingCode?: boolean },
  command: Command,
): Promise<void> {
  const { name, bindingCode: given, generateBindingCode } = options;
  if (given !== undefined && generateBindingCode) {
    throw new DockhookError('usage', 'take one of --binding-code and --generate-binding-code');
  }
  const bindingCode = generateBindingCode ? await generatedCode() : given;
  if (name === undefined && bindingCode === undefined) {
    throw new DockhookError('usage', 'say what to change: --name, --binding-code or --generate-binding-code');
  }
  const organization = await withStores(command, (stores) =>
    stores.organizations.update(id, (before) => ({
      id,
      name: name ?? before.name,
      bindingCode: bindingCode ?? before.bindingCode,
    })),
  );
  if (bindingCode !== undefined) warnOfCode(bindingCode, command);
  if (wantsJson(command)) {
    printJson(organization);
    return;
  }
  print(`organization "${id}" changed. Devices that are bound to it stay bound.`);
  printFields({ name, 'device binding code': bindingCode });
  if (bindingCode !== undefined) print('The old code no longer works.');
}

async function generatedCode(): Promise<string> {
  const { randomCode } = await import('../access/generate-password.js');
  return randomCode(GENERATED_CODE_CHARACTERS);
}

function warnOfCode(bindingCode: string, command: Command): void {
  warnOfTyping('device binding code', bindingCode, command);
  if (bindingCode.length >= SHORT_CODE) return;
  warn(`a binding code of fewer than ${SHORT_CODE} characters can be guessed`, wantsJson(command));
}

/** Somebody types it on a remote controller, and it is compared byte by byte. */
function warnOfTyping(what: string, text: string, command: Command): void {
  if (/^[A-Za-z0-9._-]+$/.test(text)) return;
  warn(
    `the ${what} is typed on a remote controller: letters without accents, digits, "-", "_" and "." are ` +
      'easier there, and hard to mistake',
    wantsJson(command),
  );
}

async function listOrganizations(_options: unknown, self: Command): Promise<void> {
  const { records, badRows } = await withStores(self, (stores) => stores.organizations.list());
  if (wantsJson(self)) printJson(records);
  else if (records.length === 0) print(`no organizations yet: ${command('organization', 'add', '--help')}`);
  else {
    printTable(
      ['ID', 'NAME', 'BINDING CODE'],
      records.map(({ id, name, bindingCode }) => [id, name, bindingCode]),
    );
  }
  reportBadRows(badRows, wantsJson(self));
}

async function showOrganization(id: string, _options: unknown, self: Command): Promise<void> {
  const organization = await withStores(self, (stores) => stores.organizations.get(id));
  if (!organization) {
    throw new DockhookError(
      'not_found',
      `there is no organization "${id}"; all of them: ${command('organization', 'list')}`,
    );
  }
  if (wantsJson(self)) printJson(organization);
  else printFields({ organization: id, name: organization.name, 'binding code': organization.bindingCode });
}

async function removeOrganization(id: string, _options: unknown, command: Command): Promise<void> {
  await withStores(command, (stores) => stores.organizations.remove(id));
  if (wantsJson(command)) printJson({ id });
  else print(`organization "${id}" removed`);
}
