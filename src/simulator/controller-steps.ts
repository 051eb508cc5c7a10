/**
 * The way in of a remote controller with DJI Pilot 2. It asks for no license and is bound nowhere: it says that it is
 * there, with its drone, and sends `osd` (DJI's pages of the RC Plus 2 and RC Pro, "Device management").
 */
import type { DockConnection } from './dock-connection.js';
import { RC_PLUS_2, topology } from './models.js';
import { sendOsd } from './osd.js';

export interface ControllerWalk {
  /** SN of the controller. */
  gateway: string;
  /** SN of the drone that flies with it. */
  drone?: string | undefined;
  /** `domain-type-sub_type` of the controller; default: that of an RC Plus 2. */
  model?: string | undefined;
}

/** Rejects with `failed`, saying at which step, why, and what to check. */
export async function walkControllerSteps(connection: DockConnection, walk: ControllerWalk): Promise<void> {
  const { gateway, drone, model = RC_PLUS_2 } = walk;
  const things = ['services', 'property/set', 'events_reply'];
  await connection.subscribe([
    `sys/product/${gateway}/status_reply`,
    ...things.map((rest) => `thing/product/${gateway}/${rest}`),
  ]);
  await connection.publish(`sys/product/${gateway}/status`, 'update_topo', topology(model, drone));
  await sendOsd(connection, { gateway, model, drone });
}
