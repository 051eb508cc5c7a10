/** `dockhook account import`: a fleet's accounts from CSV, all of them or none. */
import { createReadStream, ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Command } from 'commander';
import type { EmqxAlgorithm } from '../../password-hashes/index.js';
import { generatePassword } from '../../access/new-passwords.js';
import { hashChosen, hashGenerated } from '../../password-hashes/index.js';
import { hasExpired } from '../../access/expiry.js';
import { DockhookError, messageOf, storeFault, type ErrorCode } from '../../errors.js';
import { printableJson } from '../../text.js';
import type { Account } from '../../stores/types.js';
import type { Column } from '../../accounts/csv-columns.js';
import { PLACEHOLDER_HASH, readHeader, readLine, type ImportedLine } from '../../accounts/csv-row.js';
import { csv } from './export.js';
import { SHORT_PASSWORD } from './password.js';
import { doubts, gatewaysIn } from './scope-options.js';
import { readCsv } from '../../csv.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { printJson, printRaw, say, sayJson, style, warn } from '../output.js';
import { startProgress } from '../progress.js';

/** Lines that are hashed and inserted together. */
const BATCH = 200;

interface ImportOptions {
  dryRun?: boolean;
  continue?: boolean;
  passwordHashAlgorithm?: string;
  saltPosition: string;
  macFun: string;
  iterations: string;
}

interface Item extends ImportedLine {
  line: number;
}

interface Ready {
  line: number;
  account: Account;
  /** If dockhook made it. */
  password?: string;
}

export async function importAccounts(path: string, options: ImportOptions, command: Command): Promise<void> {
  const name = path === '-' ? 'standard input' : path;
  let progress = startProgress('accounts ready');
  const report = createReport(name, wantsJson(command), () => {
    progress.clear();
  });
  const algorithm = algorithmOf(options);
  const size = path === '-' ? undefined : (await stat(path).catch(() => undefined))?.size;
  const input = path === '-' ? process.stdin : createReadStream(path);
  const lines = readLines(readCsv(input, name), { now: Date.now(), algorithm }, report);
  // With a fault nothing will be imported, and only faults are looked for.
  const isTrial = (): boolean => options.dryRun === true || (report.faults > 0 && !options.continue);

  // All of it before the database is asked for anything: an embedded one answers nobody else, no dock
  // either, while a transaction is open, and the input may take its time. Packed, as many may wait here.
  const packed: Buffer[] = [];
  let ready = 0;
  try {
    for await (const batch of batchesOf(lines)) {
      packed.push(pack(await makeReady(batch, isTrial())));
      ready += batch.length;
      progress.at(ready, size === undefined ? undefined : bytesRead(input) / size);
    }
  } finally {
    progress.clear();
  }

  progress = startProgress('accounts added');
  const passwords: string[] = [];
  let imported = 0;
  let isPrinted = false;
  const work = withStores(command, ({ accounts }) =>
    accounts.addTogether(async (addMany) => {
      let done = 0;
      // Lets go of each: their passwords take the room.
      for (let next = packed.shift(); next !== undefined; next = packed.shift()) {
        const batch = unpack(next);
        const leftOut = await addMany(batch.map(({ account }) => account));
        const added = batch.filter(({ account }) => !leftOut.has(account.name));
        for (const { line, account } of batch) {
          const why = leftOut.get(account.name);
          if (why !== undefined) report.fault(line, why);
        }
        imported += added.length;
        done += batch.length;
        if (!isTrial()) passwords.push(passwordLines(added, wantsJson(command)));
        progress.at(imported, done / ready);
      }
      if (isTrial() || imported === 0) return 'rollback';
      // Before the commit: an account whose password nobody saw is lost, a password without account is none.
      await printPasswords(passwords.filter(Boolean), imported, wantsJson(command));
      isPrinted = true;
      return 'commit';
    }),
  );
  try {
    await work;
  } catch (error) {
    throw storeFault(error) && error instanceof DockhookError ? interrupted(error, isPrinted) : error;
  } finally {
    progress.clear();
  }
  report.conclude(imported, options);
}

function bytesRead(input: Readable): number {
  return input instanceof ReadStream ? input.bytesRead : 0;
}

function interrupted(error: DockhookError, isPrinted: boolean): DockhookError {
  const outcome = isPrinted
    ? 'whether the accounts were imported is not known, see dockhook account list; if not, the passwords above are void'
    : 'nothing was imported';
  return new DockhookError(error.code, `${messageOf(error)}; ${outcome}`, { cause: error });
}

function algorithmOf(options: ImportOptions): EmqxAlgorithm | undefined {
  const { passwordHashAlgorithm: name, saltPosition, macFun, iterations } = options;
  if (name === undefined) return undefined;
  if (!['prefix', 'suffix', 'disable'].includes(saltPosition)) {
    throw new DockhookError('usage', `--salt-position ${saltPosition}: there are prefix, suffix, disable`);
  }
  return { name, saltPosition, macFun, iterations };
}

/** Reads and judges line after line; those that are wrong go to the report. */
async function* readLines(
  lines: AsyncGenerator<{ line: number; cells: string[] }>,
  options: { now: number; algorithm: EmqxAlgorithm | undefined },
  report: Report,
): AsyncGenerator<Item> {
  let columns: Column[] | undefined;
  const names = new Map<string, number>();
  const gateways = new Map<string, number>();
  for await (const { line, cells } of lines) {
    if (columns === undefined) {
      columns = readHeader(cells);
      continue;
    }
    try {
      const item = readLine(columns, cells, options);
      const { name, scope } = item.account;
      const earlier = names.get(name);
      if (earlier !== undefined) throw new DockhookError('usage', `has the same name as line ${earlier}`);
      names.set(name, line);
      for (const sn of gatewaysIn(scope)) {
        const other = gateways.get(sn);
        if (other === undefined) gateways.set(sn, line);
        else report.doubt(line, `gateway ${sn} is in line ${other}, too`);
      }
      for (const text of doubts(name, scope)) report.doubt(line, text);
      if (hasExpired(item.account, options.now)) report.doubt(line, 'has expired already');
      if (item.secret.kind === 'chosen' && item.secret.password.length < SHORT_PASSWORD)
        report.shortPasswords += 1;
      yield { line, ...item };
    } catch (error) {
      if (!(error instanceof DockhookError)) throw error;
      report.fault(line, error);
    }
  }
  if (names.size === 0 && report.faults === 0)
    throw new DockhookError('usage', `${report.name} holds no accounts`);
}

async function* batchesOf(items: AsyncGenerator<Item>): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function makeReady(batch: readonly Item[], isTrial: boolean): Promise<Ready[]> {
  return Promise.all(batch.map(async (item) => (isTrial ? withPlaceholder(item) : withHash(item))));
}

/** Outside of the heap, and small: a million accounts with made passwords are 93 MB, and 290 MB as JSON. */
function pack(batch: readonly Ready[]): Buffer {
  return deflateRawSync(JSON.stringify(batch), { level: 1 });
}

function unpack(packed: Buffer): Ready[] {
  return JSON.parse(inflateRawSync(packed).toString()) as Ready[];
}

function withPlaceholder({ line, account }: Item): Ready {
  return { line, account: { ...account, passwordHash: PLACEHOLDER_HASH } };
}

async function withHash({ line, account, secret }: Item): Promise<Ready> {
  switch (secret.kind) {
    case 'hash':
      return { line, account: { ...account, passwordHash: secret.passwordHash } };
    case 'chosen':
      return { line, account: { ...account, passwordHash: await hashChosen(secret.password) } };
    case 'generate': {
      const password = generatePassword();
      return { line, account: { ...account, passwordHash: hashGenerated(password) }, password };
    }
  }
}

function passwordLines(added: readonly Ready[], json: boolean): string {
  const made = added.flatMap(({ account: { name }, password }) =>
    password === undefined ? [] : [[name, password]],
  );
  if (!json) return csv(made);
  return made.map(([name, password]) => JSON.stringify({ name, password })).join(',');
}

async function printPasswords(parts: readonly string[], imported: number, json: boolean): Promise<void> {
  if (json) await write(printableJson(`{"imported":${imported},"passwords":[${parts.join(',')}]}\n`));
  else if (parts.length > 0) {
    await write('name,password\n');
    for (const part of parts) await write(part);
  }
}

async function write(text: string): Promise<void> {
  try {
    await printRaw(text);
  } catch (error) {
    throw new DockhookError(
      'failed',
      `the passwords cannot be written (${messageOf(error)}); nothing was imported`,
    );
  }
}

interface Report {
  name: string;
  faults: number;
  shortPasswords: number;
  fault(line: number, error: DockhookError): void;
  doubt(line: number, text: string): void;
  /** Says how it went, or throws that. */
  conclude(imported: number, options: ImportOptions): void;
}

function accountsIn(count: number): string {
  return count === 1 ? '1 account' : `${count.toLocaleString('en')} accounts`;
}

/** @param clear makes room on the terminal for a line */
function createReport(name: string, json: boolean, clear: () => void): Report {
  const codes = new Set<ErrorCode>();
  const report: Report = {
    name,
    faults: 0,
    shortPasswords: 0,
    fault(line, { code, message }) {
      report.faults += 1;
      codes.add(code);
      clear();
      if (json) sayJson({ line, code, message });
      else say(`${style('red', `${name}:${line}:`, process.stderr)} ${message}`);
    },
    doubt(line, text) {
      clear();
      warn(`line ${line}: ${text}`, json);
    },
    conclude(imported, { dryRun, continue: goOn }) {
      if (report.shortPasswords > 0) {
        warn(
          `${report.shortPasswords} passwords have fewer than ${SHORT_PASSWORD} characters and can be guessed`,
          json,
        );
      }
      const all = accountsIn(imported + report.faults);
      const wrong = `${report.faults.toLocaleString('en')} of ${all} cannot be imported`;
      if (report.faults > 0 && goOn && dryRun) {
        const others = `${imported.toLocaleString('en')} would be imported`;
        throw new DockhookError('failed', `${wrong}; nothing was changed, and without --dry-run ${others}`);
      }
      if (report.faults > 0 && !goOn) {
        const code = codes.size === 1 && codes.has('conflict') ? 'conflict' : 'usage';
        throw new DockhookError(
          code,
          `${wrong}; nothing was changed. Mend these lines, or leave them out with --continue`,
        );
      }
      if (report.faults > 0) {
        throw new DockhookError('failed', `${wrong}; ${imported.toLocaleString('en')} were imported`);
      }
      if (dryRun && json) printJson({ imported: 0, passwords: [] });
      if (!json) say(dryRun ? `${all} can be imported; nothing was changed` : `${all} imported`);
    },
  };
  return report;
}
