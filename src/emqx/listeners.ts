/** Where EMQX's listeners run, by what its REST API says of nodes and listeners. */
import type { ListedListener, Node } from './api-answers.js';

/** A node that boots, or was stopped, does not. */
export function isRunning({ node_status: status }: Node): boolean {
  return status === 'running';
}

/** The running nodes on which it does not run. */
export function closedOn({ node_status: states = [] }: ListedListener, nodes: readonly Node[]): string[] {
  return nodes
    .filter(isRunning)
    .map(({ node }) => node)
    .filter((node) => states.find((one) => one.node === node)?.status.running !== true);
}

/** Docks use no other type. */
export function isForDocks({ id }: { id: string }): boolean {
  return /^(?:tcp|ssl):/.test(id);
}

/** For settings that name listeners which EMQX does not have. */
export function unknownText(ids: readonly string[], listed: readonly ListedListener[]): string {
  const has = listed.map(({ id }) => id).join(', ') || 'none';
  return `EMQX has no listener ${ids.join(', ')}; it has ${has} (--emqx-listeners, DOCKHOOK_EMQX_LISTENERS)`;
}
