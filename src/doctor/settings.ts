/** Settings that cannot be used, and those that are allowed and risky. */
import type { Config, ConfigFault } from '../config.js';
import { formatListen, isLoopback } from '../listen.js';
import type { Finding } from '../finding.js';

export function checkSettings(config: Config, faults: readonly ConfigFault[]): Finding[] {
  const findings: Finding[] = faults.map(({ text }) => ({
    level: 'error',
    code: 'settings_unusable',
    what: text,
    why: 'dockhook serve does not start like this',
    fix: ['set it for this command as for the server: dockhook serve --help lists all settings'],
  }));
  if (faults.length === 0) findings.push({ level: 'ok', code: 'settings', what: 'the settings can be used' });
  if (!isLoopback(config.grpcListen.host) && config.grpcTlsClientCa === undefined) {
    findings.push({
      level: 'warning',
      code: 'grpc_insecure',
      what: `the ExHook port ${formatListen(config.grpcListen)} takes whoever reaches it`,
      why: 'who reaches it can read the license and bind any device',
      fix: [
        'set DOCKHOOK_GRPC_TLS_CERT, DOCKHOOK_GRPC_TLS_KEY and DOCKHOOK_GRPC_TLS_CLIENT_CA, or keep the network to the broker',
      ],
    });
  }
  if (config.unknownAccounts === 'ignore') {
    findings.push({
      level: 'warning',
      code: 'unknown_accounts_ignored',
      what: 'accounts that dockhook does not know are left to the broker',
      why: 'EMQX 5.9 and later lets them in if it has no authenticator of its own',
      fix: [
        'DOCKHOOK_UNKNOWN_ACCOUNTS=deny, or an authenticator in EMQX; dockhook doctor --probe shows what happens',
      ],
    });
  }
  if (!config.timeline) {
    findings.push({
      level: 'warning',
      code: 'timeline_off',
      what: 'the broker does not report connected and disconnected clients',
      why: 'a dock that leaves because its license failed cannot be told from one that is silent',
      fix: ['DOCKHOOK_TIMELINE=on'],
    });
  }
  return findings;
}
