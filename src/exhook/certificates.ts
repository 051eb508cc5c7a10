/**
 * TLS of the gRPC port, from files that may be renewed while the server runs. A renewal may be caught halfway: what
 * was good stays in force until the whole set is good again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { DockhookError, messageOf } from '../errors.js';

/** Paths of PEM files. */
interface TlsFiles {
  /** The chain, the server's own certificate first. */
  cert: string;
  key: string;
  /** If given, a client must show a certificate that this CA has signed. */
  clientCa?: string | undefined;
}

/** The files are read again while the server runs, so a renewed certificate needs no restart. */
export interface TlsSettings {
  files: TlsFiles;
  /** How often the files are looked at, in milliseconds; 10 s unless given. */
  refreshMs?: number | undefined;
  /** Told when a renewed set of files came into force. */
  onReload?: () => void;
  /** Told, once per change, why changed files were not taken. */
  onError?: (error: unknown) => void;
}

interface Material {
  certificate: Buffer;
  privateKey: Buffer;
  caCertificate: Buffer | undefined;
}

/**
 * Reads the files as the server would.
 * @throws DockhookError `usage` if they cannot be used
 */
export async function checkTlsFiles(
  files: TlsFiles,
): Promise<{ certificate: Buffer; caCertificate: Buffer | undefined }> {
  return checked(files, await read(files));
}

/**
 * Hands out what the files hold, now and whenever they change, until it is stopped.
 * @throws DockhookError `usage` if the files cannot be used to begin with
 */
export async function followTlsFiles(
  { files, refreshMs = 10_000, onReload, onError }: TlsSettings,
  handOut: (context: SecureContextOptions) => void,
): Promise<{ stop(): void }> {
  let material = checked(files, await read(files));
  handOut(contextOf(material));
  /** What was told last, so that bad files are told of once and not at every look. */
  let fault: string | undefined;
  let isLooking = false;

  async function look(): Promise<void> {
    // A disk that does not answer holds up one look, and one thread, not one more each time.
    if (isLooking) return;
    isLooking = true;
    try {
      const found = await read(files);
      if (!equal(found, material)) {
        material = checked(files, found);
        handOut(contextOf(material));
        onReload?.();
      }
      fault = undefined;
    } catch (error) {
      if (messageOf(error) !== fault) onError?.(error);
      fault = messageOf(error);
    } finally {
      isLooking = false;
    }
  }

  const timer = setInterval(() => void look(), refreshMs).unref();
  return {
    stop() {
      clearInterval(timer);
    },
  };
}

function contextOf({ certificate, privateKey, caCertificate }: Material): SecureContextOptions {
  return { cert: certificate, key: privateKey, ca: caCertificate };
}

async function read({ cert, key, clientCa }: TlsFiles): Promise<Material> {
  // One after the other: a disk that does not answer takes one of Node's threads, and the others work on.
  return {
    certificate: await readTlsFile(cert),
    privateKey: await readTlsFile(key),
    caCertificate: clientCa === undefined ? undefined : await readTlsFile(clientCa),
  };
}

async function readTlsFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
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
  parsed('certificate chain', files.cert, () => createSecureContext(contextOf(material)));
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
