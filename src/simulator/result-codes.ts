/** DJI's result codes in words, for the person at the dock. */

import { command } from '../command.js';

interface Meaning {
  /** What happened. */
  what: string;
  /** What to check or to do. */
  check: string;
}

const MEANINGS: Record<number, Meaning> = {
  200001: {
    what: 'the server finds a field of the request missing or malformed',
    check: 'check the SNs, the organization id and the device binding code for typing errors',
  },
  210001: {
    what: 'the server has no license to give',
    check: `set it: ${command('license', 'set', 'FILE')}`,
  },
  210230: {
    what: 'no organization has this device binding code and this id',
    check: `check both: ${command('organization', 'list')}; after many wrong codes wait a minute`,
  },
  210231: {
    what: 'the device could not be bound',
    check: 'check that its SN is not the gateway of another account, and that the database answers',
  },
  210232: {
    what: 'the device is bound to another organization',
    check: `look: ${command('binding', 'show', 'SN')}; to move it: ${command('binding', 'move', 'SN', '--organization', 'ID')}`,
  },
  210233: { what: 'the server cannot read its bindings', check: 'check that its database answers' },
};

/**
 * A result code in words. Only 210231 is on a page of DJI (airport_organization_bind); the others have the same meaning
 * as in DJI's demo server.
 */
export function meaningOf(result: number): Meaning {
  return (
    MEANINGS[result] ?? { what: 'an error without a known meaning', check: 'check the log of the server' }
  );
}
