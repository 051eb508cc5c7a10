/** Stories of docks, told entry by entry, and what dockhook makes of them. */
import type { Account, TimelineDetails, TimelineEntry } from '../../src/stores/types.js';
import { diagnose, type Diagnosis } from '../../src/diagnosis/diagnose.js';
import { indexBySn, type DockFacts } from '../../src/diagnosis/facts.js';

export const SN = '7CTDTEST00000A';
export const START = 1_790_000_000_000;
export const HOME = '192.0.2.1';
export const ACCOUNT: Account = {
  name: 'dock-1',
  passwordHash: 'x',
  scope: { kind: 'gateways', gateways: [SN] },
};
export const BINDING = {
  sn: SN,
  organizationId: 'north',
  callsign: '',
  modelKey: '3-3-0',
  gateway: SN,
  boundAt: '',
};

/** A story in the making: each entry comes a second after the one before. */
export class Story {
  entries: TimelineEntry[] = [];
  now = START;

  add(step: TimelineEntry['step'], more: Partial<TimelineEntry> & { details?: TimelineDetails } = {}): this {
    this.now += 1000;
    const { details, ...rest } = more;
    this.entries.push({
      ...{
        at: this.now,
        lastAt: this.now,
        count: 1,
        gateway: SN,
        own: true,
        clientId: SN,
        account: 'dock-1',
      },
      ...{ step, outcome: 'ok', details: { peerHost: HOME, ...details } },
      ...rest,
    });
    return this;
  }
  connect(peerPort = 1): this {
    return this.add('authenticate').add('connected', { details: { peerPort } });
  }
  request(method: string, details: TimelineDetails = {}, more: Partial<TimelineEntry> = {}): this {
    return this.add('request', { ...more, details: { method, result: 0, ...details } });
  }
  /** Subscribes to the replies to its requests. */
  subscribe(topic = `thing/product/${SN}/requests_reply`): this {
    return this.add('authorize', { details: { action: 'subscribe', topic } });
  }
  /** A topic that was refused. */
  refuseTopic(
    topic: string,
    action: 'publish' | 'subscribe' = 'publish',
    more: Partial<TimelineEntry> = {},
  ): this {
    return this.add('authorize', {
      ...{ outcome: 'refused', reason: 'not_in_scope', own: false, gateway: topic.split('/')[2] ?? '' },
      ...more,
      details: { action, topic },
    });
  }
  /** An `update_topo`. */
  status(drone: string | undefined, details: TimelineDetails = {}, more: Partial<TimelineEntry> = {}): this {
    const said = drone === undefined ? {} : { drone };
    return this.add('status', {
      outcome: 'passed',
      ...more,
      details: { method: 'update_topo', ...said, ...details },
    });
  }
  bind(sn = SN, details: TimelineDetails = {}): this {
    return this.add('bind', { details: { sn, organizationId: 'north', ...details } });
  }
  /** All that a dock does on its way in. */
  walk(more: Partial<TimelineEntry> = {}): this {
    return this.add('authenticate', more)
      .add('connected', { ...more, details: { peerPort: 1 } })
      .add('authorize', {
        ...more,
        details: { action: 'subscribe', topic: `thing/product/${SN}/requests_reply` },
      })
      .request('config', {}, more)
      .request('airport_bind_status', {}, more);
  }
  disconnect(detail = 'tcp_closed', peerPort = 1): this {
    return this.add('disconnected', { details: { detail, peerPort } });
  }
  refuse(peerHost = HOME, reason: NonNullable<TimelineEntry['reason']> = 'wrong_password'): this {
    return this.add('authenticate', {
      own: false,
      outcome: 'refused',
      reason,
      details: { peerHost },
    });
  }
  wait(milliseconds: number): this {
    this.now += milliseconds;
    return this;
  }
  diagnose(facts: Partial<DockFacts> = {}): Diagnosis {
    const { accounts = new Map([['dock-1', ACCOUNT]]) } = facts;
    return diagnose(this.entries, {
      ...{ sn: SN, now: this.now, hasLicense: true, accounts, listings: indexBySn(accounts.values()) },
      ...{ organizations: new Map(), bindings: new Map([[SN, BINDING]]), boots: new Map(), ...facts },
    });
  }
}

/** The state, and the code of each finding. */
export const codes = ({ state, findings }: Diagnosis) => [state, ...findings.map(({ code }) => code)];
export const UNBOUND = { bindings: new Map() };
