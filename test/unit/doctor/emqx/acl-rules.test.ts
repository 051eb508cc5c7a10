/** What rules of acl.conf decide for everybody, in the forms in which people and EMQX write them. */
import { expect } from 'chai';
import {
  deniesRetainedRequests,
  mayTouchDocks,
  verdictForAll,
} from '../../../../src/doctor/emqx/acl-rules.js';

/** As EMQX ships it (etc/acl.conf of 5.8.9), without its comments. */
const SHIPPED = `{allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.
{allow, all}.
`;

describe('verdictForAll', () => {
  const allowing = [
    SHIPPED,
    '{allow, all}.',
    '{allow,all,all,all}.',
    '{ allow , all , all , ["#"] } .',
    '{allow, all, publish, ["thing/#"]}.',
    '{allow, all, subscribe, ["a/b", "+/product/+/osd"]}.',
    '{allow, {username, {re, "^.*$"}}, all, ["sys/product/#"]}.',
    '{allow, {user, all}, all, ["#"]}.',
    '{allow, {clientid, {re, ".*"}}, all, ["thing/product/${clientid}/#"]}.',
    '{allow, {ipaddr, "0.0.0.0/0"}, all, all}.',
    '{allow, {ipaddrs, ["0.0.0.0/0", "::/0"]}, all, ["#"]}.',
    '{allow, {\'or\', [{username, "x"}, all]}, all, ["#"]}.',
    '{allow, all, {all, [{qos, [0, 1, 2]}]}, ["#"]}.',
    '{allow, all, subscribe, [{eq, "#"}]}.',
    '%% a comment with "quotes\n{allow, all, all, ["#"]}. %% {deny, all}.',
    '{deny, all, {publish, [{retain, true}]}, ["#"]}.\n{allow, all}.',
    '{deny, all, all, ["$SYS/#"]}.\n{allow, all, all, ["$share/g/thing/product/#"]}.',
  ];
  for (const rules of allowing) {
    it(`"allows all" of ${JSON.stringify(rules)}`, () => {
      expect(verdictForAll(rules)).to.equal('allows all');
    });
  }

  const denying = [
    '{deny, all}.',
    '{deny, all}.\n{allow, all}.',
    '{deny, all, all, ["#"]}.',
    '{deny, all, subscribe, all}.',
  ];
  for (const rules of denying) {
    it(`"denies all" of ${JSON.stringify(rules)}`, () => {
      expect(verdictForAll(rules)).to.equal('denies all');
    });
  }

  const neither = [
    undefined,
    '',
    '%% {allow, all}.',
    '{allow, {username, "backend"}, all, ["#"]}.',
    '{allow, {username, {re, "^dock-"}}, all, ["#"]}.',
    '{allow, {ipaddr, "10.0.0.0/8"}, all, ["#"]}.',
    '{allow, all, all, ["$SYS/#", "weather/#", "things/product/#"]}.',
    '{deny, all, subscribe, ["$SYS/#", {eq, "#"}, "eq +/#"]}.',
    '{allow, {username, "{allow, all}."}, all, ["x"]}.',
  ];
  for (const rules of neither) {
    it(`nothing of ${JSON.stringify(rules)}`, () => {
      expect(verdictForAll(rules)).to.equal(undefined);
    });
  }
});

describe('deniesRetainedRequests', () => {
  it('knows the rule of docs/emqx.md, and wider ones', () => {
    for (const topic of ['thing/product/+/requests', 'thing/#', '#'])
      expect(deniesRetainedRequests(`{deny, all, {publish, [{retain, true}]}, ["${topic}"]}.`)).to.equal(
        true,
      );
  });

  it('takes no rule for it that leaves some out, allows, or is a comment', () => {
    for (const rules of [
      '{deny, {username, "x"}, {publish, [{retain, true}]}, ["#"]}.',
      '{deny, all, {publish, [{retain, false}]}, ["#"]}.',
      '{deny, all, {publish, [{retain, true}]}, ["weather/#"]}.',
      '{allow, all, {publish, [{retain, true}]}, ["#"]}.',
      '% {deny, all, {publish, [{retain, true}]}, ["#"]}.',
    ])
      expect(deniesRetainedRequests(rules), rules).to.equal(false);
  });
});

describe('mayTouchDocks', () => {
  it('holds a filter against topics of docks', () => {
    const filters = ['#', '+/#', 'thing/product/+/osd', 'sys/#', '+/+/X/requests', '$share/g/thing/#'];
    expect(filters.filter(mayTouchDocks)).to.deep.equal(filters);
    expect(
      ['things/#', '$SYS/#', 'thing/other/#', 'a/thing/product/x', 'thing', '+', 'sys/product'].filter(
        mayTouchDocks,
      ),
    ).to.deep.equal([]);
  });
});
