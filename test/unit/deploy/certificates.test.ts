/** deploy/tls/make-test-certificates.sh */
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { certificateDirectories, runCertificateScript } from '../../support/certificates.js';

const SN = '7CTDTEST00000A';
const [SERVER_AUTH, CLIENT_AUTH] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

/** Path below the directory → content, of every file. */
function contents(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => statSync(join(directory, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(directory, path), 'utf8')]));
}

describe('make-test-certificates.sh', () => {
  const { empty, make } = certificateDirectories();
  let directory: string;
  const certificate = (name: string): X509Certificate =>
    new X509Certificate(readFileSync(join(directory, `${name}.pem`)));
  beforeEach(() => {
    directory = make('--host', 'broker.example', '--host', '10.0.0.5', SN);
  });

  it('makes a pair for each part, and leaves nothing else behind', () => {
    const names = ['grpc/ca', 'grpc/dockhook', 'grpc/emqx', 'mqtt/ca', 'mqtt/broker', `mqtt/dock-${SN}`];
    expect(Object.keys(contents(directory))).to.have.members(
      names.flatMap((name) => [`${name}.pem`, `${name}.key`]),
    );
    expect(readdirSync(directory)).to.have.members(['grpc', 'mqtt']);
  });

  it('gives keys to their owner alone', () => {
    const keys = Object.keys(contents(directory)).filter((path) => path.endsWith('.key'));
    for (const key of keys) expect(statSync(join(directory, key)).mode & 0o777, key).to.equal(0o600);
  });

  it('signs what opens the gRPC port with one CA, and docks with another', () => {
    const [grpc, mqtt] = [certificate('grpc/ca'), certificate('mqtt/ca')];
    for (const [name, ca, other] of [
      ['grpc/dockhook', grpc, mqtt],
      ['grpc/emqx', grpc, mqtt],
      ['mqtt/broker', mqtt, grpc],
      [`mqtt/dock-${SN}`, mqtt, grpc],
    ] as const) {
      expect(certificate(name).verify(ca.publicKey), name).to.equal(true);
      expect(certificate(name).verify(other.publicKey), name).to.equal(false);
      expect(certificate(name).ca, name).to.equal(false);
    }
  });

  it('makes servers for localhost and the hosts given, and clients that are no servers', () => {
    for (const server of ['grpc/dockhook', 'mqtt/broker']) {
      for (const host of ['localhost', 'broker.example'])
        expect(certificate(server).checkHost(host)).to.equal(host);
      for (const address of ['127.0.0.1', '10.0.0.5'])
        expect(certificate(server).checkIP(address)).to.equal(address);
      expect(certificate(server).keyUsage).to.deep.equal([SERVER_AUTH]);
    }
    for (const client of ['grpc/emqx', `mqtt/dock-${SN}`]) {
      expect(certificate(client).keyUsage).to.deep.equal([CLIENT_AUTH]);
    }
  });

  it('names a dock by its SN alone', () => {
    expect(certificate(`mqtt/dock-${SN}`).subject).to.equal(`CN=${SN}`);
  });

  it('adds docks when run again, and leaves what exists as it is', () => {
    const before = contents(directory);
    expect(runCertificateScript(directory, SN, '7CTDTEST00000B').code).to.equal(0);
    const {
      'mqtt/dock-7CTDTEST00000B.pem': pem,
      'mqtt/dock-7CTDTEST00000B.key': key,
      ...rest
    } = contents(directory);
    expect(rest).to.deep.equal(before);
    expect([pem, key]).to.not.include(undefined);
  });

  it('refuses to make the other half of a pair', () => {
    rmSync(join(directory, 'grpc/emqx.key'));
    const before = contents(directory);
    const { code, stderr } = runCertificateScript(directory);
    expect(code).to.equal(1);
    expect(stderr).to.include('grpc/emqx has only one of .pem and .key');
    expect(contents(directory)).to.deep.equal(before);
  });

  it('refuses to keep a certificate that its CA has not signed', () => {
    for (const half of ['pem', 'key']) rmSync(join(directory, `grpc/ca.${half}`));
    const { code, stderr } = runCertificateScript(directory);
    expect(code).to.equal(1);
    expect(stderr).to.include('grpc/dockhook.pem has expired or is not signed by');
  });

  for (const host of ['dockhook', '10.0.0.6']) {
    it(`refuses to keep a server's certificate that is not for a host asked for now: ${host}`, () => {
      const before = contents(directory);
      const { code, stderr } = runCertificateScript(directory, '--host', 'broker.example', '--host', host);
      expect(code).to.equal(1);
      expect(stderr).to.include(`grpc/dockhook.pem is not for ${host}: remove it`);
      expect(contents(directory)).to.deep.equal(before);
    });
  }

  it('keeps certificates that are for every host asked for now', () => {
    const before = contents(directory);
    const { code } = runCertificateScript(directory, '--host', '10.0.0.5', '--host', 'broker.example');
    expect(code).to.equal(0);
    expect(contents(directory)).to.deep.equal(before);
  });

  for (const bad of ['../evil', 'A/CN=B', 'A B', 'Ａ', '']) {
    it(`refuses the serial number ${JSON.stringify(bad)}, and makes nothing`, () => {
      const target = empty();
      const { code, stderr } = runCertificateScript(target, bad);
      expect(code).to.equal(1);
      expect(stderr).to.include('is not a serial number');
      expect(contents(target)).to.deep.equal({});
    });
  }

  it('says how it is used if not told where to write', () => {
    for (const args of [[], ['--host'], [empty(), '--host']]) {
      const { code, stderr } = runCertificateScript(...args);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^usage: make-test-certificates\.sh DIR/);
    }
  });
});
