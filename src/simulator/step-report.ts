/** What a simulated dock shows of its way in: steps, the line each becomes, and result codes in words. */
import { styleText } from 'node:util';

// Whether the output is a terminal is the caller's to know.
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
  result?: number;
  /** From request to reply; absent for what is only sent. */
  milliseconds?: number;
  ok: boolean;
  /** In words. */
  text: string;
}

export type OnStep = (step: Step) => void;

/** Characters that a line about two devices takes with the whole topic. */
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

export interface Meaning {
  /** What happened, for the person at the dock. */
  what: string;
  /** What to check or to do. */
  check: string;
}

const MEANINGS: Record<number, Meaning> = {
  200001: {
    what: 'the server finds a field of the request missing or malformed',
    check: 'check the SNs, the organization id and the device binding code for typing errors',
  },
  210001: { what: 'the server has no license to give', check: 'set it with dockhook license set FILE' },
  210230: {
    what: 'no organization has this device binding code and this id',
    check: 'check both with dockhook organization list; after many wrong codes wait a minute',
  },
  210231: {
    what: 'the device could not be bound',
    check: 'check that its SN is not the gateway of another account, and that the database answers',
  },
  210232: {
    what: 'the device is bound to another organization',
    check: 'look with dockhook binding show SN; dockhook binding move SN moves it',
  },
  210233: { what: 'the server cannot read its bindings', check: 'check that its database answers' },
};

/**
 * A result code in words. Only 210231 stands in a DJI page (airport_organization_bind); the others mean
 * what they mean in DJI's demo server.
 */
export function meaningOf(result: number): Meaning {
  return (
    MEANINGS[result] ?? { what: 'an error without a known meaning', check: 'check the log of the server' }
  );
}
