import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PostgresClient } from '../../../src/stores/postgres-client.js';

/** A message of PostgreSQL's protocol: its letter, its length, its body. */
function message(letter: string, ...parts: (string | number | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') {
        const bytes = Buffer.alloc(4);
        bytes.writeInt32BE(part);
        return bytes;
      }
      return typeof part === 'string' ? Buffer.from(part) : part;
    }),
  );
  const head = Buffer.alloc(5);
  head.write(letter);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const sasl = (...mechanisms: string[]): Buffer =>
  message('R', 10, mechanisms.map((one) => `${one}\0`).join(''), '\0');
const refusal = (code: string): Buffer => message('E', `SFATAL\0C${code}\0Mno\0\0`);

describe('a connection to PostgreSQL', () => {
  let server: Server;
  let open: Set<Socket>;

  /** A server that says this to whatever it is told; resolves to its port. */
  async function serverThatSays(...said: Buffer[]): Promise<number> {
    open = new Set();
    server = createServer((socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket)).on('error', () => undefined);
      const rest = [...said];
      socket.on('data', () => {
        const next = rest.shift();
        if (next) socket.write(next);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** How connecting failed. Its connection is seen to be closed, with nothing from the server's side. */
  async function failure(port: number, more: object = {}): Promise<Error & { code?: string }> {
    const settings = { host: '127.0.0.1', port, user: 'u', password: 'p', database: 'd', ...more };
    const client = new PostgresClient({ ssl: false, connectionTimeoutMillis: 500, ...settings });
    const error = await client.connect().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    // Hangs if it stays open, for this server closes nothing by itself.
    for (const socket of open) if (!socket.closed) await once(socket, 'close');
    if (error === undefined) throw new Error('it connected');
    return error;
  }

  afterEach(() => server.close());

  const SCRAM = 'SCRAM-SHA-256';
  const cases: [title: string, said: Buffer[], settings: object, error: RegExp][] = [
    [
      'a password that is wanted and not there (SCRAM)',
      [sasl(SCRAM), message('R', 11, 'r=x')],
      { password: '' },
      /DATABASE_URL has none/,
    ],
    [
      'the same, refused by the server (md5)',
      [message('R', 5, 'salt'), refusal('28P01')],
      { password: '' },
      /DATABASE_URL has none/,
    ],
    ['a SASL mechanism that pg has not', [sasl('GS2-KRB5')], {}, /Only mechanism/],
    ['a SASL answer that makes no sense', [sasl(SCRAM), message('R', 11, 'nonsense')], {}, /SASL/],
    [
      'a SASL nonce of somebody else',
      [sasl(SCRAM), message('R', 11, 'r=other,s=c2FsdA==,i=4096')],
      {},
      /nonce/,
    ],
    ['a SASL end without a beginning', [message('R', 12, 'v=x')], {}, /SASL|null|undefined/],
    [
      'a way of authentication that pg has not (GSS)',
      [message('R', 7)],
      {},
      /nknown authenticationOk message type|timeout|authentication/,
    ],
    ['silence', [], {}, /timeout|terminated/],
    ['half a message', [Buffer.from('R')], {}, /timeout|terminated/],
    ['no TLS, where it is wanted', [Buffer.from('N')], { ssl: true }, /does not support SSL/],
    ['an answer to TLS that is none', [Buffer.from('H')], { ssl: true }, /establishing an SSL connection/],
    ['silence after "yes, TLS"', [Buffer.from('S')], { ssl: true }, /timeout|terminated/],
    [
      'nonsense after "yes, TLS"',
      [Buffer.from('S'), Buffer.from('HTTP/1.1 400\r\n\r\n')],
      { ssl: true },
      /SSL|TLS|wrong version/i,
    ],
    [
      'a CA file that OpenSSL cannot use',
      [Buffer.from('S')],
      { ssl: { cert: 'no certificate' } },
      /PEM|no start line|NO_START_LINE/i,
    ],
    ['a server that is full', [refusal('53300')], {}, /^no$/],
  ];
  for (const [title, said, settings, error] of cases) {
    it(`is closed from our side after ${title}`, async () => {
      expect((await failure(await serverThatSays(...said), settings)).message).to.match(error);
    });
  }

  it('that fails tells one who waits for a callback once, and ends no process', async () => {
    const port = await serverThatSays(sasl('X'));
    const client = new PostgresClient({ host: '127.0.0.1', port, user: 'u', password: 'p', ssl: false });
    const told: unknown[] = [];
    const ended = once(client, 'end');
    client.connect((error) => told.push(error));
    await ended;
    client.emit('error', new Error('later'));
    expect(told).to.have.length(1);
  });
});
