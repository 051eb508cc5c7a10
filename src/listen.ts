/** Addresses to listen on. */

/** Port 0 picks a free one. */
export interface Listen {
  host: string;
  port: number;
}

/** Reads `host:port`; an IPv6 address stands in brackets. Throws an error that says what is wrong. */
export function parseListen(text: string): Listen {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535)
    throw new Error(`"${text}" is not host:port, such as 127.0.0.1:9000`);
  return { host, port };
}

/** As {@link parseListen} reads it, with brackets around an IPv6 address. */
export function formatListen({ host, port }: Listen): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a host can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
