/** Flags of settings: their names, and names of before. */
import { expect } from 'chai';
import { Command } from 'commander';
import { addSettingFlags, configOf } from '../../../src/cli/options.js';
import { DockhookError } from '../../../src/errors.js';

describe('a flag that has another name now', () => {
  const commandWith = (...args: string[]): Command =>
    addSettingFlags(new Command().name('serve')).parse(args, { from: 'user' });

  it('works under both names', () => {
    for (const flag of ['--answer-for-backend', '--empty-replies']) {
      const { answerForBackend } = configOf(commandWith(flag, 'events,flight_areas_get'));
      expect(answerForBackend, flag).to.deep.equal({
        updateTopo: false,
        events: true,
        methods: new Set(['flight_areas_get']),
      });
    }
  });

  it('is a fault under both at once, which says what to keep', () => {
    const both = commandWith('--answer-for-backend', 'events', '--empty-replies', 'events');
    expect(() => configOf(both)).to.throw(DockhookError, /--empty-replies.*give only --answer-for-backend/);
  });

  it('is shown under its name of now', () => {
    const help = commandWith().helpInformation();
    expect(help).to.include('--answer-for-backend').and.not.to.include('--empty-replies');
  });
});
