/** A simulated dock and its drone on the npm `mqtt` client: it comes online at any broker, or says where it fails. */
import { walkAccessSteps, type AccessOptions } from './dock-steps.js';
import { connectDock } from './dock-connection.js';
import type { ClientTls } from './mqtt-connect.js';
import type { OnStep } from './step-report.js';

export interface SimulatedDockOptions extends AccessOptions {
  /** `mqtt://host:port` or `mqtts://host:port` */
  url: string;
  username: string;
  password: string;
  /** MQTT client id; default: the SN of the dock. */
  clientId?: string | undefined;
  tls?: ClientTls;
  /** MQTT 3.1.1 (4, the default) or 5. */
  protocolVersion?: 4 | 5;
  /** For each step; default 10 s. */
  timeoutMs?: number;
  onStep: OnStep;
}

/** A dock that is online; it stays so until closed. */
export interface Session {
  close(): Promise<void>;
}

/**
 * Connects and walks the access sequence until the dock is online and bound. Rejects with `failed`, saying at which
 * step, why, and what to check, or with `usage` if the URL is not one of a broker.
 */
export async function simulateDock(options: SimulatedDockOptions): Promise<Session> {
  const { gateway, clientId = gateway } = options;
  const connection = await connectDock({
    tls: {},
    protocolVersion: 4,
    timeoutMs: 10_000,
    ...options,
    clientId,
  });
  try {
    await walkAccessSteps(connection, options);
    return { close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
