import { statfs } from 'node:fs/promises';
import { LocalStackError } from './errors.js';

const MIB = 1024 * 1024;

/** The space that an ordinary user can use. The part that file systems reserve for root does not count. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Throws a `LocalStackError` when a directory's file system has less than `neededMib` MiB left. */
export async function checkFreeSpace(
  directory: string,
  neededMib: number,
  freeIn: (directory: string) => Promise<number> = freeBytes,
): Promise<void> {
  const free = Math.floor((await freeIn(directory)) / MIB);
  if (free >= neededMib) return;
  throw new LocalStackError(
    `The disk of ${directory} is full: ${free} MiB are free, and Batuta needs ${neededMib} MiB there to start. ` +
      'Free some space, or set BATUTA_DATA_DIR to a directory on another disk.',
  );
}
