/** A connection to PostgreSQL as pg makes it, with what pg leaves open closed. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { messageOf } from '../errors.js';

/**
 * If it cannot connect, its socket is closed, whichever side failed. pg leaves it open where the fault is on our side
 * of the wire (no password, an answer that it cannot use), and its pool then forgets it: each attempt took one of the
 * server's connections for the minute that PostgreSQL waits for a password.
 */
export class PostgresClient extends pg.Client {
  /** The protocol's BackendKeyData; the types of pg leave it out. */
  declare readonly processID: number;
  readonly #socket: Socket;
  readonly #watch: ConnectWatch | undefined;

  constructor(settings: pg.ClientConfig, watch?: ConnectWatch) {
    const socket = new Socket();
    super({ ...settings, stream: () => socket });
    this.#socket = socket;
    this.#watch = watch;
    // Whatever fails also rejects what waits for it; an event that nobody listens to would end the process.
    this.on('error', () => undefined);
    // pg would look for ~/.pgpass, which it means to drop, and warns of that on stderr.
    if (typeof this.password !== 'string') this.password = '';
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<pg.Client> | void {
    if (callback === undefined) {
      return new Promise((resolve, reject) => {
        this.connect((error?: Error) => {
          if (error) reject(error);
          else resolve(this);
        });
      });
    }
    let isSettled = false;
    const settle = (failure?: Error | null): void => {
      if (isSettled) return;
      isSettled = true;
      this.off('error', settle);
      const error = failure ? this.#explained(failure) : undefined;
      if (error) this.#socket.destroy();
      if (error) this.#watch?.failed(error);
      else this.#watch?.connected();
      // Before anything else that the server sent is read: from here on, who called listens.
      callback(error as Error);
    };
    // Some of what pg finds wrong it tells as an event, and then waits for ever.
    this.on('error', settle);
    this.#watch?.started();
    this.connection.once('sslconnect', () => {
      guard(this.connection.stream);
    });
    super.connect(settle);
    if (!this.ssl) guard(this.connection.stream);
  }

  /** Takes its leave and closes. pg's own end waits for the server, which may be frozen. */
  close(): void {
    this.end().catch(() => undefined);
    this.#socket.destroySoon();
  }

  #explained(error: Error): Error {
    const isRefused = 'code' in error && error.code === '28P01';
    if (this.password !== '' || !(isRefused || /client password must be/.test(messageOf(error))))
      return error;
    const told = new Error('the server asks for a password, and DATABASE_URL has none');
    return Object.assign(told, { code: '28P01' });
  }
}

/**
 * Takes what the parser throws for a fault of this connection. It throws at an authentication that pg has not (GSS,
 * SSPI): a changed line of pg_hba.conf ended the process.
 */
function guard(stream: Duplex): void {
  for (const listener of stream.listeners('data') as ((chunk: unknown) => void)[]) {
    stream.off('data', listener);
    stream.on('data', (chunk) => {
      try {
        listener(chunk);
      } catch (error) {
        stream.destroy(error as Error);
      }
    });
  }
}

/** Told how attempts to connect end. */
export interface ConnectWatch {
  started(): void;
  connected(): void;
  failed(error: Error): void;
}
