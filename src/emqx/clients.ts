/**
 * Sessions that EMQX has: finding them, and ending them. Those of clients that are away, too: with clean session off
 * EMQX keeps subscriptions and messages for them, and asks nobody about these when they come back.
 */
import { withoutShare } from '../access/topic-filters.js';
import { ownClientId } from '../client-id.js';
import { DockhookError } from '../errors.js';
import { answers } from './api-answers.js';
import { statusOf, type EmqxApi } from './api.js';

/** EMQX gives up to 10,000 a page; each takes about a kilobyte. */
const PAGE = 1000;
/** More clients than one broker has of one account; what goes on for ever is not EMQX. */
const MAX_PAGES = 200;
/** Requests under way at once. */
const PARALLEL = 8;

/** One session. A client that is away may still have one. */
export interface EmqxClient {
  /** As EMQX has it, perhaps with the account in front. */
  clientId: string;
  /** What the client calls itself. */
  ownId: string;
  username: string;
  /** False for a session that EMQX keeps for a client that is away. */
  connected: boolean;
}

/** Through which listener of which node it came, and when by EMQX's clock, in milliseconds since the epoch. */
interface ListedClient extends EmqxClient {
  node: string;
  listener: string;
  connectedAt: number;
}

/** The clients of one username. */
export async function clientsOfUsername(api: EmqxApi, username: string): Promise<EmqxClient[]> {
  const found = await list(api, `username=${encodeURIComponent(username)}`);
  // Held against the name here too: an EMQX that took no notice of the filter must not cost others their session.
  return found.filter((client) => client.username === username);
}

/** The clients whose own client id contains a text. */
export async function clientsNaming(api: EmqxApi, part: string): Promise<EmqxClient[]> {
  const found = await list(api, `like_clientid=${encodeURIComponent(part)}`);
  return found.filter(({ ownId }) => ownId.includes(part));
}

/**
 * The clients that subscribe to one of these topics of a device. One look at all that lies under the device: asked for one
 * topic, EMQX leaves out shared subscriptions (seen on 5.8.9).
 */
export async function clientsSubscribed(
  api: EmqxApi,
  sn: string,
  topics: ReadonlySet<string>,
): Promise<EmqxClient[]> {
  const clientIds = new Set<string>();
  const filter = `match_topic=${encodeURIComponent(`thing/product/${sn}/#`)}`;
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { data, meta } = await api.get(
      `/subscriptions?${filter}&limit=${PAGE}&page=${page}`,
      answers.subscriptions,
    );
    for (const { topic, clientid } of data) {
      if (typeof clientid === 'string' && topics.has(withoutShare(topic))) clientIds.add(clientid);
    }
    if (meta?.hasnext !== true) break;
  }
  const clients: EmqxClient[] = [];
  for (const clientId of clientIds) {
    const found = await list(api, `clientid=${encodeURIComponent(clientId)}`);
    clients.push(...found.filter((client) => client.clientId === clientId));
  }
  return clients;
}

/** The clients that came to a node through one of these listeners, until then by EMQX's clock. */
export async function clientsUntil(
  api: EmqxApi,
  { node, listeners, until }: { node: string; listeners: ReadonlySet<string>; until: number },
): Promise<ListedClient[]> {
  const found = await list(api, `node=${encodeURIComponent(node)}&lte_connected_at=${Math.ceil(until)}`);
  return found.filter(
    (client) =>
      client.connected &&
      client.node === node &&
      listeners.has(client.listener) &&
      client.connectedAt <= until,
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
 * @returns for which it returned true, and the first failure
 */
export async function forEachClient(
  clients: readonly EmqxClient[],
  act: (clientId: string) => Promise<boolean>,
): Promise<{ done: EmqxClient[]; failure?: unknown }> {
  const outcome: { done: EmqxClient[]; failure?: unknown } = { done: [] };
  let lost = false;
  const queue = clients[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const client of queue) {
      if (lost) return;
      try {
        if (await act(client.clientId)) outcome.done.push(client);
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
    for (const { clientid: clientId, username: told, connected = true, ...where } of data) {
      const username = told ?? '';
      const { node = '', listener = '', connected_at: since = '' } = where;
      const came = { node, listener, connectedAt: Date.parse(since) };
      seen.set(clientId, { clientId, ownId: ownClientId(username, clientId), username, connected, ...came });
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
  return [...seen.values()];
}
