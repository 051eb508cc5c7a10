import { expect } from 'chai';
import { settingsTable, tableInReadme, wrapped } from '../support/settings-table.js';

describe('README', () => {
  it('holds the settings table that follows from src/config.ts (npm run docs writes it)', () => {
    expect(tableInReadme()).to.equal(wrapped(settingsTable()));
  });
});
