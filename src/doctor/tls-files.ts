/** The TLS files of the ExHook port, and the certificate file of the broker. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import { certificatesIn, checkTlsFiles } from '../exhook/certificates.js';
import { checkCertificate, checkDates } from './certificate.js';
import { allOf, type Finding } from '../finding.js';

type Files = Pick<Config, 'grpcTlsCert' | 'grpcTlsKey' | 'grpcTlsClientCa'>;

/** Reads the files on this machine. Finds nothing if the port has no TLS. */
export async function checkGrpcTls({
  grpcTlsCert: cert,
  grpcTlsKey: key,
  grpcTlsClientCa: clientCa,
}: Files): Promise<Finding[]> {
  if (cert === undefined || key === undefined) return [];
  let read: Awaited<ReturnType<typeof checkTlsFiles>>;
  try {
    read = await checkTlsFiles({ cert, key, clientCa });
  } catch (error) {
    return [
      {
        level: 'error',
        code: 'grpc_tls_unusable',
        what: messageOf(error),
        why: 'dockhook serve does not start with these files; if it runs, it goes on with the files that it read before',
        fix: ['put the right files there: deploy/tls/README.md says which is which'],
      },
    ];
  }
  return [
    ...checkCertificate(new X509Certificate(read.certificate), {
      port: 'grpc',
      where: cert,
      forDocks: false,
    }),
    ...allOf(checkKeyFile(key)),
    ...(clientCa === undefined || read.caCertificate === undefined
      ? []
      : certificatesIn(read.caCertificate).map((ca) => checkClientCa(ca, clientCa))),
  ];
}

/** @param path certificate of the broker's TLS listener, its own first */
export function checkMqttCertificate(path: string): Finding[] {
  let certificates: X509Certificate[];
  try {
    certificates = certificatesIn(readFileSync(path));
  } catch (error) {
    return [
      {
        level: 'error',
        code: 'mqtt_certificate_unreadable',
        what: `${path} cannot be read as a certificate in PEM form: ${messageOf(error)}`,
        why: 'the broker cannot serve docks with it',
        fix: [
          'give the certificate file of the broker’s TLS listener: its own certificate first, then the intermediate ones',
        ],
      },
    ];
  }
  const [own] = certificates;
  return own ? checkCertificate(own, { port: 'mqtt', where: path, forDocks: true }) : [];
}

function checkKeyFile(path: string): Finding | undefined {
  if ((statSync(path).mode & 0o007) === 0) return undefined;
  return {
    level: 'warning',
    code: 'grpc_key_readable',
    what: `every user of this machine may read or change the private key ${path}`,
    why: 'whoever has it can answer the broker instead of dockhook, and let anybody in',
    fix: [`chmod o= ${path}`],
  };
}

function checkClientCa(ca: X509Certificate, path: string): Finding {
  if (!ca.ca) {
    return {
      level: 'error',
      code: 'grpc_client_ca_is_none',
      what: `${path} has a certificate that is not of a CA`,
      why: 'it cannot verify any certificate of the broker',
      fix: ['use the CA that signed the certificate of the broker, not that certificate itself'],
    };
  }
  if (isPublic(ca)) {
    return {
      level: 'error',
      code: 'grpc_client_ca_public',
      what: `${path} has a public CA`,
      why: 'everybody can get a certificate from it, and then read the license and bind any device',
      fix: ['use your own CA, which signs only your broker: deploy/tls/make-test-certificates.sh shows how'],
    };
  }
  return (
    checkDates(ca, { port: 'grpc_client_ca', where: path }) ?? {
      level: 'ok',
      code: 'grpc_client_ca',
      what: `only clients with a certificate of the CA ${path} may connect`,
    }
  );
}

function isPublic({ fingerprint256 }: X509Certificate): boolean {
  return rootCertificates.some((pem) => new X509Certificate(pem).fingerprint256 === fingerprint256);
}
