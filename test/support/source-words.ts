/** Words with a meaning, read from the source of src/: members of unions, metrics, names of log lines. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { filesBelow } from './mentions.js';

const SRC = new URL('../../src/', import.meta.url).pathname;

export interface Word {
  word: string;
  /** Its comment, on one line. */
  meaning: string;
}

/** The members of a union of strings, each with the comment above it. */
export function unionWords(file: string, type: string): Word[] {
  const source = parse(`${SRC}${file}`);
  const declaration = source.statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === type,
  );
  if (declaration === undefined || !ts.isUnionTypeNode(declaration.type))
    throw new Error(`${file} has no union ${type}`);
  return declaration.type.types.map((member) => {
    if (!ts.isLiteralTypeNode(member) || !ts.isStringLiteral(member.literal))
      throw new Error(`${type} in ${file} has a member that is no string: ${member.getText()}`);
    return { word: member.literal.text, meaning: commentBefore(source, member) };
  });
}

export interface Metric {
  name: string;
  kind: string;
  labels: string[];
  help: string;
}

/** What `new Counter({ name, help, labelNames })` and the like define. */
export function metricsIn(file: string): Metric[] {
  const metrics: Metric[] = [];
  visitAll(parse(`${SRC}${file}`), (node) => {
    const [options] = ts.isNewExpression(node) ? (node.arguments ?? []) : [];
    if (options === undefined || !ts.isObjectLiteralExpression(options)) return;
    const fields = new Map(
      options.properties
        .filter((property) => ts.isPropertyAssignment(property))
        .map((property) => [property.name.getText(), property.initializer]),
    );
    const text = (name: string): string => {
      const value = fields.get(name);
      return value !== undefined && ts.isStringLiteralLike(value) ? value.text : '';
    };
    const labels = fields.get('labelNames');
    if (text('help') === '') return;
    metrics.push({
      name: text('name'),
      kind: (node as ts.NewExpression).expression.getText().toLowerCase(),
      labels:
        labels !== undefined && ts.isArrayLiteralExpression(labels)
          ? labels.elements.filter(ts.isStringLiteral).map((label) => label.text)
          : [],
      help: text('help'),
    });
  });
  return metrics;
}

/** The names of all log lines that are not about one dock: `{ event: 'ready', … }`, and those handed to `say`. */
export function logLineNames(): Set<string> {
  const names = new Set<string>();
  for (const path of filesBelow(SRC, '.ts')) {
    visitAll(parse(path), (node) => {
      if (ts.isPropertyAssignment(node) && node.name.getText() === 'event') {
        if (ts.isStringLiteral(node.initializer)) names.add(node.initializer.text);
      } else if (ts.isCallExpression(node) && node.expression.getText() === 'say') {
        const [, name] = node.arguments;
        if (name !== undefined && ts.isStringLiteral(name)) names.add(name.text);
      }
    });
  }
  return names;
}

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

function visitAll(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  ts.forEachChild(node, (child) => {
    visitAll(child, look);
  });
}

/** The last comment in front of a node; before the first member of a union it stands before the `|`. */
function commentBefore(source: ts.SourceFile, node: ts.Node): string {
  const text = source.getFullText();
  const before = text.slice(0, node.getStart()).trimEnd().replace(/\|$/, '').trimEnd();
  const comment = /\/\*\*((?:(?!\*\/)[^])*)\*\/$/.exec(before)?.[1] ?? '';
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .join(' ')
    .trim();
}
