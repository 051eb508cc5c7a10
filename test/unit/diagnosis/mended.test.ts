/** Findings are drawn from the records as they are now: what was mended since is no finding any more. */
import { expect } from 'chai';
import type { DockFacts } from '../../../src/diagnosis/facts.js';
import type { Account, Binding } from '../../../src/stores/types.js';
import { ACCOUNT, BINDING, codes, SN, START, Story, UNBOUND } from '../../support/story.js';

const DRONE = '1581FTEST000000010CC';
const OTHER = '7CTDTEST00001A';
const MENDED = ['refused', 'mended'];
type Facts = Partial<DockFacts>;
const accounts = (...list: Account[]): Facts => ({ accounts: new Map(list.map((one) => [one.name, one])) });
const bindings = (...list: Binding[]): Facts => ({ bindings: new Map(list.map((one) => [one.sn, one])) });
const listing = (name: string, ...gateways: string[]): Account => ({
  ...ACCOUNT,
  name,
  scope: { kind: 'gateways', gateways },
});
const service: Account = {
  ...ACCOUNT,
  name: 'backend',
  scope: { kind: 'service', publish: [], subscribe: [], clientIds: [SN] },
};

describe('after the mend', () => {
  const table: [
    what: string,
    story: () => Story,
    before: Facts,
    expected: string[],
    after: Facts,
    then: string[],
  ][] = [
    [
      'an account that did not exist was added',
      () => new Story().refuse(undefined, 'unknown_account'),
      accounts(),
      ['refused', 'unknown_account'],
      accounts(ACCOUNT),
      MENDED,
    ],
    [
      'an account was enabled',
      () => new Story().refuse(undefined, 'disabled'),
      accounts({ ...ACCOUNT, disabled: true }),
      ['refused', 'disabled'],
      accounts(ACCOUNT),
      MENDED,
    ],
    [
      'an account was extended',
      () => new Story().refuse(undefined, 'expired'),
      accounts({ ...ACCOUNT, expiresAt: new Date(START).toISOString() }),
      ['refused', 'expired'],
      accounts(ACCOUNT),
      MENDED,
    ],
    [
      'an account asks for no certificate any more',
      () => new Story().refuse(undefined, 'wrong_certificate'),
      accounts({ ...ACCOUNT, certificateCn: 'dock' }),
      ['refused', 'wrong_certificate'],
      accounts(ACCOUNT),
      MENDED,
    ],
    [
      'a client id is kept for nobody any more',
      () => new Story().refuse(undefined, 'kept_client_id'),
      accounts(ACCOUNT, service),
      ['refused', 'kept_client_id'],
      accounts(ACCOUNT),
      MENDED,
    ],
    [
      'no other account lists the dock any more',
      () => new Story().refuse(undefined, 'foreign_gateway'),
      { ...UNBOUND, ...accounts({ ...ACCOUNT, scope: { kind: 'client-id' } }, listing('other', SN)) },
      ['refused', 'foreign_gateway'],
      { ...UNBOUND, ...accounts({ ...ACCOUNT, scope: { kind: 'client-id' } }) },
      MENDED,
    ],
    [
      'the account lists the SN',
      () =>
        new Story().add('request', {
          ...{ own: false, outcome: 'dropped', reason: 'not_in_scope', clientId: 'odd' },
          details: { topic: `thing/product/${SN}/requests` },
        }),
      { ...UNBOUND, ...accounts(listing('dock-1', OTHER)) },
      ['stopped at connect', 'sn_not_in_account'],
      { ...UNBOUND, ...accounts(listing('dock-1', OTHER, SN)) },
      ['never seen', 'never_seen'],
    ],
    [
      'the account that named the dock was removed',
      () =>
        new Story()
          .walk()
          .refuseTopic(`thing/product/${SN}/osd`, 'publish', { account: 'other', clientId: 'x' }),
      accounts(ACCOUNT, listing('other', OTHER)),
      ['online', 'named_by_another'],
      accounts(ACCOUNT),
      ['online'],
    ],
    [
      'the drone was bound to the organization of the dock',
      () =>
        new Story()
          .walk()
          .refuseTopic(`thing/product/${DRONE}/osd`, 'publish', { reason: 'foreign_organization' }),
      bindings(BINDING, { ...BINDING, sn: DRONE, organizationId: 'south', gateway: OTHER }),
      ['online', 'drone_of_another'],
      bindings(BINDING, { ...BINDING, sn: DRONE, gateway: OTHER }),
      ['online'],
    ],
    [
      'the drone is listed as a gateway no more',
      () =>
        new Story()
          .walk()
          .refuseTopic(`thing/product/${DRONE}/osd`, 'publish', { reason: 'foreign_gateway' }),
      accounts(ACCOUNT, listing('other', DRONE)),
      ['online', 'drone_of_another'],
      accounts(ACCOUNT),
      ['online'],
    ],
    [
      'the license was changed',
      () => new Story().connect().request('config', { license: 'aaaaaaaa' }).disconnect(),
      { ...UNBOUND, licenseMark: 'aaaaaaaa' },
      ['stopped at config', 'license_refused'],
      { ...UNBOUND, licenseMark: 'bbbbbbbb' },
      ['stopped at config', 'mended'],
    ],
    [
      'the device was bound through another server',
      () =>
        new Story()
          .walk()
          .add('bind', { outcome: 'faulty', reason: 'store_unavailable', details: { sn: SN } }),
      UNBOUND,
      ['not bound', 'store_unavailable'],
      bindings({ ...BINDING, boundAt: new Date(START + 3_600_000).toISOString() }),
      ['online'],
    ],
    [
      'the device is no other gateway any more',
      () =>
        new Story()
          .walk()
          .add('bind', { outcome: 'faulty', reason: 'another_gateway', details: { sn: DRONE } }),
      accounts(ACCOUNT, listing('other', DRONE)),
      ['online', 'another_gateway'],
      accounts(ACCOUNT),
      ['online'],
    ],
    [
      'a ban was lifted',
      () => new Story().walk().disconnect('normal'),
      { bans: [{ as: 'clientid', who: SN, by: 'x', reason: '', until: undefined }] },
      ['refused', 'banned_by_emqx'],
      { bans: [] },
      ['offline', 'offline'],
    ],
  ];
  for (const [what, story, before, expected, after, then] of table) {
    it(`that ${what}, its finding is gone`, () => {
      expect(codes(story().diagnose(before)), 'before').to.deep.equal(expected);
      expect(codes(story().diagnose(after)), 'after').to.deep.equal(then);
    });
  }

  it('a stranger who was refused for an account that exists by now makes no dock wait', () => {
    const story = new Story().walk().disconnect('normal').refuse('198.51.100.7', 'unknown_account');
    expect(codes(story.diagnose())).to.deep.equal(['offline', 'offline']);
  });

  it('too many wrong codes are not to be waited for any longer', () => {
    const story = new Story()
      .walk()
      .add('bind', { outcome: 'faulty', reason: 'too_many_wrong_codes', details: { sn: SN } });
    const fixes = (): string => story.diagnose(UNBOUND).findings[0]?.fix.join() ?? '';
    expect(fixes()).to.include('wait a minute');
    story.wait(61_000);
    expect(fixes()).to.include('type organization id').and.not.include('wait');
  });
});
