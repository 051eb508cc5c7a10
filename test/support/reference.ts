/** docs/reference.md, as far as it follows from src/. `npm run docs` writes it; a test compares it. */
import type { Command, Option } from 'commander';
import { fileURLToPath } from 'node:url';
import { createProgram } from '../../src/cli/program.js';
import { settingList } from '../../src/config.js';
import { adviceOn, type RefusalReason } from '../../src/exhook/refusals.js';
import { markdownTable, writeBlocks } from './generated.js';
import { LOG_LINES } from './log-lines.js';
import { metricsIn, unionWords } from './source-words.js';

export const REFERENCE = fileURLToPath(new URL('../../docs/reference.md', import.meta.url));

/** By the name of each block. */
export function referenceBlocks(): Record<string, string> {
  return {
    commands: commandList(),
    settings: settingsTable(),
    steps: wordTable('step', 'events.ts', 'Step'),
    outcomes: wordTable('outcome', 'events.ts', 'Outcome'),
    reasons: wordTable('reason', 'events.ts', 'Reason'),
    'log lines': markdownTable(
      ['event', 'meaning'],
      Object.entries(LOG_LINES).map(([name, meaning]) => [`\`${name}\``, meaning]),
    ),
    'refused connections': refusedConnections(),
    metrics: metricsTable(),
    'error codes': wordTable('code', 'errors.ts', 'ErrorCode'),
  };
}

function settingsTable(): string {
  return markdownTable(
    ['environment', 'flag', 'default', 'meaning'],
    settingList.map(({ environment, flag, description, default: fallback }) => [
      `\`${environment}\``,
      flag === undefined ? '–' : `\`--${flag}\``,
      fallback === '' ? '–' : `\`${fallback}\``,
      description,
    ]),
  );
}

function wordTable(head: string, file: string, type: string): string {
  return markdownTable(
    [head, 'meaning'],
    unionWords(file, type).map(({ word, meaning }) => [`\`${word}\``, meaning]),
  );
}

function refusedConnections(): string {
  return markdownTable(
    ['reason', 'meaning'],
    unionWords('exhook/refusals.ts', 'RefusalReason').map(({ word }) => [
      `\`${word}\``,
      adviceOn(word as RefusalReason),
    ]),
  );
}

function metricsTable(): string {
  return markdownTable(
    ['metric', 'kind', 'labels', 'meaning'],
    metricsIn('observability/metrics.ts').map(({ name, kind, labels, help }) => [
      `\`${name}\``,
      kind,
      labels.length === 0 ? '–' : labels.map((label) => `\`${label}\``).join(', '),
      help,
    ]),
  );
}

function commandList(): string {
  return commandsOf(createProgram({ json: false }))
    .map(commandText)
    .join('\n');
}

/** The commands that do something, as `account add`. */
function commandsOf(command: Command, path = ''): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((one) => commandsOf(one, `${path} ${one.name()}`.trim()));
}

function commandText({ path, command }: { path: string; command: Command }): string {
  const settingFlags = new Set(settingList.map(({ flag }) => `--${flag ?? ''}`));
  const isSetting = ({ long }: Option): boolean => settingFlags.has(long ?? '');
  const own = command.options.filter((option) => !isSetting(option) && !option.hidden);
  const settings = command.options.filter(isSetting).map(({ long }) => long ?? '');
  const example = own.length === 0 && /^Example:\n.*$/.test(helpAfter(command)) ? '' : helpAfter(command);
  const parts = [
    `### ${path}`,
    `\`dockhook ${path}${argumentsOf(command)}\`: ${command.description()}.`,
    own.length > 0 &&
      markdownTable(
        ['option', 'meaning'],
        own.map(({ flags, description, defaultValue }) => [
          `\`${flags}\``,
          description + (defaultValue === undefined ? '' : ` (default: \`${String(defaultValue)}\`)`),
        ]),
      ).trimEnd(),
    settingsTaken(settings),
    example !== '' && `\`\`\`text\n${example}\n\`\`\``,
  ];
  return `${parts.filter((part) => part !== false).join('\n\n')}\n`;
}

function settingsTaken(flags: readonly string[]): string | false {
  if (flags.length === 0) return false;
  // `--data-dir` is an option of all commands.
  const all = settingList.flatMap(({ flag, name }) =>
    flag === undefined || name === 'dataDir' ? [] : [`--${flag}`],
  );
  const rest = all.filter((flag) => !flags.includes(flag));
  if (rest.length === 0) return 'It also takes the flag of each [setting](#settings).';
  if (rest.length === 1) return `It also takes the flag of each [setting](#settings) but \`${rest.join()}\`.`;
  return `It also takes the [settings](#settings) ${flags.map((flag) => `\`${flag}\``).join(', ')}.`;
}

function argumentsOf({ registeredArguments }: Command): string {
  return registeredArguments.map((argument) => ` ${argument.name().toUpperCase()}`).join('');
}

/** What the help of a command says behind its options. */
function helpAfter(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text.slice(command.helpInformation().length).trim();
}

if (process.argv.includes('--write')) writeBlocks(REFERENCE, referenceBlocks());
