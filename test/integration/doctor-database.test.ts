/** What doctor finds in a database that is not as dockhook needs it, and that the SQL it prints mends that. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDatabase } from '../../src/doctor/database.js';
import type { Finding } from '../../src/finding.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { aBinding, anAccount, anOrganization, bindOne, rejection } from '../contract/store-suite.js';
import { expectComplete, found, troubles } from '../support/findings.js';
import { oldTables } from '../support/old-tables.js';
import { binaries, describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

describeWithPostgres('doctor on a database', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  let role: string;
  let name: string;
  let url: string;

  beforeEach(async () => {
    fresh = await freshDatabase();
    name = new URL(fresh.url).pathname.slice(1);
    role = `role_${name.slice(-12)}`;
    await fresh.query(`CREATE ROLE ${role} LOGIN; GRANT CREATE ON SCHEMA public TO ${role}`);
    const asRole = new URL(fresh.url);
    asRole.username = role;
    url = asRole.href;
  });
  afterEach(async () => {
    await fresh.query(
      `BEGIN READ WRITE; REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}; COMMIT`,
    );
    await fresh.drop();
  });

  async function look(at = url): Promise<Finding[]> {
    const database = connectPostgres(at);
    try {
      const findings = await checkDatabase(database, 'PostgreSQL');
      expectComplete(findings);
      return findings;
    } finally {
      await database.close();
    }
  }

  /** The tables as the role itself makes them, with a row in each. */
  async function fill(at = url): Promise<void> {
    const stores = openStores(connectPostgres(at));
    await stores.accounts.add(anAccount('dock', { scope: { kind: 'gateways', gateways: ['SN1'] } }));
    await stores.organizations.add(anOrganization('one'));
    await bindOne(stores, aBinding('SN1', 'one'));
    await stores.close();
  }

  /** What is printed behind the words that say who runs it. */
  const sqlOf = ({ fix = [] }: Finding): string => fix.at(-1)?.replace(/^.*?: /, '') ?? '';

  it('has no trouble with one as dockhook makes it', async () => {
    await fill();
    expect(troubles(await look())).to.deep.equal([]);
  });

  const owned = (table: string): string => `ALTER TABLE public.dockhook_${table}`;
  /** What is done to it by a superuser, with ROLE for our role and DB for the database; and what doctor then finds. */
  const faults: [title: string, harm: string, trouble: string, named: string][] = [
    [
      'a stricter isolation of the role',
      "ALTER ROLE ROLE SET default_transaction_isolation = 'serializable'",
      'warning database_isolation',
      'serializable',
    ],
    [
      'a stricter isolation of the database',
      "ALTER DATABASE DB SET default_transaction_isolation = 'repeatable read'",
      'warning database_isolation',
      'repeatable read',
    ],
    [
      'a role that only reads by default',
      'ALTER ROLE ROLE SET default_transaction_read_only = on',
      'error database_read_only',
      'default_transaction_read_only is on',
    ],
    [
      'a database that is only read by default',
      'ALTER DATABASE DB SET default_transaction_read_only = on',
      'error database_read_only',
      'default_transaction_read_only is on',
    ],
    [
      'a role whose foreign keys do not hold',
      'ALTER ROLE ROLE SET session_replication_role = replica',
      'error database_replica_role',
      'session_replication_role',
    ],
    [
      'a statement_timeout that is too short',
      'ALTER ROLE ROLE SET statement_timeout = 20',
      'warning database_statement_timeout',
      '20 ms',
    ],
    [
      'a search_path that goes before PostgreSQL itself',
      'CREATE SCHEMA evil AUTHORIZATION ROLE; ALTER DATABASE DB SET search_path = evil, pg_catalog, public',
      'error database_search_path',
      'evil',
    ],
    [
      'row level security for a role that does not own the tables',
      `${owned('bindings')} OWNER TO CURRENT_USER; GRANT ALL ON public.dockhook_bindings TO ROLE;
       ${owned('bindings')} ENABLE ROW LEVEL SECURITY`,
      'error rows_hidden',
      'public.dockhook_bindings',
    ],
    [
      'row level security that is forced on the owner',
      `${owned('accounts')} ENABLE ROW LEVEL SECURITY; ${owned('accounts')} FORCE ROW LEVEL SECURITY`,
      'error rows_hidden',
      'public.dockhook_accounts',
    ],
    [
      'tables that a crash empties',
      `${owned('bindings')} SET UNLOGGED`,
      'error table_unlogged',
      'dockhook_bindings',
    ],
    [
      'foreign keys that are switched off',
      `${owned('bindings')} DISABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER dockhook_changed, ENABLE ALWAYS TRIGGER dockhook_emptied`,
      'error table_unguarded',
      'dockhook_bindings',
    ],
    [
      'a trigger that swallows rows',
      `CREATE FUNCTION "swallow it"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER "swallow it" BEFORE INSERT ON dockhook_bindings FOR EACH ROW EXECUTE FUNCTION "swallow it"();
       CREATE TRIGGER again BEFORE UPDATE ON dockhook_bindings FOR EACH ROW EXECUTE FUNCTION "swallow it"()`,
      'warning table_triggers',
      'dockhook_bindings',
    ],
    [
      'a rule that swallows deletions',
      'CREATE RULE keep AS ON DELETE TO dockhook_accounts DO INSTEAD NOTHING',
      'warning table_rules',
      'dockhook_accounts',
    ],
    [
      'rights that are missing',
      `${owned('bindings')} OWNER TO CURRENT_USER; ${owned('accounts')} OWNER TO CURRENT_USER;
       GRANT SELECT, INSERT ON public.dockhook_bindings TO ROLE; GRANT SELECT ON public.dockhook_accounts TO ROLE`,
      'error database_rights',
      'UPDATE on dockhook_bindings',
    ],
    [
      'rights on columns alone',
      `${owned('accounts')} OWNER TO CURRENT_USER; ${owned('organizations')} OWNER TO CURRENT_USER;
       GRANT SELECT ON public.dockhook_organizations TO ROLE; GRANT SELECT (key) ON public.dockhook_accounts TO ROLE`,
      'error database_rights',
      'SELECT on dockhook_accounts',
    ],
    [
      'an account table without its guards',
      `DROP INDEX dockhook_accounts_gateways; ${owned('accounts')} DROP CONSTRAINT dockhook_accounts_pkey;
       DO $$ DECLARE c text; BEGIN FOR c IN SELECT conname FROM pg_constraint
         WHERE conrelid = 'public.dockhook_accounts'::regclass AND contype = 'c'
         LOOP EXECUTE format('ALTER TABLE public.dockhook_accounts DROP CONSTRAINT %I', c); END LOOP; END $$`,
      'error tables_unsound',
      'its primary key',
    ],
    [
      'an organization table without its guards',
      `${owned('organizations')} DROP COLUMN binding_code, ADD COLUMN binding_code text`,
      'error tables_unsound',
      'the generated column binding_code',
    ],
    [
      'a binding table without its guards',
      `${owned('bindings')} DROP CONSTRAINT dockhook_bindings_organization_id_fkey`,
      'error tables_unsound',
      'its foreign key',
    ],
  ];
  for (const [title, harm, trouble, named] of faults) {
    it(`finds ${title}, and prints the SQL that mends it`, async () => {
      await fill();
      await fresh.query(
        harm
          .replace(/\bROLE ROLE\b/g, `ROLE ${role}`)
          .replace(/(TO|AUTHORIZATION) ROLE\b/g, `$1 ${role}`)
          .replace(/\bDB\b/g, name),
      );
      const findings = await look();
      expect(troubles(findings)).to.deep.equal([trouble]);
      const finding = found(findings, trouble.split(' ')[1] ?? '');
      expect(finding.what).to.include(named);
      await fresh.query(sqlOf(finding));
      expect(troubles(await look())).to.deep.equal([]);
      const stores = openStores(connectPostgres(url));
      await stores.ping();
      expect(await bindOne(stores, aBinding('SN2', 'one'))).to.equal('bound');
      // Rights are those that the server needs.
      if (!trouble.includes('rights')) {
        await stores.accounts.add(anAccount('new'));
        await stores.accounts.remove('new');
      }
      await stores.close();
    });
  }

  it('finds tables that are out of reach for a role without rights in schema public, as serve says it, too', async () => {
    await fresh.query(
      `REVOKE ALL ON SCHEMA public FROM ${role}, PUBLIC; CREATE SCHEMA app AUTHORIZATION ${role}`,
    );
    const elsewhere = `${url}?options=-csearch_path%3Dapp`;
    const stores = openStores(connectPostgres(elsewhere));
    const { message } = await rejection(stores.ping(), 'store_refused');
    expect(message)
      .to.include('in schema public, whatever search_path says')
      .and.include('GRANT USAGE, CREATE ON SCHEMA public TO');
    const finding = found(await look(elsewhere), 'tables_missing');
    expect(finding.what).to.include('schema public');
    await fresh.query(sqlOf(finding));
    await stores.ping();
    expect(troubles(await look(elsewhere))).to.deep.equal([]);
    await stores.close();
  });

  it('finds that there is no schema public', async () => {
    await fresh.query('DROP SCHEMA public');
    const finding = found(await look(), 'tables_missing');
    expect(finding.why).to.include('may not make them there');
    expect(sqlOf(finding)).to.equal(`CREATE SCHEMA public AUTHORIZATION ${role}`);
    const refused = openStores(connectPostgres(url));
    const { message } = await rejection(refused.ping(), 'store_refused');
    await refused.close();
    expect(message).to.include('CREATE SCHEMA public AUTHORIZATION');
    await fresh.query(`CREATE SCHEMA public AUTHORIZATION ${role}`);
    const stores = openStores(connectPostgres(url));
    await stores.ping();
    await stores.close();
  });

  it('finds tables that an earlier dockhook made, changes nothing, and prints the command that brings them up to date', async () => {
    await fresh.query(oldTables('first'));
    const finding = found(await look(), 'tables_outdated');
    expect(finding.what).to.include('0001 tables');
    expect(sqlOf(finding))
      .to.match(/^psql .* -f deploy\/postgres\/schema\.sql/)
      .and.include(`-d '${name}'`);
    expect(await fresh.query("SELECT FROM pg_tables WHERE tablename = 'dockhook_timeline'")).to.deep.equal(
      [],
    );
  });

  it('finds a table that was dropped, and prints the SQL that has it made anew', async () => {
    await fill();
    await fresh.query('DROP TABLE dockhook_timeline');
    const finding = found(await look(), 'tables_missing');
    expect(finding.why).to.include('dropped');
    await fresh.query(sqlOf(finding));
    const stores = openStores(connectPostgres(url));
    await stores.ping();
    await stores.close();
    expect(troubles(await look())).to.deep.equal([]);
  });

  it('finds a view in the place of a table', async () => {
    await fill();
    const hide = `${owned('accounts')} RENAME TO hidden; CREATE VIEW public.dockhook_accounts AS SELECT * FROM hidden`;
    await fresh.query(hide);
    const finding = found(await look(), 'table_is_none');
    await fresh.query(sqlOf(finding));
    await fresh.query('ALTER TABLE public.hidden RENAME TO dockhook_accounts');
    expect(troubles(await look())).to.deep.equal([]);
  });

  it('finds account triggers that are off, which schema.sql mends', async () => {
    await fill();
    await fresh.query(`${owned('accounts')} DISABLE TRIGGER dockhook_changed`);
    const findings = await look();
    expect(troubles(findings)).to.deep.equal(['warning change_triggers']);
    expect(found(findings, 'change_triggers').fix?.join()).to.include('deploy/postgres/schema.sql');
    await fresh.query(readFileSync(new URL('../../deploy/postgres/schema.sql', import.meta.url), 'utf8'));
    expect(troubles(await look())).to.deep.equal([]);
  });

  it('is content with synchronous_commit = off, and with triggers that only look', async () => {
    await fill();
    await fresh.query(`ALTER ROLE ${role} SET synchronous_commit = off;
      CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER audit AFTER UPDATE ON dockhook_accounts FOR EACH ROW EXECUTE FUNCTION audit()`);
    const findings = await look();
    expect(troubles(findings)).to.deep.equal([]);
    expect(found(findings, 'synchronous_commit').what).to.include('turns it on');
  });

  for (const [encoding, level] of [
    ['LATIN1', 'error'],
    ['SQL_ASCII', 'warning'],
  ] as const) {
    it(`sends nobody to start serve on an empty database in ${encoding}, where it makes no tables`, async () => {
      const empty = await freshDatabase(
        undefined,
        `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      );
      expect(troubles(await look(empty.url))).to.deep.equal(['error database_not_utf8']);
      await empty.drop();
    });

    it(`finds the encoding ${encoding}, and its rows move to the database that it names`, async () => {
      const old = await freshDatabase(
        undefined,
        `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      );
      // As a dockhook made them that did not look at the encoding.
      await old.query(oldTables('first'));
      const stores = openStores(connectPostgres(old.url));
      await stores.accounts.add(anAccount('Gärtner'));
      await stores.close();
      const findings = await look(old.url);
      expect(troubles(findings)).to.deep.equal([`${level} database_encoding`]);
      await fresh.query(sqlOf(found(findings, 'database_encoding')));
      const wide = new URL(old.url);
      wide.pathname += '_utf8';
      const bin = binaries('pg_dump', 'psql') ?? '';
      const dump = execFileSync(join(bin, 'pg_dump'), [old.url]);
      execFileSync(join(bin, 'psql'), ['-q', '-v', 'ON_ERROR_STOP=1', wide.href], { input: dump });
      const moved = openStores(connectPostgres(wide.href));
      expect(await moved.accounts.get('Gärtner')).to.deep.equal(anAccount('Gärtner'));
      await moved.accounts.add(anAccount('北'));
      await moved.close();
      expect(troubles(await look(wide.href))).to.deep.equal([]);
      await fresh.query(`DROP DATABASE ${wide.pathname.slice(1)} WITH (FORCE)`);
      await old.drop();
    });
  }
});
