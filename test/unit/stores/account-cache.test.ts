import { expect } from 'chai';
import { cacheAccounts } from '../../../src/stores/account-cache.js';
import type { Account, Accounts } from '../../../src/stores/types.js';

const account = (passwordHash: string): Account => ({
  name: 'dock',
  passwordHash,
  scope: { kind: 'client-id' },
});

describe('cacheAccounts', () => {
  let reads: number;
  let heard: boolean;
  let count: number;
  let stored: Account | undefined;
  /** Runs while a read is under way. */
  let meanwhile: () => void;
  let cached: Accounts;

  beforeEach(() => {
    reads = 0;
    heard = true;
    count = 0;
    stored = account('first');
    meanwhile = () => undefined;
    const accounts = {
      get() {
        reads += 1;
        const found = stored;
        return new Promise<Account | undefined>((resolve) => {
          setImmediate(() => {
            meanwhile();
            resolve(found);
          });
        });
      },
    } as unknown as Accounts;
    cached = cacheAccounts(accounts, { areHeard: () => heard, count: () => count });
  });

  function change(passwordHash: string): void {
    stored = account(passwordHash);
    count += 1;
  }

  it('reads an account once', async () => {
    expect(await cached.get('dock')).to.deep.equal(account('first'));
    expect(await cached.get('dock')).to.deep.equal(account('first'));
    expect(reads).to.equal(1);
  });

  it('reads again after a change', async () => {
    await cached.get('dock');
    change('second');
    expect(await cached.get('dock')).to.deep.equal(account('second'));
  });

  it('does not keep what it asked for before a change', async () => {
    meanwhile = () => {
      change('second');
      meanwhile = () => undefined;
    };
    expect(await cached.get('dock'), 'as it was when it was read').to.deep.equal(account('first'));
    expect(await cached.get('dock')).to.deep.equal(account('second'));
  });

  it('reads each time while changes are not heard, and keeps nothing of it', async () => {
    heard = false;
    await cached.get('dock');
    await cached.get('dock');
    heard = true;
    await cached.get('dock');
    expect(reads).to.equal(3);
  });

  it('does not keep what it asked for before changes were heard', async () => {
    heard = false;
    meanwhile = () => {
      heard = true;
    };
    await cached.get('dock');
    await cached.get('dock');
    expect(reads).to.equal(2);
  });

  it('has what it read before when changes are heard again, for none was missed', async () => {
    await cached.get('dock');
    heard = false;
    await cached.get('dock');
    heard = true;
    await cached.get('dock');
    expect(reads).to.equal(2);
  });

  it('looks for an absent account each time', async () => {
    stored = undefined;
    expect(await cached.get('dock')).to.equal(undefined);
    stored = account('new');
    expect(await cached.get('dock')).to.deep.equal(account('new'));
  });
});
