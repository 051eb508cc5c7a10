import { expect } from 'chai';
import { DockhookError } from '../../../../src/errors.js';
import {
  DRONE,
  GATEWAY,
  NORTH,
  OTHER_GATEWAY,
  SOUTH,
  asked,
  bindingOf,
  cloud,
  down,
  hang,
  type Data,
} from '../support.js';

const METHOD = 'airport_organization_bind';

describe('airport_organization_bind', () => {
  let world: ReturnType<typeof cloud>;

  beforeEach(() => {
    world = cloud();
  });

  async function expectCodes(bind_devices: Data[], codes: number[]): Promise<void> {
    expect(await world.dataFor(METHOD, { bind_devices })).to.deep.equal({
      result: 0,
      output: { err_infos: codes.map((err_code, i) => ({ sn: bind_devices[i]?.sn, err_code })) },
    });
  }

  const bindEvents = () => world.events.filter(({ step }) => step === 'bind');

  for (const [model, dockKey, droneKey] of [
    ['Dock', '3-1-0', '0-67-1'],
    ['Dock 2', '3-2-0', '0-91-1'],
    ['Dock 3', '3-3-0', '0-100-1'],
    ['a dock of the future', '3-99-7', '0-999-0'],
  ] as const) {
    it(`binds ${model} and its drone`, async () => {
      const dock = asked(GATEWAY, { device_model_key: dockKey });
      const drone = asked(DRONE, { device_model_key: droneKey });
      await expectCodes([dock, drone], [0, 0]);
      const boundAt = new Date(world.now).toISOString();
      expect([...world.bindings.values()]).to.deep.equal([
        bindingOf(GATEWAY, { modelKey: dockKey, boundAt }),
        bindingOf(DRONE, { modelKey: droneKey, boundAt }),
      ]);
    });
  }

  it('replies in the order asked, drone first', async () => {
    await expectCodes([asked(DRONE), asked(GATEWAY)], [0, 0]);
  });

  it('binds a dock without its drone', async () => {
    await expectCodes([asked(GATEWAY)], [0]);
    expect([...world.bindings.keys()]).to.deep.equal([GATEWAY]);
  });

  it('needs no organization id, callsign or model key', async () => {
    await expectCodes([{ sn: GATEWAY, device_binding_code: NORTH.bindingCode, device_callsign: null }], [0]);
    expect(world.bindings.get(GATEWAY)).to.include({ organizationId: NORTH.id, callsign: '', modelKey: '' });
  });

  it('takes numbers for the text they mean', async () => {
    world.organizations.push({ id: '42', name: 'West yard', bindingCode: '12345678' });
    const device = { device_binding_code: 12345678, organization_id: 42, device_callsign: 7 };
    await expectCodes([asked(GATEWAY, device)], [0]);
    expect(world.bindings.get(GATEWAY)).to.include({ organizationId: '42', callsign: '7' });
  });

  it('binds again to the same organization, with new callsign, model key and gateway', async () => {
    const older = { gateway: OTHER_GATEWAY, callsign: 'old', modelKey: '0-67-0' };
    world.bindings.set(DRONE, bindingOf(DRONE, older));
    await expectCodes([asked(DRONE)], [0]);
    expect(world.bindings.get(DRONE)).to.include({
      gateway: GATEWAY,
      callsign: `callsign of ${DRONE}`,
      modelKey: '0-100-1',
    });
  });

  for (const [what, more, reason] of [
    ['is unknown', { device_binding_code: 'unknown' }, 'wrong_binding_code'],
    ['is empty', { device_binding_code: '' }, 'no_binding_code'],
    ['is absent', { device_binding_code: undefined }, 'no_binding_code'],
    ['does not fit the organization id', { organization_id: SOUTH.id }, 'wrong_organization_id'],
  ] as const) {
    it(`replies 210230 for a device whose code ${what}, and binds the other`, async () => {
      await expectCodes([asked(GATEWAY, more), asked(DRONE)], [210230, 0]);
      expect([...world.bindings.keys()]).to.deep.equal([DRONE]);
      expect(bindEvents()[0]).to.include({ outcome: 'faulty', reason, result: 210230 });
    });
  }

  it("replies 210231 for another gateway's SN, and binds the other device", async () => {
    await expectCodes([asked(OTHER_GATEWAY), asked(GATEWAY)], [210231, 0]);
    expect(world.bindings.has(OTHER_GATEWAY)).to.equal(false);
    expect(bindEvents()[0]).to.include({ reason: 'another_gateway', sn: OTHER_GATEWAY });
  });

  it('replies 210232 for a device of another organization, and leaves it there', async () => {
    const binding = bindingOf(DRONE, { organizationId: SOUTH.id, gateway: OTHER_GATEWAY });
    world.bindings.set(DRONE, binding);
    await expectCodes([asked(GATEWAY), asked(DRONE)], [0, 210232]);
    expect(world.bindings.get(DRONE)).to.equal(binding);
    expect(bindEvents()[1]).to.include({ reason: 'bound_elsewhere', organizationId: NORTH.id });
  });

  it('replies 210230 if the organization was removed in the meantime', async () => {
    world.outcomes.set(GATEWAY, 'no_such_organization');
    await expectCodes([asked(GATEWAY), asked(DRONE)], [210230, 0]);
    expect(bindEvents()[0]).to.include({ reason: 'wrong_binding_code', organizationId: NORTH.id });
  });

  it('looks at the code first, then at the gateway, then at the binding', async () => {
    world.bindings.set(
      OTHER_GATEWAY,
      bindingOf(OTHER_GATEWAY, { organizationId: SOUTH.id, gateway: OTHER_GATEWAY }),
    );
    await expectCodes([asked(OTHER_GATEWAY, { device_binding_code: 'unknown' })], [210230]);
    await expectCodes([asked(OTHER_GATEWAY)], [210231]);
    world.gateways.delete(OTHER_GATEWAY);
    await expectCodes([asked(OTHER_GATEWAY)], [210232]);
  });

  for (const [what, trouble] of [
    ['is down', down],
    ['never answers', hang],
  ] as const) {
    it(`replies 210231 for all devices if the store ${what}`, async () => {
      world = cloud({ storeBudgetMs: 5 });
      world.trouble = trouble;
      await expectCodes([asked(GATEWAY), asked(DRONE)], [210231, 210231]);
      expect(bindEvents().map(({ reason }) => reason)).to.deep.equal([
        'store_unavailable',
        'store_unavailable',
      ]);
    });
  }

  it('replies 210231 to one device alone if the store refuses that one', async () => {
    world.outcomes.set('DRONE2', new DockhookError('store_refused', 'of this one'));
    await expectCodes([asked('DRONE1'), asked('DRONE2'), asked('DRONE3')], [0, 210231, 0]);
    expect(bindEvents()[1]).to.include({ reason: 'store_refused', detail: 'of this one', sn: 'DRONE2' });
  });

  it('replies 210231 to each device of a bind of which nobody knows the outcome, and 210230 to one with a wrong code', async () => {
    world.bindTrouble = down;
    const devices = [asked('DRONE1'), asked('DRONE2', { device_binding_code: 'unknown' }), asked('DRONE3')];
    await expectCodes(devices, [210231, 210230, 210231]);
    expect(bindEvents().map(({ reason }) => reason)).to.deep.equal([
      'store_unavailable',
      'wrong_binding_code',
      'store_unavailable',
    ]);
  });

  it('binds all devices at once, and looks a code up once', async () => {
    const wrong = { device_binding_code: 'unknown' };
    await expectCodes(
      [asked(DRONE), asked(OTHER_GATEWAY), asked('DRONE2', wrong), asked(GATEWAY)],
      [0, 210231, 210230, 0],
    );
    expect(world.binds).to.deep.equal([[DRONE, GATEWAY]]);
    expect(world.lookups).to.equal(2);
  });

  it('asks the store for no bind if no device can be bound', async () => {
    await expectCodes([asked(OTHER_GATEWAY)], [210231]);
    expect(world.binds).to.deep.equal([]);
  });

  it('binds devices with codes of different organizations, each to its own', async () => {
    const south = { device_binding_code: SOUTH.bindingCode, organization_id: SOUTH.id };
    await expectCodes([asked(GATEWAY), asked(DRONE, south)], [0, 0]);
    expect(world.bindings.get(GATEWAY)?.organizationId).to.equal(NORTH.id);
    expect(world.bindings.get(DRONE)?.organizationId).to.equal(SOUTH.id);
  });

  it('hands a device that is named twice on twice, in that order', async () => {
    await expectCodes(
      [asked(DRONE, { device_callsign: 'one' }), asked(DRONE, { device_callsign: 'two' })],
      [0, 0],
    );
    expect(world.binds).to.deep.equal([[DRONE, DRONE]]);
    expect(world.bindings.get(DRONE)?.callsign).to.equal('two');
  });

  it('replies 210231 for a device that was bound through itself, although no account lists it', async () => {
    world.outcomes.set('LONELY', 'another_gateway');
    await expectCodes([asked('LONELY'), asked(GATEWAY)], [210231, 0]);
    expect(bindEvents()[0]).to.include({ reason: 'another_gateway', organizationId: NORTH.id });
  });

  it('counts a wrong code of dock and drone as one guess', async () => {
    const wrong = { device_binding_code: 'unknown' };
    for (let i = 0; i < 9; i++)
      await expectCodes([asked(GATEWAY, wrong), asked(DRONE, wrong)], [210230, 210230]);
    await expectCodes([asked(GATEWAY)], [0]);
    await expectCodes([asked(GATEWAY, wrong)], [210230]);
    await expectCodes([asked(GATEWAY)], [210230]);
    expect(world.events.at(-2)).to.include({ step: 'bind', reason: 'too_many_wrong_codes' });
  });

  it('is refused for a device that is one too many of this gateway, and no other is touched', async () => {
    for (let i = 0; i < 20; i++) await expectCodes([asked(`INVENTED${i}`)], [0]);
    await expectCodes([asked('INVENTED0'), asked(DRONE)], [0, 210231]);
    expect(world.bindings.has(DRONE)).to.equal(false);
    expect(world.events.at(-2)).to.include({ step: 'bind', sn: DRONE, reason: 'too_many_binds' });
    world.now += 60_000;
    await expectCodes([asked(DRONE)], [0]);
  });

  it('takes an empty code for no guess', async () => {
    await expectCodes([asked(GATEWAY, { device_binding_code: '' })], [210230]);
    expect(world.lookups).to.equal(0);
  });

  it('counts different wrong codes in one list one by one', async () => {
    const guesses = Array.from({ length: 16 }, (_, i) =>
      asked(GATEWAY, { device_binding_code: `wrong-${i}` }),
    );
    await expectCodes(
      guesses,
      guesses.map(() => 210230),
    );
    expect(world.lookups).to.equal(10);
  });

  for (const sn of ['', 'DOCK-SN-001', '1581F TEST']) {
    it(`binds a dock whose drone has the SN ${JSON.stringify(sn)}, and tells only of the dock`, async () => {
      const drone = asked(DRONE, { sn, device_callsign: '', device_model_key: '' });
      await expectCodes([asked(GATEWAY), drone], [0, 200001]);
      expect([...world.bindings.keys()]).to.deep.equal([GATEWAY]);
      expect(bindEvents().map((event) => event.sn)).to.deep.equal([GATEWAY]);
      expect(world.events.at(-1)).to.include({ step: 'request', outcome: 'ok', result: 0 });
      expect(world.events.at(-1)).not.to.have.property('reason');
    });
  }

  it('replies 200001 for a device whose callsign is too long, binds the other, and tells which it is', async () => {
    await expectCodes([asked(GATEWAY), asked(DRONE, { device_callsign: 'x'.repeat(257) })], [0, 200001]);
    expect([...world.bindings.keys()]).to.deep.equal([GATEWAY]);
    expect(bindEvents()[1]).to.include({
      outcome: 'faulty',
      sn: DRONE,
      reason: 'invalid_data',
      result: 200001,
    });
    expect(bindEvents()[1]?.detail).to.match(/^data\/bind_devices\/1\/device_callsign must NOT have more/);
  });

  it('replies to each entry of a device that is named twice, once in a way that cannot be used', async () => {
    await expectCodes([asked(GATEWAY, { device_callsign: {} }), asked(GATEWAY)], [200001, 0]);
    expect(world.binds).to.deep.equal([[GATEWAY]]);
  });

  it('takes a device that cannot be used for no guess', async () => {
    const wrong = { device_binding_code: 'unknown', device_callsign: 'x'.repeat(257) };
    for (let i = 0; i < 12; i++) await expectCodes([asked(DRONE, wrong), asked(GATEWAY)], [200001, 0]);
    expect(world.lookups).to.equal(12);
  });

  it('tells of the request and of each device', async () => {
    await expectCodes([asked(GATEWAY), asked(OTHER_GATEWAY)], [0, 210231]);
    const base = { clientId: 'client-1', account: 'yard', gateway: GATEWAY };
    expect(world.events).to.have.length(3);
    expect(world.events[0]).to.include({ ...base, step: 'bind', outcome: 'ok', sn: GATEWAY, result: 0 });
    expect(world.events[1]).to.include({ ...base, step: 'bind', outcome: 'faulty', result: 210231 });
    expect(world.events[2]).to.include({
      ...base,
      step: 'request',
      outcome: 'ok',
      method: METHOD,
      result: 0,
    });
  });
});
