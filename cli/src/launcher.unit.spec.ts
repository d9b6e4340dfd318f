import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A checkout that contains only the command. */
let checkout: string;
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'batuta-launcher-'));
  for (const path of ['bin', 'command-line.js', 'run-file.js', 'package.json']) {
    cpSync(join(ROOT, 'cli', path), join(checkout, 'cli', path), { recursive: true });
  }
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

const needsNode = (version: string): void =>
  writeFileSync(
    join(checkout, 'package.json'),
    JSON.stringify({ engines: { node: `>=${version}` }, scripts: { 'build:local': 'echo "what is wrong"; exit 2' } }),
  );
const install = (): void => {
  mkdirSync(join(checkout, 'node_modules'));
  writeFileSync(join(checkout, 'node_modules/.package-lock.json'), '{}');
  symlinkSync(join(ROOT, 'node_modules/commander'), join(checkout, 'node_modules/commander'));
};
const batuta = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [join(checkout, 'cli/bin/batuta.mjs'), ...args], { encoding: 'utf8' });

describe('the batuta command of a checkout', () => {
  it('names the required Node.js version when this one is too old', () => {
    needsNode('999.1.0');
    const { status, stderr } = batuta('start');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^Batuta needs Node\\.js 999\\.1\\.0 or newer; .* is ${process.versions.node}\\. .*\\n$`),
    );
  });

  it('reports packages that are not installed', () => {
    needsNode('20.19.0');
    const { status, stderr } = batuta('start');
    expect(status).toBe(1);
    expect(stderr).toBe(`The packages that Batuta needs are not installed in ${checkout}. Run: npm ci\n`);
  });

  it('answers help, version and unknown commands without the program', () => {
    needsNode('20.19.0');
    install();
    expect(batuta('--help')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Usage: batuta .*\bdemo\b/s) });
    expect(batuta('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(batuta('strat')).toMatchObject({ status: 1, stderr: expect.stringContaining('Did you mean start?') });
    expect(batuta('start', '--port', '70000')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('A port is a whole number from 0 to 65535.'),
    });
    expect(existsSync(join(checkout, 'cli/dist'))).toBe(false);
  });

  it.each(['--help', '--version', 'knowledge --help'])(
    'loads no part of the program for %s, so that it takes only the time of Node.js itself',
    (line) => {
      const [seen, hooks] = [join(checkout, 'loaded'), join(checkout, 'hooks.mjs')];
      writeFileSync(
        hooks,
        `import { appendFileSync } from 'node:fs';
         export async function load(url, context, next) {
           appendFileSync(${JSON.stringify(seen)}, url + '\\n');
           return next(url, context);
         }`,
      );
      const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(hooks).href)});`;
      const { status } = spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${register}`, join(ROOT, 'cli/bin/batuta.mjs'), ...line.split(' ')],
        { encoding: 'utf8' },
      );
      expect(status).toBe(0);
      const loaded = readFileSync(seen, 'utf8').trim().split('\n');
      const own = loaded.filter((url) => !url.startsWith('node:') && !url.startsWith('data:'));
      const expected = ['cli/bin/batuta.mjs', 'cli/command-line.js', 'cli/run-file.js'].map(
        (path) => pathToFileURL(join(ROOT, path)).href,
      );
      expect(own.filter((url) => !url.includes('/node_modules/commander/')).toSorted()).toEqual(expected);
      expect(own.length).toBeGreaterThan(expected.length);
    },
  );

  it('answers help soon after a program that does nothing would end', () => {
    needsNode('20.19.0');
    install();
    const took = (run: () => { status: number | null }): number => {
      const begun = performance.now();
      expect(run().status).toBe(0);
      return performance.now() - begun;
    };
    const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
    // One after the other, so that a machine that becomes busy meanwhile is slower for both.
    const pairs = Array.from({ length: 9 }, () => [
      took(() => spawnSync(process.execPath, ['-e', '0'])),
      took(() => batuta('--help')),
    ]);
    const [nothing = 0, help = 0] = [0, 1].map((place) => median(pairs.map((pair) => pair[place] ?? 0)));
    // Node.js itself takes 40 ms, so this is 0.2 s.
    expect(help).toBeLessThan(5 * nothing);
  }, 300_000);

  it('names a disk with too little space before a first build, and the space that is needed', () => {
    needsNode('20.19.0');
    install();
    const full = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
      fs.statfsSync = () => ({ bavail: 10, bsize: 1024 * 1024 }); syncBuiltinESMExports();`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(full)}`, join(checkout, 'cli/bin/batuta.mjs'), 'start'],
      { encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      `Batuta cannot be built: ${checkout} has 10 MiB of free space, and the build needs 120 MiB. Free some space.\n`,
    );
  });

  it('shows the output of a failed build, and ends', () => {
    needsNode('20.19.0');
    install();
    const { status, stdout, stderr } = batuta('start');
    // Its output is apart from that of the command, which a shell may read.
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(
      /^Building \(first time; .* by machine\) …\nwhat is wrong\nBatuta could not be built; the lines above say why\.\n$/,
    );
  });

  it.each([
    ['another version', { 'node_modules/esbuild': { version: '1.0.0' } }, 'esbuild 2.0.0 is not there'],
    ['none', {}, 'esbuild 2.0.0 is not there'],
  ])('tells to install when the lockfile has changed since: %s is installed', (_name, packages, message) => {
    needsNode('20.19.0');
    install();
    const lock = (of: object): string => JSON.stringify({ packages: of });
    writeFileSync(
      join(checkout, 'package-lock.json'),
      lock({
        '': { version: '9' },
        'libs/one': { version: '9' },
        'node_modules/other-platform': { version: '9', optional: true },
        'node_modules/esbuild': { version: '2.0.0' },
      }),
    );
    writeFileSync(join(checkout, 'node_modules/.package-lock.json'), lock(packages));
    const { status, stdout, stderr } = batuta('start');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^The packages installed in .* ${message}\\. Run: npm ci\\n$`));

    writeFileSync(
      join(checkout, 'node_modules/.package-lock.json'),
      lock({ 'node_modules/esbuild': { version: '2.0.0' } }),
    );
    expect(batuta('start').stderr).toContain('what is wrong');
  });

  it('shows progress during a build', async () => {
    needsNode('20.19.0');
    const wait = `while [ ! -f '${join(checkout, 'go')}' ]; do sleep 0.1; done; exit 2`;
    writeFileSync(
      join(checkout, 'package.json'),
      JSON.stringify({ engines: { node: '>=20.19.0' }, scripts: { 'build:local': wait } }),
    );
    install();
    const child = spawn(process.execPath, [join(checkout, 'cli/bin/batuta.mjs'), 'start'], { stdio: 'pipe' });
    let shown = '';
    child.stderr.on('data', (data: Buffer) => {
      shown += data.toString();
      if (/… building for \d+ s/.test(shown)) writeFileSync(join(checkout, 'go'), '');
    });
    expect((await once(child, 'exit'))[0]).toBe(1);
    expect(shown).toMatch(/^Building .*\n {2}… building for \d+ s\n/);
  }, 300_000);

  it('reports before a build that a platform is running here, if that one answers', async () => {
    needsNode('20.19.0');
    install();
    const server = createServer((request, response) =>
      response.writeHead(request.url === '/health/live' ? 200 : 404).end(),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const data = join(checkout, '.batuta');
    mkdirSync(data);
    writeFileSync(join(data, 'run.json'), JSON.stringify({ url, pid: process.pid, api_key_file: '/a/key' }));
    const start = async (): Promise<{ code: unknown; shown: string }> => {
      const child = spawn(process.execPath, [join(checkout, 'cli/bin/batuta.mjs'), 'start'], {
        env: { ...process.env, BATUTA_DATA_DIR: data },
      });
      let shown = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (text: Buffer) => (shown += text.toString()));
      }
      const [code] = (await once(child, 'close')) as unknown[];
      return { code, shown };
    };
    try {
      expect(await start()).toEqual({
        code: 1,
        shown: expect.stringMatching(
          new RegExp(`^A platform is running already: ${url} \\(process ${process.pid}, key in /a/key\\)`),
        ),
      });
    } finally {
      server.close();
    }
    await once(server, 'close');
    // A process that got the id of an ended platform is not a platform.
    expect((await start()).shown).toMatch(/^Building /);
  }, 300_000);

  it('takes a run file that it may not read for the one of another user, whose platform is not its own', () => {
    const file = join(checkout, 'run.json');
    writeFileSync(file, JSON.stringify({ pid: process.pid }));
    const read = (account: object): unknown => {
      const script = `import { readRunFile } from './cli/run-file.js'; console.log(readRunFile('.')?.pid)`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: checkout,
        encoding: 'utf8',
        ...account,
      }).stdout;
    };
    expect(read({})).toBe(`${process.pid}\n`);
    chmodSync(checkout, 0o755);
    chmodSync(file, 0o000);
    const isRoot = process.getuid?.() === 0;
    expect(read(isRoot ? { uid: 65_534, gid: 65_534 } : {})).toBe('undefined\n');
  }, 300_000);
});
