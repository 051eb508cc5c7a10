/** How commands speak: aligned text for people, one JSON value on stdout for scripts. */
import { styleText } from 'node:util';
import { DockhookError, messageOf, type ErrorCode } from '../errors.js';
import { printable, printableJson, printableLines, withoutUserInfo } from '../text.js';

const EXIT_CODES: Partial<Record<ErrorCode, number>> = { usage: 2, not_found: 3, conflict: 4 };

/** Whether a stream is a terminal that wants colours. */
function wantsColour(stream: NodeJS.WriteStream = process.stdout): boolean {
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

/** What {@link style} and its like write, and nothing that moves a cursor or hides a text. */
const ESCAPE = '\u001b';
const OWN_STYLES = new RegExp(`(${ESCAPE}\\[(?:1|2|22|3[1-6]|39)m)`);

/** All text for people passes through here last. */
function shown(text: string, stream: NodeJS.WriteStream): string {
  if (!wantsColour(stream)) return printableLines(text);
  return text
    .split(OWN_STYLES)
    .map((part, index) => (index % 2 === 0 ? printableLines(part) : part))
    .join('');
}

/** For people, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${shown(text, process.stdout)}\n`);
}

/** For people, on stderr, separate from the output of a command. */
export function say(text: string): void {
  process.stderr.write(`${shown(text, process.stderr)}\n`);
}

/** A question on stderr, whose answer is typed behind it. */
export function ask(question: string): void {
  process.stderr.write(shown(question, process.stderr));
}

/** The help of a command, as wide as the terminal. */
export function printHelp(text: string): void {
  process.stdout.write(wrapped(shown(text, process.stdout), process.stdout.columns));
}

/**
 * Writes output that must stay as it is, such as CSV; only for a terminal is it made safe. Resolves when it is written,
 * and rejects if it cannot be.
 */
export function printRaw(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(process.stdout.isTTY ? printableLines(text) : text, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** For scripts: one line of JSON on stdout, without control characters. */
export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`);
}

/** One line of JSON on stderr. */
export function sayJson(value: unknown): void {
  process.stderr.write(`${toJson(value)}\n`);
}

function toJson(value: unknown): string {
  return printableJson(JSON.stringify(value));
}

/** A warning on stderr: `warning: …`, or `{"warning": …}` for scripts. */
export function warn(text: string, json: boolean): void {
  if (json) sayJson({ warning: withoutUserInfo(text) });
  else say(`${style('yellow', 'warning:', process.stderr)} ${text}`);
}

/**
 * Prose at most as wide as a terminal, broken between words. Lines that begin with a space stay as they are: a command
 * among them could not be pasted any more.
 * @param width undefined where nobody looks at it
 */
export function wrapped(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  // Paragraphs, so that the rest of a line and the next one come together.
  return text.replaceAll(/^\S.*(\n\S.*)*$/gm, (paragraph) => {
    if (paragraph.split('\n').every((line) => line.length <= width)) return paragraph;
    const lines: string[] = [];
    for (const word of paragraph.split(/\s+/)) {
      const longer = `${lines.at(-1) ?? ''} ${word}`;
      if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines.join('\n');
  });
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

/** Rows that could not be read, on stderr, with a failing exit code: the list is not complete. */
export function reportBadRows(badRows: readonly DockhookError[], json: boolean): void {
  for (const badRow of badRows) process.exitCode = reportError(badRow, json);
}

/** Says what went wrong on stderr. @returns the exit code for it */
export function reportError(error: unknown, json: boolean): number {
  const code = error instanceof DockhookError ? error.code : 'failed';
  const message = messageOf(error);
  if (json) sayJson({ code, message: withoutUserInfo(message) });
  else say(`${style('red', 'error:', process.stderr)} ${message}`);
  return EXIT_CODES[code] ?? 1;
}
