/** What a live EMQX 5.8.9 answered is read as it was meant. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { answers, type Answer } from '../../../src/emqx/api-answers.js';
import { moduleAnswers } from '../../../src/emqx/module-answers.js';

const lines = readFileSync(
  new URL('../../fixtures/emqx-5.8.9-rest-modules.txt', import.meta.url),
  'utf8',
).split('\n');

/** The body that a path was answered with, if it was 200. */
function recorded(path: string): unknown {
  const start = `GET ${path} 200 `;
  const line = lines.find((one) => one.startsWith(start));
  return line === undefined ? undefined : JSON.parse(line.slice(start.length));
}

function as<T>(answer: Answer<T>, path: string): T {
  const value = recorded(path);
  if (answer(value)) return value;
  throw new Error(`${path}: ${JSON.stringify(answer.errors)}`);
}

describe('a recorded answer of EMQX', () => {
  it('tells the calls of each hook by node', () => {
    const publish = as(answers.hooks, '/exhooks/dockhook/hooks').find(
      ({ name }) => name === 'message.publish',
    );
    expect(publish?.node_metrics).to.have.length(1);
    expect(publish?.node_metrics?.[0]?.metrics?.succeed).to.be.a('number');
  });

  it('tells what a listener does before anybody is asked', () => {
    const listener = as(answers.listener, '/listeners/tcp:default');
    expect(listener).to.include({ mountpoint: '', proxy_protocol: false, max_connections: 'infinity' });
    expect(listener.access_rules).to.deep.equal(['allow all']);
    expect(listener.current_connections).to.be.a('number');
  });

  it('tells limits and flapping of the zone, and the cache', () => {
    const { mqtt, flapping_detect: flapping } = as(answers.zone, '/configs/global_zone');
    expect(mqtt).to.include({
      use_username_as_clientid: false,
      max_clientid_len: 65535,
      retain_available: true,
    });
    expect(flapping).to.include({ max_count: 5, ban_time: '5m' });
    expect(as(answers.authorization, '/authorization/settings').cache).to.include({
      max_size: 4096,
      ttl: '1m',
    });
  });

  it('tells rules: where from, whether they are enabled, and to which topic they republish', () => {
    const rules = as(moduleAnswers.rules, '/rules?limit=1000&page=1').data;
    expect(rules.map(({ id, enable }) => [id, enable])).to.have.deep.members([
      ['dockhook_update_topo', true],
      ['dockhook_events', true],
      ['dockhook_mirror', true],
      ['other', false],
    ]);
    const mirror = rules.find(({ id }) => id === 'dockhook_mirror');
    expect(mirror?.from).to.deep.equal(['thing/product/+/requests']);
    const [action] = mirror?.actions ?? [];
    expect(action).to.have.property('function', 'republish');
    expect(action).to.have.nested.property('args.topic', 'mirror/${topic}');
  });

  it('tells bans, rewrites, subscriptions, what is retained, and gateways', () => {
    expect(
      as(moduleAnswers.bans, '/banned?limit=1000&page=1').data.map(({ as: kind, until }) => [kind, until]),
    ).to.deep.equal([
      ['peerhost_net', 'infinity'],
      ['clientid', '2027-01-01T00:00:00+00:00'],
    ]);
    expect(as(moduleAnswers.rewrites, '/mqtt/topic_rewrite')[0]?.source_topic).to.equal(
      'thing/product/+/requests',
    );
    expect(as(moduleAnswers.subscriptions, '/mqtt/auto_subscribe')[0]?.topic).to.equal('thing/product/+/osd');
    expect(as(moduleAnswers.retainer, '/mqtt/retainer').enable).to.equal(true);
    const kept = '/mqtt/retainer/messages?topic=thing%2Fproduct%2F%2B%2Frequests&limit=100&page=1';
    expect(as(moduleAnswers.retained, kept).data[0]?.topic).to.equal('thing/product/7CTDTEST00001A/requests');
    expect(as(moduleAnswers.gateways, '/gateways').map(({ status }) => status)).to.include('unloaded');
    expect(as(moduleAnswers.load, '/nodes')[0]?.connections).to.be.a('number');
  });
});
