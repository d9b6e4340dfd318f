import { totalmem } from 'node:os';

/** Memory of the machine, or of the container when that has less, in bytes. */
export function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * V8's `--max-semi-space-size` for a process of a platform on a machine with so much memory, in MiB. Most objects die young, but
 * not before their commit: with room for them fewer are copied and promoted. The young generation takes up to three times as
 * much.
 */
export function semiSpaceMiB(bytes: number): number {
  const share = bytes / 2 ** 20 / 128;
  return 2 ** Math.floor(Math.log2(Math.min(128, Math.max(16, share))));
}
