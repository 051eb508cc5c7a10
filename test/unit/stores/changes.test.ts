import { expect } from 'chai';
import { bucketOf, hearChanges, type HeardChanges } from '../../../src/stores/changes.js';
import type { Row, Session, SessionListener } from '../../../src/stores/database.js';

/** A beat as it comes back when nothing is amiss. */
const SOUND: Row = {
  pid: 7,
  listening: true,
  readable: [true, false, false, true],
  hidden: null,
  enabled: 8,
  inherited: false,
  made: 'as made',
};
/** A bucket, and another one, as notifications have them. */
const [ONE, OTHER] = [0x00ff, 0x1a2b];

describe('hearChanges', () => {
  let clock: number;
  let beat: () => Promise<Row>;
  let listener: SessionListener;
  let beats: number;
  let closes: number;
  let changes: HeardChanges;
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
    changes = hearChanges(openSession, {
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

  it('counts having been deaf before it listened', async () => {
    open();
    const before = changes.count(ONE);
    await until(() => said.length === 1);
    expect(changes.count(ONE)).to.be.above(before);
  });

  it('counts a notification in each of its buckets, and in no other', async () => {
    open();
    await until(() => said.length === 1);
    const [one, other, third] = [changes.count(ONE), changes.count(OTHER), changes.count(0)];
    listener.notified('00ff,1a2b public');
    expect(changes.count(ONE)).to.be.above(one);
    expect(changes.count(OTHER)).to.be.above(other);
    expect(changes.count(0)).to.equal(third);
  });

  it('counts a notification that everything changed in each bucket', async () => {
    open();
    await until(() => said.length === 1);
    const [one, last] = [changes.count(ONE), changes.count(0xffff)];
    listener.notified('everything public');
    expect(changes.count(ONE)).to.be.above(one);
    expect(changes.count(0xffff)).to.be.above(last);
  });

  it('counts no notification from another schema', async () => {
    open();
    await until(() => said.length === 1);
    const before = changes.count(ONE);
    listener.notified('00ff another');
    listener.notified('everything another');
    expect(changes.count(ONE)).to.equal(before);
  });

  it('counts a change of our own at once', async () => {
    open();
    const bucket = bucketOf('binding', '7CTDTEST00000A');
    const before = changes.count(bucket);
    changes.changed('binding', '7CTDTEST00000A');
    expect(changes.count(bucket)).to.be.above(before);
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
    const before = changes.count(ONE);
    beat = () => Promise.resolve({ ...SOUND, made: 'anew' });
    await until(() => beats === 3);
    expect(changes.count(ONE)).to.be.above(before);
  });

  for (const [what, row, why] of [
    ['another process answers: a pooler', { pid: 8 }, 'pooler'],
    ['the process that answers does not listen', { listening: false }, 'pooler'],
    ['a trigger is off or missing', { enabled: 7 }, 'dockhook doctor'],
    ['rows are hidden', { hidden: 'dockhook_accounts' }, 'dockhook_accounts may be hidden'],
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

  it('hears nothing while a table cannot be read, and says why', async () => {
    beat = () => Promise.reject(new Error('permission denied for table dockhook_accounts'));
    open();
    await until(() => said.length === 1);
    expect(changes.areHeard()).to.equal(false);
    expect(said[0]).to.include('permission denied');
  });
});
