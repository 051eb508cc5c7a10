/** From commander's options to settings. */
import { Option, type Command } from 'commander';
import { DockhookError } from '../errors.js';
import { inspectConfig, readConfig, settingList, type Config, type SettingName } from '../config.js';

/** Options that every command has. */
interface GlobalOptions {
  json?: boolean;
  dataDir?: string;
}

/**
 * The settings for a command, from its flags and the environment. A data directory on the command line means the
 * embedded database, whatever `DATABASE_URL` the shell has.
 */
export function configOf(command: Command, defaults: Readonly<Record<string, string>> = {}): Config {
  const flags = flagsOf(command);
  return asChosen(flags, readConfig({ ...defaults, ...process.env }, flags));
}

/** As {@link configOf}, but returns the faults instead of throwing them. */
export function inspectConfigOf(command: Command): ReturnType<typeof inspectConfig> {
  const flags = flagsOf(command);
  const { config, faults } = inspectConfig(process.env, flags);
  return { config: asChosen(flags, config), faults };
}

type Flags = Partial<Record<SettingName, string>>;

function flagsOf(command: Command): Flags {
  const options = command.optsWithGlobals<Record<string, string | undefined>>();
  /** Commander's name of `--grpc-listen` is `grpcListen`. */
  const given = (flag = ''): string | undefined =>
    options[flag.replace(/-./g, (part) => part.slice(1).toUpperCase())];
  const flags: Flags = {};
  for (const { name, flag = '', formerly } of settingList) {
    const [now, before] = [given(flag), given(formerly?.flag)];
    if (now !== undefined && before !== undefined) {
      throw new DockhookError(
        'usage',
        `--${flag} and --${formerly?.flag ?? ''}, its name before: give only --${flag}`,
      );
    }
    const value = now ?? before;
    if (value !== undefined) flags[name] = value;
  }
  return flags;
}

function asChosen(flags: Flags, config: Config): Config {
  return flags.dataDir === undefined
    ? config
    : { ...config, databaseUrl: undefined, databaseUrlFile: undefined };
}

/** Whether `--json` was given, before the command or after it. */
export function wantsJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json ?? false;
}

/** An action whose file is loaded only when it runs: `--help` and the other commands do not need it. */
export function lazily<A extends unknown[]>(
  load: () => Promise<(...given: A) => Promise<void>>,
): (...given: A) => Promise<void> {
  return async (...given) => (await load())(...given);
}

/** Ends the help of a command with examples. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  const title = lines.length === 1 ? 'Example' : 'Examples';
  return command.addHelpText('after', `\n${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/**
 * Gives a command the flags of the settings that it takes; `--data-dir` is global already.
 * @param options `isBrief`: their help names only the variable, which another command explains
 */
export function addSettingFlags(command: Command, { isBrief = false } = {}): Command {
  const path = pathOf(command);
  for (const { name, flag, value = 'value', takenBy, ...setting } of settingList) {
    if (flag === undefined || name === 'dataDir' || !takenBy.includes(path)) continue;
    const { environment, formerly, description, default: fallback } = setting;
    const shown = fallback === '' ? '' : `, default ${fallback}`;
    const meaning = isBrief ? '' : `${description.replaceAll(/[`*]/g, '')} `;
    command.option(`--${flag} <${value}>`, `${meaning}(${environment}${shown})`);
    if (formerly) command.addOption(new Option(`--${formerly.flag} <${value}>`).hideHelp());
  }
  return command;
}

/** As a person types it, without the program: `emqx status`. */
export function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}
