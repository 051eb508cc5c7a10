import { expect } from 'chai';
import { readableLine } from '../../../src/observability/readable-line.js';

describe('a line of the log at a terminal', () => {
  it('has time, level, event, and the rest by name', () => {
    const line = {
      level: 'warn',
      time: '2026-11-30T20:21:03.456Z',
      event: 'authenticate',
      outcome: 'refused',
    };
    const more = { account: 'dock north', clientId: '', peerPort: 5, detail: 'a "b"' };
    expect(readableLine(`${JSON.stringify({ ...line, ...more })}\n`)).to.equal(
      '20:21:03 warn  authenticate outcome=refused account="dock north" clientId="" peerPort=5 detail="a \\"b\\""\n',
    );
  });
  it('does nothing to the terminal, whatever a client calls itself', () => {
    const names = ['\u001b[2J', 'a\u202eb', 'a\nb', '\u009b2J'];
    for (const clientId of names) {
      const shown = readableLine(JSON.stringify({ level: 'info', time: '', event: 'x', clientId }));
      expect(shown).to.match(/^[ -~]+\n$/);
    }
  });
  it('stays as it is if it is no JSON', () => {
    expect(readableLine('lost\n')).to.equal('lost\n');
  });
});
