/**
 * A simulated dock, or a remote controller, and its drone on the npm `mqtt` client: it comes online at any broker, or
 * says where it fails.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { walkControllerSteps, type ControllerWalk } from './controller-steps.js';
import { walkAccessSteps, type AccessOptions } from './dock-steps.js';
import { connectDock, type DockConnection } from './dock-connection.js';
import { DOCK_3, RC_PLUS_2 } from './models.js';
import type { ClientTls } from './mqtt-connect.js';
import { OSD_MS, sendOsd } from './osd.js';
import type { OnStep } from './step-report.js';

interface Options {
  /** `mqtt://host:port` or `mqtts://host:port` */
  url: string;
  username: string;
  password: string;
  /** MQTT client id; default: the SN of the gateway. */
  clientId?: string | undefined;
  tls?: ClientTls;
  /** MQTT 3.1.1 (4, the default) or 5. */
  protocolVersion?: 4 | 5;
  /** For each step; default 10 s. */
  timeoutMs?: number;
  /** The step after which it leaves: see {@link LEAVE_AFTER}. */
  leaveAfter?: string | undefined;
  onStep: OnStep;
}

export interface SimulatedDockOptions extends Options, AccessOptions {}
export interface SimulatedControllerOptions extends Options, ControllerWalk {}

/** A gateway that is online; it stays so until closed. */
export interface Session {
  /** Whether it has left at its step. */
  left: boolean;
  /** Sends `osd` now and then, until the promise resolves. Rejects with `failed` if the broker hangs up. */
  stay(until: Promise<unknown>): Promise<void>;
  close(): Promise<void>;
}

/** The steps after which a gateway can leave. */
export const LEAVE_AFTER = [
  'connect',
  'subscribe',
  'config',
  'airport_bind_status',
  'airport_organization_get',
  'airport_organization_bind',
  'update_topo',
];

/**
 * Connects and walks the access sequence until the dock is online and bound. Rejects with `failed`, saying at which
 * step, why, and what to check, or with `usage` if the URL is not one of a broker.
 */
export function simulateDock(options: SimulatedDockOptions): Promise<Session> {
  return comeOnline({ ...options, model: options.model ?? DOCK_3 }, (connection) =>
    walkAccessSteps(connection, options),
  );
}

/** As {@link simulateDock}, for a remote controller. */
export function simulateController(options: SimulatedControllerOptions): Promise<Session> {
  return comeOnline({ ...options, model: options.model ?? RC_PLUS_2 }, (connection) =>
    walkControllerSteps(connection, options),
  );
}

async function comeOnline(
  options: Options & ControllerWalk & { model: string },
  walk: (connection: DockConnection) => Promise<void>,
): Promise<Session> {
  const { gateway, model, drone, clientId = gateway, leaveAfter } = options;
  const state = { left: false, stays: false };
  const onStep: OnStep = (step) => {
    if (!state.stays) options.onStep(step);
    // A request is over with its reply.
    const isOver = step.direction === '←' || !leaveAfter?.match(/^(config|airport_.*)$/);
    if (step.method === leaveAfter && step.ok && isOver) state.left = true;
  };
  const connection = await connectDock({
    tls: {},
    protocolVersion: 4,
    timeoutMs: 10_000,
    ...options,
    clientId,
    onStep,
  });
  try {
    await walk(untilLeft(connection, () => state.left));
  } catch (error) {
    await connection.close();
    if (error !== LEFT) throw error;
  }
  if (state.left) await connection.close();
  return {
    left: state.left,
    async stay(until) {
      const over = until.then(() => 'over');
      let why: unknown;
      while (why !== 'over') {
        await sendOsd(connection, { gateway, model, drone });
        // One line says enough.
        state.stays = true;
        why = await Promise.race([over, connection.closed, sleep(OSD_MS, undefined, { ref: false })]);
      }
    },
    close: () => connection.close(),
  };
}

const LEFT = new Error('it left');

/** The same connection, which ends the walk with {@link LEFT} in place of the next step. */
function untilLeft(connection: DockConnection, hasLeft: () => boolean): DockConnection {
  const unlessLeft =
    <A extends unknown[], T>(step: (...given: A) => Promise<T>) =>
    async (...given: A): Promise<T> => {
      if (hasLeft()) throw LEFT;
      return step(...given);
    };
  return {
    ...connection,
    subscribe: unlessLeft(connection.subscribe),
    request: unlessLeft(connection.request),
    publish: unlessLeft(connection.publish),
  };
}
