/**
 * Commands that a text tells its reader to type. Each works when it is pasted as it stands: it is started as this
 * process was, and it opens the same database.
 */
import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settingList } from './config.js';
import { shellWord } from './shell.js';

const MAIN_FOLDER = fileURLToPath(new URL('cli', import.meta.url));
const BIN_OF_NPM = /[\\/]node_modules[\\/]\.bin$/;
const DEFAULT_DATA_DIR = settingList.find(({ name }) => name === 'dataDir')?.default ?? '';

const DEV_FOLDER = 'dev';

/** The file beside the database of `dockhook dev`, and of no other. */
export const DEMO_PASSWORD_FILE = 'demo-password';

/**
 * A dockhook command that works when it is pasted into a shell as it stands.
 * @param words what comes after `dockhook`, with all required options; a placeholder such as `NAME` is a word like any
 *   other
 */
export const command = commandWriter(process);

/** What is known of a process. */
export type StartedProcess = Pick<NodeJS.Process, 'argv' | 'argv0' | 'env' | 'execArgv' | 'cwd'>;

/** Writes commands for whoever started this process. */
export function commandWriter(started: StartedProcess): (...words: readonly string[]) => string {
  const [, main = '', ...words] = started.argv;
  const name = commandIn(words);
  // What a server logs is read elsewhere, and so are the texts of a program that only uses this code.
  const isOurs = main !== '' && dirname(realPath(main) ?? '') === MAIN_FOLDER;
  if (!isOurs || name === 'serve') return (...given) => ['dockhook', ...given.map(shellWord)].join(' ');
  const program = programOf(started, main);
  const flags = flagsIn(words);
  const flagsOfDev = new Map(flags);
  flagsOfDev.set('data-dir', devDataDir(dataDirOf(started, flags)));
  return (...given) => {
    // What is said of dev's database is not for that of a server, but for dev itself.
    const { before, after } = flagsFor(given, name === 'dev' && given[0] !== 'dev' ? flagsOfDev : flags);
    return [program, ...[...before, ...given, ...after].map(shellWord)].join(' ');
  };
}

/** The command that starts the server of the database that this process opens: `dev` for that of `dockhook dev`. */
export function serverCommand(started: StartedProcess = process): string {
  const flags = flagsIn(started.argv.slice(2));
  const folder = dataDirOf(started, flags);
  const isEmbedded =
    flags.has('data-dir') || !(started.env['DATABASE_URL'] || started.env['DATABASE_URL_FILE']);
  const isOfDev =
    isEmbedded && basename(folder) === DEV_FOLDER && existsSync(join(folder, DEMO_PASSWORD_FILE));
  const words = isOfDev ? ['--data-dir', dirname(folder), 'dev'] : ['serve'];
  return commandWriter(started)(...words);
}

/** Where `dockhook dev` keeps its data: apart from those of a server. */
export function devDataDir(dataDir: string): string {
  return join(dataDir, DEV_FOLDER);
}

function dataDirOf({ env }: StartedProcess, flags: ReadonlyMap<string, string>): string {
  return flags.get('data-dir') ?? (env['DOCKHOOK_DATA_DIR'] || DEFAULT_DATA_DIR);
}

/** How the program is called, for a shell in the same folder. */
function programOf({ argv0, env, execArgv, cwd }: StartedProcess, main: string): string {
  // npm puts such folders on the path of what it runs, and of nothing else.
  if (BIN_OF_NPM.test(dirname(main))) return 'npx dockhook';
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder && !BIN_OF_NPM.test(folder));
  const onPath = folders.map((folder) => realPath(join(folder, 'dockhook'))).find(Boolean);
  if (onPath === realPath(main)) return 'dockhook';
  // By `npm start`: there may be no build, and npm has gone to the folder of the package.
  if (env['npm_package_name'] === 'dockhook' && main.endsWith('.ts')) {
    const isAtHome = !relative(cwd(), env['INIT_CWD'] ?? cwd()).startsWith('..');
    return `npm ${isAtHome ? '' : `--prefix ${shellWord(cwd())} `}run -s dockhook --`;
  }
  const path = relative(cwd(), main);
  const words = [argv0, ...execArgv, path.startsWith('..') ? resolve(main) : path];
  return words.map(shellWord).join(' ');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** `undefined` without a command, as for `--help`. */
function commandIn(words: readonly string[]): string | undefined {
  const values = new Set(settingList.map(({ flag }) => `--${flag ?? ''}`));
  return words.find((word, index) => !word.startsWith('-') && !values.has(words[index - 1] ?? ''));
}

/** The settings that were given as flags; the last of two counts. */
function flagsIn(words: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (const [index, word] of words.entries()) {
    const [long = '', ...rest] = word.split('=');
    const flag = settingList.find((setting) =>
      [setting.flag, setting.formerly?.flag].some((one) => one !== undefined && long === `--${one}`),
    )?.flag;
    const value = rest.length > 0 ? rest.join('=') : words[index + 1];
    if (flag !== undefined && value !== undefined) given.set(flag, value);
  }
  return given;
}

/** Those that a command takes, too: the data directory before it, the others behind it. */
function flagsFor(
  words: readonly string[],
  given: ReadonlyMap<string, string>,
): { before: string[]; after: string[] } {
  const before: string[] = [];
  const after: string[] = [];
  for (const { name, flag = '', takenBy } of settingList) {
    const value = given.get(flag);
    if (value === undefined || words.includes(`--${flag}`)) continue;
    if (name === 'dataDir') before.push(`--${flag}`, value);
    else if (takenBy.some((taker) => `${words.join(' ')} `.startsWith(`${taker} `)))
      after.push(`--${flag}`, value);
  }
  return { before, after };
}
