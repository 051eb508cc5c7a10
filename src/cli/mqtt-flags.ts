/** The flags of commands that connect to a broker as an MQTT client. */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Command } from 'commander';
import type { ClientTls, MqttOptions } from '../simulator/mqtt-connect.js';
import { DockhookError, messageOf } from '../errors.js';

/** The flags as typed: `timeout` in seconds, `mqtt` as `3.1.1` or `5`. */
export interface MqttFlags {
  ca?: string;
  cert?: string;
  key?: string;
  mqtt: string;
  timeout: string;
}

export function addMqttFlags(command: Command): Command {
  return command
    .option('--ca <file>', 'CA that signed the certificate of the broker, if Node.js does not know it')
    .option('--cert <file>', 'client certificate to show')
    .option('--key <file>', 'private key of the client certificate')
    .option('--mqtt <version>', 'version of MQTT: 3.1.1 or 5', '3.1.1')
    .option('--timeout <seconds>', 'how long to wait for each answer', '10');
}

/** Reads the files that the flags name. Rejects with `usage`. */
export async function mqttOptions(
  flags: MqttFlags,
): Promise<Pick<MqttOptions, 'tls' | 'protocolVersion' | 'timeoutMs'>> {
  const { ca, cert, key, mqtt } = flags;
  if (mqtt !== '3.1.1' && mqtt !== '5') {
    throw new DockhookError('usage', `--mqtt ${mqtt}: write 3.1.1 or 5`);
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new DockhookError('usage', '--cert and --key go together: give both or neither');
  }
  const tls: ClientTls = {};
  if (ca !== undefined) tls.ca = await readPem('--ca', ca, 'CERTIFICATE');
  if (cert !== undefined) tls.cert = await readPem('--cert', cert, 'CERTIFICATE');
  if (key !== undefined) tls.key = await readPem('--key', key, 'PRIVATE KEY');
  try {
    createSecureContext(tls);
  } catch {
    // OpenSSL's own words name no file.
    throw new DockhookError(
      'usage',
      `--cert ${cert ?? ''} and --key ${key ?? ''} do not go together, or one of them is damaged`,
    );
  }
  return {
    tls,
    protocolVersion: mqtt === '5' ? 5 : 4,
    timeoutMs: positive('--timeout', flags.timeout) * 1000,
  };
}

/** A number of at least 1. Throws `usage`. */
export function positive(flag: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new DockhookError('usage', `${flag} ${text}: give a whole number from 1 to 999999`);
}

async function readPem(flag: string, path: string, content: 'CERTIFICATE' | 'PRIVATE KEY'): Promise<Buffer> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw new DockhookError('usage', `${flag}: cannot read the file: ${messageOf(error)}`, { cause: error });
  });
  if (pem.includes(`${content}-----`)) return pem;
  throw new DockhookError('usage', `${flag}: ${path} holds no ${content.toLowerCase()} in PEM form`);
}
