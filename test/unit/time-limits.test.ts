import { expect } from 'chai';
import { stat } from 'node:fs/promises';
import { storeBudget } from '../../src/time-limits.js';

/** Keeps the event loop busy, as a storm does. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

describe('the time for store work', () => {
  it('ends, whatever becomes of the work', async () => {
    const within = storeBudget(5);
    const error = await within(new Promise(() => undefined)).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'store_unavailable');
    expect(error).to.have.property('message', 'the store did not answer within 5 ms');
  });

  it('is one for all work of a hook', async () => {
    const within = storeBudget(5);
    await within(new Promise(() => undefined)).catch(() => undefined);
    const error = await within(new Promise(() => undefined)).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'store_unavailable');
  });

  it('gives what the work gives, and fails as it fails', async () => {
    const within = storeBudget();
    expect(await within(Promise.resolve(7))).to.equal(7);
    const error = await within(Promise.reject(new Error('bad row'))).catch((reason: unknown) => reason);
    expect(error).to.have.property('message', 'bad row');
  });

  it('does not run out over an answer that came while the event loop was busy', async () => {
    // Answered by another thread, which a busy loop does not keep from its work.
    const answer = storeBudget(10)(stat('.'));
    block(200);
    expect(await answer).to.have.property('size');
  });
});
