/** How commands speak: aligned text for people, one JSON value on stdout for scripts. */
import { styleText } from 'node:util';
import { DockhookError, messageOf, type ErrorCode } from '../errors.js';

const EXIT_CODES: Partial<Record<ErrorCode, number>> = { usage: 2, not_found: 3, conflict: 4 };

/** Whether a stream is a terminal that wants colours. */
export function wantsColour(stream: NodeJS.WriteStream = process.stdout): boolean {
  return stream.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

/** Bold, dim, red, … where colours are wanted; plain elsewhere. */
export function style(
  format: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return wantsColour(stream) ? styleText(format, text) : text;
}

/** What lines on stdout may look like. */
export function terminal(): { colour: boolean; width: number } {
  return { colour: wantsColour(), width: process.stdout.isTTY ? process.stdout.columns : Infinity };
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Something to know that stops nothing, on stderr: `warning: …`, or `{"warning": …}` for scripts. */
export function warn(text: string, json: boolean): void {
  const label = style('yellow', 'warning:', process.stderr);
  process.stderr.write(
    json ? `${JSON.stringify({ warning: text })}\n` : `${label} ${printableLines(text)}\n`,
  );
}

/** Prints rows under their headings, columns aligned. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = headings.map((heading, column) =>
    rows.reduce((width, row) => Math.max(width, printable(row[column] ?? '').length), heading.length),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => printable(cells[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd();
  print(style('bold', line(headings)));
  for (const row of rows) print(line(row));
}

/** Prints `label  value` pairs, labels aligned; pairs without a value are left out. */
export function printFields(fields: Readonly<Record<string, string | undefined>>): void {
  const shown = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  const width = Math.max(...shown.map(([label]) => label.length));
  for (const [label, value] of shown) print(`${style('dim', label.padEnd(width))}  ${printable(value)}`);
}

/**
 * A name or callsign comes from outside: control characters in it must not steer the terminal, nor characters that
 * nobody sees make it read as another.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Control}\p{Format}\p{Line_Separator}\p{Paragraph_Separator}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

/** The same for a text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** Rows that could not be read, on stderr, with a failing exit code: the listing is not whole. */
export function reportBadRows(badRows: readonly DockhookError[], json: boolean): void {
  for (const badRow of badRows) process.exitCode = reportError(badRow, json);
}

/** Says what went wrong on stderr. @returns the exit code for it */
export function reportError(error: unknown, json: boolean): number {
  const code = error instanceof DockhookError ? error.code : 'failed';
  const message = messageOf(error);
  const text = json
    ? JSON.stringify({ code, message })
    : `${style('red', 'error:', process.stderr)} ${printableLines(message)}`;
  process.stderr.write(`${text}\n`);
  return EXIT_CODES[code] ?? 1;
}
