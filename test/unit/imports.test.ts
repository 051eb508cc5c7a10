/** Who may import whom: the structure of the source tree, held by a test. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

const SRC = new URL('../../src/', import.meta.url).pathname;

interface Import {
  from: string;
  /** A path below src/, or a package name. */
  to: string;
  typeOnly: boolean;
  /** `await import(…)` */
  dynamic: boolean;
}

/**
 * What each part may import of ours. `type` means that only types may be taken. A part may always import
 * itself. What is not listed is forbidden.
 */
const ALLOWED: Record<string, { values: string[]; types?: string[] }> = {
  'hooks.ts': { values: [] },
  'serial-number.ts': { values: [] },
  'topics.ts': { values: ['serial-number.ts'] },
  'client-id.ts': { values: [] },
  'client-network.ts': { values: [] },
  'errors.ts': { values: [] },
  'finding.ts': { values: [] },
  'command.ts': { values: ['config.ts', 'shell.ts'] },
  'fixes.ts': { values: ['command.ts'] },
  'events.ts': { values: [], types: ['hooks.ts'] },
  'time-limits.ts': { values: ['errors.ts'] },
  'publisher.ts': { values: [], types: ['hooks.ts', 'time-limits.ts'] },
  'bounded-map.ts': { values: [] },
  'license-mark.ts': { values: [], types: ['stores'] },
  'dates.ts': { values: ['errors.ts'] },
  'throttle.ts': { values: ['bounded-map.ts'] },
  'text.ts': { values: [] },
  'shell.ts': { values: [] },
  'answer-for-backend.ts': { values: [] },
  'config.ts': { values: ['answer-for-backend.ts', 'errors.ts', 'listen.ts'] },
  'csv.ts': { values: ['errors.ts'] },
  'listen.ts': { values: [] },
  exhook: { values: ['time-limits.ts', 'client-id.ts', 'errors.ts', 'listen.ts'], types: ['hooks.ts'] },
  access: {
    values: [
      'bounded-map.ts',
      'client-id.ts',
      'client-network.ts',
      'errors.ts',
      'password-hashes',
      'stores/remembered-reads.ts',
      'throttle.ts',
      'time-limits.ts',
      'serial-number.ts',
      'topics.ts',
    ],
    types: ['publisher.ts', 'hooks.ts', 'events.ts', 'stores'],
  },
  dock: {
    values: [
      'answer-for-backend.ts',
      'bounded-map.ts',
      'errors.ts',
      'license-mark.ts',
      'time-limits.ts',
      'text.ts',
      'throttle.ts',
      'serial-number.ts',
      'topics.ts',
    ],
    types: ['publisher.ts', 'hooks.ts', 'events.ts', 'stores'],
  },
  'password-hashes': { values: ['errors.ts'] },
  stores: {
    values: ['command.ts', 'dates.ts', 'errors.ts', 'finding.ts', 'password-hashes', 'serial-number.ts'],
    types: ['time-limits.ts', 'events.ts'],
  },
  observability: {
    values: [
      'client-network.ts',
      'errors.ts',
      'finding.ts',
      'listen.ts',
      'stores/database.ts',
      'text.ts',
      'throttle.ts',
      'time-limits.ts',
    ],
    types: ['events.ts', 'exhook/refusals.ts', 'stores'],
  },
  timeline: {
    values: ['bounded-map.ts', 'errors.ts', 'time-limits.ts', 'text.ts', 'throttle.ts', 'topics.ts'],
    types: ['events.ts', 'hooks.ts', 'stores'],
  },
  diagnosis: {
    values: [
      'access/expiry.ts',
      'access/unsafe-names.ts',
      'access/topic-filters.ts',
      'access/topic-rules.ts',
      'command.ts',
      'dates.ts',
      'emqx/bans.ts',
      'errors.ts',
      'fixes.ts',
      'license-mark.ts',
      'timeline/clients.ts',
      'serial-number.ts',
      'topics.ts',
    ],
    types: ['events.ts', 'finding.ts', 'stores'],
  },
  'embedded-database': { values: ['command.ts', 'errors.ts', 'stores/database.ts'] },
  'trial-broker': { values: ['errors.ts', 'listen.ts'], types: ['hooks.ts'] },
  simulator: { values: ['command.ts', 'errors.ts'] },
  'open-database.ts': { values: ['embedded-database', 'stores'], types: ['config.ts'] },
  'app.ts': {
    values: [
      'access',
      'config.ts',
      'dock',
      'emqx',
      'errors.ts',
      'exhook',
      'listen.ts',
      'observability',
      'open-database.ts',
      'stores',
      'timeline',
    ],
    types: ['events.ts', 'hooks.ts'],
  },
  emqx: {
    values: [
      'access/topic-filters.ts',
      'access/topic-rules.ts',
      'answer-for-backend.ts',
      'client-id.ts',
      'command.ts',
      'errors.ts',
      'listen.ts',
      'text.ts',
      'serial-number.ts',
    ],
    types: ['config.ts', 'hooks.ts', 'stores'],
  },
  doctor: {
    values: [
      'access/expiry.ts',
      'access/generate-password.ts',
      'access/unsafe-names.ts',
      'access/topic-filters.ts',
      'accounts',
      'client-id.ts',
      'command.ts',
      'diagnosis/servers.ts',
      'dock/binding-code.ts',
      'dock/demo-license.ts',
      'emqx',
      'errors.ts',
      'exhook/certificates.ts',
      'finding.ts',
      'fixes.ts',
      'listen.ts',
      'open-database.ts',
      'password-hashes',
      'simulator/mqtt-connect.ts',
      'stores',
      'text.ts',
      'serial-number.ts',
      'topics.ts',
    ],
    types: ['config.ts'],
  },
  accounts: {
    values: [
      'access',
      'command.ts',
      'dates.ts',
      'errors.ts',
      'password-hashes',
      'stores',
      'serial-number.ts',
    ],
    types: ['csv.ts'],
  },
  cli: {
    values: [
      'access',
      'accounts',
      'app.ts',
      'command.ts',
      'config.ts',
      'csv.ts',
      'dates.ts',
      'diagnosis',
      'dock/binding-code.ts',
      'dock/demo-license.ts',
      'dock/time-server.ts',
      'doctor',
      'emqx',
      'errors.ts',
      'finding.ts',
      'fixes.ts',
      'listen.ts',
      'observability',
      'open-database.ts',
      'password-hashes',
      'simulator',
      'stores',
      'text.ts',
      'serial-number.ts',
      'trial-broker',
    ],
  },
};

/** Packages that only one part may import, and parts that may only be loaded when asked for. */
const PACKAGE_OWNERS: Record<string, string[]> = {
  keyv: ['stores'],
  '@keyv/postgres': ['stores'],
  pg: ['stores'],
  '@grpc/grpc-js': ['exhook', 'trial-broker', 'doctor', 'app.ts'],
  '@grpc/proto-loader': ['exhook', 'trial-broker'],
  'grpc-health-check': ['exhook', 'doctor'],
  '@node-rs/argon2': ['password-hashes'],
  '@node-rs/bcrypt': ['password-hashes'],
  'prom-client': ['observability'],
  pino: ['observability'],
  commander: ['cli'],
  ajv: ['stores', 'dock', 'emqx'],
  'lru-cache': ['stores', 'bounded-map.ts'],
  'csv-parse': ['csv.ts'],
  'csv-stringify': ['cli'],
  '@electric-sql/pglite': ['embedded-database'],
  aedes: ['trial-broker'],
  mqtt: ['simulator'],
};

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
const imports = files.flatMap(importsOf);
const TEST = new URL('../', import.meta.url).pathname;
const texts = [
  ...files.map((from) => ({ from, text: readFileSync(join(SRC, from), 'utf8') })),
  ...readdirSync(TEST, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ from: `test/${path}`, text: readFileSync(join(TEST, path), 'utf8') })),
];

describe('the source tree', () => {
  it('keeps to who may import whom', () => {
    const broken = imports
      .filter(({ to }) => to.endsWith('.ts'))
      .filter(({ from, to, typeOnly }) => {
        const [part, target] = [partOf(from), partOf(to)];
        if (part === target) return false;
        const rule = ALLOWED[part];
        const among = (list: string[] = []): boolean => list.includes(target) || list.includes(to);
        return !(among(rule?.values) || (typeOnly && among(rule?.types)));
      })
      .map(({ from, to }) => `${from} imports ${to}`);
    expect(broken).to.deep.equal([]);
  });

  it('has no rule that nothing needs', () => {
    const used = new Set(
      imports.flatMap(({ from, to }) => [`${partOf(from)} ${to}`, `${partOf(from)} ${partOf(to)}`]),
    );
    const idle = Object.entries(ALLOWED).flatMap(([part, { values, types = [] }]) =>
      [...values, ...types]
        .filter((target) => !used.has(`${part} ${target}`))
        .map((target) => `${part} → ${target}`),
    );
    expect(idle).to.deep.equal([]);
  });

  it('has a rule for every part', () => {
    expect(new Set(files.map(partOf))).to.deep.equal(new Set(Object.keys(ALLOWED)));
  });

  it('imports each package only where it belongs', () => {
    const broken = imports
      .filter(({ to }) => !to.endsWith('.ts') && !to.startsWith('node:'))
      .filter(
        ({ from, to }) =>
          to !== 'json-schema-to-ts' && !PACKAGE_OWNERS[packageOf(to)]?.includes(partOf(from)),
      )
      .map(({ from, to }) => `${from} imports ${to}`);
    expect(broken).to.deep.equal([]);
  });

  it('imports only packages that package.json declares, and writes node: before its own modules', () => {
    const manifest = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const undeclared = imports.filter(
      ({ to, typeOnly }) =>
        !to.endsWith('.ts') &&
        !(to.startsWith('node:') && builtinModules.includes(to.slice(5))) &&
        !(packageOf(to) in manifest.dependencies) &&
        !(typeOnly && to in manifest.devDependencies),
    );
    expect(undeclared.map(({ from, to }) => `${from} imports ${to}`)).to.deep.equal([]);
  });

  it('loads the app, the doctor, the embedded database, broker and simulator only when asked', () => {
    const lazy = (path: string): boolean =>
      ['app.ts', 'doctor', 'embedded-database', 'simulator', 'trial-broker'].includes(partOf(path));
    const eager = imports
      .filter(({ from, to, typeOnly, dynamic }) => lazy(to) && !lazy(from) && !typeOnly && !dynamic)
      .map(({ from, to }) => `${from} imports ${to}`);
    expect(eager).to.deep.equal([]);
  });

  it('loads commander and no other package before it knows which command is to run', () => {
    const reached = reachedFrom('cli/main.ts');
    expect(reached.filter((to) => !to.endsWith('.ts') && !to.startsWith('node:'))).to.deep.equal([
      'commander',
    ]);
    const parts = new Set(reached.filter((to) => to.endsWith('.ts')).map(partOf));
    expect(parts).to.not.include.any.keys(
      'diagnosis',
      'doctor',
      'embedded-database',
      'emqx',
      'exhook',
      'simulator',
      'stores',
      'timeline',
      'trial-broker',
      'app.ts',
    );
  });

  it('has no import cycle', () => {
    expect(cycles()).to.deep.equal([]);
  });

  it('exports nothing that no other file imports', () => {
    const idle = files.flatMap((path) => {
      const names = namesExported(path);
      return names.filter((name) => !isNamed(name, path)).map((name) => `${path}: ${name}`);
    });
    expect(idle).to.deep.equal([]);
  });

  it('tells in a first line what each file is for', () => {
    const silent = files.filter((path) => {
      const text = readFileSync(join(SRC, path), 'utf8').replace(/^#!.*\n/, '');
      return !/^(import .*\n)*\s*\/\*\*/.test(text);
    });
    expect(silent).to.deep.equal([]);
  });
});

/** `csv-stringify` of `csv-stringify/sync`, `@scope/name` of `@scope/name/file`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function namesExported(path: string): string[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  const declared = /^export (?:async )?(?:interface|type|const|function\*?|class) (\w+)/gm;
  return [...text.matchAll(declared)].map(([, name = '']) => name);
}

/** Whether another file of src or test names it, and imports the file that exports it, or one that hands all of it on. */
function isNamed(name: string, path: string): boolean {
  const word = new RegExp(`\\b${name}\\b`);
  const imported = texts.filter(({ text }) => text.includes(`/${scriptOf(path)}'`));
  const handOn = imported.filter(({ text }) => text.includes(`* from './${scriptOf(path)}'`));
  const all = [
    ...imported,
    ...texts.filter(({ text }) => handOn.some(({ from }) => text.includes(`/${scriptOf(from)}'`))),
  ];
  return all.some(({ from, text }) => from !== path && word.test(text));
}

/** `types.js` of `stores/types.ts`. */
function scriptOf(path: string): string {
  return path.replace(/^.*\//, '').replace(/\.ts$/, '.js');
}

function partOf(path: string): string {
  return path.split('/')[0] ?? path;
}

function importsOf(path: string): Import[] {
  const source = ts.createSourceFile(
    path,
    readFileSync(join(SRC, path), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found: Import[] = [];
  const add = (specifier: ts.Expression | undefined, typeOnly: boolean, dynamic: boolean): void => {
    if (!specifier || !ts.isStringLiteral(specifier)) return;
    const to = specifier.text.startsWith('.')
      ? relative(SRC, join(SRC, dirname(path), specifier.text)).replace(/\.js$/, '.ts')
      : specifier.text;
    found.push({ from: path, to, typeOnly, dynamic });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node), false);
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly, false);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = importClause.namedBindings;
  return (
    importClause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

/** What is loaded together with a file: files below src/ and packages. */
function reachedFrom(start: string): string[] {
  const reached = new Set([start]);
  // A set goes on with what is added meanwhile.
  for (const path of reached)
    for (const { from, to, typeOnly, dynamic } of imports)
      if (from === path && !typeOnly && !dynamic) reached.add(to);
  return [...reached];
}

/** Each cycle once, as `a.ts → b.ts → a.ts`; types count, since they too must be understood together. */
function cycles(): string[] {
  const graph = new Map<string, string[]>();
  for (const { from, to } of imports)
    if (to.endsWith('.ts')) graph.set(from, [...(graph.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: string[]): void => {
    if (trail.includes(path)) {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return found;
}
