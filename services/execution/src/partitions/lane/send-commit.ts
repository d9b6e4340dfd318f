import type { CommitOutcome } from '@batuta/event-store';
import type { Batch } from './batch.js';
import { commitRequest, writesNothing } from './commit-request.js';
import type { LaneParts } from './lane-parts.js';

/** With more executions in a commit, the process has other work while it waits. */
const FEW_EXECUTIONS = 4;

/** Sends a batch to the store. A batch that has nothing to write only checks the epochs. */
export async function sendCommit(
  { commits, counters, clock, busyPoll }: Pick<LaneParts, 'commits' | 'counters' | 'clock' | 'busyPoll'>,
  batch: Batch,
): Promise<CommitOutcome> {
  const request = commitRequest(batch, clock.now());
  const { partitions } = request;
  if (writesNothing(request)) {
    counters.epochChecks += 1;
    try {
      const held = await commits.heldEpochs(partitions);
      return {
        kind: 'committed',
        held: new Map([...held].map((id) => [id, batch.partitions.get(id)?.committedPosition ?? -1])),
      };
    } catch (error) {
      // Nothing had to be written, so nothing is unknown.
      return { kind: 'rejected', code: '', message: String(error), transient: true };
    }
  }
  for (const item of partitions) batch.published.set(item.partition, item.publishedPosition);
  counters.commits += 1;
  counters.appendStatements += 1;
  batch.sentAt = clock.now();
  const sent = clock.elapsed();
  if (batch.executions.length <= FEW_EXECUTIONS) busyPoll?.extend();
  const outcome = await commits.commit(request);
  batch.endedAt = clock.now();
  batch.tookMs = clock.elapsed() - sent;
  return outcome;
}
