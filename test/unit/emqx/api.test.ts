import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { readConfig } from '../../../src/config.js';
import { answers } from '../../../src/emqx/api-answers.js';
import { openEmqx } from '../../../src/emqx/api.js';
import { API_SECRET, startEmqxRest, type FakeEmqx } from '../../support/emqx-rest.js';

describe("EMQX's REST API", () => {
  let emqx: FakeEmqx;
  beforeEach(async () => {
    emqx = await startEmqxRest();
  });
  afterEach(() => emqx.close());

  it('is asked with the key that the file has now, once the one before is refused', async () => {
    const file = emqx.environment['DOCKHOOK_EMQX_API_SECRET_FILE'] ?? '';
    writeFileSync(file, 'of yesterday');
    const api = await openEmqx(readConfig(emqx.environment));
    const nodes = () => api?.get('/nodes', answers.nodes);
    const refused = await nodes()?.catch((error: unknown) => error);
    expect(refused).to.have.property('message').that.includes('401');
    writeFileSync(file, `${API_SECRET}\n`);
    await Promise.all([nodes(), nodes(), nodes()]);
    const before = emqx.calls.length;
    await nodes();
    expect(emqx.calls.length - before).to.equal(1);
    // Half written: what was good goes on.
    writeFileSync(file, '');
    await nodes();
  });
});
