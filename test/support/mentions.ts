/** Where texts name commands of dockhook: in the strings of src/, and in the code of Markdown files. */
import type { Command } from 'commander';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Stands for what a text takes from elsewhere: a name, an SN. */
const VALUE = 'VALUE';

/** What makes the help of a command. */
const HELP = ['addExamples', 'addHelpText', 'description', 'option', 'optionsGroup', 'requiredOption'];

/**
 * Texts of a file of TypeScript, joined over `+`.
 * @param options `isPrinted`: only what a running command says, as it stands there: neither help nor what `command()`
 *   writes
 */
export function stringsIn(path: string, { isPrinted = false } = {}): string[] {
  const source = sourceOf(path);
  const found: string[] = [];
  const textOf = (node: ts.Node): string => {
    if (ts.isStringLiteralLike(node)) return node.text;
    if (ts.isTemplateExpression(node)) {
      const spans = node.templateSpans.map(({ expression, literal }) => {
        if (isCommand(expression) && !isPrinted) return commandText(expression) + literal.text;
        visit(expression);
        return VALUE + literal.text;
      });
      return node.head.text + spans.join('');
    }
    if (isJoined(node)) return textOf(node.left) + textOf(node.right);
    if (isCommand(node) && !isPrinted) return commandText(node);
    visit(node);
    // Apart from the word before: it is a sentence more often than a part of a word.
    return ` ${VALUE}`;
  };
  const visit = (node: ts.Node): void => {
    if (isPrinted && isCommand(node)) return;
    // What follows in the chain was said before it.
    if (isPrinted && isCallOf(node, HELP)) visit(node.expression);
    else if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateExpression(node) ||
      isJoined(node) ||
      isCommand(node)
    ) {
      found.push(textOf(node));
    } else ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function sourceOf(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

/** The words of each `command(…)` in a file; `VALUE` stands for what is known only when it runs, also for several words. */
export function commandsIn(path: string): string[][] {
  const found: string[][] = [];
  const visit = (node: ts.Node): void => {
    if (isCommand(node)) found.push(wordsOf(node));
    ts.forEachChild(node, visit);
  };
  visit(sourceOf(path));
  return found;
}

/** `command('dock', 'show', sn)` is `dockhook dock show VALUE`. */
function commandText(call: ts.CallExpression): string {
  return ['dockhook', ...wordsOf(call)].join(' ');
}

function wordsOf({ arguments: words }: ts.CallExpression): string[] {
  return words.map((word) => (ts.isStringLiteralLike(word) ? word.text : VALUE));
}

function isCallOf(node: ts.Node, names: readonly string[]): node is ts.CallExpression {
  if (!ts.isCallExpression(node)) return false;
  const { expression } = node;
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  return ts.isIdentifier(name) && names.includes(name.text);
}

function isCommand(node: ts.Node): node is ts.CallExpression {
  return ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'command';
}

function isJoined(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken;
}

/** Fenced blocks and code spans of a file of Markdown; spans may go over the end of a line. */
export function codeIn(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const blocks = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const rest = text.replaceAll(/^```.*\n[\s\S]*?^```/gm, '');
  const spans = [...rest.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll(/\s+/g, ' '));
  return [...blocks, ...spans];
}

export function filesBelow(directory: string, extension: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(extension))
    .map((path) => join(directory, path));
}

/**
 * What `dockhook …` in a text says that the program does not know; `count` is of the commands found.
 * @param isCode whether a line that begins with `dockhook` can be nothing but a command
 */
export function unknownIn(
  text: string,
  { program, isCode }: { program: Command; isCode: boolean },
): { faults: string[]; count: number } {
  const faults: string[] = [];
  let count = 0;
  const joined = text.replaceAll(/\\\n\s*/g, '');
  for (const mention of joined.matchAll(/(?<![\w./:@=-])dockhook +(?=\S)/g)) {
    const start = mention.index + mention[0].length;
    // What ends a command in a shell, and in prose.
    const [end = ''] = /^.*?(?=$|[\n;|()`>—&]|[,.:] )/s.exec(joined.slice(start)) ?? [];
    const words = end.split(/\s+/).map((word) => word.replace(/[,.:'"\]]+$/, ''));
    const before = joined.slice(0, mention.index);
    const isCommand = /(\| *|npx |-- )$/.test(before) || (isCode && /(^|[;&(\n]) *$/.test(before));
    const fault = unknownWord(words.filter(Boolean), program, isCommand);
    if (fault === 'prose') continue;
    count += 1;
    if (fault !== undefined) faults.push(`dockhook ${end.trim()}: ${fault}`);
  }
  return { faults, count };
}

/**
 * The words of the command that a text begins with, without what the sentence says after it.
 * @param text what follows `dockhook `
 */
export function commandAt(text: string, program: Command): string[] {
  const words: string[] = [];
  let command = program;
  let places = 0;
  let wanted: 'value' | 'values' | undefined;
  for (const [token] of text.matchAll(/(?:'[^']*'|\\'|[^\s'])+/g)) {
    const word = token.replace(/[,;:.)]+$/, '');
    const next = command.commands.find((one) => one.name() === word);
    const flag = [...command.options, ...program.options].find(({ long }) => long === word);
    const isName = /^('.*'|[A-Z0-9]+)$/.test(word);
    if (wanted !== 'value' && next) command = next;
    else if (wanted !== 'value' && (flag ?? word === '--help'))
      wanted = !flag?.required ? undefined : flag.variadic ? 'values' : 'value';
    else if (wanted === 'value') wanted = undefined;
    else if (wanted === 'values' && isName) wanted = 'values';
    else if (places < command.registeredArguments.length) places += 1;
    else break;
    words.push(word);
    if (word !== token) break;
  }
  return words;
}

/** `prose` if dockhook is the subject of a sentence. */
function unknownWord(words: readonly string[], program: Command, isCommand: boolean): string | undefined {
  let command = program;
  const known = new Map(program.options.map((option) => [option.long, option]));
  let swallows = false;
  for (const [index, word] of words.entries()) {
    if (swallows) {
      swallows = false;
      continue;
    }
    if (/^--?[a-z]/.test(word)) {
      const [long = ''] = word.split('=');
      if (long === '--help' || (long === '--version' && command === program)) continue;
      const option = known.get(long);
      // As in `pg_restore -d dockhook --clean`.
      if (option === undefined && command === program && !isCommand) return 'prose';
      if (option === undefined) return `unknown option ${long}`;
      swallows = option.required && long === word;
    } else if (command.commands.length > 0) {
      const next = command.commands.find((one) => one.name() === word);
      // `dockhook account …` is all of them.
      if (next === undefined && (word === '…' || word === 'help')) return undefined;
      if (next === undefined) {
        if (command !== program || isCommand || looksMistyped(words[index + 1], program)) {
          return `unknown command ${word}`;
        }
        return 'prose';
      }
      command = next;
      for (const option of command.options) known.set(option.long, option);
    }
  }
  return undefined;
}

/** What follows a verb is neither a flag nor a subcommand. */
function looksMistyped(following: string | undefined, program: Command): boolean {
  if (following === undefined) return false;
  const subcommands = program.commands.flatMap(({ commands }) => commands.map((one) => one.name()));
  return following.startsWith('--') || subcommands.includes(following);
}
