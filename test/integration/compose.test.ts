/** What deploy/compose/prepare.sh makes, used as compose.yaml and emqx.conf say: dockhook, its database, and EMQX's calls. */
import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serviceName } from '../../src/exhook/proto.js';
import { certificateDirectories } from '../support/certificates.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { fileInContainer, readCompose } from '../support/deployments.js';
import { connectGrpc, frame, Status } from '../support/grpc.js';
import { leaves, parseHocon } from '../support/hocon.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';

const deploy = (path: string): string => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url));
const { postgres, dockhook, emqx } = readCompose().services;

/** Runs `prepare.sh` with these arguments. */
function prepare(...args: string[]): { code: number | null; stderr: string } {
  const { status, stderr, error } = spawnSync(deploy('compose/prepare.sh'), args, { encoding: 'utf8' });
  if (error) throw error;
  return { code: status, stderr };
}

const filesIn = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(directory, path)).isFile(),
  );

describe('deploy/compose/prepare.sh', () => {
  const { empty } = certificateDirectories();
  let directory: string;
  before(() => {
    directory = empty();
    expect(prepare(directory, '--host', 'broker.example', '7CTDTEST00000A')).to.include({ code: 0 });
  });
  const content = (path: string): string => readFileSync(join(directory, path), 'utf8');
  const secrets = (): Record<string, string> =>
    Object.fromEntries(filesIn(join(directory, 'secrets')).map((name) => [name, content(`secrets/${name}`)]));

  it('is for its owner alone, but for what a container mounts', () => {
    for (const path of ['.', 'secrets', 'certificates', 'emqx', 'dockhook'])
      expect(statSync(join(directory, path)).mode & 0o777, path).to.equal(0o700);
    const inContainers = filesIn(directory).filter((path) => !path.startsWith('certificates/'));
    for (const path of inContainers)
      expect(statSync(join(directory, path)).mode & 0o777, path).to.equal(0o444);
  });

  it('closes a directory that was open to others', () => {
    const open = empty();
    execFileSync('chmod', ['755', open]);
    expect(prepare(open)).to.include({ code: 0 });
    expect(statSync(open).mode & 0o777).to.equal(0o700);
  });

  it('makes no two secrets the same, and none short', () => {
    const made = ['postgres-password', 'database-password', 'emqx-api-key', 'emqx-api-secret'];
    const values = [...made, 'emqx-dashboard-password', 'emqx-cookie'].map((name) => secrets()[name]?.trim());
    expect(new Set(values)).to.have.property('size', values.length);
    for (const value of values) expect(value).to.match(/^[0-9a-f]{48}$/);
  });

  it('gives no container the key of a CA', () => {
    const keys = filesIn(directory).filter(
      (path) => !path.startsWith('certificates/') && /^-----BEGIN .*PRIVATE KEY/m.test(content(path)),
    );
    expect(keys).to.have.members([
      'dockhook/certs/dockhook.key',
      'emqx/certs/emqx.key',
      'emqx/certs/broker.key',
    ]);
    const ofCas = ['grpc/ca.key', 'mqtt/ca.key'].map((path) => content(`certificates/${path}`));
    for (const key of keys) expect(ofCas).to.not.include(content(key));
  });

  it('makes every file that compose.yaml mounts, and nothing that it does not', () => {
    const mounted = [postgres, dockhook, emqx].flatMap((service) => [
      ...(service.secrets ?? []).map((name) => fileInContainer(service, `/run/secrets/${name}`, directory)),
      ...(service.volumes ?? [])
        .filter((volume) => volume.startsWith('./private/'))
        .map((volume) => fileInContainer(service, volume.split(':')[1] ?? '', directory)),
    ]);
    for (const path of mounted) expect(() => statSync(path), path).to.not.throw();
    const unused = filesIn(directory)
      .map((path) => join(directory, path))
      .filter((path) => !mounted.some((one) => path === one || path.startsWith(`${one}/`)))
      .map((path) => path.slice(directory.length + 1))
      .filter((path) => !path.startsWith('certificates/'));
    // Those two are in emqx.conf.
    expect(unused).to.have.members(['secrets/emqx-dashboard-password', 'secrets/emqx-cookie']);
  });

  it('configures EMQX as deploy/emqx does, with dockhook under the name it has here', () => {
    const found = leaves(parseHocon(content('emqx/emqx.conf')));
    const shipped = ['emqx/emqx-5.1-5.8.conf', 'emqx/exhook-tls.conf'].map((path) =>
      readFileSync(deploy(path), 'utf8'),
    );
    expect(found).to.deep.equal({
      ...leaves(parseHocon(shipped.join('\n'))),
      'exhook.servers.0.url': 'https://dockhook:9000',
      'exhook.servers.0.ssl.server_name_indication': 'dockhook',
      'node.name': emqx.environment?.['EMQX_NODE_NAME'],
      'node.cookie': secrets()['emqx-cookie']?.trim(),
      'node.data_dir': 'data',
      'dashboard.listeners.http.bind': 18083,
      'dashboard.default_password': secrets()['emqx-dashboard-password']?.trim(),
      'api_key.bootstrap_file': '/run/secrets/emqx-bootstrap-api-keys',
    });
    const files = Object.values(found).filter(
      (value) => typeof value === 'string' && /^\/(etc|run)\//.test(value),
    ) as string[];
    expect(files).to.have.length.greaterThan(6);
    for (const file of files)
      expect(() => statSync(fileInContainer(emqx, file, directory)), file).to.not.throw();
    expect(secrets()['emqx-bootstrap-api-keys']?.trim()).to.equal(
      `${secrets()['emqx-api-key']?.trim() ?? ''}:${secrets()['emqx-api-secret']?.trim() ?? ''}`,
    );
  });

  it('keeps secrets when run again, and composes the rest of what is there now', () => {
    const before = secrets();
    execFileSync('chmod', ['644', join(directory, 'secrets/database-password')]);
    writeFileSync(join(directory, 'secrets/database-password'), 'changed\n');
    expect(prepare(directory, '--host', 'broker.example', '7CTDTEST00000B')).to.include({ code: 0 });
    expect(secrets()).to.deep.equal({
      ...before,
      'database-password': 'changed\n',
      'database-url': 'postgres://dockhook:changed@postgres:5432/dockhook\n',
    });
  });

  it('stops where certificates cannot be made, and says how it is used', () => {
    expect(prepare(empty(), '../evil')).to.include({ code: 1 });
    for (const args of [[], ['--host', 'x'], [empty(), '--host']]) {
      const { code, stderr } = prepare(...args);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^usage: /);
    }
  });
});

describeWithOwnPostgres('deploy/compose', function () {
  // A server of its own is made for it.
  this.timeout(60_000);
  const { empty, make } = certificateDirectories();
  let directory: string;
  let server: TestPostgres;
  let environment: Record<string, string>;
  let serving: Running;
  let port: number;
  let url: string;

  before(async () => {
    directory = empty();
    expect(prepare(directory)).to.include({ code: 0 });
    server = await startPostgres();
    const passwordFile = fileInContainer(postgres, '/run/secrets/database-password', directory);
    const script = readFileSync(deploy('compose/create-database.sql'), 'utf8');
    execFileSync('psql', ['--quiet', '--dbname', server.url], {
      input: script.replace('/run/secrets/database-password', passwordFile),
    });
    // The same URL, but for where the server is.
    const urlFile = fileInContainer(dockhook, '/run/secrets/database-url', directory);
    url = readFileSync(urlFile, 'utf8').replace('@postgres:5432', `@${new URL(server.url).host}`);
    const elsewhere = join(empty(), 'database-url');
    writeFileSync(elsewhere, url);
    environment = Object.fromEntries(
      Object.entries(dockhook.environment ?? {}).map(([name, value]) => {
        if (name === 'DATABASE_URL_FILE') return [name, elsewhere];
        if (name.endsWith('_LISTEN')) return [name, '127.0.0.1:0'];
        return [name, value.startsWith('/') ? fileInContainer(dockhook, value, directory) : value];
      }),
    );
    serving = startCommand(['serve'], { environment });
    port = Number(String((await serving.event('ready'))['grpc']).split(':')[1]);
  });
  after(async () => {
    await serving.stop();
    await server.stop();
  });

  /** Calls as EMQX with the `ssl` settings of its emqx.conf would, or with some changed. */
  async function callAsEmqx(changes: Partial<Record<'certfile' | 'keyfile', string>> = {}): Promise<number> {
    const conf = leaves(parseHocon(readFileSync(join(directory, 'emqx/emqx.conf'), 'utf8')));
    const setting = (name: string): string => conf[`exhook.servers.0.ssl.${name}`] as string;
    const file = (name: 'cacertfile' | 'certfile' | 'keyfile'): Buffer =>
      readFileSync(
        (name === 'cacertfile' ? undefined : changes[name]) ??
          fileInContainer(emqx, setting(name), directory),
      );
    expect(setting('verify')).to.equal('verify_peer');
    const connection = connectGrpc(
      { host: '127.0.0.1', port },
      {
        ca: file('cacertfile'),
        cert: file('certfile'),
        key: file('keyfile'),
        servername: setting('server_name_indication'),
      },
    );
    try {
      const { status } = await connection.call(
        `/${serviceName('v2')}/OnProviderLoaded`,
        frame(Buffer.alloc(0)),
      );
      return status;
    } finally {
      connection.close();
    }
  }

  it('starts dockhook on the database that create-database.sql makes, for a role that is nobody special', async () => {
    const [role] = await server.query(
      `SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'dockhook'`,
    );
    expect(role).to.deep.equal({
      rolsuper: false,
      rolcreatedb: false,
      rolcreaterole: false,
      rolbypassrls: false,
    });
    const added = await run(['organization', 'add', 'north', '--name', 'North yard', '--json'], {
      environment: { DATABASE_URL: url },
    });
    expect(added).to.include({ code: 0 });
  });

  it('gives the role the password of the file', async () => {
    const [row] = await server.query(`SELECT rolpassword FROM pg_authid WHERE rolname = 'dockhook'`);
    const verifier = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(String(row?.['rolpassword']));
    const [, iterations, salt = '', stored] = verifier ?? [];
    // RFC 5802: StoredKey is the hash of the client key, and that is made of the salted password.
    const salted = pbkdf2Sync(
      new URL(url).password,
      Buffer.from(salt, 'base64'),
      Number(iterations),
      32,
      'sha256',
    );
    const clientKey = createHmac('sha256', salted).update('Client Key').digest();
    expect(createHash('sha256').update(clientKey).digest('base64')).to.equal(stored);
  });

  it('lets EMQX call dockhook with what its emqx.conf names', async () => {
    expect(await callAsEmqx()).to.equal(Status.OK);
  });

  it('lets nobody else call it', async () => {
    const stranger = make();
    for (const [certfile, keyfile] of [
      // EMQX's other certificate, which every dock sees.
      [join(directory, 'emqx/certs/broker.pem'), join(directory, 'emqx/certs/broker.key')],
      [join(stranger, 'grpc/emqx.pem'), join(stranger, 'grpc/emqx.key')],
    ] as const) {
      const outcome = await callAsEmqx({ certfile, keyfile }).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(Error);
    }
  });
});
