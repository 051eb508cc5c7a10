/**
 * The steps of a dock on its way in, in order, as DJI's page "Dock access to Cloud Server" has them: license, bind
 * status, organization, bind, topology. Each answer is judged as a dock must judge it.
 *
 * DJI's dialect is written here a second time, apart from `dock/`: a simulator that shared the server's codec would
 * share its bugs.
 */
import { command } from '../command.js';
import { isData, type Data, type DockConnection, type Reply } from './dock-connection.js';
import { failed } from './mqtt-connect.js';
import { DOCK_3, droneOf, topology } from './models.js';
import { meaningOf } from './result-codes.js';

export interface AccessOptions {
  /** SN of the dock. */
  gateway: string;
  /** SN of its drone; without one the dock connects alone. */
  drone?: string | undefined;
  /** `domain-type-sub_type` of the dock; default: that of a Dock 3. */
  model?: string | undefined;
  organizationId: string;
  bindingCode: string;
  /** Name of the dock in its organization. */
  callsign?: string | undefined;
  /** Ask for the organization even if all is bound, which no dock does, and fail if they are bound to another. */
  checkOrganization?: boolean | undefined;
}

interface Device {
  sn: string;
  callsign: string;
  /** `domain-type-sub_type` */
  modelKey: string;
}

/** Walks until the dock is bound. Rejects with `failed`, saying at which step, why, and what to check. */
export async function walkAccessSteps(connection: DockConnection, options: AccessOptions): Promise<void> {
  const { gateway, drone, organizationId, callsign = `Dock ${gateway}`, model = DOCK_3 } = options;
  const devices: Device[] = [{ sn: gateway, callsign, modelKey: model }];
  if (drone !== undefined) devices.push({ sn: drone, callsign: `Drone ${drone}`, modelKey: droneOf(model) });
  await connection.subscribe(cloudTopics(gateway));
  await verifyLicense(connection);
  const before = await statusOf(connection, devices);
  if (!before.every(({ bound }) => bound)) {
    await getOrganization(connection, options);
    await bind(connection, options, devices);
    if (!(await statusOf(connection, devices)).every(({ bound }) => bound)) {
      throw failed(
        'airport_bind_status still says unbound after a successful bind: check the log of the server',
      );
    }
  } else if (options.checkOrganization) {
    const name = await getOrganization(connection, options);
    for (const { sn, organization } of before) {
      if (organization === name) continue;
      throw failed(
        `${sn} is bound to ${organization}, and not to ${name}: ` +
          `${command('binding', 'move', sn, '--organization', organizationId)}, or ${command('binding', 'remove', sn)}`,
      );
    }
  }
  await connection.publish(`sys/product/${gateway}/status`, 'update_topo', topology(model, drone));
}

/** What a dock listens to on its main session (DJI Cloud API, "Topic definition"). */
function cloudTopics(gateway: string): string[] {
  const things = ['requests_reply', 'services', 'events_reply', 'property/set'];
  return [...things.map((rest) => `thing/product/${gateway}/${rest}`), `sys/product/${gateway}/status_reply`];
}

/** `config`: the one reply whose data is flat. Without a whole license a dock leaves the broker. */
async function verifyLicense(connection: DockConnection): Promise<void> {
  const reply = await connection.request('config', { config_type: 'json', config_scope: 'product' }, 3);
  if (typeof reply.data['result'] === 'number' && reply.data['result'] !== 0)
    refuse('config', reply, reply.data['result']);
  const missing = ['app_id', 'app_key', 'app_license'].filter((name) => !isText(reply.data[name]));
  if (missing.length > 0) {
    reply.tell({ ok: false, text: `license failure: no ${missing.join(', ')}` });
    throw failed(
      `the license cannot be verified: the data of the config reply has no ${missing.join(', ')}. A dock ` +
        `disconnects here. Set the license (${command('license', 'set', 'FILE')}); the fields must be directly in data`,
    );
  }
  const { ntp_server_host: host, ntp_server_port: port } = reply.data;
  const time = isText(host) ? `, time from ${host}:${typeof port === 'number' ? port : 123}` : '';
  reply.tell({ ok: true, result: 0, text: `license complete${time}` });
}

interface Status {
  sn: string;
  bound: boolean;
  /** Its name, if the dock was told. */
  organization: string;
}

/** `airport_bind_status`: which devices are bound, and to which organization. */
async function statusOf(connection: DockConnection, devices: Device[]): Promise<Status[]> {
  const method = 'airport_bind_status';
  const asked = devices.toReversed().map(({ sn }) => ({ sn }));
  const reply = await connection.request(method, { devices: asked });
  const entries = list(outputOf(method, reply)['bind_status']);
  const states = devices.map(({ sn }) => {
    const entry = entries.find((candidate) => candidate['sn'] === sn);
    const bound = entry?.['is_device_bind_organization'];
    if (typeof bound !== 'boolean') return malformed(method, reply, `no bind_status for ${sn}`);
    const name = entry?.['organization_name'];
    return { sn, bound, organization: isText(name) ? name : 'an organization that this dock may not see' };
  });
  const texts = states.map(
    ({ sn, bound, organization }) => `${sn} ${bound ? `bound to ${organization}` : 'unbound'}`,
  );
  reply.tell({ ok: true, result: 0, text: texts.join(', ') });
  return states;
}

async function getOrganization(
  connection: DockConnection,
  { organizationId, bindingCode }: AccessOptions,
): Promise<string> {
  const method = 'airport_organization_get';
  const data = { device_binding_code: bindingCode, organization_id: organizationId };
  const reply = await connection.request(method, data);
  const name = outputOf(method, reply)['organization_name'];
  if (!isText(name)) malformed(method, reply, 'no organization_name');
  reply.tell({ ok: true, result: 0, text: `organization "${name}"` });
  return name;
}

/** `airport_organization_bind`: a fault of one device is in `err_infos`, and the result is still 0. */
async function bind(
  connection: DockConnection,
  { organizationId, bindingCode }: AccessOptions,
  devices: Device[],
): Promise<void> {
  const method = 'airport_organization_bind';
  const reply = await connection.request(method, {
    bind_devices: devices.map(({ sn, callsign, modelKey }) => ({
      sn,
      device_binding_code: bindingCode,
      organization_id: organizationId,
      device_callsign: callsign,
      device_model_key: modelKey,
    })),
  });
  const entries = list(outputOf(method, reply)['err_infos']);
  const codes = devices.map(({ sn }) => {
    const code = entries.find((entry) => entry['sn'] === sn)?.['err_code'];
    return typeof code === 'number' ? { sn, code } : malformed(method, reply, `no err_infos for ${sn}`);
  });
  const bound = codes.filter(({ code }) => code === 0).map(({ sn }) => sn);
  const refused = codes.find(({ code }) => code !== 0);
  // One device may be bound although the other failed: the operator may want to undo it.
  const rest = bound.length > 0 ? ` (${bound.join(', ')} is bound)` : '';
  if (refused) refuse(`${method} of ${refused.sn}${rest}`, reply, refused.code);
  reply.tell({ ok: true, result: 0, text: `bound ${bound.join(', ')}` });
}

function outputOf(method: string, reply: Reply): Data {
  const { result, output } = reply.data;
  if (typeof result !== 'number') malformed(method, reply, 'no result');
  if (result !== 0) refuse(method, reply, result);
  if (!isData(output)) malformed(method, reply, 'no output');
  return output;
}

function refuse(what: string, reply: Reply, result: number): never {
  const { what: meaning, check } = meaningOf(result);
  reply.tell({ ok: false, result, text: meaning });
  throw failed(`${what} failed with result ${result}: ${meaning}; ${check}`);
}

function malformed(method: string, reply: Reply, what: string): never {
  reply.tell({ ok: false, text: what });
  throw failed(
    `the reply to ${method} is malformed (${what}): a dock cannot use it. Check which server answers`,
  );
}

function list(value: unknown): Data[] {
  return Array.isArray(value) ? value.filter(isData) : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
