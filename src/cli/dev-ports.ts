/** Where `dockhook dev` listens: beside a program that has the usual ports, and for a dock in the same network. */
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { settingList, type Config } from '../config.js';
import { formatListen, type Listen } from '../listen.js';

/** What `dev` opens, in words. */
export const LISTENERS = {
  mqttListen: 'the MQTT broker',
  grpcListen: 'ExHook',
  httpListen: 'the page of health and metrics',
} as const;

export interface TakenPort {
  name: keyof typeof LISTENERS;
  environment: string;
  host: string;
  /** The usual one. */
  address: string;
}

/** The usual ports that another program has. A port that somebody chose is never given up for another. */
export async function takenPorts(config: Config): Promise<TakenPort[]> {
  const taken: TakenPort[] = [];
  for (const { name, environment, default: usual } of settingList) {
    if (!isListener(name) || process.env[environment]) continue;
    const address = formatListen(config[name]);
    if (address === usual && !(await isFree(config[name])))
      taken.push({ name, environment, host: config[name].host, address });
  }
  return taken;
}

function isListener(name: string): name is keyof typeof LISTENERS {
  return name in LISTENERS;
}

/** Whether one can listen there; what else keeps one from it is told by whoever listens in earnest. */
async function isFree(listen: Listen): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'EADDRINUSE');
    });
    server.listen(listen.port, listen.host, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** The addresses of this machine in its networks: IPv4, which people type. */
export function lanAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses = []) => addresses)
    .filter(
      ({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'),
    )
    .map(({ address }) => address);
}
