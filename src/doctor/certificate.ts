/** What can be wrong with a server's certificate, wherever it was found. */
import type { X509Certificate } from 'node:crypto';
import type { Finding } from '../finding.js';

const DAY_MS = 24 * 3_600_000;
const SOON_DAYS = 30;

export interface Judged {
  /** What the codes of the findings begin with: `grpc`, `mqtt`. */
  port: string;
  /** A file or an address, for people. */
  where: string;
  /** Whether docks see it. */
  forDocks: boolean;
}

/** @param now in milliseconds */
export function checkCertificate(
  certificate: X509Certificate,
  { port, where, forDocks }: Judged,
  now = Date.now(),
): Finding[] {
  const findings = [...checkDates(certificate, { port, where }, now)];
  if (certificate.subjectAltName === undefined) {
    findings.push({
      level: 'error',
      code: `${port}_certificate_no_names`,
      what: `the certificate ${where} holds no subjectAltName`,
      why: 'clients that verify a name look there and nowhere else, and refuse it',
      fix: [
        'have it issued with each name and address that clients use, as deploy/tls/make-test-certificates.sh does',
      ],
    });
  }
  if (forDocks && !isIssuedByGoDaddy(certificate)) {
    const issuer = isSelfSigned(certificate) ? 'itself' : `"${oneLine(certificate.issuer)}"`;
    findings.push({
      level: 'warning',
      code: `${port}_certificate_issuer`,
      what: `the certificate ${where} was issued by ${issuer}`,
      why: 'docks verify the broker, and GoDaddy is the only issuer that DJI names as supported; 514302 on the dock is the sign of a certificate that it refuses',
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

/** Of any certificate, a CA's too. */
export function checkDates(
  certificate: X509Certificate,
  { port, where }: Omit<Judged, 'forDocks'>,
  now = Date.now(),
): Finding[] {
  const renew = { fix: ['renew it; dockhook and EMQX take renewed files without a restart'] };
  const begin = Date.parse(certificate.validFrom);
  const end = Date.parse(certificate.validTo);
  const why = 'clients that verify it refuse it, on both sides';
  if (now > end) {
    const what = `the certificate ${where} expired on ${dateOf(certificate.validTo)}`;
    return [{ level: 'error', code: `${port}_certificate_expired`, what, why, ...renew }];
  }
  if (now < begin) {
    const what = `the certificate ${where} is valid only from ${dateOf(certificate.validFrom)} on`;
    return [
      {
        level: 'error',
        code: `${port}_certificate_early`,
        what,
        why,
        fix: ['check the clock of this machine'],
      },
    ];
  }
  const days = Math.floor((end - now) / DAY_MS);
  if (days >= SOON_DAYS) return [];
  const what = `the certificate ${where} expires in ${days} days, on ${dateOf(certificate.validTo)}`;
  return [
    {
      level: 'warning',
      code: `${port}_certificate_expires_soon`,
      what,
      why: 'from then on nobody who verifies it comes in',
      ...renew,
    },
  ];
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
