/** Prints what a dock did: a line for each entry of its timeline. */
import { command } from '../../command.js';
import type { TimelineEntry } from '../../stores/types.js';
import { localTime, timeZone } from '../../dates.js';
import { counted } from '../../text.js';
import { print, printTable, style } from '../output.js';

/** @param earlier how many entries before these are not shown */
export function printHistory(sn: string, entries: readonly TimelineEntry[], earlier: number): void {
  if (earlier > 0) {
    const all = command('dock', 'show', sn, '--limit', String(entries.length + earlier));
    print(style('dim', `(${earlier} earlier ${earlier === 1 ? 'entry' : 'entries'}: ${all})`));
  }
  const lines = joinEqual(entries);
  if (lines.length === 0) return;
  printTable(
    [`TIME (${timeZone()})`, 'WHAT', 'HOW', ''],
    lines.map((entry) => [localTime(entry.at), whatOf(entry), howOf(entry), remarksOf(entry)]),
  );
}

/** Equal entries in a row as one. */
function joinEqual(entries: readonly TimelineEntry[]): TimelineEntry[] {
  const lines: TimelineEntry[] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    if (last !== undefined && textOf(last) === textOf(entry)) {
      last.count += entry.count;
      last.lastAt = Math.max(last.lastAt, entry.lastAt);
    } else lines.push({ ...entry });
  }
  return lines;
}

function textOf(entry: TimelineEntry): string {
  return JSON.stringify([whatOf(entry), howOf(entry), remarksOf({ ...entry, count: 1 })]);
}

function whatOf({ step, details }: TimelineEntry): string {
  switch (step) {
    case 'missing':
      return '(missing)';
    case 'authenticate':
      return 'connect';
    case 'authorize':
      return details.action ?? 'topic';
    case 'request':
      return details.method ?? 'request';
    case 'bind':
      return `bind ${details.sn ?? ''}`;
    case 'status':
      if (details.drone === undefined) return 'update_topo';
      return details.drone === '' ? 'drone off' : `drone ${details.drone}`;
    default:
      return step;
  }
}

function howOf({ step, outcome, reason, details }: TimelineEntry): string {
  if (step === 'connected' || step === 'missing' || (step === 'status' && outcome === 'passed')) return '';
  if (step === 'disconnected') return details.detail ?? '';
  const result = details.result === undefined || details.result === 0 ? '' : ` ${details.result}`;
  return `${outcome}${result}${reason === undefined ? '' : `: ${reason}`}`;
}

/** What a `missing` entry says. */
export function missingText({ count, at, lastAt }: TimelineEntry): string {
  const when =
    lastAt - at >= 1000 ? `between ${localTime(at)} and ${localTime(lastAt)}` : `at ${localTime(at)}`;
  return `${counted(count, 'event')} ${when} are missing: the database was away, and more came than dockhook keeps meanwhile`;
}

function remarksOf(entry: TimelineEntry): string {
  if (entry.step === 'missing') return missingText(entry);
  const { step, own, clientId, account, details, count, lastAt, at } = entry;
  const skew = details.clockSkewMs ?? 0;
  const remarks = [
    count > 1 ? `${count} times${lastAt - at >= 1000 ? ` until ${localTime(lastAt)}` : ''}` : '',
    step === 'authenticate' || step === 'connected' || !own
      ? `account ${account}, client id ${clientId}${details.peerHost ? `, from ${details.peerHost}` : ''}`
      : '',
    details.again ? 'sent again under the same tid' : '',
    step === 'authorize' || entry.outcome === 'dropped' ? (details.topic ?? '') : '',
    step === 'bind' && details.organizationId ? `organization ${details.organizationId}` : '',
    Math.abs(skew) > 60_000
      ? `clock ${skew > 0 ? 'ahead' : 'behind'} by ${Math.round(Math.abs(skew) / 1000)} s`
      : '',
    step === 'request' && details.detail ? details.detail : '',
  ];
  return remarks.filter(Boolean).join('; ');
}
