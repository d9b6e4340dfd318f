const textEncoder = new TextEncoder();

/**
 * The partition that owns an execution: FNV-1a (32 bit) of the id's UTF-8 bytes, modulo the number of partitions.
 * Source: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/.
 * @throws RangeError when `partitions` is not a positive integer.
 */
export function partitionOf(executionId: string, partitions: number): number {
  if (!Number.isInteger(partitions) || partitions < 1) {
    throw new RangeError('partitions must be a positive integer');
  }
  let hash = 0x811c9dc5;
  for (const byte of textEncoder.encode(executionId)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash % partitions;
}
