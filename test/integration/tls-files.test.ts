/** The TLS files of the gRPC port: such as cannot be used, and such as are renewed while dockhook runs. */
import { expect } from 'chai';
import { createPrivateKey } from 'node:crypto';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { DockhookError } from '../../src/errors.js';
import { serviceName } from '../../src/exhook/proto.js';
import { certificateDirectories, grpcClient, grpcSettings } from '../support/certificates.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { connectGrpc, frame, Status, type GrpcConnection } from '../support/grpc.js';

describe('starting with TLS files that cannot be used', () => {
  const { make } = certificateDirectories();
  let directory: string;
  let paths: ReturnType<typeof grpcSettings>;
  beforeEach(() => {
    directory = make();
    paths = grpcSettings(directory);
  });

  const content = (name: string): string => readFileSync(join(directory, name), 'utf8');
  const encrypted = (pem: string): string =>
    createPrivateKey(pem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'of no use here' })
      .toString();

  for (const [what, setting, bad, said] of [
    ['text as certificate', 'CERT', () => 'not-a-certificate', /is not a certificate in PEM form/],
    ['an empty certificate', 'CERT', () => '', /is not a certificate in PEM form/],
    ['a key as certificate', 'CERT', () => content('grpc/dockhook.key'), /is not a certificate in PEM form/],
    ['text as key', 'KEY', () => 'not-a-key', /is not a private key in PEM form/],
    [
      'an encrypted key',
      'KEY',
      () => encrypted(content('grpc/dockhook.key')),
      /an encrypted key cannot be used/,
    ],
    [
      'the key of another certificate',
      'KEY',
      () => content('grpc/emqx.key'),
      /does not belong to the certificate/,
    ],
    ['text as client CA', 'CLIENT_CA', () => 'not-a-ca', /is not a CA certificate in PEM form/],
    ['an empty client CA', 'CLIENT_CA', () => '', /is not a CA certificate in PEM form/],
  ] as const) {
    it(`is a usage error that names the file and shows nothing of it: ${what}`, async () => {
      const path = paths[`DOCKHOOK_GRPC_TLS_${setting}`];
      const text = bad();
      writeFileSync(path, text);
      const error: unknown = await startDockhook({ environment: paths }).then(
        (dockhook) => dockhook.stop(),
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(DockhookError);
      const { code, message } = error as DockhookError;
      expect(code).to.equal('usage');
      expect(message).to.include(path).and.to.match(said);
      for (const line of text.split('\n').filter(Boolean)) expect(message).to.not.include(line);
    });
  }
});

describe('TLS files that are renewed while dockhook runs', () => {
  const { make } = certificateDirectories();
  let live: string;
  let renewed: string;
  let dockhook: TestDockhook;
  let connections: GrpcConnection[];
  let ended: AbortController;
  beforeEach(async () => {
    live = make();
    renewed = make();
    connections = [];
    ended = new AbortController();
    dockhook = await startDockhook({ environment: grpcSettings(live), tlsRefreshMs: 10 });
  });
  afterEach(async () => {
    ended.abort();
    for (const connection of connections) connection.close();
    await dockhook.stop();
  });

  function connect(tls: ConnectionOptions): GrpcConnection {
    const [host = '', port] = dockhook.grpc.split(':');
    const connection = connectGrpc({ host, port: Number(port) }, tls);
    connections.push(connection);
    return connection;
  }

  const isAnswered = (connection: GrpcConnection): Promise<boolean> =>
    connection.call(`/${serviceName('v3')}/OnProviderLoaded`, frame(Buffer.alloc(0))).then(
      ({ status }) => status === Status.OK,
      () => false,
    );

  /** Between two looks at what must come about; a test that has ended looks no more. */
  const again = (): Promise<void> => pause(5, undefined, { signal: ended.signal });

  /** Puts renewed files in the place of the old, each at one stroke. */
  function renew(...names: string[]): void {
    for (const name of names) {
      copyFileSync(join(renewed, name), join(live, `${name}.new`));
      renameSync(join(live, `${name}.new`), join(live, name));
    }
  }

  /** The first log line of this event, past or to come. */
  async function logged(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = dockhook.logged.find((candidate) => candidate['event'] === event);
      if (line) return line;
      await again();
    }
  }

  it('come into force, and the old CA goes out of it, while connections that are open go on', async () => {
    const before = grpcClient(live, 'grpc/emqx');
    const open = connect(before);
    expect(await isAnswered(open)).to.equal(true);
    renew('grpc/ca.pem', 'grpc/dockhook.pem', 'grpc/dockhook.key');
    // Verifies the new certificate by the new CA, and shows one that only the new CA has signed.
    const after = grpcClient(renewed, 'grpc/emqx');
    while (!(await isAnswered(connect(after)))) await again();
    expect(await isAnswered(connect({ ...before, ca: after.ca! })), 'old client').to.equal(false);
    expect(await isAnswered(open), 'open connection').to.equal(true);
    expect(await logged('certificates_reloaded')).to.include({ level: 'info' });
  });

  for (const [what, spoil] of [
    [
      'a certificate is there before its key',
      () => {
        renew('grpc/dockhook.pem');
      },
    ],
    [
      'a file is away',
      () => {
        rmSync(join(live, 'grpc/dockhook.key'));
      },
    ],
    [
      'the chain is whole up to its second certificate',
      () => {
        const leaf = readFileSync(join(renewed, 'grpc/dockhook.pem'), 'utf8');
        copyFileSync(join(renewed, 'grpc/dockhook.key'), join(live, 'grpc/dockhook.key'));
        writeFileSync(join(live, 'grpc/dockhook.pem'), `${leaf}\n-----BEGIN CERTIFICATE-----\nMIIB`);
      },
    ],
    [
      'a file is half written',
      () => {
        writeFileSync(join(live, 'grpc/dockhook.pem'), '-----BEGIN CERTIFICATE-----\nMIIB');
      },
    ],
  ] as const) {
    it(`leave the old ones in force while ${what}, which is logged, until they are whole`, async () => {
      const emqx = grpcClient(live, 'grpc/emqx');
      spoil();
      const { level, detail } = await logged('certificates_not_reloaded');
      expect(level).to.equal('error');
      expect(detail).to.include(join(live, 'grpc/dockhook.'));
      expect(await isAnswered(connect(emqx)), 'meanwhile').to.equal(true);
      renew('grpc/dockhook.pem', 'grpc/dockhook.key');
      await logged('certificates_reloaded');
      // The client CA was not renewed.
      expect(await isAnswered(connect({ ...emqx, ca: grpcClient(renewed).ca! })), 'then').to.equal(true);
    });
  }
});
