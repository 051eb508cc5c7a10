/** What live nodes answered, held against what dockhook reads of it and what the stand-in says. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { answers, type Answer } from '../../../src/emqx/api-answers.js';
import { closedState, route, type EmqxState } from '../../support/emqx-rest-routes.js';

const RECORDED = ['emqx-5.8.9-rest-live.txt', 'emqx-6.2.0-rest-live.txt'];

/** By call, such as `GET nodes`: the first recorded body with status 200. */
function recorded(file: string): Map<string, unknown> {
  const text = readFileSync(new URL(`../../fixtures/${file}`, import.meta.url), 'utf8');
  const found = [...text.matchAll(/^(GET \S+) 200 ([[{].*)$/gm)];
  return new Map(found.map(([, call = '', body = '']) => [call, JSON.parse(body) as unknown]));
}

const READ: Record<string, Answer<unknown>> = {
  'GET nodes': answers.nodes,
  'GET exhooks': answers.providers,
  'GET exhooks/dockhook': answers.provider,
  'GET exhooks/dockhook/hooks': answers.hooks,
  'GET authentication': answers.authenticators,
  'GET authentication/password_based%3Abuilt_in_database/users?page=1&limit=1': answers.users,
  'GET authorization/settings': answers.authorization,
  'GET authorization/sources': answers.sources,
  'GET listeners': answers.listeners,
  'GET listeners/tcp:default': answers.listener,
  'GET configs/global_zone': answers.zone,
  'GET clients?username=dock-north&limit=100': answers.clients,
};

/** Paths of all fields, `[]` for each element of a list. */
function fieldsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => fieldsOf(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, inner]) => fieldsOf(inner, `${path}.${key}`));
}

for (const file of RECORDED) {
  describe(`what a live EMQX answered (${file})`, () => {
    const bodies = recorded(file);
    let state: EmqxState;
    beforeEach(() => {
      state = closedState();
      const [provider] = bodies.get('GET exhooks') as [Record<string, unknown>];
      const { name, url, enable, failed_action: action } = provider;
      state.providers = [{ name, url, enable, failed_action: action }];
      state.listeners['tcp:default'] = { enable: true, bind: '127.0.0.1:1883', enable_authn: true };
    });

    for (const [call, answer] of Object.entries(READ)) {
      it(`is read: ${call}`, () => {
        const body = bodies.get(call);
        expect(body, 'recorded').to.not.equal(undefined);
        expect(answer(body), JSON.stringify(answer.errors)).to.equal(true);
      });
    }

    for (const call of [
      'GET nodes',
      'GET exhooks',
      'GET exhooks/dockhook',
      'GET listeners',
      'GET listeners/tcp:default',
    ]) {
      it(`has every field that the stand-in answers: ${call}`, () => {
        const { body } = route(state, 'GET', `/${call.slice(4)}`, new URLSearchParams(), undefined);
        const known = new Set(fieldsOf(bodies.get(call)));
        expect(fieldsOf(body).filter((field) => !known.has(field))).to.deep.equal([]);
      });
    }
  });
}

describe('subscriptions (5.8.9)', () => {
  const call =
    'GET subscriptions?match_topic=thing%2Fproduct%2F1581FTEST000000000B%2Fservices&limit=1000&page=1';
  const body = recorded('emqx-5.8.9-rest-live.txt').get(call);

  it('are read', () => {
    expect(answers.subscriptions(body), JSON.stringify(answers.subscriptions.errors)).to.equal(true);
  });
  it('are those of the stand-in, the shared one, too', () => {
    const state = closedState();
    state.nodes = ['emqx@127.0.0.1'];
    const topic = 'thing/product/1581FTEST000000000B/services';
    const subscriptions = [topic, `$share/g/${topic}`];
    state.clients = [{ clientid: 'backend|backend-1', username: 'backend', subscriptions }];
    const query = new URLSearchParams(call.slice(call.indexOf('?')));
    expect(route(state, 'GET', '/subscriptions', query, undefined).body).to.deep.equal(body);
  });
});

describe('a node that is stopped', () => {
  it('is read, though EMQX says neither its version nor how long it runs', () => {
    const state = closedState();
    state.nodes = ['emqx@a', 'emqx@b'];
    state.nodeStates['emqx@b'] = 'stopped';
    const { body } = route(state, 'GET', '/nodes', new URLSearchParams(), undefined);
    expect((body as object[])[1]).to.deep.equal({ node: 'emqx@b', node_status: 'stopped', role: 'core' });
    expect(answers.nodes(body)).to.equal(true);
  });
});
