/** The devices of one bind request, and what becomes of each if not all of them can be bound together. */
import type { DockhookError } from '../errors.js';
import { bindingType, encode } from './codec.js';
import type { Bind } from './merged-binds.js';
import type { Sql, StoredRow } from './record-sql.js';
import { splitOnRefusal } from './split-on-refusal.js';
import type { Binding, BindOutcome } from './types.js';

interface Asked extends StoredRow {
  /** The one that asks. */
  gateway: string;
}

type Outcome = BindOutcome | DockhookError;

/**
 * Binds all devices by one statement. More are sent only if a device is named twice, for then it is bound once more; if
 * PostgreSQL refuses one, for its text or because its organization has gone; and to tell why one is not bound. Rejects if
 * the outcome is unknown.
 * @param sql.bind may send the devices of several requests together
 * @param refused told of a device that PostgreSQL refuses; resolves to what that means
 * @returns what became of each, in their order
 */
export async function bindDevices(
  sql: { bind: Bind; bindAlone: Bind } & Pick<Sql, 'boundGateways'>,
  bindings: readonly Binding[],
  refused: (sn: string, error: Error) => Promise<Outcome>,
): Promise<Outcome[]> {
  const asked = bindings.map((binding): Asked => ({
    ...encode(bindingType, binding),
    gateway: binding.gateway,
  }));
  const outcomes = new Map<Asked, Promise<Outcome>>();

  /** What was refused once is not sent together with the devices of others again. */
  async function bind(part: readonly Asked[]): Promise<void> {
    const bound = await (part.length === asked.length ? sql.bind(part) : sql.bindAlone(part));
    const others = part.filter(({ key }) => !bound.has(key));
    const gateways = others.length === 0 ? undefined : await sql.boundGateways(others.map(({ key }) => key));
    for (const one of part) outcomes.set(one, Promise.resolve('bound'));
    for (const one of others) {
      const isAnother = one.gateway !== one.key && gateways?.has(one.key) === true;
      outcomes.set(one, Promise.resolve(isAnother ? 'another_gateway' : 'bound_elsewhere'));
    }
  }

  function refuse(part: readonly Asked[], error: Error): void {
    for (const one of part) outcomes.set(one, refused(one.key, error));
  }

  for (let waiting = asked; waiting.length > 0;) {
    // Of several with one key a map keeps the last, so it is filled from the end.
    const turn = new Map(waiting.toReversed().map((one) => [one.key, one]));
    await splitOnRefusal([...turn.values()], ({ key, text }) => key + text, bind, refuse);
    waiting = waiting.filter((one) => turn.get(one.key) !== one);
  }
  return Promise.all(asked.flatMap((one) => outcomes.get(one) ?? []));
}
