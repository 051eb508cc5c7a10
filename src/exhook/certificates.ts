/**
 * TLS of the gRPC port, from files that may be renewed while the server runs.
 *
 * grpc-js' own file watcher would do, but for a renewal caught halfway: a certificate that does not go with
 * its key yet throws inside it, and a file that is away for a moment makes it refuse everybody. This one
 * keeps what was good until the whole set is good again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import { DockhookError, messageOf } from '../errors.js';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The chain, the server's own certificate first. */
  cert: string;
  key: string;
  /** If given, a client must show a certificate that this CA has signed. */
  clientCa?: string | undefined;
}

export interface TlsOptions {
  /** How often the files are looked at, in milliseconds; 10 s unless given. */
  refreshMs?: number;
  /** Told when a renewed set of files came into force. */
  onReload?: () => void;
  /** Told, once per change, why changed files were not taken. */
  onError?: (error: unknown) => void;
}

type Provider = NonNullable<Parameters<typeof experimental.createCertificateProviderServerCredentials>[0]>;
type IdentityListener = Parameters<Provider['addIdentityCertificateListener']>[0];
type CaListener = Parameters<Provider['addCaCertificateListener']>[0];

interface Material {
  certificate: Buffer;
  privateKey: Buffer;
  caCertificate: Buffer | undefined;
}

/**
 * Credentials that follow the files for as long as a server uses them.
 * @throws DockhookError `usage` if the files cannot be used to begin with
 */
export function tlsCredentials(files: TlsFiles, options: TlsOptions = {}): ServerCredentials {
  const provider = followFiles(files, options);
  const clientCa = files.clientCa === undefined ? null : provider;
  // In this order, whatever their names say: grpc-js 1.14 hands the first on as the server's own identity.
  return experimental.createCertificateProviderServerCredentials(provider, clientCa, clientCa !== null);
}

/**
 * Reads the files as the server would.
 * @throws DockhookError `usage` if they cannot be used
 */
export function checkTlsFiles(files: TlsFiles): { certificate: Buffer; caCertificate: Buffer | undefined } {
  return checked(files, read(files));
}

function followFiles(files: TlsFiles, { refreshMs = 10_000, onReload, onError }: TlsOptions): Provider {
  let material = checked(files, read(files));
  /** What was told last, so that bad files are told of once and not at every look. */
  let fault: string | undefined;
  const identityListeners = new Set<IdentityListener>();
  const caListeners = new Set<CaListener>();
  let timer: NodeJS.Timeout | undefined;

  function handOut(): void {
    const { certificate, privateKey, caCertificate } = material;
    for (const listener of identityListeners) listener({ certificate, privateKey });
    for (const listener of caListeners) listener(caCertificate ? { caCertificate } : null);
  }

  function look(): void {
    try {
      const found = read(files);
      if (!equal(found, material)) {
        material = checked(files, found);
        handOut();
        onReload?.();
      }
      fault = undefined;
    } catch (error) {
      if (messageOf(error) !== fault) onError?.(error);
      fault = messageOf(error);
    }
  }

  /** Looks at the files as long as anybody listens. */
  function watch(): void {
    if (identityListeners.size + caListeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    } else timer ??= setInterval(look, refreshMs).unref();
  }

  return {
    addIdentityCertificateListener(listener) {
      identityListeners.add(listener);
      process.nextTick(handOut);
      watch();
    },
    removeIdentityCertificateListener(listener) {
      identityListeners.delete(listener);
      watch();
    },
    addCaCertificateListener(listener) {
      caListeners.add(listener);
      process.nextTick(handOut);
      watch();
    },
    removeCaCertificateListener(listener) {
      caListeners.delete(listener);
      watch();
    },
  };
}

function read({ cert, key, clientCa }: TlsFiles): Material {
  return {
    certificate: readFile(cert),
    privateKey: readFile(key),
    caCertificate: clientCa === undefined ? undefined : readFile(clientCa),
  };
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new DockhookError('usage', `cannot read the TLS file: ${messageOf(error)}`, { cause: error });
  }
}

function equal(a: Material, b: Material): boolean {
  return (
    a.certificate.equals(b.certificate) &&
    a.privateKey.equals(b.privateKey) &&
    (a.caCertificate === b.caCertificate ||
      (a.caCertificate !== undefined &&
        b.caCertificate !== undefined &&
        a.caCertificate.equals(b.caCertificate)))
  );
}

/** Node would only say so at a handshake, and then to nobody. */
function checked(files: TlsFiles, material: Material): Material {
  const certificate = parsed('certificate', files.cert, () => new X509Certificate(material.certificate));
  const key = parsed('private key', files.key, () => createPrivateKey(material.privateKey));
  if (!certificate.checkPrivateKey(key)) {
    throw new DockhookError(
      'usage',
      `the private key ${files.key} does not belong to the certificate ${files.cert}`,
    );
  }
  const { caCertificate } = material;
  if (caCertificate && files.clientCa !== undefined) {
    parsed('CA certificate', files.clientCa, () => certificatesIn(caCertificate));
  }
  // Reads the whole chain, as a handshake will.
  parsed('certificate chain', files.cert, () =>
    createSecureContext({ cert: material.certificate, key: material.privateKey, ca: caCertificate }),
  );
  return material;
}

function parsed<T>(what: string, path: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    // OpenSSL's own words name neither file nor remedy, and need not be shown beside a key.
    throw new DockhookError(
      'usage',
      `${path} is not a ${what} in PEM form (an encrypted key cannot be used)`,
    );
  }
}

/** All of a bundle; OpenSSL would take a broken one for its end, in silence. Throws if one is broken or there is none. */
export function certificatesIn(pem: Buffer): X509Certificate[] {
  const blocks = pem
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^]*?(?:-----END CERTIFICATE-----|$)/g);
  if (blocks === null) throw new Error('there is no certificate in it');
  return blocks.map((block) => new X509Certificate(block));
}
