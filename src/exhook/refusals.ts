/** Why a connection to the gRPC port ends before its first call, in words and with what to do. */
import type { TLSSocket } from 'node:tls';

/** Words of a log line and a metric; see {@link adviceOn} for what each means. */
export type RefusalReason =
  | 'silent'
  | 'hung_up'
  | 'handshake_timeout'
  | 'plain_text'
  | 'tls_on_plain_port'
  | 'not_http2'
  | 'no_http2'
  | 'old_tls'
  | 'no_certificate'
  | 'unknown_ca'
  | 'wrong_purpose'
  | 'expired'
  | 'not_yet_valid'
  | 'bad_certificate'
  | 'not_trusted'
  | 'tls_failed';

/** A connection that ended before its first call. */
export interface Refusal {
  reason: RefusalReason;
  peerHost: string;
  peerPort: number;
  /** What it means for who runs EMQX and dockhook, and what to do. */
  detail: string;
}

const ADVICE: Record<RefusalReason, string> = {
  silent: 'it connected and sent nothing, as load balancers do that look whether a port is open',
  hung_up:
    'it ended the TLS handshake: most likely it does not believe the certificate of dockhook. Check ssl.cacertfile ' +
    '(the CA of DOCKHOOK_GRPC_TLS_CERT) and ssl.server_name_indication (a name in that certificate) in EMQX',
  handshake_timeout: 'it began a TLS handshake and did not finish it',
  plain_text:
    'it speaks plain text, and this port TLS: in EMQX write https:// in the url of the ExHook server and set its ssl',
  tls_on_plain_port:
    'it speaks TLS, and this port plain text: set DOCKHOOK_GRPC_TLS_CERT, _KEY and _CLIENT_CA, or write http:// in ' +
    'the url of the ExHook server in EMQX',
  not_http2: 'it does not speak gRPC: some other client has the wrong port, or somebody looks what is here',
  no_http2:
    'it speaks TLS but not gRPC (it does not offer h2 in ALPN): some other client has the wrong port, or a proxy in ' +
    'between does not pass HTTP/2 on',
  old_tls: 'it speaks an old version of TLS; dockhook takes 1.2 and 1.3',
  no_certificate:
    'it shows no client certificate: give EMQX ssl.certfile and ssl.keyfile, signed by the CA in DOCKHOOK_GRPC_TLS_CLIENT_CA',
  unknown_ca:
    'its client certificate is not signed by the CA in DOCKHOOK_GRPC_TLS_CLIENT_CA: give EMQX one that is, or, if an ' +
    'intermediate CA signed it, append that CA to the file of ssl.certfile in EMQX',
  wrong_purpose:
    'its certificate may not be used by clients: give EMQX one with extendedKeyUsage clientAuth, not one for servers',
  expired:
    'its client certificate, or the CA that signed it, has expired: renew it; or the clock here is wrong',
  not_yet_valid: 'its client certificate is not valid yet: set the clock right, here or where it was made',
  bad_certificate: 'its client certificate cannot be used',
  not_trusted:
    'it does not accept the certificate of dockhook: check ssl.cacertfile (the CA of DOCKHOOK_GRPC_TLS_CERT) and ' +
    'ssl.server_name_indication (a name in that certificate) in EMQX, and that the certificate has not expired',
  tls_failed: 'the TLS handshake failed',
};

/** @param code OpenSSL's own name for it */
export function adviceOn(reason: RefusalReason, code?: string): string {
  return code === undefined ? ADVICE[reason] : `${ADVICE[reason]} (${code})`;
}

/** Node's names for what is wrong with a client's certificate (X509_V_ERR_… of OpenSSL). */
const CERTIFICATE_FAULTS: Readonly<Record<string, RefusalReason>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_ca',
  CERT_SIGNATURE_FAILURE: 'unknown_ca',
  INVALID_PURPOSE: 'wrong_purpose',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet_valid',
};

/** Node's names for how a handshake failed (SSL_R_… of OpenSSL). */
const HANDSHAKE_FAULTS: Readonly<Record<string, RefusalReason>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no_certificate',
  ERR_SSL_WRONG_VERSION_NUMBER: 'plain_text',
  ERR_SSL_HTTP_REQUEST: 'plain_text',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'plain_text',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'old_tls',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'no_http2',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'handshake_timeout',
};

/**
 * @param error as of `tlsClientError`
 * @param bytesRead what came from there, on the wire
 */
export function reasonOfTlsError(
  error: Error,
  { authorizationError }: TLSSocket,
  bytesRead: number,
): { reason: RefusalReason; code?: string } {
  // Its type says Error, and it is the code.
  const fault = authorizationError as unknown;
  if (typeof fault === 'string') {
    return { reason: CERTIFICATE_FAULTS[fault] ?? 'bad_certificate', code: fault };
  }
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ECONNRESET' || code === 'EPIPE') return { reason: bytesRead === 0 ? 'silent' : 'hung_up' };
  const known = HANDSHAKE_FAULTS[code];
  if (known) return { reason: known, code };
  // What the client itself says (RFC 8446, 6.2): bad_certificate, certificate_expired, unknown_ca and their like.
  if (/_ALERT_(BAD_CERT|UNSUPPORTED_CERT|CERT|UNKNOWN_CA)/.test(code)) {
    return { reason: 'not_trusted', code };
  }
  return { reason: 'tls_failed', ...(code === '' ? {} : { code }) };
}
