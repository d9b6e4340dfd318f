import { tmpdir } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { LocalStackError } from './errors.js';
import { checkFreeSpace } from './free-space.js';

describe('checkFreeSpace', () => {
  it('names the directory, its free space and the needed space', async () => {
    const check = checkFreeSpace('/srv/batuta', 100, () => Promise.resolve(99.9 * 1024 * 1024));
    await expect(check).rejects.toThrow(LocalStackError);
    await expect(check).rejects.toThrow(/\/srv\/batuta is full: 99 MiB are free, and Batuta needs 100 MiB/);
  });

  it('reads the free space of the file system, and accepts enough space', async () => {
    await checkFreeSpace(tmpdir(), 0);
    await expect(checkFreeSpace(tmpdir(), Number.MAX_SAFE_INTEGER)).rejects.toThrow(/is full/);
    await checkFreeSpace('/srv/batuta', 100, () => Promise.resolve(100 * 1024 * 1024));
  });
});
