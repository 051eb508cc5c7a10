/** Whether a dockhook server runs on this database, by what it wrote there. Pure. */
import { serverCommand } from '../command.js';
import { durationText, localTime } from '../dates.js';
import type { Finding } from '../finding.js';
import type { HeardServers } from '../stores/types.js';

/** A server beats every ten seconds; one may come late, and one may get lost. In milliseconds. */
const SILENT_MS = 35_000;

const START = `start it: ${serverCommand()}`;
const OTHER_DATABASE =
  'if it runs, it uses another database, or cannot write to this one: compare its DATABASE_URL and ' +
  'DOCKHOOK_DATABASE_SCHEMA with those of this command, and look for database_away and database_refuses in its log';

/** Undefined if one was heard of lately, or none can be: a version before this one leaves no sign but its entries. */
export function serverSilence({ servers, lastEntryAgoMs }: HeardServers): Finding | undefined {
  const isThere = servers.some(({ isStopped, agoMs }) => !isStopped && agoMs < SILENT_MS);
  const [last] = servers;
  // An entry from before the last sign of a server says nothing new: the server that wrote it may have been stopped.
  const entryIsNews =
    lastEntryAgoMs !== undefined && lastEntryAgoMs < Math.min(SILENT_MS, last?.agoMs ?? SILENT_MS);
  if (isThere || entryIsNews) return undefined;
  if (last === undefined) {
    if (lastEntryAgoMs !== undefined) return undefined;
    return {
      level: 'warning',
      code: 'server_never_heard',
      what: 'no dockhook server has written to this database yet',
      why: 'what docks do is written by the server, to the database that it uses',
      fix: [START, OTHER_DATABASE],
    };
  }
  const when = `${localTime(last.heardAt)} (${durationText(last.agoMs)} ago)`;
  const why = 'no new client gets in without it, and what is said here of docks is what was known then';
  if (last.isStopped) {
    return {
      level: 'error',
      code: 'server_stopped',
      what: `the last dockhook server on this database was stopped at ${when}`,
      why,
      fix: [START],
    };
  }
  return {
    level: 'error',
    code: 'server_not_heard',
    what: `no dockhook server has been heard of in this database since ${when}`,
    why,
    fix: [`${START}; its log says why it ended`, OTHER_DATABASE],
  };
}
