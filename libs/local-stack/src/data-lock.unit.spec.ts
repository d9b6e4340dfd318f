import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lockDataDir } from './data-lock.js';
import { LocalStackBusyError } from './errors.js';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'batuta-lock-'));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('lockDataDir', () => {
  it('is held by one process at a time, however many ask at once', async () => {
    await writeFile(path.join(dataDir, 'lock-1.json'), `{"pid":${process.pid},"identity":"before the reboot"}`);
    for (let round = 0; round < 30; round += 1) {
      const asked = await Promise.allSettled(Array.from({ length: 12 }, () => lockDataDir(dataDir)));
      const locks = asked.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const refused = asked.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      expect(locks).toHaveLength(1);
      expect(refused.filter((reason) => !(reason instanceof LocalStackBusyError))).toEqual([]);
      await locks[0]!.release();
    }
  });

  it('passes from one process to the next without two holding it', async () => {
    let holders = 0;
    let turns = 0;
    const takeTurns = async () => {
      while (turns < 60) {
        const lock = await lockDataDir(dataDir).catch((error: unknown) => {
          if (error instanceof LocalStackBusyError) return undefined;
          throw error;
        });
        if (lock === undefined) continue;
        holders += 1;
        turns += 1;
        await readdir(dataDir);
        expect(holders).toBe(1);
        holders -= 1;
        await lock.release();
      }
    };
    await Promise.all(Array.from({ length: 6 }, takeTurns));
    expect(turns).toBeGreaterThanOrEqual(60);
    expect((await readdir(dataDir)).filter((name) => name.startsWith('lock'))).toHaveLength(1);
  });

  it('names the holder', async () => {
    const lock = await lockDataDir(dataDir);
    await expect(lockDataDir(dataDir)).rejects.toMatchObject({ pid: process.pid, dataDir });
    await lock.release();
  });
});
