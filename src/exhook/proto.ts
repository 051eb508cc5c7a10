/** EMQX's service definitions, read from `protos/`. */
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';

/** EMQX 5.0–5.8 speak v2, 5.9 and later v3; one node speaks one of them. */
export const VERSIONS = ['v2', 'v3'] as const;
/** A version of EMQX's protocol, as it stands in the name of the service. */
export type Version = (typeof VERSIONS)[number];

/**
 * How protobuf messages look in JavaScript. The types in `translate.ts` are written for exactly this:
 * EMQX's own field names, enum names as text, 64-bit numbers as decimal text (exact beyond 2^53), bytes as
 * Buffer, and on decoding every field present (`''`, `0`, `false`, `[]`, and `null` for a message).
 */
const LOADER_OPTIONS: Options = { keepCase: true, enums: String, longs: String, defaults: true };

/** Absolute path of a `.proto` file. `src/exhook/` and `dist/exhook/` lie equally deep in the package. */
export function protoFile(version: Version): string {
  return fileURLToPath(new URL(`../../protos/exhook/${version}/exhook.proto`, import.meta.url));
}

/** The full name of a version's service; it is also its name for health checks. */
export function serviceName(version: Version): string {
  return `emqx.exhook.${version}.HookProvider`;
}

/** Reads and compiles a version's `.proto` file (tens of milliseconds, blocking: for the start only). */
export function hookProvider(version: Version): ServiceDefinition {
  const service = loadSync(protoFile(version), LOADER_OPTIONS)[serviceName(version)];
  if (service === undefined || 'format' in service) {
    throw new Error(`${protoFile(version)} defines no service ${serviceName(version)}`);
  }
  return service;
}
