/**
 * The whole way of one dock, from nothing to bound: it connects, subscribes to its replies, and sends its five requests,
 * each when the one before is answered. QoS 1, a dock and its drone.
 */
import { randomUUID } from 'node:crypto';
import { connectClient, type TestClient } from '../support/mqtt.js';
import {
  isGoodReply,
  METHODS,
  ORGANIZATION,
  payloadOf,
  requestTopic,
  type Dock,
  type MethodName,
} from './fleet.js';
import { withoutDelay } from './nagle.js';

/** A dock with the password of its account, which has the SN for a name. */
export interface KnownDock extends Dock {
  password: string;
}

export interface OnlineDock {
  dock: Dock;
  client: TestClient;
}

interface Request {
  /** What it is called in tables: a method comes twice. */
  step: string;
  method: MethodName;
  dataOf(dock: Dock): object;
  /** What else must be true of the `output` of its reply. */
  isRight?(output: unknown): boolean;
}

const REQUESTS: Request[] = [
  { step: 'config', method: 'config', dataOf: METHODS.config },
  {
    step: 'airport_bind_status',
    method: 'airport_bind_status',
    dataOf: METHODS.airport_bind_status,
    isRight: (output) => boundIn(output) === 0,
  },
  {
    step: 'airport_organization_get',
    method: 'airport_organization_get',
    dataOf: METHODS.airport_organization_get,
    isRight: (output) => (output as { organization_name: string }).organization_name === ORGANIZATION.name,
  },
  { step: 'airport_organization_bind', method: 'airport_organization_bind', dataOf: bindOfBoth },
  {
    step: 'airport_bind_status, again',
    method: 'airport_bind_status',
    dataOf: METHODS.airport_bind_status,
    isRight: (output) => boundIn(output) === 2,
  },
];

/** In their order. */
export const STEPS = ['connect', 'subscribe', ...REQUESTS.map(({ step }) => step)];

export const REQUESTS_OF_WAY = REQUESTS.length;

function bindOfBoth({ sn, drone }: Dock): object {
  const device = {
    device_binding_code: ORGANIZATION.bindingCode,
    organization_id: ORGANIZATION.id,
    device_callsign: 'Bench',
    device_model_key: '3-1-0',
  };
  return { bind_devices: [sn, drone].map((one) => ({ sn: one, ...device })) };
}

function boundIn(output: unknown): number {
  const { bind_status: devices } = output as { bind_status: { is_device_bind_organization: boolean }[] };
  return devices.filter((one) => one.is_device_bind_organization).length;
}

/** Rejects if the broker refuses. */
export async function connectDock(url: string, dock: KnownDock): Promise<OnlineDock> {
  const { sn, password } = dock;
  const client = await connectClient(url, { clientId: sn, username: sn, password });
  withoutDelay(client.mqtt);
  return { dock, client };
}

/** Rejects if the broker refuses. */
export async function subscribeReplies({ dock, client }: OnlineDock): Promise<void> {
  const [granted] = await client.mqtt.subscribeAsync(`${requestTopic(dock)}_reply`, { qos: 1 });
  if (granted?.qos !== 1) throw new Error(`${dock.sn} may not subscribe to its replies`);
}

/** All requests, one after the other. Calls `onReply` after each; rejects at a reply that is not right. */
export async function sendRequests(
  { dock, client }: OnlineDock,
  onReply: (step: string) => void = () => undefined,
): Promise<void> {
  const acknowledged: Promise<void>[] = [];
  for (const { step, method, dataOf, isRight = () => true } of REQUESTS) {
    const tid = randomUUID();
    // Brokers send the reply before the PUBACK, or after it: a dock waits for the reply alone.
    acknowledged.push(
      client.publish(requestTopic(dock), payloadOf(dock, method, tid, dataOf(dock)), { qos: 1 }),
    );
    const { payload } = await client.next();
    onReply(step);
    const reply = JSON.parse(payload.toString()) as { tid: string; data: { output: unknown } };
    if (reply.tid !== tid || !isGoodReply(method, payload) || !isRight(reply.data.output))
      throw new Error(`${step} of ${dock.sn} was answered with ${payload.toString()}`);
  }
  await Promise.all(acknowledged);
}

/** Milliseconds of each step, in the order of {@link STEPS}. */
export type Way = number[];

/** Goes it, and stays connected. */
export async function goWholeWay(url: string, dock: KnownDock): Promise<{ way: Way; online: OnlineDock }> {
  const way: Way = [];
  let began = performance.now();
  const note = (): void => {
    const now = performance.now();
    way.push(now - began);
    began = now;
  };
  const online = await connectDock(url, dock);
  note();
  await subscribeReplies(online);
  note();
  await sendRequests(online, note);
  return { way, online };
}
