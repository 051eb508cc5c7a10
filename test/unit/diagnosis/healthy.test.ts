/** Gateways that are well, however odd: nothing is said of them. */
import { expect } from 'chai';
import type { DockFacts } from '../../../src/diagnosis/facts.js';
import { codes, SN, Story, UNBOUND } from '../../support/story.js';

const DRONE = '1581FTEST000000010CC';
const MINUTE = 60_000;

describe('nothing is wrong with', () => {
  const table: [what: string, story: Story, facts?: Partial<DockFacts>][] = [
    ['a dock', new Story().walk().bind().status(DRONE)],
    [
      'a simulator with an odd client id',
      new Story().walk({ clientId: 'dji-sim-1790000000000' }).bind().status(DRONE),
    ],
    [
      'a dock behind a bridge',
      new Story().walk({ clientId: 'bridge', account: 'fleet' }).bind().status(DRONE),
    ],
    ['a controller', new Story().connect().status(DRONE, { modelKey: '2-174-0' }), UNBOUND],
    ['a gateway of unknown kind', new Story().connect().status(DRONE), UNBOUND],
    ['a dock without a drone', new Story().walk().bind().status('')],
    ['a dock that was bound before', new Story().connect()],
    [
      'a session that was resumed, and subscribes to nothing',
      new Story().walk().disconnect('tcp_closed').connect(2).request('config').request('airport_bind_status'),
    ],
    [
      'a dock with a second session',
      new Story()
        .walk()
        .bind()
        .status(DRONE)
        .add('authenticate', { clientId: `drc-${SN}` })
        .add('connected', { clientId: `drc-${SN}` }),
    ],
    [
      'a dock whose second session has gone',
      new Story()
        .walk()
        .bind()
        .add('connected', { clientId: `drc-${SN}` })
        .add('disconnected', {
          clientId: `drc-${SN}`,
          details: { detail: 'tcp_closed' },
        }),
    ],
    [
      'a client that changes its id from session to session',
      ['sim-1', 'sim-2', 'sim-3'].reduce(
        (story, clientId) => story.walk({ clientId }).bind().status(DRONE).wait(MINUTE),
        new Story(),
      ),
    ],
    [
      'a dock that comes and goes every ten minutes for a day',
      Array.from({ length: 144 }).reduce(
        (story: Story) =>
          story
            .disconnect('normal')
            .wait(10 * MINUTE)
            .walk()
            .status(DRONE),
        new Story().walk(),
      ),
    ],
    [
      'a dock that tells of its drone every minute, under one tid',
      Array.from({ length: 30 }).reduce(
        (story: Story, _, index) => story.status(DRONE, index > 0 ? { again: true } : {}).wait(MINUTE),
        new Story().walk().bind(),
      ),
    ],
    ['a dock that asks for its license at each start', new Story().walk().walk().walk().bind()],
  ];
  for (const [what, story, facts] of table) {
    it(what, () => {
      expect(codes(story.wait(MINUTE).diagnose(facts))).to.deep.equal(['online']);
    });
  }
});
