/** What the fuzz suites share: how many cases, from which seed, and what memory they leave behind. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { times } from './long.js';

/** `FUZZ_SEED` repeats a run; it stands in the title of each suite. */
export const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);

/** `FUZZ_CASES`, or what is affordable. */
export const cases = Number(process.env['FUZZ_CASES'] ?? times(100_000, 5_000));

/** Bytes with a few of them flipped, inserted, doubled or cut away. */
export function mutated(original: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const kind = fc.constantFrom('flip', 'insert', 'cut', 'double', 'truncate');
  const edit = fc.record({ kind, at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
  return fc.tuple(original, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
    let result = bytes;
    for (const { kind, at, byte } of edits) {
      const place = at % (result.length + 1);
      const [head, tail] = [result.subarray(0, place), result.subarray(place)];
      if (kind === 'flip') result = Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
      else if (kind === 'insert') result = Buffer.concat([head, Buffer.of(byte), tail]);
      else if (kind === 'cut') result = Buffer.concat([head, tail.subarray(1 + (byte % 16))]);
      else if (kind === 'double') result = Buffer.concat([head, tail.subarray(0, byte), tail]);
      else result = head;
    }
    return result;
  });
}

/** Bytes on the heap once everything that nobody holds is gone. */
export function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
