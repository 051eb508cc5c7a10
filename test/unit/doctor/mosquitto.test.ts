/** What `doctor` finds in a configuration of Mosquitto. */
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkMosquitto, type MosquittoFacts } from '../../../src/doctor/mosquitto/mosquitto.js';
import { OPTIONS } from '../../../src/doctor/mosquitto/plugin-options.js';
import { certificateDirectories, renewPair } from '../../support/certificates.js';
import { expectComplete, found, troubles } from '../../support/findings.js';

const SHIPPED = new URL('../../../deploy/mosquitto/', import.meta.url);
const shipped = (name: string): string => readFileSync(new URL(name, SHIPPED), 'utf8');

const FACTS: MosquittoFacts = {
  grpcListen: { host: '127.0.0.1', port: 9000 },
  grpcTlsCert: undefined,
  grpcTlsClientCa: undefined,
  unknownAccounts: 'deny',
  accounts: [],
  docks: 1,
};
const TLS: Partial<MosquittoFacts> = { grpcTlsCert: 'cert.pem', grpcTlsClientCa: 'ca.pem' };

describe('the configuration of Mosquitto', () => {
  const { make } = certificateDirectories();
  let directory: string;
  let plugin: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-mosquitto-conf-'));
    plugin = join(directory, 'mosquitto_dockhook.so');
    writeFileSync(plugin, '');
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  const check = (lines: string[], facts: Partial<MosquittoFacts> = {}) => {
    const path = join(directory, 'mosquitto.conf');
    writeFileSync(path, lines.join('\n'));
    const findings = checkMosquitto(path, { ...FACTS, ...facts });
    expectComplete(findings);
    return findings;
  };
  /** Nothing is wrong with these. */
  const sound = (...options: string[]): string[] => [
    'per_listener_settings false',
    'allow_anonymous false',
    'set_tcp_nodelay true',
    'listener 1883 127.0.0.1',
    `plugin ${plugin}`,
    ...(options.length > 0 ? options : ['plugin_opt_url http://127.0.0.1:9000']),
  ];

  it('is fine as it is shipped, with the fragments in a folder of their own', () => {
    const included = join(directory, 'conf.d');
    mkdirSync(included);
    for (const name of [
      'dockhook.conf',
      'listener-server-certificate.conf',
      'listener-client-certificates.conf',
    ]) {
      writeFileSync(join(included, name), shipped(name).replace(/^plugin \S+$/m, `plugin ${plugin}`));
    }
    writeFileSync(join(included, 'README'), 'allow_anonymous true');
    const findings = check(['# include_dir /absent', 'persistence true', `include_dir ${included}`]);
    expect(troubles(findings)).to.deep.equal([]);
    expect(found(findings, 'mosquitto').what).to.include('8883').and.to.include('8884');
    writeFileSync(join(included, 'listener-tcp.conf'), shipped('listener-tcp.conf'));
    expect(troubles(check([`include_dir ${included}`]))).to.deep.equal(['warning mosquitto_listener_plain']);
    writeFileSync(join(included, 'zz.conf'), 'allow_anonymous true');
    const finding = found(check([`include_dir ${included}`]), 'mosquitto_anonymous');
    expect(finding.what).to.equal(`${join(included, 'zz.conf')}:1: allow_anonymous true`);
  });

  it('that Debian ships has neither plugin nor listener', () => {
    expect(troubles(check(['persistence true', 'log_dest syslog']))).to.deep.equal([
      ...['error mosquitto_no_plugin', 'error mosquitto_no_listener', 'warning mosquitto_delay'],
    ]);
  });

  it('that cannot be read is an error, and so is a folder that cannot', () => {
    expect(checkMosquitto(join(directory, 'absent.conf'), FACTS).map(({ code }) => code)).to.deep.equal([
      'mosquitto_unreadable',
    ]);
    expect(troubles(check(['include_dir /absent/conf.d']))).to.deep.equal(['error mosquitto_unreadable']);
  });

  const lines: [line: string, trouble: string][] = [
    ['allow_anonymous true', 'error mosquitto_anonymous'],
    ['mount_point fleet/', 'error mosquitto_mount_point'],
    ['use_identity_as_username true', 'error mosquitto_certificate_is_login'],
    ['use_subject_as_username true', 'error mosquitto_certificate_is_login'],
    ['use_username_as_clientid true', 'error mosquitto_username_is_client_id'],
    ['clientid_prefixes dji-', 'warning mosquitto_client_id_prefixes'],
    ['max_queued_messages 0', 'error mosquitto_max_queued_messages'],
    ['message_size_limit 1024', 'error mosquitto_packet_too_large'],
    ['max_packet_size 20000', 'error mosquitto_packet_too_large'],
    ['max_qos 0', 'error mosquitto_max_qos'],
    ['password_file /etc/mosquitto/passwd', 'warning mosquitto_local_accounts'],
    ['acl_file /etc/mosquitto/acl', 'warning mosquitto_local_accounts'],
    ['connection to-the-cloud', 'warning mosquitto_bridge'],
    ['set_tcp_nodelay false', 'warning mosquitto_delay'],
  ];
  for (const [line, trouble] of lines) {
    it(`with ${line} is told`, () => {
      expect(troubles(check([...sound(), line]))).to.deep.equal([trouble]);
    });
  }

  it('with room for fewer clients than there are docks is told', () => {
    const codes = (line: string) => troubles(check([...sound(), line], { docks: 100 }));
    expect(codes('max_connections 99')).to.deep.equal(['warning mosquitto_max_connections']);
    expect(codes('global_max_connections 99')).to.deep.equal(['warning mosquitto_max_connections']);
    expect(codes('max_connections 100')).to.deep.equal([]);
  });

  it('says nothing of harmless values of the same settings, nor of comments', () => {
    const harmless = [
      'max_queued_messages 1000',
      'message_size_limit 0',
      'max_packet_size 2000000',
      'max_qos 2',
    ];
    const more = [
      'max_connections -1',
      'use_identity_as_username false',
      '#mount_point fleet/',
      'global_max_connections 10',
    ];
    expect(troubles(check([...sound(), ...harmless, ...more]))).to.deep.equal([]);
    const local = ['password_file /etc/mosquitto/passwd'];
    expect(troubles(check([...sound(), ...local], { unknownAccounts: 'ignore' }))).to.deep.equal([]);
  });

  const options: [string, string[]][] = [
    ['no url', ['plugin_opt_node n']],
    ['a url that is none', ['plugin_opt_url dockhook:9000']],
    ['an unknown option', ['plugin_opt_url http://127.0.0.1:9000', 'plugin_opt_uri x']],
    [
      'an option that stands there twice',
      ['plugin_opt_url http://127.0.0.1:9000', 'plugin_opt_url http://127.0.0.1:9000'],
    ],
    ['a number out of its limits', ['plugin_opt_url http://127.0.0.1:9000', 'plugin_opt_auth_wait_ms 251']],
    ['a number that is none', ['plugin_opt_url http://127.0.0.1:9000', 'plugin_opt_acl_seconds 1m']],
    ['TLS files without TLS', ['plugin_opt_url http://127.0.0.1:9000', 'plugin_opt_tls_ca /dev/null']],
  ];
  for (const [title, given] of options) {
    it(`with ${title} does not let Mosquitto start`, () => {
      expect(troubles(check(sound(...given)))).to.deep.equal(['error mosquitto_plugin_option']);
    });
  }

  it('knows the options of the plugin, and their limits, as its README has them', () => {
    const table = [...shipped('README.md').matchAll(/^\| (`\w+`(?:, `\w+`)*) \|[^|]*\| (.*) \|$/gm)];
    const documented = new Map(
      table.flatMap(([, names = '', meaning = '']) =>
        [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [
          name,
          /; (\d+) to (\d+)/.exec(meaning)?.slice(1).map(Number),
        ]),
      ),
    );
    expect(Object.fromEntries(documented)).to.deep.equal(OPTIONS);
  });

  it('must have the plugin connect as the port of dockhook wants it', () => {
    const plain = sound('plugin_opt_url http://dockhook.example:9000');
    expect(troubles(check(plain, TLS))).to.deep.equal(['error mosquitto_plugin_tls']);
    const tls = 'plugin_opt_url https://dockhook.example:9000';
    expect(troubles(check(sound(tls)))).to.deep.equal(['error mosquitto_plugin_tls']);
    expect(troubles(check(sound(tls), TLS))).to.deep.equal(['error mosquitto_plugin_tls']);
    const files = ['plugin_opt_tls_cert /dev/null', 'plugin_opt_tls_key /dev/null'];
    expect(troubles(check(sound(tls, ...files), TLS))).to.deep.equal([]);
    expect(troubles(check(sound('plugin_opt_url http://[::1]:9001')))).to.deep.equal([
      'warning mosquitto_plugin_url',
    ]);
  });

  it('has the plugin show a certificate that has expired, or soon will', () => {
    const certificates = make();
    const pair = join(certificates, 'grpc/emqx');
    const tls = sound(
      'plugin_opt_url https://dockhook.example:9000',
      `plugin_opt_tls_cert ${pair}.pem`,
      `plugin_opt_tls_key ${pair}.key`,
    );
    expect(troubles(check(tls, TLS))).to.deep.equal([]);
    renewPair(pair, certificates, 'emqx', -1);
    expect(troubles(check(tls, TLS))).to.deep.equal(['error mosquitto_plugin_certificate_expired']);
    renewPair(pair, certificates, 'emqx', 3);
    expect(troubles(check(tls, TLS))).to.deep.equal(['warning mosquitto_plugin_certificate_expires_soon']);
  });

  it('may have the plugin in a file that is not on this machine', () => {
    const away = sound().map((line) => line.replace(plugin, '/absent/mosquitto_dockhook.so'));
    expect(troubles(check(away))).to.deep.equal(['error mosquitto_plugin_absent']);
  });

  it('has another plugin before that of dockhook, or behind it', () => {
    const other = 'plugin /usr/lib/mosquitto_dynamic_security.so';
    expect(troubles(check([other, 'plugin_opt_config_file /x.json', ...sound()]))).to.deep.equal([
      'warning mosquitto_plugin_before',
    ]);
    expect(troubles(check([...sound(), other, 'plugin_opt_config_file /x.json']))).to.deep.equal([]);
  });

  it('has a listener without the plugin where each listener has its own', () => {
    const own = [`plugin ${plugin}`, 'plugin_opt_url http://127.0.0.1:9000'];
    const start = ['per_listener_settings true', 'set_tcp_nodelay true', 'listener 1883 127.0.0.1', ...own];
    const findings = check([...start, 'listener 1884 127.0.0.1']);
    expect(troubles(findings)).to.deep.equal([
      ...['error mosquitto_listener_unprotected', 'warning mosquitto_per_listener_settings'],
    ]);
    expect(found(findings, 'mosquitto_listener_unprotected').what).to.include('listener 1884');
    expect(troubles(check([...start, 'listener 1884 127.0.0.1', ...own]))).to.deep.equal([
      'warning mosquitto_per_listener_settings',
    ]);
    const named = [`plugin_load d ${plugin}`, own[1]!, ...start.slice(0, 3), 'plugin_use d'];
    expect(troubles(check(named))).to.deep.equal(['warning mosquitto_per_listener_settings']);
  });

  it('tells dockhook no certificate that an account demands', () => {
    const account = {
      name: 'dock-1',
      passwordHash: '',
      scope: { kind: 'any-gateway' as const },
      certificateCn: 'x',
    };
    const findings = check(sound(), { accounts: [account] });
    expect(troubles(findings)).to.deep.equal(['error mosquitto_certificates_unseen']);
    expect(troubles(check([...sound(), 'require_certificate true'], { accounts: [account] }))).to.deep.equal(
      [],
    );
  });
});
