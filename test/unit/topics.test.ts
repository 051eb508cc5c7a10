import { expect } from 'chai';
import { isSerialNumber } from '../../src/serial-number.js';
import { gatewayOfRequest, noSerialNumberIn, isReplyFilter, parseDeviceTopic } from '../../src/topics.js';

describe('device topics', () => {
  it('are taken apart into root, SN and the rest', () => {
    expect(parseDeviceTopic('thing/product/7CTDTEST00000A/property/set')).to.deep.equal({
      root: 'thing',
      sn: '7CTDTEST00000A',
      rest: 'property/set',
    });
    expect(parseDeviceTopic('sys/product/7CTDTEST00000A/status')?.root).to.equal('sys');
  });

  for (const [filter, isOne] of [
    ['thing/product/7CTDTEST00000A/requests_reply', true],
    ['sys/product/7CTDTEST00000A/status_reply', true],
    ['thing/product/7CTDTEST00000A/status_reply', true],
    ['thing/product/7CTDTEST00000A/+', true],
    ['thing/product/7CTDTEST00000A/#', true],
    ['thing/product/+/requests_reply', true],
    ['thing/product/#', true],
    ['thing/product/7CTDTEST00000A/services', false],
    ['thing/product/7CTDTEST00000A/services_reply', false],
    ['thing/product/7CTDTEST00000A/requests_reply/x', false],
    ['other/product/7CTDTEST00000A/requests_reply', false],
  ] as const) {
    it(`say that ${filter} brings ${isOne ? '' : 'no '}replies to a gateway's own messages`, () => {
      expect(isReplyFilter(filter)).to.equal(isOne);
    });
  }

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

describe('noSerialNumberIn', () => {
  it('is the name in a device topic that is no SN, and nothing else', () => {
    for (const name of ['DOCK-SN-001', 'gateway-1', 'DOCK3-001', 'Ünit', 'a b', 'A'.repeat(65)]) {
      expect(noSerialNumberIn(`thing/product/${name}/osd`), name).to.equal(name);
      expect(noSerialNumberIn(`sys/product/${name}/status`), name).to.equal(name);
    }
    for (const topic of [
      'thing/product/7CTDTEST00000A/osd',
      'thing/product/+/osd',
      'thing/product/#',
      'thing/product//osd',
      'thing/product/DOCK-SN-001',
      'home/DOCK-SN-001/osd',
      '#',
    ]) {
      expect(noSerialNumberIn(topic), topic).to.equal(undefined);
    }
  });
});
