/** When a session is up, if the broker does not say it: at the first topic of the connection that was let in. */
import { expect } from 'chai';
import type { AccessEvent } from '../../../src/events.js';
import { createArrivals, type Arrivals } from '../../../src/timeline/arrivals.js';

const SN = '7CTDTEST00000A';

describe('arrivals', () => {
  let told: AccessEvent[];
  let time: number;
  let arrivals: Arrivals;
  beforeEach(() => {
    told = [];
    time = 0;
    arrivals = createArrivals(
      (event) => told.push(event),
      () => time,
    );
  });

  const tell = (step: AccessEvent['step'], peerPort: number, more: Partial<AccessEvent> = {}): void => {
    const about = { clientId: SN, account: 'dock-1', peerHost: '192.0.2.1', node: 'emqx@a' };
    arrivals.tell({ step, outcome: 'ok', ...about, peerPort, ...more });
  };
  const asksForTopic = (peerPort: number, clientId = SN): void => {
    const client = { clientId, username: 'dock-1', peerHost: '', certificateCn: '', node: 'emqx@a' };
    arrivals.asksForTopic({ ...client, peerPort });
  };
  const connected = () => told.filter(({ step }) => step === 'connected').map(({ peerPort }) => peerPort);

  it('tells a session at its first topic, and not again', () => {
    tell('authenticate', 7);
    expect(connected()).to.deep.equal([]);
    asksForTopic(7);
    asksForTopic(7);
    expect(told.slice(1)).to.deep.equal([
      {
        ...{ step: 'connected', outcome: 'ok', clientId: SN, account: 'dock-1' },
        ...{ peerHost: '192.0.2.1', peerPort: 7, node: 'emqx@a' },
      },
    ]);
  });

  it('tells no session at a topic that comes long after the yes', () => {
    tell('authenticate', 7);
    time = 60_001;
    asksForTopic(7);
    expect(connected()).to.deep.equal([]);
  });

  it('tells each session of a client that comes back', () => {
    for (const port of [1, 2, 1]) {
      tell('authenticate', port);
      asksForTopic(port);
      tell('disconnected', port);
    }
    expect(connected()).to.deep.equal([1, 2, 1]);
  });

  it('takes no topic of the old connection for one of the new, in a takeover', () => {
    tell('authenticate', 1);
    asksForTopic(1);
    tell('authenticate', 2);
    asksForTopic(1);
    expect(connected()).to.deep.equal([1]);
    // The end of the old one comes after the yes to the new one.
    tell('disconnected', 1);
    asksForTopic(2);
    expect(connected()).to.deep.equal([1, 2]);
  });

  it('tells nothing of a client that was refused, has gone, or was never let in here', () => {
    tell('authenticate', 1, { outcome: 'refused' });
    asksForTopic(1);
    tell('authenticate', 2);
    tell('disconnected', 2);
    asksForTopic(2);
    asksForTopic(3, 'another');
    expect(connected()).to.deep.equal([]);
  });

  it('tells nothing beside a broker that reports it: one without ports, and one with the hooks of before', () => {
    tell('authenticate', 0);
    asksForTopic(0);
    expect(connected()).to.deep.equal([]);
    tell('authenticate', 5);
    tell('connected', 5);
    asksForTopic(5);
    expect(connected()).to.deep.equal([5]);
  });
});
