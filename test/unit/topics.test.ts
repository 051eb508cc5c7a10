import { expect } from 'chai';
import { isSerialNumber } from '../../src/serial-number.js';
import { gatewayOfRequest, parseDeviceTopic } from '../../src/topics.js';

describe('device topics', () => {
  it('are taken apart into root, SN and the rest', () => {
    expect(parseDeviceTopic('thing/product/7CTDTEST00000A/property/set')).to.deep.equal({
      root: 'thing',
      sn: '7CTDTEST00000A',
      rest: 'property/set',
    });
    expect(parseDeviceTopic('sys/product/7CTDTEST00000A/status')?.root).to.equal('sys');
  });

  for (const topic of [
    '',
    'thing/product',
    'thing/product/7CTD',
    'thing/product/7CTD/',
    'thing/product//osd',
    'thing/product/+/osd',
    'thing/product/#',
    'thing/product/7CTD/property//set',
    '/thing/product/7CTD/osd',
    'Thing/product/7CTD/osd',
    'other/product/7CTD/osd',
    'thing/products/7CTD/osd',
    `thing/product/${'A'.repeat(65)}/osd`,
  ]) {
    it(`do not include ${JSON.stringify(topic)}`, () => {
      expect(parseDeviceTopic(topic)).to.equal(undefined);
    });
  }

  it('name the gateway of a request only under thing and only on requests', () => {
    expect(gatewayOfRequest('thing/product/7CTD/requests')).to.equal('7CTD');
    expect(gatewayOfRequest('sys/product/7CTD/requests')).to.equal(undefined);
    expect(gatewayOfRequest('thing/product/7CTD/requests_reply')).to.equal(undefined);
    expect(gatewayOfRequest('thing/product/7CTD/requests/more')).to.equal(undefined);
  });
});

describe('a serial number', () => {
  it('is made of 1 to 64 ASCII letters and digits', () => {
    expect(isSerialNumber('1581FTEST00000B')).to.equal(true);
    expect(isSerialNumber('A'.repeat(64))).to.equal(true);
    for (const text of ['', 'A'.repeat(65), 'A B', 'A\n', 'Ä', 'A-1', 'A\u0000', '１２']) {
      expect(isSerialNumber(text), JSON.stringify(text)).to.equal(false);
    }
  });
});
