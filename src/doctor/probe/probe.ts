/** `dockhook doctor --probe`: with the operator's account, or with accounts that are made for it. */
import type { Finding } from '../../finding.js';
import type { Accounts } from '../../stores/types.js';
import { checked, notChecked } from '../not-checked.js';
import { inventSerialNumber, withProbeAccounts } from './accounts.js';
import { probeConnects, type ConnectOptions } from './connects.js';

/** Without `dock`, the probe makes two accounts and removes them when it ends. */
export interface ProbeOptions extends Omit<ConnectOptions, 'dock' | 'foreign' | 'watcher'> {
  /** The operator's own account. */
  dock?: ConnectOptions['dock'];
  /** Undefined if the database cannot be used. */
  accounts: Accounts | undefined;
}

/** Rejects if the signal came. */
export async function probeBroker(options: ProbeOptions): Promise<Finding[]> {
  const { dock, accounts, signal } = options;
  const foreign = inventSerialNumber();
  const findings = await checked('the broker', async () => {
    if (dock) return probeConnects({ ...options, dock, foreign });
    if (accounts)
      return withProbeAccounts(accounts, foreign, (made) => probeConnects({ ...options, ...made, foreign }));
    const why = 'without the database no account can be made for the probe';
    return [
      {
        ...notChecked('the broker', why),
        fix: ['give an account with --username, --password-stdin and --gateway'],
      },
    ];
  });
  signal.throwIfAborted();
  return findings;
}
