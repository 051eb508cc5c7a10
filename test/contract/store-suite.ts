/** What every implementation of the stores must do, as functions that a test file calls with its own. */
import { expect } from 'chai';
import fc from 'fast-check';
import { DockhookError, type ErrorCode } from '../../src/errors.js';
import type { Database } from '../../src/stores/database.js';
import type { Account, Binding, BindOutcome, License, Organization, Stores } from '../../src/stores/types.js';

/** The error that a promise rejects with, which must have this code. */
export async function rejection(promise: Promise<unknown>, code: ErrorCode): Promise<DockhookError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DockhookError)) {
    throw new Error(`should have rejected with ${code}`, { cause: error });
  }
  expect(error.code, error.message).to.equal(code);
  return error;
}

export function anAccount(name: string, more: Partial<Account> = {}): Account {
  return { name, passwordHash: '$dockhook-sha256$salt$digest', scope: { kind: 'client-id' }, ...more };
}

export function anOrganization(id: string, bindingCode = `code-of-${id}`): Organization {
  return { id, name: `The ${id}`, bindingCode };
}

export function aBinding(sn: string, organizationId: string, more: Partial<Binding> = {}): Binding {
  return {
    sn,
    organizationId,
    callsign: 'Dock on the roof',
    modelKey: '3-2-0',
    gateway: 'GATEWAY1',
    boundAt: '2026-01-02T03:04:05.678Z',
    ...more,
  };
}

/** Binds one device. */
export async function bindOne(
  { bindings }: Pick<Stores, 'bindings'>,
  binding: Binding,
): Promise<BindOutcome> {
  const [outcome] = await bindings.bind([binding]);
  if (typeof outcome === 'string') return outcome;
  throw outcome ?? new Error('no outcome was told');
}

const license: License = { appId: '123456', appKey: 'the-app-key', appLicense: 'the-app-license' };

/** Names that alias, match as patterns, break quoting or change on the way in careless stores. */
const oddNames = [
  'a:b',
  'a',
  'keyv:a',
  'dockhook_accounts:a',
  '%',
  '_',
  'a_b',
  'axb',
  'A',
  ' a ',
  'a ',
  'quote\'"`',
  'back\\slash',
  '\n\t\u0001',
  '__proto__',
  'constructor',
  'é',
  'e\u0301',
  '机场',
  '🛩️',
  '\uFFFD',
  'x'.repeat(255),
  '🛩'.repeat(255),
];

const impossibleNames = ['', 'a\u0000b', '\ud800', 'x'.repeat(256)];

/** Any text that Postgres can hold. */
const anyText = (maxLength: number) =>
  fc
    .oneof(
      fc.string({ unit: 'binary', maxLength }),
      // Keyv's own escapes.
      fc.constantFrom(':', '::', ':base64:YQ==', '":{}'),
    )
    .filter((text) => !text.includes('\0'));

/** @param open gives empty stores, before each test */
export function describeStores(name: string, open: () => Promise<Stores>): void {
  describe(`stores on ${name}`, () => {
    let stores: Stores;
    beforeEach(async () => {
      stores = await open();
    });

    describe('accounts', () => {
      it('keeps what it is given', async () => {
        const account = anAccount('dock-1', {
          scope: { kind: 'service', publish: ['thing/#'], subscribe: [] },
          disabled: true,
          certificateCn: 'CN of dock 1',
          expiresAt: '2030-01-01T00:00:00Z',
          note: 'On the roof',
          createdAt: '2026-01-01T00:00:00.000Z',
        });
        await stores.accounts.add(account);
        expect(await stores.accounts.get('dock-1')).to.deep.equal(account);
      });

      it('keeps any text byte for byte', async () => {
        let count = 0;
        await fc.assert(
          fc.asyncProperty(anyText(100), async (note) => {
            count += 1;
            await stores.accounts.add(anAccount(`account-${count}`, { note }));
            expect((await stores.accounts.get(`account-${count}`))?.note).to.equal(note);
          }),
          { numRuns: 50 },
        );
      });

      it('keeps odd names apart, byte for byte', async () => {
        for (const one of oddNames) await stores.accounts.add(anAccount(one, { note: `note of ${one}` }));
        for (const one of oddNames) {
          expect((await stores.accounts.get(one))?.note, JSON.stringify(one)).to.equal(`note of ${one}`);
        }
        expect(await stores.accounts.get('b')).to.equal(undefined);
        await stores.accounts.remove('%');
        await stores.accounts.remove('a_b');
        expect((await stores.accounts.list()).records).to.have.length(oddNames.length - 2);
      });

      it('lists in byte order of the names', async () => {
        for (const one of oddNames) await stores.accounts.add(anAccount(one));
        const { records, badRows } = await stores.accounts.list();
        const byBytes = [...oddNames].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(records.map((account) => account.name)).to.deep.equal(byBytes);
        expect(badRows).to.deep.equal([]);
      });

      it('has nothing under a name that no row can have, and refuses to add it', async () => {
        for (const one of impossibleNames) {
          expect(await stores.accounts.get(one)).to.equal(undefined);
          await rejection(stores.accounts.add(anAccount(one)), 'usage');
          await rejection(stores.accounts.remove(one), 'not_found');
          await rejection(
            stores.accounts.update(one, (account) => account),
            'not_found',
          );
        }
      });

      it('refuses a record that breaks its schema and names the field but not its value', async () => {
        const secret = 'a secret\u0000';
        const cases: [string, Partial<Account>][] = [
          ['passwordHash', { passwordHash: secret }],
          ['note', { note: secret }],
          ['note', { note: '\ud800' }],
          ['expiresAt', { expiresAt: '2030-13-01T00:00:00Z' }],
          ['expiresAt', { expiresAt: 'never' }],
          ['scope.gateways.1', { scope: { kind: 'gateways', gateways: ['SN1', 'not/an/sn'] } }],
          ['scope', { scope: { kind: 'everything' } as unknown as Account['scope'] }],
          ['expires_at', { expires_at: '2030-01-01T00:00:00Z' } as Partial<Account>],
        ];
        for (const [field, more] of cases) {
          const error = await rejection(stores.accounts.add(anAccount('dock-1', more)), 'usage');
          expect(error.message).to.include('"dock-1"').and.include(field).and.not.include('a secret');
        }
        expect(await stores.accounts.get('dock-1')).to.equal(undefined);
      });

      it('refuses a name that is taken and keeps the first', async () => {
        await stores.accounts.add(anAccount('dock-1', { note: 'first' }));
        const error = await rejection(
          stores.accounts.add(anAccount('dock-1', { note: 'second' })),
          'conflict',
        );
        expect(error.message).to.include('"dock-1"');
        expect((await stores.accounts.get('dock-1'))?.note).to.equal('first');
      });

      it('updates, and answers with what it wrote', async () => {
        await stores.accounts.add(anAccount('dock-1', { note: 'old' }));
        const updated = await stores.accounts.update('dock-1', (account) => ({ ...account, disabled: true }));
        expect(updated).to.deep.equal(anAccount('dock-1', { note: 'old', disabled: true }));
        expect(await stores.accounts.get('dock-1')).to.deep.equal(updated);
      });

      it('loses no update of many at once', async () => {
        await stores.accounts.add(anAccount('dock-1', { note: '' }));
        const marks = ['1', '2', '3', '4', '5', '6'];
        await Promise.all(
          marks.map((mark) =>
            stores.accounts.update('dock-1', (account) => ({
              ...account,
              note: `${account.note ?? ''}${mark}`,
            })),
          ),
        );
        const note = (await stores.accounts.get('dock-1'))?.note ?? '';
        expect(note.split('').sort()).to.deep.equal(marks);
      });

      it('leaves the account as it is if the edit breaks its schema or renames it', async () => {
        await stores.accounts.add(anAccount('dock-1'));
        await rejection(
          stores.accounts.update('dock-1', (account) => ({ ...account, passwordHash: '' })),
          'usage',
        );
        await rejection(
          stores.accounts.update('dock-1', (account) => ({ ...account, name: 'dock-2' })),
          'usage',
        );
        expect((await stores.accounts.list()).records).to.deep.equal([anAccount('dock-1')]);
      });

      it('adds many together, and says which names were taken', async () => {
        await stores.accounts.add(anAccount('b', { note: 'first' }));
        const taken: string[] = [];
        await stores.accounts.addTogether(async (addMany) => {
          taken.push(...(await addMany([anAccount('a'), anAccount('b', { note: 'second' })])).keys());
          taken.push(...(await addMany(oddNames.map((one) => anAccount(one)))).keys());
          return 'commit';
        });
        expect(taken).to.have.members(['b', 'a']);
        expect((await stores.accounts.get('b'))?.note).to.equal('first');
        for (const one of oddNames) expect(await stores.accounts.get(one), one).to.not.equal(undefined);
      });

      it('adds none of many if told to, if the work fails, or if one of them breaks its schema', async () => {
        const few = [anAccount('a'), anAccount('b')];
        await stores.accounts.addTogether(async (addMany) => {
          await addMany(few);
          return 'rollback';
        });
        const failing = stores.accounts.addTogether(async (addMany) => {
          await addMany(few);
          throw new DockhookError('failed', 'the work failed');
        });
        await rejection(failing, 'failed');
        const breaking = stores.accounts.addTogether(async (addMany) => {
          await addMany(few);
          await addMany([anAccount('c', { expiresAt: 'never' })]);
          return 'commit';
        });
        await rejection(breaking, 'usage');
        expect((await stores.accounts.list()).records).to.deep.equal([]);
        await stores.accounts.add(anAccount('a'));
      });

      it('replaces a password hash only while it is the one that is meant', async () => {
        const [oldHash, newHash] = ['$dockhook-sha256$salt$digest', '$argon2id$new'];
        await stores.accounts.add(anAccount('dock-1', { note: 'kept' }));
        expect(await stores.accounts.replaceHash('dock-1', '$argon2id$other', newHash)).to.equal(false);
        expect(await stores.accounts.replaceHash('dock-9', oldHash, newHash)).to.equal(false);
        expect(await stores.accounts.get('dock-1')).to.deep.equal(anAccount('dock-1', { note: 'kept' }));
        expect(await stores.accounts.replaceHash('dock-1', oldHash, newHash)).to.equal(true);
        expect(await stores.accounts.get('dock-1')).to.deep.equal(
          anAccount('dock-1', { note: 'kept', passwordHash: newHash }),
        );
      });

      it('says so when there is nothing to update or remove', async () => {
        const error = await rejection(
          stores.accounts.update('dock-9', (account) => account),
          'not_found',
        );
        expect(error.message).to.include('"dock-9"');
        await rejection(stores.accounts.remove('dock-9'), 'not_found');
      });

      it('forgets what is removed', async () => {
        await stores.accounts.add(anAccount('dock-1'));
        await stores.accounts.remove('dock-1');
        expect(await stores.accounts.get('dock-1')).to.equal(undefined);
      });

      it('reads many at once, each its own', async () => {
        const names = Array.from({ length: 250 }, (_, index) => `dock-${index}`);
        await Promise.all(names.map((one) => stores.accounts.add(anAccount(one, { note: `of ${one}` }))));
        const asked = [...names, ...oddNames, ...names];
        const notes = await Promise.all(
          asked.map((one) => stores.accounts.get(one).then((account) => account?.note)),
        );
        expect(notes).to.deep.equal(asked.map((one) => (names.includes(one) ? `of ${one}` : undefined)));
      });

      it('shows what was committed before a read was asked, however many others are under way', async () => {
        await stores.accounts.add(anAccount('dock-1', { note: '0' }));
        const others: Promise<unknown>[] = [];
        for (let count = 1; count <= 50; count += 1) {
          others.push(...['dock-1', 'dock-2', 'dock-3'].map((one) => stores.accounts.get(one)));
          await stores.accounts.update('dock-1', (account) => ({ ...account, note: `${count}` }));
          others.push(stores.accounts.get('dock-1'));
          expect((await stores.accounts.get('dock-1'))?.note).to.equal(`${count}`);
        }
        await Promise.all(others);
      });

      it('knows which gateways its accounts list', async () => {
        await stores.accounts.add(
          anAccount('one', { scope: { kind: 'gateways', gateways: ['SN1', 'SN2'] } }),
        );
        await stores.accounts.add(anAccount('SN3', { note: 'SN3' }));
        expect(await stores.accounts.listsGateway('SN1')).to.equal(true);
        expect(await stores.accounts.listsGateway('SN2')).to.equal(true);
        for (const other of ['SN3', 'SN', 'sn1', 'SN11', '', 'SN1\0']) {
          expect(await stores.accounts.listsGateway(other), other).to.equal(false);
        }
        const many = ['SN3', 'SN1', 'SN', 'SN2', 'SN1'];
        const listed = await Promise.all(many.map((sn) => stores.accounts.listsGateway(sn)));
        expect(listed).to.deep.equal([false, true, false, true, true]);
        await stores.accounts.remove('one');
        expect(await stores.accounts.listsGateway('SN1')).to.equal(false);
      });

      it('knows which client ids its accounts keep', async () => {
        const scope = { kind: 'service', publish: ['#'], subscribe: ['#'] } as const;
        const kept = ['worker-1', 'ü "ö" \\ b', '["worker-2"]'];
        await stores.accounts.add(
          anAccount('worker', { scope: { ...scope, publish: ['#'], subscribe: ['#'], clientIds: kept } }),
        );
        await stores.accounts.add(
          anAccount('other', { scope: { ...scope, publish: ['#'], subscribe: ['worker-3'] } }),
        );
        await stores.accounts.add(anAccount('dock', { scope: { kind: 'gateways', gateways: ['SN1'] } }));
        for (const id of kept) expect(await stores.accounts.keepsClientId(id), id).to.equal(true);
        for (const id of [
          'worker-2',
          'worker',
          'Worker-1',
          'worker-11',
          'worker-3',
          'SN1',
          '',
          'worker-1\0',
        ]) {
          expect(await stores.accounts.keepsClientId(id), id).to.equal(false);
        }
        await stores.accounts.remove('worker');
        expect(await stores.accounts.keepsClientId('worker-1')).to.equal(false);
        await rejection(
          stores.accounts.add(
            anAccount('bar', { scope: { kind: 'service', publish: [], subscribe: [], clientIds: ['a|b'] } }),
          ),
          'usage',
        );
      });

      it('hands out copies', async () => {
        await stores.accounts.add(anAccount('dock-1'));
        const account = await stores.accounts.get('dock-1');
        Object.assign(account ?? {}, { disabled: true });
        expect(await stores.accounts.get('dock-1')).to.deep.equal(anAccount('dock-1'));
      });
    });

    describe('organizations', () => {
      it('finds an organization by id and by its exact device binding code', async () => {
        const codes = ['12345678', ':colon', ':base64:YQ==', 'Ünï cödé', '%', 'UPPER', 'upper'];
        for (const code of codes) await stores.organizations.add(anOrganization(`org of ${code}`, code));
        for (const code of codes) {
          const found = await stores.organizations.byBindingCode(code);
          expect(found).to.deep.equal(anOrganization(`org of ${code}`, code));
          expect(await stores.organizations.get(`org of ${code}`)).to.deep.equal(found);
        }
        const others = ['', '1234567', 'Upper', '12345678 ', '\0', 'x'.repeat(300)];
        for (const other of others) {
          expect(await stores.organizations.byBindingCode(other), other).to.equal(undefined);
        }
        const together = [...codes, ...others, ...codes];
        const ids = await Promise.all(
          together.map((code) => stores.organizations.byBindingCode(code).then((found) => found?.id)),
        );
        expect(ids).to.deep.equal(
          together.map((code) => (codes.includes(code) ? `org of ${code}` : undefined)),
        );
      });

      it('refuses an id that is taken, and a device binding code without telling it', async () => {
        await stores.organizations.add(anOrganization('one', 'the-secret-code'));
        await rejection(stores.organizations.add(anOrganization('one', 'another')), 'conflict');
        const error = await rejection(
          stores.organizations.add(anOrganization('two', 'the-secret-code')),
          'conflict',
        );
        expect(error.message).to.include('"two"').and.not.include('the-secret-code');
        expect((await stores.organizations.list()).records).to.deep.equal([
          anOrganization('one', 'the-secret-code'),
        ]);
      });

      it('updates one, unless another organization has the code', async () => {
        await stores.organizations.add(anOrganization('one', 'the-secret-code'));
        await stores.organizations.add(anOrganization('two'));
        await bindOne(stores, aBinding('SN1', 'two'));
        const taken = stores.organizations.update('two', (old) => ({
          ...old,
          bindingCode: 'the-secret-code',
        }));
        expect((await rejection(taken, 'conflict')).message).to.not.include('the-secret-code');
        expect(await stores.organizations.get('two')).to.deep.equal(anOrganization('two'));
        await stores.organizations.update('two', (old) => ({ ...old, name: 'New', bindingCode: 'new-code' }));
        expect(await stores.organizations.byBindingCode('new-code')).to.deep.equal({
          id: 'two',
          name: 'New',
          bindingCode: 'new-code',
        });
        expect(await stores.organizations.byBindingCode('code-of-two')).to.equal(undefined);
        await rejection(
          stores.organizations.update('nowhere', (old) => old),
          'not_found',
        );
      });

      it('does not remove one that has bindings, and says how many hold it', async () => {
        await stores.organizations.add(anOrganization('one'));
        await bindOne(stores, aBinding('SN1', 'one'));
        await bindOne(stores, aBinding('SN2', 'one'));
        const error = await rejection(stores.organizations.remove('one'), 'conflict');
        expect(error.message).to.include('"one"').and.include('2 devices');
        await stores.bindings.remove('SN1');
        await stores.bindings.remove('SN2');
        await stores.organizations.remove('one');
        expect(await stores.organizations.get('one')).to.equal(undefined);
        await rejection(stores.organizations.remove('one'), 'not_found');
      });
    });

    describe('organizations of accounts', () => {
      const belonging = (name: string, organizationId: string): Account =>
        anAccount(name, {
          scope: { kind: 'gateways', gateways: [`SN-${name}`.replace('-', '')] },
          organizationId,
        });

      it('are kept until nobody belongs to them, and the accounts are named', async () => {
        await stores.organizations.add(anOrganization('one'));
        await stores.organizations.add(anOrganization('two'));
        await stores.accounts.add(belonging('a', 'one'));
        await stores.accounts.add(belonging('b', 'one'));
        await stores.accounts.add(anAccount('c', { note: '"organizationId":"two"' }));
        const error = await rejection(stores.organizations.remove('one'), 'conflict');
        expect(error.message)
          .to.include('account "a", account "b" belong to it')
          .and.include('--no-organization');
        await stores.accounts.remove('a');
        await stores.accounts.update('b', ({ organizationId: _taken, ...account }) => account);
        await stores.organizations.remove('one');
        await stores.organizations.remove('two');
      });
      it('names five of many accounts', async () => {
        await stores.organizations.add(anOrganization('one'));
        for (const name of 'abcdefg') await stores.accounts.add(belonging(name, 'one'));
        const { message } = await rejection(stores.organizations.remove('one'), 'conflict');
        expect(message).to.include('account "e", others belong').and.not.include('"f"');
      });
      it('are told apart byte for byte', async () => {
        for (const id of ['one', 'One', 'one ', '"one"', '%', '_'])
          await stores.organizations.add(anOrganization(id));
        await stores.accounts.add(belonging('a', 'one'));
        for (const id of ['One', 'one ', '"one"', '%', '_']) await stores.organizations.remove(id);
        await rejection(stores.organizations.remove('one'), 'conflict');
      });
    });

    describe('bindings', () => {
      beforeEach(async () => {
        await stores.organizations.add(anOrganization('one'));
        await stores.organizations.add(anOrganization('two'));
      });

      it('binds, and renews to the same organization', async () => {
        expect(await bindOne(stores, aBinding('SN1', 'one'))).to.equal('bound');
        const renewed = aBinding('SN1', 'one', { callsign: 'New', gateway: 'GATEWAY2', modelKey: '3-3-0' });
        expect(await bindOne(stores, renewed)).to.equal('bound');
        expect((await stores.bindings.list()).records).to.deep.equal([renewed]);
      });

      it('binds devices together, and tells of each in the order asked', async () => {
        await bindOne(stores, aBinding('SN2', 'two'));
        const many = ['SN3', 'SN2', 'SN1', 'SN4'].map((sn) => aBinding(sn, 'one'));
        expect(await stores.bindings.bind(many)).to.deep.equal([
          'bound',
          'bound_elsewhere',
          'bound',
          'bound',
        ]);
        expect(new Set((await stores.bindings.list()).records)).to.deep.equal(
          new Set([many[2], aBinding('SN2', 'two'), many[0], many[3]]),
        );
        expect(await stores.bindings.bind([])).to.deep.equal([]);
      });

      it('binds each device to the organization of its own', async () => {
        const many = [aBinding('SN1', 'one'), aBinding('SN2', 'two')];
        expect(await stores.bindings.bind(many)).to.deep.equal(['bound', 'bound']);
        expect((await stores.bindings.list()).records).to.deep.equal(many);
      });

      for (const field of ['callsign', 'modelKey'] as const) {
        it(`keeps the old ${field} if a renewal names none`, async () => {
          await bindOne(stores, aBinding('SN1', 'one'));
          const renewed = aBinding('SN1', 'one', { callsign: 'New', modelKey: '3-3-0', gateway: 'GATEWAY2' });
          expect(await bindOne(stores, { ...renewed, [field]: '' })).to.equal('bound');
          const kept = { ...renewed, [field]: aBinding('SN1', 'one')[field] };
          expect((await stores.bindings.list()).records).to.deep.equal([kept]);
        });
      }

      it('keeps none where there is none', async () => {
        const nameless = aBinding('SN1', 'one', { callsign: '', modelKey: '' });
        await bindOne(stores, nameless);
        expect(await bindOne(stores, nameless)).to.equal('bound');
        expect((await stores.bindings.list()).records).to.deep.equal([nameless]);
      });

      it('keeps any callsign byte for byte, at the first bind and at the next', async () => {
        await fc.assert(
          fc.asyncProperty(anyText(100), anyText(100), async (first, second) => {
            for (const callsign of [first, second]) {
              await bindOne(stores, aBinding('SN1', 'one', { callsign }));
              const kept = (await stores.bindings.getMany(['SN1'])).get('SN1')?.callsign;
              if (callsign !== '') expect(kept).to.equal(callsign);
            }
          }),
          { numRuns: 50 },
        );
      });

      it('binds a device that is named twice once more, in that order', async () => {
        const renewed = aBinding('SN1', 'one', { callsign: 'Second', modelKey: '' });
        const many = [aBinding('SN1', 'one'), aBinding('SN2', 'one'), aBinding('SN1', 'two'), renewed];
        expect(await stores.bindings.bind(many)).to.deep.equal([
          'bound',
          'bound',
          'bound_elsewhere',
          'bound',
        ]);
        expect((await stores.bindings.list()).records).to.deep.equal([
          aBinding('SN1', 'one', { callsign: 'Second' }),
          aBinding('SN2', 'one'),
        ]);
      });

      it('never moves a device', async () => {
        await bindOne(stores, aBinding('SN1', 'one'));
        expect(await bindOne(stores, aBinding('SN1', 'two'))).to.equal('bound_elsewhere');
        expect(await bindOne(stores, aBinding('SN1', 'nowhere'))).to.equal('bound_elsewhere');
        expect((await stores.bindings.list()).records).to.deep.equal([aBinding('SN1', 'one')]);
      });

      it('does not bind to an organization that does not exist', async () => {
        expect(await bindOne(stores, aBinding('SN1', 'nowhere'))).to.equal('no_such_organization');
        expect(await stores.bindings.getMany(['SN1'])).to.deep.equal(new Map());
      });

      it('binds the others if the organization of one does not exist', async () => {
        const many = ['one', 'nowhere', 'two', 'gone'].map((id, index) => aBinding(`SN${index}`, id));
        expect(await stores.bindings.bind(many)).to.deep.equal([
          'bound',
          'no_such_organization',
          'bound',
          'no_such_organization',
        ]);
        expect((await stores.bindings.list()).records).to.deep.equal([many[0], many[2]]);
      });

      it('binds none if one breaks its schema', async () => {
        const many = [aBinding('SN1', 'one'), aBinding('SN2', 'one', { callsign: '\0' })];
        await rejection(stores.bindings.bind(many), 'usage');
        expect((await stores.bindings.list()).records).to.deep.equal([]);
      });

      it('refuses a binding that breaks its schema', async () => {
        const error = await rejection(bindOne(stores, aBinding('SN1', 'one', { callsign: '\0' })), 'usage');
        expect(error.message).to.include('"SN1"').and.include('callsign');
      });

      it('lets one of many racing organizations win', async () => {
        const racers = Array.from({ length: 16 }, (_, index) => aBinding('SN1', index % 2 ? 'one' : 'two'));
        const outcomes = await Promise.all(racers.map((binding) => bindOne(stores, binding)));
        const winner = (await stores.bindings.getMany(['SN1'])).get('SN1')?.organizationId;
        expect(outcomes).to.deep.equal(
          racers.map((binding) => (binding.organizationId === winner ? 'bound' : 'bound_elsewhere')),
        );
      });

      it('finds the bindings of those that have one', async () => {
        await bindOne(stores, aBinding('SN1', 'one'));
        await bindOne(stores, aBinding('SN2', 'two'));
        const found = await stores.bindings.getMany(['SN2', 'SN3', 'SN2', 'SN1', '', '\0']);
        expect([...found]).to.have.deep.members([
          ['SN1', aBinding('SN1', 'one')],
          ['SN2', aBinding('SN2', 'two')],
        ]);
        expect(await stores.bindings.getMany([])).to.deep.equal(new Map());
      });

      it('finds them with their organizations as these are now', async () => {
        await bindOne(stores, aBinding('SN1', 'one'));
        await bindOne(stores, aBinding('SN2', 'two'));
        await stores.organizations.update('two', (two) => ({ ...two, name: 'Renamed "Süd"' }));
        const found = await stores.bindings.getWithOrganizations('SN2', ['SN3', 'SN2', 'SN1', '', '\0']);
        expect([...found.keys()]).to.have.members(['SN1', 'SN2']);
        for (const [sn, id] of [
          ['SN1', 'one'],
          ['SN2', 'two'],
        ] as const) {
          const { organization, ...binding } = found.get(sn)!;
          expect(binding).to.deep.equal(aBinding(sn, id));
          expect(organization()).to.deep.equal(await stores.organizations.get(id));
        }
        expect(await stores.bindings.getWithOrganizations('', [])).to.deep.equal(new Map());
      });

      it('moves a device on an operator’s word', async () => {
        await bindOne(stores, aBinding('SN1', 'one'));
        expect(await stores.bindings.move('SN1', { organizationId: 'two' })).to.deep.equal(
          aBinding('SN1', 'two'),
        );
        expect((await stores.bindings.list()).records).to.deep.equal([aBinding('SN1', 'two')]);
        expect(await bindOne(stores, aBinding('SN1', 'one'))).to.equal('bound_elsewhere');
        const given = { ...aBinding('SN1', 'two'), account: 'fleet-2' };
        expect(await stores.bindings.move('SN1', { account: 'fleet-2' })).to.deep.equal(given);
        expect((await stores.bindings.list()).records).to.deep.equal([given]);
      });

      it('remembers the account that bound a device last', async () => {
        const by = (account: string) => bindOne(stores, { ...aBinding('SN1', 'one'), account });
        expect([await by('a'), await by('b')]).to.deep.equal(['bound', 'bound']);
        expect((await stores.bindings.getMany(['SN1'])).get('SN1')?.account).to.equal('b');
      });

      it('says what is missing for a move', async () => {
        const device = await rejection(stores.bindings.move('SN9', { organizationId: 'one' }), 'not_found');
        expect(device.message).to.include('"SN9"');
        await bindOne(stores, aBinding('SN1', 'one'));
        const organization = await rejection(
          stores.bindings.move('SN1', { organizationId: 'nowhere' }),
          'not_found',
        );
        expect(organization.message).to.include('"nowhere"');
        expect((await stores.bindings.list()).records).to.deep.equal([aBinding('SN1', 'one')]);
      });

      it('makes no gateway of a device that was bound through one', async () => {
        await bindOne(stores, aBinding('SN1', 'one', { gateway: 'DOCK' }));
        expect(await bindOne(stores, aBinding('SN1', 'one', { gateway: 'SN1' }))).to.equal('bound_elsewhere');
        expect(await bindOne(stores, aBinding('SN1', 'one', { gateway: 'OTHER' }))).to.equal('bound');
        expect(await bindOne(stores, aBinding('DOCK', 'one', { gateway: 'DOCK' }))).to.equal('bound');
        expect(await bindOne(stores, aBinding('DOCK', 'one', { gateway: 'DOCK' }))).to.equal('bound');
      });

      it('lets no other gateway bind a gateway that was bound through itself, and binds the rest', async () => {
        const itself = aBinding('DOCK', 'one', { gateway: 'DOCK' });
        await bindOne(stores, itself);
        const through = (gateway: string, organization: string) =>
          stores.bindings.bind([
            aBinding('DOCK', organization, { gateway }),
            aBinding(`DRONE-${organization}`, organization, { gateway }),
          ]);
        expect(await through('OTHER', 'one')).to.deep.equal(['another_gateway', 'bound']);
        expect(await through('OTHER', 'two')).to.deep.equal(['another_gateway', 'bound']);
        expect(await through('DOCK', 'two')).to.deep.equal(['bound_elsewhere', 'bound']);
        expect((await stores.bindings.getMany(['DOCK'])).get('DOCK')).to.deep.equal(itself);
      });

      it('releases a device', async () => {
        await bindOne(stores, aBinding('SN1', 'one'));
        await stores.bindings.remove('SN1');
        expect(await bindOne(stores, aBinding('SN1', 'two'))).to.equal('bound');
        await rejection(stores.bindings.remove('SN9'), 'not_found');
      });
    });

    describe('license', () => {
      it('is absent, set, replaced and cleared', async () => {
        expect(await stores.license.get()).to.equal(undefined);
        await stores.license.set(license);
        expect(await stores.license.get()).to.deep.equal(license);
        const other = { ...license, appId: '7', ntpHost: 'ntp.example.org', ntpPort: 123 };
        await stores.license.set(other);
        expect(await stores.license.get()).to.deep.equal(other);
        await stores.license.clear();
        await stores.license.clear();
        expect(await stores.license.get()).to.equal(undefined);
      });

      it('refuses one that breaks its schema without telling it', async () => {
        const error = await rejection(stores.license.set({ ...license, ntpPort: 0 }), 'usage');
        expect(error.message).to.include('ntpPort').and.not.include('the-app-key');
      });
    });

    it('answers a ping', async () => {
      await stores.ping();
    });
  });
}

/** What holds where rows can be reached by plain SQL. @param open gives empty stores and their database */
export function describeSqlStores(
  name: string,
  open: () => Promise<{ stores: Stores; database: Database }>,
): void {
  describe(`rows on ${name}`, () => {
    let stores: Stores;
    let database: Database;
    beforeEach(async () => {
      ({ stores, database } = await open());
      await stores.organizations.add(anOrganization('one'));
      await bindOne(stores, aBinding('SN1', 'one'));
      await stores.accounts.add(anAccount('alice'));
      await stores.license.set(license);
    });

    const set = (table: string, key: string, value: string) =>
      database.query(`UPDATE ${table} SET value = $2 WHERE key = $1 RETURNING key`, [key, value]);

    it('has one row per record, its key verbatim, its value Keyv’s envelope in plain JSON', async () => {
      await stores.accounts.add(anAccount(':a', { note: ':note' }));
      const { name: _name, ...value } = anAccount(':a', { note: ':note' });
      const rows = await database.query(`SELECT key, value FROM dockhook_accounts WHERE key LIKE ':%'`);
      expect(rows).to.deep.equal([{ key: ':a', value: JSON.stringify({ value }) }]);
    });

    it('shows an edit by plain SQL at the next call', async () => {
      await stores.accounts.get('alice');
      await set(
        'dockhook_accounts',
        'alice',
        '{ "value": {"scope": {"kind":"any-gateway"}, "passwordHash": "$dockhook-sha256$salt$digest"} }',
      );
      expect(await stores.accounts.get('alice')).to.deep.equal({
        name: 'alice',
        passwordHash: '$dockhook-sha256$salt$digest',
        scope: { kind: 'any-gateway' },
      });
      await database.query(`DELETE FROM dockhook_accounts`);
      expect(await stores.accounts.get('alice')).to.equal(undefined);
    });

    it('refuses what is not an envelope around an object', async () => {
      for (const table of [
        'dockhook_accounts',
        'dockhook_organizations',
        'dockhook_bindings',
        'dockhook_settings',
      ]) {
        for (const value of ['nonsense', '', 'null', '5', '{}', '[]', '{"value":null}', '{"value":"x"}']) {
          const error: unknown = await database
            .query(`UPDATE ${table} SET value = $1`, [value])
            .catch((e: unknown) => e);
          expect(error, `${table} ${value}`).to.be.instanceOf(Error);
        }
      }
      expect(await stores.accounts.get('alice')).to.deep.equal(anAccount('alice'));
    });

    it('never takes a row that breaks its schema for an absent one, and names table and key', async () => {
      const secret = 'the-stored-secret';
      await set(
        'dockhook_accounts',
        'alice',
        `{"value":{"passwordHash":"${secret}","scope":{"kind":"gateway"}}}`,
      );
      await set('dockhook_organizations', 'one', `{"value":{"name":"","bindingCode":"${secret}"}}`);
      await set('dockhook_bindings', 'SN1', '{"value":{"organizationId":"one","gateway":"G1"}}');
      await set('dockhook_settings', 'license', `{"value":{"appId":"1","appKey":"${secret}"}}`);
      const reads: [string, string, () => Promise<unknown>][] = [
        ['dockhook_accounts', 'alice', () => stores.accounts.get('alice')],
        ['dockhook_accounts', 'alice', () => stores.accounts.update('alice', (account) => account)],
        ['dockhook_organizations', 'one', () => stores.organizations.get('one')],
        ['dockhook_organizations', 'one', () => stores.organizations.byBindingCode(secret)],
        ['dockhook_bindings', 'SN1', () => stores.bindings.getMany(['SN0', 'SN1'])],
        ['dockhook_bindings', 'SN1', () => stores.bindings.getWithOrganizations('SN0', ['SN1'])],
        ['dockhook_bindings', 'SN1', () => stores.bindings.move('SN1', { organizationId: 'one' })],
        ['dockhook_settings', 'license', () => stores.license.get()],
      ];
      for (const [table, key, read] of reads) {
        const error = await rejection(read(), 'bad_row');
        expect(error.message).to.include(table).and.include(`"${key}"`).and.not.include(secret);
      }
    });

    it('says that an organization is a bad row to who looks at it, and not to who only looks at the binding', async () => {
      await bindOne(stores, aBinding('SN1', 'one'));
      await set('dockhook_organizations', 'one', '{"value":{"name":5,"bindingCode":"c"}}');
      const found = (await stores.bindings.getWithOrganizations('SN1', [])).get('SN1')!;
      expect(found.organizationId).to.equal('one');
      expect(() => found.organization())
        .to.throw(/dockhook_organizations/)
        .with.property('code', 'bad_row');
    });

    it('fails only the reader of a bad row when many are read at once', async () => {
      await stores.accounts.add(anAccount('bob'));
      await set('dockhook_accounts', 'alice', '{"value":{}}');
      const [bob, alice, nobody, error] = await Promise.all([
        stores.accounts.get('bob'),
        stores.accounts.get('alice').catch((bad: unknown) => bad),
        stores.accounts.get('nobody'),
        rejection(stores.accounts.get('alice'), 'bad_row'),
      ]);
      expect(bob).to.deep.equal(anAccount('bob'));
      expect(nobody).to.equal(undefined);
      expect(alice).to.be.instanceOf(DockhookError).with.property('message', error.message);
    });

    it('lists a bad row apart from the good ones', async () => {
      await stores.accounts.add(anAccount('bob'));
      await set(
        'dockhook_accounts',
        'alice',
        '{"value":{"passwordHash":"$dockhook-sha256$salt$digest","scope":{"kind":"client-id"},"expiresat":""}}',
      );
      const { records, badRows } = await stores.accounts.list();
      expect(records).to.deep.equal([anAccount('bob')]);
      expect(badRows.map((error) => error.message).join())
        .to.include('"alice"')
        .and.include('"expiresat"');
    });

    it('does not delete a row that has Keyv’s expiry in its envelope, but reports it', async () => {
      const expired =
        '{"value":{"passwordHash":"$dockhook-sha256$salt$digest","scope":{"kind":"client-id"}},"expires":1}';
      await set('dockhook_accounts', 'alice', expired);
      await rejection(stores.accounts.get('alice'), 'bad_row');
      expect(await database.query(`SELECT value FROM dockhook_accounts`)).to.deep.equal([{ value: expired }]);
    });

    it('can be set right with a bad row’s own operations: remove and bind', async () => {
      await set('dockhook_accounts', 'alice', '{"value":{}}');
      await stores.accounts.remove('alice');
      await stores.accounts.add(anAccount('alice'));
      await set('dockhook_bindings', 'SN1', '{"value":{"organizationId":"one","gateway":"G1"}}');
      expect(await bindOne(stores, aBinding('SN1', 'one'))).to.equal('bound');
      expect((await stores.bindings.list()).badRows).to.deep.equal([]);
      await set('dockhook_bindings', 'SN1', '{"value":{"organizationId":"one","callsign":7}}');
      expect(await bindOne(stores, aBinding('SN1', 'one', { callsign: '' }))).to.equal('bound');
      expect((await stores.bindings.list()).records).to.deep.equal([
        aBinding('SN1', 'one', { callsign: '7' }),
      ]);
    });

    it('lists more rows than one query fetches', async () => {
      await database.query(
        `INSERT INTO dockhook_accounts (key, value) SELECT 'n' || lpad(i::text, 5, '0'), ` +
          `'{"value":{"passwordHash":"$dockhook-sha256$salt$digest","scope":{"kind":"client-id"}}}' FROM generate_series(1, 2500) i`,
      );
      const { records } = await stores.accounts.list();
      expect(records).to.have.length(2501);
      expect(new Set(records.map((account) => account.name))).to.have.property('size', 2501);
    });
  });
}
