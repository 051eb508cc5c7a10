/** The reader that the tests of deploy/emqx rest on. */
import { expect } from 'chai';
import { leaves, parseHocon } from '../../support/hocon.js';

describe('parseHocon', () => {
  it('reads objects, lists, paths, quoted and bare values, and comments', () => {
    const text = `
      # comment
      a.b = 5s, a { c: "x # no comment" } // comment
      list = [{ n = 1 }
        { n = -2.5 }, [], true]
      o {}
    `;
    expect(parseHocon(text)).to.deep.equal({
      a: { b: '5s', c: 'x # no comment' },
      list: [{ n: 1 }, { n: -2.5 }, [], true],
      o: {},
    });
  });

  it('takes what is in quotes as it stands, and lines in triple quotes', () => {
    expect(parseHocon('a = "${b}_c"\nd = """\n  say "x"\n"""\ne = ""')).to.deep.equal({
      a: '${b}_c',
      d: '\n  say "x"\n',
      e: '',
    });
  });

  it('merges objects, and takes the later value of all else', () => {
    const text = 'a { x = 1, y { z = 1 } }\na { y { w = 2 } }\na.x = 3\nl = [1, 2]\nl = [3]';
    expect(parseHocon(text)).to.deep.equal({ a: { x: 3, y: { z: 1, w: 2 } }, l: [3] });
  });

  for (const text of [
    'a = ${b}',
    'include "other.conf"',
    'a += 1',
    'a = one two',
    'a = """x""',
    'a = [1',
    'a { b = 1',
    'a = 1 }',
    'a =',
    '= 1',
    'a',
    'a = "x',
  ]) {
    it(`refuses what it does not understand: ${text}`, () => {
      expect(() => parseHocon(text)).to.throw(/HOCON/);
    });
  }
});

describe('leaves', () => {
  it('gives each value by its path, and an empty list as a value', () => {
    expect(leaves({ a: { b: [{ c: 1 }, 'x'], d: [] } })).to.deep.equal({
      'a.b.0.c': 1,
      'a.b.1': 'x',
      'a.d': [],
    });
  });
});
