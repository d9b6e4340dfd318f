import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endOf, eventually } from '@batuta/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A service whose stop, start or settings fail, depending on its argument. */
const PROGRAM = `
import { loadSettings, oneOf, integer } from ${JSON.stringify(join(ROOT, 'libs/settings/dist/index.js'))};
import { runService } from ${JSON.stringify(join(ROOT, 'libs/service/dist/index.js'))};
const [mode] = process.argv.slice(2);
await runService({
  name: 'sample',
  load: () => loadSettings({
    logLevel: oneOf(['info'], { env: 'SAMPLE_LOG_LEVEL', default: 'info' }),
    size: integer({ env: 'SAMPLE_SIZE', default: 1, min: 1, max: 9 }),
  }),
  start: async () => {
    if (mode === 'no-start') throw new Error('the port is taken');
    setInterval(() => {}, 1000);
    if (mode === 'rejects') setTimeout(() => void Promise.reject(new Error('nobody caught this')), 50);
    return {
      close: () =>
        mode === 'no-stop'
          ? Promise.reject(new Error('stuck transaction'))
          : mode === 'slow-stop'
            ? new Promise(() => {})
            : Promise.resolve(),
    };
  },
});
process.stdout.write('started\\n');
`;

describe('a service process', () => {
  let dir: string;
  let child: ChildProcess | undefined;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-service-'));
    writeFileSync(join(dir, 'program.mjs'), PROGRAM);
  });

  afterEach(() => {
    child?.kill('SIGKILL');
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const run = (mode: string, env: Record<string, string> = {}) => {
    const started = spawn(process.execPath, [join(dir, 'program.mjs'), mode], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let output = '';
    started.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    started.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const exited = new Promise<number | null>((resolve) => started.once('close', (code) => resolve(code)));
    const ended = endOf('it', started, () => output);
    const says = (text: string): Promise<unknown> =>
      eventually(() => output.includes(text), { timeoutMs: 60_000, describe: `it says ${text}`, pointless: ended });
    return { process: started, exited, says, output: () => output };
  };

  it.each(['SIGTERM', 'SIGINT'] as const)('stops cleanly on %s', async (signal) => {
    const service = run('good');
    await service.says('started');
    service.process.kill(signal);
    expect(await service.exited).toBe(0);
  });

  it('ends with 2 and names the variable, not the value, when a setting is wrong', async () => {
    const service = run('good', { SAMPLE_SIZE: 'enormous' });
    expect(await service.exited).toBe(2);
    expect(service.output()).toContain('SAMPLE_SIZE');
    expect(service.output()).not.toContain('enormous');
  });

  it('ends with 1 and the reason when it cannot start', async () => {
    const service = run('no-start');
    expect(await service.exited).toBe(1);
    expect(service.output()).toContain('the port is taken');
  });

  it('ends with 1 when it cannot stop cleanly', async () => {
    const service = run('no-stop');
    await service.says('started');
    service.process.kill('SIGTERM');
    expect(await service.exited).toBe(1);
    expect(service.output()).toContain('stuck transaction');
  });

  it('ends at once at the second signal', async () => {
    const service = run('slow-stop');
    await service.says('started');
    service.process.kill('SIGINT');
    await service.says('stopping');
    service.process.kill('SIGINT');
    expect(await service.exited).toBe(1);
  });

  it('ends with 1 on an unhandled rejection', async () => {
    const service = run('rejects');
    expect(await service.exited).toBe(1);
    expect(service.output()).toContain('nobody caught this');
  });
});
