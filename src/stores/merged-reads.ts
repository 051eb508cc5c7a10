/**
 * Reads that are asked at the same time go to Postgres as one statement: when a fleet comes back at once, a hundred
 * docks cost one round trip, and do not stand in line for the pool's connections.
 */

import { cannotBeThere } from './database.js';
import { splitOnRefusal } from './split-on-refusal.js';

/** Reads by key. What comes back may tell of other keys, too. */
export type Read<Found> = (keys: readonly string[]) => Promise<ReadonlyMap<string, Found>>;

/** Statements under way at a time, late ones aside. More than one, so that an answer which got lost holds up only its own readers. */
const MAX_UNDER_WAY = 2;
/**
 * After so many milliseconds a statement counts as lost, and another may be sent: when a host vanishes without a word,
 * all connections of the pool are dead, and each must be tried before there is a new one.
 */
const LATE_MS = 250;
/**
 * Keys of one statement; a reader of more has one to itself. In a storm the event loop comes round some five times a second:
 * with a hundred keys, 10,000 docks that asked for their bindings stood in line for longer than a hook may take.
 */
const MAX_KEYS = 1000;
/** Statements that wait. A database that is stuck fills them; whoever asked has been answered for long before. */
const MAX_WAITING = 50;

interface Answers<Found> {
  found: Map<string, Found>;
  refused: Map<string, Error>;
}

interface Statement<Found> {
  keys: Set<string>;
  answers: Promise<Answers<Found>>;
  send(): Promise<void>;
}

/**
 * A key that the database refuses fails alone, and one that cannot be in it is absent: else a stranger with an odd name
 * would spoil the reads of docks that come at the same moment.
 */
async function readSplit<Found>(read: Read<Found>, keys: readonly string[]): Promise<Answers<Found>> {
  const answers: Answers<Found> = { found: new Map(), refused: new Map() };
  await splitOnRefusal(
    keys,
    (key) => key,
    async (some) => {
      for (const [key, found] of await read(some)) answers.found.set(key, found);
    },
    (some, error) => {
      for (const key of some) {
        if (some.length > 1 || !cannotBeThere(key, error)) answers.refused.set(key, error);
      }
    },
  );
  return answers;
}

/**
 * Merges reads asked in the same turn of the event loop, or while no more statements may be sent. No read joins a
 * statement that was sent before: each sees all that was committed before it was asked. All keys of a read are in one
 * statement; if that fails, all its reads fail, unless it was refused for a key: see {@link readSplit}.
 */
export function mergeReads<Found>(read: Read<Found>): Read<Found> {
  const waiting: Statement<Found>[] = [];
  let underWay = 0;

  function openStatement(): Statement<Found> {
    const keys = new Set<string>();
    let send!: Statement<Found>['send'];
    const answers = new Promise<Answers<Found>>((resolve, reject) => {
      send = () => readSplit(read, [...keys]).then(resolve, reject);
    });
    return { keys, answers, send };
  }

  function sendWaiting(): void {
    while (underWay < MAX_UNDER_WAY) {
      const statement = waiting.shift();
      if (statement === undefined) return;
      underWay += 1;
      let counted = true;
      const makeRoom = (): void => {
        if (!counted) return;
        counted = false;
        underWay -= 1;
        sendWaiting();
      };
      const late = setTimeout(makeRoom, LATE_MS);
      void statement.send().then(() => {
        clearTimeout(late);
        makeRoom();
      });
    }
  }

  return async (keys) => {
    let statement = waiting.at(-1);
    if (statement === undefined || statement.keys.size + keys.length > MAX_KEYS) {
      if (waiting.length >= MAX_WAITING) throw new Error('too many reads wait for it already');
      statement = openStatement();
      waiting.push(statement);
      // After all requests that have arrived, and so within this turn.
      setImmediate(sendWaiting);
    }
    for (const key of keys) statement.keys.add(key);
    const { found, refused } = await statement.answers;
    for (const key of keys) {
      const refusal = refused.get(key);
      if (refusal !== undefined) throw refusal;
    }
    return found;
  };
}
