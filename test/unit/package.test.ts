/** What is in the package and in the repository beside the code. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/papers.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the package', () => {
  it('has source maps that need no file beside them', () => {
    const { compilerOptions } = JSON.parse(read('tsconfig.build.json')) as {
      compilerOptions: Record<string, unknown>;
    };
    expect(compilerOptions).to.include({ sourceMap: true, inlineSources: true });
  });

  it('names no address that leads nowhere', () => {
    expect(read('package.json')).to.not.match(/\.example\b/);
  });

  it('leaves out of git what the papers tell an operator to make, with secrets in it', () => {
    const ignored = read('.gitignore').split('\n');
    for (const name of ['license.json', 'emqx-api-*', 'passwords.csv', 'fleet.csv', 'backup.csv', '*.dump'])
      expect(ignored).to.include(name);
  });
});

describe('the definitions of ExHook', () => {
  for (const version of ['v2', 'v3']) {
    it(`reserve the names of fields that EMQX gave up, as the official ones do: ${version}`, () => {
      const proto = read(`protos/exhook/${version}/exhook.proto`);
      expect(proto).to.match(/message TopicFilter \{[^}]*reserved 2;\s*reserved "qos";/);
      expect(proto).to.match(/message SubOpts \{[^}]*reserved 2;\s*reserved "share";/);
    });
  }
});
