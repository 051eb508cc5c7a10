import { expect } from 'chai';
import { hearAccountChanges, type AccountChanges } from '../../../src/stores/account-changes.js';
import type { Row, Session, SessionListener } from '../../../src/stores/database.js';

/** A beat as it comes back when nothing is amiss. */
const SOUND: Row = { pid: 7, listening: true, readable: true, enabled: 2, inherited: false, made: 'as made' };

describe('hearAccountChanges', () => {
  let clock: number;
  let beat: () => Promise<Row>;
  let listener: SessionListener;
  let beats: number;
  let closes: number;
  let changes: AccountChanges;
  let said: string[];
  /** Called when something was said, or a beat is asked for. */
  let wake: () => void;

  function open(): void {
    const openSession = (told: SessionListener): Promise<Session> => {
      listener = told;
      return Promise.resolve({
        processId: 7,
        query: async (sql) => {
          if (sql.startsWith('LISTEN')) return [];
          beats += 1;
          wake();
          return [await beat()];
        },
        close: () => {
          closes += 1;
        },
      });
    };
    changes = hearAccountChanges(openSession, {
      now: () => clock,
      onHeard: (heard, why) => {
        said.push(heard ? 'heard' : (why ?? ''));
        wake();
      },
    });
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
  }

  beforeEach(() => {
    clock = 0;
    beats = 0;
    closes = 0;
    said = [];
    wake = () => undefined;
    beat = () => Promise.resolve(SOUND);
  });
  afterEach(() => {
    changes.close();
  });

  it('hears nothing before the first beat is back', async () => {
    let answer: (row: Row) => void = () => undefined;
    beat = () => new Promise((resolve) => (answer = resolve));
    open();
    await until(() => beats === 1);
    expect(changes.areHeard()).to.equal(false);
    answer(SOUND);
    await until(() => said.length === 1);
    expect(changes.areHeard()).to.equal(true);
  });

  it('relies on a beat for a second from when it was sent, however late it came back', async () => {
    beat = () => {
      clock = 900;
      return Promise.resolve(SOUND);
    };
    open();
    await until(() => said.length === 1);
    clock = 999;
    expect(changes.areHeard(), 'after 999 ms').to.equal(true);
    clock = 1000;
    expect(changes.areHeard(), 'after 1000 ms').to.equal(false);
  });

  it('counts a notification, and having been deaf before it listened', async () => {
    open();
    const before = changes.count();
    await until(() => said.length === 1);
    const listening = changes.count();
    expect(listening).to.be.above(before);
    listener.notified('public');
    expect(changes.count()).to.be.above(listening);
  });

  it('counts a notification from tables of before it had a payload, and none from another schema', async () => {
    open();
    await until(() => said.length === 1);
    const before = changes.count();
    listener.notified('another');
    expect(changes.count()).to.equal(before);
    listener.notified('');
    expect(changes.count()).to.be.above(before);
  });

  it('hears nothing from the moment at which the connection is lost', async () => {
    open();
    await until(() => said.length === 1);
    listener.ended();
    expect(changes.areHeard()).to.equal(false);
    await until(() => said.length === 2);
    expect(said[1]).to.equal('the connection for notifications was lost');
    expect(closes).to.equal(1);
  });

  it('counts that table or triggers were made anew between two beats', async () => {
    open();
    await until(() => said.length === 1);
    const before = changes.count();
    beat = () => Promise.resolve({ ...SOUND, made: 'anew' });
    await until(() => beats === 3);
    expect(changes.count()).to.be.above(before);
  });

  for (const [what, row, why] of [
    ['another process answers: a pooler', { pid: 8 }, 'pooler'],
    ['the process that answers does not listen', { listening: false }, 'pooler'],
    ['a trigger is off or missing', { enabled: 1 }, 'dockhook doctor'],
    ['other tables inherit from it', { inherited: true }, 'inherit'],
  ] as const) {
    it(`hears nothing and says why if ${what}`, async () => {
      beat = () => Promise.resolve({ ...SOUND, ...row });
      open();
      await until(() => said.length === 1);
      expect(changes.areHeard()).to.equal(false);
      expect(said[0]).to.include(why);
      await until(() => closes === 1);
    });
  }

  it('hears nothing while the table cannot be read, and says why', async () => {
    beat = () => Promise.reject(new Error('permission denied for table dockhook_accounts'));
    open();
    await until(() => said.length === 1);
    expect(changes.areHeard()).to.equal(false);
    expect(said[0]).to.include('permission denied');
  });
});
