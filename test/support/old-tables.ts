/** The tables as earlier versions of dockhook made them, before there were migrations. */
import { readFileSync } from 'node:fs';

/** The statements, for schema `public`. */
export function oldTables(version: 'first' | 'before-migrations'): string {
  return readFileSync(new URL(`../fixtures/tables-${version}.sql`, import.meta.url), 'utf8');
}
