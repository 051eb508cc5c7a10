import { expect } from 'chai';
import { hashChosen, hashGenerated } from '../../../src/password-hashes/index.js';
import { checkAccounts } from '../../../src/doctor/accounts.js';
import { checkLicense } from '../../../src/doctor/license.js';
import { checkOrganizations } from '../../../src/doctor/organizations.js';
import { DockhookError } from '../../../src/errors.js';
import type { Account, License, Scope, Stores } from '../../../src/stores/types.js';
import { expectComplete, fixOf, found, troubles } from '../../support/findings.js';
import { openFakeStores } from '../../support/fake-stores.js';

const LICENSE: License = {
  appId: '166400',
  appKey: '0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  appLicense: `${'Zm9vYmFy'.repeat(20)}==`,
};
const NOW = Date.parse('2026-11-24T12:00:00Z');
const DAY_MS = 24 * 3_600_000;

describe('doctor', () => {
  let stores: Stores;
  beforeEach(() => {
    stores = openFakeStores();
  });

  describe('on the license', () => {
    const check = async (license?: License) => {
      if (license) await stores.license.set(license);
      const findings = await checkLicense(stores.license);
      expectComplete(findings);
      for (const secret of [license?.appKey, license?.appLicense]) {
        if (secret) expect(JSON.stringify(findings)).not.to.include(secret);
      }
      return findings;
    };

    it('is content with one of the usual shape', async () => {
      expect(troubles(await check(LICENSE))).to.deep.equal([]);
    });

    it('misses one', async () => {
      expect(troubles(await check())).to.deep.equal(['error license_missing']);
    });

    it('knows the demo one', async () => {
      const demo = { appId: '100000', appKey: 'demo-app-key', appLicense: 'demo-app-license' };
      expect(troubles(await check(demo))).to.deep.equal(['error license_demo']);
    });

    for (const [what, change, text] of [
      ['an app id that is no number', { appId: 'abc' }, 'app id'],
      ['an app key that is too short', { appKey: '0a1b2c3d' }, '8 characters'],
      ['a license with a line break in it', { appLicense: `${'A'.repeat(80)}\n` }, 'some of them blanks'],
      ['a license cut short', { appLicense: 'Zm9vYmFy' }, '8 characters'],
    ] as const) {
      it(`doubts ${what}`, async () => {
        const findings = await check({ ...LICENSE, ...change });
        expect(troubles(findings)).to.deep.equal(['warning license_doubtful']);
        expect(findings[0]?.what).to.include(text);
      });
    }

    it('names the row that cannot be read', async () => {
      const bad = new DockhookError('bad_row', 'the row of setting "license" cannot be used');
      const findings = await checkLicense({ ...stores.license, get: () => Promise.reject(bad) });
      expect(found(findings, 'license_bad_row').what).to.equal(bad.message);
    });
  });

  describe('on organizations', () => {
    it('misses one', async () => {
      const findings = await checkOrganizations(stores);
      expectComplete(findings);
      expect(troubles(findings)).to.deep.equal(['error organizations_none']);
    });

    it('names those whose code is short, without the code', async () => {
      await stores.organizations.add({ id: 'north', name: 'North', bindingCode: 'abcde-fghjk' });
      await stores.organizations.add({ id: 'south', name: 'South', bindingCode: 'qwe4rty' });
      const findings = await checkOrganizations(stores);
      expectComplete(findings);
      expect(troubles(findings)).to.deep.equal(['warning organization_code_short']);
      expect(found(findings, 'organization_code_short').what).to.match(/: south$/);
      expect(fixOf(found(findings, 'organization_code_short'))).to.include(
        'dockhook organization set ID --generate-binding-code',
      );
      expect(JSON.stringify(findings)).not.to.include('qwe4rty');
    });

    it('shows of many rows that cannot be read the first, and how many more', async () => {
      const badRows = Array.from(
        { length: 23 },
        (_, n) => new DockhookError('bad_row', `row ${n} cannot be used`),
      );
      const bindings = { ...stores.bindings, list: () => Promise.resolve({ records: [], badRows }) };
      const findings = (await checkOrganizations({ ...stores, bindings })).filter(
        ({ code }) => code === 'bad_row',
      );
      expect(findings).to.have.length(21);
      expect(findings.at(-1)?.what).to.match(/^3 more rows/);
    });
  });

  describe('on what accounts and bindings say of one gateway', () => {
    const DOCK = '7CTDTEST00000A';
    const check = async (...accounts: Partial<Account>[]) => {
      for (const id of ['north', 'south'])
        await stores.organizations.add({ id, name: id, bindingCode: `code-of-${id}` });
      for (const [index, account] of accounts.entries()) {
        await stores.accounts.add({
          name: `a${index}`,
          passwordHash: hashGenerated('x'),
          scope: { kind: 'gateways', gateways: [DOCK] },
          ...account,
        });
      }
      const bound = { callsign: '', modelKey: '', boundAt: '2026-01-01T00:00:00Z', gateway: DOCK };
      await stores.bindings.bind([
        { sn: DOCK, organizationId: 'north', ...bound },
        { sn: '1581FTEST000000000AA', organizationId: 'north', ...bound },
      ]);
      const findings = await checkOrganizations(stores);
      expectComplete(findings);
      return findings;
    };

    it('is content if they agree, or if the account says nothing, or the gateway is bound nowhere', async () => {
      const rc: Scope = { kind: 'gateways', gateways: ['9N9CNTEST00RC2'] };
      const findings = await check({ organizationId: 'north' }, {}, { scope: rc, organizationId: 'south' });
      expect(troubles(findings)).to.deep.equal([]);
    });

    it('names an account of another organization than its gateway', async () => {
      const findings = await check({ organizationId: 'south' });
      expect(troubles(findings)).to.deep.equal(['warning account_organization_differs']);
      expect(found(findings, 'account_organization_differs').what).to.include(
        `${DOCK} (bound to north, account "a0" of south)`,
      );
    });

    it('names an account of an organization that somebody removed by SQL', async () => {
      const findings = await check({
        organizationId: 'west',
        scope: { kind: 'gateways', gateways: ['9N9CNTEST00RC2'] },
      });
      expect(troubles(findings)).to.deep.equal(['warning account_organization_missing']);
      expect(found(findings, 'account_organization_missing').what).to.include('"a0" (west)');
    });

    it('names an account that lists the drone of another gateway, as plain SQL allows', async () => {
      const findings = await check({ scope: { kind: 'gateways', gateways: ['1581FTEST000000000AA'] } });
      expect(troubles(findings)).to.deep.equal(['warning drone_listed_as_gateway']);
      expect(found(findings, 'drone_listed_as_gateway').what).to.include(
        `1581FTEST000000000AA (account "a0", bound through ${DOCK})`,
      );
    });
  });

  describe('on accounts', () => {
    const check = async (...accounts: (Partial<Account> & { name: string })[]) => {
      for (const account of accounts) {
        const scope: Scope = { kind: 'gateways', gateways: [account.name.toUpperCase()] };
        await stores.accounts.add({ passwordHash: hashGenerated('a-b-c'), scope, ...account });
      }
      const findings = await checkAccounts(stores.accounts, { emqx: true, mosquitto: false }, NOW);
      expectComplete(findings);
      return findings;
    };
    const at = (milliseconds: number): string => new Date(milliseconds).toISOString();

    it('is content with one account for each dock', async () => {
      expect(
        troubles(await check({ name: 'd1' }, { name: 'd2', expiresAt: at(NOW + 30 * DAY_MS) })),
      ).to.deep.equal([]);
    });

    it('misses one that lets a dock in', async () => {
      const service: Scope = { kind: 'service', publish: ['a'], subscribe: ['a'] };
      const findings = await check({ name: 'off', disabled: true }, { name: 'backend', scope: service });
      expect(troubles(findings)).to.deep.equal(['error accounts_no_dock']);
      expect(found(findings, 'account_disabled').what).to.match(/: "off"$/);
    });

    const cases: [what: string, account: Partial<Account>, trouble: string][] = [
      ['any gateway', { scope: { kind: 'any-gateway' } }, 'warning account_any_gateway'],
      ['the gateway in its client id', { scope: { kind: 'client-id' } }, 'warning account_client_id'],
      [
        'a backend that hears everything',
        { scope: { kind: 'service', publish: [], subscribe: ['#'] } },
        'warning account_service_all',
      ],
      ['one that expired a moment ago', { expiresAt: at(NOW) }, 'warning account_expired'],
      ['one that expires in six days', { expiresAt: at(NOW + 6 * DAY_MS) }, 'warning account_expires_soon'],
      [
        'an SN in small letters',
        { scope: { kind: 'gateways', gateways: ['7ctdtest'] } },
        'warning account_lower_case',
      ],
    ];
    for (const [what, account, trouble] of cases) {
      it(`names ${what}`, async () => {
        const findings = await check({ name: 'good' }, { name: 'odd', ...account });
        expect(troubles(findings)).to.deep.equal([trouble]);
        const finding = found(findings, trouble.split(' ')[1]!);
        expect(finding.what).to.include('"odd"').and.not.include('good');
        expect(fixOf(finding)).to.include('dockhook account set NAME');
      });
    }

    it('names one whose name is no good inside a client id', async () => {
      const scope: Scope = { kind: 'gateways', gateways: ['SN2'] };
      const findings = await check({ name: 'good' }, { name: 'a|b', scope });
      expect(troubles(findings)).to.deep.equal(['warning account_separator']);
      expect(found(findings, 'account_separator').what).to.match(/: "a\|b"$/);
      const mosquitto = await checkAccounts(stores.accounts, { emqx: false, mosquitto: true }, NOW);
      expect(troubles(mosquitto), 'Mosquitto puts no account there').to.deep.equal([]);
    });

    it('leaves those that have expired in peace if they are disabled', async () => {
      expect(
        troubles(await check({ name: 'd1' }, { name: 'old', disabled: true, expiresAt: at(0) })),
      ).to.deep.equal([]);
    });

    it('tells a chosen password from an imported hash', async () => {
      const list = () =>
        Promise.resolve({
          records: [
            account('chosen', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g'),
            account('imported', '$2b$10$abcdefghijklmnopqrstuv'),
            account('generated', hashGenerated('x')),
          ],
          badRows: [],
        });
      const account = (name: string, passwordHash: string): Account => ({
        name,
        passwordHash,
        scope: { kind: 'gateways', gateways: [name] },
      });
      const findings = await checkAccounts(
        { ...stores.accounts, list },
        { emqx: true, mosquitto: false },
        NOW,
      );
      expect(found(findings, 'account_foreign_hash').what).to.match(/: "imported"$/);
      expect(found(findings, 'account_chosen_password').what).to.match(/: "chosen", "imported"$/);
    });

    it('takes a hash of today for no imported one', async () => {
      const findings = await check({ name: 'd1', passwordHash: await hashChosen('correct horse') });
      expect(troubles(findings)).to.deep.equal([]);
    });

    it('names a gateway that two accounts list, with both', async () => {
      const scope: Scope = { kind: 'gateways', gateways: ['SN1', 'SN2'] };
      const findings = await check(
        { name: 'one', scope },
        { name: 'two', scope: { kind: 'gateways', gateways: ['SN2'] } },
      );
      expect(troubles(findings)).to.deep.equal(['warning gateway_shared']);
      expect(found(findings, 'gateway_shared').what).to.match(/: SN2 \("one", "two"\)$/);
    });

    it('names five of many', async () => {
      const many = Array.from({ length: 8 }, (_, n) => ({
        name: `d${n}`,
        scope: { kind: 'any-gateway' as const },
      }));
      expect(found(await check(...many), 'account_any_gateway').what).to.match(/: "d0", .*"d4" and 3 more$/);
    });
  });
});
