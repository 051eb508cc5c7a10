/** Postgres on a disk that is full: a small tmpfs of its own, which takes root to mount. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsker } from '../support/asker.js';
import { run, startCommand } from '../support/cli.js';
import { itLong } from '../support/long.js';
import { describeWithOwnPostgres, startPostgres } from '../support/postgres.js';

const GATEWAY = '7CTDTEST00000A';
const MAX_BINDS = 20_000;

describeWithOwnPostgres('while the disk of Postgres is full', function () {
  this.timeout(120_000);

  itLong('no bind is told that is not kept, and binds go on when there is room again', async function () {
    if (process.getuid?.() !== 0) {
      console.warn('\n*** NOT TESTED: a full disk. It takes root to mount one.\n');
      if (process.env['CI'] === 'true') throw new Error('CI must run this as root');
      this.skip();
    }
    const cleanUps: (() => unknown)[] = [];
    try {
      const disk = mkdtempSync(join(tmpdir(), 'dockhook-disk-'));
      cleanUps.push(() => {
        rmSync(disk, { recursive: true });
      });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m', 'tmpfs', disk]);
      cleanUps.push(() => execFileSync('umount', [disk]));
      chmodSync(disk, 0o755);
      const postgres = await startPostgres(disk);
      cleanUps.push(() => postgres.stop());
      const environment = {
        DATABASE_URL: postgres.url,
        DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
        DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
      };
      const server = startCommand(['serve'], { environment });
      cleanUps.push(() => server.stop('SIGKILL'));
      const { grpc } = await server.event('ready');
      const added = await run(['--json', 'account', 'add', 'dock', '--any-gateway', '--generate'], {
        environment,
      });
      const { password } = JSON.parse(added.stdout) as { password: string };
      const code = ['organization', 'add', 'north', '--name', 'N', '--binding-code', 'code-of-north'];
      expect((await run(code, { environment })).code).to.equal(0);
      const dock = await connectAsker(String(grpc), { username: 'dock', clientId: GATEWAY });
      cleanUps.push(() => {
        dock.close();
      });

      const told: string[] = [];
      const bind = async (sn: string): Promise<boolean> => {
        const device = { sn, device_binding_code: 'code-of-north', device_callsign: 'x'.repeat(250) };
        const data = await dock.request('airport_organization_bind', { bind_devices: [device] });
        const { err_infos: infos } = (data as { output: { err_infos: { err_code: number }[] } }).output;
        if (infos[0]?.err_code === 0) told.push(sn);
        else expect(infos[0]?.err_code, sn).to.equal(210231);
        return infos[0]?.err_code === 0;
      };

      expect(await bind('BEFORE')).to.equal(true);
      fill(join(disk, 'filler'));
      let last = 0;
      while (last < MAX_BINDS && (await bind(`FULL${last}`))) last += 1;
      expect(last, 'the disk never came to be full').to.be.lessThan(MAX_BINDS);
      // It cannot write; whether it still reads is Postgres' affair. Nobody is let in wrongly.
      expect(await dock.authenticate('wrong')).to.equal(false);

      rmSync(join(disk, 'filler'));
      const end = Date.now() + 20_000;
      while (!(await bind('AFTER'))) expect(Date.now(), 'no bind succeeds any more').to.be.lessThan(end);
      expect(await dock.authenticate(password)).to.equal(true);

      const rows = await postgres.query('SELECT key FROM dockhook_bindings');
      const kept = new Set(rows.map(({ key }) => key));
      expect(told.filter((sn) => !kept.has(sn))).to.deep.equal([]);
    } finally {
      for (const cleanUp of cleanUps.reverse()) await cleanUp();
    }
  });
});

/** Takes all the room there is. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const chunk of [Buffer.alloc(1 << 20), Buffer.alloc(1 << 12)]) {
      try {
        for (;;) writeSync(file, chunk);
      } catch (error) {
        expect(error).to.have.property('code', 'ENOSPC');
      }
    }
  } finally {
    closeSync(file);
  }
}
