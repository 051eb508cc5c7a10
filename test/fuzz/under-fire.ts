/** A dockhook to shoot at, and what must hold after each shot. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { serviceName } from '../../src/exhook/proto.js';
import { connectAsker } from '../support/asker.js';
import { connectRaw, opening, type RawConnection } from '../support/fuzz-http2.js';
import {
  DOCK,
  ORGANIZATION,
  startFuzzServer,
  type FuzzServer,
  type FuzzServerOptions,
  type Memory,
} from '../support/fuzz-server.js';
import { connectGrpc, frame } from '../support/grpc.js';
import { recordings } from '../support/recordings.js';

const MIB = 1024 * 1024;
/** What may stay behind: of objects little, of pages what V8 and malloc keep for the next time. */
const SLACK: Memory = { heapUsed: 16 * MIB, external: 16 * MIB, rss: 384 * MIB };

/** The server looks this often whether somebody is there, in milliseconds; clients in this process are busy. */
export const KEEPALIVE_MS = 1000;
/** Within which it lets go of what a client has left behind, in milliseconds. */
const LET_GO_MS = 10 * KEEPALIVE_MS;

/**
 * Within which others are answered meanwhile, in milliseconds: far more than a hook has. The other suites run
 * beside this one, and the question here is whether an answer comes at all; how soon, the benchmark measures.
 */
const ANSWER_LIMIT_MS = 20_000;

export const PUBLISH = `/${serviceName('v3')}/OnMessagePublish`;
/** A message as EMQX sent it. */
export const publishRequest = recordings('v3').find(({ method }) => method === 'OnMessagePublish')!.bytes;

/** A server under fire: its hooks hold after each test that it took no harm. Call it inside a `describe`. */
export function underFire(options: FuzzServerOptions = {}) {
  let server: FuzzServer;
  let sockets: number;
  let memory: Memory;
  const connections: RawConnection[] = [];

  before(async () => {
    server = await startFuzzServer(options);
    sockets = server.sockets();
    // Code is compiled and buffers are made by the first calls.
    for (let round = 0; round < 3; round += 1) await callAll(500);
    await expectAnswers();
    memory = await server.memory();
  });
  after(() => server.stop());

  afterEach('nothing is left behind', async () => {
    await expectAnswers();
    for (const connection of connections.splice(0)) connection.destroy();
    expect(await fallenTo(sockets, server.sockets)).to.be.at.most(sockets);
    for (const what of ['heapUsed', 'external', 'rss'] as const) {
      const limit = memory[what] + SLACK[what];
      const inUse = await fallenTo(limit, async () => (await server.memory())[what]);
      expect(inUse, `bytes of ${what}`).to.be.at.most(limit);
    }
  });

  async function connect(): Promise<RawConnection> {
    const connection = await connectRaw(server.grpc);
    connections.push(connection);
    return connection;
  }

  /** Sends something again and again until the server has read it all, or has done with us: says whether it has. */
  async function flood(times: number, bytes: (index: number) => Buffer, first = opening()): Promise<boolean> {
    const connection = await connect();
    await connection.send(first);
    for (let index = 0; index < times; index += 1) {
      if (!(await connection.send(bytes(index)))) return true;
    }
    return connection.readByServer();
  }

  async function callAll(times: number): Promise<void> {
    const connection = connectGrpc(hostAndPort(server.grpc));
    await Promise.all(Array.from({ length: times }, () => connection.call(PUBLISH, frame(publishRequest))));
    connection.close();
  }

  /** A dock binds itself, and gets its reply. */
  async function expectAnswers(): Promise<void> {
    expect(server.ended()).to.equal(undefined);
    const asker = await connectAsker(server.grpc, DOCK, { limitMs: ANSWER_LIMIT_MS });
    try {
      const { id, bindingCode } = ORGANIZATION;
      const device = { sn: DOCK.clientId, device_binding_code: bindingCode, organization_id: id };
      const bound = await asker.request('airport_organization_bind', { bind_devices: [device] });
      expect(bound?.['output']).to.deep.equal({ err_infos: [{ sn: DOCK.clientId, err_code: 0 }] });
    } finally {
      asker.close();
    }
  }

  return { server: () => server, idleSockets: () => sockets, connect, connections, flood, expectAnswers };
}

/** Measures until it is no more than this, or takes too long: another process tells nobody when it lets go. */
export async function fallenTo(wanted: number, measure: () => number | Promise<number>): Promise<number> {
  const end = performance.now() + LET_GO_MS;
  let measured = await measure();
  while (measured > wanted && performance.now() < end) {
    await pause(20);
    measured = await measure();
  }
  return measured;
}

export function hostAndPort(address: string): { host: string; port: number } {
  const [host = '', port] = address.split(':');
  return { host, port: Number(port) };
}
