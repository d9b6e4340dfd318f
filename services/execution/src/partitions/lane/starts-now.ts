import type { Input } from './inputs.js';
import { timeOfId } from './partition.js';
import type { Partition } from './partition.js';

/**
 * Whether an unknown execution can be started without reading the log: its id (UUIDv7, RFC 9562) was made after this
 * owner took the partition. A wrong clock or an evicted execution makes this wrong. Then the log refuses the first
 * version, and the input is answered from the log. The log would accept the first version of a deleted execution, so
 * ids of that time are looked up.
 */
export function startsNow(partition: Partition, input: Input): boolean {
  if (input.kind !== 'command' || input.request.start === undefined || input.triedAlone === true) return false;
  const { executionId } = input;
  return (
    !partition.endedLately(executionId) && timeOfId(executionId) > Math.max(partition.ownedSince, partition.deletedUpTo)
  );
}
