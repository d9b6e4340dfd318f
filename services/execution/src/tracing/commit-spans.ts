import { spanIdOf, spanIds } from '@batuta/observability';
import type { Tracing } from '@batuta/observability';
import { ofExecution } from '../partitions/lane/batch.js';
import type { Commit } from '../partitions/lane/batch.js';
import { commandName } from './command-name.js';
import { afterEvents } from './span-factory.js';

/**
 * Records a span of the commit under the span of each command in it. The log does not say which commands were committed
 * together, so these spans come from memory. A crash right after the commit loses them, but no other span depends on
 * them.
 */
export function recordCommit(tracing: Tracing, commit: Commit): void {
  const { sentAt, tookMs, changes } = commit;
  let size = 0;
  for (const { events } of changes) size += events.length;
  for (const change of changes) {
    if (!ofExecution(change)) continue;
    const { state, events } = change;
    const traceId = state.started?.traceId ?? '';
    if (!tracing.sampled(traceId)) continue;
    let last = '';
    for (const { event, stored } of events) {
      if (commandName({ commandId: stored.commandId, type: event.type }) === 'record_heartbeat') continue;
      const parentSpanId = spanIds.command(traceId, stored.commandId, stored.at);
      if (parentSpanId === last) continue;
      last = parentSpanId;
      // The clock has milliseconds, and the span of the command may begin later in this one.
      const startAt = Math.max(sentAt, afterEvents(stored.at, stored.version));
      tracing.record({
        traceId,
        spanId: spanIdOf(traceId, 'commit', stored.version),
        parentSpanId,
        name: 'commit',
        kind: 'client',
        startAt,
        endAt: startAt + tookMs,
        attributes: {
          'batuta.execution.id': stored.executionId,
          'batuta.event.version': stored.version,
          'batuta.partition': stored.partition,
          'batuta.commit.executions': changes.length,
          'db.system.name': 'postgresql',
          'db.operation.name': 'INSERT',
          'db.collection.name': 'execution.events',
          'db.operation.batch.size': size,
        },
      });
    }
  }
}
