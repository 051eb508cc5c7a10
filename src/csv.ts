/**
 * Reads CSV (RFC 4180, UTF-8, with or without BOM, any line ends; also with semicolons or tabs, as spreadsheets write it
 * where the comma is in numbers) line by line, however long the file.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse, type CsvError, type Info } from 'csv-parse';
import { DockhookError, messageOf } from './errors.js';

/** Longer lines are a quote that was never closed. */
const MAX_LINE_CHARACTERS = 65_536;

/** One record, which may span several lines of the file. */
export interface CsvLine {
  /** In the file, from 1; of a record with line ends inside, the last. */
  line: number;
  cells: string[];
}

/**
 * Yields the records that are not empty. Throws `usage` at a line that is no CSV: after a stray quote nobody
 * knows where the next record begins.
 * @param name what people call the file
 */
export async function* readCsv(input: Readable, name: string): AsyncGenerator<CsvLine> {
  // A line that cannot be read must not take those before it along, as an error of the stream would.
  const broken: { line: number; message: string }[] = [];
  const chunks = input[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer | string, undefined>;
  const head = await headOf(chunks).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  const parser = parse({
    bom: true,
    delimiter: delimiterOf(head),
    info: true,
    // A file that was edited on two systems has both; what the parser finds out from the first line would hold for all.
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_LINE_CHARACTERS,
    skip_records_with_error: true,
    on_skip: (error: (CsvError & { lines?: number }) | undefined) => {
      broken.push({ line: error?.lines ?? 0, message: reasonOf(error) });
      return undefined;
    },
  });
  let failure: unknown;
  const whole = async function* (): AsyncGenerator<Buffer | string> {
    yield head;
    yield* chunks;
  };
  const fed = pipeline(whole, parser).catch((error: unknown) => {
    failure = error;
  });
  // Inside quotes the parser (csv-parse 7.0.3) counts CRLF as two lines.
  let doubled = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      if (broken[0] !== undefined && info.lines >= broken[0].line) break;
      doubled += record.reduce((sum, cell) => sum + cell.split('\r\n').length - 1, 0);
      yield { line: info.lines - doubled, cells: record };
    }
    const [first] = broken;
    if (first) throw new DockhookError('usage', `${name}:${first.line - doubled}: ${first.message}`);
  } catch (error) {
    throw error instanceof DockhookError ? error : unreadable(name, failure ?? error);
  } finally {
    input.destroy();
    await fed;
  }
}

/** The beginning of a file, with its first line that is not empty. */
async function headOf(chunks: AsyncIterator<Buffer | string, undefined>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < MAX_LINE_CHARACTERS && !/[^\r\n][\r\n]/.test(latin1(head))) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, Buffer.from(next.value)]);
  }
  return head;
}

function delimiterOf(head: Buffer): string {
  const [line = ''] = /[^\r\n]+/.exec(latin1(head)) ?? [];
  return line.includes(',') ? ',' : (/[;\t]/.exec(line)?.[0] ?? ',');
}

/** A letter for each byte: enough to find ASCII in it, and without zeros also in UTF-16. */
function latin1(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/^\xEF\xBB\xBF|^\xFF\xFE/, '')
    .replaceAll('\0', '');
}

function unreadable(name: string, error: unknown): DockhookError {
  return new DockhookError('usage', `cannot read ${name}: ${messageOf(error)}`);
}

/** The parser's own texts quote the field, and that may be a password. */
function reasonOf(error: CsvError | undefined): string {
  const rest = 'nothing after it can be told apart';
  switch (error?.code as string | undefined) {
    case 'INVALID_OPENING_QUOTE':
      return `a quote inside a field that does not begin with one; write "a ""b"" c"; ${rest}`;
    case 'CSV_INVALID_CLOSING_QUOTE':
      return `a field goes on after its closing quote; write "a ""b"" c"; ${rest}`;
    case 'CSV_QUOTE_NOT_CLOSED':
    case 'CSV_MAX_RECORD_SIZE':
      return `a quote before this line was never closed, or a line has more than ${MAX_LINE_CHARACTERS} characters`;
    default:
      return `this is no CSV; ${rest}`;
  }
}
