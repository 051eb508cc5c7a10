/**
 * The text fields of a request, as leniently as docks send them: a number where text is meant (`app_id` is one in DJI's
 * own examples), and null for an optional one. A boolean is no text. The schemas do not let ajv coerce types, which
 * would turn `true` into the SN `"true"`, and `null` into `""`.
 */
import { SERIAL_NUMBER_PATTERN } from '../serial-number.js';

/** NUL and lone surrogates can be written in JSON, but Postgres keeps neither in its own JSON. */
const storable = '^[^\\0\\p{Surrogate}]*$';

/** A device SN. A number is accepted only if it is exact. */
export const serialNumber = {
  anyOf: [
    { type: 'string', pattern: SERIAL_NUMBER_PATTERN },
    { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  ],
} as const;

/** Text that may be empty, null or absent. */
export const optionalText = {
  anyOf: [{ type: 'string', maxLength: 256, pattern: storable }, { type: 'number' }, { type: 'null' }],
} as const;

/** {@link optionalText} of at most 64 characters, the room a model key has in a binding. */
export const optionalShortText = {
  anyOf: [{ type: 'string', maxLength: 64, pattern: storable }, { type: 'number' }, { type: 'null' }],
} as const;

/** The text a field means; `''` for null and absent. */
export function toText(value: string | number | null | undefined): string {
  return String(value ?? '');
}
