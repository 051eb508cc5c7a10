import { Readable } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { COLUMNS, type Column } from '../../../src/accounts/csv-columns.js';
import { readHeader, readLine, toCells } from '../../../src/accounts/csv-row.js';
import { csv } from '../../../src/cli/account/export.js';
import { readCsv, type CsvLine } from '../../../src/csv.js';
import { DockhookError } from '../../../src/errors.js';
import type { Account, Scope } from '../../../src/stores/types.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const HASH = `$dockhook-sha256$c2FsdA$${'d'.repeat(43)}`;

async function linesOf(chunks: (string | Buffer)[]): Promise<CsvLine[]> {
  const lines: CsvLine[] = [];
  const input = Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );
  for await (const line of readCsv(input, 'fleet.csv')) lines.push(line);
  return lines;
}

async function cellsOf(text: string | Buffer): Promise<string[][]> {
  return (await linesOf([text])).map(({ cells }) => cells);
}

async function fault(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (!(error instanceof DockhookError)) throw new Error('should have failed', { cause: error });
  expect(error.code).to.equal('usage');
  return error.message;
}

describe('reading CSV', () => {
  it('takes any line ends, also mixed, a BOM, quotes, and empty lines', async () => {
    const expected = [
      ['name', 'note'],
      ['a', 'x, "y"\nz'],
      ['b', ''],
      ['c', 'ü'],
    ];
    for (const end of ['\n', '\r\n', '\r']) {
      const text = `name,note${end}a,"x, ""y""\nz"${end}${end}b,${end}c,ü${end}`;
      expect(await cellsOf(text), JSON.stringify(end)).to.deep.equal(expected);
      expect(await cellsOf(`\uFEFF${text}`)).to.deep.equal(expected);
    }
    expect(await cellsOf('name,note\r\na,"x, ""y""\nz"\nb,\r\nc,ü')).to.deep.equal(expected);
    expect(await cellsOf(Buffer.from('\uFEFFname,note\r\nd,ö\r\n', 'utf16le'))).to.deep.equal([
      ['name', 'note'],
      ['d', 'ö'],
    ]);
  });

  it('numbers lines as an editor does', async () => {
    const lines = await linesOf(['name\r\na\r\n\r\nb\r\n"c\r\nd"\r\ne']);
    expect(lines.map(({ line, cells }) => [line, cells[0]])).to.deep.equal([
      [1, 'name'],
      [2, 'a'],
      [4, 'b'],
      [6, 'c\r\nd'],
      [7, 'e'],
    ]);
  });

  it('takes semicolons or tabs for commas if the first line has these and no comma', async () => {
    const expected = [
      ['name', 'note'],
      ['a', 'x;y'],
      ['b', '1,5'],
      ['c', ''],
    ];
    expect(await cellsOf('name;note\r\na;"x;y"\r\nb;1,5\r\nc;\r\n')).to.deep.equal(expected);
    expect(await cellsOf('\uFEFF\nname\tnote\na\tx;y\nb\t1,5\nc\t')).to.deep.equal(expected);
    const utf16 = Buffer.from('\uFEFFname;note\r\na;"x;y"\r\nb;1,5\r\nc;', 'utf16le');
    expect(await cellsOf(utf16)).to.deep.equal(expected);
    expect(await cellsOf('name,note\na,x;y\nb,"1,5"\nc,\n')).to.deep.equal(expected);
    expect(await cellsOf('name\na;b\n')).to.deep.equal([['name'], ['a;b']]);
  });

  it('reads the beginning of a file that has no line end, and one that has no line', async () => {
    expect(await cellsOf('name;note')).to.deep.equal([['name', 'note']]);
    expect(await cellsOf('')).to.deep.equal([]);
    expect(await fault(cellsOf('x'.repeat(200_000)))).to.match(/^fleet.csv:1: /);
  });

  it('does not care where the chunks of a file end', async () => {
    for (const separator of [',', ';']) {
      const text = '\uFEFFname,note\r\nä,"x ""y"" 密"\r\nb,z\r\n'.replaceAll(',', separator);
      const bytes = Buffer.from(text);
      const whole = await linesOf([bytes]);
      expect(whole[0]?.cells).to.deep.equal(['name', 'note']);
      for (let at = 1; at < bytes.length; at += 1) {
        expect(await linesOf([bytes.subarray(0, at), bytes.subarray(at)]), String(at)).to.deep.equal(whole);
      }
    }
  });

  it('stops at a stray quote, having handed out what comes before it, and does not quote the line', async () => {
    for (const [text, line] of [
      ['name\na\nb"the-secret\nc\n', 3],
      ['name\na\n"b"the-secret\nc\n', 3],
      ['name\na\n"the-secret\nc\nd\n', 5],
      [`name\na\n"${'the-secret'.repeat(7000)}\n`, 3],
    ] as const) {
      const seen: string[] = [];
      const message = await fault(
        (async () => {
          for await (const { cells } of readCsv(Readable.from([Buffer.from(text)]), 'fleet.csv')) {
            seen.push(...cells);
          }
        })(),
      );
      expect(seen).to.deep.equal(['name', 'a']);
      expect(message)
        .to.match(new RegExp(`^fleet.csv:${line}: `))
        .and.not.include('the-secret');
    }
  });
});

describe('a line of an import', () => {
  const read = (columns: string, ...cells: string[]) =>
    readLine(readHeader(columns.split(',')), cells, { now: NOW });
  const refusal = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof DockhookError && error.code === 'usage') return error.message;
      throw error;
    }
    throw new Error('should have been refused');
  };

  it('becomes an account, with a password to be made if it names none', () => {
    const columns = 'gateways,name,certificate_cn,expires,disabled,note';
    expect(read(columns, ' SN1  SN2 ', 'dock', 'cn', '12h', 'yes', 'N')).to.deep.equal({
      account: {
        name: 'dock',
        scope: { kind: 'gateways', gateways: ['SN1', 'SN2'] },
        certificateCn: 'cn',
        expiresAt: '2026-01-01T12:00:00.000Z',
        disabled: true,
        note: 'N',
        createdAt: '2026-01-01T00:00:00.000Z',
      },
      secret: { kind: 'generate' },
    });
    expect(read('name,scope,password', 'a', 'client-id', ' p ')).to.deep.include({
      secret: { kind: 'chosen', password: ' p ' },
    });
    expect(read('name,scope', 'a', 'service').account.scope).to.deep.equal({
      kind: 'service',
      publish: ['#'],
      subscribe: ['#'],
    });
  });

  it('may keep client ids, if it is a service', () => {
    expect(read('name,scope,client_ids', 'a', 'service', 'w-1 w-2').account.scope).to.deep.include({
      clientIds: ['w-1', 'w-2'],
    });
    expect(read('name,scope,client_ids', 'a', 'service', '["w 1"]').account.scope).to.deep.include({
      clientIds: ['w 1'],
    });
  });

  const headers: [string, string, RegExp][] = [
    ['an unknown column', 'name,colour', /unknown column "colour"; the columns are name, scope/],
    ['EMQX’s name for the name', 'username,password_hash', /"username"; write name/],
    ['a superuser', 'name,is_superuser', /no superusers/],
    ['an object’s property', 'name,constructor', /unknown column/],
    ['a column twice', 'name,note,note', /"note" appears twice/],
    ['no name', 'gateways,note', /one of them is name/],
  ];
  for (const [title, header, expected] of headers) {
    it(`is not read under a header with ${title}`, () => {
      expect(refusal(() => readHeader(header.split(',')))).to.match(expected);
    });
  }

  const lines: [string, string, string[], RegExp][] = [
    ['client ids of a dock', 'name,gateways,client_ids', ['a', 'SN1', 'SN1'], /for the scope service/],
    [
      'a client id with the separator',
      'name,scope,client_ids',
      ['a', 'service', 'a|b'],
      /client_ids a\|b: .*can never connect/,
    ],
    ['a name with the separator', 'name', ['a|b'], /must not have \| in it/],
    ['too few columns', 'name,scope', ['a'], /columns: 1 here, 2 in the first line/],
    ['too many columns', 'name', ['a', 'b'], /columns: 2 here/],
    ['no name', 'name,scope', ['', 'client-id'], /name is empty/],
    ['a + in its name', 'name,scope', ['a+b', 'client-id'], /\+ # \//],
    ['a name of 256 characters', 'name,scope', ['n'.repeat(256), 'client-id'], /255/],
    ['a bad SN', 'name,gateways', ['a', 'SN1 SN/2'], /gateway SN\/2/],
    ['no scope', 'name,gateways', ['a', ' '], /neither/],
    ['an unknown scope', 'name,scope', ['a', 'all'], /scope "all"/],
    ['gateways and another scope', 'name,scope,gateways', ['a', 'any-gateway', 'SN1'], /any-gateway/],
    ['filters of a dock', 'name,scope,publish', ['a', 'client-id', '#'], /for the scope service/],
    ['a bad filter', 'name,scope,publish', ['a', 'service', 'a/#/b'], /publish a\/#\/b/],
    ['a bad filter in JSON', 'name,scope,publish', ['a', 'service', '["a/#/b"]'], /publish a\/#\/b/],
    ['JSON that is none', 'name,scope,publish', ['a', 'service', '["a"'], /not a JSON array/],
    ['an organization of a service', 'name,scope,organization', ['a', 'service', 'north'], /topic filters/],
    ['an organization of any gateway', 'name,scope,organization', ['a', 'any-gateway', 'north'], /any drone/],
    [
      'a long organization id',
      'name,scope,organization',
      ['a', 'client-id', 'n'.repeat(256)],
      /organizationId/,
    ],
    ['a time that is none', 'name,scope,expires', ['a', 'client-id', 'soon'], /expires soon/],
    ['a state that is none', 'name,scope,disabled', ['a', 'client-id', 'true'], /yes or no/],
    ['a long note', 'name,scope,note', ['a', 'client-id', 'n'.repeat(1025)], /note/],
    ['Latin-1', 'name,scope', ['d\uFFFDck', 'client-id'], /UTF-8/],
    ['two secrets', 'name,scope,password,password_hash', ['a', 'client-id', 'the-secret', HASH], /leave one/],
    ['EMQX’s hash alone', 'name,scope,password_hash', ['a', 'client-id', 'ab12'], /--password-hash-algo/],
    [
      'an unknown hash',
      'name,scope,password_hash',
      ['a', 'client-id', '$1$the-secret'],
      /password_hash is not/,
    ],
  ];
  for (const [title, columns, cells, expected] of lines) {
    it(`is refused with ${title}`, () => {
      expect(refusal(() => read(columns, ...cells)))
        .to.match(expected)
        .and.not.include('the-secret');
    });
  }
});

const sn = fc.stringMatching(/^[A-Za-z0-9]{1,20}$/);
/** What an MQTT client may be called: no wildcard, no level, no control character; U+FFFD is what bad UTF-8 reads as. */
const text = (maxLength: number) =>
  fc.string({ unit: 'binary', maxLength }).filter((value) => !/[\0\uFFFD]/.test(value));
const name = text(60).filter((value) => value !== '' && !/[+#/\p{Control}]/u.test(value));
const filter = fc.oneof(
  fc.constantFrom('#', 'thing/product/#', 'a b/+', '[x', '\ttab', 'line\nend', 'quote"', ','),
  text(20).filter((value) => value !== '' && !/[+#]/.test(value)),
);
const scope: fc.Arbitrary<Scope> = fc.oneof(
  fc.record({
    kind: fc.constant('gateways' as const),
    gateways: fc.array(sn, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('client-id' as const, 'any-gateway' as const) }),
  fc.record({
    kind: fc.constant('service' as const),
    publish: fc.array(filter, { maxLength: 3 }),
    subscribe: fc.array(filter, { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('service' as const),
    publish: fc.constant<string[]>(['#']),
    subscribe: fc.constant<string[]>(['#']),
    clientIds: fc.array(fc.constantFrom('worker-1', 'a b', '[x', 'quote"', ','), { maxLength: 3 }),
  }),
);
const moment = fc.constantFrom('2030-01-01T00:00:00Z', '2020-05-06T07:08:09.123456789+05:30');
/** Of a dock or controller only. */
const organizationId = text(60).filter((value) => value !== '');
const account: fc.Arbitrary<Account> = fc
  .tuple(
    fc.record(
      {
        name,
        passwordHash: fc.constant(HASH),
        scope,
        disabled: fc.constant(true),
        certificateCn: text(60).filter((value) => value !== ''),
        expiresAt: moment,
        note: text(200).filter((value) => value !== ''),
        createdAt: moment,
      },
      { requiredKeys: ['name', 'passwordHash', 'scope', 'createdAt'] },
    ),
    fc.option(organizationId, { nil: undefined }),
  )
  .map(([one, id]) =>
    id !== undefined && (one.scope.kind === 'gateways' || one.scope.kind === 'client-id')
      ? { ...one, organizationId: id }
      : one,
  );

describe('an export', () => {
  it('is read by an import as it was, whatever is in it', async () => {
    const columns = (Object.keys(COLUMNS) as Column[]).filter(
      (column) => column !== 'password' && column !== 'salt',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(account, { maxLength: 5 }), async (accounts) => {
        const exported = csv([[...columns]]) + csv(accounts.map((one) => toCells(one, columns)));
        const [header = [], ...rows] = await cellsOf(exported);
        const read = rows.map((cells) => readLine(readHeader(header), cells, { now: NOW }));
        expect(
          read.map((line) => ({
            ...line.account,
            passwordHash: line.secret.kind === 'hash' ? line.secret.passwordHash : '',
          })),
        ).to.deep.equal(accounts);
      }),
      { numRuns: 300 },
    );
  });
});
