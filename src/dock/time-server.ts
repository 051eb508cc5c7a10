/** The time server that docks get if the license names none; DJI's examples use it, too. */

export const TIME_SERVER = { host: 'pool.ntp.org', port: 123 };
