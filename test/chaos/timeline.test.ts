/** The timeline after an outage of PostgreSQL: what happened meanwhile is there, or it says how much is missing. */
import { expect } from 'chai';
import { run } from '../support/cli.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { openStage, type Stage } from '../support/exhook-actor.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

const SN = '7CTDTEST00000A';
const PASSWORD = 'the-password-in-the-test';

describeWithOwnPostgres('the timeline after an outage', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let app: TestDockhook;
  let stage: Stage;

  beforeEach(async () => {
    postgres = await startPostgres();
    app = await startDockhook({
      stores: openStores(connectPostgres(postgres.url)),
      timeline: { writeMs: 20 },
    });
    await app.ready;
    await app.addAccount('dock-1', PASSWORD, { kind: 'gateways', gateways: [SN] });
    stage = await openStage(app.grpc);
  });
  afterEach(async () => {
    stage.close();
    await app.stop();
    await postgres.stop();
  });

  const refusals = async () =>
    (
      await postgres.query(
        `SELECT client_id, account, sum(count)::int AS times FROM dockhook_timeline
          WHERE reason = 'store_unavailable' GROUP BY 1, 2 ORDER BY 1`,
      )
    ).map(({ client_id: clientId, account, times }) => [clientId, account, times]);

  it('has the connects that were refused meanwhile, and `dock show` tells of them', async () => {
    await postgres.kill('SIGKILL');
    for (const clientId of [SN, 'first-in-the-outage', 'second-in-the-outage', SN]) {
      expect(await stage.client({ clientId, username: 'dock-1' }).authenticate(PASSWORD)).to.equal(false);
    }
    await app.event('timeline_not_written');
    await postgres.restart();
    const all = [
      [SN, 'dock-1', 2],
      ['first-in-the-outage', 'dock-1', 1],
      ['second-in-the-outage', 'dock-1', 1],
    ];
    await until(async () => (await refusals()).length === 3);
    await app.stop();
    expect(await refusals()).to.deep.equal(all);
    const { stdout } = await run(['dock', 'show', SN], { environment: { DATABASE_URL: postgres.url } });
    expect(stdout).to.match(/connect +refused: store_unavailable/);
  });

  it('shows once what a frozen server may have done twice', async () => {
    const dock = stage.client({ clientId: SN, username: 'dock-1' });
    await dock.connect(PASSWORD);
    await until(async () => (await postgres.query('SELECT FROM dockhook_timeline WHERE own')).length > 1);
    await postgres.kill('SIGSTOP');
    await dock.disconnected('normal');
    await app.event('timeline_not_written');
    await postgres.kill('SIGCONT');
    const ends = (): Promise<unknown[]> =>
      postgres.query("SELECT FROM dockhook_timeline WHERE step = 'disconnected'");
    // Twice, if the frozen server took the first try, too; the contract of the timeline has that one for certain.
    await until(async () => (await ends()).length > 0);
    await app.stop();
    const { stdout } = await run(['--json', 'dock', 'show', SN], {
      environment: { DATABASE_URL: postgres.url },
    });
    const { story } = JSON.parse(stdout) as { story: { step: string }[] };
    expect(story.filter(({ step }) => step === 'disconnected')).to.have.length(1);
  });

  it('says how many events are missing if more came than there is room for', async () => {
    await postgres.kill('SIGKILL');
    expect(await stage.client({ clientId: SN, username: 'dock-1' }).authenticate(PASSWORD)).to.equal(false);
    await app.event('timeline_not_written');
    // Of one client, no more than twenty different ones in a turn; and of all strangers, no more than a hundred.
    const many = Array.from({ length: 400 }, (_, index) =>
      stage.client({ clientId: `c${index}`, username: `u${index}`, peerHost: `198.51.${index % 250}.7` }),
    );
    await Promise.all(many.map((client) => client.authenticate(PASSWORD)));
    await postgres.restart();
    const missing = () => postgres.query("SELECT count FROM dockhook_timeline WHERE step = 'missing'");
    await until(async () => (await missing()).length > 0);
    const written = (await refusals()).length;
    const [gap] = await missing();
    expect(Number(gap?.['count']) + written).to.equal(401);
    await app.stop();
    const environment = { DATABASE_URL: postgres.url };
    const text = new RegExp(`${String(gap?.['count'])} events .* are missing: the database was away`);
    expect((await run(['dock', 'show', SN], { environment })).stdout).to.match(text);
    expect((await run(['dock', 'list'], { environment })).stdout).to.match(text);
  });
});
