import { expect } from 'chai';
import { NORTH, SOUTH, cloud } from '../support.js';

const METHOD = 'airport_organization_get';
const NORTH_NAME = { result: 0, output: { organization_name: 'North yard' } };
const NOT_FOUND = { result: 210230, output: {} };
const INVALID = { result: 200001, output: {} };

describe('airport_organization_get', () => {
  for (const id of [NORTH.id, '', null, undefined]) {
    it(`replies the name for the code and organization id ${JSON.stringify(id)}`, async () => {
      const data = { device_binding_code: NORTH.bindingCode, organization_id: id };
      expect(await cloud().dataFor(METHOD, data)).to.deep.equal(NORTH_NAME);
    });
  }

  it('takes numbers for the text they mean', async () => {
    const world = cloud();
    world.organizations.push({ id: '42', name: 'West yard', bindingCode: '12345678' });
    expect(await world.dataFor(METHOD, { device_binding_code: 12345678, organization_id: 42 })).to.deep.equal(
      { result: 0, output: { organization_name: 'West yard' } },
    );
  });

  for (const code of ['', null, undefined, true, {}]) {
    it(`replies 200001 if the code is ${JSON.stringify(code)}`, async () => {
      const data = { device_binding_code: code, organization_id: NORTH.id };
      expect(await cloud().dataFor(METHOD, data)).to.deep.equal(INVALID);
    });
  }

  for (const [what, code, id, reason] of [
    ['nobody has this code', 'unknown', '', 'wrong_binding_code'],
    ['the code differs in case', NORTH.bindingCode.toLowerCase(), '', 'wrong_binding_code'],
    ['the code has a blank too many', `${NORTH.bindingCode} `, '', 'typed_with_spaces'],
    ['the code begins with a blank', `\t${NORTH.bindingCode}`, NORTH.id, 'typed_with_spaces'],
    ['the organization id has a blank too many', NORTH.bindingCode, `${NORTH.id} `, 'typed_with_spaces'],
    ['the two fields are swapped', NORTH.id, NORTH.bindingCode, 'organization_id_as_code'],
    ['the organization id was typed twice', NORTH.id, NORTH.id, 'organization_id_as_code'],
    ['the id was typed as code, with a blank', `${NORTH.id} `, '', 'organization_id_as_code'],
    ['the code is blank', ' ', NORTH.id, 'wrong_binding_code'],
    ["the organization id is not the code's", NORTH.bindingCode, SOUTH.id, 'wrong_organization_id'],
    ['the organization id alone is right', 'unknown', NORTH.id, 'wrong_binding_code'],
  ] as const) {
    it(`replies 210230 if ${what}, and tells ${reason}`, async () => {
      const world = cloud();
      const data = { device_binding_code: code, organization_id: id };
      expect(await world.dataFor(METHOD, data)).to.deep.equal(NOT_FOUND);
      expect(world.events[0]).to.include({ outcome: 'faulty', reason, result: 210230 });
      expect(JSON.stringify(world.events)).to.not.include(code);
    });
  }

  for (const code of ['', null, undefined]) {
    it(`says that nobody typed a code if it is ${JSON.stringify(code)}, and counts no wrong guess`, async () => {
      const world = cloud();
      for (let times = 0; times < 11; times += 1)
        await world.dataFor(METHOD, { device_binding_code: code, organization_id: NORTH.id });
      expect(world.events.at(-1)).to.include({ reason: 'no_binding_code', result: 200001 });
      const right = { device_binding_code: NORTH.bindingCode };
      expect(await world.dataFor(METHOD, right)).to.deep.equal(NORTH_NAME);
    });
  }

  it('never tries the typed organization id as a code, which would be a second guess', async () => {
    const world = cloud();
    await world.dataFor(METHOD, { device_binding_code: 'unknown', organization_id: NORTH.bindingCode });
    expect(world.lookups).to.equal(1);
    expect(world.events[0]).to.include({ reason: 'wrong_binding_code' });
  });

  it('replies 210230 after ten wrong codes in a minute, also to the right one, and says so', async () => {
    const world = cloud();
    for (let i = 0; i < 10; i++) await world.dataFor(METHOD, { device_binding_code: `wrong-${i}` });
    const right = { device_binding_code: NORTH.bindingCode };
    expect(await world.dataFor(METHOD, right)).to.deep.equal(NOT_FOUND);
    expect(world.events.at(-1)).to.include({ reason: 'too_many_wrong_codes' });
    world.now += 60_000;
    expect(await world.dataFor(METHOD, right)).to.deep.equal(NORTH_NAME);
  });
});
