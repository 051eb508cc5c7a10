import { expect } from 'chai';
import { schemaFile, schemaSql } from '../../support/schema-sql.js';

describe('deploy/postgres', () => {
  it('has the tables that follow from src/stores/tables.ts (npm run docs writes them)', () => {
    expect(schemaFile()).to.equal(schemaSql());
  });
});
