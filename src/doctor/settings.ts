/** Settings that cannot be used, and settings that are risky. */
import { PROBE } from '../fixes.js';
import { command } from '../command.js';
import type { Config, ConfigFault } from '../config.js';
import { formatListen, isLoopback } from '../listen.js';
import type { Finding } from '../finding.js';

/** An error for each fault, and a warning for each setting that can be used but is risky. */
export function checkSettings(config: Config, faults: readonly ConfigFault[]): Finding[] {
  const findings: Finding[] = faults.map(({ text }) => ({
    level: 'error',
    code: 'settings_unusable',
    what: text,
    why: 'dockhook serve does not start with it',
    fix: [`set it for this command as for the server; ${command('serve', '--help')} lists all settings`],
  }));
  if (faults.length === 0) findings.push({ level: 'ok', code: 'settings', what: 'the settings can be used' });
  if (!isLoopback(config.grpcListen.host) && config.grpcTlsClientCa === undefined) {
    findings.push({
      level: 'warning',
      code: 'grpc_insecure',
      what: `the ExHook port ${formatListen(config.grpcListen)} accepts everybody who reaches it`,
      why: 'everybody who reaches it can read the license and bind any device',
      fix: [
        'set DOCKHOOK_GRPC_TLS_CERT, DOCKHOOK_GRPC_TLS_KEY and DOCKHOOK_GRPC_TLS_CLIENT_CA',
        'or make sure that only the broker reaches this port',
      ],
    });
  }
  if (config.unknownAccounts === 'ignore') {
    findings.push({
      level: 'warning',
      code: 'unknown_accounts_ignored',
      what: 'dockhook leaves accounts that it does not know to the broker',
      why: 'a broker without accounts of its own may let them in',
      fix: [
        'set DOCKHOOK_UNKNOWN_ACCOUNTS=deny, or give the broker accounts of its own',
        `see what happens: ${PROBE}`,
      ],
    });
  }
  if (!config.timeline) {
    findings.push({
      level: 'warning',
      code: 'timeline_off',
      what: 'the broker does not tell dockhook when clients connect and disconnect',
      why: 'dockhook cannot tell a dock that disconnects because its license failed from one that is silent',
      fix: ['set DOCKHOOK_TIMELINE=on'],
    });
  }
  return findings;
}
