/** Clients that are connected to EMQX now: finding them, and ending their sessions. */
import { DockhookError } from '../errors.js';
import { answers } from './answers.js';
import { statusOf, type EmqxApi } from './api.js';

/** EMQX gives up to 10,000 a page; each takes about a kilobyte. */
const PAGE = 1000;
/** More clients than one broker has of one account; what goes on for ever is not EMQX. */
const MAX_PAGES = 200;
/** Requests under way at once. */
const PARALLEL = 8;

export interface ConnectedClient {
  clientId: string;
  username: string;
}

/** Through which listener of which node it came, and when by EMQX's clock, in milliseconds since the epoch. */
interface ListedClient extends ConnectedClient {
  connected: boolean;
  node: string;
  listener: string;
  connectedAt: number;
}

/** The connected clients of one username. */
export async function clientsOfUsername(api: EmqxApi, username: string): Promise<ConnectedClient[]> {
  const found = await list(api, `username=${encodeURIComponent(username)}`);
  // Held against the name here too: an EMQX that took no notice of the filter must not cost others their session.
  return found.filter((client) => client.username === username);
}

/** The connected clients whose client id contains a text. */
export async function clientsNaming(api: EmqxApi, part: string): Promise<ConnectedClient[]> {
  const found = await list(api, `like_clientid=${encodeURIComponent(part)}`);
  return found.filter(({ clientId }) => clientId.includes(part));
}

/** The connected clients that came to a node through one of these listeners, until then by EMQX's clock. */
export async function clientsUntil(
  api: EmqxApi,
  { node, listeners, until }: { node: string; listeners: ReadonlySet<string>; until: number },
): Promise<ConnectedClient[]> {
  const found = await list(api, `node=${encodeURIComponent(node)}&lte_connected_at=${Math.ceil(until)}`);
  return found.filter(
    (client) => client.node === node && listeners.has(client.listener) && client.connectedAt <= until,
  );
}

/**
 * Forgets what EMQX remembers of the client's rights, and ends its session. Flushing comes first, so that
 * something is won if ending fails.
 * @returns whether it was still there
 */
export async function disconnect(api: EmqxApi, clientId: string): Promise<boolean> {
  if (isDots(clientId)) {
    await api.send('POST', '/clients/kickout/bulk', [clientId]);
    return true;
  }
  await forgetRights(api, clientId);
  return api.remove(`/clients/${encodeURIComponent(clientId)}`);
}

/** Makes EMQX ask again at the next publish and subscribe of this client. */
export async function forgetRights(api: EmqxApi, clientId: string): Promise<void> {
  if (!isDots(clientId)) await api.remove(`/clients/${encodeURIComponent(clientId)}/authorization/cache`);
}

/** An address cannot hold these as a part, and a thief's client must not stay on because of its name. */
function isDots(clientId: string): boolean {
  return clientId === '.' || clientId === '..';
}

/**
 * Does something to each client, some at a time; to the others too if EMQX refuses it for one, but no more once
 * EMQX cannot be reached.
 * @returns how many times it returned true, and the first failure
 */
export async function forEachClient(
  clients: readonly ConnectedClient[],
  act: (clientId: string) => Promise<boolean>,
): Promise<{ done: number; failure?: unknown }> {
  const outcome: { done: number; failure?: unknown } = { done: 0 };
  let lost = false;
  const queue = clients[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const { clientId } of queue) {
      if (lost) return;
      try {
        if (await act(clientId)) outcome.done += 1;
      } catch (error) {
        outcome.failure ??= error;
        lost ||= statusOf(error) === undefined;
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return outcome;
}

async function list(api: EmqxApi, filter: string): Promise<ListedClient[]> {
  const seen = new Map<string, ListedClient>();
  for (let page = 1; ; page += 1) {
    const { data } = await api.get(`/clients?${filter}&limit=${PAGE}&page=${page}`, answers.clients);
    const before = seen.size;
    for (const {
      clientid: clientId,
      username,
      connected = true,
      connected_at: since = '',
      ...where
    } of data) {
      const { node = '', listener = '' } = where;
      const connectedAt = Date.parse(since);
      seen.set(clientId, { clientId, username: username ?? '', connected, node, listener, connectedAt });
    }
    // Also if a page brings nothing new: what takes no notice of `page` must not be asked for ever.
    if (data.length < PAGE || seen.size === before) break;
    if (page === MAX_PAGES) {
      throw new DockhookError(
        'failed',
        `EMQX at ${api.address} lists more than ${MAX_PAGES * PAGE} clients; disconnect them there`,
      );
    }
  }
  return [...seen.values()].filter(({ connected }) => connected);
}
