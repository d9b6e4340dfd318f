import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { eventually, runFile } from '@batuta/testing';
import type { Child } from '@batuta/testing';

const FILE = 'libs/service/test/watched-process.ts';

describe('the watchdog', () => {
  const children: Child[] = [];
  const watched = (watchdog: string, ...args: string[]): Child => {
    const child = runFile(FILE, { env: { BATUTA_WATCHDOG: watchdog }, args });
    children.push(child);
    return child;
  };
  const endOf = async ({ process: child, output }: Child): Promise<unknown> => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal, output: output() };
  };
  afterEach(async () => {
    for (const child of children.splice(0)) await child.end('SIGKILL');
  });

  it('ends a process whose event loop stands still, and says so', async () => {
    expect(await endOf(watched('1s', 'stand', '120000'))).toMatchObject({
      signal: 'SIGKILL',
      output: expect.stringContaining('"service":"watched","stood_ms":'),
    });
  });

  it('ignores a shorter standstill, and does not keep a finished process alive', async () => {
    const ended = await endOf(watched('60s', 'stand', '300'));
    expect(ended).toMatchObject({ code: 0, output: expect.stringContaining('went on') });
  });

  it('does nothing when it is switched off', async () => {
    const ended = await endOf(watched('0', 'stand', '2000'));
    expect(ended).toMatchObject({ code: 0, output: expect.stringContaining('went on') });
  });

  it('does not blame a process that was stopped as a whole', async () => {
    const child = watched('5s', 'go', '10000');
    await eventually(() => child.output().includes('watched'), { timeoutMs: 120_000 });
    child.process.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    child.process.kill('SIGCONT');
    expect(await endOf(child)).toMatchObject({ code: 0, output: expect.stringContaining('went on') });
  });
});
