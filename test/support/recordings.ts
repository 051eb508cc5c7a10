/** Requests that a live EMQX sent, one a line: EMQX 5.8.9 speaks v2, 5.10.4 and 6.2.0 speak v3. */
import { readFileSync } from 'node:fs';
import type { Version } from '../../src/exhook/proto.js';

export interface Recording {
  /** The rpc: `OnClientAuthenticate`, … */
  method: string;
  /** What the MQTT client did. */
  case: string;
  /** The protobuf message, without the prefix of its gRPC frame. */
  bytes: Buffer;
  /** The same, decoded; fields with their default value are absent. */
  request: object;
}

const FILES: Record<Version, readonly string[]> = {
  v2: ['emqx-5.8.9-v2.jsonl'],
  v3: ['emqx-5.10.4-v3.jsonl', 'emqx-6.2.0-v3.jsonl'],
};

export function recordings(version: Version): Recording[] {
  return FILES[version]
    .flatMap((name) =>
      readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')
        .trimEnd()
        .split('\n'),
    )
    .map((line) => {
      const recorded = JSON.parse(line, revive) as Omit<Recording, 'bytes'> & { request_base64: string };
      return { ...recorded, bytes: Buffer.from(recorded.request_base64, 'base64') };
    });
}

/** Bytes are recorded as `{"$bytes": length, "base64": …}`. */
function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value;
  return Buffer.from((value as { base64?: string }).base64 ?? '', 'base64');
}
