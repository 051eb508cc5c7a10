import { expect } from 'chai';
import { createProgram } from '../../src/cli/program.js';
import { filesBelow, stringsIn, unknownIn } from '../support/mentions.js';
import { ROOT } from '../support/papers.js';

/** Where `dockhook` is not typed by the reader: it is written into a file, a log or a page of the documentation. */
const FOR_OTHERS = [
  'app.ts',
  'config.ts',
  'emqx/configuration.ts',
  'emqx/listener-watch.ts',
  'stores/changes.ts',
];

const program = createProgram({ json: false });

/** Texts that spell out a command, other than the name of what runs. */
function spelled(path: string): string[] {
  return stringsIn(path, { isPrinted: true }).filter((text) => {
    const rest = text
      .replaceAll(/dockhook (serve|dev)\b(?! --)/g, '')
      .replaceAll(/dockhook (…|(?=\())|made by dockhook .*/g, '');
    return unknownIn(rest, { program, isCode: false }).count > 0;
  });
}

describe('the texts of dockhook', () => {
  it('have their commands from command(), which knows how the reader started dockhook', () => {
    const src = `${ROOT}src/`;
    const files = filesBelow(src, '.ts').filter((path) => !FOR_OTHERS.includes(path.slice(src.length)));
    const found = files.flatMap((path) => spelled(path).map((text) => `${path.slice(src.length)}: ${text}`));
    expect(found.join('\n')).to.equal('');
  });
});
