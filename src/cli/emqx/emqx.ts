/** `dockhook emqx …`: configures EMQX for dockhook, and shows its state. */
import type { Command } from 'commander';
import { addProviderFlags } from './provider.js';
import { addExamples, addSettingFlags, lazily } from '../options.js';

/** How long `register` waits for EMQX unless told otherwise, in seconds: six attempts of EMQX to reach dockhook. */
const REGISTER_WAIT_S = 30;
/** How long `open` waits, in seconds: a node that is stopped gets a minute. */
const OPEN_WAIT_S = 90;

export function addEmqxCommand(program: Command): void {
  const emqx = program.command('emqx').description('configure EMQX for dockhook, and see its state');
  const config = emqx
    .command('config')
    .description('print a configuration for EMQX that lets in only clients that dockhook allows')
    .requiredOption('--emqx-version <version>', 'version of EMQX: 5.8, 5.10, 6, or exactly, such as 5.8.9');
  addProviderFlags(config)
    .option(
      '--listeners <names>',
      'where docks connect, separated by commas: tcp (1883), tls (8883), client-certificate (8884)',
      'tcp,tls',
    )
    .option(
      '--rules <names>',
      'also rules with which EMQX itself answers or copies messages beside a backend, separated by commas: ' +
        'update_topo, events, mirror',
    )
    .option('--mqtt-cert <path>', 'certificate chain that docks see, on the machine of EMQX')
    .option('--mqtt-key <path>', 'its private key, on the machine of EMQX')
    .option('--docks-ca <path>', 'CA of the certificates of docks, on the machine of EMQX')
    .action(lazily(async () => (await import('./config.js')).printConfiguration));
  addExamples(
    config,
    'dockhook emqx config --emqx-version 5.8 >> /etc/emqx/emqx.conf',
    'dockhook emqx config --emqx-version 6 --exhook https://dockhook.example:9000 --listeners tls',
    'dockhook emqx config --emqx-version 5.8.9 --rules update_topo,events,mirror',
  );

  const registration = emqx
    .command('register')
    .description('register dockhook with a running EMQX over its REST API, and wait until it is connected');
  addProviderFlags(registration)
    .option('--wait <seconds>', 'how long EMQX may take to reach dockhook', String(REGISTER_WAIT_S))
    .addHelpText(
      'after',
      '\nRunning it again changes nothing. It does not keep strangers out of EMQX: `emqx config` does that.',
    )
    .action(lazily(async () => (await import('./register.js')).registerProvider));
  addExamples(
    addSettingFlags(registration),
    'export DOCKHOOK_EMQX_API_KEY_FILE=emqx-key DOCKHOOK_EMQX_API_SECRET_FILE=emqx-secret',
    'dockhook emqx register --emqx http://127.0.0.1:18083',
  );

  const open = emqx
    .command('open')
    .description(
      'open the listeners of EMQX that DOCKHOOK_EMQX_LISTENERS names, once every node asks dockhook',
    )
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .option('--wait <seconds>', 'how long to wait for the nodes', String(OPEN_WAIT_S))
    .addHelpText(
      'after',
      '\ndockhook serve does the same by itself, again and again. It waits a minute for a node that is stopped; a node ' +
        'that never comes back is best taken out of the cluster (emqx ctl cluster force-leave NODE).',
    )
    .action(lazily(async () => (await import('./open.js')).openListeners));
  addExamples(
    addSettingFlags(open),
    'dockhook emqx open --emqx http://127.0.0.1:18083 --emqx-listeners tcp:default,ssl:default',
  );

  const status = emqx
    .command('status')
    .description('show whether EMQX asks dockhook: version, nodes, hooks, calls, listeners')
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .action(lazily(async () => (await import('./status.js')).showStatus));
  addExamples(addSettingFlags(status), 'dockhook emqx status --emqx http://127.0.0.1:18083');
}
