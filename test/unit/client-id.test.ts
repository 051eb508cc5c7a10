/** The account inside the client id: taken apart, and in one way only. */
import { expect } from 'chai';
import fc from 'fast-check';
import { accountNameFault, isUnsafeClientId, isUnsafeName } from '../../src/access/unsafe-names.js';
import { ownClientId } from '../../src/client-id.js';

/** What EMQX does with `mqtt.clientid_override`. */
const overridden = (username: string, clientId: string): string => `${username}|${clientId}`;

describe('ownClientId', () => {
  const cases: [username: string, clientId: string, own: string][] = [
    ['dock-north', 'dock-north|7CTDTEST00000A', '7CTDTEST00000A'],
    ['dock-north', '7CTDTEST00000A', '7CTDTEST00000A'],
    ['a', 'a-b|c', 'a-b|c'],
    ['a-b', 'a-b|c', 'c'],
    // The broker's id of a client that came without one, with which it comes back (MQTT 5).
    ['backend', 'backend|backend|F3cbX', 'F3cbX'],
    ['a', 'a|', ''],
    ['a', 'A|x', 'A|x'],
    ['', '|x', '|x'],
    ['a|b', 'a|b|c', 'a|b|c'],
  ];
  for (const [username, clientId, own] of cases) {
    it(`of ${clientId} for account "${username}" is ${own}`, () => {
      expect(ownClientId(username, clientId)).to.equal(own);
    });
  }

  const text = fc.string({ unit: fc.constantFrom('a', 'b', '|', '-'), maxLength: 8 });
  const isLetIn = (username: string, brokersId: string): boolean =>
    username !== '' && !isUnsafeName(username) && !isUnsafeClientId(ownClientId(username, brokersId));
  /** What a broker calls the session: a node may have the override and another not. */
  const brokersId = fc.tuple(text, text, fc.boolean()).map(([username, clientId, overrides]) => ({
    username,
    id: overrides ? overridden(username, clientId) : clientId,
    overrides,
  }));

  it('leaves no two accounts with one session where the broker overrides, whatever their names and ids', () => {
    fc.assert(
      fc.property(brokersId, brokersId, (one, other) => {
        if (!one.overrides || one.id !== other.id || one.username === other.username) return;
        expect(isLetIn(one.username, one.id) && isLetIn(other.username, other.id), one.id).to.equal(false);
      }),
      { numRuns: 20_000 },
    );
    // The same with ids that are sure to meet.
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 4 }), (parts) => {
        const id = parts.join('|');
        const owners = parts
          .map((_, index) => parts.slice(0, index + 1).join('|'))
          .filter((username) => id.startsWith(overridden(username, '')) && isLetIn(username, id));
        expect(new Set(owners).size, id).to.be.at.most(1);
      }),
      { numRuns: 20_000 },
    );
  });

  it('gives every client of a usable account its own id back', () => {
    fc.assert(
      fc.property(text, text, (username, clientId) => {
        if (accountNameFault(username) !== undefined || isUnsafeClientId(clientId)) return;
        expect(ownClientId(username, overridden(username, clientId))).to.equal(clientId);
        expect(isLetIn(username, overridden(username, clientId))).to.equal(true);
      }),
    );
  });
});
