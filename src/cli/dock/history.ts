/** Prints what a dock did: a line for each entry of its timeline. */
import type { TimelineEntry } from '../../stores/types.js';
import { localTime, timeZone } from '../../dates.js';
import { print, printTable, style } from '../output.js';

/** @param earlier how many entries before these are not shown */
export function printHistory(entries: readonly TimelineEntry[], earlier: number): void {
  if (earlier > 0) print(style('dim', `(${earlier} earlier entries: --limit ${entries.length + earlier})`));
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
    case 'authenticate':
      return 'connect';
    case 'authorize':
      return details.action ?? 'topic';
    case 'request':
      return details.method ?? 'request';
    case 'bind':
      return `bind ${details.sn ?? ''}`;
    case 'status':
      return details.drone === '' ? 'drone off' : `drone ${details.drone ?? ''}`;
    default:
      return step;
  }
}

function howOf({ step, outcome, reason, details }: TimelineEntry): string {
  if (step === 'connected' || step === 'status') return '';
  if (step === 'disconnected') return details.detail ?? '';
  const result = details.result === undefined || details.result === 0 ? '' : ` ${details.result}`;
  return `${outcome}${result}${reason === undefined ? '' : `: ${reason}`}`;
}

function remarksOf(entry: TimelineEntry): string {
  const { step, own, clientId, account, details, count, lastAt, at } = entry;
  const skew = details.clockSkewMs ?? 0;
  const remarks = [
    count > 1 ? `${count} times${lastAt - at >= 1000 ? ` until ${localTime(lastAt)}` : ''}` : '',
    step === 'authenticate' || step === 'connected' || !own
      ? `account ${account}, client id ${clientId}${details.peerHost ? `, from ${details.peerHost}` : ''}`
      : '',
    details.again ? 'asked again under the same tid' : '',
    step === 'authorize' || entry.outcome === 'dropped' ? (details.topic ?? '') : '',
    step === 'bind' && details.organizationId ? `organization ${details.organizationId}` : '',
    Math.abs(skew) > 60_000
      ? `clock ${skew > 0 ? 'ahead' : 'behind'} by ${Math.round(Math.abs(skew) / 1000)} s`
      : '',
    step === 'request' && details.detail ? details.detail : '',
  ];
  return remarks.filter(Boolean).join('; ');
}
