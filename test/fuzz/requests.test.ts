/**
 * Messages by the hundred thousand against access, dock and stores as `serve` joins them, each twentieth over
 * gRPC. Longer: `FUZZ_CASES=1000000`; the same again: `FUZZ_SEED` from the title.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseAnswerForBackend } from '../../src/answer-for-backend.js';
import { createAccess } from '../../src/access/access.js';
import { createPasswordChecks } from '../../src/access/password-checks.js';
import { createRequests } from '../../src/dock/requests.js';
import { results } from '../../src/dock/result-codes.js';
import { hookProvider, serviceName } from '../../src/exhook/proto.js';
import { startExhookServer, type ExhookServer } from '../../src/exhook/server.js';
import { toMessage, type WireMessage } from '../../src/exhook/translate.js';
import type { PublishVerdict } from '../../src/hooks.js';
import type { Binding } from '../../src/stores/types.js';
import { YES_MAN } from '../support/exhook.js';
import { cases, heapInUse, seed } from '../support/fuzz.js';
import { connectGrpc, frame, Status, unframe, type GrpcConnection } from '../support/grpc.js';
import { withMemory } from '../../src/stores/remembered-stores.js';
import { openFakeStores } from '../support/fake-stores.js';
import { ACCOUNTS, anyCase, LISTED, NORTH, OURS, SOUTH, type Case } from './requests.js';

/** How many cases go by before the first look at the heap: by then caches and throttles are as full as they get. */
const WARM_UP = Math.floor(cases / 5);
/** What the heap may differ by for reasons of V8's own, in bytes; a leak of 200 bytes a case shows. */
const HEAP_SLACK = 16 * 1024 * 1024;

type Kept = Omit<Binding, 'boundAt'>;
type Fields = Record<string, unknown>;

describe(`requests, ${cases} cases, FUZZ_SEED=${seed}`, () => {
  const published = hookProvider('v3')['OnMessagePublish']!;
  const stores = withMemory(openFakeStores());
  /** What the replies said is bound. */
  const told = new Map<string, Kept>();
  let inProcess: (message: WireMessage) => Promise<PublishVerdict>;
  let server: ExhookServer;
  let connection: GrpcConnection;
  const tally = { dock: 0, claimed: 0, nobody: 0, 'not-asked': 0, replies: 0, bound: 0, overGrpc: 0 };

  before(async () => {
    for (const account of ACCOUNTS) await stores.accounts.add(account);
    for (const organization of [NORTH, SOUTH]) await stores.organizations.add(organization);
    await stores.license.set({ appId: '166400', appKey: 'not a key', appLicense: 'not a license' });
    const access = createAccess({
      ...stores,
      passwords: await createPasswordChecks(),
      unknownAccounts: 'deny',
      tell: () => undefined,
    });
    // A second from case to case: wrong codes are throttled now and then, and a run repeats exactly.
    let now = Date.parse('2026-01-02T03:04:05Z');
    const { publish } = createRequests({
      ...stores,
      ...access,
      answerForBackend: parseAnswerForBackend(''),
      tell: () => undefined,
      now: () => (now += 1000),
    });
    inProcess = (message) => publish(toMessage(message));
    server = await startExhookServer({
      hooks: { ...YES_MAN, publish },
      listen: { host: '127.0.0.1', port: 0 },
    });
    connection = connectGrpc(server);
  });
  after(async () => {
    connection.close();
    await server.stop(0);
  });

  async function overGrpc(message: WireMessage): Promise<PublishVerdict> {
    const body = frame(published.requestSerialize({ message }));
    const answer = await connection.call(`/${serviceName('v3')}/OnMessagePublish`, body);
    expect(answer.status).to.equal(Status.OK);
    const { type, message: sent } = published.responseDeserialize(unframe(answer.body)) as {
      type: string;
      message?: WireMessage;
    };
    if (type === 'IGNORE' || sent === undefined) return { kind: 'pass' };
    return sent.headers['allow_publish'] === 'false' ? { kind: 'drop' } : { kind: 'reply', ...sent };
  }

  async function check({ message, sender }: Case, ask: typeof inProcess): Promise<void> {
    const isClaimed = message.headers['username'] === 'by-client-id' && isHeld(message.topic.split('/')[2]!);
    const verdict = await ask(message);
    if (sender === 'dock' && isClaimed) {
      tally.claimed += 1;
      expect(verdict.kind).to.equal('drop');
      return;
    }
    tally[sender] += 1;
    if (sender === 'nobody') expect(verdict.kind).to.equal('drop');
    if (sender === 'not-asked') expect(verdict.kind).to.equal('pass');
    if (sender !== 'dock') return;
    const request = requestIn(message.payload);
    expect(verdict.kind).to.equal(OURS.includes(request?.['method'] as string) ? 'reply' : 'pass');
    if (verdict.kind !== 'reply' || request === undefined) return;
    tally.replies += 1;
    expect(verdict.topic).to.equal(`${message.topic}_reply`);
    const reply = JSON.parse(verdict.payload.toString()) as Fields & { data: Fields };
    for (const name of ['tid', 'bid', 'gateway', 'method']) {
      expect(Object.is(reply[name], repeatable(request[name])), name).to.equal(true);
    }
    expect(reply['timestamp']).to.be.a('number');
    expect(reply.data['result'] ?? results.ok).to.be.oneOf(Object.values(results));
    if (reply['method'] === 'airport_organization_bind') await checkBound(message, request, reply.data);
  }

  /** Whether an account of any gateway bound it, or it came through a gateway that is another's. */
  function isHeld(sn: string): boolean {
    const binding = told.get(sn);
    if (binding === undefined) return false;
    const { gateway } = binding;
    return [binding, told.get(gateway)].some((one) => one?.account === 'fleet') || LISTED.includes(gateway);
  }

  /** Holds what a bind says against what it was asked, and against the store. */
  async function checkBound(message: WireMessage, request: Fields, data: Fields): Promise<void> {
    if (data['result'] !== results.ok) return;
    const asked = (request['data'] as { bind_devices: unknown[] }).bind_devices;
    const { err_infos } = data['output'] as { err_infos: { sn: string; err_code: number }[] };
    expect(err_infos.map(({ sn }) => sn)).to.deep.equal(asked.map(repeatableSn));
    const gateway = message.topic.split('/')[2]!;
    const bound = new Set<string>();
    for (const [index, { sn, err_code }] of err_infos.entries()) {
      expect(err_code).to.be.oneOf(Object.values(results));
      if (err_code !== results.ok) continue;
      const device = asked[index] as Fields;
      const organization = [NORTH, SOUTH].find(
        ({ bindingCode }) => bindingCode === textOf(device['device_binding_code']),
      );
      const organizationId = organization?.id ?? 'none';
      expect(told.get(sn)?.organizationId ?? organizationId, 'a bind never moves').to.equal(organizationId);
      if (LISTED.includes(sn)) expect(sn, 'a dock that an account lists binds itself').to.equal(gateway);
      const callsign = textOf(device['device_callsign']);
      const modelKey = textOf(device['device_model_key']);
      const account = message.headers['username']!;
      told.set(sn, { sn, organizationId, callsign, modelKey, gateway, account });
      bound.add(sn);
    }
    tally.bound += bound.size;
    const kept = await stores.bindings.getMany([...bound]);
    for (const sn of bound) expect(withoutMoment(kept.get(sn)!)).to.deep.equal(told.get(sn));
  }

  it('get their reply, change nothing but what the reply says, and leave no memory behind', async function () {
    this.timeout(60_000 + cases);
    let count = 0;
    let heap = 0;
    await fc.assert(
      fc.asyncProperty(anyCase, async (anyCase) => {
        count += 1;
        if (count % 20 === 0) tally.overGrpc += 1;
        await check(anyCase, count % 20 === 0 ? overGrpc : inProcess);
        if (count % 20 === 10) await forgetOne();
        if (count % 1000 === 0) await expectStoreAsTold();
        if (count === WARM_UP) heap = heapInUse();
      }),
      { seed, numRuns: cases },
    );
    expect(heapInUse() - heap).to.be.below(HEAP_SLACK);
    await expectStoreAsTold();
    // A generator that has gone astray would prove nothing.
    for (const [what, times] of Object.entries(tally)) expect(times, what).to.be.above(cases / 100);
  });

  /** An operator removes the oldest binding: else all is bound soon, and hardly a bind succeeds. */
  async function forgetOne(): Promise<void> {
    const [sn] = told.keys();
    if (sn === undefined) return;
    await stores.bindings.remove(sn);
    told.delete(sn);
  }

  async function expectStoreAsTold(): Promise<void> {
    const { records, badRows } = await stores.bindings.list();
    expect(badRows).to.deep.equal([]);
    expect(new Map(records.map((binding) => [binding.sn, withoutMoment(binding)]))).to.deep.equal(told);
    expect((await stores.accounts.list()).records).to.have.deep.members(ACCOUNTS);
    expect((await stores.organizations.list()).records).to.have.deep.members([NORTH, SOUTH]);
  }
});

/** The JSON object in a payload, read with other means than dockhook's. */
function requestIn(payload: Buffer): Fields | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What of an id a reply repeats: text, and numbers as JSON can write them. */
function repeatable(id: unknown): unknown {
  if (typeof id === 'number') return Number.isFinite(id) ? id + 0 : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** The SN that comes back for an entry, whatever it is: none that would be another one. */
function repeatableSn(entry: unknown): string {
  const sn = (entry as Fields | null)?.['sn'];
  if (typeof sn === 'number') return Number.isSafeInteger(sn) ? String(sn) : '';
  return typeof sn === 'string' && sn.length <= 64 ? sn : '';
}

function textOf(sent: unknown): string {
  return typeof sent === 'number' ? String(sent) : ((sent as string | null | undefined) ?? '');
}

function withoutMoment({ boundAt: _, ...kept }: Binding): Kept {
  return kept;
}
