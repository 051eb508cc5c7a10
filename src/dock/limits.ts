/** How much docks may ask for. */

/** Devices in one `airport_bind_status` or `airport_organization_bind`. DJI's documents say two: a dock and its drone. */
export const MAX_DEVICES_PER_REQUEST = 16;

/**
 * The longest message of a dock that is parsed, in bytes. An everyday one has some hundred, a bind of 16 devices
 * about 4,000. Parsing this much takes 1 ms at worst (nested brackets); a megabyte took 100 ms, in which nobody
 * else was answered.
 */
export const MAX_PAYLOAD_BYTES = 16 * 1024;

/** Wrong device binding codes at once, and the time in which one more is allowed, in milliseconds. */
export const WRONG_CODES = {
  /** Ten a minute. */
  perGateway: { burst: 10, refillMs: 6_000 },
  /** An account that may act as any gateway could otherwise guess under one SN after the other. */
  perAccount: { burst: 500, refillMs: 600 },
};

/** Different devices that are bound at once, and the time in which one more may be bound, in milliseconds. */
export const NEW_DEVICES = {
  perGateway: { burst: 20, refillMs: 60_000 },
  /** Of a whole fleet behind one account: all its docks with their drones on the first day. */
  perAccount: { burst: 5000, refillMs: 1000 },
};
