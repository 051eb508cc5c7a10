/** A dock, and what it did, as `--json` prints them. */
import { toRfc3339 } from '../../dates.js';
import type { Dock } from '../../diagnosis/docks.js';
import type { TimelineEntry } from '../../stores/types.js';

/** A dock as `--json` prints it: times in RFC 3339, and null for what is not known. */
export function publicDock({
  sn,
  kind,
  modelKey,
  state,
  since,
  session,
  drone,
  findings,
  isConnected,
  ...dock
}: Dock) {
  return {
    sn,
    kind,
    modelKey: modelKey ?? null,
    state,
    since: since === undefined ? null : toRfc3339(since),
    connected: isConnected,
    account: dock.account ?? null,
    clientId: session?.clientId ?? null,
    address: session?.peerHost ?? null,
    organization: dock.organizationId ?? null,
    drone: drone ?? null,
    findings: findings.map(({ since: begin, state: _state, ...finding }) => ({
      ...finding,
      since: begin > 0 ? toRfc3339(begin) : null,
    })),
  };
}

/** A timeline entry as `--json` prints it: times in RFC 3339, details beside the other fields. */
export function publicEntry({ at, lastAt, own, details, ...entry }: TimelineEntry) {
  return { at: toRfc3339(at), lastAt: toRfc3339(lastAt), own, ...entry, ...details };
}
