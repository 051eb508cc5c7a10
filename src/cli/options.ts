/** From commander's options to settings. */
import type { Command } from 'commander';
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
  const flags: Flags = {};
  for (const { name, flag } of settingList) {
    // Commander's name of `--grpc-listen` is `grpcListen`.
    const given = options[flag?.replace(/-./g, (part) => part.slice(1).toUpperCase()) ?? ''];
    if (given !== undefined) flags[name] = given;
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

/** Gives a command a flag for each setting that may be one, or for those named; `--data-dir` is global already. */
export function addSettingFlags(command: Command, names?: readonly SettingName[]): Command {
  for (const { name, flag, environment, description, default: fallback } of settingList) {
    if (flag === undefined || name === 'dataDir' || names?.includes(name) === false) continue;
    const shown = fallback === '' ? '' : `, default ${fallback}`;
    command.option(`--${flag} <value>`, `${description.replaceAll(/[`*]/g, '')} (${environment}${shown})`);
  }
  return command;
}
