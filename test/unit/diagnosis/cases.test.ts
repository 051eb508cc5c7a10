/** Faults that people reported, each as a story, and the one thing that dockhook says of it. */
import { expect } from 'chai';
import type { DockFinding } from '../../../src/diagnosis/dock-finding.js';
import type { Diagnosis } from '../../../src/diagnosis/diagnose.js';
import type { Account, Binding } from '../../../src/stores/types.js';
import { ACCOUNT, BINDING, codes, SN, Story, UNBOUND } from '../../support/story.js';

const DRONE = '1581FTEST000000010CC';
const OTHER = '7CTDTEST00001A';
const DRONE_BINDING: Binding = { ...BINDING, sn: DRONE, gateway: SN };
const accounts = (...list: Account[]) => ({
  accounts: new Map([ACCOUNT, ...list].map((one) => [one.name, one])),
});
const bindings = (...list: Binding[]) => ({
  bindings: new Map([BINDING, ...list].map((one) => [one.sn, one])),
});
const all = ({ findings }: Diagnosis): string =>
  findings.map(({ what, fix }: DockFinding) => `${what} ${fix.join(' ')}`).join(' ');

describe('a topic of its own drone that a dock is refused', () => {
  const refused = (topic: string, action: 'publish' | 'subscribe'): Story =>
    new Story().walk().bind().status(DRONE).refuseTopic(`thing/product/${DRONE}/${topic}`, action);

  for (const [topic, action] of [
    ['drc/up', 'publish'],
    ['drc/down', 'subscribe'],
    ['data/upload', 'publish'],
  ] as const) {
    it(`is good to know: ${action} ${topic}`, () => {
      const diagnosis = refused(topic, action).diagnose();
      expect(codes(diagnosis)).to.deep.equal(['online', 'drone_topic_refused']);
      expect(all(diagnosis)).to.not.include('account set').and.not.include('account add');
    });
  }

  it('is the same for a drone that is bound through the dock and was not announced', () => {
    const story = new Story().walk().refuseTopic(`thing/product/${DRONE}/drc/up`);
    expect(codes(story.diagnose(bindings(DRONE_BINDING)))).to.deep.equal(['online', 'drone_topic_refused']);
  });

  it('is the same for commands to a drone that it announced, and that is not bound', () => {
    const story = new Story().walk().bind().status(DRONE);
    story.refuseTopic(`thing/product/${DRONE}/services`, 'subscribe', { reason: 'drone_not_bound' });
    expect(codes(story.diagnose())).to.deep.equal(['online', 'drone_topic_refused']);
  });

  it('is no topic of its drone, if nothing says that it has this drone', () => {
    const story = new Story().walk().bind().status(DRONE);
    story.refuseTopic(`thing/product/${OTHER}/services`, 'subscribe', { reason: 'drone_not_bound' });
    for (const facts of [{}, { ...UNBOUND, carriers: new Map() }]) {
      const diagnosis = story.diagnose(facts);
      expect(diagnosis.findings.map(({ code }) => code)).to.include('foreign_topic');
      expect(all(diagnosis)).to.not.match(
        /its drone|account (set|add)|--gateway|binding show|bind the drone/,
      );
    }
    expect(codes(story.disconnect('normal').connect(2).status(DRONE).diagnose())).to.deep.equal(['online']);
  });

  it('is over with its session', () => {
    const story = refused('drc/up', 'publish').disconnect().connect(2).status(DRONE);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });
});

describe('no advice lists a drone as a gateway', () => {
  const refused = (): Story => new Story().connect().refuseTopic(`thing/product/${DRONE}/drc/up`);

  it('that is bound through another dock', () => {
    const diagnosis = refused().diagnose({
      bindings: new Map([[DRONE, { ...DRONE_BINDING, gateway: OTHER }]]),
    });
    expect(all(diagnosis))
      .to.include(`the drone of ${OTHER}`)
      .and.not.match(/account (set|add)/);
  });

  it('that another dock announced', () => {
    const diagnosis = refused().diagnose({ ...UNBOUND, carriers: new Map([[DRONE, OTHER]]) });
    expect(all(diagnosis))
      .to.include(`the drone of ${OTHER}`)
      .and.not.match(/account (set|add)/);
  });
});

describe('who sent the requests of an SN is its dock, whatever its client id', () => {
  it('so that a refused topic of its second name does not belong to another device', () => {
    const story = new Story();
    for (const clientId of ['sim-1', 'sim-2']) {
      story.walk({ clientId }).bind();
      story.refuseTopic(`thing/product/${DRONE}/drc/up`, 'publish', { clientId });
    }
    const diagnosis = story.diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'foreign_topic']);
    expect(diagnosis.session?.clientId).to.equal('sim-2');
    expect(all(diagnosis)).to.not.match(/another device|not this dock|--gateway/);
  });

  it('and a client that sent none is called another device, but not for sure', () => {
    const story = new Story().walk({ clientId: 'sim-1' });
    story.refuseTopic(`thing/product/${OTHER}/requests_reply`, 'subscribe', { clientId: 'sim-9' });
    expect(story.diagnose().findings[0]).to.include({ code: 'account_shared', level: 'warning' });
    expect(all(story.diagnose())).to.include('probably another device');
  });
});

describe('a second session (DRC)', () => {
  const drc = { clientId: `${SN}-1790000000000`, account: SN, own: false, outcome: 'refused' } as const;

  it("that comes with the SN as account and its backend's password is told with what drc_mode_enter must hand out", () => {
    const story = new Story().walk().bind().status(DRONE);
    story.add('authenticate', { ...drc, reason: 'unknown_account' });
    for (const diagnosis of [story.diagnose(), story.disconnect('normal').diagnose()]) {
      expect(diagnosis.findings.map(({ code }) => code)).to.include('second_session_refused');
      expect(all(diagnosis))
        .to.include('hand out the account of the dock, "dock-1"')
        .and.include('--unknown-accounts ignore');
    }
    expect(codes(story.diagnose())).to.deep.equal(['offline', 'offline', 'second_session_refused']);
  });

  it('that is refused for a wrong password is that session, and not the dock', () => {
    const story = new Story().walk();
    story.add('authenticate', { ...drc, account: 'dock-1', clientId: `drc-${SN}`, reason: 'wrong_password' });
    expect(codes(story.diagnose())).to.deep.equal(['online', 'second_session_refused']);
  });

  it('that dockhook left to the broker, with --unknown-accounts ignore, is no fault', () => {
    const story = new Story().walk();
    story.add('authenticate', { ...drc, outcome: 'passed', reason: 'unknown_account' });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    expect(codes(story.disconnect('normal').diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('is that of the kind of gateway that it is', () => {
    for (const [modelKey, kind] of [
      ['2-174-0', 'remote controller'],
      ['3-3-0', 'dock'],
    ] as const) {
      const story = new Story().connect().status(DRONE, { modelKey });
      story.add('authenticate', { ...drc, reason: 'unknown_account' });
      const [finding] = story
        .diagnose(UNBOUND)
        .findings.filter(({ code }) => code === 'second_session_refused');
      expect(finding?.what).to.include(`session of the ${kind} was refused`).and.include(`The ${kind} takes`);
      expect(finding?.fix[0]).to.include(`the account of the ${kind}, "dock-1"`);
    }
  });

  it('that was let in since is no news', () => {
    const story = new Story().walk().add('authenticate', { ...drc, reason: 'unknown_account' });
    story.add('authenticate', { clientId: `drc-${SN}` }).add('connected', { clientId: `drc-${SN}` });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('leaves the head to the session in which the dock speaks', () => {
    const story = new Story().walk();
    story.add('authenticate', { clientId: `drc-${SN}` }).add('connected', { clientId: `drc-${SN}` });
    expect(story.diagnose().session?.clientId).to.equal(SN);
  });
});

describe('a license that the broker of Mosquitto cannot tell from a lost line', () => {
  it('was probably refused if the dock left within seconds, four times', () => {
    const story = new Story();
    for (let port = 1; port <= 4; port += 1)
      story.connect(0).subscribe().request('config').disconnect('unknown', 0);
    const diagnosis = story.diagnose(UNBOUND);
    expect(codes(diagnosis)).to.deep.equal(['stopped at config', 'license_refused']);
    expect(diagnosis.findings[0]?.what).to.include('4 times');
  });

  for (const end of [
    'normal',
    'ssl_closed',
    'tcp_closed',
    'sock_closed',
    'econnreset',
    '{tcp_error,etimedout}',
    'unknown',
  ]) {
    it(`whatever the broker calls the end: ${end}`, () => {
      const story = new Story().connect().request('config').disconnect(end);
      expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
    });
  }
});

describe('a license that the dock verified before', () => {
  const LICENSE = { license: '0a1b2c3d' };
  const verified = (): Story =>
    new Story().connect().request('config', LICENSE).request('airport_bind_status').disconnect();
  const failing = (story: Story, times: number, details = LICENSE): Story => {
    for (let port = 2; port <= times + 1; port += 1)
      story.connect(port).request('config', details).wait(300).disconnect('tcp_closed', port);
    return story;
  };

  it('is not refused now: the line breaks', () => {
    expect(codes(failing(verified(), 1).diagnose())).to.deep.equal(['offline', 'offline']);
    expect(codes(failing(verified(), 3).diagnose())).to.deep.equal(['unstable', 'reconnects']);
  });

  it('is known from an update_topo, too', () => {
    const story = new Story().connect().request('config', LICENSE).status(DRONE).disconnect();
    expect(codes(failing(story, 1).diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('says nothing about one that was set since', () => {
    const story = failing(verified(), 2, { license: 'ffffffff' });
    expect(codes(story.diagnose({ licenseMark: 'ffffffff' }))).to.deep.equal([
      'stopped at config',
      'license_refused',
    ]);
  });

  it('says nothing if the dock went on only in another session', () => {
    const story = failing(new Story().connect().request('config', LICENSE).disconnect(), 1);
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
  });
});

describe('a connection that keeps breaking', () => {
  const breaks = (times: number, end: string, everyMs = 1000): Story => {
    const story = new Story();
    for (let port = 1; port <= times; port += 1)
      story.connect(port).request('config').status(DRONE).wait(300).disconnect(end, port).wait(everyMs);
    return story;
  };

  it('is told after three sessions, with their number, time, end, and the port to try', () => {
    const diagnosis = breaks(3, 'tcp_closed').diagnose();
    expect(codes(diagnosis)).to.deep.equal(['unstable', 'reconnects']);
    expect(diagnosis.findings[0]?.what).to.match(/3 within \d+ s \(tcp_closed\)/);
    expect(all(diagnosis))
      .to.match(/NAT/)
      .and.match(/mobile operator/)
      .and.include('1883')
      .and.include('ssl://host:8883');
  });

  it('is told, too, if it breaks every five minutes, and for as long as it may break again', () => {
    const slow = (): Story => breaks(5, 'tcp_closed', 5 * 60_000);
    expect(slow().diagnose().state).to.equal('unstable');
    expect(
      slow()
        .connect(6)
        .wait(8 * 60_000)
        .diagnose().state,
    ).to.equal('unstable');
    expect(
      slow()
        .connect(6)
        .wait(20 * 60_000)
        .diagnose().state,
    ).to.equal('online');
  });

  it('names the keepalive if the line falls silent', () => {
    expect(all(breaks(3, 'keepalive_timeout', 60_000).diagnose())).to.include('keepalive');
  });
});

describe('sessions that keep ending, but not for a line that breaks', () => {
  const times = (count: number, act: (story: Story, port: number) => Story, story = new Story()): Story => {
    for (let port = 1; port <= count; port += 1) act(story, port);
    return story;
  };
  const mistyped = (story: Story): Story =>
    story
      .walk()
      .request('airport_organization_get', {}, { outcome: 'faulty', reason: 'organization_id_as_code' })
      .add('bind', { outcome: 'faulty', reason: 'organization_id_as_code', details: { sn: SN } })
      .request('airport_organization_bind');
  const leaves = (story: Story, end: string): Story =>
    story.connect().subscribe().request('config').wait(200).disconnect(end);

  for (const end of ['normal', 'unknown', 'tcp_closed']) {
    it(`are those of a person who types something wrong, six times: ${end}`, () => {
      const story = times(6, (one) => mistyped(one).disconnect(end));
      expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['not bound', 'organization_id_as_code']);
      expect(codes(story.walk().bind().status(DRONE).diagnose())).to.deep.equal(['online']);
    });

    it(`are those of a dock that refuses its license, before or after a run with swapped fields: ${end}`, () => {
      const after = mistyped(times(4, (one) => leaves(one, end))).disconnect(end);
      expect(codes(after.diagnose(UNBOUND))).to.deep.equal(['not bound', 'organization_id_as_code']);
      const before = times(4, (one) => leaves(one, end), mistyped(new Story()).disconnect(end));
      const [state, ...found] = codes(before.diagnose(UNBOUND));
      expect(state).to.not.equal('unstable');
      expect(found).to.include('organization_id_as_code').and.include('license_refused');
    });
  }

  it('are those of a test tool that said goodbye after each full run', () => {
    const story = times(6, (one) => one.walk().bind().status(DRONE).disconnect('normal'));
    expect(codes(story.diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('are good to know of a dock that gets on in the session that it has', () => {
    const broken = (): Story =>
      times(3, (one, port) => one.connect(port).status(DRONE).disconnect('tcp_closed', port));
    expect(broken().diagnose().state).to.equal('unstable');
    const back = broken().connect(4).request('config');
    expect(back.diagnose().state).to.equal('unstable');
    const diagnosis = back.request('airport_bind_status').diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'reconnects']);
    expect(diagnosis.findings[0]).to.include({ level: 'warning' });
  });

  it('are of a line that breaks, if Mosquitto does not say so, after three in a minute that went on', () => {
    const cut = (count: number, everyMs = 0): Story =>
      times(count, (one) => one.walk().status(DRONE).disconnect('unknown', 0).wait(everyMs));
    expect(codes(cut(3).diagnose())).to.deep.equal(['unstable', 'reconnects']);
    expect(codes(cut(2).diagnose())).to.deep.equal(['offline', 'offline']);
    expect(codes(cut(3, 60_000).diagnose())).to.deep.equal(['offline', 'offline']);
  });
});

describe('an update_topo that nobody answers', () => {
  const repeated = (story: Story, details = { again: true as const }): Story =>
    story.status(DRONE).add('status', {
      ...{ outcome: 'passed', count: 11, at: story.now + 1000, lastAt: story.now + 18_000 },
      details: { method: 'update_topo', drone: DRONE, ...details },
    });
  const online = (): Story => new Story().walk().bind();

  it('under one tid is told, with all that can answer it', () => {
    const diagnosis = repeated(online()).wait(20_000).diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'status_unanswered']);
    expect(all(diagnosis))
      .to.include(`sys/product/${SN}/status_reply`)
      .and.include('DOCKHOOK_ANSWER_FOR_BACKEND=update_topo')
      .and.include('dockhook emqx config --emqx-version VERSION --rules update_topo');
  });

  it('comes before topics that were refused, since it keeps the drone away', () => {
    const story = online().refuseTopic(`thing/product/${OTHER}/osd`, 'subscribe');
    expect(codes(repeated(story).wait(20_000).diagnose())).to.deep.equal([
      ...['online', 'status_unanswered', 'foreign_topic'],
    ]);
  });

  it('under new tids is told, too, if it comes every two seconds', () => {
    const story = repeated(online(), {} as { again: true }).wait(20_000);
    expect(codes(story.diagnose())).to.deep.equal(['online', 'status_unanswered']);
  });

  it('is over when a while has passed, and with its session', () => {
    expect(
      codes(
        repeated(online())
          .wait(10 * 60_000)
          .diagnose(),
      ),
    ).to.deep.equal(['online']);
    const back = repeated(online()).wait(20_000).disconnect('normal').connect(2).status(DRONE);
    expect(codes(back.diagnose())).to.deep.equal(['online']);
  });

  it('is not suspected of a dock that tells now and then what it has, or turns its drone on and off', () => {
    const story = online();
    for (let time = 0; time < 40; time += 1) story.status(DRONE).wait(30_000);
    for (let time = 0; time < 40; time += 1) story.status(time % 2 === 0 ? '' : DRONE);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('is not suspected if dockhook answered it', () => {
    const story = online();
    for (let time = 0; time < 5; time += 1) story.status(DRONE, { again: true }, { outcome: 'ok' });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });
});

describe('a request that comes again under new tids', () => {
  const asks = (story: Story, method = 'config'): Story =>
    story.request(method).wait(2000).request(method).wait(2000).request(method);

  it('is one whose reply nobody listens to, if the client subscribed nowhere', () => {
    const diagnosis = asks(new Story().connect()).diagnose(UNBOUND);
    expect(codes(diagnosis)).to.deep.equal(['stopped at config', 'replies_lost']);
    expect(diagnosis.findings[0]?.what).to.include(
      `on thing/product/${SN}/requests_reply, where nobody listens`,
    );
  });

  it('may be one, if the client subscribed in a session before', () => {
    const story = new Story()
      .connect()
      .subscribe()
      .request('config')
      .request('airport_bind_status')
      .disconnect();
    const diagnosis = asks(story.connect(2), 'airport_bind_status').diagnose(UNBOUND);
    expect(codes(diagnosis)).to.deep.equal(['stopped at bind', 'replies_lost']);
    expect(diagnosis.findings[0]?.what).to.include('nobody may listen').and.include('may have kept that');
  });

  it('does not reach it, if it subscribed, and asks for its license three times', () => {
    const [finding] = asks(new Story().connect().subscribe()).diagnose(UNBOUND).findings;
    expect(finding?.code).to.equal('replies_lost');
    expect(finding?.what).to.not.include('listens');
  });

  it('is a person who tries again, if it subscribed and asks for anything else', () => {
    const story = asks(new Story().walk(), 'airport_organization_get').wait(60_000);
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['not bound', 'not_bound']);
  });

  it('is no fault once the dock goes on', () => {
    const story = asks(new Story().connect()).request('airport_bind_status').bind();
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('counts all filters that bring the replies', () => {
    for (const topic of [
      `thing/product/${SN}/#`,
      `thing/product/${SN}/+`,
      'thing/product/+/requests_reply',
    ]) {
      const story = asks(new Story().connect().subscribe(topic), 'airport_bind_status').wait(60_000);
      expect(codes(story.diagnose(UNBOUND)), topic).to.deep.equal(['not bound', 'not_bound']);
    }
  });
});

describe('what a person typed', () => {
  const typed = (
    reason: 'no_binding_code' | 'organization_id_as_code' | 'typed_with_spaces' | 'wrong_organization_id',
  ): Story =>
    new Story()
      .walk()
      .request('airport_organization_get', { result: 210230 }, { outcome: 'faulty', reason })
      .add('bind', { outcome: 'faulty', reason, details: { sn: SN } })
      .request('airport_organization_bind');

  for (const [reason, text] of [
    ['no_binding_code', /No device binding code was typed into DJI Pilot 2/],
    ['organization_id_as_code', /the id of an organization: the two fields may be swapped/],
    ['typed_with_spaces', /with a space before or after it/],
    ['wrong_organization_id', /belongs to another organization/],
  ] as const) {
    it(`is told for ${reason}, once, and is over when the dock is bound`, () => {
      const diagnosis = typed(reason).diagnose(UNBOUND);
      expect(codes(diagnosis)).to.deep.equal(['not bound', reason]);
      expect(all(diagnosis))
        .to.match(text)
        .and.not.match(/firmware/);
      expect(codes(typed(reason).bind().diagnose())).to.deep.equal(['online']);
    });
  }
});

describe('one device of a bind request that cannot be used', () => {
  it('is good to know of a dock that is bound', () => {
    const story = new Story().walk().bind();
    story.add('bind', {
      outcome: 'faulty',
      reason: 'invalid_data',
      details: { sn: DRONE, detail: 'callsign is too long' },
    });
    const diagnosis = story.diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'invalid_data']);
    expect(all(diagnosis)).to.include(DRONE).and.include('callsign is too long');
  });
});

describe('an account that was typed with a space', () => {
  it('is told as that, and not to be created', () => {
    const story = new Story();
    story.add('authenticate', {
      own: false,
      outcome: 'refused',
      reason: 'unknown_account',
      account: 'dock-1 ',
    });
    const diagnosis = story.diagnose();
    expect(codes(diagnosis)).to.deep.equal(['refused', 'unknown_account']);
    expect(all(diagnosis)).to.include('type "dock-1" without the space').and.not.include('account add');
  });
});

describe('what others did in the name of a dock', () => {
  const others = { own: false, account: 'other', clientId: 'their-client' } as const;
  const other: Account = { ...ACCOUNT, name: 'other', scope: { kind: 'gateways', gateways: [OTHER] } };

  it('never makes it connecting: it is never seen, and the port may be blocked', () => {
    const story = new Story().refuseTopic(`thing/product/${SN}/osd`, 'publish', others);
    const diagnosis = story.diagnose({ ...accounts(other), ...UNBOUND });
    expect(codes(diagnosis)).to.deep.equal(['never seen', 'never_seen', 'named_by_another']);
    expect(diagnosis.findings[0]?.fix.join())
      .to.match(/tcp:\/\/host:1883.*ssl:\/\/host:8883/)
      .and.match(/block/);
  });
});

describe('a fault that was followed by success', () => {
  const malformed = (story: Story, method = 'airport_bind_status'): Story =>
    story.request(
      method,
      { result: 200001, detail: 'data must have devices' },
      { outcome: 'faulty', reason: 'invalid_data' },
    );

  it('no longer stops a dock', () => {
    const story = malformed(new Story().walk()).bind().request('airport_organization_bind').status(DRONE);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    const failed = new Story()
      .connect()
      .request('config', { result: 210001 }, { outcome: 'faulty', reason: 'store_unavailable' });
    expect(codes(failed.request('airport_bind_status').diagnose())).to.deep.equal(['online']);
    const without = new Story()
      .connect()
      .request('config', { result: 210001 }, { outcome: 'faulty', reason: 'license_not_set' });
    expect(codes(without.request('airport_bind_status').bind().diagnose())).to.deep.equal(['online']);
  });

  it('is good to know of a dock that is bound and connected', () => {
    const diagnosis = malformed(new Story().walk()).diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'malformed_request']);
    expect(codes(malformed(new Story().walk()).diagnose(UNBOUND))[0]).to.equal('stopped at bind');
  });
});

describe('requests that share a tid', () => {
  it('are no lost replies, if they are different ones', () => {
    const story = new Story().walk().request('airport_organization_bind').bind();
    story.request('config').request('airport_bind_status');
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });
});

describe('a bridge that asks for the replies to all docks at once', () => {
  const fleet: Account = { ...ACCOUNT, name: 'fleet', scope: { kind: 'gateways', gateways: [SN] } };
  const bridge = { clientId: 'bridge', account: 'fleet' } as const;
  const filter = 'thing/product/+/requests_reply';
  const walks = (): Story =>
    new Story()
      .refuseTopic(filter, 'subscribe', { ...bridge, gateway: undefined })
      .request('config', {}, bridge);

  it('gets none, and the refused filter is named', () => {
    const diagnosis = walks()
      .wait(60_000)
      .diagnose({ ...UNBOUND, ...accounts(fleet) });
    expect(codes(diagnosis)).to.deep.equal(['stopped at config', 'replies_refused']);
    expect(all(diagnosis)).to.include('"bridge" with account "fleet"').and.include(`subscribe ${filter}`);
  });

  it('gets them with a filter for each dock', () => {
    const story = walks().add('authorize', {
      ...bridge,
      details: { action: 'subscribe', topic: `thing/product/${SN}/requests_reply` },
    });
    expect(codes(story.wait(60_000).diagnose({ ...UNBOUND, ...accounts(fleet) }))).to.deep.equal([
      ...['not bound', 'not_bound'],
    ]);
  });

  it('is good to know of, if the dock is bound all the same', () => {
    expect(codes(walks().diagnose(accounts(fleet)))).to.deep.equal(['online', 'replies_refused']);
  });
});

describe('topics that name no SN', () => {
  it('are told, with what stands there', () => {
    const story = new Story()
      .connect()
      .refuseTopic('thing/product/DOCK-SN-001/requests_reply', 'subscribe', { gateway: SN, own: true });
    const diagnosis = story.diagnose(UNBOUND);
    expect(codes(diagnosis)).to.deep.equal(['stopped at connect', 'not_a_serial_number']);
    expect(all(diagnosis)).to.include('"DOCK-SN-001"').and.include('letters and digits only');
  });

  it('of a filter for other things are shown with account, client id, action and filter', () => {
    const story = new Story()
      .walk()
      .refuseTopic('thing/product/+/osd', 'subscribe', { gateway: SN, own: true });
    const diagnosis = story.diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'topic_refused']);
    expect(all(diagnosis)).to.include(
      `Client id "${SN}" with account "dock-1" was refused subscribe thing/product/+/osd`,
    );
  });
});

describe('a finding speaks of the broker that is there', () => {
  const stories: [what: string, story: Story][] = [
    ['no request', new Story().connect().wait(60_000)],
    ['lost replies', new Story().connect().subscribe().request('config').request('config', { again: true })],
    ['only let in', new Story().add('authenticate').wait(60_000)],
    ['never seen', new Story()],
    ['a certificate', new Story().refuse(undefined, 'wrong_certificate')],
    [
      'an update_topo',
      new Story().walk().bind().status(DRONE).status(DRONE, { again: true }).status(DRONE, { again: true }),
    ],
    [
      'a second session',
      new Story().walk().add('authenticate', {
        ...{ clientId: `drc-${SN}`, account: SN, own: false, outcome: 'refused', reason: 'unknown_account' },
      }),
    ],
  ];
  for (const [what, story] of stories) {
    it(`about ${what}`, () => {
      const on = (...brokers: ('EMQX' | 'Mosquitto' | 'dev')[]): string =>
        all(
          story.diagnose({
            ...(what.startsWith('no') ? UNBOUND : accounts({ ...ACCOUNT, certificateCn: 'dock' })),
            brokers: new Set(brokers),
          }),
        );
      expect(on('Mosquitto')).to.not.match(/EMQX|emqx/);
      expect(on('dev')).to.not.match(/EMQX|emqx|Mosquitto/);
      expect(on('EMQX'))
        .to.match(/EMQX|emqx/)
        .and.not.match(/Mosquitto/);
      expect(on()).to.match(/EMQX|emqx/);
    });
  }
});

describe('the end of a session that Mosquitto does not explain', () => {
  it('is said once, and not as "unknown (unknown)"', () => {
    const [finding] = new Story().walk().wait(60_000).disconnect('unknown', 0).diagnose().findings;
    expect(finding?.what).to.equal(
      'Its last session ended; the broker does not say why. It has not tried to connect since.',
    );
  });
});
