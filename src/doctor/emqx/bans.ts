/** Clients that EMQX bans: it refuses them itself. */
import { command } from '../../command.js';
import { bansOf, fits, liftOf, type Ban } from '../../emqx/bans.js';
import type { Finding } from '../../finding.js';
import { counted, listed } from '../../text.js';
import type { EmqxContext } from './context.js';

/** An error if EMQX bans a client that has an account in dockhook, a warning for any other ban. */
export async function checkBans({ api, accounts }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const bans = await bansOf(api);
  const names = {
    clientIds: new Set(accounts.flatMap(({ scope }) => (scope?.kind === 'gateways' ? scope.gateways : []))),
    accounts: new Set(accounts.flatMap(({ name }) => name ?? [])),
    addresses: new Set<string>(),
  };
  const ours = bans.filter((ban) => fits(ban, names));
  const others = bans.filter((ban) => !ours.includes(ban));
  if (ours.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_banned',
      what: `EMQX bans clients that have an account: ${listed(ours.map(textOf))}`,
      why: 'EMQX refuses them (138) and does not ask dockhook, so their timelines show nothing',
      fix: [ours[0] ? `dashboard, Access Control, Banned Clients; or ${liftOf(ours[0])}` : ''],
    });
  }
  if (others.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_bans',
      what: `EMQX bans ${counted(others.length, 'client')}: ${listed(others.map(textOf))}`,
      why: 'if one of them is a dock, EMQX refuses it (138) and does not ask dockhook',
      fix: [
        'look at the dashboard, Access Control, Banned Clients',
        `see whether a dock is banned: ${command('dock', 'show', 'SN')}`,
      ],
    });
  }
  return findings;
}

function textOf({ as, who }: Ban): string {
  return `${as} ${who}`;
}
