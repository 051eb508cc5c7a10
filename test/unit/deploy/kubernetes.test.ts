/** deploy/kubernetes, as far as it can be known without a cluster. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type { IEnvVar, IService } from 'kubernetes-models/v1';
import { isPinned, readManifests, VARIABLES, type Manifest } from '../../support/deployments.js';
import { leaves, parseHocon } from '../../support/hocon.js';
import { faultsOfManifests } from '../../support/manifest-types.js';

const read = (path: string): string =>
  readFileSync(new URL(`../../../deploy/${path}`, import.meta.url), 'utf8');
const manifests = readManifests('dockhook');
const ofKind = (kind: string): unknown => manifests.find((manifest) => manifest.kind === kind);
const deployment = ofKind('Deployment') as IDeployment;
const service = ofKind('Service') as IService;
const policy = ofKind('NetworkPolicy') as INetworkPolicy;
const budget = ofKind('PodDisruptionBudget') as IPodDisruptionBudget;
const pod = deployment.spec!.template;
const container = pod.spec!.containers[0]!;
const [emqx] = readManifests('emqx') as [
  Manifest & {
    spec: {
      image: string;
      config: { data: string };
      bootstrapAPIKeys: unknown;
      coreTemplate: {
        spec: { env: IEnvVar[]; extraVolumes: { secret: { secretName: string } }[] };
      };
    };
  },
];

/** By name: the keys of each Secret that README.md makes. */
const made = new Map(
  [...read('kubernetes/README.md').matchAll(/create secret generic (\S+)((?:\\\n|.)*)/g)].map(
    ([, name, rest = '']) => [name, [...rest.matchAll(/--from-file=([^=\s]+)=/g)].map(([, key]) => key)],
  ),
);

/** dockhook drains within this (docs/reliability.md, "A restart"); in seconds. */
const DRAIN_S = 10;

describe('deploy/kubernetes', function () {
  // The compiler reads thousands of declarations.
  this.timeout(60_000);

  it('holds what Kubernetes and the EMQX operator know, and nothing else', () => {
    expect(faultsOfManifests([...manifests, emqx])).to.deep.equal([]);
  });

  it('would not pass with a misspelt field', () => {
    const misspelt = { ...service, spec: { ...service.spec, selektor: {} } };
    expect(faultsOfManifests([misspelt]).join('\n')).to.match(/known properties.*selektor/);
  });

  it('names images by version', () => {
    for (const image of [container.image ?? '', emqx.spec.image])
      expect(isPinned(image), image).to.equal(true);
  });

  it('gives dockhook settings that exist, and no secret but by file', () => {
    const env = container.env ?? [];
    expect(VARIABLES).to.include.members(env.map(({ name }) => name));
    expect(env.map(({ name }) => name)).to.not.include('DATABASE_URL');
    const mounts = container.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
    const files = env.filter(({ name }) => /FILE$|TLS/.test(name)).map(({ value = '' }) => value);
    expect(files).to.have.length(6);
    for (const file of files) expect(mounts).to.include(file.slice(0, file.lastIndexOf('/')));
    expect(ofKind('Secret'), 'secrets are made by commands').to.equal(undefined);
  });

  it('agrees on the ports that dockhook is told to listen on', () => {
    const listen = (name: string) =>
      Number(container.env?.find((e) => e.name === name)?.value?.split(':')[1]);
    const ports = Object.fromEntries(
      (container.ports ?? []).map(({ name = '', containerPort }) => [name, containerPort]),
    );
    expect(ports).to.deep.equal({
      grpc: listen('DOCKHOOK_GRPC_LISTEN'),
      http: listen('DOCKHOOK_HTTP_LISTEN'),
    });
    for (const { port, targetPort, name } of service.spec?.ports ?? []) {
      expect(targetPort).to.equal(name);
      expect(port).to.equal(ports[name ?? '']);
    }
    const url = leaves(parseHocon(emqx.spec.config.data))['exhook.servers.0.url'];
    expect(url).to.equal(`https://${service.metadata?.name ?? ''}:${ports['grpc'] ?? ''}`);
  });

  it('asks /healthz whether to restart, and /readyz whether to send EMQX', () => {
    expect(container.livenessProbe?.httpGet).to.deep.equal({ path: '/healthz', port: 'http' });
    expect(container.readinessProbe?.httpGet).to.deep.equal({ path: '/readyz', port: 'http' });
  });

  it('waits until new connections go elsewhere, and then as long as dockhook drains', () => {
    const command = container.lifecycle?.preStop?.exec?.command ?? [];
    expect(command[0]).to.equal('sleep');
    expect(pod.spec?.terminationGracePeriodSeconds).to.be.at.least(Number(command[1]) + DRAIN_S);
  });

  it('keeps two replicas, and one whatever is drained', () => {
    expect(deployment.spec).to.deep.include({ replicas: 2 });
    expect(deployment.spec?.strategy?.rollingUpdate).to.deep.equal({ maxUnavailable: 0, maxSurge: 1 });
    expect(budget.spec?.minAvailable).to.equal(1);
  });

  it('selects its own pods everywhere', () => {
    const { labels } = pod.metadata!;
    for (const selector of [
      deployment.spec?.selector.matchLabels,
      service.spec?.selector,
      budget.spec?.selector?.matchLabels,
      policy.spec?.podSelector.matchLabels,
      pod.spec?.topologySpreadConstraints?.[0]?.labelSelector?.matchLabels,
    ])
      expect(selector).to.deep.equal(labels);
  });

  it('runs as the Dockerfile’s user, who may write nothing and become nobody else', () => {
    const user = Number(/^USER (\d+)$/m.exec(read('docker/Dockerfile'))?.[1]);
    expect(pod.spec?.securityContext).to.include({ runAsNonRoot: true, runAsUser: user, fsGroup: user });
    expect(container.securityContext).to.deep.equal({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.spec?.automountServiceAccountToken).to.equal(false);
  });

  it('lets EMQX alone reach the gRPC port', () => {
    const rules = policy.spec?.ingress?.filter(({ ports = [] }) => ports.some(({ port }) => port !== 'http'));
    expect(rules).to.deep.equal([
      {
        from: [
          {
            podSelector: {
              matchLabels: {
                'apps.emqx.io/managed-by': 'emqx-operator',
                'apps.emqx.io/instance': emqx['metadata'] && (emqx['metadata'] as { name: string }).name,
              },
            },
          },
        ],
        ports: [{ protocol: 'TCP', port: 'grpc' }],
      },
    ]);
  });

  describe('emqx.yaml', () => {
    const found = leaves(parseHocon(emqx.spec.config.data));
    const shipped = leaves(parseHocon(read('emqx/emqx-5.1-5.8.conf') + read('emqx/exhook-tls.conf')));

    it('says nothing that deploy/emqx does not say', () => {
      const ours = new Map(Object.entries(shipped));
      ours.set('exhook.servers.0.url', 'https://dockhook:9000');
      ours.set('exhook.servers.0.ssl.server_name_indication', 'dockhook');
      for (const [path, value] of Object.entries(found)) expect(value, path).to.deep.equal(ours.get(path));
    });

    it('leaves out nothing of what keeps EMQX closed', () => {
      const closing = Object.keys(shipped).filter((path) =>
        /^(exhook|authentication|authorization\.(sources|no_match)|retainer|mqtt|listeners)\b/.test(path),
      );
      expect(Object.keys(found)).to.include.members(closing);
    });

    it('does not keep the dashboard password that everybody knows', () => {
      const variable = emqx.spec.coreTemplate.spec.env.find(
        ({ name }) => name === 'EMQX_DASHBOARD__DEFAULT_PASSWORD',
      );
      const { name = '', key = '' } = variable?.valueFrom?.secretKeyRef ?? {};
      expect(made.get(name)).to.deep.equal([key]);
    });

    it('shares the API key with dockhook', () => {
      const secret = pod.spec?.volumes?.find(({ name }) => name === 'emqx-api')?.secret?.secretName;
      expect(emqx.spec.bootstrapAPIKeys).to.deep.equal([
        {
          secretRef: {
            key: { secretName: secret, secretKey: 'key' },
            secret: { secretName: secret, secretKey: 'secret' },
          },
        },
      ]);
    });
  });

  it('mounts Secrets that README.md makes, with the files that are used', () => {
    const keysAt = (secret: string | undefined, mount: string, text: string): void => {
      const files = [...text.matchAll(new RegExp(`${mount}/([\\w.-]+)`, 'g'))].map(([, file]) => file);
      expect(new Set(made.get(secret)), secret).to.deep.equal(new Set(files));
    };
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      const secret = pod.spec?.volumes?.find((volume) => volume.name === name)?.secret?.secretName;
      // The URL in a Secret names a file of it.
      keysAt(secret, mountPath, JSON.stringify(container.env) + read('kubernetes/README.md'));
    }
    const [volume] = emqx.spec.coreTemplate.spec.extraVolumes;
    keysAt(volume?.secret.secretName, '/etc/emqx/certs', emqx.spec.config.data);
  });
});
