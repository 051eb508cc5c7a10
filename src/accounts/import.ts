/**
 * Accounts from CSV: every line is checked, and every password hashed, before the database is asked for anything. While
 * a transaction is open, an embedded database answers nobody else, not even a dock, and the input may be slow.
 */
import { hasExpired } from '../access/expiry.js';
import { generatePassword } from '../access/generate-password.js';
import type { CsvLine } from '../csv.js';
import { DockhookError } from '../errors.js';
import { hashChosen, hashGenerated, type EmqxAlgorithm } from '../password-hashes/index.js';
import type { Account, Stores } from '../stores/types.js';
import type { Column } from './csv-columns.js';
import { faultsIn } from './conflicts.js';
import { PLACEHOLDER_HASH, readHeader, readLine, type ImportedLine } from './csv-row.js';
import { doubtsAbout, SHORT_PASSWORD } from './warnings.js';
import { gatewaysIn } from './scope.js';

/** Lines that are hashed and inserted together. */
const BATCH = 200;

/** Hears what is found, line by line. */
export interface ImportReport {
  /** The line cannot be imported. */
  fault(line: number, error: DockhookError): void;
  /** The line can be imported, and is probably a mistake. */
  doubt(line: number, text: string): void;
  /** A chosen password can be guessed. */
  shortPassword(): void;
  /** Whether nothing will be imported, so that it only looks for faults and hashes nothing. */
  isTrial(): boolean;
}

interface ImportOptions {
  /** What people call the file. */
  name: string;
  now: number;
  /** How EMQX made the hashes. */
  algorithm: EmqxAlgorithm | undefined;
}

/** A password that dockhook made for an account, to be shown once. */
export interface MadePassword {
  name: string;
  password: string;
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

/** Accounts that are ready to be added. */
interface ReadyAccounts {
  /** Each as JSON: as objects they would fill the heap. */
  batches: Buffer[];
  count: number;
}

/**
 * Reads and checks all lines.
 * @param options.onReady told how many accounts are ready so far
 * @throws DockhookError `usage` if the columns cannot be used, or if there are no accounts
 */
export async function readAccounts(
  lines: AsyncIterable<CsvLine>,
  options: ImportOptions & { onReady: (count: number) => void },
  report: ImportReport,
): Promise<ReadyAccounts> {
  const ready: ReadyAccounts = { batches: [], count: 0 };
  for await (const batch of batchesOf(readLines(lines, options, report))) {
    const isTrial = report.isTrial();
    const accounts = await Promise.all(batch.map((item) => makeReady(item, isTrial)));
    ready.batches.push(Buffer.from(JSON.stringify(accounts)));
    ready.count += batch.length;
    options.onReady(ready.count);
  }
  return ready;
}

/**
 * Adds all of them, or none, and takes them out of `ready`.
 * @param on.added called for each batch: how many accounts were added and tried so far, and the generated passwords
 * @param on.commit called once, before the commit: an account whose password nobody saw would be lost, while a password
 *   without an account is harmless. If it rejects, nothing is imported
 * @returns how many were, or would be, imported
 */
export async function addAccounts(
  stores: Pick<Stores, 'accounts' | 'organizations' | 'bindings'>,
  ready: ReadyAccounts,
  report: ImportReport,
  on: {
    added: (counts: { added: number; tried: number }, passwords: MadePassword[]) => void;
    commit: (added: number) => Promise<void>;
  },
): Promise<number> {
  await leaveOutFaulty(stores, ready, report);
  let added = 0;
  let tried = 0;
  await stores.accounts.addTogether(async (addMany) => {
    // Releases each: their passwords take much memory.
    for (let next = ready.batches.shift(); next !== undefined; next = ready.batches.shift()) {
      const batch = JSON.parse(next.toString()) as Ready[];
      const leftOut = await addMany(batch.map(({ account }) => account));
      for (const { line, account } of batch) {
        const why = leftOut.get(account.name);
        if (why !== undefined) report.fault(line, why);
      }
      added += batch.length - leftOut.size;
      tried += batch.length;
      on.added({ added, tried }, passwordsOf(batch.filter(({ account }) => !leftOut.has(account.name))));
    }
    if (report.isTrial() || added === 0) return 'rollback';
    await on.commit(added);
    return 'commit';
  });
  return added;
}

/** Before the transaction: while it is open, an embedded database answers nothing else. */
async function leaveOutFaulty(
  stores: Pick<Stores, 'organizations' | 'bindings'>,
  ready: ReadyAccounts,
  report: ImportReport,
): Promise<void> {
  for (const [index, buffer] of ready.batches.entries()) {
    const batch = JSON.parse(buffer.toString()) as Ready[];
    const faults = await faultsIn(
      stores,
      batch.map(({ account: { organizationId, scope } }) => ({
        organizationId,
        gateways: gatewaysIn(scope),
      })),
    );
    const kept = batch.filter(({ line }, place) => {
      const fault = faults[place];
      // Not a conflict: scripts take that for a name that exists already.
      if (fault !== undefined) report.fault(line, new DockhookError('usage', fault.message));
      return fault === undefined;
    });
    if (kept.length === batch.length) continue;
    ready.batches[index] = Buffer.from(JSON.stringify(kept));
    ready.count -= batch.length - kept.length;
  }
}

/** Checks line after line; those that are wrong go to the report. */
async function* readLines(
  lines: AsyncIterable<CsvLine>,
  options: ImportOptions,
  report: ImportReport,
): AsyncGenerator<Item> {
  let columns: Column[] | undefined;
  let isEmpty = true;
  const names = new Map<string, number>();
  const gateways = new Map<string, number>();
  for await (const { line, cells } of lines) {
    if (columns === undefined) {
      columns = readHeader(cells);
      continue;
    }
    isEmpty = false;
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
      for (const text of doubtsAbout(name, scope)) report.doubt(line, text);
      if (hasExpired(item.account, options.now)) report.doubt(line, 'has expired already');
      if (item.secret.kind === 'chosen' && item.secret.password.length < SHORT_PASSWORD)
        report.shortPassword();
      yield { line, ...item };
    } catch (error) {
      if (!(error instanceof DockhookError)) throw error;
      report.fault(line, error);
    }
  }
  if (isEmpty) throw new DockhookError('usage', `${options.name} holds no accounts`);
}

async function* batchesOf(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function makeReady({ line, account, secret }: Item, isTrial: boolean): Promise<Ready> {
  if (isTrial) return { line, account: { ...account, passwordHash: PLACEHOLDER_HASH } };
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

function passwordsOf(added: readonly Ready[]): MadePassword[] {
  return added.flatMap(({ account: { name }, password }) =>
    password === undefined ? [] : [{ name, password }],
  );
}
