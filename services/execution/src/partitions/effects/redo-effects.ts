import type { PartitionRecord } from '@batuta/event-store';
import type { LimiterState, ScheduleState } from '../../domain/index.js';
import type { EffectPerformer } from './effects.js';
import type { Input } from '../lane/inputs.js';
import { asExecution } from '../lane/partition.js';
import type { EffectTicket, HotStream, Partition } from '../lane/partition.js';
import type { EnginePorts } from '../ports/ports.js';
import type { LimiterEffects } from './limiter-effects.js';
import type { ScheduleEffects } from './schedule-effects.js';
import type { UnreadableExecutions } from '../lane/unreadable-executions.js';

interface RedoParts {
  readonly ports: Pick<EnginePorts, 'store' | 'clock' | 'log'>;
  readonly effects: Pick<EffectPerformer, 'redo'>;
  readonly schedules: Pick<ScheduleEffects, 'redo'>;
  readonly limiters: Pick<LimiterEffects, 'redo'>;
  readonly unreadable: UnreadableExecutions;
  readonly submit: (partition: Partition, input: Input) => void;
}

/** How many executions one read of the log covers. */
const REDO_PAGE = 1_000;
const REDO_PAUSE_MS = 200;

/**
 * Events after the published position may have had no effects. The effects that are still wanted are performed again.
 */
export async function redoEffects(parts: RedoParts, partition: Partition, record: PartitionRecord): Promise<void> {
  const { store, clock, log } = parts.ports;
  const ticket = partition.openTicket(record.lastPosition);
  let after = record.publishedPosition;
  let whole = true;
  for (let attempt = 1; partition.owned;) {
    try {
      const page = await store.streamsAfter(partition.id, after, REDO_PAGE);
      const done = await Promise.all(page.map(({ id }) => redoStream(parts, partition, id, ticket)));
      whole &&= done.every(Boolean);
      if (page.length < REDO_PAGE) break;
      after = page.at(-1)?.position ?? after;
    } catch (error) {
      log.warn({ err: error, partition: partition.id }, 'effects cannot be performed again now');
      const wait = Math.min(5_000, 100 * 2 ** attempt++);
      await new Promise<void>((resolve) => {
        clock.after(wait, resolve);
      });
    }
  }
  // A version that can read the rest performs its effects, so the published position stays before it.
  if (whole) partition.close(ticket);
}

/** Resolves to whether the stream's effects were performed, and not left to another version that can read it. */
function redoStream(
  { ports: { clock }, effects, schedules, limiters, unreadable, submit }: RedoParts,
  partition: Partition,
  id: string,
  ticket: EffectTicket,
): Promise<boolean> {
  return new Promise((resolve) => {
    const look = (): void =>
      submit(partition, {
        kind: 'visit',
        executionId: id,
        visit: (stream) => {
          const execution = asExecution(stream);
          if (stream.committed?.kind === 'limiter') limiters.redo(stream as HotStream<LimiterState>, ticket);
          else if (execution === undefined) schedules.redo(stream as HotStream<ScheduleState>, ticket);
          else effects.redo(execution, ticket);
          resolve(true);
        },
        missed: (dropped) => {
          // Not read does not mean done: the published position must not pass it.
          if (dropped && partition.owned) return void clock.after(REDO_PAUSE_MS, look);
          resolve(!unreadable.has(id));
        },
      });
    look();
  });
}
