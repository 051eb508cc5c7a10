/** A line of statements that more can be added to until they are sent: for what is asked at the same time. */

/** Statements under way at a time, late ones aside. More than one, so that an answer which got lost holds up only its own. */
const MAX_UNDER_WAY = 2;
/**
 * After so many milliseconds a statement counts as lost, and another may be sent: when a host vanishes without a word,
 * all connections of the pool are dead, and each must be tried before there is a new one.
 */
const LATE_MS = 250;
/** Statements that wait. A database that is stuck fills them; whoever asked has been answered for long before. */
const MAX_WAITING = 50;

interface Line<Statement> {
  /** The last one that waits; it may still be added to. */
  last(): Statement | undefined;
  /**
   * Lines up one more, to be sent after all calls that have arrived, and so within this turn of the event loop.
   * @throws if too many wait
   */
  add(statement: Statement): void;
}

/** @param send must not reject */
export function createLine<Statement>(send: (statement: Statement) => Promise<void>): Line<Statement> {
  const waiting: Statement[] = [];
  let underWay = 0;

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
      void send(statement).then(() => {
        clearTimeout(late);
        makeRoom();
      });
    }
  }

  return {
    last: () => waiting.at(-1),
    add(statement) {
      if (waiting.length >= MAX_WAITING) throw new Error('too many statements wait for it already');
      waiting.push(statement);
      setImmediate(sendWaiting);
    },
  };
}
