/** What doctor found, for tests. */
import { expect } from 'chai';
import type { Finding } from '../../src/finding.js';

/** Codes of what is not well, as `error license_missing`. */
export function troubles(findings: readonly Finding[]): string[] {
  return findings.filter(({ level }) => level !== 'ok').map(({ level, code }) => `${level} ${code}`);
}

/** The one finding with this code. */
export function found(findings: readonly Finding[], code: string): Finding {
  const matching = findings.filter((finding) => finding.code === code);
  expect(matching, `${code} in ${JSON.stringify(findings)}`).to.have.length(1);
  return matching[0]!;
}

/** What the finding says to do, one step a line. */
export function fixOf(finding: Finding | undefined): string {
  return (finding?.fix ?? []).join('\n');
}

/** Trouble must say why it matters and what fixes it; what is well must not. */
export function expectComplete(findings: readonly Finding[]): void {
  for (const { level, code, why, fix } of findings) {
    if (level === 'ok') expect([why, fix], code).to.deep.equal([undefined, undefined]);
    else if (code !== 'not_checked')
      expect([typeof why, fix?.every(Boolean)], code).to.deep.equal(['string', true]);
  }
}
