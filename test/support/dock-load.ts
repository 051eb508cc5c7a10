/**
 * Well-behaved docks, each with an account of its own, that walk through their access sequence again and
 * again, at a given number of calls a second. Whatever they do not get as they should is told.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Stores } from '../../src/stores/types.js';
import type { EmqxPool } from './emqx-pool.js';

export interface Dock {
  number: number;
  sn: string;
  password: string;
}

/** One call of a dock; `undefined` if it got what it should. */
export type Step = (pool: EmqxPool, dock: Dock) => Promise<string | undefined>;

export interface Tally {
  calls: number;
  /** Without an answer, each with its reason. */
  failed: string[];
  /** Answered with something else than a well-behaved dock should get. */
  denied: string[];
  /** SNs of docks that were told that they are bound. */
  bound: Set<string>;
  slowestMs: number;
}

const ORGANIZATION = { id: 'north', name: 'North yard', bindingCode: 'code-of-north' };

/** Adds what the docks need: their accounts, an organization, a license. */
export async function addDocks(stores: Stores, count: number): Promise<Dock[]> {
  await stores.ping();
  await stores.organizations.add(ORGANIZATION);
  await stores.license.set({ appId: '1', appKey: 'test key', appLicense: 'test license' });
  const docks = Array.from({ length: count }, (_, number) => ({
    number,
    sn: `LOAD${String(number).padStart(6, '0')}`,
    password: generatePassword(),
  }));
  for (const { sn, password } of docks) {
    const scope = { kind: 'gateways' as const, gateways: [sn] };
    await stores.accounts.add({ name: sn, passwordHash: hashGenerated(password), scope });
  }
  return docks;
}

/** The access sequence, in the dock's order. */
export const STEPS: Record<string, Step> = {
  async authenticate(pool, dock) {
    const clientinfo = { ...clientInfo(dock), password: dock.password };
    const { bool_result: yes } = await pool.call(dock.number, 'OnClientAuthenticate', { clientinfo });
    return yes === true ? undefined : 'refused';
  },
  subscribe: (pool, dock) => authorize(pool, dock, 'SUBSCRIBE', 'requests_reply'),
  publish: (pool, dock) => authorize(pool, dock, 'PUBLISH', 'requests'),
  config: (pool, dock) => request(pool, dock, 'config', {}, ({ app_id }) => app_id === '1'),
  airport_bind_status: (pool, dock) =>
    request(pool, dock, 'airport_bind_status', { devices: [{ sn: dock.sn }] }, ({ result }) => result === 0),
  airport_organization_get: (pool, dock) =>
    request(pool, dock, 'airport_organization_get', names(), ({ result }) => result === 0),
  airport_organization_bind: (pool, dock) =>
    request(
      pool,
      dock,
      'airport_organization_bind',
      { bind_devices: [{ sn: dock.sn, ...names(), device_callsign: dock.sn, device_model_key: '3-1-0' }] },
      ({ output }) => (output as { err_infos: { err_code: number }[] }).err_infos[0]?.err_code === 0,
    ),
  isBound: (pool, dock) =>
    request(pool, dock, 'airport_bind_status', { devices: [{ sn: dock.sn }] }, ({ output }) => {
      const [status] = (output as { bind_status: { is_device_bind_organization: boolean }[] }).bind_status;
      return status?.is_device_bind_organization === true;
    }),
};

/**
 * Begins to call. Each dock has one call under way at most, as in EMQX; a rate that the docks cannot keep up
 * with shows in `calls`.
 */
export function startLoad(pool: EmqxPool, docks: Dock[], callsPerSecond: number): { stop(): Promise<Tally> } {
  const tally: Tally = { calls: 0, failed: [], denied: [], bound: new Set(), slowestMs: 0 };
  const idle = docks.map((dock) => ({ dock, next: 0 }));
  const steps = Object.entries(STEPS);
  const underWay = new Set<Promise<void>>();
  const start = performance.now();

  async function callOnce(walker: { dock: Dock; next: number }): Promise<void> {
    const [name, step] = steps[walker.next % steps.length]!;
    const began = performance.now();
    const what = `${name} of ${walker.dock.sn} at ${Math.round(began - start)} ms`;
    try {
      const fault = await step(pool, walker.dock);
      if (fault !== undefined) tally.denied.push(`${what}: ${fault}`);
      else if (name === 'airport_organization_bind') tally.bound.add(walker.dock.sn);
    } catch (error) {
      tally.failed.push(`${what}: ${(error as Error).message}`);
    }
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - began);
    walker.next += 1;
    // A dock that has begun goes on to its end, then it is the last in the row.
    if (walker.next % steps.length === 0) idle.push(walker);
    else idle.unshift(walker);
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - start) * callsPerSecond) / 1000;
    while (tally.calls < due) {
      const walker = idle.shift();
      if (walker === undefined) return;
      tally.calls += 1;
      const call = callOnce(walker).finally(() => underWay.delete(call));
      underWay.add(call);
    }
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      return tally;
    },
  };
}

/** Resolves after this much more load; a duration of work, not a wait for something. */
export const keepLoading = (milliseconds: number): Promise<void> => pause(milliseconds);

function names(): object {
  return { device_binding_code: ORGANIZATION.bindingCode, organization_id: ORGANIZATION.id };
}

function clientInfo({ sn, number }: Dock): object {
  return {
    node: 'emqx@127.0.0.1',
    clientid: sn,
    username: sn,
    peerhost: '192.0.2.1',
    peerport: 20000 + number,
    sockport: 1883,
    protocol: 'mqtt',
  };
}

async function authorize(
  pool: EmqxPool,
  dock: Dock,
  type: 'PUBLISH' | 'SUBSCRIBE',
  leaf: string,
): Promise<string | undefined> {
  const topic = `thing/product/${dock.sn}/${leaf}`;
  const question = { clientinfo: clientInfo(dock), type, topic };
  const { bool_result: yes } = await pool.call(dock.number, 'OnClientAuthorize', question);
  return yes === true ? undefined : 'refused';
}

async function request(
  pool: EmqxPool,
  dock: Dock,
  method: string,
  data: object,
  isRight: (data: Record<string, unknown>) => boolean,
): Promise<string | undefined> {
  const { message } = await pool.call(dock.number, 'OnMessagePublish', {
    message: {
      node: 'emqx@127.0.0.1',
      id: '0006610319788C4C32DA0000026E0002',
      qos: 1,
      from: dock.sn,
      topic: `thing/product/${dock.sn}/requests`,
      payload: Buffer.from(JSON.stringify({ tid: 'T', bid: 'B', timestamp: 1, method, data })),
      timestamp: Date.now(),
      headers: { username: dock.sn, protocol: 'mqtt', peerhost: '192.0.2.1' },
    },
  });
  if (message?.topic !== `thing/product/${dock.sn}/requests_reply`) return 'not answered';
  const reply = JSON.parse(message.payload.toString()) as { data: Record<string, unknown> };
  return isRight(reply.data) ? undefined : JSON.stringify(reply.data);
}
