import { expect } from 'chai';
import {
  droneSubscriptions,
  isOwnGateway,
  judge,
  ownGateways,
  type Judgement,
} from '../../../src/access/topic-rules.js';
import type { Action } from '../../../src/hooks.js';
import type { Scope } from '../../../src/stores/types.js';

const OWN = '7CTDTEST00000A';
const OTHER = '7CTDTEST00000B';
const DRONE = '1581FTEST000000000AA';

/** Every topic of DJI's "Topic definition", and who sends on it. */
const DOCK_PUBLISHES = [
  `sys/product/${OWN}/status`,
  `thing/product/${OWN}/osd`,
  `thing/product/${OWN}/state`,
  `thing/product/${OWN}/services_reply`,
  `thing/product/${OWN}/events`,
  `thing/product/${OWN}/requests`,
  `thing/product/${OWN}/property/set_reply`,
  `thing/product/${OWN}/drc/up`,
  // Seen with a remote controller, and what firmware may bring.
  `thing/product/${OWN}/status`,
  `thing/product/${OWN}/network/probe`,
  `thing/product/${OWN}/some/new/topic`,
];
const CLOUD_PUBLISHES = [
  `sys/product/${OWN}/status_reply`,
  `thing/product/${OWN}/state_reply`,
  `thing/product/${OWN}/services`,
  `thing/product/${OWN}/events_reply`,
  `thing/product/${OWN}/requests_reply`,
  `thing/product/${OWN}/property/set`,
  `thing/product/${OWN}/drc/down`,
];

/** What is granted under an own SN: at once, or if nobody lists the SN that the client id claims. */
const own = (scope: Scope): Judgement => (scope.kind === 'client-id' ? { as: 'client-id', sn: OWN } : 'yes');

const scopes: { name: string; scope: Scope; clientId: string }[] = [
  { name: 'a list of SNs', scope: { kind: 'gateways', gateways: [OWN] }, clientId: 'anything' },
  { name: 'a list of several SNs', scope: { kind: 'gateways', gateways: ['X1', OWN] }, clientId: 'anything' },
  { name: 'the client id', scope: { kind: 'client-id' }, clientId: OWN },
  { name: 'a prefixed client id (second DRC session)', scope: { kind: 'client-id' }, clientId: `drc-${OWN}` },
  {
    name: 'a client id with a time behind the SN',
    scope: { kind: 'client-id' },
    clientId: `${OWN}-1700000000000`,
  },
];

describe('judge: what a scope allows on a topic', () => {
  for (const { name, scope, clientId } of [
    ...scopes,
    { name: 'any gateway', scope: { kind: 'any-gateway' } satisfies Scope, clientId: 'anything' },
  ]) {
    describe(`a dock with ${name}`, () => {
      for (const topic of DOCK_PUBLISHES) {
        it(`may publish ${topic}`, () => {
          expect(judge(scope, clientId, 'publish', topic)).to.deep.equal(own(scope));
        });
      }
      for (const topic of CLOUD_PUBLISHES) {
        it(`may subscribe but not publish ${topic}`, () => {
          expect(judge(scope, clientId, 'subscribe', topic)).to.deep.equal(own(scope));
          expect(judge(scope, clientId, 'publish', topic)).to.equal('no');
        });
      }
      for (const filter of [`thing/product/${OWN}/#`, `thing/product/${OWN}/+`, `sys/product/${OWN}/+/x`]) {
        it(`may subscribe ${filter}`, () => {
          expect(judge(scope, clientId, 'subscribe', filter)).to.deep.equal(own(scope));
        });
      }
    });
  }

  for (const { name, scope, clientId } of scopes) {
    describe(`a dock with ${name}, under another SN`, () => {
      for (const topic of ['osd', 'state', 'events']) {
        it(`asks about the drone to publish its ${topic}`, () => {
          const answer: Judgement = { as: 'drone', sn: DRONE };
          expect(judge(scope, clientId, 'publish', `thing/product/${DRONE}/${topic}`)).to.deep.equal(answer);
          expect(judge(scope, clientId, 'subscribe', `thing/product/${DRONE}/${topic}`)).to.equal('no');
        });
      }
      for (const topic of ['state_reply', 'events_reply']) {
        it(`asks about the drone to subscribe its ${topic}`, () => {
          const answer: Judgement = { as: 'drone', sn: DRONE };
          expect(judge(scope, clientId, 'subscribe', `thing/product/${DRONE}/${topic}`)).to.deep.equal(
            answer,
          );
          expect(judge(scope, clientId, 'publish', `thing/product/${DRONE}/${topic}`)).to.equal('no');
        });
      }
      for (const [action, topic] of [
        ['subscribe', 'services'],
        ['subscribe', 'property/set'],
        ['publish', 'services_reply'],
        ['publish', 'property/set_reply'],
      ] as const) {
        it(`asks whether the drone is bound to ${action} its ${topic}`, () => {
          const answer: Judgement = { as: 'bound drone', sn: DRONE };
          const other = action === 'publish' ? 'subscribe' : 'publish';
          expect(judge(scope, clientId, action, `thing/product/${DRONE}/${topic}`)).to.deep.equal(answer);
          expect(judge(scope, clientId, other, `thing/product/${DRONE}/${topic}`)).to.equal('no');
        });
      }
      const refused: [Action, string][] = [
        ['publish', `thing/product/${OTHER}/requests`],
        ['publish', `thing/product/${OTHER}/services`],
        ['publish', `thing/product/${OTHER}/requests_reply`],
        ['publish', `sys/product/${OTHER}/status`],
        ['publish', `sys/product/${OTHER}/osd`],
        ['subscribe', `thing/product/${OTHER}/requests_reply`],
        ['subscribe', `sys/product/${OTHER}/services`],
        ['publish', `sys/product/${OTHER}/services_reply`],
        ['subscribe', `thing/product/${OTHER}/services_reply`],
        ['subscribe', `thing/product/${OTHER}/drc/down`],
        ['subscribe', `thing/product/${OTHER}/property/+`],
        ['subscribe', `thing/product/${OTHER}/property/#`],
        ['subscribe', `$share/g/thing/product/${OTHER}/services`],
        ['subscribe', `thing/product/${OTHER}/#`],
        ['subscribe', `thing/product/${OTHER}/+`],
      ];
      for (const [action, topic] of refused) {
        it(`may not ${action} ${topic}`, () => {
          expect(judge(scope, clientId, action, topic)).to.equal('no');
        });
      }
    });
  }

  describe('an attacker with a good dock account', () => {
    const filters = [
      '#',
      '+/#',
      '+/+/+/+',
      'thing/#',
      'thing/product/#',
      'thing/product/+/requests_reply',
      'thing/product/+/services',
      `+/product/${OWN}/services`,
      `thing/+/${OWN}/services`,
      'sys/product/+/status_reply',
      '$SYS/#',
      '$SYS/brokers',
      `$share/g/thing/product/${OWN}/services`,
      `$share/g/thing/product/+/services`,
      `$share/g/#`,
      `$queue/thing/product/${OTHER}/services`,
      `$exclusive/thing/product/${OTHER}/services`,
      `$delayed/5/thing/product/${OTHER}/services`,
      `thing/product/${OWN}`,
      `thing/product/${OWN}/`,
      `thing/product//${OWN}/services`,
      `/thing/product/${OWN}/services`,
      `thing//product/${OWN}/services`,
      'thing/product//services',
      `thing/product/${OWN.toLowerCase()}/drc/down`,
      // Cyrillic А for A; full-width 7; a combining mark; a zero-width space; a NUL.
      `thing/product/${OWN.replace('A', '\u0410')}/services`,
      `thing/product/${OWN.replace('7', '\uff17')}/services`,
      `thing/product/${OWN}\u0301/services`,
      `thing/product/${OWN}\u200b/services`,
      `thing/product/${OWN}\0/services`,
      `thing/product/${OWN} /services`,
      `thing/product/${OWN}+/services`,
      '',
      '/',
      'a'.repeat(65_535),
    ];
    for (const { name, scope, clientId } of scopes) {
      for (const filter of filters) {
        it(`with ${name} gets nothing from ${JSON.stringify(filter.slice(0, 60))}`, () => {
          for (const action of ['publish', 'subscribe'] as const) {
            expect(judge(scope, clientId, action, filter), action).to.equal('no');
          }
        });
      }
    }
    it('may not publish with wildcards in the name', () => {
      const scope: Scope = { kind: 'gateways', gateways: [OWN] };
      expect(judge(scope, '', 'publish', `thing/product/${OWN}/#`)).to.equal('no');
      expect(judge(scope, '', 'publish', `thing/product/${OWN}/+`)).to.equal('no');
    });
    it('cannot become another dock by a client id with that SN, if its scope is a list', () => {
      const scope: Scope = { kind: 'gateways', gateways: [OWN] };
      expect(judge(scope, OTHER, 'publish', `thing/product/${OTHER}/requests`)).to.equal('no');
    });
    it('cannot become another dock by a client id that only ends like its SN', () => {
      expect(isOwnGateway({ kind: 'client-id' }, `x${OWN}`, OWN)).to.equal(false);
      expect(isOwnGateway({ kind: 'client-id' }, `${OWN}x-y`, OWN)).to.equal(false);
      expect(isOwnGateway({ kind: 'client-id' }, `drc-${OWN.slice(0, 8)}-1780390153`, OWN)).to.equal(false);
      // No SN of DJI has so many characters.
      expect(isOwnGateway({ kind: 'client-id' }, `drc-${'A1'.repeat(17)}`, 'A1'.repeat(17))).to.equal(false);
    });
    it('becomes neither of two docks that its client id names', () => {
      for (const id of [`${OWN}-${OTHER}`, `${OTHER}_${OWN}`, `drc-${OWN}-x-${OTHER}`]) {
        expect(ownGateways({ kind: 'client-id' }, id), id).to.deep.equal([]);
        for (const sn of [OWN, OTHER])
          expect(isOwnGateway({ kind: 'client-id' }, id, sn), id).to.equal(false);
      }
    });
  });

  describe('a service', () => {
    const scope: Scope = {
      kind: 'service',
      publish: ['thing/product/+/services'],
      subscribe: ['thing/product/#'],
    };
    it('gets what its filters hold, by direction', () => {
      expect(judge(scope, 'c', 'publish', `thing/product/${OWN}/services`)).to.equal('yes');
      expect(judge(scope, 'c', 'publish', `thing/product/${OWN}/requests`)).to.equal('no');
      expect(judge(scope, 'c', 'subscribe', 'thing/product/+/osd')).to.equal('yes');
      expect(judge(scope, 'c', 'subscribe', 'sys/product/+/status')).to.equal('no');
      expect(judge(scope, 'c', 'subscribe', '#')).to.equal('no');
    });
    it('acts as no gateway', () => {
      expect(isOwnGateway(scope, OWN, OWN)).to.equal(false);
      expect(ownGateways(scope, OWN)).to.deep.equal([]);
    });
  });
});

describe('an account of any gateway', () => {
  const scope: Scope = { kind: 'any-gateway' };
  it('may subscribe to what the cloud sends to all gateways, as a bridge in front of docks does', () => {
    for (const topic of CLOUD_PUBLISHES) {
      const filter = topic.replace(OWN, '+');
      expect(judge(scope, 'bridge', 'subscribe', filter), filter).to.equal('yes');
      expect(judge(scope, 'bridge', 'publish', filter), filter).to.equal('no');
    }
  });
  it('may not listen to what all docks send, nor share what a backend gets', () => {
    for (const filter of [
      ...DOCK_PUBLISHES.map((topic) => topic.replace(OWN, '+')),
      'thing/product/+/#',
      'thing/product/+/+',
      'thing/product/#',
      'thing/+/+/requests_reply',
      '+/product/+/requests_reply',
      'thing/product/+/requests_reply/#',
      'thing/product/+/property/+',
      '$share/backend/thing/product/+/requests_reply',
      '#',
    ]) {
      expect(judge(scope, 'bridge', 'subscribe', filter), filter).to.equal('no');
    }
  });
});

describe('ownGateways', () => {
  it('is the one listed SN that the client id names, else the whole list', () => {
    const scope: Scope = { kind: 'gateways', gateways: [OWN, OTHER] };
    expect(ownGateways(scope, OTHER)).to.deep.equal([OTHER]);
    expect(ownGateways(scope, `drc-${OWN}`)).to.deep.equal([OWN]);
    expect(ownGateways(scope, 'mqttjs_1')).to.deep.equal([OWN, OTHER]);
  });
  it('is what the client id names, for the scope of that name', () => {
    expect(ownGateways({ kind: 'client-id' }, `p-${OWN}`)).to.deep.equal([OWN]);
    expect(ownGateways({ kind: 'client-id' }, 'not an sn!')).to.deep.equal([]);
    // Client ids of second (DRC) sessions that clouds hand out.
    for (const id of [
      `${OWN}-1780390153000`,
      `drc-${OWN}`,
      `drc-${OWN}-1780390153000`,
      `drc-${OWN}-x7f`,
      `${OWN}_drc`,
      `a-b-c_${OWN}_d-e-f-g`,
      `${OWN}-${OWN}`,
      `drc-${OWN}-550e8400-e29b-41d4-a716-446655440000`,
    ]) {
      expect(ownGateways({ kind: 'client-id' }, id), id).to.deep.equal([OWN]);
    }
  });
  it('is nothing where a client id holds only a part of an SN, or a word', () => {
    for (const id of [
      `drc-${OWN.slice(0, 8)}-1780390153`,
      'dji-sim-1780390153000',
      'DOCK-SN-001',
      'mqttjs_3be2c321',
    ]) {
      expect(ownGateways({ kind: 'client-id' }, id), id).to.deep.equal([]);
    }
  });
});

describe('droneSubscriptions', () => {
  const scope: Scope = { kind: 'gateways', gateways: [OWN] };

  it('are what a gateway may subscribe to under the SN of a drone, and which of it needs a binding', () => {
    const { all, commands } = droneSubscriptions(OTHER);
    expect(commands.size).to.be.lessThan(all.size);
    for (const topic of all)
      expect(judge(scope, OWN, 'subscribe', topic), topic).to.deep.equal({
        as: commands.has(topic) ? 'bound drone' : 'drone',
        sn: OTHER,
      });
  });
});
