/** deploy/postgres/notify.sql: what is told on dockhook_bindings, on a real PostgreSQL. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { sqlState } from '../../src/stores/database.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores } from '../../src/stores/types.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';
import { aBinding, anOrganization, bindOne } from './store-suite.js';

const NOTIFY = readFileSync(new URL('../../deploy/postgres/notify.sql', import.meta.url), 'utf8');
const ROLES = readFileSync(new URL('../../deploy/postgres/roles.sql', import.meta.url), 'utf8');
const AT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const EVERYTHING = { schema: 'public', everything: true };

describeWithPostgres('the channel dockhook_bindings', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let stores: Stores;
  let listener: pg.Client;
  let payloads: string[];

  beforeEach(async () => {
    database = await freshDatabase();
    stores = openStores(connectPostgres(database.url));
    await stores.organizations.add(anOrganization('north', 'secret-of-north'));
    await stores.organizations.add(anOrganization('south', 'secret-of-south'));
    payloads = [];
    listener = new pg.Client({ connectionString: database.url });
    await listener.connect();
    listener.on('notification', ({ payload = '' }) => payloads.push(payload));
    await listener.query('LISTEN dockhook_bindings');
  });
  afterEach(async () => {
    await listener.end();
    await stores.close();
    await database.drop();
  });

  const binding = aBinding('7CTDTEST00000A', 'north', { gateway: '7CTDTEST00000A', account: 'yard' });

  /** What was told since the last look, without the moment, which must be one. */
  async function told(): Promise<Record<string, unknown>[]> {
    await database.query(`NOTIFY dockhook_bindings, 'marker'`);
    await until(() => payloads.includes('marker'));
    return payloads
      .splice(0, payloads.indexOf('marker') + 1)
      .slice(0, -1)
      .map((payload) => {
        const { at, ...rest } = JSON.parse(payload) as Record<string, unknown>;
        if (rest['everything'] !== true) expect(at).to.match(AT);
        return rest;
      });
  }

  it('is silent until somebody asks for it, since whoever may connect may listen', async () => {
    expect(await bindOne(stores, binding)).to.equal('bound');
    expect(await told()).to.deep.equal([]);
  });

  describe('after notify.sql', () => {
    beforeEach(() => database.query(NOTIFY));

    it('tells a bind, a renewal, a move and a removal, whoever makes it, with no binding code', async () => {
      await bindOne(stores, binding);
      await bindOne(stores, { ...binding, boundAt: '2026-02-02T00:00:00.000Z' });
      await bindOne(stores, { ...binding, callsign: 'Dach Süd "1"\n', boundAt: '2026-03-03T00:00:00.000Z' });
      await stores.bindings.move(binding.sn, { organizationId: 'south' });
      await database.query(
        `UPDATE dockhook_bindings SET value = jsonb_set(value::jsonb, '{value,callsign}', '"by SQL"')::text`,
      );
      await stores.bindings.remove(binding.sn);
      const told1 = { schema: 'public', ...binding };
      const told3 = { ...told1, callsign: 'Dach Süd "1"\n', boundAt: '2026-03-03T00:00:00.000Z' };
      const moved = { ...told3, organizationId: 'south' };
      expect(await told()).to.deep.equal([
        { ...told1, change: 'bound' },
        { ...told1, change: 'updated', boundAt: '2026-02-02T00:00:00.000Z' },
        { ...told3, change: 'updated' },
        { ...moved, change: 'moved', previousOrganizationId: 'north' },
        { ...moved, change: 'updated', callsign: 'by SQL' },
        { ...moved, change: 'removed', callsign: 'by SQL' },
      ]);
    });

    it('begins with these bytes', async () => {
      await bindOne(stores, binding);
      await until(() => payloads.length > 0);
      expect(payloads[0]).to.match(
        /^\{"schema":"public","change":"bound","sn":"7CTDTEST00000A","organizationId":"north","callsign":"Dock on the roof","modelKey":"3-2-0","gateway":"7CTDTEST00000A","account":"yard","boundAt":"2026-01-02T03:04:05.678Z","at":"[^"]+"\}$/,
      );
    });

    it('tells each device of one bind, and nothing of one that is bound elsewhere', async () => {
      await bindOne(stores, { ...binding, sn: 'TAKEN', organizationId: 'south' });
      await told();
      await stores.bindings.bind([binding, { ...binding, sn: 'DRONE' }, { ...binding, sn: 'TAKEN' }]);
      expect((await told()).map(({ change, sn }) => `${change as string} ${sn as string}`)).to.have.members([
        'bound 7CTDTEST00000A',
        'bound DRONE',
      ]);
    });

    it('tells nothing of what changes nothing, and nothing of what was rolled back', async () => {
      await bindOne(stores, binding);
      await told();
      await database.query('UPDATE dockhook_bindings SET value = value');
      await database.query('BEGIN; DELETE FROM dockhook_bindings; ROLLBACK');
      await database.query(`DELETE FROM dockhook_bindings WHERE key = 'nobody'`);
      expect(await told()).to.deep.equal([]);
    });

    it('tells the longest callsign, and that everything may have changed for a row that is too long', async () => {
      const callsign = '\u{1F681}'.repeat(128) + '\u0001'.repeat(128);
      await bindOne(stores, { ...binding, callsign });
      expect(await told()).to.have.nested.property('[0].callsign', callsign);
      await database.query(
        `UPDATE dockhook_bindings SET value = jsonb_set(value::jsonb, '{value,callsign}', to_jsonb(repeat('x', 9000)))::text`,
      );
      expect(await told()).to.deep.equal([EVERYTHING]);
    });

    it('tells 1,000 rows of one transaction, and of more once that everything may have changed', async () => {
      const insert = (count: number, prefix: string): string => `INSERT INTO dockhook_bindings (key, value)
        SELECT '${prefix}' || n, '{"value":{"organizationId":"north","callsign":"","modelKey":"","gateway":"G","boundAt":"2026-01-01T00:00:00Z"}}'
        FROM generate_series(1, ${count}) AS n`;
      await database.query(insert(1000, 'A'));
      expect(await told()).to.have.length(1000);
      await database.query(insert(3000, 'B'));
      const many = await told();
      expect(many).to.have.length(1001);
      expect(many.at(-1)).to.deep.equal(EVERYTHING);
      await database.query(`DELETE FROM dockhook_bindings WHERE key = 'A1'`);
      expect(await told(), 'the next transaction is told again').to.have.length(1);
    });

    it('tells that everything may have changed when the table is emptied, or an SN is rewritten', async () => {
      await bindOne(stores, binding);
      await told();
      await database.query(`UPDATE dockhook_bindings SET key = 'ANOTHER'`);
      expect(await told()).to.deep.equal([EVERYTHING]);
      await database.query('TRUNCATE dockhook_bindings');
      expect(await told()).to.deep.equal([EVERYTHING]);
    });

    it('tells what replication brings, too', async () => {
      await bindOne(stores, binding);
      await told();
      await database.query(`SET session_replication_role = replica; DELETE FROM dockhook_bindings`);
      expect(await told()).to.have.nested.property('[0].change', 'removed');
    });

    it('does no harm a second time, takes up a newer function, and ends as the file says', async () => {
      await database.query(`CREATE OR REPLACE FUNCTION dockhook_notify_binding() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NULL; END'`);
      await database.query(NOTIFY);
      await bindOne(stores, binding);
      expect(await told()).to.have.length(1);
      const [, end = ''] = /To end it: ([^\n]+)\.\n/.exec(NOTIFY) ?? [];
      await database.query(end);
      await stores.bindings.remove(binding.sn);
      expect(await told()).to.deep.equal([]);
    });

    it('is nothing that the checks of the database take for a fault', async () => {
      expect(await stores.unsound()).to.deep.equal([]);
    });
  });

  describe('and the function that the triggers run', () => {
    const suffix = randomBytes(4).toString('hex');
    const stranger = `stranger_${suffix}`;
    const owner = `owner_${suffix}`;
    const OTHER = `CREATE OR REPLACE FUNCTION public.dockhook_notify_binding() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN RETURN NULL; END'`;
    const as = (role: string, sql: string) => database.query(`SET SESSION AUTHORIZATION ${role}; ${sql}`);
    const ownerOf = async (): Promise<unknown> => {
      const sql = `SELECT proowner::regrole::text AS owner FROM pg_proc WHERE proname = 'dockhook_notify_binding'`;
      return (await database.query(sql))[0]?.['owner'];
    };

    beforeEach(async () => {
      await database.query(`CREATE ROLE ${stranger} LOGIN; CREATE ROLE ${owner} LOGIN;
        GRANT USAGE, CREATE ON SCHEMA public TO ${stranger}, ${owner};
        ALTER TABLE dockhook_bindings OWNER TO ${owner}; ALTER TABLE dockhook_organizations OWNER TO ${owner}`);
    });
    afterEach(() =>
      database.query(`DROP OWNED BY ${stranger}, ${owner} CASCADE; DROP ROLE ${stranger}, ${owner}`),
    );

    for (const [title, prepare] of [
      ['made it before', () => as(stranger, OTHER)],
      [
        'has it, and the triggers run it already',
        () => database.query(`${NOTIFY}; ALTER FUNCTION dockhook_notify_binding() OWNER TO ${stranger}`),
      ],
    ] as const) {
      it(`is taken from a stranger who ${title}`, async () => {
        await prepare();
        await database.query(NOTIFY);
        expect(await ownerOf()).to.equal(owner);
        expect(sqlState(await as(stranger, OTHER).catch((error: unknown) => error))).to.equal('42501');
        await bindOne(stores, binding);
        expect(await told()).to.have.length(1);
      });
    }

    it('is refused to the owner of the tables where a stranger made it, and nothing is made', async () => {
      await as(stranger, OTHER);
      const error = await as(owner, NOTIFY).catch(String);
      expect(error).to.include('must be owner of function dockhook_notify_binding');
      expect(await database.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'dockhook_notify%'`)).to.be.empty;
    });

    it('belongs to the owner of the tables after a superuser made it, who then runs the file again', async () => {
      await database.query(NOTIFY);
      expect(await ownerOf()).to.equal(owner);
      await as(owner, NOTIFY);
      await bindOne(stores, binding);
      expect(await told()).to.have.length(1);
    });

    it('goes with the tables to dockhook_owner, whose members then run the file again', async () => {
      await database.query(NOTIFY);
      await database.query(ROLES);
      expect(await ownerOf()).to.equal('dockhook_owner');
      await database.query(`SET ROLE dockhook_owner; ${NOTIFY}`);
    });
  });

  it('is told with the schema of the tables, if that is another', async () => {
    const elsewhere = openStores(connectPostgres(database.url), { schema: 'drones' });
    try {
      await elsewhere.organizations.add(anOrganization('north'));
      await database.query(`SET dockhook.schema = 'drones'; ${NOTIFY}`);
      await bindOne(stores, binding);
      await bindOne(elsewhere, binding);
      expect((await told()).map(({ schema }) => schema)).to.deep.equal(['drones']);
    } finally {
      await elsewhere.close();
    }
  });
});
