import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { runFile } from '@batuta/testing';

interface Read {
  entries: { at?: number }[];
  offsetMinutes: number;
}

async function readIn(zone: string): Promise<Read> {
  const child = runFile('services/step-runner/test/read-corpus.ts', { env: { TZ: zone } });
  const [code] = (await once(child.process, 'exit')) as [number | null];
  expect([code, child.output()]).toEqual([0, expect.stringContaining('{')]);
  return JSON.parse(child.output().trim().split('\n').at(-1) ?? '') as Read;
}

describe('times of logs', () => {
  it('are the same in every zone that the process can run in', async () => {
    const utc = await readIn('UTC');
    expect(utc.entries.filter(({ at }) => at !== undefined).length).toBeGreaterThan(100);
    for (const [zone, offsetMinutes] of [
      ['America/Sao_Paulo', 180],
      ['Asia/Kolkata', -330],
    ] as const) {
      expect(await readIn(zone)).toEqual({ entries: utc.entries, offsetMinutes });
    }
  }, 300_000);
});
