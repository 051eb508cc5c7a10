import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../../deploy/docker/Dockerfile', import.meta.url), 'utf8');
const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));

describe('the Dockerfile', () => {
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
