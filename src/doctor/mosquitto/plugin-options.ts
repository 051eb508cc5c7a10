/** The options of the plugin of `deploy/mosquitto`: with one that it does not know or take, Mosquitto does not start. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../../config.js';
import { checkDates } from '../certificate.js';
import { formatListen, isLoopback } from '../../listen.js';
import { allOf, type Finding } from '../../finding.js';
import type { Line, Plugin } from './configuration.js';

/** With the limits of numbers; a test holds them against deploy/mosquitto/README.md. */
export const OPTIONS: Readonly<Record<string, readonly [least: number, most: number] | undefined>> = {
  url: undefined,
  tls_ca: undefined,
  tls_cert: undefined,
  tls_key: undefined,
  node: undefined,
  auth_wait_ms: [10, 250],
  call_deadline_ms: [500, 30_000],
  cache_seconds: [0, 86_400],
  acl_seconds: [1, 3600],
  queue_per_client: [1, 100_000],
  queue_total: [1, 1_000_000],
};

const NO_START = 'Mosquitto does not start with it';
const OPTION_TABLE = 'deploy/mosquitto/README.md lists the options';

/** What of `config` the plugin must fit. */
export type ServerPort = Pick<Config, 'grpcListen' | 'grpcTlsCert' | 'grpcTlsClientCa'>;

/** Its option lines, and whether they fit the port of dockhook. */
export function checkOptions({ options, where }: Plugin, config: ServerPort): Finding[] {
  const findings = options.flatMap((line) => faultOf(line, options) ?? []).map(unusable);
  const valueOf = (key: string): string => options.find((line) => line.key === key)?.value ?? '';
  const url = /^(https?):\/\/(.+):(\d{1,5})\/?$/.exec(valueOf('url'));
  if (url === null) {
    return [...findings, unusable(`${where}: plugin_opt_url must be http://HOST:PORT or https://HOST:PORT`)];
  }
  const [, scheme, host = '', port] = url;
  const isTls = scheme === 'https';
  const [cert, key] = [valueOf('tls_cert'), valueOf('tls_key')];
  if ((cert === '') !== (key === '')) {
    findings.push(unusable(`${where}: plugin_opt_tls_cert and plugin_opt_tls_key belong together`));
  }
  if (!isTls && (cert !== '' || valueOf('tls_ca') !== '')) {
    findings.push(unusable(`${where}: plugin_opt_tls_… needs a plugin_opt_url with https://`));
  }
  findings.push(...allOf(checkOwnCertificate(cert)));
  const wantsTls = config.grpcTlsCert !== undefined;
  if (isTls !== wantsTls) {
    findings.push({
      level: 'error',
      code: 'mosquitto_plugin_tls',
      what: `the plugin connects ${isTls ? 'with' : 'without'} TLS, and the ExHook port of dockhook ${wantsTls ? 'wants' : 'has no'} TLS`,
      why: 'it cannot reach dockhook, so nobody gets in',
      fix: [`plugin_opt_url ${wantsTls ? 'https' : 'http'}://${host}:${port ?? ''}`],
    });
  } else if (config.grpcTlsClientCa !== undefined && cert === '') {
    findings.push({
      level: 'error',
      code: 'mosquitto_plugin_tls',
      what: 'the plugin shows no certificate, and the ExHook port of dockhook wants one of its clients',
      why: 'it cannot reach dockhook, so nobody gets in',
      fix: ['plugin_opt_tls_cert FILE and plugin_opt_tls_key FILE: deploy/tls makes both'],
    });
  }
  if (
    isLoopback(host.replace(/^\[|\]$/g, '')) &&
    config.grpcListen.port !== 0 &&
    Number(port) !== config.grpcListen.port
  ) {
    findings.push({
      level: 'warning',
      code: 'mosquitto_plugin_url',
      what: `the plugin asks port ${port ?? ''} of this machine, and dockhook has its ExHook port at ${formatListen(config.grpcListen)}`,
      why: 'unless a proxy is between them, it cannot reach dockhook, so nobody gets in',
      fix: [`plugin_opt_url ${scheme ?? ''}://${host}:${config.grpcListen.port}`],
    });
  }
  return findings;
}

/** Dockhook refuses the plugin when it has expired. */
function checkOwnCertificate(path: string): Finding | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(path));
  } catch {
    return undefined;
  }
  return checkDates(certificate, { port: 'mosquitto_plugin', where: path });
}

function unusable(what: string): Finding {
  return { level: 'error', code: 'mosquitto_plugin_option', what, why: NO_START, fix: [OPTION_TABLE] };
}

function faultOf(line: Line, all: readonly Line[]): string | undefined {
  const { key, value, where } = line;
  const name = `${where}: plugin_opt_${key}`;
  if (!Object.hasOwn(OPTIONS, key)) return `${name} is no option of the plugin`;
  if (all.find((other) => other.key === key) !== line) return `${name} stands there twice`;
  const limits = OPTIONS[key];
  if (limits !== undefined) {
    const [least, most] = limits;
    const fits = /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
    return fits ? undefined : `${name} must be a whole number from ${least} to ${most}`;
  }
  if (key.startsWith('tls_') && !existsSync(value))
    return `${name}: ${value} is not on this machine, or not to be seen by this user`;
  return undefined;
}
