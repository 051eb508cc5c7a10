/** A dock's view of the cloud: `createRequests` on stores in memory, and what came of it. */
import { expect } from 'chai';
import { parseAnswerForBackend } from '../../../src/answer-for-backend.js';
import { DockhookError } from '../../../src/errors.js';
import type { AccessEvent } from '../../../src/events.js';
import type { Message, PublishVerdict, Session } from '../../../src/hooks.js';
import type { Publisher } from '../../../src/publisher.js';
import { createRequests, type DockOptions } from '../../../src/dock/requests.js';
import { rememberLicense } from '../../../src/stores/remembered-stores.js';
import type {
  Binding,
  BindOutcome,
  Bindings,
  License,
  LicenseStore,
  Organization,
  Organizations,
} from '../../../src/stores/types.js';

export const GATEWAY = '7CTDTEST00000A';
export const OTHER_GATEWAY = '7CTDTEST00000Z';
export const DRONE = '1581FTEST00000B';
export const TOPIC = `thing/product/${GATEWAY}/requests`;
export const SESSION: Session = { account: 'yard', clientId: 'client-1', peerHost: '192.0.2.7' };
export const NOW = 1_790_000_000_000;

export const NORTH: Organization = { id: 'org-7', name: 'North yard', bindingCode: 'K7Q2-north' };
export const SOUTH: Organization = { id: 'org-8', name: 'South yard', bindingCode: 'P3X9-south' };
export const LICENSE: License = { appId: '166400', appKey: 'key-secret', appLicense: 'license-secret' };

/** A binding to the north yard through {@link GATEWAY}, unless told otherwise. */
export function bindingOf(sn: string, more: Partial<Binding> = {}): Binding {
  return {
    sn,
    organizationId: NORTH.id,
    callsign: `callsign of ${sn}`,
    modelKey: '3-3-0',
    gateway: GATEWAY,
    account: 'yard',
    boundAt: '2026-01-02T03:04:05.000Z',
    ...more,
  };
}

export type Data = Record<string, unknown>;

/** A request with the usual tid, bid and timestamp. */
export function request(method: string, data: unknown, more: Data = {}): Data {
  return { tid: 'tid-1', bid: 'bid-1', timestamp: NOW - 120, method, data, ...more };
}

/** One device of a bind request, with the north yard's code. */
export function asked(sn: string, more: Data = {}): Data {
  return {
    sn,
    device_binding_code: NORTH.bindingCode,
    organization_id: NORTH.id,
    device_callsign: `callsign of ${sn}`,
    device_model_key: sn === DRONE ? '0-100-1' : '3-3-0',
    ...more,
  };
}

/** What a store does when it is down. */
export function down(): Promise<never> {
  return Promise.reject(new DockhookError('store_unavailable', 'the store did not answer'));
}

/** What a store does when its network is gone without a word. */
export function hang(): Promise<never> {
  return new Promise<never>(() => undefined);
}

class World {
  readonly events: AccessEvent[] = [];
  readonly organizations = [NORTH, SOUTH];
  readonly bindings = new Map<string, Binding>();
  license: License | undefined = LICENSE;
  publisher: Publisher | (() => Promise<Publisher>) = 'dock';
  /** Those that accounts list. */
  gateways = new Set([GATEWAY, OTHER_GATEWAY]);
  now = NOW;
  /** Whether a session may publish to a topic. */
  mayPublish: (session: Session, topic: string) => boolean | Promise<boolean> = () => true;
  /** Set: every store call does this instead. */
  trouble: (() => Promise<never>) | undefined;
  /** Set: only binding does this instead. */
  bindTrouble: (() => Promise<never>) | undefined;
  /** What the store tells of a device instead of binding it. */
  readonly outcomes = new Map<string, BindOutcome | DockhookError>();
  /** How often a binding code was looked up. */
  lookups = 0;
  /** The devices of each bind that the store was asked for. */
  readonly binds: string[][] = [];
}

/** One cloud: change its fields, ask it, look at its events. */
export function cloud(options: Partial<DockOptions> = {}) {
  const world = new World();
  const requests = createRequests({
    organizations: organizationsOf(world),
    bindings: bindingsOf(world),
    license: rememberLicense(licenseOf(world)),
    identifyPublisher: async () =>
      typeof world.publisher === 'string' ? world.publisher : world.publisher(),
    isListed: async (sn, within) => world.gateways.has(sn) && (await within(Promise.resolve(true))),
    mayPublish: async (session, topic) => world.mayPublish(session, topic),
    answerForBackend: parseAnswerForBackend(''),
    tell: (event) => world.events.push(event),
    now: () => world.now,
    ...options,
  });

  /** Publishes a payload: JSON unless it is bytes or text already. */
  const ask = (payload: unknown, message: Partial<Message> = {}): Promise<PublishVerdict> =>
    requests.publish({ ...messageOf(payload), ...message });

  /** Publishes, and takes the reply apart. */
  async function replyTo(payload: unknown, message: Partial<Message> = {}): Promise<Data> {
    const verdict = await ask(payload, message);
    expect(verdict.kind).to.equal('reply');
    return verdict.kind === 'reply' ? (JSON.parse(verdict.payload.toString()) as Data) : {};
  }

  /** Publishes, and takes the `data` of the reply. */
  const dataFor = async (method: string, data: unknown): Promise<unknown> =>
    (await replyTo(request(method, data))).data;

  return Object.assign(world, { ask, replyTo, dataFor, loadLicense: () => requests.loadLicense() });
}

function messageOf(payload: unknown): Message {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  return {
    id: '1',
    topic: TOPIC,
    qos: 0,
    payload: bytes,
    session: SESSION,
  };
}

function organizationsOf(world: World): Organizations {
  return {
    async get(id) {
      await world.trouble?.();
      return world.organizations.find((organization) => organization.id === id);
    },
    async byBindingCode(code) {
      world.lookups += 1;
      await world.trouble?.();
      return world.organizations.find((organization) => organization.bindingCode === code);
    },
    list: unused,
    add: unused,
    update: unused,
    remove: unused,
  };
}

function bindingsOf(world: World): Bindings {
  return {
    async get(sn) {
      await world.trouble?.();
      return world.bindings.get(sn);
    },
    async getMany(sns) {
      await world.trouble?.();
      const found = sns.flatMap((sn) => world.bindings.get(sn) ?? []);
      return new Map(found.map((binding) => [binding.sn, binding]));
    },
    async getWithOrganizations(gateway, sns) {
      const found = await this.getMany([gateway, ...sns]);
      const organizationOf = (id: string) => world.organizations.find((one) => one.id === id);
      return new Map(
        [...found].map(([sn, one]) => [
          sn,
          { ...one, organization: () => organizationOf(one.organizationId) },
        ]),
      );
    },
    async bind(bindings) {
      world.binds.push(bindings.map(({ sn }) => sn));
      await (world.bindTrouble ?? world.trouble)?.();
      return bindings.map((binding) => {
        const told = world.outcomes.get(binding.sn);
        if (told !== undefined) return told;
        const bound = world.bindings.get(binding.sn);
        if (bound !== undefined && bound.organizationId !== binding.organizationId) return 'bound_elsewhere';
        world.bindings.set(binding.sn, binding);
        return 'bound';
      });
    },
    list: unused,
    move: unused,
    remove: unused,
  };
}

function licenseOf(world: World): LicenseStore {
  return {
    async get() {
      await world.trouble?.();
      return world.license;
    },
    set: unused,
    clear: unused,
  };
}

function unused(): Promise<never> {
  throw new Error('dock/ has no use for this');
}
