import { expect } from 'chai';
import { GATEWAY, LICENSE, NOW, cloud, down, hang, request } from '../support.js';

const REPLY = {
  app_id: '166400',
  app_key: 'key-secret',
  app_license: 'license-secret',
  ntp_server_host: 'pool.ntp.org',
  ntp_server_port: 123,
};
const NOT_REGISTERED = { result: 210001, output: {} };

describe('config', () => {
  it('replies license and time server, flat', async () => {
    const world = cloud();
    const sent = request('config', { config_scope: 'product', config_type: 'json' }, { gateway: GATEWAY });
    expect(await world.replyTo(sent)).to.deep.equal({
      tid: 'tid-1',
      bid: 'bid-1',
      timestamp: NOW,
      gateway: GATEWAY,
      method: 'config',
      data: REPLY,
    });
    expect(world.events).to.have.length(1);
    expect(world.events[0]).to.include({ step: 'request', outcome: 'ok', method: 'config', result: 0 });
  });

  it('replies the time server of the license, if it names one', async () => {
    const world = cloud();
    world.license = { ...LICENSE, ntpHost: 'ntp.example.org', ntpPort: 1123 };
    expect(await world.dataFor('config', {})).to.include({
      ntp_server_host: 'ntp.example.org',
      ntp_server_port: 1123,
    });
  });

  for (const data of [
    undefined,
    null,
    {},
    { config_type: null },
    { config_type: 'json' },
    { config_scope: 'product', new_in_firmware: [1] },
  ]) {
    it(`takes ${JSON.stringify(data)} for the usual question`, async () => {
      expect(await cloud().dataFor('config', data)).to.deep.equal(REPLY);
    });
  }

  for (const data of [
    { config_type: 'xml' },
    { config_type: '' },
    { config_type: 0 },
    { config_scope: 'device' },
    { config_scope: ['product'] },
    [],
    'json',
    false,
  ]) {
    it(`replies 200001 to ${JSON.stringify(data)}`, async () => {
      expect(await cloud().dataFor('config', data)).to.deep.equal({ result: 200001, output: {} });
    });
  }

  it('replies 210001 if no license was ever set, and says so', async () => {
    const world = cloud();
    world.license = undefined;
    expect(await world.dataFor('config', {})).to.deep.equal(NOT_REGISTERED);
    expect(world.events[0]).to.include({ outcome: 'faulty', result: 210001, reason: 'license_not_set' });
  });

  for (const [what, trouble] of [
    ['down', down],
    ['silent', hang],
  ] as const) {
    it(`replies the license last read while the store is ${what}`, async () => {
      const world = cloud({ storeBudgetMs: 5 });
      await world.loadLicense();
      world.trouble = trouble;
      expect(await world.dataFor('config', {})).to.deep.equal(REPLY);
      expect(world.events[0]).to.include({ outcome: 'ok', reason: 'store_unavailable' });
    });
  }

  it('remembers what an earlier config read', async () => {
    const world = cloud();
    await world.dataFor('config', {});
    world.trouble = down;
    expect(await world.dataFor('config', {})).to.deep.equal(REPLY);
  });

  it('follows a change at once, also that the license was cleared', async () => {
    const world = cloud();
    await world.loadLicense();
    world.license = { ...LICENSE, appId: '200' };
    expect(await world.dataFor('config', {})).to.include({ app_id: '200' });
    world.license = undefined;
    expect(await world.dataFor('config', {})).to.deep.equal(NOT_REGISTERED);
    world.trouble = down;
    expect(await world.dataFor('config', {})).to.deep.equal(NOT_REGISTERED);
  });

  it('lets whoever loads the license ahead know that the store failed', async () => {
    const world = cloud();
    world.trouble = down;
    const failed: unknown = await world.loadLicense().catch((error: unknown) => error);
    expect(failed).to.have.property('code', 'store_unavailable');
  });
});
