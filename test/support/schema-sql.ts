/** deploy/postgres/schema.sql, made from src/stores/migrations/. `npm run docs` writes it; a test compares it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { migrationScript } from '../../src/stores/migrations/script.js';

const FILE = fileURLToPath(new URL('../../deploy/postgres/schema.sql', import.meta.url));

export function schemaSql(): string {
  return [
    '-- The tables of dockhook, for who does not want dockhook to make them itself. `npm run docs` makes this file from',
    '-- src/stores/migrations/; it is the statement with which dockhook brings the tables up to date at its start. Run it as',
    '-- the owner of the tables before the servers of a new version start, and roles.sql after it. It applies what is missing,',
    '-- all of it or nothing, and refuses tables that a newer dockhook changed. The schema is public; for another one:',
    '--',
    '--   psql -v ON_ERROR_STOP=1 -d DATABASE -c "SET dockhook.schema = \'NAME\'" -f schema.sql -f roles.sql',
    '',
    `${migrationScript()};`,
    '',
  ].join('\n');
}

export function schemaFile(): string {
  return readFileSync(FILE, 'utf8');
}

if (process.argv.includes('--write')) writeFileSync(FILE, schemaSql());
