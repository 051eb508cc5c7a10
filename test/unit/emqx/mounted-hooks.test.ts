/** Whether mounted hooks are those that dockhook asks a version of EMQX for. */
import { expect } from 'chai';
import { hookDifference, mountedHooks } from '../../../src/emqx/mounted-hooks.js';
import type { Version } from '../../../src/emqx/versions.js';

const OLD: Version = [5, 3, 2];
const NEW: Version = [5, 8, 9];

describe('the mounted hooks', () => {
  const mounted = (version: Version, timeline = true) =>
    mountedHooks({ timeline, version }).map(({ name, topics }) => ({
      name,
      params: { topics: [...topics] },
    }));
  const difference = (of: ReturnType<typeof mounted>, ...versions: Version[]) =>
    hookDifference(of, { timeline: true, versions });

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
      missing: ['message.publish for sys/product/+/status'],
      unwanted: ['message.publish for #'],
    });
  });

  it('differ if they were asked for without a timeline', () => {
    expect(difference(mounted(NEW, false), NEW)?.missing).to.deep.equal([
      'message.publish for sys/product/+/status',
      'client.disconnected',
    ]);
  });
});
