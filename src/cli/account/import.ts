/** `dockhook account import`: a fleet's accounts from CSV, all of them or none. */
import { command } from '../../command.js';
import { createReadStream, ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { SHORT_PASSWORD } from '../../accounts/warnings.js';
import { addAccounts, readAccounts, type ImportReport, type MadePassword } from '../../accounts/import.js';
import { readCsv } from '../../csv.js';
import { DockhookError, messageOf, storeFault, type ErrorCode } from '../../errors.js';
import type { EmqxAlgorithm } from '../../password-hashes/index.js';
import { printableJson } from '../../text.js';
import { csv } from './export.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { printJson, printRaw, say, sayJson, style, warn } from '../output.js';
import { startProgress } from '../progress.js';

interface ImportOptions {
  dryRun?: boolean;
  continue?: boolean;
  passwordHashAlgorithm?: string;
  saltPosition: string;
  macFun: string;
  iterations: string;
}

/** Changes nothing if a line is bad, unless `--continue` is given. A `path` of `-` is standard input. */
export async function importAccounts(path: string, options: ImportOptions, command: Command): Promise<void> {
  const json = wantsJson(command);
  const name = path === '-' ? 'standard input' : path;
  let progress = startProgress('accounts ready');
  const report = createReport({ name, json, options }, () => {
    progress.clear();
  });
  const algorithm = algorithmOf(options);
  const size = path === '-' ? undefined : (await stat(path).catch(() => undefined))?.size;
  const input = path === '-' ? process.stdin : createReadStream(path);
  const onReady = (count: number): void => {
    progress.at(count, size === undefined ? undefined : bytesRead(input) / size);
  };
  const reading = readAccounts(readCsv(input, name), { name, now: Date.now(), algorithm, onReady }, report);
  const ready = await reading.finally(progress.clear);

  progress = startProgress('accounts added');
  const passwords: string[] = [];
  let isPrinted = false;
  const adding = withStores(command, (stores) =>
    addAccounts(stores, ready, report, {
      added: ({ added, tried }, made) => {
        passwords.push(passwordLines(made, json));
        progress.at(added, tried / ready.count);
      },
      commit: async (added) => {
        await printPasswords(passwords.filter(Boolean), added, json);
        isPrinted = true;
      },
    }),
  );
  try {
    report.conclude(await adding.finally(progress.clear));
  } catch (error) {
    throw storeFault(error) && error instanceof DockhookError ? interrupted(error, isPrinted) : error;
  }
}

function bytesRead(input: Readable): number {
  return input instanceof ReadStream ? input.bytesRead : 0;
}

function interrupted(error: DockhookError, isPrinted: boolean): DockhookError {
  const outcome = isPrinted
    ? `${command('account', 'list')} shows whether the accounts were imported; if not, the passwords above are void`
    : 'nothing was imported';
  return new DockhookError(error.code, `${messageOf(error)}; ${outcome}`, { cause: error });
}

function algorithmOf(options: ImportOptions): EmqxAlgorithm | undefined {
  const { passwordHashAlgorithm: name, saltPosition, macFun, iterations } = options;
  if (name === undefined) return undefined;
  if (!['prefix', 'suffix', 'disable'].includes(saltPosition)) {
    throw new DockhookError('usage', `--salt-position ${saltPosition}: write prefix, suffix or disable`);
  }
  return { name, saltPosition, macFun, iterations };
}

function passwordLines(made: readonly MadePassword[], json: boolean): string {
  if (json) return made.map(({ name, password }) => JSON.stringify({ name, password })).join(',');
  return csv(made.map(({ name, password }) => [name, password]));
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

interface Report extends ImportReport {
  /** Says how it went, or throws that. */
  conclude(imported: number): void;
}

/** @param clear makes room on the terminal for a line */
function createReport(
  { name, json, options }: { name: string; json: boolean; options: ImportOptions },
  clear: () => void,
): Report {
  const { dryRun, continue: goOn } = options;
  const codes = new Set<ErrorCode>();
  let faults = 0;
  let shortPasswords = 0;
  return {
    fault(line, { code, message }) {
      faults += 1;
      codes.add(code);
      clear();
      if (json) sayJson({ line, code, message });
      else say(`${style('red', `${name}:${line}:`, process.stderr)} ${message}`);
    },
    doubt(line, text) {
      clear();
      warn(`line ${line}: ${text}`, json);
    },
    shortPassword() {
      shortPasswords += 1;
    },
    isTrial: () => dryRun === true || (faults > 0 && !goOn),
    conclude(imported) {
      if (shortPasswords > 0) {
        const few = `fewer than ${SHORT_PASSWORD} characters`;
        warn(`${shortPasswords} passwords have ${few} and can be guessed`, json);
      }
      const all = accountsIn(imported + faults);
      if (faults > 0)
        throw conclusion(`${faults.toLocaleString('en')} of ${all} cannot be imported`, imported);
      if (dryRun && json) printJson({ imported: 0, passwords: [] });
      if (!json) say(dryRun ? `${all} can be imported; nothing was changed` : `${all} imported`);
    },
  };

  function conclusion(wrong: string, imported: number): DockhookError {
    const others = imported.toLocaleString('en');
    if (!goOn) {
      const code = codes.size === 1 && codes.has('conflict') ? 'conflict' : 'usage';
      const advice = 'Correct these lines, or leave them out with --continue';
      return new DockhookError(code, `${wrong}; nothing was changed. ${advice}`);
    }
    if (!dryRun) return new DockhookError('failed', `${wrong}; ${others} were imported`);
    const would = `without --dry-run ${others} would be imported`;
    return new DockhookError('failed', `${wrong}; nothing was changed, and ${would}`);
  }
}

function accountsIn(count: number): string {
  return count === 1 ? '1 account' : `${count.toLocaleString('en')} accounts`;
}
