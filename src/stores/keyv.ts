/** Keyv as it must be set up, and the envelope in which it keeps a value. */
import { Keyv, type KeyvOptions, type KeyvStoreAdapter } from 'keyv';

/** Opens a Keyv on a store that no other Keyv uses: the last namespace set on a shared one holds for all. */
export function openKeyv(store: KeyvStoreAdapter | Map<string, string>): Keyv {
  return new Keyv({
    store,
    // A key that begins with the prefix would not get it, and read another's row.
    useKeyPrefix: false,
    // Otherwise an unreachable store reads as "no such record".
    throwOnErrors: true,
    serialize: serialize as NonNullable<KeyvOptions['serialize']>,
    deserialize: deserialize as NonNullable<KeyvOptions['deserialize']>,
  });
}

/** Keyv's envelope as plain JSON. Its own serializer doubles a leading colon, which SQL then would not find. */
export function serialize(envelope: { value: unknown }): string {
  return JSON.stringify({ value: envelope.value });
}

/**
 * Opens Keyv's envelope. A text that is no envelope of ours (JSON that somebody typed, or one with Keyv's
 * `expires`, which would delete the row on reading) is handed on as the value, for the schema to refuse:
 * here the key is not known, and Keyv would take `null` for "absent".
 */
export function deserialize(text: string): { value: unknown } {
  const parsed = parseJson(text);
  const isEnvelope = typeof parsed === 'object' && parsed !== null && Object.keys(parsed).join() === 'value';
  return isEnvelope ? (parsed as { value: unknown }) : { value: text };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
