/** The brokers to measure on: each as one that asks an ExHook server, and as one of the classic design. */
import { existsSync } from 'node:fs';
import { freePorts } from '../support/haproxy.js';
import { isInstalled, PLUGIN, runMosquitto, startMosquitto } from '../support/mosquitto.js';
import type { AccessFiles } from './classic-rules.js';
import { startHelper } from './processes.js';

export interface Broker {
  port: number;
  stop(): Promise<unknown>;
}

export interface BrokerKind {
  /** @param exhook `host:port` of the ExHook server */
  asking(exhook: string): Promise<Broker>;
  /** Decides by itself. */
  classic(files: AccessFiles): Promise<Broker>;
}

const embedded: BrokerKind = {
  asking: (exhook) => startHelper('broker.ts', ['asking', exhook]),
  classic: ({ passwords }) => startHelper('broker.ts', ['classic', passwords]),
};

/** Not every packet: whoever measures would have to read it. */
const LOG_TYPES = ['none', 'error', 'warning', 'notice', 'information'].map((type) => `log_type ${type}`);

export const mosquitto: BrokerKind = {
  asking: (exhook) => startMosquitto({ exhook, settings: LOG_TYPES }),
  classic: ({ passwords, acl }) =>
    startWithoutPlugin(['allow_anonymous false', `password_file ${passwords}`, `acl_file ${acl}`]),
};

/** Lets everybody do everything. */
export function plainMosquitto(): Promise<Broker> {
  return startWithoutPlugin(['allow_anonymous true']);
}

async function startWithoutPlugin(settings: string[]): Promise<Broker> {
  const [port = 0] = await freePorts(1);
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  const lines = [...settings, 'set_tcp_nodelay true', ...user, `listener ${port} 127.0.0.1`];
  const broker = runMosquitto([...LOG_TYPES, ...lines]);
  await broker.says('mosquitto version', ' running');
  return { port, ...broker };
}

/** All kinds that this machine has. Without Mosquitto it says what is not measured, and fails if CI=true. */
export function brokerKinds(): Record<string, BrokerKind> {
  return hasMosquitto() ? { embedded, mosquitto } : { embedded };
}

export function hasMosquitto(): boolean {
  const why = mosquittoFault();
  if (why === undefined) return true;
  if (process.env['CI'] === 'true') throw new Error(why);
  console.warn(`\n*** NOT MEASURED: Mosquitto with the plugin\n*** ${why}\n`);
  return false;
}

function mosquittoFault(): string | undefined {
  if (!isInstalled('mosquitto'))
    return 'mosquitto is not installed (deploy/mosquitto/README.md names the packages)';
  return existsSync(PLUGIN) ? undefined : 'the plugin is not built: npm run build:mosquitto';
}
