import { expect } from 'chai';
import fc from 'fast-check';
import * as methods from '../../../src/dock/methods/index.js';
import { bindingType, encode } from '../../../src/stores/codec.js';
import { DRONE, GATEWAY, NORTH, asked, cloud, request, type Data } from './support.js';

const INVALID = { result: 200001, output: {} };

describe('bad data', () => {
  const badNumbers = ['', 'a/b', 'a+b', '#', 'a\u0000b', 'ä', ' A', 'A'.repeat(300)];
  const notText = [null, true, 1.5, -1, 2 ** 60, {}, ['A'], undefined];

  for (const sn of [...badNumbers, ...notText]) {
    const shown = JSON.stringify([sn]).slice(1, 20);

    it(`spoils no other device of its list: SN ${shown}`, async () => {
      const world = cloud();
      const status = await world.dataFor('airport_bind_status', { devices: [{ sn }, { sn: GATEWAY }] });
      expect(status).to.have.nested.property('output.bind_status[1].sn', GATEWAY);
      expect(status).to.have.nested.property('output.bind_status[0].is_device_bind_organization', false);
      const bind_devices = [asked(GATEWAY), { ...asked(DRONE), sn }];
      const bound = await world.dataFor('airport_organization_bind', { bind_devices });
      expect(bound).to.have.nested.property('output.err_infos[0].err_code', 0);
      expect(bound).to.have.nested.property('output.err_infos[1].err_code', 200001);
      expect(world.binds).to.deep.equal([[GATEWAY]]);
    });

    it(`is 200001 as the only device: SN ${shown}`, async () => {
      const world = cloud();
      expect(await world.dataFor('airport_bind_status', { devices: [{ sn }] })).to.deep.equal(INVALID);
      const bind_devices = [{ ...asked(DRONE), sn }, null];
      expect(await world.dataFor('airport_organization_bind', { bind_devices })).to.deep.equal(INVALID);
      expect(world.binds).to.deep.equal([]);
      expect(world.events).to.have.length(2);
      expect(world.events[1]).to.include({ outcome: 'faulty', reason: 'invalid_data', result: 200001 });
    });
  }

  for (const [what, sn, echo] of [
    ['text that is no SN', 'DOCK-SN-001', 'DOCK-SN-001'],
    ['nothing', '', ''],
    ['endless text', 'A'.repeat(65), ''],
    ['a number that JSON rounds', 2 ** 60, ''],
    ['half a number', 1.5, ''],
    ['a number below zero', -7, '-7'],
    ['an object', { sn: GATEWAY }, ''],
    ['no SN at all', undefined, ''],
  ] as const) {
    it(`comes back as far as that is safe: ${what}`, async () => {
      const world = cloud();
      const devices = [{ sn }, { sn: GATEWAY }];
      expect(await world.dataFor('airport_bind_status', { devices })).to.have.nested.property(
        'output.bind_status[0].sn',
        echo,
      );
      const bind_devices = [asked(GATEWAY), { ...asked(DRONE), sn }];
      expect(await world.dataFor('airport_organization_bind', { bind_devices })).to.have.nested.property(
        'output.err_infos[1].sn',
        echo,
      );
    });
  }

  for (const entry of [null, 'A', 7, [], [GATEWAY]]) {
    it(`spoils no other device of its list: ${JSON.stringify(entry)} in the place of one`, async () => {
      const world = cloud();
      expect(
        await world.dataFor('airport_bind_status', { devices: [entry, { sn: GATEWAY }] }),
      ).to.have.property('result', 0);
      expect(
        await world.dataFor('airport_organization_bind', { bind_devices: [entry, asked(GATEWAY)] }),
      ).to.deep.equal({
        result: 0,
        output: {
          err_infos: [
            { sn: '', err_code: 200001 },
            { sn: GATEWAY, err_code: 0 },
          ],
        },
      });
    });
  }

  for (const data of [undefined, null, [], 'text', 7, true, {}]) {
    for (const method of ['airport_bind_status', 'airport_organization_get', 'airport_organization_bind']) {
      it(`is 200001 for ${method}: ${JSON.stringify(data)}`, async () => {
        expect(await cloud().dataFor(method, data)).to.deep.equal(INVALID);
      });
    }
  }

  for (const list of [[], null, {}, [null], ['A'], [[]], Array.from({ length: 17 }, () => asked(GATEWAY))]) {
    it(`is 200001 as list of devices: ${JSON.stringify(list).slice(0, 20)}`, async () => {
      const world = cloud();
      expect(await world.dataFor('airport_bind_status', { devices: list })).to.deep.equal(INVALID);
      expect(await world.dataFor('airport_organization_bind', { bind_devices: list })).to.deep.equal(INVALID);
    });
  }

  it('is 200001 where a binding could not be stored: NUL, lone surrogates, endless text, objects', async () => {
    for (const text of ['a\u0000', '\ud800', '\udc00a', 'x'.repeat(257), {}, [], true]) {
      for (const key of ['device_binding_code', 'organization_id', 'device_callsign', 'device_model_key']) {
        const world = cloud();
        const bind_devices = [asked(GATEWAY, { [key]: text })];
        expect(await world.dataFor('airport_organization_bind', { bind_devices }), key).to.deep.equal(
          INVALID,
        );
        expect(world.binds).to.deep.equal([]);
      }
    }
  });

  it('names the place and the rule in the event, not the value', async () => {
    const world = cloud();
    await world.dataFor('airport_bind_status', { devices: [{ sn: 'a/b' }, { sn: 'c/d' }] });
    expect(world.events[0]?.detail).to.match(/^data\/devices\/0\/sn must match pattern/);
    await world.dataFor('airport_bind_status', { devices: [{ sn: GATEWAY }, { sn: 'a/b' }] });
    expect(world.events[1]).to.include({ outcome: 'ok', result: 0 });
    expect(world.events[1]?.detail).to.match(
      /^1 of 2 devices cannot be used: data\/devices\/1\/sn must match pattern/,
    );
    expect(JSON.stringify(world.events)).not.to.match(/a\/b|c\/d/);
  });
});

describe('huge input', () => {
  const LIMIT = 16 * 1024;
  const padded = (length: number): string => {
    const text = (note: string): string => JSON.stringify(request('config', { note }));
    return text('x'.repeat(length - text('').length));
  };

  it('of 16 KiB is answered', async () => {
    const reply = await cloud().replyTo(padded(LIMIT));
    expect(reply.data).to.have.property('app_id');
  });

  it('of a bind of 16 devices with texts as long as they may be is answered', async () => {
    const long = (length: number): string => 'x'.repeat(length);
    const bind_devices = Array.from({ length: 16 }, (_, index) =>
      asked(`${long(62)}${String(index).padStart(2, '0')}`, {
        device_callsign: long(256),
        device_model_key: long(64),
        organization_id: long(256),
        device_binding_code: long(256),
      }),
    );
    const data = (await cloud().dataFor('airport_organization_bind', { bind_devices })) as Data;
    expect(data).to.have.property('result', 0);
  });

  for (const [what, payload] of [
    ['a byte more in an unknown field', padded(LIMIT + 1)],
    ['4 MiB of brackets', Buffer.alloc(4 * 1024 * 1024, '[')],
    ['4 MiB that are no UTF-8', Buffer.alloc(4 * 1024 * 1024, 0xff)],
    [
      'a bind with a megabyte of spaces before it',
      ' '.repeat(1 << 20) + JSON.stringify(request('config', {})),
    ],
  ] as const) {
    it(`of ${what} reaches nobody, and is not parsed`, async () => {
      const world = cloud();
      expect(await world.ask(payload)).to.deep.equal({ kind: 'drop' });
      expect(world.events).to.have.length(1);
      expect(world.events[0]).to.include({ step: 'request', outcome: 'faulty', reason: 'too_large' });
      expect(world.events[0], 'nothing was read of it').not.to.have.any.keys('method', 'tid');
    });
  }

  it('of a backend passes as it is', async () => {
    const world = cloud();
    world.publisher = 'service';
    expect(await world.ask(padded(LIMIT + 1))).to.deep.equal({ kind: 'pass' });
  });

  for (const place of ['tid', 'bid', 'gateway', 'unknown', 'data', 'method']) {
    it(`of 8,000 nested arrays as ${place} is survived`, async () => {
      const deep = '['.repeat(8000) + ']'.repeat(8000);
      const payload = `{"method":"airport_bind_status","data":{"devices":[{"sn":"${GATEWAY}"}]},"${place}":${deep}}`;
      const verdict = await cloud().ask(payload);
      expect(verdict.kind).to.equal(place === 'method' ? 'pass' : 'reply');
    });
  }
});

describe('__proto__ keys', () => {
  it('are unknown fields like others', async () => {
    const world = cloud();
    const payload = `{"method":"airport_organization_get","__proto__":{"tid":"T"},
      "data":{"__proto__":{"device_binding_code":"${NORTH.bindingCode}"},"constructor":1}}`;
    const reply = await world.replyTo(payload);
    expect(reply).not.to.have.property('tid');
    expect(reply.data).to.deep.equal(INVALID);
    expect(({} as Data).tid).to.equal(undefined);
  });
});

describe('any input', () => {
  const anySn = fc.oneof(fc.constantFrom(GATEWAY, DRONE), fc.string(), fc.jsonValue());
  const anyDevice = fc.record(
    {
      sn: anySn,
      device_binding_code: fc.oneof(fc.constant(NORTH.bindingCode), fc.jsonValue()),
      organization_id: fc.oneof(fc.constant(NORTH.id), fc.jsonValue()),
      device_callsign: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
      device_model_key: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const anyDevices = fc.array(anyDevice, { maxLength: 18 });
  const anyData = fc.oneof(
    fc.jsonValue(),
    anyDevice,
    fc.record({ devices: anyDevices }),
    fc.record({ bind_devices: anyDevices }),
    fc.record({
      config_type: fc.constantFrom('json', 'xml'),
      config_scope: fc.constantFrom('product', 'all'),
    }),
  );
  const ourMethod = fc.constantFrom(...Object.values(methods).map(({ name }) => name));
  const id = fc.oneof(fc.string({ unit: 'binary' }), fc.integer());

  it('of bytes or JSON never makes publish reject', async () => {
    const anyPayload = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
    );
    await fc.assert(
      fc.asyncProperty(anyPayload, async (payload) => {
        expect((await cloud().ask(payload)).kind).to.equal('pass');
      }),
      { numRuns: 300 },
    );
  });

  it('to a method of ours gets one reply with the same tid, bid and method, and one event of it', async () => {
    await fc.assert(
      fc.asyncProperty(id, id, ourMethod, anyData, async (tid, bid, method, data) => {
        const world = cloud();
        const reply = await world.replyTo({ tid, bid, method, data });
        expect(reply).to.include({ tid, bid, method });
        expect(world.events.filter(({ step }) => step === 'request')).to.have.length(1);
      }),
      { numRuns: 300 },
    );
  });

  it('never asks the store to keep a binding that it would refuse', async () => {
    await fc.assert(
      fc.asyncProperty(anyDevices, async (bind_devices) => {
        const world = cloud();
        await world.dataFor('airport_organization_bind', { bind_devices });
        for (const binding of world.bindings.values()) encode(bindingType, binding);
      }),
      { numRuns: 300 },
    );
  });
});
