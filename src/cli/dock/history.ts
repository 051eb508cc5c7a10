/** A dock's story on the screen: a line for each thing that happened, and at its end what is wrong. */
import type { TimelineEntry } from '../../stores/types.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { DockFinding, State } from '../../diagnosis/dock-finding.js';
import { print, printTable, style } from '../output.js';

/** `2026-11-24 14:11:57` where the reader is. */
export function localTime(milliseconds: number): string {
  // Sweden writes dates as ISO 8601 does.
  return new Date(milliseconds).toLocaleString('sv-SE');
}

/** The name of the zone of {@link localTime}, for the heading of its column. */
export function timeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function styledState(state: State): string {
  if (state === 'online') return style('green', state);
  return style(state === 'connecting' || state === 'offline' ? 'yellow' : 'red', state);
}

/** @param earlier how many entries before these are not shown */
export function printStory(entries: readonly TimelineEntry[], earlier: number): void {
  if (earlier > 0) print(style('dim', `(${earlier} earlier entries: --limit ${entries.length + earlier})`));
  const lines = joined(entries);
  if (lines.length === 0) return;
  printTable(
    [`TIME (${timeZone()})`, 'WHAT', 'HOW', ''],
    lines.map((entry) => [localTime(entry.at), whatOf(entry), howOf(entry), remarksOf(entry)]),
  );
}

/** Equal entries in a row as one. */
function joined(entries: readonly TimelineEntry[]): TimelineEntry[] {
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

export function printFindings({ findings }: Pick<Diagnosis, 'findings'>): void {
  const blocking = findings.filter(({ level }) => level === 'error');
  const notes = findings.filter(({ level }) => level === 'warning');
  if (blocking.length === 0) print(style(['bold', 'green'], 'Nothing is wrong.'));
  else print(style(['bold', 'red'], 'What is wrong, and what to do'));
  for (const finding of blocking) printFinding(finding);
  if (notes.length > 0) print(`\n${style('bold', 'Good to know')}`);
  for (const finding of notes) printFinding(finding);
}

function printFinding({ what, fix }: DockFinding): void {
  print(`\n  ${what}`);
  for (const step of fix) print(`  → ${step}`);
}
