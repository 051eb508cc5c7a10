/** Which commands of the papers `test/integration/operators-guide.test.ts` types, and which no test can type. */

export interface Sections {
  file: string;
  titles: readonly string[];
}

/** In the order in which they are typed. */
export const TYPED: readonly Sections[] = [
  { file: 'README.md', titles: ['Your first dock on EMQX'] },
  {
    file: 'docs/operating.md',
    titles: [
      'The ten commands',
      'Remote controllers, and who a drone belongs to',
      'Passwords',
      'A whole fleet',
      'Moving a device to another organization',
      'Is everything set up right?',
      'Backup and restore',
    ],
  },
  {
    file: 'docs/why-is-my-dock-not-online.md',
    titles: ['Why is my dock not online?', 'The dock is not in the list'],
  },
  { file: 'docs/emqx.md', titles: ['Up to EMQX 5.8: close the listeners', 'Rules beside a backend'] },
];

export const UNTYPED: readonly { file: string; title: string; why: string }[] = [
  {
    file: 'README.md',
    title: 'Try it',
    why: 'npm ci would remove the packages that the tests run on. .ci/run types `npm ci` and `npm test`, and test/integration/dev.test.ts types `npm start`',
  },
  { file: 'CONTRIBUTING.md', title: 'Set up', why: 'as Try it' },
  { file: 'CONTRIBUTING.md', title: 'Test', why: 'a test run would start a test run' },
];
