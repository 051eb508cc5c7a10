/** The rules with which EMQX answers beside a backend. What EMQX does with them was tried on a live 5.8.9. */
import { expect } from 'chai';
import { judge } from '../../../src/access/topic-rules.js';
import * as methods from '../../../src/dock/methods/index.js';
import { RULES, rulesConfiguration, type RuleName } from '../../../src/emqx/rules.js';
import { parseHocon, type Hocon } from '../../support/hocon.js';

interface Rule {
  enable: boolean;
  sql: string;
  actions: [{ function: string; args: Record<string, Hocon> }];
}

function ruleOf(name: RuleName): Rule {
  const { rule_engine: engine } = parseHocon(rulesConfiguration(new Set([name]))) as unknown as {
    rule_engine: { rules: Record<string, Rule> };
  };
  expect(Object.keys(engine.rules)).to.deep.equal([`dockhook_${name}`]);
  return engine.rules[`dockhook_${name}`]!;
}

describe('the rules of EMQX', () => {
  for (const name of RULES) {
    it(`take no payload apart as text: ${name}`, () => {
      // A text template breaks on a tid with quotes (seen on 5.8.9).
      expect(ruleOf(name).actions[0].args['payload']).to.match(/^\$\{\w+\}$/);
    });

    it(`leave nothing to the retain flag of a dock: ${name}`, () => {
      // EMQX's default is the flag of the message (read).
      expect(ruleOf(name).actions[0].args['retain']).to.equal(false);
    });

    it(`are switched on again by a restart: ${name}`, () => {
      // Without the line, what the dashboard switched off stays off (seen on 5.8.9).
      expect(ruleOf(name).enable).to.equal(true);
    });
  }

  it('never answer an event that tells of a file', () => {
    const { sql } = ruleOf('events');
    for (const method of ['file_upload_callback', 'highest_priority_upload_flighttask_media']) {
      expect(sql).to.include(`and payload.method != '${method}'`);
    }
  });

  it('answer update_topo on both of its topics', () => {
    expect(ruleOf('update_topo').sql).to.include('FROM "sys/product/+/status", "thing/product/+/status"');
  });

  it('copy what dockhook answers, and nothing else', () => {
    const listed = /in \((.*)\)/.exec(ruleOf('mirror').sql)?.[1];
    const names = Object.values(methods).map(({ name }) => `'${name}'`);
    expect(listed?.split(', ')).to.have.members(names);
  });

  it('copy to a topic that no dock may read or write', () => {
    const sn = '7CTDTEST00000A';
    const topic = (ruleOf('mirror').actions[0].args['topic'] as string).replace(
      '${topic}',
      `thing/product/${sn}/requests`,
    );
    expect(topic).to.equal(`mirror/thing/product/${sn}/requests`);
    for (const kind of ['gateways', 'client-id', 'any-gateway'] as const) {
      const scope = kind === 'gateways' ? { kind, gateways: [sn] } : { kind };
      for (const action of ['publish', 'subscribe'] as const) {
        expect(judge(scope, sn, action, topic), `${kind} ${action}`).to.equal('no');
      }
      expect(judge(scope, sn, 'subscribe', 'mirror/#')).to.equal('no');
    }
  });
});
