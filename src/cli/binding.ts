/** `dockhook binding …`: which device belongs to which organization. */
import type { Command } from 'commander';
import { command } from '../command.js';
import { DockhookError, hasCode } from '../errors.js';
import { withStores } from './open-stores.js';
import { addExamples, wantsJson } from './options.js';
import { print, printFields, printJson, printTable, reportBadRows } from './output.js';
import type { Accounts, Bindings } from '../stores/types.js';
import { disconnectClients, type Disconnected } from './disconnect.js';

export function addBindingCommand(program: Command): void {
  const binding = program.command('binding').description('devices and the organizations they are bound to');
  addExamples(
    binding.command('list').description('list bound devices').action(listBindings),
    'dockhook binding list',
  );
  addExamples(
    binding.command('show <sn>').description('show the binding of one device').action(showBinding),
    'dockhook binding show 7CTDTEST00000A',
  );
  addExamples(
    binding
      .command('move <sn>')
      .description('bind a device to another organization, or give it to another account')
      .option('--organization <id>', 'the organization that it moves to')
      .option(
        '--account <name>',
        'which account counts as the one that bound it (for --client-id-is-gateway)',
      )
      .action(moveBinding),
    'dockhook binding move 7CTDTEST00000A --organization south',
    'dockhook binding move 7CTDTEST00000A --account fleet-2027',
  );
  addExamples(
    binding
      .command('remove <sn>')
      .description('unbind a device, so that it can be bound again in DJI Pilot 2')
      .action(removeBinding),
    'dockhook binding remove 7CTDTEST00000A',
  );
}

async function listBindings(_options: unknown, command: Command): Promise<void> {
  const { records, badRows } = await withStores(command, (stores) => stores.bindings.list());
  if (wantsJson(command)) printJson(records);
  else if (records.length === 0)
    print('no device is bound yet: a dock binds itself and its drone from DJI Pilot 2');
  else {
    printTable(
      ['SN', 'ORGANIZATION', 'CALLSIGN', 'MODEL', 'GATEWAY', 'ACCOUNT', 'BOUND AT'],
      records.map((b) => [
        b.sn,
        b.organizationId,
        b.callsign,
        b.modelKey,
        b.gateway,
        b.account ?? '',
        b.boundAt,
      ]),
    );
  }
  reportBadRows(badRows, wantsJson(command));
}

async function showBinding(sn: string, _options: unknown, self: Command): Promise<void> {
  const bound = await withStores(self, (stores) => stores.bindings.getMany([sn]));
  const binding = bound.get(sn);
  if (!binding)
    throw new DockhookError(
      'not_found',
      `device ${sn} is not bound; all bound devices: ${command('binding', 'list')}`,
    );
  if (wantsJson(self)) printJson(binding);
  else {
    printFields({
      device: sn,
      organization: binding.organizationId,
      callsign: binding.callsign,
      model: binding.modelKey,
      gateway: binding.gateway,
      account: binding.account,
      'bound at': binding.boundAt,
    });
  }
}

interface MoveOptions {
  organization?: string;
  account?: string;
}

async function moveBinding(sn: string, options: MoveOptions, command: Command): Promise<void> {
  const { organization, account } = options;
  if (organization === undefined && account === undefined) {
    throw new DockhookError('usage', 'say where it moves: --organization ID, --account NAME, or both');
  }
  const { moved, text, disconnected } = await withStores(command, async ({ bindings, accounts }) => {
    if (account !== undefined && !(await accounts.get(account))) {
      const { noAccount } = await import('./account/output.js');
      throw noAccount(account);
    }
    const binding = await bindings.move(sn, { organizationId: organization, account });
    const isLeaving = organization !== undefined;
    const clients = await disconnectGateways(command, accounts, { sn, gateway: binding.gateway, isLeaving });
    return { moved: binding, ...clients };
  });
  if (wantsJson(command)) printJson({ ...moved, disconnected });
  else {
    const owner = account === undefined ? '' : `, and account "${account}" counts as the one that bound it`;
    print(`device ${sn} now belongs to organization "${moved.organizationId}"${owner}. ${text}`);
  }
}

async function removeBinding(sn: string, _options: unknown, command: Command): Promise<void> {
  const { text, disconnected } = await withStores(command, async ({ bindings, accounts }) => {
    const gateway = await gatewayOf(sn, bindings);
    await bindings.remove(sn);
    return disconnectGateways(command, accounts, { sn, gateway, isLeaving: true });
  });
  if (wantsJson(command)) printJson({ sn, disconnected });
  else print(`device ${sn} unbound. It can be bound again from DJI Pilot 2. ${text}`);
}

/** The gateway that a device was bound through. A binding that cannot be read does not say, and is removed all the same. */
async function gatewayOf(sn: string, bindings: Bindings): Promise<string | undefined> {
  try {
    return (await bindings.get(sn))?.gateway;
  } catch (error) {
    if (hasCode(error, 'bad_row')) return undefined;
    throw error;
  }
}

/** Ends the sessions whose rights came from a binding. A device that its gateway did not bind for itself is a drone. */
function disconnectGateways(
  command: Command,
  accounts: Accounts,
  { sn, gateway, isLeaving }: { sn: string; gateway: string | undefined; isLeaving: boolean },
): Promise<Disconnected> {
  return disconnectClients(command, {
    gateway: gateway ?? sn,
    drone: isLeaving && gateway !== sn ? sn : undefined,
    accounts: async () => (await accounts.list()).records,
  });
}
