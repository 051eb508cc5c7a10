/**
 * Who reads the log of `serve` may stop: `docker logs` that was suspended, Ctrl-S on a terminal, a full pipe. It
 * costs log lines and no answer.
 */
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectAsker } from '../support/asker.js';
import { run } from '../support/cli.js';
import { freePorts } from '../support/haproxy.js';
import { itLong } from '../support/long.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** As long as a client id may be, so that its log lines fill what is kept of them soon. */
const CLIENT_ID = 'x'.repeat(250);
/** Their log lines are some two megabytes: more than the kernel and dockhook keep together. */
const CONNECTS = 4000;
const AT_ONCE = 50;

interface Reader {
  /** How a shell starts `$SERVE`, with its log coming out here. */
  how: string;
  ready: RegExp;
  /** Its first group is the number. */
  linesLost: RegExp;
  /** A whole line. */
  line: RegExp;
}

const JSON_LINES = {
  ready: /"event":"ready"/,
  linesLost: /"event":"log_lines_lost","count":(\d+)/,
  line: /^{.*}$/,
};
/** As a person reads them. */
const TEXT_LINES = {
  ready: / ready /,
  linesLost: / log_lines_lost count=(\d+)/,
  line: /^\d\d:\d\d:\d\d \w+ +\w+( \w+=("([^"\\]|\\.)*"|\S+))*\r?$/,
};

const READERS: Record<string, Reader> = {
  'a socket, as systemd gives one': { how: '$SERVE', ...JSON_LINES },
  'a pipe': { how: '$SERVE | cat', ...JSON_LINES },
  'a terminal': { how: 'script -qefc "$SERVE" /dev/null', ...TEXT_LINES },
  'one pipe for stdout and stderr': { how: '$SERVE 2>&1 | cat', ...JSON_LINES },
};

describeWithPostgres('serve whose log nobody reads', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let directory: string;
  let password: string;
  before(async () => {
    database = await freshDatabase();
    directory = mkdtempSync(join(tmpdir(), 'dockhook-log-'));
    // Whoever holds the log, it leaves word of how `serve` ended. Its pid is there whole or not: an empty file would be
    // read as 0, and a signal to that ends this test run.
    const script = `#!/bin/sh
"${process.execPath}" "${MAIN}" serve &
echo $! >"${directory}/pid.new"
mv "${directory}/pid.new" "${directory}/pid"
wait $!
echo $? >"${directory}/code"
`;
    writeFileSync(join(directory, 'serve'), script, { mode: 0o755 });
    const added = await run(['--json', 'account', 'add', 'dock', '--any-gateway', '--generate'], {
      environment: { DATABASE_URL: database.url },
    });
    ({ password } = JSON.parse(added.stdout) as { password: string });
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    await database.drop();
  });

  interface Served {
    reader: ChildProcess;
    grpc: string;
    http: string;
    /** What was read of the log. */
    log(): string;
    /** Reads on until the log has this. */
    readUntil(wanted: RegExp): Promise<RegExpExecArray>;
    /** Resolves to the exit code of `serve`, whoever still holds its log. */
    ended(): Promise<number>;
    signal(name: NodeJS.Signals): void;
  }

  let served: Served | undefined;
  afterEach(async () => {
    served?.reader.stdout?.resume();
    if (served && !existsSync(join(directory, 'code')) && existsSync(join(directory, 'pid'))) {
      served.signal('SIGKILL');
      // Else its word of the end would be taken for that of the next.
      await served.ended();
    }
    served = undefined;
    for (const name of ['pid', 'code']) rmSync(join(directory, name), { force: true });
  });

  async function serve(how: string): Promise<Served> {
    const [grpc = 0, http = 0] = await freePorts(2);
    const reader = spawn('sh', ['-c', how], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        SERVE: join(directory, 'serve'),
        DATABASE_URL: database.url,
        DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
        DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
      },
    });
    let log = '';
    reader.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const left = once(reader.stdout, 'end').then(() => {
      throw new Error(`serve ended: ${log}`);
    });
    left.catch(() => undefined);
    const readUntil = async (wanted: RegExp): Promise<RegExpExecArray> => {
      for (;;) {
        const found = wanted.exec(log);
        if (found) return found;
        await Promise.race([once(reader.stdout, 'data'), left]);
      }
    };
    return {
      reader,
      grpc: `127.0.0.1:${grpc}`,
      http: `127.0.0.1:${http}`,
      log: () => log,
      readUntil,
      async ended() {
        const path = join(directory, 'code');
        while (!existsSync(path) || readFileSync(path, 'utf8') === '') await pause(20);
        return Number(readFileSync(path, 'utf8'));
      },
      signal: (name) => process.kill(Number(readFileSync(join(directory, 'pid'), 'utf8')), name),
    };
  }

  /** Connects again and again. @returns how many were let in, each in time */
  async function connects(
    grpc: string,
    times = CONNECTS,
    afterEach: () => void = () => undefined,
  ): Promise<number> {
    const asker = await connectAsker(grpc, { username: 'dock', clientId: CLIENT_ID });
    let letIn = 0;
    for (let done = 0; done < times; done += AT_ONCE) {
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => asker.authenticate(password)));
      letIn += answers.filter(Boolean).length;
      afterEach();
    }
    asker.close();
    return letIn;
  }

  const lostLines = async (http: string): Promise<number> => {
    const text = await (await fetch(`http://${http}/metrics`)).text();
    return Number(/^dockhook_log_lines_lost_total (\d+)$/m.exec(text)?.[1]);
  };

  for (const [what, { how, ready, linesLost, line }] of Object.entries(READERS)) {
    const test = what === 'a pipe' ? it : itLong;
    test(`answers everybody, says what was lost, and ends when told: ${what}`, async () => {
      served = await serve(how);
      const { reader, grpc, http } = served;
      await served.readUntil(ready);
      reader.stdout?.pause();
      expect(await connects(grpc)).to.equal(CONNECTS);
      expect((await fetch(`http://${http}/healthz`)).status).to.equal(200);
      const lost = await lostLines(http);
      expect(lost).to.be.above(0);

      reader.stdout?.resume();
      const [, told] = await served.readUntil(linesLost);
      expect(Number(told))
        .to.equal(await lostLines(http))
        .and.to.be.at.least(lost);
      const whole = served.log().split('\n').slice(0, -1);
      for (const one of whole) expect(one).to.match(line);

      reader.stdout?.pause();
      await connects(grpc, CONNECTS / 2);
      served.signal('SIGTERM');
      expect(await served.ended()).to.equal(0);
    });
  }

  itLong('answers everybody while the reader takes a byte now and then', async () => {
    served = await serve('$SERVE | cat');
    const { reader, grpc } = served;
    await served.readUntil(/"event":"ready"/);
    reader.stdout?.removeAllListeners('data').pause();
    expect(await connects(grpc, CONNECTS, () => reader.stdout?.read(1) as unknown)).to.equal(CONNECTS);
  });

  it('has in it all that was answered before the end, if somebody reads', async () => {
    served = await serve('$SERVE | cat');
    await served.readUntil(/"event":"ready"/);
    expect(await connects(served.grpc)).to.equal(CONNECTS);
    served.signal('SIGTERM');
    await served.readUntil(/"event":"stopped"/);
    const accepted = served.log().match(/"event":"authenticate","outcome":"ok"/g);
    expect(accepted).to.have.lengthOf(CONNECTS);
    expect(await served.ended()).to.equal(0);
  });
});
