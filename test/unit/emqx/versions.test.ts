import { expect } from 'chai';
import {
  ignoresRetainerSwitch,
  dialectOf,
  lineOf,
  losesHooks,
  opensBeforeHooks,
  parseVersion,
  refusesWithoutPassword,
  skipsWebSocketHooks,
  verifiesExhook,
  type Version,
} from '../../../src/emqx/versions.js';

const version = (text: string): Version => parseVersion(text)!;
const among = (texts: string[], holds: (v: Version) => boolean): string[] =>
  texts.filter((t) => holds(version(t)));

describe('versions of EMQX', () => {
  it('are read as EMQX and people write them; a missing part is the newest', () => {
    expect(version('5.8.9')).to.deep.equal([5, 8, 9]);
    expect(version('v5.8.9')).to.deep.equal([5, 8, 9]);
    expect(version('e5.8.10')).to.deep.equal([5, 8, 10]);
    expect(version('6.0.0-rc.1')).to.deep.equal([6, 0, 0]);
    expect(version('5.10')).to.deep.equal([5, 10, Infinity]);
    expect(version('6')).to.deep.equal([6, Infinity, Infinity]);
    for (const text of ['', 'five', '5.x', '-5', 'x5.8.9', '5..8'])
      expect(parseVersion(text), text).to.equal(undefined);
  });

  it('have the line of their configuration', () => {
    expect(
      ['5.1.2', '5.8.10', '5.8', '5.9.0', '5.10.4', '5.10', '6.0.0', '6'].map((t) => lineOf(version(t))),
    ).to.deep.equal([...['5.1-5.8', '5.1-5.8', '5.1-5.8', '5.9-5.10', '5.9-5.10', '5.9-5.10', '6', '6']]);
    for (const text of ['4.4.19', '5.0.0', '5.0.26', '5.1.0', '5.1.1', '7.0.0'])
      expect(lineOf(version(text)), text).to.equal(undefined);
  });

  it('open their listeners before they ask dockhook up to 5.8; what Mosquitto calls itself does not', () => {
    const all = ['2.0.11', '5.1.2', '5.8.9', '5.8', '5.9.0', '5.10.4', '6.2.0'];
    expect(among(all, opensBeforeHooks)).to.deep.equal(['5.1.2', '5.8.9', '5.8']);
  });

  it('speak v2 up to 5.8 and v3 after', () => {
    expect(
      among(['5.0.12', '5.8.10', '5.9.0', '5.10.4', '6.2.0'], (v) => dialectOf(v) === 'v2'),
    ).to.deep.equal(['5.0.12', '5.8.10']);
  });

  it('lose hooks in three ranges (emqx/emqx#16890)', () => {
    const sound = ['5.8.10', '5.10.5', '6.0.3', '6.1.2', '6.2.0'];
    const faulty = ['5.9.0', '5.9', '5.10.4', '6.0.0', '6.0.2', '6.1.0', '6.1.1'];
    expect(among([...sound, ...faulty], losesHooks)).to.deep.equal(faulty);
  });

  it('skip hooks of WebSocket clients before 5.8.5 (emqx/emqx#14543)', () => {
    expect(among(['5.0.12', '5.8.4', '5.8.5', '5.10.0', '6.0.0'], skipsWebSocketHooks)).to.deep.equal([
      '5.0.12',
      '5.8.4',
    ]);
  });

  it('verify dockhook as told from 5.8.8, 5.9.2, 5.10.1 and 6 on (emqx/emqx#15683)', () => {
    const all = ['5.0.12', '5.8.7', '5.8.8', '5.9.1', '5.9.2', '5.10.0', '5.10.1', '6.0.0'];
    expect(among(all, verifiesExhook)).to.deep.equal(['5.8.8', '5.9.2', '5.10.1', '6.0.0']);
  });

  it('refuse a client without a password by themselves (seen on 5.8.9, 6.2.0 and not on 5.10.4; read in the others)', () => {
    const all =
      '5.0.12 5.8.9 5.9.0 5.9.2 5.9.3 5.10.0 5.10.3 5.10.4 6.0.0 6.0.2 6.0.3 6.1.1 6.1.2 6.2.0 6.2.1 6.2.2'.split(
        ' ',
      );
    expect(among(all, refusesWithoutPassword).join(' ')).to.equal(
      '5.0.12 5.8.9 5.9.0 5.9.2 5.10.0 5.10.3 6.0.0 6.0.2 6.1.1 6.2.0',
    );
  });

  it('ignore retainer.enable from 5.9 on, until the patch of each line that has it back (read)', () => {
    const all = '5.8.9 5.9.0 5.9.2 5.9.3 5.10.3 5.10.4 6.0.2 6.0.3 6.1.1 6.1.2 6.2.0 6.2.1'.split(' ');
    expect(among(all, ignoresRetainerSwitch).join(' ')).to.equal('5.9.0 5.9.2 5.10.3 6.0.2 6.1.1 6.2.0');
  });
});
