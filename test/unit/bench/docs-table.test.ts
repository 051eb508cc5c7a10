import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { BENCHMARKS, benchmarkBlocks, docsTables, newestResults } from '../../bench/docs-table.js';
import { withBlocks } from '../../support/generated.js';
import type { Results } from '../../bench/report.js';

const origin = {
  at: '2026-01-02T03:04:05.678Z',
  commit: `${'0123456789'.repeat(4)} and changes`,
  machine: { cpu: 'A processor', cores: 2, memoryGib: 24, system: 'Linux 6', loadAverage: [0, 0, 0] },
  versions: { dockhook: '0.1.0', node: '20.20.2' },
};

describe('the figures of docs/benchmarks.md', () => {
  it('are those of the newest results (npm run docs writes them)', () => {
    expect(readFileSync(BENCHMARKS, 'utf8')).to.equal(
      withBlocks(BENCHMARKS, benchmarkBlocks(newestResults())),
    );
  });

  it('are ratios with their spread, and medians, of the columns that are shown', () => {
    const row = {
      'in flight': 1,
      throughput: { ratio: 0.8, least: 0.7, most: 0.95 },
      'binds/s': { median: 900, least: 800, most: 1000 },
      'p50 ms': { median: 1.5, least: 1, most: 2 },
    };
    const results: Results = { binds: { ...origin, title: 'binds against pgbench', rows: [row] } };
    expect(docsTables(results)).to.equal(
      [
        'Measured 2026-01-02 at 012345678901 and changes on A processor, 2 cores, 24 GiB, Linux 6; ' +
          'dockhook 0.1.0, node 20.20.2 (binds).',
        '',
        '**binds**: binds against pgbench',
        '',
        '| in flight | throughput       | p50 ms |',
        '| --------- | ---------------- | ------ |',
        '| 1         | 0.80 (0.70–0.95) | 1.5    |',
        '',
      ].join('\n'),
    );
  });

  it('say of each part on what it was measured, where that differs', () => {
    const part = { ...origin, title: 'T', rows: [{ docks: 1 }] };
    const later = { ...part, at: '2026-02-03T00:00:00.000Z', commit: '' };
    const text = docsTables({ storms: later, journey: part, telemetry: part });
    expect(text).to.match(/^Measured 2026-01-02 at .* \(journey, telemetry\)\.$/m);
    expect(text).to.match(/^Measured 2026-02-03 on .* \(storms\)\.$/m);
    expect(text.indexOf('**journey**')).to.be.lessThan(text.indexOf('**storms**'));
  });
});
