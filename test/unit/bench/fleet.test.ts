import { expect } from 'chai';
import { bodyOf, dockOf, framesOf, METHODS, ofClient, published, requestTopic } from '../../bench/fleet.js';
import type { Call, Dock } from '../../bench/fleet.js';

describe("the benchmark's frames", () => {
  const asking = (dock: Dock): Buffer => Buffer.from(JSON.stringify(METHODS.airport_bind_status(dock)));
  const calls: Record<string, (dock: Dock) => Call> = {
    login: (dock) => ofClient('OnClientAuthenticate', dock, { password: 'secret' }),
    request: (dock) => published(dock, requestTopic(dock), asking(dock)),
  };
  for (const [name, call] of Object.entries(calls)) {
    it(`of a dock's ${name} are what encoding it would give`, () => {
      const frames = framesOf(call(dockOf(0)));
      for (const number of [0, 7, 99_999_999]) {
        expect(frames(number), String(number)).to.deep.equal(bodyOf(call(dockOf(number))));
      }
    });
  }
});
