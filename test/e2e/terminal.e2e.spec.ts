import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connectNats } from '@batuta/messaging';
import { eventually } from '@batuta/testing';
import { copyCheckout } from '../support/checkout-copy.js';
import { ROOT } from '../support/command.js';
import { processesNaming } from '../support/processes.js';
import { Terminal } from '../support/terminal.js';
import type { TerminalOptions } from '../support/terminal.js';

// Complete starts and a first build, on a machine that may be busy.
jest.setTimeout(600_000);

const COLOUR = '\u001B[';
const STACK = /^\s+at .*[:(]/m;

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

const opened: Terminal[] = [];
function open(line: string, options: TerminalOptions): Terminal {
  const terminal = new Terminal(line, options);
  opened.push(terminal);
  return terminal;
}

async function nothingNames(text: string): Promise<void> {
  await eventually(
    () => {
      const left = processesNaming(text);
      if (left.length > 0) throw new Error(`processes ${left.join(', ')}`);
    },
    { timeoutMs: 120_000, describe: 'no process of the platform is left' },
  );
}

/** Runs a command in a terminal until it ends. */
async function ended(terminal: Terminal): Promise<{ code: number | null; shown: string }> {
  return { code: await terminal.exited(), shown: terminal.shown };
}

afterEach(() => {
  for (const { child } of opened.splice(0)) child.kill('SIGKILL');
});

/** The pseudo-terminals are made by script(1) of util-linux. */
const hasTerminals = spawnSync('script', ['--version'], { stdio: 'ignore' }).status === 0;

(hasTerminals ? describe : describe.skip)("the README's commands in a terminal", () => {
  let dir: string;
  const type = (line: string, options: Partial<TerminalOptions> = {}): Terminal =>
    open(line, { cwd: ROOT, ...options, env: { HOME: dir, BATUTA_DATA_DIR: join(dir, '.batuta'), ...options.env } });
  const nothingRuns = (): Promise<void> => nothingNames(dir);

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-terminal-'));
  });

  afterAll(async () => {
    await nothingRuns();
    rmSync(dir, { recursive: true, force: true });
  });

  it('npm run demo shows the report in the width of the terminal and ends by itself', async () => {
    const { code, shown } = await ended(type('npm run demo', { columns: 60 }));
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringContaining('● execution completed') });
    expect(shown).toContain('# State of this Batuta platform');
    expect(shown).toMatch(/^─{60}$/m);
    await nothingRuns();
  });

  it('npm run demo -- agents shows each turn of a scripted model and its calls, and says that it is scripted', async () => {
    const { code, shown } = await ended(type('npm run demo -- agents'));
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringMatching(/^Model: SCRIPTED\. /m) });
    expect(shown).toMatch(/◆ Investigate +turn 1: calls read_log, search_runbooks\n/);
    expect(shown).toMatch(/✔ {3}read_log/);
    expect(shown).toContain('# Checkouts fail since release 4.2.0');
    expect(shown).toMatch(/ {2}Whole execution +completed +\d+ ms \(\d+ tokens\)/);
    await nothingRuns();
  });

  it('npm start runs until Ctrl-C, which ends everything, and a demonstration explains what it may not do there', async () => {
    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    const demo = await ended(type('npm run demo -- agents'));
    expect(demo).toMatchObject({
      code: 1,
      shown: expect.stringMatching(/address_refused.*Stop it.*ALLOWED_ADDRESSES/s),
    });
    expect(demo.shown).not.toMatch(STACK);
    start.controlC();
    expect((await ended(start)).shown).toMatch(/SIGINT: stopping …\n\s+Stopped\.\s*$/);
    await nothingRuns();
  });

  it('Ctrl-C ends everything even during the start', async () => {
    const start = type('npm start -- --port 0');
    // Waits for the output of the first service, while others are still starting.
    await start.says(/service started|gateway listens/);
    start.controlC();
    await start.exited();
    expect(start.shown).toMatch(/Stopped\.\s*$/);
    expect(start.shown).not.toMatch(STACK);
    await nothingRuns();
  });

  it.each([
    // The first file is written before initdb runs, the second before it writes everything to disk.
    ['npm start -- --port 0', 'postgres/password', /Stopped\.\s*$/],
    ['npm start -- --port 0', 'postgres/server.json', /Stopped\.\s*$/],
    ['npm run demo', 'postgres/password', /Interrupted\.\s*$/],
  ])(
    'Ctrl-C while %s makes the database (%s) is no failure, and the next start completes it',
    async (line, file, last) => {
      const fresh = mkdtempSync(join(dir, 'fresh-'));
      const env = { BATUTA_DATA_DIR: fresh };
      const start = type(line, { env });
      await eventually(() => existsSync(join(fresh, file)), { timeoutMs: 250_000, pointless: start.ended });
      start.controlC();
      await start.exited();
      expect(start.shown).toMatch(last);
      expect(start.shown).not.toMatch(/cannot be|disk/);
      expect(start.shown).not.toMatch(STACK);
      await nothingRuns();
      const demo = await ended(type('npm run demo', { env }));
      expect(demo).toMatchObject({ code: 0, shown: expect.stringContaining('● execution completed') });
      await nothingRuns();
    },
  );

  it('leaves nothing running when the terminal is closed', async () => {
    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    expect(processesNaming(dir).length).toBeGreaterThan(3);
    start.child.kill('SIGKILL');
    await nothingRuns();
  });

  it('colours its logs, and does not when NO_COLOR is set', async () => {
    for (const { env, coloured } of [
      { env: {}, coloured: true },
      { env: { NO_COLOR: '1' }, coloured: false },
    ]) {
      const start = type('npm start -- --port 0', { env });
      await start.says(/Batuta is ready at http/);
      start.controlC();
      await start.exited();
      expect(start.shown).toMatch(/INFO: config: config service started/);
      expect(start.output.includes(COLOUR)).toBe(coloured);
    }
  });

  it('env prints the variables for curl and a worker, and a shell with them can start the platform again', async () => {
    const none = await ended(type('npm run -s batuta env'));
    expect(none).toMatchObject({ code: 1, shown: expect.stringMatching(/^No platform is running here\./) });

    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    const print = `printf '%s\\n' "$BATUTA_URL" "$BATUTA_API_KEY" "$NATS_URL" "$NATS_CREDS"`;
    const { code, shown } = await ended(type(`eval "$(npm run -s batuta env -- --pool text)" && ${print}`));
    expect({ code, shown }).toMatchObject({ code: 0 });
    const [url = '', key = '', nats = '', creds = ''] = shown.trim().split('\n');
    const answer = await fetch(`${url}/api/v1/agents`, { headers: { authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(200);
    const connection = await connectNats({ url: nats, credentials: creds, name: 'terminal-test', logger: silent });
    await connection.close();
    await expect(connectNats({ url: nats, name: 'terminal-test', logger: silent })).rejects.toThrow(/authorization/i);
    start.controlC();
    await start.exited();
    await nothingRuns();

    const kept = { BATUTA_URL: url, BATUTA_API_KEY: key, NATS_URL: nats, NATS_CREDS: creds };
    const again = type('npm start -- --port 0', { env: kept });
    await again.says(/Batuta is ready at http/);
    again.controlC();
    await again.exited();
    const demo = await ended(type('npm run demo', { env: kept }));
    expect(demo).toMatchObject({ code: 0, shown: expect.stringContaining('● execution completed') });
    await nothingRuns();
  });

  it('names the taken port in one or two sentences, even when the platform is already running', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { code, shown } = await ended(type(`npm start -- --port ${port}`));
      expect(code).toBe(1);
      expect(shown).toMatch(new RegExp(`Port ${port}.*gateway.*taken by another program\\. .*--port`));
      expect(shown).not.toMatch(STACK);
    } finally {
      other.close();
    }
    const first = type('npm start -- --port 0');
    await first.says(/Batuta is ready at http/);
    const second = await ended(type('npm start'));
    expect(second.code).toBe(1);
    expect(second.shown).toMatch(/A platform is running already: http.*Stop it/);
    expect(second.shown).not.toMatch(STACK);
    first.controlC();
    await first.exited();
    await nothingRuns();
  });

  it('reports in its first lines that its usual port is taken, and its actual address', async () => {
    const other = createServer();
    const listening = once(other.listen(3000, '127.0.0.1'), 'listening');
    // Another program of this machine may have the port, which has the same effect.
    await listening.catch((error: NodeJS.ErrnoException) => expect(error.code).toBe('EADDRINUSE'));
    try {
      const start = type('npm start');
      await start.says(/Ctrl-C stops everything/);
      const [, ready = '', notice = ''] = /(Batuta is ready at .*)\n(.*)\n/.exec(start.shown) ?? [];
      const { url } = JSON.parse(readFileSync(join(dir, '.batuta/run.json'), 'utf8')) as { url: string };
      expect(ready).toBe(`Batuta is ready at ${url}`);
      expect(new URL(url).port).not.toBe('3000');
      expect(notice).toMatch(/^ {2}NOT at port 3000, which another program has\. .*--port <number>$/);
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      start.controlC();
      await start.exited();
    } finally {
      other.close();
    }
    await nothingRuns();
  });

  it.each([
    ['a database that is not there', { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/none' }, /DATABASE_URL.*Start/],
    ['an address that is none', { DATABASE_URL: 'mysql://me:hunter2@localhost/db' }, /DATABASE_URL is no URL/],
    ['a NATS server that is not there', { NATS_URL: 'nats://127.0.0.1:1' }, /NATS_URL.*Start it, or unset/],
    ['an address of NATS that is none', { NATS_URL: '::' }, /NATS_URL is no URL/],
    ['a nats-server that is not there', { BATUTA_NATS_SERVER: '/none' }, /BATUTA_NATS_SERVER does not name/],
    [
      'a file in place of the data directory',
      { BATUTA_DATA_DIR: '/etc/passwd' },
      /directory is needed at \/etc\/passwd/,
    ],
    ['a wrong setting', { BATUTA_EXECUTION_LEASE: 'soon' }, /BATUTA_EXECUTION_LEASE must be a duration/],
    ['an unknown layout', { BATUTA_LAYOUT: 'gateway|engine' }, /unknown service "engine"/],
  ])('tells what to do about %s, without a stack trace', async (_, env: Record<string, string>, expected) => {
    const { code, shown } = await ended(type('npm start -- --port 0', { env }));
    expect({ code, shown }).toMatchObject({ code: 1, shown: expect.stringMatching(expected) });
    expect(shown).not.toMatch(STACK);
    expect(shown).not.toContain('hunter2');
    await nothingRuns();
  });
});

// Debian's user without rights. Its files are in a directory of this test.
const NOBODY = { uid: 65_534, gid: 65_534 };
const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const canSwitchUser =
  hasTerminals &&
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [...asNobody, process.execPath, '--version']).status === 0;

/** As root only, because only root can become another user. */
(canSwitchUser ? describe : describe.skip)("the README's commands of an ordinary user, in a new checkout", () => {
  let checkout: string;
  const type = (line: string): Terminal => open(line, { cwd: checkout, account: NOBODY });

  beforeAll(() => {
    checkout = copyCheckout(NOBODY);
  });

  afterAll(async () => {
    await nothingNames(checkout);
    rmSync(checkout, { recursive: true, force: true });
  });

  it('help and version need no build', async () => {
    expect(await ended(type('npm run -s batuta -- --help'))).toMatchObject({
      code: 0,
      shown: expect.stringMatching(/^Usage: batuta .*knowledge/s),
    });
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await ended(type('npm run -s batuta -- --version'))).toEqual({ code: 0, shown: `${version}\n` });
    expect(existsSync(join(checkout, 'cli/dist'))).toBe(false);
  });

  it('Ctrl-C ends a build', async () => {
    const start = type('npm start');
    await start.says(/Building \(first time/);
    start.controlC();
    await start.exited();
    expect(start.shown).not.toMatch(STACK);
    await nothingNames(checkout);
    // On a busy machine the build may have finished earlier.
    for (const built of ['cli/dist', 'services/standalone/dist']) {
      rmSync(join(checkout, built), { recursive: true, force: true });
    }
  });

  it('npm run demo reports that it builds, and shows the report', async () => {
    const demo = type('npm run demo');
    await demo.says(/Building \(first time; takes .*\) …/);
    const { code, shown } = await ended(demo);
    expect({ code, shown }).toMatchObject({ code: 0, shown: expect.stringContaining('● execution completed') });
    expect(shown).toContain('# State of this Batuta platform');
    await nothingNames(checkout);
  });

  it('npm start does not build again, and runs until Ctrl-C, which ends everything', async () => {
    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    expect(start.shown).not.toContain('first time');
    start.controlC();
    expect((await ended(start)).shown).toMatch(/SIGINT: stopping …\n\s+Stopped\.\s*$/);
    await nothingNames(checkout);
  });

  it('npm start runs what was changed since, as after an update', async () => {
    const source = join(checkout, 'cli/src/command.ts');
    const before = readFileSync(source, 'utf8');
    expect(before).toContain('Ctrl-C stops everything.');
    // The copy may share its files with this checkout.
    rmSync(source);
    writeFileSync(source, before.replace('Ctrl-C stops everything.', 'Ctrl-C stops all of it.'));
    const start = type('npm start -- --port 0');
    await start.says(/Batuta is ready at http/);
    await start.says(/Ctrl-C stops all of it\./);
    start.controlC();
    await start.exited();
    await nothingNames(checkout);
  });

  it('names the owner of the checkout when the user may not write in it', async () => {
    const { code, shown } = await ended(open('npm start', { cwd: ROOT, account: NOBODY, env: { HOME: checkout } }));
    expect(code).toBe(1);
    expect(shown).toMatch(/may not write in .*Run it as the owner/);
    expect(shown).not.toMatch(STACK);
  });
});
