/** The docks of a benchmark: their accounts in Postgres, and what EMQX was recorded to send, in their names. */
import { serviceName, hookProvider } from '../../src/exhook/proto.js';
import { ALLOW, type ValuedResponse } from '../../src/exhook/translate.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Question } from '../support/emqx-pool.js';
import { frame, Status, unframe, type GrpcConnection } from '../support/grpc.js';
import type { TestDatabase } from '../support/postgres.js';
import { recordings } from '../support/recordings.js';

export const ORGANIZATION = { id: 'north', name: 'North yard', bindingCode: 'code-of-north' };
/** As a dock reads it in the reply to `config`. */
export const LICENSE = { app_id: '1', app_key: 'bench key', app_license: 'bench license '.repeat(20) };

const service = hookProvider('v3');
const requests = recordings('v3');

export interface Dock {
  sn: string;
  drone: string;
}

/** In the names of a dock. */
const DIGITS = 8;

/** The n-th dock; its account has its SN for a name. */
export function dockOf(number: number): Dock {
  const digits = String(number).padStart(DIGITS, '0');
  return { sn: `BENCH${digits}`, drone: `DRONE${digits}` };
}

/** Tables, an organization and a license, and an account for each of `count` docks, all with one password. */
export async function addFleet(
  database: Pick<TestDatabase, 'url' | 'query'>,
  count: number,
  passwordHash: string,
): Promise<void> {
  const stores = openStores(connectPostgres(database.url));
  try {
    await stores.ping();
    await stores.organizations.add(ORGANIZATION);
    await stores.license.set({
      appId: LICENSE.app_id,
      appKey: LICENSE.app_key,
      appLicense: LICENSE.app_license,
    });
  } finally {
    await stores.close();
  }
  await addAccounts(database, { from: 0, count, passwordHash });
}

/** Accounts by one statement; the index that a million of them would be sorted into one by one is made anew. */
export async function addAccounts(
  { query }: Pick<TestDatabase, 'query'>,
  { from, count, passwordHash }: { from: number; count: number; passwordHash: string },
): Promise<void> {
  const [index] = await query(
    `SELECT indexdef FROM pg_indexes WHERE indexname = 'dockhook_accounts_gateways'`,
  );
  await query('DROP INDEX public.dockhook_accounts_gateways');
  await query(
    `INSERT INTO public.dockhook_accounts (key, value)
     SELECT sn, jsonb_build_object('value', jsonb_build_object('passwordHash', $1::text,
       'scope', jsonb_build_object('kind', 'gateways', 'gateways', jsonb_build_array(sn))))::text
     FROM (SELECT 'BENCH' || lpad(n::text, 8, '0') AS sn FROM generate_series($2::int, $3::int) AS n) AS docks`,
    [passwordHash, from, from + count - 1],
  );
  await query(String(index?.['indexdef']));
  await query('VACUUM (ANALYZE) public.dockhook_accounts');
}

/** One call of ExHook v3. */
export interface Call {
  method: Question | 'OnClientConnected' | 'OnClientDisconnected';
  request: object;
}

/** The request in its gRPC frame. */
export function bodyOf({ method, request }: Call): Buffer {
  return frame(service[method]!.requestSerialize(request));
}

/**
 * The frames of a call of dock 0 for all docks: with their digits in its place, for all names are equally long.
 * Encoding each would be a good part of a load's work.
 */
export function framesOf(call: Call): (number: number) => Buffer {
  const template = bodyOf(call);
  const { sn, drone } = dockOf(0);
  const places = [...placesOf(template, sn), ...placesOf(template, drone)];
  return (number) => {
    const body = Buffer.from(template);
    const digits = dockOf(number).sn.slice(-DIGITS);
    for (const place of places) body.write(digits, place + sn.length - DIGITS, 'latin1');
    return body;
  };
}

function placesOf(bytes: Buffer, text: string): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}

interface Recorded {
  clientinfo?: object;
  message?: { headers: object };
}

/** The first request of this method that EMQX was recorded to send, with these fields in place of its own. */
function adapted<Method extends Call['method']>(
  method: Method,
  change: (recorded: Recorded) => object,
): { method: Method; request: object } {
  const recorded = requests.find((one) => one.method === method)!.request as Recorded;
  return { method, request: { ...recorded, ...change(recorded) } };
}

/** What EMQX asks about a client: `OnClientAuthenticate`, `OnClientConnected`, … */
export function ofClient<Method extends Call['method']>(
  method: Method,
  { sn }: Dock,
  more: { password?: string } = {},
) {
  return adapted(method, ({ clientinfo }) => ({
    clientinfo: { ...clientinfo, password: '', ...more, clientid: sn, username: sn },
  }));
}

export function toAuthorize({ sn }: Dock, type: 'PUBLISH' | 'SUBSCRIBE', topic: string) {
  return adapted('OnClientAuthorize', ({ clientinfo }) => ({
    clientinfo: { ...clientinfo, clientid: sn, username: sn },
    type,
    topic,
  }));
}

export function published({ sn }: Dock, topic: string, payload: Buffer) {
  return adapted('OnMessagePublish', ({ message }) => ({
    message: { ...message, qos: 1, from: sn, topic, payload, headers: { ...message?.headers, username: sn } },
  }));
}

export function requestTopic({ sn }: Dock): string {
  return `thing/product/${sn}/requests`;
}

/** The four methods a dock asks on its way in, in its order, with their `data`. */
export const METHODS = {
  config: () => ({ config_type: 'json', config_scope: 'product' }),
  airport_bind_status: ({ sn, drone }: Dock) => ({ devices: [{ sn }, { sn: drone }] }),
  airport_organization_get: () => ({
    device_binding_code: ORGANIZATION.bindingCode,
    organization_id: ORGANIZATION.id,
  }),
  airport_organization_bind: ({ sn, drone }: Dock) => ({
    bind_devices: [
      { sn, device_model_key: '3-1-0' },
      { sn: drone, device_model_key: '0-67-1' },
    ].map((device) => ({
      ...device,
      device_binding_code: ORGANIZATION.bindingCode,
      organization_id: ORGANIZATION.id,
      device_callsign: 'Bench',
    })),
  }),
};

export type MethodName = keyof typeof METHODS;

/** A request's payload, as a dock writes it; with the method's usual `data` unless told otherwise. */
export function payloadOf(
  dock: Dock,
  method: MethodName,
  tid = '6a7bfe89-c386-4043-b600-b518e10096cc',
  data: object = METHODS[method](dock),
): Buffer {
  const bid = '42a19f36-5117-4520-bd13-fd61d818d52e';
  return Buffer.from(
    JSON.stringify({
      tid,
      bid,
      timestamp: Date.now(),
      gateway: dock.sn,
      method,
      data,
    }),
  );
}

export function requested(dock: Dock, method: MethodName) {
  return published(dock, requestTopic(dock), payloadOf(dock, method));
}

/** Whether the `data` of a reply is what a dock should get. */
export function isGoodReply(method: MethodName, payload: Buffer): boolean {
  const { data } = JSON.parse(payload.toString()) as {
    data: { result?: number; app_id?: string; output?: { err_infos?: { err_code: number }[] } };
  };
  if (method === 'config') return data.app_id === '1';
  const codes = data.output?.err_infos?.map(({ err_code }) => err_code) ?? [];
  return data.result === 0 && codes.every((code) => code === 0);
}

/** For a no-op provider: one answer to each method that is good for every dock, to either of its two requests. */
export function fixedAnswers(): { method: string; answer: string }[] {
  const data = { ...LICENSE, result: 0 };
  const dock = dockOf(0);
  const { request } = published(dock, `${requestTopic(dock)}_reply`, Buffer.from(JSON.stringify({ data })));
  const answers: [Call['method'], object][] = [
    ['OnClientAuthenticate', ALLOW],
    ['OnClientAuthorize', ALLOW],
    ['OnMessagePublish', { type: 'STOP_AND_RETURN', ...request }],
  ];
  return answers.map(([method, answer]) => ({
    method,
    answer: service[method]!.responseSerialize(answer).toString('base64'),
  }));
}

/** Calls, and reads the answer; `bytes` are its protobuf message. Rejects unless the gRPC status is OK. */
export async function ask(
  connection: GrpcConnection,
  call: Call,
): Promise<{ bytes: Buffer; answer: ValuedResponse }> {
  const { method } = call;
  const { status, body } = await connection.call(`/${serviceName('v3')}/${method}`, bodyOf(call), {
    'grpc-timeout': '5S',
  });
  if (status !== Status.OK) throw new Error(`${method} was answered with grpc-status ${status}`);
  const bytes = unframe(body);
  return { bytes, answer: service[method]!.responseDeserialize(bytes) as ValuedResponse };
}
