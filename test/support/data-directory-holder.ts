/** A process that holds a data directory until it is killed. Prints `held`, or the code of the error. */
import { openDataDirectory } from '../../src/embedded-database/data-directory.js';
import { DockhookError } from '../../src/errors.js';
import { openStores } from '../../src/stores/stores.js';

const [directory = ''] = process.argv.slice(2);
try {
  const stores = openStores(await openDataDirectory(directory, { command: 'the test holder' }));
  for (let count = 0; ; count += 1) {
    await stores.accounts.add({
      name: `from ${process.pid} number ${count}`,
      passwordHash: '$dockhook-sha256$salt$digest',
      scope: { kind: 'client-id' },
    });
    // Each line acknowledges a row.
    console.log(`held ${process.pid} ${count}`);
  }
} catch (error) {
  console.log(error instanceof DockhookError ? error.code : String(error));
}
