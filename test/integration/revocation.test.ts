/** What becomes of connected clients when an account or a binding changes: commands as processes, EMQX a stand-in. */
import { expect } from 'chai';
import pg from 'pg';
import { run, type Result } from '../support/cli.js';
import { API_SECRET, startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import type { FakeClient } from '../support/emqx-rest-routes.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

describeWithPostgres('a change of an account or a binding', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let emqx: FakeEmqx;
  before(async () => {
    database = await freshDatabase();
    emqx = await startEmqxRest();
  });
  after(async () => {
    await emqx.close();
    await database.drop();
  });
  beforeEach(() => {
    emqx.calls.length = 0;
    emqx.fault = () => undefined;
  });

  const dockhook = (...args: string[]): Promise<Result> =>
    run(args, { environment: { DATABASE_URL: database.url, ...emqx.environment } });
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await dockhook('--json', ...args);
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const add = (name: string, ...scope: string[]): Promise<unknown> =>
    json('account', 'add', name, ...scope, '--generate');
  const clientIds = (): string[] => emqx.state.clients.map(({ clientid }) => clientid);

  it('disconnects the clients of a disabled account, and no others, whatever their names', async () => {
    const name = 'dock & co? %2F "ü"';
    await add(name, '--any-gateway');
    emqx.state.clients = [
      { clientid: 'a b&c=d?%2F', username: name },
      { clientid: '..', username: name },
      { clientid: '.', username: name },
      { clientid: 'away', username: name, connected: false },
      { clientid: 'other', username: `${name}2` },
      { clientid: 'nobody', username: null },
    ];
    const { code, stdout, stderr } = await dockhook('account', 'disable', name);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include(
      'disabled. 3 clients were disconnected, and 1 kept session of a client that is away was ended.',
    );
    expect(clientIds()).to.deep.equal(['other', 'nobody']);
    // What EMQX remembers goes first, so that something is won if the rest fails.
    const id = encodeURIComponent('a b&c=d?%2F');
    expect(emqx.calls).to.include(`DELETE /clients/${id}/authorization/cache`);
    expect(emqx.calls.indexOf(`DELETE /clients/${id}/authorization/cache`)).to.be.lessThan(
      emqx.calls.indexOf(`DELETE /clients/${id}`),
    );
  });

  it('disconnects nobody if EMQX takes no notice of the filter', async () => {
    await add('quiet', '--any-gateway');
    emqx.state.clients = [
      { clientid: 'other', username: 'other' },
      { clientid: 'quiet-2', username: 'quiet-2' },
    ];
    emqx.state.ignoresFilters = true;
    expect(await json('account', 'disable', 'quiet')).to.include({ disconnected: 0 });
    emqx.state.ignoresFilters = false;
    expect(clientIds()).to.deep.equal(['other', 'quiet-2']);
  });

  it('disconnects those of a removed account, on as many pages as it takes', async () => {
    await add('fleet', '--any-gateway');
    emqx.state.clients = Array.from({ length: 2300 }, (_, n) => ({
      clientid: `c${n}`,
      // The first page holds sessions of clients that are away alone.
      ...{ username: 'fleet', connected: n >= 1000 },
    }));
    expect(await json('account', 'remove', 'fleet')).to.deep.equal({ name: 'fleet', disconnected: 2300 });
    expect(clientIds()).to.deep.equal([]);
    // Three pages, and a look at who came meanwhile.
    expect(emqx.calls.filter((call) => call.startsWith('GET /clients'))).to.have.length(4);
  });

  it('takes a client that has left in between for no failure', async () => {
    await add('fleeting', '--any-gateway');
    emqx.state.clients = [
      { clientid: 'here', username: 'fleeting' },
      { clientid: 'left', username: 'fleeting' },
    ];
    emqx.fault = (call) => {
      if (call === 'DELETE /clients/left/authorization/cache') {
        emqx.state.clients = emqx.state.clients.filter(({ clientid }) => clientid !== 'left');
      }
      return undefined;
    };
    const { stdout, stderr } = await dockhook('account', 'disable', 'fleeting');
    expect(stderr).to.equal('');
    expect(stdout).to.include('1 client was disconnected.');
  });

  it('enable and a client that was not there cost no session', async () => {
    await add('empty', '--any-gateway');
    emqx.state.clients = [];
    expect((await dockhook('account', 'disable', 'empty')).stdout).to.include(
      'None of its clients was connected.',
    );
    emqx.calls.length = 0;
    expect(await json('account', 'enable', 'empty')).to.not.have.property('disconnected');
    expect(emqx.calls).to.deep.equal([]);
  });

  it('is made, and a warning given, if EMQX fails; a script sees null', async () => {
    await add('kept-on', '--any-gateway');
    emqx.state.clients = [{ clientid: 'kept-on', username: 'kept-on' }];
    for (const [fault, words] of [
      [401, 'refuses the API key'],
      [500, 'its log says why'],
      ['web page', 'with a web page'],
      ['truncated', 'only part of it'],
    ] as const) {
      emqx.fault = () => fault;
      await json('account', 'enable', 'kept-on');
      const { code, stdout, stderr } = await dockhook('--json', 'account', 'disable', 'kept-on');
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.include({ disabled: true, disconnected: null });
      const { warning } = JSON.parse(stderr) as { warning: string };
      expect(warning).to.include('the change is made').and.to.include(words);
      expect(warning).to.not.include(API_SECRET);
    }
    const { stdout } = await dockhook('account', 'disable', 'kept-on');
    expect(stdout).to.include('stays until it reconnects');
    expect(clientIds()).to.deep.equal(['kept-on']);
  });

  it('says how many were disconnected if EMQX refuses it for one', async () => {
    await add('stubborn', '--any-gateway');
    emqx.state.clients = ['s1', 's2', 's3'].map((clientid) => ({ clientid, username: 'stubborn' }));
    emqx.fault = (call) => (call === 'DELETE /clients/s2' ? 500 : undefined);
    const { code, stdout, stderr } = await dockhook('--json', 'account', 'disable', 'stubborn');
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ disconnected: 2 });
    expect(stderr)
      .to.include('only 2 of its sessions were ended')
      .and.to.include('DELETE /api/v5/clients/s2');
    expect(clientIds()).to.deep.equal(['s2']);
  });

  it('says that a client stays on, and a kept session keeps its subscriptions, if no EMQX is named', async () => {
    await add('unnamed', '--any-gateway');
    const environment = { DATABASE_URL: database.url };
    const { stdout } = await run(['account', 'disable', 'unnamed'], { environment });
    expect(stdout).to.include('A connected client stays until it reconnects.');
    expect(stdout).to.include('keeps its subscriptions even then');
  });

  it('ends also the session of a client that had been let in just before', async () => {
    await add('loops', '--any-gateway');
    emqx.state.clients = [{ clientid: 'first', username: 'loops' }];
    emqx.fault = (call) => {
      const late = { clientid: 'late', username: 'loops' };
      // The answer that lets it in may take two seconds.
      if (call === 'DELETE /clients/first') setTimeout(() => emqx.state.clients.push(late), 2000);
      return undefined;
    };
    expect(await json('account', 'disable', 'loops')).to.include({ disconnected: 2 });
    expect(clientIds()).to.deep.equal([]);
  });

  it('finds sessions under client ids with the account in front, and ends them under these', async () => {
    await add('a', '--client-id-is-gateway');
    await add('a-b', '--client-id-is-gateway');
    emqx.state.clients = [
      { clientid: 'a|LONGAAAA01', username: 'a' },
      { clientid: 'a|drc-LONGAAAA01-1780390153000', username: 'a', connected: false },
      { clientid: 'a|a|Rnd0m', username: 'a' },
      { clientid: 'a-b|LONGAAAA01', username: 'a-b' },
    ];
    expect(await json('account', 'disable', 'a')).to.include({ disconnected: 3 });
    expect(emqx.calls).to.include(`DELETE /clients/${encodeURIComponent('a|LONGAAAA01')}`);
    expect(clientIds()).to.deep.equal(['a-b|LONGAAAA01']);
    await json('account', 'enable', 'a');
  });

  it('ends the sessions of an account that belongs to another organization from now on', async () => {
    for (const id of ['yard-1', 'yard-2']) await json('organization', 'add', id, '--name', id);
    await add('rc', '--gateway', 'RCAAAAAAA1', '--organization', 'yard-1');
    for (const more of [['--organization', 'yard-2'], ['--no-organization']]) {
      emqx.state.clients = [{ clientid: 'rc|RCAAAAAAA1', username: 'rc' }];
      expect(await json('account', 'set', 'rc', ...more), more.join(' ')).to.include({ disconnected: 1 });
    }
    // It stays as it is.
    emqx.state.clients = [{ clientid: 'rc|RCAAAAAAA1', username: 'rc' }];
    expect(await json('account', 'set', 'rc', '--no-organization')).to.not.have.property('disconnected');
  });

  it('that lists an SN, or keeps a client id, ends the sessions of others under it', async () => {
    await add('claims', '--client-id-is-gateway');
    await add('trusted', '--any-gateway');
    const stays = [
      { clientid: 'trusted|LISTEDAA01', username: 'trusted' },
      { clientid: 'claims|LISTEDAA011', username: 'claims' },
      { clientid: 'new-dock|LISTEDAA01', username: 'new-dock' },
      { clientid: 'claims|worker-11', username: 'claims' },
    ];
    emqx.state.clients = [
      ...stays,
      { clientid: 'claims|LISTEDAA01', username: 'claims' },
      { clientid: 'claims|LISTEDAA01_drc', username: 'claims', connected: false },
      { clientid: 'worker-1', username: 'claims' },
    ];
    const { stdout, stderr } = await dockhook(
      'account',
      'add',
      'new-dock',
      '--gateway',
      'LISTEDAA01',
      '--generate',
    );
    expect(stdout, stderr).to.include(
      'Other accounts used its SNs or client ids: 1 client was disconnected, and 1 kept session',
    );
    expect(
      await json('account', 'add', 'worker', '--service', '--client-id', 'worker-1', '--generate'),
    ).to.include({
      disconnected: 1,
    });
    expect(clientIds()).to.deep.equal(stays.map(({ clientid }) => clientid));
    // What it had before concerns nobody.
    emqx.calls.length = 0;
    await json('account', 'set', 'new-dock', '--gateway', 'LISTEDAA01', 'LISTED2');
    const looked = emqx.calls.filter((call) => call.includes('like_clientid'));
    expect(new Set(looked)).to.deep.equal(new Set(['GET /clients?like_clientid=LISTED2&limit=1000&page=1']));
  });

  it('of an account that lists an SN or a client id says that others stay, if EMQX cannot be asked', async () => {
    const empty = await freshDatabase();
    try {
      const stay =
        'Clients of other accounts that are connected under its SNs or client ids stay until they reconnect';
      const alone = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await run(args, { environment: { DATABASE_URL: empty.url } });
        expect(code, stderr).to.equal(0);
        return stdout;
      };
      const added = (name: string, ...scope: string[]): Promise<string> =>
        alone('account', 'add', name, ...scope, '--generate');
      expect(await added('alone', '--gateway', 'ALONE1'), 'there is no other account').to.not.include(stay);
      expect(await added('beside', '--gateway', 'BESIDE1'), 'the other lists another SN').to.not.include(
        stay,
      );
      expect(await added('twin', '--gateway', 'ALONE1'), 'another lists it').to.include(stay);
      expect(await added('any', '--any-gateway')).to.not.include(stay);
      expect(await added('first', '--gateway', 'FIRST1'))
        .to.include(stay)
        .and.to.include('DOCKHOOK_EMQX_URL');
      expect(await added('backend', '--service', '--client-id', 'backend-1')).to.include(stay);
      for (const scope of ['--any-gateway', '--client-id-is-gateway', '--service'])
        expect(await added(`kind${scope}`, scope)).to.not.include(stay);

      expect(await alone('account', 'set', 'first', '--gateway', 'FIRST1', 'FIRST2')).to.include(stay);
      expect(await alone('account', 'set', 'first', '--gateway', 'FIRST1')).to.not.include(stay);
      expect(await alone('account', 'set', 'first', '--note', 'on the roof')).to.not.include(stay);
      const json = await alone('--json', 'account', 'add', 'script', '--gateway', 'SCRIPT1', '--generate');
      expect(JSON.parse(json)).to.include({ disconnected: null });
    } finally {
      await empty.drop();
    }
  });

  it('of a binding disconnects the gateway by client id or by its account, and spares the other docks', async () => {
    for (const id of ['north', 'south']) await json('organization', 'add', id, '--name', id);
    await database.query(
      `INSERT INTO dockhook_bindings (key, value) VALUES ('DRONE1', '{"value":{"organizationId":"north",
       "callsign":"A","modelKey":"0-1-0","gateway":"GATEAAAA01","boundAt":"2026-01-01T00:00:00Z"}}')`,
    );
    await add('only-this', '--gateway', 'GATEAAAA01');
    await add('several', '--gateway', 'GATEAAAA01', 'GATE2');
    await add('others', '--gateway', 'GATE2');
    const stays = [
      { clientid: 'GATE2', username: 'several' },
      { clientid: 'opaque-of-several', username: 'several' },
      { clientid: 'opaque-of-others', username: 'others' },
      { clientid: 'GATEAAAA011', username: 'any' },
      { clientid: 'XGATEAAAA01', username: 'any' },
    ];
    emqx.state.clients = [
      ...stays,
      { clientid: 'GATEAAAA01', username: 'any' },
      { clientid: 'drc-GATEAAAA01', username: 'several' },
      { clientid: 'GATEAAAA01-1700000000', username: 'any' },
      { clientid: 'opaque', username: 'only-this' },
    ];
    expect(await json('binding', 'move', 'DRONE1', '--organization', 'south')).to.include({
      organizationId: 'south',
      disconnected: 4,
    });
    expect(clientIds()).to.deep.equal(stays.map(({ clientid }) => clientid));
    // It may be the dock: it keeps its session, and EMQX asks anew what it may do.
    const flushed = emqx.calls.filter((call) => call.endsWith('/cache')).map((call) => call.split('/')[2]);
    expect(flushed).to.have.members([
      'GATEAAAA01',
      'drc-GATEAAAA01',
      'GATEAAAA01-1700000000',
      'opaque',
      'opaque-of-several',
    ]);

    // Nor are all accounts read where there is no EMQX to ask: here nobody can read them.
    const locker = new pg.Client({ connectionString: database.url });
    await locker.connect();
    try {
      await locker.query('BEGIN; LOCK TABLE dockhook_accounts IN ACCESS EXCLUSIVE MODE');
      const { code, stderr } = await run(['binding', 'move', 'DRONE1', '--organization', 'north'], {
        environment: { DATABASE_URL: database.url },
      });
      expect([code, stderr]).to.deep.equal([0, '']);
    } finally {
      await locker.end();
    }
  });

  describe('of the binding of a drone', () => {
    const DRONE = 'DRONEAAAA2';
    const topic = (rest: string): string => `thing/product/${DRONE}/${rest}`;
    const subscriber = (username: string, ...subscriptions: string[]): FakeClient => ({
      clientid: `${username}|${subscriptions.join()}`,
      username,
      subscriptions,
    });
    const bind = (sn: string, gateway: string): Promise<unknown> =>
      database.query(
        `INSERT INTO dockhook_bindings (key, value) VALUES ('${sn}', '{"value":{"organizationId":"east",
         "callsign":"A","modelKey":"0-1-0","gateway":"${gateway}","boundAt":"2026-01-01T00:00:00Z"}}')`,
      );
    const stays = [
      subscriber('listed', 'thing/product/GATECCCC01/services', topic('osd')),
      subscriber('listed', 'thing/product/DRONEAAAA21/services'),
      subscriber('all-docks', topic('services')),
      subscriber('cloud', topic('services'), 'thing/product/+/services'),
      subscriber('who-is-that', topic('services')),
    ];
    const go = [
      ...['services', 'property/set', 'state_reply', 'events_reply'].map((rest) =>
        subscriber('listed', topic(rest)),
      ),
      subscriber('listed', `$share/group/${topic('services')}`),
      subscriber('claims-it', topic('services')),
      { ...subscriber('claims-it', topic('property/set')), connected: false },
    ];
    before(async () => {
      for (const id of ['east', 'west']) await json('organization', 'add', id, '--name', id);
      await add('listed', '--gateway', 'GATECCCC01', 'GATECCCC02');
      await add('claims-it', '--client-id-is-gateway');
      await add('all-docks', '--any-gateway');
      await add('cloud', '--service');
      await bind(DRONE, 'GATEBBBB01');
    });
    beforeEach(() => {
      emqx.state.clients = [...stays, ...go];
    });

    const staying = stays.map(({ clientid }) => clientid);

    it('moved to another organization ends the sessions of gateways that subscribe under its SN, and no others', async () => {
      expect(await json('binding', 'move', DRONE, '--organization', 'west')).to.include({
        disconnected: go.length,
      });
      expect(clientIds()).to.deep.equal(staying);
      // One look at each time for all topics.
      const match = encodeURIComponent(`thing/product/${DRONE}/#`);
      const looks = emqx.calls.filter((call) => call.startsWith('GET /subscriptions'));
      expect(new Set(looks)).to.deep.equal(
        new Set([`GET /subscriptions?match_topic=${match}&limit=1000&page=1`]),
      );
    });

    it('finds them on as many pages as it takes', async () => {
      const many = Array.from({ length: 1000 }, (_, n) => topic(`other/${n}`));
      emqx.state.clients = [subscriber('cloud', ...many), subscriber('listed', topic('services'))];
      emqx.state.clients[0]!.clientid = 'cloud';
      expect(await json('binding', 'move', DRONE, '--organization', 'east')).to.include({ disconnected: 1 });
      expect(clientIds()).to.deep.equal(['cloud']);
    });

    it('given to another account takes no drone from a gateway', async () => {
      expect(await json('binding', 'move', DRONE, '--account', 'claims-it')).to.include({ disconnected: 0 });
      expect(clientIds()).to.deep.equal([...stays, ...go].map(({ clientid }) => clientid));
    });

    it('ends also the session of a gateway that subscribed to commands again just before', async () => {
      const late = subscriber('listed', topic('property/set'));
      const mayStay = subscriber('listed', topic('state_reply'));
      emqx.state.clients = [subscriber('listed', topic('services'))];
      emqx.fault = (call) => {
        if (
          call.startsWith('DELETE /clients/') &&
          !call.endsWith('/cache') &&
          emqx.state.clients.length === 1
        )
          setTimeout(() => emqx.state.clients.push(late, mayStay), 1000);
        return undefined;
      };
      expect(await json('binding', 'move', DRONE, '--organization', 'west')).to.include({ disconnected: 2 });
      expect(clientIds()).to.deep.equal([mayStay.clientid]);
    });

    it('removed ends the same sessions, and says so', async () => {
      emqx.state.clients.push({ clientid: 'listed|GATEBBBB01', username: 'listed' });
      const { code, stdout, stderr } = await dockhook('binding', 'remove', DRONE);
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout).to.include(
        `device ${DRONE} unbound. It can be bound again from DJI Pilot 2. ${go.length} clients were disconnected, and 1 kept`,
      );
      expect(clientIds()).to.deep.equal(staying);
    });

    it('removed though it cannot be read ends the sessions that subscribe under its SN', async () => {
      await database.query(
        `INSERT INTO dockhook_bindings (key, value) VALUES ('${DRONE}', '{"value":{"organizationId":"east"}}')`,
      );
      expect(await json('binding', 'remove', DRONE)).to.deep.equal({ sn: DRONE, disconnected: go.length });
      expect(clientIds()).to.deep.equal(staying);
    });

    it('removed of a gateway ends its own sessions', async () => {
      await bind('GATECCCC01', 'GATECCCC01');
      emqx.state.clients = [...go, { clientid: 'listed|GATECCCC01', username: 'listed' }];
      expect(await json('binding', 'remove', 'GATECCCC01')).to.deep.equal({
        sn: 'GATECCCC01',
        disconnected: 1,
      });
      expect(clientIds()).to.deep.equal(go.map(({ clientid }) => clientid));
      expect(emqx.calls.filter((call) => call.startsWith('GET /subscriptions'))).to.deep.equal([]);
    });

    it('removed says that clients stay, if EMQX cannot be asked or fails, and changes nothing if it is not there', async () => {
      await bind(DRONE, 'GATEBBBB01');
      const environment = { DATABASE_URL: database.url };
      const alone = await run(['binding', 'remove', DRONE], { environment });
      expect(alone.stdout, alone.stderr)
        .to.include('A connected client stays until it reconnects.')
        .and.to.include('DOCKHOOK_EMQX_URL');

      await bind(DRONE, 'GATEBBBB01');
      emqx.fault = (call) => (call === 'GET /subscriptions' ? 403 : undefined);
      const refused = await dockhook('--json', 'binding', 'remove', DRONE);
      expect([refused.code, JSON.parse(refused.stdout)]).to.deep.equal([
        0,
        { sn: DRONE, disconnected: null },
      ]);
      expect(refused.stderr).to.include('no session was ended').and.to.include('GET /api/v5/subscriptions');

      emqx.calls.length = 0;
      expect((await dockhook('binding', 'remove', DRONE)).code).to.equal(3);
      expect(emqx.calls).to.deep.equal([]);
    });
  });
});
