import type { StreamRow } from '@batuta/event-store';
import type { ExecutionCommit, ExecutionChange, ExecutionRow } from '../../store/port.js';
import { nextWake } from '../../domain/index.js';
import { addLink, ofExecution } from './batch.js';
import type { Batch, StreamChanges } from './batch.js';
import { rowChange } from './execution-row.js';
import { isExecution } from './stream-state.js';
import { streamRowOf } from './streams.js';

/**
 * What the commit of a batch writes, in the partitions that are still owned. Moves the chains, the wake-ups and the
 * sent positions in memory to where they are when the commit succeeds. `now`: epoch ms.
 */
export function commitRequest(batch: Batch, now: number): ExecutionCommit {
  const partitions = [...batch.partitions.values()]
    .filter((partition) => partition.owned)
    .sort((a, b) => a.id - b.id)
    .map((partition) => ({
      partition: partition.id,
      epoch: partition.epoch,
      lastPosition: partition.sentPosition,
      publishedPosition: partition.effectsDone,
    }));
  for (const partition of batch.partitions.values()) partition.sentPosition = partition.decidedPosition;
  // The partition may have been lost and taken again. Decisions on its old state must not be committed under the new
  // epoch.
  const events = batch.events.filter(({ partition }) => partition.owned).map((event) => event.stored);
  const started: ExecutionRow[] = [];
  const changed: ExecutionChange[] = [];
  const streams: StreamRow[] = [];
  for (const changes of batch.executions) {
    if (!changes.execution.partition.owned) continue;
    addLink(changes);
    if (!ofExecution(changes)) {
      const row = streamRow(changes);
      if (row !== undefined) streams.push(row);
      continue;
    }
    const row = rowChange(changes, nextWake(changes.state), now);
    if (row.started !== undefined) started.push(row.started);
    if (row.changed !== undefined) changed.push(row.changed);
  }
  return { partitions, events, started, changed, ...(streams.length === 0 ? {} : { streams }) };
}

/** Whether nothing has to be written, so that only the epochs must be seen unchanged. */
export function writesNothing({ events, started, changed, streams }: ExecutionCommit): boolean {
  return events.length === 0 && started.length === 0 && changed.length === 0 && streams === undefined;
}

/** The row of a stream that is not an execution. Each of its commits writes it. */
function streamRow(changes: StreamChanges): StreamRow | undefined {
  const { execution, state } = changes;
  if (isExecution(state)) return undefined;
  const row = streamRowOf(execution.id, execution.partition.id, state);
  execution.currentWake = row?.wakeAt ?? null;
  changes.wakeAt = execution.currentWake;
  return row;
}
