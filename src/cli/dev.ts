/**
 * `dockhook dev` (`npm start`): everything on one machine with nothing to set up: the server on an
 * embedded database, an embedded broker that speaks ExHook to it, demo data, and a simulated dock that
 * walks the access sequence on screen.
 */
import type { Command } from 'commander';
import { command, devDataDir } from '../command.js';
import type { Config } from '../config.js';
import { formatListen, isLoopback } from '../listen.js';
import { addSettingFlags, configOf, wantsJson } from './options.js';
import { print, printFields, printJson, style, terminal } from './output.js';
import { firstSignal } from './signals.js';
import type { DemoData } from './dev-data.js';
import { LISTENERS, lanAddresses, takenPorts, type TakenPort } from './dev-ports.js';

/** The command uses an embedded database of its own, even if `DATABASE_URL` is set. */
export function addDevCommand(program: Command): void {
  const dev = program
    .command('dev')
    .description('try it: server, embedded broker, demo data and a simulated dock, all on this machine')
    .action(async (_options: unknown, self: Command) => {
      const json = wantsJson(self);
      const taken = await takenPorts(configOf(self));
      const ports = Object.fromEntries(taken.map(({ environment, host }) => [environment, `${host}:0`]));
      // The walk is the output of a script; on a screen, one line says who comes and who is refused.
      const config = configOf(self, { DOCKHOOK_LOG_LEVEL: json ? 'warn' : 'info', ...ports });
      // Of its own, and never the operator's PostgreSQL.
      const own = { databaseUrl: undefined, dataDir: devDataDir(config.dataDir) };
      await runDev({ ...config, ...own }, { json, taken });
    });
  addSettingFlags(dev);
}

async function runDev(config: Config, { json, taken }: { json: boolean; taken: TakenPort[] }): Promise<void> {
  const signalled = firstSignal();
  const say = json ? () => undefined : print;
  const { createMetrics } = await import('../observability/metrics.js');
  const { openLog, startServer } = await import('../app.js');
  const { startBroker } = await import('../trial-broker/broker.js');
  const { simulateDock } = await import('../simulator/simulated-dock.js');
  const { formatStep } = await import('../simulator/step-report.js');
  const { DEMO, writeDemoData } = await import('./dev-data.js');
  const { openScreenLog } = await import('./dev-screen.js');

  const closing: (() => Promise<void>)[] = [];
  try {
    const metrics = createMetrics();
    const screen = json ? undefined : openScreenLog(config.logLevel);
    const { app, stores } = await startServer(
      config,
      { log: screen?.log ?? openLog(config, metrics), metrics },
      {
        command: 'dockhook dev',
        onProgress: (text) => {
          say(style('dim', text));
        },
      },
    );
    closing.push(() => app.stop());
    await app.ready;
    const demo = await writeDemoData(stores, config.dataDir);
    const broker = await startBroker({
      listen: config.mqttListen,
      exhook: app.grpc,
      onMqtt5({ clientid: clientId, username: account, peerhost: peerHost, peerport: peerPort, node }) {
        const who = { clientId, account, peerHost, peerPort, node };
        app.tell({ step: 'authenticate', outcome: 'refused', reason: 'unsupported_protocol', ...who });
      },
    });
    closing.push(() => broker.close());
    const listens = { mqttListen: formatListen(broker), grpcListen: app.grpc, httpListen: app.http };
    for (const { name, address } of taken) {
      say(`${address} is taken by another program: ${LISTENERS[name]} is at ${listens[name]}.`);
    }
    const url = `mqtt://${listens.mqttListen}`;
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
      mqtt: listens.mqttListen,
      grpc: app.grpc,
      http: app.http,
      account: DEMO.account,
      password: demo.password,
      organization: DEMO.organization.id,
      bindingCode: demo.bindingCode,
      dataDir: config.dataDir,
    };
    if (json) printJson({ event: 'ready', ...ready });
    else printWhatToDo(ready, demo, broker);
    screen?.showClients();
    await signalled;
    say('\nstopping …');
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

function printWhatToDo(
  ready: Record<'mqtt' | 'grpc' | 'http' | 'account' | 'organization', string>,
  { password, bindingCode, second }: DemoData,
  broker: { host: string; port: number },
): void {
  const { mqtt, grpc, http, account, organization } = ready;
  print(`\n${style(['bold', 'green'], 'The dock is online and bound.')} Everything stays up until Ctrl-C:\n`);
  printFields({
    '  MQTT broker': mqtt,
    '  ExHook for EMQX': `http://${grpc}`,
    '  health, metrics': `http://${http}/readyz  http://${http}/metrics`,
    '  account': `${account}, password ${password} (also at the next start)`,
    '  organization': `${organization}, device binding code ${bindingCode}`,
  });
  const { name, gateway, isNew } = second;
  const place = ['--organization', organization, '--binding-code', bindingCode];
  const who = ['--broker', `mqtt://${mqtt}`, '--username', name, '--password-stdin', '--gateway', gateway];
  const steps = [
    isNew
      ? command('account', 'add', name, '--gateway', gateway, '--generate')
      : command('account', 'set', name, '--gateway', gateway, '--generate'),
    `echo 'THE PASSWORD' | ${command('simulate', ...who, ...place)}`,
    command('binding', 'list'),
    command('dock', 'show', gateway),
  ];
  print('\nIn another terminal, a second dock joins:\n');
  for (const step of steps) print(`  ${step}`);
  print('\nA real dock needs a real license:\n');
  print(`  ${command('license', 'set', 'FILE')}`);
  if (isLoopback(broker.host)) {
    print('\nand an address that it can reach. Stop this one (Ctrl-C) and start:\n');
    print(`  ${command('dev', '--mqtt-listen', `0.0.0.0:${broker.port}`)}`);
  }
  const addresses = lanAddresses();
  const typed = addresses.length > 0 ? addresses : ['ADDRESS-OF-THIS-MACHINE'];
  const urls = typed.map((address) => `tcp://${formatListen({ host: address, port: broker.port })}`);
  print(`\nThen type into DJI Pilot 2: ${urls.join(' or ')}`);
  print('This broker speaks MQTT 3.1.1 only: what speaks MQTT 5 needs EMQX or Mosquitto.\n');
}
