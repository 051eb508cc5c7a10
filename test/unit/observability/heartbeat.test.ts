import { expect } from 'chai';
import { createHeartbeat } from '../../../src/observability/heartbeat.js';
import type { Servers } from '../../../src/stores/types.js';

describe('the heartbeat of a server', () => {
  it('names few brokers, and short, whoever reaches the port of gRPC', async () => {
    const beats: string[][] = [];
    const servers: Servers = {
      beat: ({ brokers }) => {
        beats.push([...brokers]);
        return Promise.resolve();
      },
      heard: () => Promise.resolve({ servers: [] }),
    };
    const heartbeat = createHeartbeat(servers);
    heartbeat.loaded('EMQX');
    for (let number = 0; number < 1000; number += 1) heartbeat.loaded(`${number}`.padEnd(10_000, 'x'));
    heartbeat.start();
    await heartbeat.stop();
    const named = beats.at(-1) ?? [];
    expect(named).to.have.length(8).and.to.include('EMQX');
    for (const name of named) expect(name.length).to.be.at.most(65);
  });
});
