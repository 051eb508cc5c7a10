/**
 * A process that is one account's flood: all its sessions send the same call again as soon as it is answered, as EMQX
 * does it, which has one call of a session under way at a time. Its parent's messages begin and end it.
 */
import { connectEmqxPool } from '../support/emqx-pool.js';
import { bodyOf, dockOf, ORGANIZATION, published, requested, requestTopic, toAuthorize } from './fleet.js';

/** Sessions of the account. */
const SESSIONS = 120;

const BRACKETS = (bytes: number): Buffer => Buffer.alloc(bytes, '[');

/** What the account of dock 0 sends; `turn` counts the calls. */
export const FLOODS = {
  config: () => requested(dockOf(0), 'config'),
  '16 KiB of brackets': () => published(dockOf(0), requestTopic(dockOf(0)), BRACKETS(16 * 1024)),
  '1 MB of brackets': () => published(dockOf(0), requestTopic(dockOf(0)), BRACKETS(1_000_000)),
  'binds of 16 devices': () => published(dockOf(0), requestTopic(dockOf(0)), BIND_OF_16),
  'ever new topics': (turn: number) => toAuthorize(dockOf(0), 'PUBLISH', `thing/product/DRONE${turn}X/osd`),
};

const BIND_OF_16 = Buffer.from(
  JSON.stringify({
    tid: 'T',
    bid: 'B',
    method: 'airport_organization_bind',
    data: {
      bind_devices: Array.from({ length: 16 }, (_, index) => ({
        sn: `FLOOD${index}`,
        device_binding_code: '',
        organization_id: ORGANIZATION.id,
      })),
    },
  }),
);

/** What the parent is told at the end. */
export interface Flooded {
  calls: number;
  /** Not answered within EMQX's 5 s. */
  unanswered: number;
}

if (process.send) {
  const port = Number(process.argv[2]);
  let pool = connectEmqxPool(port);
  let isOn = false;
  let sessions: Promise<void>[] = [];
  let flooded: Flooded = { calls: 0, unanswered: 0 };

  const flood = async (session: number, callOf: (typeof FLOODS)[keyof typeof FLOODS]): Promise<void> => {
    let { method, request } = callOf(0);
    let body = bodyOf({ method, request });
    while (isOn) {
      flooded.calls += 1;
      if (callOf.length > 0) {
        ({ method, request } = callOf(flooded.calls));
        body = bodyOf({ method, request });
      }
      await pool.send(session, method, body).catch(() => {
        flooded.unanswered += 1;
      });
    }
  };

  process.on('disconnect', () => process.exit());
  process.on('message', (message: keyof typeof FLOODS | 'end') => {
    if (message !== 'end') {
      pool.close();
      pool = connectEmqxPool(port);
      isOn = true;
      flooded = { calls: 0, unanswered: 0 };
      sessions = Array.from({ length: SESSIONS }, (_, session) => flood(session, FLOODS[message]));
      process.send!({});
      return;
    }
    isOn = false;
    void Promise.all(sessions).then(() => process.send!(flooded));
  });
  process.send({ port: 0 });
}
