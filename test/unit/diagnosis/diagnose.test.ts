/** What a story means: order, time and doubt. The faults themselves are injected in `integration/dock.test.ts`. */
import { expect } from 'chai';
import type { Ban } from '../../../src/emqx/bans.js';
import type { Account, TimelineDetails, TimelineEntry } from '../../../src/stores/types.js';
import { diagnose } from '../../../src/diagnosis/diagnose.js';
import { listingAccounts, indexBySn } from '../../../src/diagnosis/facts.js';
import { ACCOUNT, BINDING, codes, HOME, SN, START, Story, UNBOUND } from '../../support/story.js';

describe('the diagnosis of a dock', () => {
  it('is "never seen" without a story, and asks for an account only if there is none', () => {
    const never = new Story().diagnose();
    expect(codes(never)).to.deep.equal(['never seen', 'never_seen']);
    expect(never.findings[0]?.fix.join()).to.not.include('account add');
    expect(new Story().diagnose({ accounts: new Map() }).findings[0]?.fix[0]).to.include('account add');
  });

  it('gives a new session half a minute for its first request', () => {
    const story = new Story().connect();
    expect(codes(story.wait(28_000).diagnose(UNBOUND))).to.deep.equal(['connecting']);
    expect(codes(story.wait(2000).diagnose(UNBOUND))).to.deep.equal(['stopped at connect', 'no_request']);
  });

  it('does not wonder that a bound dock has asked for nothing since it came back', () => {
    const story = new Story().connect().request('config').request('airport_bind_status').disconnect();
    expect(codes(story.connect().wait(3_600_000).diagnose())).to.deep.equal(['online']);
  });

  it('is offline since the end of the last session, and says why', () => {
    const story = new Story().connect().request('airport_bind_status').disconnect('keepalive_timeout');
    const diagnosis = story.diagnose();
    expect(codes(diagnosis)).to.deep.equal(['offline', 'offline']);
    expect(diagnosis).to.include({ since: story.now, isConnected: false });
    expect(diagnosis.findings[0]?.what).to.include('keepalive_timeout');
  });

  it('is online though the end of its old session was told after the beginning of the new', () => {
    const story = new Story().connect(1).request('airport_bind_status').connect(2);
    expect(codes(story.disconnect('takenover', 1).diagnose())).to.deep.equal(['online']);
    expect(codes(story.disconnect('normal', 2).diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('is online while one of two sessions is', () => {
    const story = new Story().connect().request('airport_bind_status');
    story.add('connected', { clientId: `${SN}-drc` }).add('disconnected', { clientId: `${SN}-drc` });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });
});

describe('a connect that dockhook accepted', () => {
  const bound = () => new Story().connect(1).request('airport_bind_status');
  const letIn = (story: Story, peerPort: number, more: Partial<TimelineEntry> = {}): Story =>
    story.add('authenticate', { ...more, details: { peerPort } });

  it('is not a session: it is only connecting, and after half a minute that is what is wrong', () => {
    for (const story of [bound().disconnect(), new Story()]) {
      letIn(story, 2);
      expect(story.diagnose()).to.include({ state: 'connecting', isConnected: false });
      const late = story.wait(30_000).diagnose();
      expect(codes(late)).to.deep.equal(['stopped at connect', 'only_let_in']);
      expect(late.since).to.equal(story.entries.at(-1)?.at);
      expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['stopped at connect', 'only_let_in']);
    }
  });

  it('is counted from the first of many tries, which nothing followed', () => {
    const story = bound().disconnect();
    for (let port = 2; port <= 9; port += 1) letIn(story, port).wait(5000);
    expect(codes(story.diagnose())).to.deep.equal(['stopped at connect', 'only_let_in']);
  });

  it('is offline once its end was told, though nothing came between', () => {
    const story = letIn(bound().disconnect(), 2).disconnect('normal', 2);
    expect(codes(story.diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('is a session with its first message, and from the port of the connect', () => {
    const story = letIn(bound().disconnect(), 2)
      .add('status', { details: { drone: '' } })
      .wait(3_600_000);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    expect(codes(story.disconnect('takenover', 1).diagnose())).to.deep.equal(['online']);
    expect(codes(story.disconnect('normal', 2).diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('takes over: yes to the new connection, end of the old one, and then its first topic', () => {
    const story = letIn(bound(), 2).disconnect('takenover', 1);
    expect(story.diagnose()).to.include({ state: 'connecting', isConnected: false });
    story.add('connected', { details: { peerPort: 2 } }).wait(3_600_000);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    expect(story.diagnose().session?.peerPort).to.equal(2);
  });

  it('takes over, and goes, before the end of the old one was told', () => {
    const story = letIn(bound(), 2).disconnect('normal', 2).disconnect('takenover', 1);
    expect(codes(story.diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('is at an end with the first end that follows, where the broker tells no port', () => {
    const story = new Story().connect(0).request('airport_bind_status').add('authenticate');
    expect(codes(story.disconnect('takenover', 0).diagnose())).to.deep.equal(['offline', 'offline']);
    expect(codes(story.add('connected').diagnose())).to.deep.equal(['online']);
  });

  it('of a second client id changes nothing: not while the dock is in, and not after it has gone', () => {
    const drc = { clientId: `${SN}-drc` };
    const story = letIn(bound(), 2, drc).wait(60_000);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    expect(codes(story.disconnect('normal', 1).diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('ends with a start of its node', () => {
    const story = bound().disconnect();
    story.add('authenticate', { details: { peerPort: 2, node: 'emqx@a' } }).wait(60_000);
    const boots = new Map([['emqx@a', [story.now - 1000]]]);
    const diagnosis = story.diagnose({ boots });
    expect(codes(diagnosis)).to.deep.equal(['offline', 'offline']);
    expect(diagnosis.findings[0]?.brief).to.include('started again');
  });
});

describe('a refused connect', () => {
  it('is what is wrong if the dock was never in, or comes from where it was in', () => {
    expect(codes(new Story().refuse().diagnose())).to.deep.equal(['refused', 'wrong_password']);
    const story = new Story().connect().request('airport_bind_status').disconnect().refuse();
    expect(codes(story.diagnose())).to.deep.equal(['refused', 'wrong_password']);
  });

  it("does not outweigh the dock's own story if it came from elsewhere", () => {
    const story = new Story().connect().request('config').disconnect();
    for (let time = 0; time < 50; time += 1) story.refuse('198.51.100.7');
    const diagnosis = story.diagnose(UNBOUND);
    expect(codes(diagnosis)).to.deep.equal(['stopped at config', 'license_refused', 'wrong_password']);
    expect(diagnosis.findings[1]).to.include({ level: 'warning' });
    expect(diagnosis.findings[1]?.what).to.include('somebody else');
  });

  it('by the database is told as its answer, or as its silence', () => {
    for (const [reason, brief] of [
      ['store_refused', 'database refuses'],
      ['store_unavailable', 'database away'],
    ] as const) {
      const diagnosis = new Story().refuse(HOME, reason).diagnose();
      expect(codes(diagnosis)).to.deep.equal(['refused', reason]);
      expect(diagnosis.findings[0]).to.include({ brief });
      expect(diagnosis.findings[0]?.fix.join()).to.include('dockhook doctor');
    }
  });

  it('is history once the dock was let in', () => {
    const story = new Story().refuse().refuse().connect().request('airport_bind_status');
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('is told since the first of its kind, and not since one before the last success', () => {
    const story = new Story().refuse().connect().disconnect();
    const first = story.now + 1000;
    expect(story.refuse().refuse().diagnose()).to.include({ state: 'refused', since: first });
  });

  it('is mended if the account can be used now', () => {
    const disabled = new Map([['dock-1', { ...ACCOUNT, disabled: true }]]);
    const story = new Story().refuse(HOME, 'disabled');
    expect(codes(story.diagnose({ accounts: disabled }))).to.deep.equal(['refused', 'disabled']);
    expect(codes(story.diagnose())).to.deep.equal(['refused', 'mended']);
  });

  it('of topics, since the account was disabled while connected, is what is wrong', () => {
    const disabled = new Map([['dock-1', { ...ACCOUNT, disabled: true }]]);
    const story = new Story().connect().request('airport_bind_status');
    story.add('authorize', {
      outcome: 'refused',
      reason: 'disabled',
      details: { topic: `thing/product/${SN}/osd` },
    });
    expect(codes(story.diagnose({ accounts: disabled }))).to.deep.equal(['refused', 'disabled']);
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });
});

describe('an account that cannot be used any more', () => {
  const withAccount = (more: Partial<Account>) => ({
    accounts: new Map([['dock-1', { ...ACCOUNT, ...more }]]),
  });
  const DISABLED = withAccount({ disabled: true });
  const EXPIRED = withAccount({ expiresAt: new Date(START).toISOString() });
  const online = (): Story => new Story().connect().request('airport_bind_status');

  it('is why a dock that is away will not come back, and not its power', () => {
    const story = online().disconnect('kicked');
    const disabled = story.diagnose(DISABLED);
    expect(codes(disabled)).to.deep.equal(['offline', 'disabled']);
    expect(disabled).to.include({ since: story.now });
    expect(disabled.findings[0]?.fix).to.deep.equal(['dockhook account enable dock-1']);
    const expired = story.diagnose(EXPIRED);
    expect(codes(expired)).to.deep.equal(['offline', 'expired']);
    expect(expired.findings[0]?.fix).to.deep.equal(['dockhook account set dock-1 --expires 90d']);
  });

  it('comes before the advice to wait until the dock connects again, connected or not', () => {
    const story = new Story().connect();
    story.request('config', { result: 210001 }, { outcome: 'faulty', reason: 'license_not_set' });
    expect(codes(story.diagnose({ ...DISABLED, ...UNBOUND }))).to.deep.equal([
      'stopped at config',
      'disabled',
      'license_not_set',
    ]);
    expect(codes(story.disconnect().diagnose({ ...DISABLED, ...UNBOUND }))[1]).to.equal('disabled');
  });

  it('is good to know while the dock is online, which it is until it connects again', () => {
    const diagnosis = online().diagnose(DISABLED);
    expect(codes(diagnosis)).to.deep.equal(['online', 'disabled']);
    expect(diagnosis.findings[0]).to.include({ level: 'warning' });
    expect(diagnosis.findings[0]?.what).to.include('still connected');
  });

  it('is why a dock that was never seen will not be let in, if no other account lists it', () => {
    expect(codes(new Story().diagnose(DISABLED))).to.deep.equal(['never seen', 'disabled']);
    const accounts = new Map([...DISABLED.accounts, ['dock-2', { ...ACCOUNT, name: 'dock-2' }]]);
    expect(codes(new Story().diagnose({ accounts }))).to.deep.equal(['never seen', 'never_seen']);
  });

  it('may have been removed, which only counts if no other lists the dock', () => {
    const story = online().disconnect();
    const removed = story.diagnose({ accounts: new Map() });
    expect(codes(removed)).to.deep.equal(['offline', 'unknown_account']);
    expect(removed.findings[0]?.fix[0]).to.include(`account add dock-1 --gateway ${SN}`);
    const accounts = new Map([['dock-2', { ...ACCOUNT, name: 'dock-2' }]]);
    expect(codes(story.diagnose({ accounts }))).to.deep.equal(['offline', 'offline']);
  });

  it('is told beside a refusal for another reason, and not twice', () => {
    const story = new Story().refuse(HOME, 'wrong_password');
    expect(codes(story.diagnose(DISABLED))).to.deep.equal(['refused', 'disabled', 'wrong_password']);
    const known = new Story().refuse(HOME, 'disabled');
    expect(codes(known.diagnose(DISABLED))).to.deep.equal(['refused', 'disabled']);
  });

  it('is not the one that the dock tried last', () => {
    const accounts = new Map([...DISABLED.accounts, ['dock-2', { ...ACCOUNT, name: 'dock-2' }]]);
    const story = online().disconnect();
    story.add('authenticate', {
      own: false,
      outcome: 'refused',
      reason: 'wrong_password',
      account: 'dock-2',
    });
    expect(codes(story.diagnose({ accounts }))).to.deep.equal(['refused', 'wrong_password']);
  });
});

describe('a license', () => {
  const failing = (): Story => new Story().connect().request('config').disconnect();

  it('was probably refused if the dock leaves within half a minute of config', () => {
    expect(codes(failing().diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
    const slow = new Story().connect().request('config').wait(30_000).disconnect();
    expect(codes(slow.diagnose(UNBOUND))).to.deep.equal(['offline', 'offline']);
  });

  it('was probably refused, too, if a replica told of the connection only after config', () => {
    const story = new Story().add('authenticate', { details: { peerPort: 1 } }).request('config');
    story.add('connected', { details: { peerPort: 1 } }).disconnect('tcp_closed', 1);
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
  });

  for (const end of ['takenover', 'discarded', 'kicked', 'keepalive_timeout']) {
    it(`was not refused because a session ended as ${end}, which is not the dock's own doing`, () => {
      const story = new Story().connect().request('config').disconnect(end);
      expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['offline', 'offline']);
    });
  }

  it('was verified if the dock asked for its bind status, then or later', () => {
    const then = new Story().connect().request('config').request('airport_bind_status').disconnect();
    expect(codes(then.diagnose(UNBOUND))).to.deep.equal(['offline', 'offline']);
    const later = failing().connect().request('config').request('airport_bind_status');
    expect(codes(later.diagnose())).to.deep.equal(['online']);
  });

  it('is still suspected while the dock is back for a moment, and no more once it stays', () => {
    const story = failing().connect().request('config');
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
    expect(codes(story.wait(31_000).diagnose(UNBOUND))).to.deep.equal(['not bound', 'not_bound']);
  });

  it('is not suspected if the dock did not get the reply', () => {
    const story = new Story().connect().request('config').request('config', { again: true }).disconnect();
    expect(codes(story.diagnose(UNBOUND))[1]).to.equal('replies_lost');
  });
});

describe('a request under an old tid', () => {
  it('is no fault once the dock goes on', () => {
    const story = new Story().connect().request('config').request('config', { again: true });
    expect(codes(story.diagnose())).to.deep.equal(['stopped at config', 'replies_lost']);
    expect(codes(story.request('airport_bind_status').diagnose())).to.deep.equal(['online']);
  });

  it('tells that nobody answers, if the method is not ours', () => {
    const story = new Story().connect().request('airport_bind_status');
    const passed = { outcome: 'passed', reason: 'method_not_ours' } as const;
    story.add('request', { ...passed, details: { method: 'storage_config_get' } });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
    story.add('request', { ...passed, details: { method: 'storage_config_get', again: true } });
    expect(codes(story.diagnose())).to.deep.equal(['online', 'method_unanswered']);
  });
});

describe('two clients with one client id', () => {
  const fight = (times: number): Story => {
    const story = new Story();
    for (let time = 1; time <= times; time += 1) story.connect(time).disconnect('takenover', time);
    return story.connect(times + 1);
  };

  it('are three takeovers within ten minutes, not one or two', () => {
    expect(codes(fight(3).diagnose())).to.deep.equal(['unstable', 'client_id_twice']);
    expect(codes(fight(2).diagnose())).to.deep.equal(['online']);
  });

  it('are history ten minutes after the last', () => {
    expect(codes(fight(5).wait(600_000).diagnose())).to.deep.equal(['online']);
  });
});

describe('a clock', () => {
  const story = (clockSkewMs: number): Story =>
    new Story().connect().request('airport_bind_status', { clockSkewMs });

  for (const [skew, text] of [
    [61_000, '61 s ahead'],
    [-3_600_000, '60 min behind'],
    [-1_780_000_000_000, '20602 days behind'],
  ] as const) {
    it(`that is ${text} is good to know, and keeps nobody from being online`, () => {
      const diagnosis = story(skew).diagnose();
      expect(codes(diagnosis)).to.deep.equal(['online', 'clock_skew']);
      expect(diagnosis.findings[0]?.what).to.include(text);
    });
  }

  it('may be a minute off, and is right again when a later message says so', () => {
    expect(codes(story(-60_000).diagnose())).to.deep.equal(['online']);
    expect(codes(story(90_000).request('config', { clockSkewMs: 3 }).diagnose())).to.deep.equal(['online']);
  });
});

describe('a bind fault', () => {
  const faulty = (reason: NonNullable<TimelineEntry['reason']>, details: TimelineDetails = {}): Story =>
    new Story()
      .connect()
      .add('bind', { outcome: 'faulty', reason, details: { sn: SN, ...details } })
      .request('airport_organization_bind');

  it('is history once the device is bound', () => {
    const story = faulty('wrong_binding_code');
    expect(codes(story.diagnose(UNBOUND))).to.deep.equal(['not bound', 'wrong_binding_code']);
    story.add('bind', { details: { sn: SN, organizationId: 'north' } });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('of ours is told with what the database said', () => {
    for (const reason of ['store_refused', 'store_unavailable'] as const) {
      const diagnosis = faulty(reason, { detail: 'its encoding lacks a letter of this' }).diagnose(UNBOUND);
      expect(codes(diagnosis)).to.deep.equal(['not bound', reason]);
      expect(diagnosis.findings[0]?.what).to.include('its encoding lacks a letter');
    }
  });

  it('of the drone alone keeps no dock from being online', () => {
    const diagnosis = faulty('bound_elsewhere', { sn: 'DRONE1', organizationId: 'north' }).diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'bound_elsewhere']);
  });

  it('of what was sent of a device is told with the place, and keeps a dock from being online only if it is the dock', () => {
    const detail = 'data/bind_devices/1/device_callsign must NOT have more than 256 characters';
    const ofDrone = faulty('invalid_data', { sn: 'DRONE1', detail }).diagnose();
    expect(codes(ofDrone)).to.deep.equal(['online', 'invalid_data']);
    expect(ofDrone.findings[0]?.what).to.include('DRONE1').and.to.include(detail);
    expect(codes(faulty('invalid_data', { detail }).diagnose(UNBOUND))).to.deep.equal([
      'not bound',
      'invalid_data',
    ]);
  });

  it('is not that a dock named a drone with an empty SN', () => {
    const detail = '1 of 2 devices cannot be used: data/bind_devices/1/sn must match pattern';
    const story = new Story()
      .connect()
      .add('bind', { details: { sn: SN, organizationId: 'north' } })
      .request('airport_organization_bind', { detail });
    expect(codes(story.diagnose())).to.deep.equal(['online']);
  });

  it('of a device bound elsewhere is over once an operator has moved it there', () => {
    const story = faulty('bound_elsewhere', { organizationId: 'south' });
    expect(codes(story.diagnose())).to.deep.equal(['stopped at bind', 'bound_elsewhere']);
    const moved = new Map([[SN, { ...BINDING, organizationId: 'south' }]]);
    expect(codes(story.diagnose({ bindings: moved }))).to.deep.equal(['online']);
    const [finding] = story.diagnose(UNBOUND).findings;
    expect(finding?.fix).to.deep.equal(['bind it again in DJI Pilot 2']);
  });
});

describe("a dock's topics, used with another account", () => {
  const other = { name: 'other', passwordHash: 'x', scope: { kind: 'gateways' as const, gateways: ['SN9'] } };
  const accounts = new Map([
    ['dock-1', ACCOUNT],
    ['other', other],
  ]);
  const named = {
    own: false,
    outcome: 'refused',
    reason: 'not_in_scope',
    account: 'other',
    clientId: 'SN9',
  } as const;
  const details = { topic: `thing/product/${SN}/services`, action: 'subscribe' as const };

  it('are no fault of the dock, and open no account for its SN', () => {
    const story = new Story().connect().request('airport_bind_status');
    const diagnosis = story.add('authorize', { ...named, details }).diagnose({ accounts });
    expect(codes(diagnosis)).to.deep.equal(['online', 'named_by_another']);
    expect(diagnosis.findings[0]).to.include({ level: 'warning' });
    expect(diagnosis.findings[0]?.fix.join()).to.not.match(/account (set|add)/);
  });

  it('are told to whoever used them with the account that acts for the dock', () => {
    const story = new Story().connect();
    story.add('authorize', { ...named, own: true, clientId: 'SN9', details });
    const diagnosis = diagnose(
      story.entries.map((entry) => ({ ...entry, gateway: SN, own: false })),
      {
        ...{ sn: 'SN9', now: story.now, hasLicense: true, accounts },
        listings: indexBySn(accounts.values()),
        ...{ organizations: new Map(), bindings: new Map(), boots: new Map() },
      },
    );
    const fix = diagnosis.findings.flatMap((finding) => finding.fix).join();
    expect(fix).to.include('type "dock-1" as account').and.not.include('account set other');
  });
});

describe('an account of several docks', () => {
  it('is found by each of them, once', () => {
    const listing = (name: string, gateways: string[]): Account => {
      return { ...ACCOUNT, name, scope: { kind: 'gateways', gateways } };
    };
    const any: Account = { ...ACCOUNT, name: 'any', scope: { kind: 'any-gateway' } };
    const listings = indexBySn([listing('a', ['SN1', 'SN2', 'SN1']), any, listing('b', ['SN2'])]);
    const of = (sn: string) => listingAccounts({ listings, sn });
    expect([of('SN1'), of('SN2'), of('SN3')]).to.deep.equal([['a'], ['a', 'b'], []]);
  });

  it('is told to keep the SNs that it lists when another is added', () => {
    const scope = { kind: 'gateways' as const, gateways: ['SN1', 'SN2'] };
    const story = new Story();
    story.add('request', { own: false, outcome: 'dropped', reason: 'not_in_scope' });
    const [finding] = story.diagnose({ accounts: new Map([['dock-1', { ...ACCOUNT, scope }]]) }).findings;
    expect(finding?.fix.join('\n')).to.include(`dockhook account set dock-1 --gateway SN1 SN2 ${SN}`);
  });
});

describe('an account that is typed into a second dock, too', () => {
  const OTHER = '7CTDTEST00001A';
  const both = `dockhook account set dock-1 --gateway ${SN} ${OTHER}`;
  const comes = (story: Story): Story =>
    story.add('connected', { clientId: OTHER, details: { peerPort: 2 } }).add('authorize', {
      ...{ gateway: OTHER, own: false, clientId: OTHER, outcome: 'refused', reason: 'not_in_scope' },
      details: { action: 'subscribe', topic: `thing/product/${OTHER}/requests_reply` },
    });

  it('does not stop the first, and is not told to drop it', () => {
    const diagnosis = comes(new Story().connect().request('config')).diagnose();
    expect(codes(diagnosis)).to.deep.equal(['online', 'account_shared']);
    expect(diagnosis.findings[0]?.fix).to.include(`if ${OTHER} is right: ${both}`);
  });
  it('is a mistyped SN of the account if the dock itself never came', () => {
    const [finding] = comes(new Story()).diagnose(UNBOUND).findings;
    expect(finding?.code).to.equal('sn_not_in_account');
    expect(finding?.fix.join('\n')).to.include(`--gateway ${OTHER}`).and.not.include(both);
  });
  it('is told to keep a bound dock, seen from the second', () => {
    const story = new Story().add('request', {
      ...{ gateway: OTHER, own: false, outcome: 'dropped', reason: 'not_in_scope' },
    });
    expect(story.diagnose({ sn: OTHER }).findings[0]?.fix.join('\n')).to.include(both);
  });
});

describe('a dock and its broker', () => {
  describe('that comes and goes is told', () => {
    const storm = (story: Story, times: number, everyMs: number, detail?: string): Story => {
      for (let port = 1; port <= times; port += 1)
        story
          .connect(port)
          .disconnect(detail, port)
          .wait(everyMs - 3000);
      return story;
    };

    it('from one that connects and asks for nothing: 8 times in half a minute, let in each time', () => {
      const diagnosis = storm(new Story(), 8, 4000).diagnose(UNBOUND);
      expect(codes(diagnosis)).to.deep.equal(['unstable', 'reconnects']);
      expect(diagnosis.findings[0]?.what).to.include(
        'at least 8 within 28 s (tcp_closed), the last from 192.0.2.1',
      );
    });

    it('also if the recorder joined some of its entries, if it says goodbye, and if it is back since a moment', () => {
      const joined = new Story()
        .connect()
        .add('disconnected', { count: 9, details: { detail: 'ssl_closed' } });
      expect(joined.diagnose(UNBOUND).state).to.equal('unstable');
      const polite = storm(new Story(), 5, 5000, 'normal').diagnose();
      expect(polite.findings[0]?.fix.join()).to.include('test tool in a loop');
      expect(storm(new Story(), 5, 5000).connect(6).wait(20_000).diagnose().state).to.equal('unstable');
    });

    it('whose link falls silent again and again', () => {
      const silent = storm(new Story(), 3, 8 * 60_000, 'keepalive_timeout').diagnose();
      expect(codes(silent)).to.deep.equal(['unstable', 'reconnects']);
      expect(silent.findings[0]?.fix[0]).to.include('falls silent');
    });

    it('and not one that was restarted, has recovered, was kicked, or refuses its license', () => {
      expect(storm(new Story(), 2, 5000).diagnose().state).to.equal('offline');
      expect(storm(new Story(), 4, 5000, 'normal').diagnose().state).to.equal('offline');
      expect(storm(new Story(), 3, 8 * 60_000).diagnose().state).to.equal('offline');
      expect(storm(new Story(), 9, 4000).connect(10).wait(61_000).diagnose().state).to.equal('online');
      expect(
        storm(new Story(), 9, 4000)
          .wait(11 * 60_000)
          .diagnose().state,
      ).to.equal('offline');
      expect(storm(new Story(), 9, 4000, 'kicked').diagnose().state).to.equal('offline');
      const license = new Story();
      for (let port = 1; port <= 6; port += 1)
        license.connect(port).request('config').disconnect('tcp_closed', port);
      expect(codes(license.diagnose(UNBOUND))).to.deep.equal(['stopped at config', 'license_refused']);
    });
  });

  it('keeps a topic of somebody else that the dock asked for, as a hint, while that session lasts', () => {
    const story = new Story().connect().add('authorize', {
      ...{ own: false, gateway: '7CTDTEST00000B', outcome: 'refused', reason: 'not_in_scope' },
      details: { topic: 'thing/product/7CTDTEST00000B/osd', action: 'subscribe' },
    });
    story.request('airport_bind_status');
    const [hint, ...others] = story.diagnose().findings;
    expect(others).to.deep.equal([]);
    expect([hint?.code, hint?.level]).to.deep.equal(['foreign_topic', 'warning']);
    expect(hint?.what).to.include('subscribe thing/product/7CTDTEST00000B/osd');
    expect(codes(story.disconnect().connect(2).request('config').diagnose())).to.deep.equal(['online']);
  });

  it('does not send a dock that never came to tcp:// alone', () => {
    const [finding] = new Story().diagnose(UNBOUND).findings;
    expect(finding?.fix.join()).to.match(/tcp:\/\/.*ssl:\/\//);
  });

  describe('that EMQX bans is told so', () => {
    const ban = (as: string, who: string, by = 'mgmt_api'): Ban => ({
      as,
      who,
      by,
      until: undefined,
      reason: 'r',
    });
    const seen = (): Story => new Story().connect().request('airport_bind_status').disconnect();
    for (const [as, who] of [
      ['clientid', SN],
      ['clientid', `drc-${SN}`],
      ['clientid', `dock-1|${SN}`],
      ['clientid_re', String.raw`^dock-1\|`],
      ['username', 'dock-1'],
      ['peerhost', HOME],
      ['clientid_re', '^7CTDTEST'],
      ['username_re', 'dock-[0-9]'],
      ['peerhost_net', '192.0.2.0/24'],
    ] as const) {
      it(`by ${as} ${who}`, () => {
        const [finding] = seen().diagnose({ bans: [ban(as, who)] }).findings;
        expect([finding?.code, finding?.state]).to.deep.equal(['banned_by_emqx', 'refused']);
        expect(finding?.what).to.include(who).and.include('for ever').and.include('mgmt_api');
        expect(finding?.fix[0]).to.include(`DELETE /api/v5/banned/${as}/${encodeURIComponent(who)}`);
      });
    }

    it('also of a dock that never came, and with its end', () => {
      const until = START + 3_600_000;
      const bans = [{ ...ban('clientid', SN, 'flapping detector'), until }];
      const [finding, ...more] = new Story().diagnose({ bans }).findings;
      expect(more).to.deep.equal([]);
      expect(finding?.brief).to.equal(`banned by EMQX until ${new Date(until).toLocaleString('sv-SE')}`);
      expect(finding?.fix[1]).to.include('flapping_detect');
    });

    it('and takes no other ban for its own', () => {
      const bans = [
        ...[
          ban('clientid', `${SN}X`),
          ban('clientid', 'dock-1|other'),
          ban('username', 'dock-10'),
          ban('peerhost', '192.0.2.10'),
        ],
        ...[ban('clientid_re', '(['), ban('peerhost_net', '10.0.0.0/8'), ban('peerhost_net', 'nonsense')],
      ];
      expect(codes(seen().diagnose({ bans }))).to.deep.equal(['offline', 'offline']);
    });

    it('and not while it is connected', () => {
      const bans = [ban('username', 'dock-1')];
      expect(new Story().connect().request('config').diagnose({ bans }).state).to.equal('online');
    });
  });
});

describe('a start of the broker', () => {
  const NODE = 'emqx@a';
  const story = (): Story =>
    new Story()
      .add('authenticate')
      .add('connected', { details: { peerPort: 1, node: NODE } })
      .request('config');
  const booted = (at: number, node = NODE) => ({ boots: new Map([[node, [at]]]) });

  it('ends the sessions that the node had, though it reported no end of them', () => {
    const before = story();
    const diagnosis = before.diagnose(booted(before.now + 5000));
    expect(codes(diagnosis)).to.deep.equal(['offline', 'offline']);
    expect(diagnosis).to.include({ isConnected: false, since: before.now + 5000 });
    expect(diagnosis.findings[0]?.brief).to.include('started again');
  });

  it('tells since when of the first start after it, of many', () => {
    const before = story();
    const boots = new Map([[NODE, [START - 1, before.now + 5000, before.now + 90_000]]]);
    expect(before.diagnose({ boots }).since).to.equal(before.now + 5000);
  });

  for (const [what, at] of [
    ['an earlier one', START],
    ['one after which the dock was heard again', START + 2500],
  ] as const) {
    it(`ends nothing: ${what}`, () => {
      expect(story().diagnose(booted(at))).to.include({ state: 'online', isConnected: true });
    });
  }

  it('ends nothing on another node', () => {
    const before = story();
    expect(before.diagnose(booted(before.now + 5000, 'emqx@b'))).to.include({ isConnected: true });
  });

  it('ends the old session, and not the new one', () => {
    const back = story().wait(10_000);
    const boot = back.now;
    back.add('connected', { details: { peerPort: 2, node: NODE } });
    expect(back.diagnose(booted(boot))).to.include({ state: 'online', isConnected: true });
  });

  it('ends one of two sessions, if the other is on another node', () => {
    const both = story().add('connected', { clientId: 'drc', details: { peerPort: 2, node: 'emqx@b' } });
    const diagnosis = both.diagnose(booted(both.now + 1000));
    expect(diagnosis.isConnected).to.equal(true);
    expect(diagnosis.session?.clientId).to.equal('drc');
  });
});
