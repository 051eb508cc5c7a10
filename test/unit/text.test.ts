/** Text from outside, through every output: it steers nothing, hides nothing, and JSON stays what it was. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockhookError } from '../../src/errors.js';
import {
  print,
  printFields,
  printJson,
  printRaw,
  printTable,
  reportError,
  say,
  warn,
} from '../../src/cli/output.js';
import { createLog, logEvents } from '../../src/observability/log.js';
import { excerpt, printable, printableLines, printableUrl } from '../../src/text.js';
import { failureOf } from '../../src/stores/database-errors.js';
import { heapUsed } from '../support/heap.js';

/** Each with what of it must come out on no terminal. */
const NASTY: Record<string, [text: string, shown: RegExp]> = {
  'an ANSI escape that clears the screen': ['a\u001b[2Jb', /^a\\u001b\[2Jb$/],
  'an ANSI escape that hides what follows': ['a\u001b[8mb', /^a\\u001b\[8mb$/],
  'a title of the window': ['\u001b]0;owned\u0007', /^\\u001b\]0;owned\\u0007$/],
  'a C1 control': ['a\u009b31mb', /^a\\u009b31mb$/],
  'a carriage return over what was written': ['bad\rgood', /^bad\\u000dgood$/],
  'backspaces and a delete': ['ab\b\bcd\u007f', /^ab\\u0008\\u0008cd\\u007f$/],
  'a bidi override': ['ops\u202etes', /^ops\\u202etes$/],
  'a bidi isolate': ['a\u2066b\u2069', /^a\\u2066b\\u2069$/],
  'a zero-width space': ['dock\u200b-1', /^dock\\u200b-1$/],
  'a letter that nobody sees': ['dock\u3164', /^dock\\u3164$/],
  'a tag beyond the BMP': ['a\u{e0041}b', /^a\\udb40\\udc41b$/],
  'half a character': ['a\ud83db', /^a\\ud83db$/],
  'a line separator': ['a\u2028b', /^a\\u2028b$/],
  'a tab and a NUL': ['a\tb\0c', /^a\\u0009b\\u0000c$/],
};

const UNSEEN = /[\p{Control}\p{Format}\p{Surrogate}\p{Line_Separator}\p{Default_Ignorable_Code_Point}]/u;

/** What is written to both streams meanwhile, by a terminal with colours if told so. */
async function written(work: () => unknown, isTerminal = false): Promise<string> {
  let text = '';
  const undo = [process.stdout, process.stderr].map((stream) => {
    const write = stream.write.bind(stream);
    const { isTTY } = stream;
    stream.write = ((chunk: string, done?: () => void): boolean => {
      text += chunk;
      done?.();
      return true;
    }) as typeof stream.write;
    stream.isTTY = isTerminal;
    return (): void => {
      stream.write = write;
      stream.isTTY = isTTY;
    };
  });
  const { NO_COLOR, TERM } = process.env;
  if (isTerminal) {
    delete process.env['NO_COLOR'];
    process.env['TERM'] = 'xterm';
  }
  try {
    await work();
  } finally {
    for (const restore of undo) restore();
    if (NO_COLOR !== undefined) process.env['NO_COLOR'] = NO_COLOR;
    if (TERM !== undefined) process.env['TERM'] = TERM;
  }
  return text;
}

const OUTPUTS: Record<string, (text: string) => unknown> = {
  print: (text) => {
    print(`account "${text}" added`);
  },
  say: (text) => {
    say(`waiting for ${text}`);
  },
  'a table': (text) => {
    printTable(['NAME'], [[text]]);
  },
  fields: (text) => {
    printFields({ name: text });
  },
  'an error': (text) => reportError(new DockhookError('failed', `no account ${text}`), false),
  'a warning': (text) => {
    warn(text, false);
  },
};

const JSON_OUTPUTS: Record<string, [write: (text: string) => unknown, read: (value: unknown) => unknown]> = {
  printJson: [
    (text) => {
      printJson({ text });
    },
    (value) => (value as { text: string }).text,
  ],
  'an error': [
    (text) => reportError(new DockhookError('failed', text), true),
    (value) => (value as { message: string }).message,
  ],
  'a warning': [
    (text) => {
      warn(text, true);
    },
    (value) => (value as { warning: string }).warning,
  ],
  'the log': [
    (text) => {
      const log = createLog('info', { write: (line) => process.stdout.write(line) });
      logEvents(log)({ step: 'authenticate', outcome: 'ok', clientId: text, account: 'a' });
    },
    (value) => (value as { clientId: string }).clientId,
  ],
};

for (const [what, [text, shown]] of Object.entries(NASTY)) {
  describe(`${what}, from outside`, () => {
    it('is shown as what it is', () => {
      expect(printable(text)).to.match(shown);
    });

    for (const [output, write] of Object.entries(OUTPUTS)) {
      it(`goes through ${output} harmless, on a terminal and elsewhere`, async () => {
        for (const isTerminal of [false, true]) {
          const out = await written(() => write(text), isTerminal);
          const escape = '\u001b';
          const styles = new RegExp(`${escape}\\[(?:1|2|22|3[1-6]|39)m`, 'g');
          const rest = isTerminal ? out.replace(styles, '') : out;
          expect(rest.replaceAll('\n', '')).to.not.match(UNSEEN);
          expect(rest).to.include(printable(text));
        }
      });
    }

    for (const [output, [write, read]] of Object.entries(JSON_OUTPUTS)) {
      it(`goes through the JSON of ${output} harmless and whole`, async () => {
        const out = await written(() => write(text));
        expect(out.trimEnd()).to.not.match(UNSEEN);
        expect(read(JSON.parse(out))).to.equal(text);
      });
    }

    it('is kept in a file, and kept from a terminal, by what is printed as it is', async () => {
      expect(await written(() => printRaw(text))).to.equal(text);
      expect(await written(() => printRaw(text), true)).to.equal(printable(text));
    });
  });
}

describe('a text from outside', () => {
  it('keeps its letters of all languages, and its lines where it may have them', () => {
    expect(printable('pl\u00e4ne \u4e2d \u0434\u043e\u043a')).to.equal(
      'pl\u00e4ne \u4e2d \u0434\u043e\u043a',
    );
    expect(printableLines('one\ntwo\u001b')).to.equal('one\ntwo\\u001b');
  });

  it('is cut where nobody would read on', () => {
    expect(printable('x'.repeat(60_000))).to.have.length.below(2100);
  });

  it('loses user name and password of addresses in it', async () => {
    const text = 'cannot reach postgres://dockhook:the-secret@db:5432/d nor http://key@host/x';
    for (const json of [false, true]) {
      const out = await written(() => reportError(new DockhookError('failed', text), json));
      expect(out).to.include('postgres://db:5432/d').and.to.include('http://host/x');
      expect(out).to.not.match(/the-secret|key@/);
    }
    const log = createLog('info', { write: (line) => process.stdout.write(line) });
    const out = await written(() => {
      log.warn({ event: 'x', detail: text });
    });
    expect(out).to.not.match(/the-secret|key@/);
  });
});

describe('the form of a database URL that advice shows', () => {
  const FORM = 'postgres://USER:PASSWORD@HOST:5432/DATABASE';

  it('stays whole in an error', async () => {
    const missing = new Error('the server asks for a password, and DATABASE_URL has none');
    const error = failureOf('list', 'accounts', missing);
    expect(error.message).to.include(FORM);
    for (const json of [false, true]) {
      expect(await written(() => reportError(error, json))).to.include(FORM);
    }
    const said = await written(() => {
      say(`write ${FORM}`);
    });
    expect(said).to.include(FORM);
  });

  for (const [text, shown] of [
    ['postgres://user:password@host:5432/database', 'postgres://host:5432/database'],
    ['POSTGRES://USER:PASSWORD@db:5432/DATABASE', 'POSTGRES://db:5432/DATABASE'],
    ['postgres://USER:PASSWORD@HOST:5432/DATABASE2', 'postgres://HOST:5432/DATABASE2'],
    ['postgres://USER:the-secret@HOST:5432/DATABASE', 'postgres://HOST:5432/DATABASE'],
  ] as const) {
    it(`does not keep ${text}`, () => {
      expect(printable(text)).to.equal(shown);
    });
  }
});

describe('an address that is shown', () => {
  for (const [text, shown] of [
    ['http://127.0.0.1:9000', 'http://127.0.0.1:9000'],
    ['https://key:secret@emqx.example:18083/api', 'https://emqx.example:18083/api'],
    ['mqtts://user@broker:8883', 'mqtts://broker:8883'],
    ['postgres://u:p@db/d?sslmode=require&password=x', 'postgres://db/d?sslmode=…&password=…'],
    ['http://host/#secret', 'http://host'],
    ['http://user:pa/ss@host:9000', '(an address that cannot be read)'],
    ['http://user:12/ss@host:9000', '(an address that cannot be read)'],
    ['user:secret@host', '(an address that cannot be read)'],
    ['secret', '(an address that cannot be read)'],
  ] as const) {
    it(`is ${shown} of ${text}`, () => {
      expect(printableUrl(text)).to.equal(shown);
    });
  }
});

describe('the source of the commands', () => {
  it('writes to a stream in cli/output.ts only, where all text is made harmless', () => {
    const source = new URL('../../src/', import.meta.url).pathname;
    const writers = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .filter((path) =>
        /process\.std(out|err)\.write|console\./.test(readFileSync(join(source, path), 'utf8')),
      );
    expect(writers).to.deep.equal(['cli/output.ts']);
  });
});

describe('an excerpt', () => {
  it('is the beginning of a text, code unit by code unit', () => {
    expect(excerpt('short', 5)).to.equal('short');
    expect(excerpt('longer', 5)).to.equal('longe');
    expect(excerpt('ab\u{1F600}cd', 3)).to.equal('ab\uD83D');
  });

  it('does not hold on to the rest', () => {
    const before = heapUsed();
    const kept = Array.from({ length: 50 }, (_, index) =>
      excerpt(`${index}`.padEnd(1_000_000, `${index}`), 64),
    );
    expect(heapUsed() - before).to.be.below(10e6);
    expect(kept).to.have.length(50);
  });
});
