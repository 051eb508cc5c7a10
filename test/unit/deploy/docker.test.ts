import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { isPinned } from '../../support/deployments.js';

const text = readFileSync(new URL('../../../deploy/docker/Dockerfile', import.meta.url), 'utf8');
const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

interface Package {
  dependencies?: Record<string, string>;
  optional?: boolean;
}

describe('the Dockerfile', () => {
  it('builds and runs on one version of Node.js, named in full', () => {
    const images = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    expect(new Set(images)).to.have.property('size', 1);
    expect(isPinned(images[0] ?? ''), images[0]).to.equal(true);
  });

  it('finds the native parts of dependencies without install scripts, on both usual processors', () => {
    const { packages } = JSON.parse(
      readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8'),
    ) as { packages: Record<string, Package> };
    const native = Object.keys(packages['']?.dependencies ?? {}).filter((name) =>
      name.startsWith('@node-rs/'),
    );
    expect(native).to.include('@node-rs/argon2');
    for (const name of native) {
      // Debian's libc is glibc.
      for (const cpu of ['x64', 'arm64'])
        expect(packages).to.have.property(`node_modules/${name}-linux-${cpu}-gnu`);
    }
  });

  it('puts the command on the path, where docker exec finds it', () => {
    const build = lines.slice(0, lines.indexOf(last[0] ?? '', 1)).join('\n');
    expect(build).to.include('chmod +x dist/cli/main.js');
    expect(last).to.include('RUN ln -s /dockhook/dist/cli/main.js /usr/local/bin/dockhook');
    expect(last).to.include('WORKDIR /dockhook');
  });

  it('runs no install script and ships no development dependency', () => {
    const installs = lines.filter((line) => /npm (ci|install|prune)/.test(line));
    expect(installs).to.have.length(2);
    for (const line of installs) expect(line).to.include('--ignore-scripts');
    expect(text).to.include('npm prune --omit=dev');
  });

  it('runs as a user that is not root, by number', () => {
    expect(last.find((line) => line.startsWith('USER '))).to.match(/^USER [1-9]\d*$/);
  });

  it('copies what the built program needs, from where it is', () => {
    const sources = lines.filter((line) => line.startsWith('COPY ') && !line.includes('--from='));
    for (const line of sources) {
      for (const path of line.split(' ').slice(1, -1))
        expect(existsSync(new URL(`../../../${path}`, import.meta.url)), path).to.equal(true);
    }
    for (const part of ['package.json', 'node_modules', 'dist', 'protos'])
      expect(last.join('\n')).to.include(part);
  });

  it('starts the program that package.json names', () => {
    const { bin } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      bin: Record<string, string>;
    };
    expect(last).to.include(`ENTRYPOINT ["node", "${bin['dockhook'] ?? ''}"]`);
  });
});
