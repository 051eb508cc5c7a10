/** `dockhook doctor` where the broker is a Mosquitto: it checks that, and speaks of no other. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/finding.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { expectComplete, found, troubles } from '../support/findings.js';
import { freePorts } from '../support/haproxy.js';
import { connackCode } from '../support/mqtt.js';
import { describeWithMosquitto, PLUGIN, runMosquitto } from '../support/mosquitto.js';
import { until } from '../support/until.js';

const asWhoever = process.getuid?.() === 0 ? ['user root'] : [];

describeWithMosquitto('doctor with a Mosquitto', function () {
  this.timeout(120_000);
  let directory: string;
  let environment: Record<string, string>;
  let server: Running;
  let port: number;
  let lines: string[];
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-doctor-mosquitto-'));
    const [grpc, http, mqtt = 0] = await freePorts(3);
    port = mqtt;
    environment = {
      DOCKHOOK_DATA_DIR: join(directory, 'data'),
      DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
      DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
    };
    server = startCommand(['serve'], { environment });
    await server.event('ready');
    lines = [
      ...['per_listener_settings false', 'allow_anonymous false', 'set_tcp_nodelay true', ...asWhoever],
      ...[`listener ${port} 127.0.0.1`, `plugin ${PLUGIN}`, `plugin_opt_url http://127.0.0.1:${grpc}`],
    ];
  });
  after(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  async function doctor(...args: string[]): Promise<Finding[]> {
    const { stdout } = await run(['--json', 'doctor', ...args], { environment });
    const findings = JSON.parse(stdout) as Finding[];
    expectComplete(findings);
    return findings;
  }
  const confOf = (given: string[]): string => {
    const path = join(directory, 'mosquitto.conf');
    writeFileSync(path, given.join('\n'));
    return path;
  };
  const note = async (...args: string[]) => (await run(['doctor', ...args], { environment })).stdout;

  it('says how to have the broker checked while it does not know which one is there', async () => {
    expect(await note()).to.match(
      /^The broker was not checked\. EMQX: set .*Mosquitto: give .*--mosquitto-conf/m,
    );
  });

  it('knows it from the server that it asked, checks its file, probes it, and says not a word of EMQX', async () => {
    const broker = runMosquitto(lines);
    try {
      await broker.says(' serves');
      await until(async () => (await note()).includes('Mosquitto was not checked: give'));
      expect(await note()).to.not.include('EMQX was not checked');
      const args = ['--mosquitto-conf', confOf(lines), '--probe', '--broker', `mqtt://127.0.0.1:${port}`];
      const findings = await doctor(...args);
      expect(found(findings, 'mosquitto').level).to.equal('ok');
      expect(found(findings, 'probe_reply').level).to.equal('ok');
      expect(troubles(findings)).to.deep.equal([
        ...['error license_missing', 'error organizations_none', 'error accounts_no_dock'],
        'warning probe_update_topo_unanswered',
      ]);
      expect(JSON.stringify(findings)).to.not.match(/emqx/i);
      expect(await note(...args.slice(0, 2))).to.not.match(/emqx/i);
    } finally {
      await broker.stop();
    }
  });

  it('says not a word of EMQX either where dockhook and Mosquitto are at fault', async () => {
    const without = lines.filter((line) => !line.startsWith('plugin'));
    const broker = runMosquitto([...without, 'allow_anonymous true']);
    try {
      await broker.says(' running');
      const args = ['--mosquitto-conf', confOf([...without, 'allow_anonymous true'])];
      const findings = await doctor(...args, '--probe', '--broker', `mqtt://127.0.0.1:${port}`);
      expect(troubles(findings)).to.include.members([
        ...['error mosquitto_no_plugin', 'error mosquitto_anonymous', 'error probe_anonymous_accepted'],
        ...['error probe_no_reply', 'error probe_foreign_subscribe_granted'],
      ]);
      expect(JSON.stringify(findings)).to.not.match(/emqx/i);
    } finally {
      await broker.stop();
    }
  });

  for (const line of ['plugin_opt_uri x', 'plugin_opt_acl_seconds 0', 'plugin_opt_tls_ca /absent/ca.pem']) {
    it(`finds what keeps Mosquitto from its start: ${line}`, async () => {
      const findings = await doctor('--mosquitto-conf', confOf([...lines, line]));
      expect(troubles(findings)).to.include('error mosquitto_plugin_option');
      expect(await runMosquitto([...lines, line]).exit).to.not.equal(0);
    });
  }

  it('warns of client ids that Mosquitto refuses before it asks, as it does', async () => {
    const prefixes = [...lines, 'clientid_prefixes dji-'];
    expect(troubles(await doctor('--mosquitto-conf', confOf(prefixes)))).to.include(
      'warning mosquitto_client_id_prefixes',
    );
    const added = await run(['--json', 'account', 'add', 'any', '--any-gateway', '--generate'], {
      environment,
    });
    const { password } = JSON.parse(added.stdout) as { password: string };
    const broker = runMosquitto(prefixes);
    try {
      await broker.says(' serves');
      const connect = (clientId: string) =>
        connackCode(`mqtt://127.0.0.1:${port}`, { clientId, username: 'any', password });
      expect(await connect('dji-7CTDTEST00000A')).to.equal(0);
      expect(await connect('7CTDTEST00000A')).to.equal(5);
    } finally {
      await broker.stop();
    }
  });
});
