/** `dockhook account export`: all accounts as CSV that `account import` reads. */
import type { Command } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { COLUMNS, type Column } from '../../accounts/csv-columns.js';
import { toCells } from '../../accounts/csv-row.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { printJson, printRaw, reportBadRows } from '../output.js';

/** Lines that are written at once. */
const CHUNK = 1000;

/** Never writes passwords; writes their hashes only for `--with-hashes`. */
export async function exportAccounts(options: { withHashes?: boolean }, command: Command): Promise<void> {
  const { records, badRows } = await withStores(command, (stores) => stores.accounts.list());
  const columns = (Object.keys(COLUMNS) as Column[]).filter((column) =>
    column === 'password_hash' ? options.withHashes : column !== 'password' && column !== 'salt',
  );
  if (wantsJson(command)) {
    printJson(
      records.map(({ passwordHash, ...rest }) => (options.withHashes ? { ...rest, passwordHash } : rest)),
    );
  } else {
    await printRaw(csv([[...columns]]));
    for (let start = 0; start < records.length; start += CHUNK) {
      await printRaw(csv(records.slice(start, start + CHUNK).map((account) => toCells(account, columns))));
    }
  }
  reportBadRows(badRows, wantsJson(command));
}

/** Lines of CSV, so that {@link readCsv} reads them as they were. */
export function csv(rows: string[][]): string {
  return stringify(rows, { quoted_match: /[\r\n]/ });
}
