/** A finding about one dock, and the states that a dock can be in. Types only. */
import type { Finding } from '../finding.js';
import type { DockFindingCode } from './codes.js';

/** In a word or two: how far a dock came. */
export type State =
  | 'online'
  | 'connecting'
  | 'refused'
  | 'stopped at connect'
  | 'stopped at config'
  | 'stopped at bind'
  | 'not bound'
  | 'unstable'
  | 'offline'
  | 'never seen';

/** Something that is wrong with one dock, or good to know of it. */
export interface DockFinding extends Finding {
  code: DockFindingCode;
  level: 'warning' | 'error';
  /** The state of a dock for which this is the first finding. */
  state: State;
  /** Since when, in milliseconds since the epoch; 0 if it never began. */
  since: number;
  /** `what` in a few words, for a list. */
  brief: string;
  fix: readonly string[];
}
