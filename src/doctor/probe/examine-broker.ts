/** The probe with the account at hand: the operator's, or one that is made for it. */
import type { Accounts } from '../../stores/types.js';
import { checked, notChecked } from '../check.js';
import type { Finding } from '../../finding.js';
import { inventedSerialNumber, withProbeAccounts } from './accounts.js';
import { probe, type ProbeOptions } from './probe.js';

export interface ExamineOptions extends Omit<ProbeOptions, 'dock' | 'foreign' | 'watcher'> {
  /** The operator's own account. */
  dock?: ProbeOptions['dock'];
  /** Absent if the database cannot be used. */
  accounts: Accounts | undefined;
}

/** Rejects if the signal came. */
export async function examineBroker(options: ExamineOptions): Promise<Finding[]> {
  const { dock, accounts, signal } = options;
  const foreign = inventedSerialNumber();
  const findings = await checked('the broker', async () => {
    if (dock) return probe({ ...options, dock, foreign });
    if (accounts)
      return withProbeAccounts(accounts, foreign, (made) => probe({ ...options, ...made, foreign }));
    const why = 'no account can be made for it without the database';
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
