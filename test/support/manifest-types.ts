/**
 * Manifests against the types of kubernetes-models. Its validators accept a field that Kubernetes does not know, such
 * as a misspelt one; the TypeScript compiler does not, in an object literal.
 */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { Manifest } from './deployments.js';

/** By kind: where its type is. */
const TYPES: Record<string, [module: string, type: string]> = {
  Deployment: ['kubernetes-models/apps/v1', 'IDeployment'],
  Service: ['kubernetes-models/v1', 'IService'],
  PodDisruptionBudget: ['kubernetes-models/policy/v1', 'IPodDisruptionBudget'],
  NetworkPolicy: ['kubernetes-models/networking.k8s.io/v1', 'INetworkPolicy'],
};

/** The fields of the EMQX operator's resource that we use (its API reference for v2beta1). */
const EMQX = `
import type { IObjectMeta } from '@kubernetes-models/apimachinery/apis/meta/v1/ObjectMeta';
import type { IEnvVar, ILifecycle, IServiceSpec, IVolume, IVolumeMount } from 'kubernetes-models/v1';
interface IEMQX {
  apiVersion: 'apps.emqx.io/v2beta1';
  kind: 'EMQX';
  metadata: IObjectMeta;
  spec: {
    image: string;
    bootstrapAPIKeys: { secretRef: Record<'key' | 'secret', { secretName: string; secretKey: string }> }[];
    config: { mode?: 'Merge' | 'Replace'; data: string };
    coreTemplate: {
      spec: {
        replicas: number;
        env: IEnvVar[];
        lifecycle: ILifecycle;
        extraVolumes: IVolume[];
        extraVolumeMounts: IVolumeMount[];
      };
    };
    listenersServiceTemplate: { spec: IServiceSpec };
  };
}
`;

/** What is wrong with them, in the compiler's words. */
export function faultsOfManifests(manifests: Manifest[]): string[] {
  const texts = manifests.map((manifest, index) => {
    const [module, type] = TYPES[manifest.kind] ?? [undefined, `I${manifest.kind}`];
    const from = module === undefined ? '' : `import type { ${type} as Type${index} } from '${module}';`;
    const name = module === undefined ? type : `Type${index}`;
    return `${from}\nexport const manifest${index}: ${name} = ${JSON.stringify(manifest, null, 1)};`;
  });
  // Beside this file, so that packages are found.
  const file = fileURLToPath(new URL('manifests-in-memory.ts', import.meta.url));
  const source = ts.createSourceFile(file, [EMQX, ...texts].join('\n'), ts.ScriptTarget.ES2022, true);
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (name, ...rest) => (name === file ? source : getSourceFile.call(host, name, ...rest));
  host.fileExists = (name) => name === file || fileExists.call(host, name);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program, source)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
