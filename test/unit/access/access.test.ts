import { expect } from 'chai';
import { createAccess, type Access, type AccessOptions } from '../../../src/access/access.js';
import { createPasswordChecks, type PasswordChecks } from '../../../src/access/password-checks.js';
import { hashChosen, hashGenerated } from '../../../src/password-hashes/index.js';
import { storeBudget } from '../../../src/time-limits.js';
import { DockhookError } from '../../../src/errors.js';
import type { AccessEvent } from '../../../src/events.js';
import type { Client } from '../../../src/hooks.js';
import { rememberAccounts } from '../../../src/stores/remembered-stores.js';
import { openFakeStores } from '../../support/fake-stores.js';
import type { Account, Accounts, Stores } from '../../../src/stores/types.js';
import { bindOne } from '../../contract/store-suite.js';

const GATEWAY = '7CTDTEST00000A';
const OTHER_GATEWAY = '7CTDTEST00000B';
const DRONE = '1581FTEST000000000AA';
const NOW = Date.parse('2026-01-01T00:00:00Z');

const client = (username: string, more: Partial<Client> = {}): Client => ({
  clientId: GATEWAY,
  username,
  peerHost: '192.0.2.7',
  peerPort: 40000,
  certificateCn: '',
  node: 'emqx@127.0.0.1',
  ...more,
});

const accessOn = (options: Omit<AccessOptions, 'accounts'> & { accounts: Accounts }): Access =>
  createAccess({ ...options, accounts: rememberAccounts(options.accounts) });

describe('access', () => {
  let stores: Stores;
  let access: Access;
  let passwords: PasswordChecks;
  let events: AccessEvent[];
  /** While set, every read of accounts and bindings fails like this. */
  let fault: DockhookError | undefined;

  const open = (unknownAccounts: 'deny' | 'ignore' = 'deny'): Access => {
    const failing = <T extends object>(store: T): T =>
      new Proxy(store, {
        get: (target, name) =>
          fault ? () => Promise.reject(fault ?? new Error()) : (Reflect.get(target, name) as unknown),
      });
    return accessOn({
      accounts: failing(stores.accounts),
      bindings: failing(stores.bindings),
      passwords,
      unknownAccounts,
      tell: (event) => events.push(event),
      now: () => NOW,
    });
  };

  const add = (name: string, more: Partial<Account> = {}): Promise<void> =>
    stores.accounts.add({
      name,
      passwordHash: hashGenerated('right'),
      scope: { kind: 'gateways', gateways: [GATEWAY] },
      ...more,
    });

  const bind = async (
    sn: string,
    organizationId: string,
    gateway: string,
    account?: string,
  ): Promise<void> => {
    if (!(await stores.organizations.get(organizationId))) {
      await stores.organizations.add({
        id: organizationId,
        name: organizationId,
        bindingCode: `code-${organizationId}`,
      });
    }
    const outcome = await bindOne(stores, {
      sn,
      organizationId,
      gateway,
      callsign: '',
      modelKey: '',
      boundAt: '2026-01-01T00:00:00Z',
      ...(account === undefined ? {} : { account }),
    });
    expect(outcome).to.equal('bound');
  };

  before(async () => {
    passwords = await createPasswordChecks();
  });

  beforeEach(() => {
    stores = openFakeStores();
    events = [];
    fault = undefined;
    access = open();
  });

  describe('authenticate', () => {
    it('lets an account in with its generated or its chosen password', async () => {
      await add('a');
      await add('b', { passwordHash: await hashChosen('right') });
      expect(await access.authenticate(client('a'), 'right')).to.equal(true);
      expect(await access.authenticate(client('b'), 'right')).to.equal(true);
      expect(events.map(({ step, outcome }) => [step, outcome])).to.deep.equal([
        ['authenticate', 'ok'],
        ['authenticate', 'ok'],
      ]);
    });

    const refusals: [
      title: string,
      username: string,
      password: string,
      more: Partial<Client>,
      reason: string,
    ][] = [
      ['no username', '', 'right', {}, 'no_username'],
      ['an unknown account', 'nobody', 'right', {}, 'unknown_account'],
      ['a name in other case', 'A', 'right', {}, 'unknown_account'],
      ['a name with a space after it', 'a ', 'right', {}, 'unknown_account'],
      ['a look-alike name', '\u0430', 'right', {}, 'unknown_account'],
      ['a wrong password', 'a', 'wrong', {}, 'wrong_password'],
      ['a wrong chosen password', 'chosen', 'wrong', {}, 'wrong_password'],
      ['an empty password', 'a', '', {}, 'wrong_password'],
      ['a password in other case', 'a', 'Right', {}, 'wrong_password'],
      ['a disabled account', 'disabled', 'right', {}, 'disabled'],
      ['an expired account', 'expired', 'right', {}, 'expired'],
      ['an account that expires this millisecond', 'expires-now', 'right', {}, 'expired'],
      ['no certificate where one is asked for', 'certified', 'right', {}, 'wrong_certificate'],
      ['another certificate', 'certified', 'right', { certificateCn: 'DOCK-1' }, 'wrong_certificate'],
      [
        'a right certificate with a wrong password',
        'certified',
        'wrong',
        { certificateCn: 'dock-1' },
        'wrong_password',
      ],
      ['a + in the client id', 'a', 'right', { clientId: '+' }, 'unsafe_name'],
      ['a # in the client id', 'a', 'right', { clientId: 'x#' }, 'unsafe_name'],
      ['a / in the client id', 'a', 'right', { clientId: `${GATEWAY}/x` }, 'unsafe_name'],
      ['a NUL in the client id', 'a', 'right', { clientId: 'x\0' }, 'unsafe_name'],
      ['a client id of 256 characters', 'a', 'right', { clientId: 'x'.repeat(256) }, 'unsafe_name'],
      ['a line feed in the username', 'a\n', 'right', {}, 'unsafe_name'],
      ['a # in the username', '#', 'right', {}, 'unsafe_name'],
    ];
    for (const [title, username, password, more, reason] of refusals) {
      it(`refuses ${title}`, async () => {
        await add('a');
        await add('chosen', { passwordHash: await hashChosen('right') });
        await add('disabled', { disabled: true });
        await add('expired', { expiresAt: '2025-12-31T23:59:59Z' });
        await add('expires-now', { expiresAt: '2026-01-01T00:00:00Z' });
        await add('certified', { certificateCn: 'dock-1' });
        expect(await access.authenticate(client(username, more), password)).to.equal(false);
        expect(events).to.have.length(1);
        expect(events[0]).to.include({ step: 'authenticate', outcome: 'refused', reason, account: username });
        expect(JSON.stringify(events)).to.not.include(password === '' ? '"password"' : `"${password}"`);
      });
    }

    it('accepts an account whose certificate and password are right, and one that expires later', async () => {
      await add('certified', { certificateCn: 'dock-1' });
      await add('later', { expiresAt: '2026-01-01T00:00:00.001Z' });
      expect(await access.authenticate(client('certified', { certificateCn: 'dock-1' }), 'right')).to.equal(
        true,
      );
      expect(await access.authenticate(client('later'), 'right')).to.equal(true);
    });

    it('holds every refusal back', async () => {
      await add('a');
      const delay = passwords.checkMs / 2;
      for (const username of ['a', 'nobody', '', '#']) {
        const start = performance.now();
        await access.authenticate(client(username), 'wrong');
        // A lower bound, so no slow machine can break it; half, because timers may be early by a little.
        expect(performance.now() - start, username).to.be.greaterThan(delay);
      }
    });

    it('lets refusals leave in the order of their arrival, whatever they are for and however long that took', async () => {
      await add('known');
      await add('slow');
      await add('endless');
      await add('disabled', { disabled: true });
      const { get } = stores.accounts;
      const accounts: Stores['accounts'] = {
        ...stores.accounts,
        get: async (name) => {
          // As from PostgreSQL, where a known name is answered from memory.
          if (name.startsWith('nobody')) await new Promise((resolve) => setTimeout(resolve, 15));
          return get(name);
        },
      };
      const checks: PasswordChecks = {
        checkMs: 200,
        check: async ({ name }, _password, _host, over) => {
          if (name === 'slow') await new Promise((resolve) => setTimeout(resolve, 60));
          if (name === 'endless') await over();
          return name === 'endless' ? 'overloaded' : 'wrong';
        },
      };
      access = accessOn({
        ...stores,
        accounts,
        passwords: checks,
        unknownAccounts: 'deny',
        tell: (event) => events.push(event),
      });
      const arrivals = ['slow', 'nobody-1', 'known', 'endless', 'nobody-2', '', 'disabled', 'known', '#'];
      const order: string[] = [];
      await Promise.all(
        arrivals.map((username) =>
          access.authenticate(client(username), 'wrong').then(() => order.push(username)),
        ),
      );
      expect(order).to.deep.equal(arrivals);
      // They were decided in another order.
      expect(events.map(({ account }) => account)).to.not.deep.equal(arrivals);
      expect(events.at(-1)).to.include({ account: 'endless', reason: 'overloaded' });
    });

    it('tells an overloaded check as such', async () => {
      await add('a');
      const busy: PasswordChecks = { checkMs: 1, check: async () => 'overloaded' };
      const tell = (event: AccessEvent) => events.push(event);
      access = accessOn({ ...stores, passwords: busy, unknownAccounts: 'deny', tell });
      expect(await access.authenticate(client('a'), 'right')).to.equal(false);
      expect(events[0]).to.include({ reason: 'overloaded' });
    });

    describe('with the client id of a dock', () => {
      beforeEach(async () => {
        await add('victim', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
      });
      const as = (username: string, clientId: string) =>
        access.authenticate(client(username, { clientId }), 'right');

      it('refuses an account that does not act for it: the broker would end the session of the dock', async () => {
        await add('a');
        await add('shared', { scope: { kind: 'client-id' } });
        for (const clientId of [OTHER_GATEWAY, `drc-${OTHER_GATEWAY}`, `${OTHER_GATEWAY}-1700000000000`]) {
          for (const username of ['a', 'shared']) {
            expect(await as(username, clientId), `${username} as ${clientId}`).to.equal(false);
            expect(events.at(-1)).to.include({ reason: 'foreign_gateway' });
          }
          expect(await as('victim', clientId), clientId).to.equal(true);
        }
      });
      it('refuses also if that dock is known by its binding only', async () => {
        await add('a');
        await bind('BOUNDDOCK1', 'north', 'BOUNDDOCK1');
        expect(await as('a', 'BOUNDDOCK1')).to.equal(false);
      });
      it('says so only to who has the password', async () => {
        await add('a');
        expect(await access.authenticate(client('a', { clientId: OTHER_GATEWAY }), 'wrong')).to.equal(false);
        expect(events.at(-1)).to.include({ reason: 'wrong_password' });
      });
      it('takes any other client id, and any for a backend or an account of any gateway', async () => {
        await add('a');
        await add('service', { scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } });
        expect(await as('service', `worker-${OTHER_GATEWAY}`)).to.equal(true);
        await add('any', { scope: { kind: 'any-gateway' } });
        for (const clientId of [GATEWAY, `drc-${GATEWAY}`, 'mqttjs_12ab', 'UNKNOWNSN1', '']) {
          expect(await as('a', clientId), clientId).to.equal(true);
        }
        expect(await as('any', OTHER_GATEWAY)).to.equal(true);
      });
    });

    describe('with a client id that an account keeps', () => {
      const service = (...clientIds: string[]) => ({
        scope: { kind: 'service' as const, publish: ['#'], subscribe: ['#'], clientIds },
      });
      const as = (username: string, clientId: string) =>
        access.authenticate(client(username, { clientId }), 'right');
      beforeEach(async () => {
        await add('backend', service('backend-1', 'backend 2'));
        await add('dock');
        await add('fleet', { scope: { kind: 'client-id' } });
        await add('any', { scope: { kind: 'any-gateway' } });
        await add('other', service('other-1'));
      });

      it('lets in that account alone, whatever the scope of another', async () => {
        for (const clientId of ['backend-1', 'backend 2']) {
          expect(await as('backend', clientId)).to.equal(true);
          for (const username of ['dock', 'fleet', 'any', 'other']) {
            expect(await as(username, clientId), username).to.equal(false);
            expect(events.at(-1)).to.include({ reason: 'kept_client_id' });
          }
        }
        for (const username of ['backend', 'dock', 'fleet', 'any', 'other'])
          expect(await as(username, 'backend-11'), username).to.equal(true);
      });
      it('also if the SN of the dock that comes is a part of it', async () => {
        await add('clumsy', service(`bridge-${GATEWAY}`));
        expect(await as('dock', `bridge-${GATEWAY}`)).to.equal(false);
        expect(await as('dock', `drc-${GATEWAY}-1780390153000`)).to.equal(true);
      });
      it('refuses no dock the SN that its account lists, and asks nothing for it', async () => {
        await add('clumsy', service(GATEWAY));
        const { accounts } = stores;
        const keepsClientId = () => Promise.reject(new Error('asked'));
        access = accessOn({
          ...stores,
          accounts: { ...accounts, keepsClientId },
          passwords,
          unknownAccounts: 'deny',
          tell: () => undefined,
        });
        expect(await as('dock', GATEWAY)).to.equal(true);
      });
      it('says so only to who has the password', async () => {
        expect(await access.authenticate(client('dock', { clientId: 'backend-1' }), 'wrong')).to.equal(false);
        expect(events.at(-1)).to.include({ reason: 'wrong_password' });
      });
    });

    describe('with a client id that claims a gateway (scope client-id)', () => {
      const scope = { kind: 'client-id' } as const;

      it('counts the SNs that nobody knows, and lets those that came and those that are bound come again', async () => {
        await add('shared', { scope });
        await add('other', { scope });
        await bind(GATEWAY, 'north', GATEWAY, 'shared');
        const enter = (clientId: string, name = 'shared') =>
          access.authenticate(client(name, { clientId }), 'right');
        for (let index = 0; index < 10_000; index += 1) {
          expect(await enter(`INVENTED${index}`)).to.equal(true);
        }
        expect(await enter('INVENTED10000')).to.equal(false);
        expect(events.at(-1)).to.include({ outcome: 'refused', reason: 'too_many_gateways' });
        for (const known of ['INVENTED0', 'INVENTED9999', GATEWAY, `${GATEWAY}-1780390153000`]) {
          expect(await enter(known), known).to.equal(true);
        }
        expect(await enter('INVENTED10000', 'other'), 'of another account').to.equal(true);
        // A client id of several parts may name many things: what it acts as is counted.
        const invented = client('shared', { clientId: 'INVENTED10000-INVENTED10001' });
        expect(await access.authorize(invented, 'subscribe', 'thing/product/INVENTED10001/osd')).to.equal(
          false,
        );
        const second = client('shared', { clientId: `${GATEWAY}-1780390153000` });
        expect(await access.authorize(second, 'subscribe', `thing/product/${GATEWAY}/drc/down`)).to.equal(
          true,
        );
      });
      beforeEach(async () => {
        await add('fleet', { scope });
        await add('other-fleet', { scope });
      });
      /** In all places where a claim counts: connect, subscribe, publish a request. */
      const mayBe = async (username: string, sn: string): Promise<boolean> => {
        const connects = await access.authenticate(client(username, { clientId: sn }), 'right');
        const topic = `thing/product/${sn}/services`;
        const subscribes = await access.authorize(client(username, { clientId: sn }), 'subscribe', topic);
        const asks = await access.identifyPublisher({ account: username, clientId: sn }, sn, storeBudget());
        expect([subscribes, asks === 'dock'], `${username} as ${sn}`).to.deep.equal([connects, connects]);
        return connects === true;
      };

      it('takes one that nobody has, and its own after it was bound', async () => {
        expect(await mayBe('fleet', 'FREESN1')).to.equal(true);
        await bind('FREESN1', 'north', 'FREESN1', 'fleet');
        await bind('DRONE1', 'north', 'FREESN1', 'fleet');
        expect(await mayBe('fleet', 'FREESN1')).to.equal(true);
        expect(await mayBe('fleet', 'FREESN1')).to.equal(true);
      });
      it('refuses one that another account bound, as gateway or through one', async () => {
        await bind('THEIRDOCK', 'north', 'THEIRDOCK', 'other-fleet');
        await bind('THEIRDRONE', 'north', 'THEIRDOCK', 'other-fleet');
        for (const sn of ['THEIRDOCK', 'THEIRDRONE']) {
          expect(await mayBe('fleet', sn), sn).to.equal(false);
          expect(await mayBe('other-fleet', sn), sn).to.equal(true);
        }
        await add('any', { scope: { kind: 'any-gateway' } });
        await bind('ANYDOCK', 'north', 'ANYDOCK', 'any');
        expect(await mayBe('fleet', 'ANYDOCK')).to.equal(false);
      });
      it('refuses the drone of a dock that an account lists, whoever bound it', async () => {
        await add('listed', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
        await bind('DRONE1', 'north', OTHER_GATEWAY, 'listed');
        await bind('DRONE2', 'north', OTHER_GATEWAY);
        await bind('DRONE3', 'north', OTHER_GATEWAY, 'fleet');
        for (const sn of ['DRONE1', 'DRONE2', 'DRONE3']) expect(await mayBe('fleet', sn), sn).to.equal(false);
      });
      it('refuses the drone of a dock that another account has bound since', async () => {
        await bind('DRONE1', 'north', 'DOCKX', 'fleet');
        await bind('DOCKX', 'north', 'DOCKX', 'other-fleet');
        expect(await mayBe('fleet', 'DRONE1')).to.equal(false);
      });
      it('takes what an account bound that is gone or has got a list without it, and not of one that is disabled or expired', async () => {
        for (const name of ['removed', 'disabled', 'expired', 'listing']) {
          await add(name, { scope });
          await bind(`DOCK${name}`, 'north', `DOCK${name}`, name);
          expect(await mayBe('fleet', `DOCK${name}`), name).to.equal(false);
        }
        await stores.accounts.remove('removed');
        await stores.accounts.update('disabled', (account) => ({ ...account, disabled: true }));
        await stores.accounts.update('expired', (account) => ({
          ...account,
          expiresAt: '2025-01-01T00:00:00Z',
        }));
        await stores.accounts.update('listing', (account) => ({
          ...account,
          scope: { kind: 'gateways', gateways: ['ANOTHER'] },
        }));
        for (const name of ['removed', 'listing'])
          expect(await mayBe('fleet', `DOCK${name}`), name).to.equal(true);
        for (const name of ['disabled', 'expired'])
          expect(await mayBe('fleet', `DOCK${name}`), name).to.equal(false);
      });
      it('takes docks that were bound before accounts were recorded: no fleet is shut out by an upgrade', async () => {
        await bind('OLDDOCK', 'north', 'OLDDOCK');
        await bind('OLDDRONE', 'north', 'OLDDOCK');
        expect(await mayBe('fleet', 'OLDDOCK')).to.equal(true);
      });
      it('looks at every part of the id that may be one', async () => {
        await bind('THEIRDOCK1', 'north', 'THEIRDOCK1', 'other-fleet');
        for (const clientId of ['drc-THEIRDOCK1-1780390153000', 'THEIRDOCK1_drc', 'a_b-c-d-THEIRDOCK1-e-f']) {
          expect(await access.authenticate(client('fleet', { clientId }), 'right'), clientId).to.equal(false);
          expect(await access.authenticate(client('other-fleet', { clientId }), 'right'), clientId).to.equal(
            true,
          );
        }
      });
      it('refuses one that names two SNs, but not to an account that lists its docks', async () => {
        await add('dock', { scope: { kind: 'gateways', gateways: ['FREESN1234'] } });
        await add('any', { scope: { kind: 'any-gateway' } });
        await add('backend', { scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } });
        const enter = async (name: string, clientId: string) =>
          (await access.authenticate(client(name, { clientId }), 'right')) === true
            ? true
            : events.at(-1)?.reason;
        for (const clientId of ['FREESN1234-FREESN5678', 'drc_FREESN1234-1780390153000-FREESN5678']) {
          expect(await enter('fleet', clientId), clientId).to.equal('ambiguous_client_id');
          for (const name of ['dock', 'any', 'backend'])
            expect(await enter(name, clientId), name).to.equal(true);
        }
        for (const clientId of ['FREESN1234-FREESN5678-FREESN9012', 'edge-7f9c6d5b8d12-0a1b2c3d4e5f'])
          expect(await enter('dock', clientId), clientId).to.equal(true);
        await add('other', { scope: { kind: 'gateways', gateways: ['FREESN5678'] } });
        for (const clientId of ['FREESN1234-FREESN5678', 'edge-7f9c6d5b8d12-FREESN5678'])
          expect(await enter('dock', clientId), clientId).to.equal('foreign_gateway');
        expect(await enter('fleet', 'FREESN0000-FREESN0000'), 'one SN twice').to.equal(true);
      });
      it('takes no word in a client id for an SN, though somebody bound a device of that name', async () => {
        await bind('drc', 'north', 'drc', 'other-fleet');
        await bind('1780390153000', 'north', 'drc', 'other-fleet');
        await add('dock', { scope: { kind: 'gateways', gateways: [GATEWAY] } });
        await bind('FREESN1234', 'north', 'FREESN1234', 'fleet');
        for (const [name, sn] of [
          ['dock', GATEWAY],
          ['fleet', 'FREESN1234'],
        ] as const) {
          for (const clientId of [`drc-${sn}`, `${sn}_drc`, `drc-${sn}-1780390153000`]) {
            expect(await access.authenticate(client(name, { clientId }), 'right'), clientId).to.equal(true);
          }
        }
      });
      it('asks for listings and bindings at the same time, and for nothing else if the SN is free', async () => {
        const asked: string[] = [];
        let bothAsked: () => void = () => undefined;
        const both = new Promise<void>((resolve) => (bothAsked = resolve));
        // Neither is answered before the other was asked.
        const answer = async <T>(what: string, value: T): Promise<T> => {
          if (asked.push(what) === 2) bothAsked();
          await both;
          return value;
        };
        access = accessOn({
          accounts: { ...stores.accounts, listsGateway: () => answer('listings', false) },
          bindings: { ...stores.bindings, getMany: () => answer('bindings', new Map()) },
          passwords,
          unknownAccounts: 'deny',
          tell: () => undefined,
        });
        expect(await access.authenticate(client('fleet', { clientId: 'FREESN1' }), 'right')).to.equal(true);
        expect(asked).to.have.members(['listings', 'bindings']);
      });
    });

    it('refuses a client id with the separator of account and id in it', async () => {
      await add('a');
      for (const clientId of ['b|SN', '|', 'a|SN']) {
        expect(await access.authenticate(client('a', { clientId }), 'right'), clientId).to.equal(false);
        expect(events.at(-1)).to.include({ reason: 'unsafe_name' });
      }
    });

    it('holds back a refusal also if the store fails after the account was read', async () => {
      await add('a', { scope: { kind: 'gateways', gateways: [GATEWAY] } });
      const failing = {
        ...stores.bindings,
        get: () => Promise.reject(new DockhookError('store_unavailable', 'x')),
      };
      const tell = (event: AccessEvent) => events.push(event);
      access = accessOn({ ...stores, bindings: failing, passwords, unknownAccounts: 'deny', tell });
      const start = performance.now();
      expect(await access.authenticate(client('a', { clientId: OTHER_GATEWAY }), 'right')).to.equal(false);
      expect(events[0]).to.include({ reason: 'store_unavailable' });
      expect(performance.now() - start).to.be.greaterThan(passwords.checkMs / 2);
    });

    it('refuses while the store is away, even who was let in before', async () => {
      await add('a');
      expect(await access.authenticate(client('a'), 'right')).to.equal(true);
      fault = new DockhookError('store_unavailable', 'no answer');
      expect(await access.authenticate(client('a'), 'right')).to.equal(false);
      expect(events.at(-1)).to.include({ reason: 'store_unavailable', detail: 'no answer' });
    });

    it('marks refusals beyond a hundred from one place as repeated, and still lets in who is right', async () => {
      await Promise.all(
        Array.from({ length: 101 }, (_, i) => access.authenticate(client(`nobody-${i}`), 'x')),
      );
      expect(events.filter(({ repeated }) => repeated)).to.have.length(1);
      await access.authenticate(client('nobody', { peerHost: '192.0.2.8' }), 'x');
      expect(events.at(-1)).to.not.have.property('repeated');
      await add('a');
      expect(await access.authenticate(client('a'), 'right'), 'a dock behind that address').to.equal(true);
    });

    it('leaves unknown accounts to the broker if told to, and only those', async () => {
      await add('a');
      access = open('ignore');
      expect(await access.authenticate(client('nobody'), 'x')).to.equal('ignore');
      expect(await access.authenticate(client('a'), 'wrong')).to.equal(false);
      expect(await access.authenticate(client(''), 'x')).to.equal(false);
      fault = new DockhookError('store_unavailable', 'down');
      expect(await access.authenticate(client('nobody'), 'x')).to.equal(false);
    });
  });

  describe('authorize', () => {
    const requests = `thing/product/${GATEWAY}/requests`;
    const droneOsd = `thing/product/${DRONE}/osd`;

    it('grants what the scope holds and tells of what it does not', async () => {
      await add('a');
      expect(await access.authorize(client('a'), 'publish', requests)).to.equal(true);
      expect(events).to.deep.equal([]);
      expect(await access.authorize(client('a'), 'subscribe', '#')).to.equal(false);
      expect(events[0]).to.include({
        step: 'authorize',
        action: 'subscribe',
        topic: '#',
        reason: 'not_in_scope',
      });
    });

    it('tells that a gateway subscribes to its replies, and of nothing else that it may do', async () => {
      await add('a');
      await add('client-id', { scope: { kind: 'client-id' } });
      await add('backend', { scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } });
      const replies = `thing/product/${GATEWAY}/requests_reply`;
      for (const topic of [replies, `sys/product/${GATEWAY}/status_reply`, `thing/product/${GATEWAY}/#`])
        expect(await access.authorize(client('a'), 'subscribe', topic)).to.equal(true);
      expect(events.map(({ step, outcome, gateway }) => [step, outcome, gateway])).to.deep.equal(
        Array(3).fill(['authorize', 'ok', GATEWAY]),
      );
      expect(events[0]).to.include({ account: 'a', topic: replies, peerPort: 40000 });
      events.length = 0;
      for (const topic of ['services', 'drc/down', 'events_reply'])
        await access.authorize(client('a'), 'subscribe', `thing/product/${GATEWAY}/${topic}`);
      expect(await access.authorize(client('a'), 'publish', requests)).to.equal(true);
      expect(await access.authorize(client('backend'), 'subscribe', replies)).to.equal(true);
      expect(events).to.deep.equal([]);
    });

    it('refuses unknown, disabled and expired accounts, no username, and another certificate', async () => {
      await add('disabled', { disabled: true });
      await add('expired', { expiresAt: '2025-12-31T23:59:59Z' });
      await add('certified', { certificateCn: 'dock-1' });
      for (const username of ['', 'nobody', 'disabled', 'expired', 'certified']) {
        expect(await access.authorize(client(username), 'publish', requests), username).to.equal(false);
      }
      expect(
        await access.authorize(client('certified', { certificateCn: 'dock-1' }), 'publish', requests),
      ).to.equal(true);
    });

    it('leaves unknown accounts to the broker if told to', async () => {
      expect(await open('ignore').authorize(client('nobody'), 'publish', 'any/topic')).to.equal('ignore');
      expect(await open('ignore').authorize(client(''), 'publish', 'any/topic'), 'no username').to.equal(
        false,
      );
    });

    describe('for the drone that flies on the session of the dock', () => {
      beforeEach(() => add('a'));

      it('grants an SN that nobody knows yet', async () => {
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
      });
      it('looks at the bindings of its own gateways only if the drone is bound', async () => {
        const badOwn = {
          ...stores.bindings,
          getMany: (sns: readonly string[]) =>
            sns.includes(GATEWAY)
              ? Promise.reject(new DockhookError('bad_row', 'own'))
              : stores.bindings.getMany(sns),
        };
        const tell = (event: AccessEvent) => events.push(event);
        const ask = () =>
          accessOn({ ...stores, bindings: badOwn, passwords, unknownAccounts: 'deny', tell }).authorize(
            client('a'),
            'publish',
            droneOsd,
          );
        expect(await ask()).to.equal(true);
        await bind(DRONE, 'north', GATEWAY);
        expect(await ask()).to.equal(false);
        expect(events.at(-1)).to.include({ reason: 'bad_row' });
      });
      it('grants a drone bound through this gateway, or to the same organization', async () => {
        await bind(GATEWAY, 'north', GATEWAY);
        await bind(DRONE, 'north', GATEWAY);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
        await stores.bindings.remove(DRONE);
        await bind(DRONE, 'north', OTHER_GATEWAY);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
      });
      it('refuses a drone of another organization: nobody speaks for it', async () => {
        await bind(GATEWAY, 'north', GATEWAY);
        await bind(DRONE, 'south', OTHER_GATEWAY);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(false);
        expect(events[0]).to.include({ reason: 'foreign_organization' });
      });
      it('refuses a bound drone to a gateway that is bound nowhere', async () => {
        await bind(DRONE, 'south', OTHER_GATEWAY);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(false);
      });
      it('refuses an SN that another account lists as its gateway', async () => {
        await add('b', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
        for (const topic of ['osd', 'state', 'events']) {
          const name = `thing/product/${OTHER_GATEWAY}/${topic}`;
          expect(await access.authorize(client('a'), 'publish', name), topic).to.equal(false);
        }
        expect(events[0]).to.include({ reason: 'foreign_gateway' });
      });
      it('refuses the SN of a dock that bound itself, also one of the same organization', async () => {
        await bind(GATEWAY, 'north', GATEWAY);
        await bind(OTHER_GATEWAY, 'north', OTHER_GATEWAY);
        const topic = `thing/product/${OTHER_GATEWAY}/events_reply`;
        expect(await access.authorize(client('a'), 'subscribe', topic)).to.equal(false);
        expect(events[0]).to.include({ reason: 'foreign_gateway' });
      });
      it('is not impressed by a stranger who bound something through the SN of the drone', async () => {
        await bind('MADEUP1', 'south', DRONE);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
      });
      it('grants a drone bound through this gateway, which is bound nowhere', async () => {
        await bind(DRONE, 'south', GATEWAY);
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
      });
      it('refuses a drone that an operator has moved away', async () => {
        await bind(GATEWAY, 'north', GATEWAY);
        await bind(DRONE, 'north', GATEWAY);
        await bind('X1', 'south', 'X1');
        await stores.bindings.move(DRONE, { organizationId: 'south' });
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(false);
        expect(events[0]).to.include({ reason: 'foreign_organization' });
      });
      it('cannot be made to forget by another account that asks about many SNs', async () => {
        await add('b', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
        const other = client('b', { clientId: OTHER_GATEWAY });
        await access.authorize(client('a'), 'publish', droneOsd);
        for (let i = 0; i < 1000; i += 1) await access.authorize(other, 'publish', `thing/product/R${i}/osd`);
        fault = new DockhookError('store_unavailable', 'away');
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
      });
      it('remembers per account: the drone of one is not that of another while the store is away', async () => {
        await add('b', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
        const other = client('b', { clientId: OTHER_GATEWAY });
        await access.authorize(client('a'), 'publish', droneOsd);
        await access.authorize(other, 'publish', `thing/product/${OTHER_GATEWAY}/osd`);
        fault = new DockhookError('store_unavailable', 'away');
        expect(await access.authorize(client('a'), 'publish', droneOsd)).to.equal(true);
        expect(await access.authorize(other, 'publish', droneOsd)).to.equal(false);
      });
    });

    it('knows who has just connected, should the store go away before the first subscribe', async () => {
      await add('a');
      await access.authenticate(client('a'), 'right');
      fault = new DockhookError('store_unavailable', 'away');
      expect(await access.authorize(client('a'), 'publish', requests)).to.equal(true);
    });

    it('refuses a client-id account the SN that another account lists, and only that', async () => {
      await add('shared', { scope: { kind: 'client-id' } });
      expect(await access.authorize(client('shared'), 'publish', requests)).to.equal(true);
      await add('a');
      expect(await access.authorize(client('shared'), 'publish', requests)).to.equal(false);
      expect(events[0]).to.include({ reason: 'foreign_gateway' });
    });

    it('decides from what was last read while the store is away, or holds a bad row', async () => {
      await add('a');
      await access.authenticate(client('a'), 'right');
      await access.authorize(client('a'), 'publish', droneOsd);
      for (const code of ['store_unavailable', 'bad_row'] as const) {
        fault = new DockhookError(code, 'away');
        expect(
          await access.authorize(client('a'), 'subscribe', `thing/product/${GATEWAY}/services`),
        ).to.equal(true);
        expect(await access.authorize(client('a'), 'publish', droneOsd), 'a drone seen before').to.equal(
          true,
        );
        expect(await access.authorize(client('a'), 'subscribe', '#')).to.equal(false);
        expect(await access.authorize(client('b'), 'publish', requests), 'never read').to.equal(false);
        expect(events.at(-1)).to.include({ reason: code });
      }
    });

    it('refuses on an error that nobody foresaw', async () => {
      access = accessOn({
        accounts: { ...stores.accounts, get: () => Promise.reject(new TypeError('bug')) },
        bindings: stores.bindings,
        passwords,
        unknownAccounts: 'ignore',
        tell: (event) => events.push(event),
      });
      expect(await access.authorize(client('a'), 'publish', requests)).to.equal(false);
      expect(await access.authenticate(client('a'), 'right')).to.equal(false);
      expect(events.map(({ reason }) => reason)).to.deep.equal(['internal_error', 'internal_error']);
    });
  });

  describe('mayPublish: whose message may be answered for a backend', () => {
    const may = (username: string, topic: string, clientId = GATEWAY) =>
      access.mayPublish({ account: username, clientId }, topic, storeBudget());
    const eventsOf = (sn: string): string => `thing/product/${sn}/events`;

    it('is a dock under its own SN, on either root', async () => {
      await add('dock');
      for (const topic of [
        eventsOf(GATEWAY),
        `sys/product/${GATEWAY}/status`,
        `thing/product/${GATEWAY}/status`,
      ])
        expect(await may('dock', topic), topic).to.equal(true);
      expect(await may('dock', eventsOf(OTHER_GATEWAY)), 'bound nowhere: it could be its drone').to.equal(
        true,
      );
      expect(await may('dock', `sys/product/${OTHER_GATEWAY}/status`)).to.equal(false);
    });

    it('is a dock under its drone, as the drone rule has it', async () => {
      await add('dock');
      await bind(GATEWAY, 'north', GATEWAY, 'dock');
      expect(await may('dock', eventsOf(DRONE)), 'bound nowhere').to.equal(true);
      await bind(DRONE, 'south', OTHER_GATEWAY);
      expect(await may('dock', eventsOf(DRONE)), 'bound to another organization').to.equal(false);
      await add('other', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
      expect(await may('dock', eventsOf(OTHER_GATEWAY)), 'a gateway').to.equal(false);
    });

    it('is no service, nobody unknown, disabled or expired, whatever the broker lets them publish', async () => {
      await add('backend', { scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } });
      await add('off', { disabled: true });
      await add('over', { expiresAt: '2020-01-01T00:00:00Z' });
      for (const unknown of ['deny', 'ignore'] as const) {
        access = open(unknown);
        for (const name of ['backend', 'off', 'over', 'nobody'])
          expect(await may(name, eventsOf(GATEWAY)), name).to.equal(false);
      }
    });

    it('is told by nobody while the store is away and nothing is remembered', async () => {
      await add('dock');
      fault = new DockhookError('store_unavailable', 'away');
      const error: unknown = await may('dock', eventsOf(GATEWAY)).catch((reason: unknown) => reason);
      expect(error).to.have.property('code', 'store_unavailable');
      expect(events, 'a message is not refused').to.deep.equal([]);
    });
  });

  describe('identifyPublisher: who publishes on a requests topic', () => {
    const ask = (username: string, gateway = GATEWAY, clientId = GATEWAY) =>
      access.identifyPublisher({ account: username, clientId }, gateway, storeBudget());

    it('tells docks, services and strangers apart', async () => {
      await add('dock');
      await add('prefixed', { scope: { kind: 'client-id' } });
      await add('any', { scope: { kind: 'any-gateway' } });
      await add('service', { scope: { kind: 'service', publish: ['#'], subscribe: ['#'] } });
      await add('disabled', { disabled: true });
      expect(await ask('dock')).to.equal('dock');
      expect(await ask('dock', OTHER_GATEWAY)).to.equal('stranger');
      expect(await ask('prefixed', 'UNLISTED12', 'drc-UNLISTED12')).to.equal('dock');
      expect(await ask('prefixed', GATEWAY, OTHER_GATEWAY)).to.equal('stranger');
      await add('other', { scope: { kind: 'gateways', gateways: [OTHER_GATEWAY] } });
      expect(await ask('prefixed', OTHER_GATEWAY, OTHER_GATEWAY), 'listed by another account').to.equal(
        'stranger',
      );
      expect(await ask('any', OTHER_GATEWAY)).to.equal('dock');
      expect(await ask('service')).to.equal('service');
      expect(await ask('disabled')).to.equal('stranger');
      expect(await ask('nobody')).to.equal('stranger');
      access = open('ignore');
      expect(await ask('nobody')).to.equal('not_ours');
    });
  });
});
