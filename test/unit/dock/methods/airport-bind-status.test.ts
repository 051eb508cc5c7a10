import { expect } from 'chai';
import type { Bindings } from '../../../../src/stores/types.js';
import { DRONE, GATEWAY, NORTH, OTHER_GATEWAY, SOUTH, bindingOf, cloud } from '../support.js';

const unbound = (sn: string) => ({
  sn,
  is_device_bind_organization: false,
  organization_id: '',
  organization_name: '',
  device_callsign: '',
});
const elsewhere = (sn: string) => ({ ...unbound(sn), is_device_bind_organization: true });
const bound = (sn: string, { id, name } = NORTH) => ({
  sn,
  is_device_bind_organization: true,
  organization_id: id,
  organization_name: name,
  device_callsign: `callsign of ${sn}`,
});

describe('airport_bind_status', () => {
  let world: ReturnType<typeof cloud>;
  const bind = (...args: Parameters<typeof bindingOf>) => world.bindings.set(args[0], bindingOf(...args));

  beforeEach(() => {
    world = cloud();
  });

  async function expectStatus(sns: unknown[], statuses: unknown[]): Promise<void> {
    expect(await world.dataFor('airport_bind_status', { devices: sns.map((sn) => ({ sn })) })).to.deep.equal({
      result: 0,
      output: { bind_status: statuses },
    });
  }

  it('replies false and empty texts for unbound devices, drone first', async () => {
    await expectStatus([DRONE, GATEWAY], [unbound(DRONE), unbound(GATEWAY)]);
  });

  it('replies in the order asked, dock first', async () => {
    bind(GATEWAY);
    await expectStatus([GATEWAY, DRONE], [bound(GATEWAY), unbound(DRONE)]);
  });

  it('replies for a dock without its drone', async () => {
    bind(GATEWAY);
    await expectStatus([GATEWAY], [bound(GATEWAY)]);
  });

  for (const sn of ['', 'DOCK-SN-001']) {
    it(`replies false for a drone with the SN ${JSON.stringify(sn)}, and what is true for the dock`, async () => {
      bind(GATEWAY);
      await expectStatus([sn, GATEWAY], [unbound(sn), bound(GATEWAY)]);
    });
  }

  it('asks the store for nothing that is no SN', async () => {
    const asked: (readonly string[])[] = [];
    world = cloud({
      bindings: {
        getWithOrganizations: async (_gateway: string, sns: readonly string[]) => {
          asked.push(sns);
          return new Map();
        },
      } as unknown as Bindings,
    });
    await expectStatus(['a/b', GATEWAY, ''], [unbound('a/b'), unbound(GATEWAY), unbound('')]);
    expect(asked).to.deep.equal([[GATEWAY]]);
  });

  it('replies twice for a device that is asked twice', async () => {
    bind(DRONE);
    await expectStatus([DRONE, DRONE], [bound(DRONE), bound(DRONE)]);
  });

  it('replies for 16 devices', async () => {
    const sns = Array.from({ length: 16 }, (_, i) => `DRONE${i}`);
    await expectStatus(sns, sns.map(unbound));
  });

  it("tells of a device that another gateway bound to this gateway's organization", async () => {
    bind(GATEWAY);
    bind(DRONE, { gateway: OTHER_GATEWAY });
    await expectStatus([DRONE], [bound(DRONE)]);
  });

  it('tells of a device bound through this gateway, though the gateway itself is not bound', async () => {
    bind(DRONE);
    await expectStatus([DRONE, GATEWAY], [bound(DRONE), unbound(GATEWAY)]);
  });

  it('tells nothing of a device bound through this gateway that an operator has moved since', async () => {
    bind(GATEWAY);
    bind(DRONE, { organizationId: SOUTH.id });
    await expectStatus([DRONE, GATEWAY], [elsewhere(DRONE), bound(GATEWAY)]);
  });

  it('tells nothing but that it is bound of a device elsewhere', async () => {
    bind(GATEWAY);
    bind(DRONE, { organizationId: SOUTH.id, gateway: OTHER_GATEWAY });
    await expectStatus([DRONE, GATEWAY], [elsewhere(DRONE), bound(GATEWAY)]);
  });

  it('tells an unbound gateway nothing of a device elsewhere', async () => {
    bind(DRONE, { gateway: OTHER_GATEWAY });
    await expectStatus([DRONE], [elsewhere(DRONE)]);
  });

  it('does not open the rest of an organization because one of its devices came through this gateway', async () => {
    bind('DRONE1', { organizationId: SOUTH.id });
    bind('DRONE2', { organizationId: SOUTH.id, gateway: OTHER_GATEWAY });
    await expectStatus(['DRONE1', 'DRONE2'], [bound('DRONE1', SOUTH), elsewhere('DRONE2')]);
  });

  it('takes a number for the text it means, and ignores unknown fields', async () => {
    bind('15810042');
    const devices = [{ sn: 15810042, new_in_firmware: {} }];
    expect(await world.dataFor('airport_bind_status', { devices, more: 1 })).to.deep.equal({
      result: 0,
      output: { bind_status: [bound('15810042')] },
    });
  });

  it('tells apart SNs that differ in case only', async () => {
    bind('abc');
    await expectStatus(['ABC', 'abc'], [unbound('ABC'), bound('abc')]);
  });

  it('claims nothing', async () => {
    await expectStatus([DRONE], [unbound(DRONE)]);
    expect(world.bindings.size).to.equal(0);
  });
});
