/** The list of all codes of findings: it misses none. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { codeFor, DOCK_FINDING_CODES } from '../../../src/diagnosis/codes.js';
import { unionWords } from '../../support/source-words.js';

/** Reasons that end up under another code. */
const OTHERWISE = new Set([
  ...['not_in_scope', 'foreign_organization', 'drone_not_bound', 'too_large', 'not_json', 'no_method'],
  'method_not_ours',
]);
const RULES = new URL('../../../src/diagnosis/rules/', import.meta.url);

describe('the codes of findings about docks', () => {
  it('are listed once each', () => {
    expect(new Set(DOCK_FINDING_CODES).size).to.equal(DOCK_FINDING_CODES.length);
  });

  const reasons = unionWords('events.ts', 'Reason').map(({ word }) => word);
  for (const reason of reasons.filter((word) => !OTHERWISE.has(word))) {
    it(`have one for reason ${reason}`, () => {
      expect(codeFor(reason)).to.equal(reason);
    });
  }

  it('have a word for a reason that a later version may bring', () => {
    expect(codeFor('unheard_of')).to.equal('refused');
  });

  it('are each a reason, or a word of one of the rules', () => {
    const source = readdirSync(RULES)
      .map((file) => readFileSync(new URL(file, RULES), 'utf8'))
      .join('\n');
    const unused = DOCK_FINDING_CODES.filter(
      (code) => !reasons.includes(code) && !source.includes(`'${code}'`),
    );
    expect(unused).to.deep.equal([]);
  });
});
