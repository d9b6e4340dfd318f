import { DELETED_STATUS } from '../../store/port.js';
import type { ExecutionChange, ExecutionProgress, ExecutionRow } from '../../store/port.js';
import { isTerminal } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import type { ExecutionChanges } from './batch.js';

function progressOf(state: State, wakeAt: number | null): ExecutionProgress {
  const finished = isTerminal(state.status);
  return {
    status: state.deleted === undefined ? state.status : DELETED_STATUS,
    version: state.version,
    wakeAt,
    output: state.status === 'completed' ? state.output : undefined,
    startedAt: state.startedAt === 0 ? null : state.startedAt,
    pausedAt: state.pausedAt === 0 ? null : state.pausedAt,
    completedAt: finished ? state.completedAt : null,
    totalLatencyMs: finished ? Math.max(0, state.completedAt - state.createdAt) : null,
    estimatedCost: state.cost,
    tokenCount: state.tokenCount,
  };
}

/** The execution's row after these events. The state must have been started. */
export function rowOf(id: string, partition: number, state: State, wakeAt: number | null): ExecutionRow {
  const { started } = state;
  if (started === undefined) throw new Error(`execution ${id} has no start`);
  return {
    id,
    partition,
    traceId: started.traceId,
    configId: started.configId,
    configName: started.configName,
    configVersion: started.configVersion,
    tenantId: started.tenantId,
    userId: started.userId,
    sessionId: started.sessionId ?? null,
    createdBy: started.createdBy ?? started.userId,
    callbackUrl: started.callbackUrl ?? null,
    input: started.input,
    metadata: started.metadata ?? null,
    createdAt: state.createdAt,
    progress: progressOf(state, wakeAt),
  };
}

/**
 * The wake-up that the row must contain after this commit. `undefined` when the current value is a good lower bound.
 */
function newWake(
  state: State,
  stored: number | null,
  next: number | undefined,
  now: number,
): number | null | undefined {
  if (isTerminal(state.status)) return stored === null ? undefined : null;
  // Every non-terminal state has a deadline. If one is missing by mistake, looking again in a minute loses nothing.
  const wake = Math.floor(next ?? now + 60_000);
  return stored === null || wake < stored || stored <= now ? wake : undefined;
}

/**
 * The part of the execution's row that this commit writes: the whole row at the start, the changing part when a list
 * would show a difference or when the wake-up moved earlier or fired, else nothing. Also updates the wake-up in memory.
 */
export function rowChange(
  changes: ExecutionChanges,
  next: number | undefined,
  now: number,
): { started?: ExecutionRow; changed?: ExecutionChange } {
  const { execution, base, state } = changes;
  const partition = execution.partition.id;
  const wake = newWake(state, execution.currentWake, next, now);
  if (wake !== undefined) execution.currentWake = wake;
  changes.wakeAt = execution.currentWake;
  if (base === undefined || base.version === 0) {
    return { started: rowOf(execution.id, partition, state, execution.currentWake) };
  }
  const listed =
    base.status !== state.status ||
    base.deleted !== state.deleted ||
    base.startedAt !== state.startedAt ||
    base.pausedAt !== state.pausedAt ||
    base.completedAt !== state.completedAt ||
    base.cost !== state.cost ||
    base.tokenCount !== state.tokenCount;
  if (!listed && wake === undefined && !changes.touched) return {};
  return { changed: { id: execution.id, partition, progress: progressOf(state, execution.currentWake) } };
}
