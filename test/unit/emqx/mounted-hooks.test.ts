/** Whether mounted hooks are those that dockhook asks a version of EMQX for. */
import { expect } from 'chai';
import { parseAnswerForBackend } from '../../../src/answer-for-backend.js';
import { hookDifference, mountedHooks } from '../../../src/emqx/mounted-hooks.js';
import type { Version } from '../../../src/emqx/versions.js';

const OLD: Version = [5, 3, 2];
const NEW: Version = [5, 8, 9];

describe('the mounted hooks', () => {
  const mounted = (version: Version, timeline = true, words = '') =>
    mountedHooks({ timeline, answerForBackend: parseAnswerForBackend(words), version }).map(
      ({ name, topics }) => ({
        name,
        params: { topics: [...topics] },
      }),
    );
  const difference = (of: ReturnType<typeof mounted>, ...versions: Version[]) =>
    hookDifference(of, { timeline: true, answerForBackend: parseAnswerForBackend(''), versions });

  it('fit the version that they were asked of, and no other', () => {
    for (const version of [OLD, NEW]) expect(difference(mounted(version), version)).to.equal(undefined);
    expect(difference(mounted(OLD), NEW)).to.deep.equal({ missing: [], unwanted: ['client.connected'] });
    expect(difference(mounted(NEW), OLD)).to.deep.equal({ missing: ['client.connected'], unwanted: [] });
  });

  it('fit if they are right for one of several versions, or if no version is known', () => {
    for (const version of [OLD, NEW]) {
      expect(difference(mounted(version), NEW, OLD)).to.equal(undefined);
      expect(difference(mounted(version))).to.equal(undefined);
    }
  });

  it('differ by a topic that is missing or too many', () => {
    const hooks = mounted(NEW);
    hooks.find(({ name }) => name === 'message.publish')!.params.topics = ['thing/product/+/requests', '#'];
    expect(difference(hooks, NEW)).to.deep.equal({
      missing: ['message.publish for sys/product/+/status', 'message.publish for thing/product/+/status'],
      unwanted: ['message.publish for #'],
    });
  });

  it('differ if they were asked for without a timeline', () => {
    expect(difference(mounted(NEW, false), NEW)?.missing).to.deep.equal([
      'message.publish for sys/product/+/status',
      'message.publish for thing/product/+/status',
      'client.disconnected',
    ]);
  });

  for (const [words, timeline, topics] of [
    ['', false, []],
    ['offline_map_get', false, []],
    ['update_topo', false, ['sys/product/+/status', 'thing/product/+/status']],
    ['events', false, ['thing/product/+/events']],
    ['events', true, ['sys/product/+/status', 'thing/product/+/status', 'thing/product/+/events']],
  ] as const) {
    it(`have the topics that are answered for a backend: "${words}" ${timeline ? 'with' : 'without'} a timeline`, () => {
      const hooks = mounted(NEW, timeline, words);
      expect(hooks.find(({ name }) => name === 'message.publish')?.params.topics).to.deep.equal([
        'thing/product/+/requests',
        ...topics,
      ]);
    });
  }

  it('differ if a topic is mounted that is answered no more, or not yet', () => {
    expect(difference(mounted(NEW, true, 'events'), NEW)).to.deep.equal({
      missing: [],
      unwanted: ['message.publish for thing/product/+/events'],
    });
    const asked = { timeline: true, answerForBackend: parseAnswerForBackend('events'), versions: [NEW] };
    expect(hookDifference(mounted(NEW), asked)?.missing).to.deep.equal([
      'message.publish for thing/product/+/events',
    ]);
  });
});
