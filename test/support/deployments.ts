/** What compose.yaml and the Kubernetes manifests say, read as the tools read it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { settingList } from '../../src/config.js';

const read = (path: string): string => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');

export interface ComposeService {
  image: string;
  build?: { context: string; dockerfile: string };
  environment?: Record<string, string>;
  secrets?: string[];
  volumes?: string[];
  networks: string[] | Record<string, { aliases: string[] } | null>;
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck: { test: string[] };
  read_only?: boolean;
  cap_drop?: string[];
  security_opt: string[];
  stop_grace_period?: string;
}

export interface Compose {
  services: Record<'postgres' | 'dockhook' | 'emqx', ComposeService>;
  secrets: Record<string, { file: string }>;
  networks: Record<string, { internal?: boolean } | null>;
  volumes: Record<string, null>;
}

export function readCompose(): Compose {
  return parse(read('compose/compose.yaml')) as Compose;
}

/**
 * The file that a service of compose.yaml sees at a path, of those below `private`.
 * @param directory what stands in the place of `./private`
 * @throws if nothing is mounted there
 */
export function fileInContainer({ secrets, volumes }: ComposeService, path: string, directory: string) {
  const compose = readCompose();
  for (const name of secrets ?? []) {
    if (path === `/run/secrets/${name}`) return join(directory, below(compose.secrets[name]?.file));
  }
  for (const [source = '', target = ''] of (volumes ?? []).map((volume) => volume.split(':'))) {
    if (source.startsWith('./private/') && (path === target || path.startsWith(`${target}/`))) {
      return join(directory, below(source), path.slice(target.length));
    }
  }
  throw new Error(`nothing is mounted at ${path}`);
}

function below(source = ''): string {
  if (!source.startsWith('./private/')) throw new Error(`${source} is not below ./private`);
  return source.slice('./private/'.length);
}

export type Manifest = { apiVersion: string; kind: string } & Record<string, unknown>;

/** The documents of a manifest, by kind. */
export function readManifests(file: 'dockhook' | 'emqx'): Manifest[] {
  return parseAllDocuments(read(`kubernetes/${file}.yaml`)).map((document) => {
    const [error] = document.errors;
    if (error) throw error;
    return document.toJS() as Manifest;
  });
}

/** Every environment variable that dockhook reads. */
export const VARIABLES = settingList.map(({ environment }) => environment);

/** Whether an image has a version that will not be another one tomorrow. */
export function isPinned(image: string): boolean {
  return /:\d+\.\d+/.test(image);
}
