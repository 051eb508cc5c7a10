import { expect } from 'chai';
import { matches } from '../../../src/trial-broker/topic-filter.js';

describe('topic filter', () => {
  // [MQTT-4.7.1] and [MQTT-4.7.2-1], with the examples of the standard.
  const cases: [string, string, boolean][] = [
    ['thing/product/+/requests', 'thing/product/SN/requests', true],
    ['thing/product/+/requests', 'thing/product/SN/requests_reply', false],
    ['thing/product/+/requests', 'thing/product/SN/requests/more', false],
    ['thing/product/+/requests', 'thing/product/a/b/requests', false],
    ['thing/product/+/requests', 'thing/product//requests', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['+', '/finance', false],
    ['#', 'any/topic', true],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['a/b', 'A/b', false],
  ];
  for (const [filter, topic, expected] of cases) {
    it(`${filter} ${expected ? 'matches' : 'does not match'} ${topic}`, () => {
      expect(matches(filter, topic)).to.equal(expected);
    });
  }
});
