import { once } from 'node:events';
import { expect } from 'chai';
import { createAfterwards } from '../../../src/observability/after-answers.js';

describe('work that no answer waits for', () => {
  it('is done later, all of it, in its order', async () => {
    const done: number[] = [];
    const { putOff } = createAfterwards(() => undefined);
    const last = new EventTarget();
    for (const i of [1, 2, 3]) putOff(() => done.push(i));
    putOff(() => last.dispatchEvent(new Event('done')));
    expect(done).to.deep.equal([]);
    await once(last, 'done');
    expect(done).to.deep.equal([1, 2, 3]);
  });

  it('is done at once for who asks, and not again', async () => {
    const done: number[] = [];
    const { putOff, flush } = createAfterwards(() => undefined);
    putOff(() => done.push(1));
    flush();
    expect(done).to.deep.equal([1]);
    const last = new EventTarget();
    putOff(() => done.push(2));
    putOff(() => last.dispatchEvent(new Event('done')));
    await once(last, 'done');
    flush();
    expect(done).to.deep.equal([1, 2]);
  });

  it('may put off more work, which comes after it', async () => {
    const done: number[] = [];
    const { putOff, flush } = createAfterwards(() => undefined);
    const last = new EventTarget();
    putOff(() => {
      putOff(() => {
        done.push(2);
        last.dispatchEvent(new Event('done'));
      });
      done.push(1);
    });
    flush();
    expect(done).to.deep.equal([1]);
    await once(last, 'done');
    expect(done).to.deep.equal([1, 2]);
  });

  it('that throws is reported, even by one who throws too, and keeps no other back', () => {
    const done: number[] = [];
    const errors: unknown[] = [];
    const { putOff, flush } = createAfterwards((error) => {
      errors.push(error);
      throw new Error('of the report');
    });
    putOff(() => {
      throw new Error('of the work');
    });
    putOff(() => done.push(1));
    flush();
    expect(errors.map(String)).to.deep.equal(['Error: of the work']);
    expect(done).to.deep.equal([1]);
  });
});
