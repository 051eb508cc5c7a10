import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDatabaseUrl } from '../../../src/stores/database-url.js';
import { certificateDirectories } from '../../support/certificates.js';
import { schemaFile, schemaSql } from '../../support/schema-sql.js';

describe('deploy/postgres', () => {
  const { make } = certificateDirectories();

  it('has the tables that follow from src/stores/migrations/ (npm run docs writes them)', () => {
    expect(schemaFile()).to.equal(schemaSql());
  });

  it('shows database URLs that dockhook takes, here and in deploy/kubernetes', () => {
    const files = make();
    const own: Record<string, string> = { sslrootcert: 'grpc/ca', sslcert: 'grpc/emqx', sslkey: 'grpc/emqx' };
    const texts = ['postgres', 'kubernetes'].map((name) =>
      readFileSync(new URL(`../../../deploy/${name}/README.md`, import.meta.url), 'utf8'),
    );
    const urls = texts.join('\n').match(/^(printf '%s' ')?postgres:\/\/[^\s']+/gm) ?? [];
    expect(urls).to.have.length(5);
    for (const line of urls) {
      const url = line
        .replace(/^printf '%s' '/, '')
        .replaceAll(/(ssl[a-z]+)=[^&]+(\.pem|\.key)/g, (_, name: string, end: string) => {
          return `${name}=${join(files, `${own[name] ?? ''}${end}`)}`;
        });
      expect(readDatabaseUrl(url).where, url).to.match(/dockhook$/);
    }
  });
});
