/** `dock list` and `dock show` where EMQX keeps a dock out by itself: commands as processes, EMQX a stand-in. */
import { expect } from 'chai';
import { run, type Result } from '../support/cli.js';
import { API_SECRET, startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const SN = '7CTDTEST00000A';

describeWithPostgres('a dock that EMQX bans', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let emqx: FakeEmqx;
  const dockhook = (...args: string[]): Promise<Result> =>
    run(args, { environment: { DATABASE_URL: database.url, ...emqx.environment } });

  before(async () => {
    database = await freshDatabase();
    emqx = await startEmqxRest();
    emqx.state.more['/banned'] = {
      data: [
        { as: 'clientid', who: SN, by: 'flapping detector', reason: 'x', until: '2999-01-01T00:00:00Z' },
      ],
    };
    for (const sn of [SN, '7CTDTEST00000B'])
      expect((await dockhook('account', 'add', `of-${sn}`, '--gateway', sn, '--generate')).code).to.equal(0);
  });
  after(async () => {
    await emqx.close();
    await database.drop();
  });

  it('is told so by dock show, with its end and how to lift it, and no other dock is', async () => {
    const { code, stdout } = await dockhook('dock', 'show', SN);
    expect(code).to.equal(0);
    expect(stdout).to.match(/: refused$/m);
    expect(stdout).to.include(`EMQX itself refuses client id ${SN} until 2999-01-01`);
    expect(stdout).to.include(`DELETE /api/v5/banned/clientid/${SN}`);
    expect((await dockhook('dock', 'show', '7CTDTEST00000B')).stdout).to.match(/: never seen$/m);
  });

  it('is told so by dock list', async () => {
    const docks = JSON.parse((await dockhook('--json', 'dock', 'list')).stdout) as {
      sn: string;
      state: string;
    }[];
    expect(docks.map(({ sn, state }) => [sn, state])).to.deep.equal([
      [SN, 'refused'],
      ['7CTDTEST00000B', 'never seen'],
    ]);
  });

  it('has its story told, with a warning, if EMQX does not say', async () => {
    emqx.fault = () => 403;
    const { code, stdout, stderr } = await dockhook('dock', 'show', SN);
    expect(code).to.equal(0);
    expect(stdout).to.match(/: never seen$/m);
    expect(stderr).to.include('cannot find out whether EMQX bans a dock').and.to.not.include(API_SECRET);
  });
});
