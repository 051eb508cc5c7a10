import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { expect } from 'chai';
import { readConfig, type Config } from '../../../src/config.js';
import { checkCertificate } from '../../../src/doctor/certificate.js';
import type { Finding } from '../../../src/finding.js';
import { checkGrpc, checkHttp } from '../../../src/doctor/ports.js';
import { checkSettings } from '../../../src/doctor/settings.js';
import { checkGrpcTls, checkMqttCertificate } from '../../../src/doctor/tls-files.js';
import { certificateDirectories, grpcSettings } from '../../support/certificates.js';
import { startDockhook } from '../../support/dockhook.js';
import { expectComplete, found, troubles } from '../../support/findings.js';
import { openFakeStores } from '../../support/fake-stores.js';

const DAY_MS = 24 * 3_600_000;

describe('doctor', () => {
  const { make, empty } = certificateDirectories();
  let directory: string;
  before(() => {
    directory = make('7CTDTEST00000A');
  });
  const file = (name: string): string => join(directory, name);

  const complete = (findings: Finding[]): Finding[] => {
    expectComplete(findings);
    return findings;
  };

  describe('on settings', () => {
    const check = (environment: Record<string, string>): Finding[] =>
      complete(checkSettings(readConfig(environment), []));

    it('is content with the defaults', () => {
      expect(troubles(check({}))).to.deep.equal([]);
    });

    it('warns of what is allowed and risky', () => {
      const risky = {
        DOCKHOOK_GRPC_LISTEN: '0.0.0.0:9000',
        DOCKHOOK_GRPC_INSECURE: 'yes',
        DOCKHOOK_UNKNOWN_ACCOUNTS: 'ignore',
        DOCKHOOK_TIMELINE: 'off',
      };
      expect(troubles(check(risky))).to.deep.equal([
        'warning grpc_insecure',
        'warning unknown_accounts_ignored',
        'warning timeline_off',
      ]);
    });
  });

  describe('on a certificate', () => {
    const GODADDY = '/C=US/O=GoDaddy.com, Inc./CN=Go Daddy Secure Certificate Authority - G2';
    /** A self-signed certificate: its subject is its issuer. */
    const issued = (subject: string, ...more: string[]): X509Certificate => {
      const [key, cert] = [join(empty(), 'key'), join(empty(), 'cert')];
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      execFileSync(
        'openssl',
        ['req', '-x509', ...curve, '-subj', subject, '-days', '90', '-keyout', key, '-out', cert, ...more],
        { stdio: 'pipe' },
      );
      return new X509Certificate(readFileSync(cert));
    };
    const names = ['-addext', 'subjectAltName=DNS:broker.example,IP:192.0.2.1'];
    const check = (certificate: X509Certificate, days = 0, forDocks = true): Finding[] =>
      complete(
        checkCertificate(
          certificate,
          { port: 'mqtt', where: 'broker.pem', forDocks },
          Date.now() + days * DAY_MS,
        ),
      );

    it('is content with one from GoDaddy, and says until when and for whom it is', () => {
      const findings = check(issued(GODADDY, ...names));
      expect(troubles(findings)).to.deep.equal([]);
      expect(findings[0]?.what).to.match(/valid until \d{4}-\d\d-\d\d, for broker\.example, 192\.0\.2\.1$/);
    });

    it('warns docks of any other issuer, and nobody else', () => {
      const certificate = issued('/CN=broker', ...names);
      expect(troubles(check(certificate))).to.deep.equal(['warning mqtt_certificate_issuer']);
      expect(check(certificate)[0]?.what).to.include('issued by itself');
      expect(troubles(check(certificate, 0, false))).to.deep.equal([]);
    });

    it('misses its names', () => {
      expect(troubles(check(issued(GODADDY)))).to.deep.equal(['error mqtt_certificate_no_names']);
    });

    it('judges its dates: 30 days are enough, 29 are a warning, none is an error', () => {
      const certificate = issued(GODADDY, ...names);
      expect(troubles(check(certificate, 59))).to.deep.equal([]);
      expect(troubles(check(certificate, 60.5))).to.deep.equal(['warning mqtt_certificate_expires_soon']);
      expect(check(certificate, 60.5)[0]?.what).to.include('in 29 days');
      expect(troubles(check(certificate, 91))).to.deep.equal(['error mqtt_certificate_expired']);
      expect(troubles(check(certificate, -2))).to.deep.equal(['error mqtt_certificate_early']);
    });
  });

  describe('on TLS files', () => {
    const files = (change: Partial<Config> = {}) => ({
      grpcTlsCert: file('grpc/dockhook.pem'),
      grpcTlsKey: file('grpc/dockhook.key'),
      grpcTlsClientCa: file('grpc/ca.pem'),
      ...change,
    });
    const check = async (change: Partial<Config> = {}): Promise<string[]> =>
      troubles(complete(await checkGrpcTls(files(change))));

    it('is content with those that deploy/tls makes', async () => {
      expect(await check()).to.deep.equal([]);
    });

    it('has nothing to say where TLS is off', async () => {
      expect(await checkGrpcTls(readConfig({}))).to.deep.equal([]);
    });

    it('names what cannot be used', async () => {
      expect(await check({ grpcTlsKey: file('grpc/emqx.key') })).to.deep.equal(['error grpc_tls_unusable']);
      expect(await check({ grpcTlsCert: file('grpc/none.pem') })).to.deep.equal(['error grpc_tls_unusable']);
    });

    it('warns of a key that everybody may read', async () => {
      const key = join(empty(), 'open.key');
      copyFileSync(file('grpc/dockhook.key'), key);
      chmodSync(key, 0o644);
      expect(await check({ grpcTlsKey: key })).to.deep.equal(['warning grpc_key_readable']);
      chmodSync(key, 0o640);
      expect(await check({ grpcTlsKey: key })).to.deep.equal([]);
    });

    it('refuses a client CA that is none, and one that signs for everybody', async () => {
      expect(await check({ grpcTlsClientCa: file('grpc/emqx.pem') })).to.deep.equal([
        'error grpc_client_ca_is_none',
      ]);
      const publicCa = join(empty(), 'ca.pem');
      writeFileSync(publicCa, rootCertificates[0]!);
      expect(await check({ grpcTlsClientCa: publicCa })).to.deep.equal(['error grpc_client_ca_public']);
    });

    it('looks at the certificate that docks see', () => {
      expect(troubles(checkMqttCertificate(file('mqtt/broker.pem')))).to.deep.equal([
        'warning mqtt_certificate_issuer',
      ]);
      for (const path of [file('mqtt/broker.key'), file('none.pem')]) {
        expect(troubles(complete(checkMqttCertificate(path)))).to.deep.equal([
          'error mqtt_certificate_unreadable',
        ]);
      }
    });
  });

  describe('on the ports of a server', () => {
    const configOf = (dockhook: { grpc: string; http: string }, tls: Record<string, string> = {}): Config =>
      readConfig({ DOCKHOOK_GRPC_LISTEN: dockhook.grpc, DOCKHOOK_HTTP_LISTEN: dockhook.http, ...tls });

    it('finds it serving', async () => {
      const dockhook = await startDockhook();
      await dockhook.ready;
      const config = configOf(dockhook);
      const findings = complete([...(await checkGrpc(config)), await checkHttp(config.httpListen)]);
      expect(findings.map(({ code }) => code)).to.deep.equal(['grpc', 'http']);
      await dockhook.stop();
      expect(troubles(complete(await checkGrpc(config)))).to.deep.equal(['error grpc_unreachable']);
      expect(troubles(complete([await checkHttp(config.httpListen)]))).to.deep.equal([
        'error http_unreachable',
      ]);
    });

    it('asks a server on all addresses on its own machine', async () => {
      const listens = { DOCKHOOK_GRPC_LISTEN: '0.0.0.0:0', DOCKHOOK_GRPC_INSECURE: 'yes' };
      const dockhook = await startDockhook({ environment: listens });
      await dockhook.ready;
      const config = configOf(dockhook, { DOCKHOOK_GRPC_INSECURE: 'yes' });
      const findings = await checkGrpc(config);
      await dockhook.stop();
      expect(found(findings, 'grpc').what).to.include('127.0.0.1');
    });

    it('says that a server which has not reached its store does not serve', async () => {
      const stores = { ...openFakeStores(), ping: () => Promise.reject(new Error('away')) };
      const dockhook = await startDockhook({ stores });
      const config = configOf(dockhook);
      const findings = complete([...(await checkGrpc(config)), await checkHttp(config.httpListen)]);
      await dockhook.stop();
      expect(troubles(findings)).to.deep.equal(['error grpc_not_serving', 'error server_not_ready']);
    });

    it('knows another program when it sees one', async () => {
      const other = createHttpServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
      await new Promise((resolve) => other.once('listening', resolve));
      const { port } = other.address() as AddressInfo;
      const http = await checkHttp({ host: '127.0.0.1', port });
      other.closeAllConnections();
      other.close();
      expect(troubles(complete([http]))).to.deep.equal(['error http_not_dockhook']);
    });

    it('sees that a client without certificate is refused, and which certificate is shown', async () => {
      const tls = grpcSettings(directory);
      const dockhook = await startDockhook({ environment: tls });
      const findings = complete(await checkGrpc(configOf(dockhook, tls)));
      const other = complete(
        await checkGrpc(
          configOf(dockhook, {
            ...tls,
            DOCKHOOK_GRPC_TLS_CERT: file('grpc/emqx.pem'),
            DOCKHOOK_GRPC_TLS_KEY: file('grpc/emqx.key'),
          }),
        ),
      );
      await dockhook.stop();
      expect(findings.map(({ code }) => code)).to.deep.equal(['grpc_certificate_served', 'grpc_mutual_tls']);
      expect(troubles(other)).to.deep.equal(['warning grpc_certificate_other']);
    });

    it('sees that a server takes clients without certificate although the settings name a client CA', async () => {
      const { DOCKHOOK_GRPC_TLS_CLIENT_CA: _ca, ...without } = grpcSettings(directory);
      const dockhook = await startDockhook({ environment: without });
      await dockhook.ready;
      const asSet = complete(await checkGrpc(configOf(dockhook, without)));
      const asTold = complete(await checkGrpc(configOf(dockhook, grpcSettings(directory))));
      await dockhook.stop();
      expect(asSet.map(({ code }) => code)).to.deep.equal(['grpc_certificate_served', 'grpc']);
      expect(troubles(asTold)).to.deep.equal(['error grpc_mutual_tls_off']);
    });

    it('says so if the settings speak of TLS and the server does not', async () => {
      const dockhook = await startDockhook();
      const findings = complete(await checkGrpc(configOf(dockhook, grpcSettings(directory))));
      await dockhook.stop();
      expect(troubles(findings)).to.deep.equal(['error grpc_unreachable']);
    });

    it('cannot ask a port that only the server knows', async () => {
      const config = readConfig({ DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' });
      const findings = [...(await checkGrpc(config)), await checkHttp(config.httpListen)];
      expect(troubles(findings)).to.deep.equal(['warning not_checked', 'warning not_checked']);
    });
  });
});
