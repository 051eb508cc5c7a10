/**
 * A fleet of simulated docks: each walks the access sequence once and then stays online until all have walked, as after
 * a broker restart. Faults are counted by step and by reason.
 */
import { messageOf } from '../errors.js';
import type { Step } from './step-report.js';
import { simulateDock, type Session, type SimulatedDockOptions } from './simulated-dock.js';

/** One dock of a fleet; the fleet itself listens to its steps. */
export type FleetDock = Omit<SimulatedDockOptions, 'onStep'>;

interface FleetOptions {
  /** How many walk at the same time. */
  atOnce: number;
  /** Called after each dock is done. */
  onProgress?: (progress: { online: number; failed: number }) => void;
}

/** Of one step, over all docks that made it; in milliseconds. */
interface StepTimes {
  step: string;
  count: number;
  p50: number;
  p95: number;
  max: number;
}

interface FleetFailure {
  /** `connect`, `subscribe`, or the method. */
  step: string;
  docks: number;
  /** With SN, DRONE and ACCOUNT in place of what differs between docks. */
  reason: string;
  /** SN of one of them. */
  example: string;
}

/** What became of all docks. `docks` less `online` have failed. */
export interface FleetSummary {
  docks: number;
  online: number;
  /** Until the last dock had walked. */
  seconds: number;
  /** In the order of the access sequence. */
  steps: StepTimes[];
  /** The most frequent first. */
  failures: FleetFailure[];
}

const DIGITS = 5;

/** A fleet of so many docks with one account: the given SNs, followed by 00001, 00002, … */
export function numberedDocks(dock: FleetDock, count: number): FleetDock[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(DIGITS, '0');
    const drone = dock.drone === undefined ? undefined : `${dock.drone}${number}`;
    return { ...dock, gateway: `${dock.gateway}${number}`, drone };
  });
}

/** Counts docks that fail, and goes on. Closes all sessions at the end. */
export async function simulateFleet(
  docks: readonly FleetDock[],
  options: FleetOptions,
): Promise<FleetSummary> {
  const sessions: Session[] = [];
  const times = new Map<string, number[]>();
  const failures = new Map<string, FleetFailure>();
  let failed = 0;

  async function walk(dock: FleetDock): Promise<void> {
    let last = 'connect';
    const onStep = ({ method, ok, milliseconds }: Step): void => {
      last = method;
      if (!ok || milliseconds === undefined) return;
      const known = times.get(method);
      if (known) known.push(milliseconds);
      else times.set(method, [milliseconds]);
    };
    try {
      sessions.push(await simulateDock({ ...dock, onStep }));
    } catch (error) {
      failed += 1;
      const reason = withoutNames(messageOf(error), dock);
      const key = `${last} ${reason}`;
      const known = failures.get(key) ?? { step: last, docks: 0, reason, example: dock.gateway };
      failures.set(key, { ...known, docks: known.docks + 1 });
    }
    options.onProgress?.({ online: sessions.length, failed });
  }

  const waiting = docks.values();
  async function walkInTurn(): Promise<void> {
    for (const dock of waiting) await walk(dock);
  }
  const started = performance.now();
  await Promise.all(Array.from({ length: Math.min(options.atOnce, docks.length) }, walkInTurn));
  const seconds = (performance.now() - started) / 1000;
  const online = sessions.length;
  await Promise.all(sessions.map((session) => session.close()));
  return {
    docks: docks.length,
    online,
    seconds,
    steps: [...times].map(([step, milliseconds]) => ({ step, ...percentiles(milliseconds) })),
    failures: [...failures.values()].sort((a, b) => b.docks - a.docks),
  };
}

/** So that the same fault of many docks is one line. */
function withoutNames(message: string, { gateway, drone, username }: FleetDock): string {
  const named = drone === undefined ? message : message.replaceAll(drone, 'DRONE');
  return named.replaceAll(`account "${username}"`, 'account ACCOUNT').replaceAll(gateway, 'SN');
}

/** Nearest rank. */
function percentiles(milliseconds: readonly number[]): Omit<StepTimes, 'step'> {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  return { count: sorted.length, p50: rank(0.5), p95: rank(0.95), max: rank(1) };
}
