const textEncoder = new TextEncoder();
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * The partition that owns an execution: FNV-1a (32 bit) of the id's UTF-8 bytes, modulo the number of partitions.
 * Source: Fowler, Noll, Vo, http://www.isthe.com/chongo/tech/comp/fnv/.
 * @throws RangeError when `partitions` is not a positive integer.
 */
export function partitionOf(executionId: string, partitions: number): number {
  if (!Number.isInteger(partitions) || partitions < 1) {
    throw new RangeError('partitions must be a positive integer');
  }
  let hash = OFFSET_BASIS;
  for (let place = 0; place < executionId.length; place += 1) {
    const unit = executionId.charCodeAt(place);
    // Ids are ASCII, so their UTF-16 units are their bytes. Encoding them would cost more than everything else here.
    if (unit > 0x7f) return hashOf(textEncoder.encode(executionId)) % partitions;
    hash = step(hash, unit);
  }
  return hash % partitions;
}

function hashOf(bytes: Uint8Array): number {
  let hash = OFFSET_BASIS;
  for (const byte of bytes) hash = step(hash, byte);
  return hash;
}

function step(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, PRIME) >>> 0;
}
