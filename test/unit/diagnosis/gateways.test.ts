/** Gateways that are no docks, or that do not say what they are. */
import { expect } from 'chai';
import type { Diagnosis } from '../../../src/diagnosis/diagnose.js';
import { codes, SN, Story, UNBOUND } from '../../support/story.js';

const DRONE = '1581FTEST000000000B';
const comes = (modelKey?: string): Story =>
  new Story()
    .connect()
    .subscribe(`sys/product/${SN}/status_reply`)
    .status(DRONE, modelKey === undefined ? {} : { modelKey });
const facts = ({ kind, state, drone, modelKey }: Diagnosis) => ({ kind, state, drone, modelKey });

describe('a remote controller', () => {
  for (const modelKey of ['2-174-0', '2-144-0', '2-119-0', '2-56-0', '2-9001-7', '2-?-?']) {
    it(`of model ${modelKey} is online without license and binding`, () => {
      const diagnosis = comes(modelKey).wait(60_000).diagnose(UNBOUND);
      expect(facts(diagnosis)).to.deep.equal({
        ...{ kind: 'remote controller', state: 'online', drone: DRONE, modelKey },
      });
      expect(diagnosis.findings).to.deep.equal([]);
    });
  }

  it('stays one though it asks for the license, has none, or asks for its bind status', () => {
    const story = comes('2-144-0').request(
      'config',
      { result: 210001 },
      { outcome: 'faulty', reason: 'license_not_set' },
    );
    for (const more of [() => story, () => story.request('airport_bind_status')]) {
      expect(
        codes(
          more()
            .wait(60_000)
            .diagnose({ ...UNBOUND, hasLicense: false }),
        ),
      ).to.deep.equal(['online']);
    }
    expect(codes(story.disconnect().diagnose(UNBOUND))).to.deep.equal(['offline', 'offline']);
  });

  it('is not told to be bound when it is offline, nor to look after a dock', () => {
    const [finding] = comes('2-174-0').disconnect('normal').diagnose(UNBOUND).findings;
    expect(finding?.code).to.equal('offline');
    expect(`${finding?.what} ${finding?.fix.join(' ')}`).to.not.match(/bound|dock/);
  });

  it('is not asked for its drone: without one it is online, too', () => {
    expect(facts(comes('2-174-0').status('').diagnose(UNBOUND))).to.include({ state: 'online', drone: '' });
  });

  it('is told what breaks its line, as a dock is', () => {
    const story = new Story();
    for (let port = 1; port <= 3; port += 1)
      story.connect(port).status(DRONE, { modelKey: '2-174-0' }).disconnect('tcp_closed', port);
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['unstable', 'reconnects']);
  });
});

describe('a gateway that does not say its domain', () => {
  it('is of unknown kind, and nothing is demanded of it, as long as it does not ask as a dock does', () => {
    const story = comes().request(
      'flight_areas_get',
      { result: undefined },
      { outcome: 'passed', reason: 'method_not_ours' },
    );
    const diagnosis = story.request('flighttask_progress_get').wait(60_000).diagnose(UNBOUND);
    expect(facts(diagnosis)).to.deep.include({ kind: 'gateway', state: 'online' });
  });

  it('is a dock once it asks for its license, or if it is bound', () => {
    expect(codes(comes().request('config').wait(60_000).diagnose(UNBOUND))).to.deep.equal([
      'not bound',
      'not_bound',
    ]);
    expect(comes().diagnose().kind).to.equal('dock');
  });
});

describe('a gateway that says that it is a dock', () => {
  it('needs a request and a binding', () => {
    expect(codes(comes('3-3-0').wait(60_000).diagnose(UNBOUND))).to.deep.equal([
      'stopped at connect',
      'no_request',
    ]);
    expect(codes(comes('3-3-0').request('config').wait(60_000).diagnose(UNBOUND))).to.deep.equal([
      ...['not bound', 'not_bound'],
    ]);
  });

  it('is one, too, if only its binding says so', () => {
    expect(facts(new Story().walk().diagnose())).to.include({
      kind: 'dock',
      modelKey: '3-3-0',
      state: 'online',
    });
  });
});
