/** deploy/postgres/schema.sql, made from src/stores/tables.ts. `npm run docs` writes it; a test compares it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createMissingTables } from '../../src/stores/tables.js';

const FILE = fileURLToPath(new URL('../../deploy/postgres/schema.sql', import.meta.url));

export function schemaSql(): string {
  return [
    '-- The tables of dockhook, for who does not want dockhook to make them itself. Made from src/stores/tables.ts by',
    '-- `npm run docs`; it is the statement that dockhook runs when it starts. Run it again after an upgrade: it makes',
    '-- what is missing, and refuses tables of a newer dockhook.',
    `${createMissingTables};`,
    '',
  ].join('\n');
}

export function schemaFile(): string {
  return readFileSync(FILE, 'utf8');
}

if (process.argv.includes('--write')) writeFileSync(FILE, schemaSql());
