import { totalmem } from 'node:os';

/** Memory of the machine, or of its container if that is less, in bytes. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * V8's `--max-semi-space-size` for a platform process on a machine with this much memory, in MiB. Most objects live
 * until their commit. With enough room, fewer of them are copied and promoted. The young generation takes up to three
 * times this size.
 */
export function semiSpaceMiB(bytes: number): number {
  const share = bytes / 2 ** 20 / 128;
  return 2 ** Math.floor(Math.log2(Math.min(128, Math.max(16, share))));
}
