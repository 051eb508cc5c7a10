/** Certificates for tests, made by the script that is handed to users. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../deploy/tls/make-test-certificates.sh', import.meta.url));

/** Runs `make-test-certificates.sh` with these arguments. */
export function runCertificateScript(...args: string[]): {
  code: number | null;
  stdout: string;
  stderr: string;
} {
  const { status, stdout, stderr, error } = spawnSync(SCRIPT, args, { encoding: 'utf8' });
  if (error) throw error;
  return { code: status, stdout, stderr };
}

/** Directories of certificates that go when the tests of this `describe` have ended; call it inside one. */
export function certificateDirectories() {
  const directories: string[] = [];
  after(() => {
    for (const directory of directories) rmSync(directory, { recursive: true });
  });

  /** An empty directory. */
  function empty(): string {
    const directory = mkdtempSync(join(tmpdir(), 'dockhook-certificates-'));
    directories.push(directory);
    return directory;
  }

  /** A directory that the script has filled. */
  function make(...args: string[]): string {
    const directory = empty();
    const { code, stderr } = runCertificateScript(directory, ...args);
    if (code !== 0) throw new Error(stderr);
    return directory;
  }

  return { empty, make };
}

/**
 * Writes a new pair over `NAME.pem` and `NAME.key`, as a renewal does.
 * @param issuer the directory whose `grpc/ca` signs it
 * @param days how long it is valid; -1 = expired
 */
export function renewPair(name: string, issuer: string, commonName: string, days = 1): void {
  const openssl = (command: string): void => {
    const { status, stderr, error } = spawnSync('openssl', command.split(' '), { encoding: 'utf8' });
    if (status !== 0) throw error ?? new Error(stderr);
  };
  openssl(
    `req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -subj /CN=${commonName} -out ${name}.csr`,
  );
  openssl(
    `x509 -req -in ${name}.csr -CA ${issuer}/grpc/ca.pem -CAkey ${issuer}/grpc/ca.key -set_serial 1 -days ${days} -out ${name}.pem`,
  );
}

/** The settings that make dockhook serve with the files of a directory. */
export function grpcSettings(directory: string) {
  return {
    DOCKHOOK_GRPC_TLS_CERT: join(directory, 'grpc/dockhook.pem'),
    DOCKHOOK_GRPC_TLS_KEY: join(directory, 'grpc/dockhook.key'),
    DOCKHOOK_GRPC_TLS_CLIENT_CA: join(directory, 'grpc/ca.pem'),
  };
}

/** A client that verifies dockhook by a directory's CA, and shows a certificate from it if one is named. */
export function grpcClient(directory: string, name?: string): ConnectionOptions {
  const file = (path: string): Buffer => readFileSync(join(directory, path));
  const shown = name === undefined ? {} : { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  return { ca: file('grpc/ca.pem'), ...shown };
}
