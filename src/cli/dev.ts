/**
 * `dockhook dev` (`npm start`): everything on one machine with nothing to set up: the server on an
 * embedded database, an embedded broker that speaks ExHook to it, demo data, and a simulated dock that
 * walks the access sequence on screen.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import { GENERATED_CODE_CHARACTERS } from '../dock/binding-code.js';
import { DEMO_LICENSE } from '../dock/demo-license.js';
import { hasCode } from '../errors.js';
import { formatListen } from '../listen.js';
import type { Stores } from '../stores/types.js';
import { shellWord } from '../shell.js';
import { addSettingFlags, configOf, wantsJson } from './options.js';
import { print, printFields, printJson, style, terminal } from './output.js';
import { firstSignal } from './signals.js';

const DEMO = {
  account: 'demo-dock',
  organization: { id: 'demo', name: 'Demo yard' },
  gateway: '7CTDDEMO00000A',
  drone: '1581FDEMO0000000000B',
};

/** The command uses an embedded database of its own, even if `DATABASE_URL` is set. */
export function addDevCommand(program: Command): void {
  const command = program
    .command('dev')
    .description('try it: server, embedded broker, demo data and a simulated dock, all on this machine')
    .action(async (_options: unknown, self: Command) => {
      // The walk is the output; refusals are still logged.
      const config = configOf(self, { DOCKHOOK_LOG_LEVEL: 'warn' });
      // Of its own, and never the operator's PostgreSQL.
      const own = { databaseUrl: undefined, dataDir: join(config.dataDir, 'dev') };
      await dev({ ...config, ...own }, wantsJson(self));
    });
  addSettingFlags(command);
}

async function dev(config: Config, json: boolean): Promise<void> {
  const signalled = firstSignal();
  const say = json ? () => undefined : print;
  const { createMetrics } = await import('../observability/metrics.js');
  const { openLog, startServer } = await import('../app.js');
  const { startBroker } = await import('../trial-broker/broker.js');
  const { simulateDock } = await import('../simulator/simulated-dock.js');
  const { formatStep } = await import('../simulator/step-report.js');

  const closing: (() => Promise<void>)[] = [];
  try {
    const metrics = createMetrics();
    const { app, stores } = await startServer(
      config,
      { log: openLog(config, metrics), metrics },
      {
        command: 'dockhook dev',
        onProgress: (text) => {
          say(style('dim', text));
        },
      },
    );
    closing.push(() => app.stop());
    await app.ready;
    const demo = await writeDemoData(stores);
    const broker = await startBroker({ listen: config.mqttListen, exhook: app.grpc });
    closing.push(() => broker.close());
    const url = `mqtt://${formatListen(broker)}`;
    say(`\n${style('bold', 'A simulated dock comes online')} at ${url}\n`);
    const session = await simulateDock({
      url,
      username: DEMO.account,
      password: demo.password,
      gateway: DEMO.gateway,
      drone: DEMO.drone,
      organizationId: DEMO.organization.id,
      bindingCode: demo.bindingCode,
      onStep: (step) => {
        if (json) printJson(step);
        else print(formatStep(step, terminal()));
      },
    });
    closing.push(() => session.close());
    const ready = {
      mqtt: formatListen(broker),
      grpc: app.grpc,
      http: app.http,
      account: DEMO.account,
      password: demo.password,
      organization: DEMO.organization.id,
      bindingCode: demo.bindingCode,
      dataDir: config.dataDir,
    };
    if (json) printJson({ event: 'ready', ...ready });
    else printWhatToDo(ready);
    await signalled;
    say('\nstopping …');
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** The demo account gets a new password at each start, since only its hash is kept. */
async function writeDemoData(stores: Stores): Promise<{ password: string; bindingCode: string }> {
  const { generatePassword, randomCode } = await import('../access/generate-password.js');
  const { hashGenerated } = await import('../password-hashes/index.js');
  const { id, name } = DEMO.organization;
  let organization = await stores.organizations.get(id);
  if (!organization) {
    organization = { id, name, bindingCode: randomCode(GENERATED_CODE_CHARACTERS) };
    await stores.organizations.add(organization);
  }
  if (!(await stores.license.get())) await stores.license.set(DEMO_LICENSE);
  const password = generatePassword();
  const passwordHash = hashGenerated(password);
  const scope = { kind: 'gateways' as const, gateways: [DEMO.gateway] };
  try {
    await stores.accounts.update(DEMO.account, (account) => ({ ...account, passwordHash }));
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error;
    await stores.accounts.add({ name: DEMO.account, passwordHash, scope, note: 'made by dockhook dev' });
  }
  return { password, bindingCode: organization.bindingCode };
}

function printWhatToDo(
  ready: Record<'mqtt' | 'grpc' | 'http' | 'password' | 'bindingCode' | 'dataDir', string>,
): void {
  print(`\n${style(['bold', 'green'], 'The dock is online and bound.')} Everything stays up until Ctrl-C:\n`);
  printFields({
    '  MQTT broker': ready.mqtt,
    '  ExHook for EMQX': `http://${ready.grpc}`,
    '  health, metrics': `http://${ready.http}/readyz  http://${ready.http}/metrics`,
    '  account': `${DEMO.account}, password ${ready.password}`,
    '  organization': `${DEMO.organization.id}, device binding code ${ready.bindingCode}`,
  });
  const { id } = DEMO.organization;
  const data = shellWord(ready.dataDir);
  const steps = [
    `npm run build`,
    `npx dockhook --data-dir ${data} account add dock-2 --gateway 7CTDTEST00000C --generate`,
    `echo 'THE PASSWORD' | npx dockhook simulate --broker mqtt://${ready.mqtt} \\`,
    `  --username dock-2 --password-stdin --gateway 7CTDTEST00000C \\`,
    `  --organization ${id} --binding-code ${ready.bindingCode}`,
    `npx dockhook --data-dir ${data} binding list`,
    `npx dockhook --data-dir ${data} dock show 7CTDTEST00000C`,
  ];
  print('\nIn another terminal, a second dock joins:\n');
  for (const step of steps) print(`  ${step}`);
  print(
    '\nA real dock needs an address that it can reach: npm start -- --mqtt-listen 0.0.0.0:1883, and then',
  );
  print(
    'tcp://ADDRESS-OF-THIS-MACHINE:1883 in DJI Pilot 2. Its license must be a real one: dockhook license set.',
  );
}
