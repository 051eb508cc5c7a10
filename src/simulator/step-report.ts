/** What a simulated dock reports for each step on its way in, and the line that shows it. */
import { styleText } from 'node:util';

// The caller knows whether the output is a terminal.
const always = { validateStream: false };

/** One thing the dock sent or received. Never holds a password, key, license or device binding code. */
export interface Step {
  /** `→` from the dock, `←` to it. */
  direction: '→' | '←';
  /** `connect`, `subscribe`, or the method of a message. */
  method: string;
  /** Empty for `connect`. */
  topic: string;
  /** CONNACK code, 0 or the code of a refusing SUBACK, or DJI's result; absent where there is none. */
  result?: number | undefined;
  /** From request to reply; absent for what is only sent. */
  milliseconds?: number | undefined;
  ok: boolean;
  /** In words. */
  text: string;
}

/** Called at once for each step, also for one that failed. */
export type OnStep = (step: Step) => void;

/** Length of a line about two devices with the whole topic. */
const WHOLE_LINE = 170;

/**
 * One line in aligned columns: direction, method, result, milliseconds, topic, text. On a narrow terminal
 * only the end of the topic is shown, which is what differs.
 */
export function formatStep(step: Step, { colour = false, width = Infinity } = {}): string {
  const result = step.result === undefined ? '' : String(step.result);
  const time = step.milliseconds === undefined ? '' : `${step.milliseconds.toFixed(1)} ms`;
  const columns = `${step.direction} ${step.method.padEnd(25)} ${result.padStart(6)} ${time.padStart(10)}`;
  const topic = width < WHOLE_LINE ? step.topic.replace(/^\w+\/product\/\w+/, '…') : step.topic;
  const line = [columns, topic, step.text].filter(Boolean).join('  ');
  if (!colour) return line;
  if (!step.ok) return styleText('red', line, always);
  return step.direction === '←' ? styleText('green', line, always) : line;
}
