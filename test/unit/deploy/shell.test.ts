/** Every shell script, looked at by ShellCheck. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const scripts = ['.ci', 'deploy'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => statSync(join(ROOT, path)).isFile())
    .filter((path) => /^#!.*sh\n/.test(readFileSync(join(ROOT, path), 'utf8'))),
);

const isInstalled = spawnSync('shellcheck', ['--version']).error === undefined;
const missing = 'shellcheck is not installed (not found in PATH)';
if (!isInstalled) console.warn(`\n*** NOT TESTED: shell scripts\n*** ${missing}\n`);

describe('the shell scripts', () => {
  it('are found', () => {
    expect(scripts).to.include.members([
      '.ci/run',
      'deploy/compose/prepare.sh',
      'deploy/tls/make-test-certificates.sh',
    ]);
  });

  if (!isInstalled && process.env['CI'] !== 'true') it(`did not run: ${missing}`);
  else {
    for (const script of scripts) {
      it(`pass ShellCheck: ${script}`, () => {
        const { status, stdout, error } = spawnSync('shellcheck', [script], { cwd: ROOT, encoding: 'utf8' });
        if (error) throw new Error(missing);
        expect(status, stdout).to.equal(0);
      });

      it(`stop at the first error and at unset variables, and can be executed: ${script}`, () => {
        expect(readFileSync(join(ROOT, script), 'utf8')).to.match(/^set -euo pipefail$/m);
        expect(statSync(join(ROOT, script)).mode & 0o111, 'mode').to.not.equal(0);
      });
    }
  }
});
