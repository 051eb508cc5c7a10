import { expect } from 'chai';
import type { Command } from 'commander';
import { createProgram } from '../../../src/cli/program.js';
import { codeIn, filesBelow, stringsIn, unknownIn } from '../../support/mentions.js';
import { papers, ROOT } from '../../support/papers.js';

const program = createProgram({ json: false });

describe('the program', () => {
  for (const { path, command } of leaves(program)) {
    // They need no words to be run.
    if (path === 'serve' || path === 'dev') continue;
    it(`has an example in the help of ${path}`, () => {
      expect(helpOf(command)).to.match(new RegExp(`Examples?:\n(.*\n)*.*dockhook (--json )?${path}`));
    });
  }

  it('knows the commands and flags that its own texts name', () => {
    expect(unknownOf(filesBelow(`${ROOT}src`, '.ts'), false)).to.deep.equal([]);
  });

  it('knows the commands and flags that the documentation names', () => {
    const documents = papers().map((path) => `${ROOT}${path}`);
    expect(unknownOf(documents, true)).to.deep.equal([]);
  });
});

describe('a text that names commands', () => {
  const cases: [string, string[], number, 'code'?][] = [
    ['dockhook account add NAME --gateway SN; then see', [], 1],
    ['try dockhook account ad NAME', ['unknown command ad'], 1],
    ['try dockhook acount add NAME', ['unknown command acount'], 1],
    ['printf x | dockhook acount', ['unknown command acount'], 1],
    ['dockhook doctor --prob', ['unknown option --prob'], 1],
    ['dockhook --data-dir x account list --gateway y', ['unknown option --gateway'], 1],
    ['dockhook simulate --broker \\\n  --nothing', [], 1],
    ['dockhook simulate --broker URL \\\n  --nothing', ['unknown option --nothing'], 1],
    ['all of dockhook account …', [], 1],
    ['the server of dockhook makes its tables', [], 0],
    ['postgres://dockhook a', [], 0],
    ['pg_restore -d dockhook --clean', [], 0, 'code'],
    ['dockhook makes', [], 0],
    ['dockhook makes', ['unknown command makes'], 1, 'code'],
  ];
  for (const [text, faults, count, kind] of cases) {
    it(`is understood as ${kind ?? 'prose'}: ${JSON.stringify(text)}`, () => {
      const found = unknownIn(text, { program, isCode: kind === 'code' });
      expect(found.faults.map((fault) => fault.split(': ').at(-1))).to.deep.equal(faults);
      expect(found.count).to.equal(count);
    });
  }
});

/** The commands that do something, as `account add`. */
function leaves(command: Command, path = ''): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((one) => leaves(one, `${path} ${one.name()}`.trim()));
}

/** As `--help` prints it, with what was added behind. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

function unknownOf(paths: readonly string[], isCode: boolean): string[] {
  let total = 0;
  const faults = paths.flatMap((path) =>
    (isCode ? codeIn : stringsIn)(path).flatMap((text) => {
      const found = unknownIn(text, { program, isCode });
      total += found.count;
      return found.faults.map((fault) => `${path.slice(ROOT.length)}: ${fault}`);
    }),
  );
  // Else nothing was looked at.
  expect(total).to.be.greaterThan(30);
  return faults;
}
