/** What can be wrong with the certificate of a server, from a file or from a connection. */
import type { X509Certificate } from 'node:crypto';
import { allOf, type Finding } from '../finding.js';

const DAY_MS = 24 * 3_600_000;
const SOON_DAYS = 30;

interface Judged {
  /** What the codes of the findings begin with: `grpc`, `mqtt`. */
  port: string;
  /** A file or an address, for people. */
  where: string;
  /** Whether docks get it. */
  forDocks: boolean;
}

/** @param now in milliseconds */
export function checkCertificate(
  certificate: X509Certificate,
  { port, where, forDocks }: Judged,
  now = Date.now(),
): Finding[] {
  const findings = allOf(checkDates(certificate, { port, where }, now));
  if (certificate.subjectAltName === undefined) {
    findings.push({
      level: 'error',
      code: `${port}_certificate_no_names`,
      what: `the certificate ${where} has no subjectAltName`,
      why: 'clients that verify the name of a server look only there, and refuse this certificate',
      fix: [
        'get one with every name and address that clients use, as deploy/tls/make-test-certificates.sh makes it',
      ],
    });
  }
  if (forDocks && !isIssuedByGoDaddy(certificate)) {
    const issuer = isSelfSigned(certificate) ? 'itself' : `"${oneLine(certificate.issuer)}"`;
    findings.push({
      level: 'warning',
      code: `${port}_certificate_issuer`,
      what: `the certificate ${where} was issued by ${issuer}`,
      why: 'docks verify the broker, and DJI names only GoDaddy as a supported issuer; a dock that refuses a certificate shows 514302',
      fix: ['try it with one dock on the bench, or use a certificate from GoDaddy'],
    });
  }
  if (findings.length > 0) return findings;
  const names = (certificate.subjectAltName ?? '').replace(/(DNS|IP Address):/g, '');
  const until = dateOf(certificate.validTo);
  return [
    {
      level: 'ok',
      code: `${port}_certificate`,
      what: `the certificate ${where} is valid until ${until}, for ${names}`,
    },
  ];
}

/** Also for the certificate of a CA. */
export function checkDates(
  certificate: X509Certificate,
  { port, where }: Omit<Judged, 'forDocks'>,
  now = Date.now(),
): Finding | undefined {
  const renew = {
    fix: ['renew it in place; a renewed file is read without a restart, by Mosquitto at a SIGHUP'],
  };
  const begin = Date.parse(certificate.validFrom);
  const end = Date.parse(certificate.validTo);
  const why = 'whoever verifies it refuses it';
  if (now > end) {
    const what = `the certificate ${where} expired on ${dateOf(certificate.validTo)}`;
    return { level: 'error', code: `${port}_certificate_expired`, what, why, ...renew };
  }
  if (now < begin) {
    const what = `the certificate ${where} is valid only from ${dateOf(certificate.validFrom)} on`;
    return {
      level: 'error',
      code: `${port}_certificate_early`,
      what,
      why,
      fix: ['check the clock of this machine'],
    };
  }
  const days = Math.floor((end - now) / DAY_MS);
  if (days >= SOON_DAYS) return undefined;
  const what = `the certificate ${where} expires in ${days} days, on ${dateOf(certificate.validTo)}`;
  return {
    level: 'warning',
    code: `${port}_certificate_expires_soon`,
    what,
    why: 'from then on, clients that verify it do not connect',
    ...renew,
  };
}

function isIssuedByGoDaddy({ issuer }: X509Certificate): boolean {
  return /go ?daddy/i.test(issuer);
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function dateOf(text: string): string {
  return new Date(text).toISOString().slice(0, 10);
}
