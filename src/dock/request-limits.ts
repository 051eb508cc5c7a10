/** How much one request may ask for. */

/** Devices in one `airport_bind_status` or `airport_organization_bind`. DJI's documents say two: a dock and its drone. */
export const MAX_DEVICES_PER_REQUEST = 16;

/**
 * The longest message of a dock that is parsed, in bytes. An everyday one has some hundred, a bind of 16 devices about
 * 4,000. Parsing this much takes 1 ms at worst (nested brackets); a megabyte took 100 ms, and nobody else was answered
 * meanwhile.
 */
export const MAX_PAYLOAD_BYTES = 16 * 1024;
