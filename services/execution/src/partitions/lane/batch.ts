import type { DomainEvent } from '@batuta/contracts';
import { linkOf } from '@batuta/event-store';
import type { CommitOutcome, NewEvent } from '@batuta/event-store';
import { DELETED_STATUS } from '../../store/port.js';
import type { ExecutionChange, ExecutionProgress, ExecutionRow } from '../../store/port.js';
import { isTerminal } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import type { Answer, Input } from './inputs.js';
import type { HotStream, Partition } from './partition.js';
import { isExecution } from './stream-state.js';
import type { StreamDomainEvent, StreamState } from './stream-state.js';

/** A decided input, and the answer to give when its commit is certain. */
export interface Decided {
  readonly partition: Partition;
  readonly input: Input;
  readonly answer: Answer;
}

/** An event that is not committed yet, with the facts that its effects are derived from. */
export interface DecidedEvent<S extends StreamState = StreamState> {
  readonly event: S extends State ? DomainEvent : StreamDomainEvent;
  /** The link is set when the commit is sent. */
  readonly stored: Omit<NewEvent, 'link'> & { link: string };
  /** The partition, under the epoch in which the event was decided. */
  readonly partition: Partition;
  readonly position: number;
  /** The state after the decision of this event. */
  readonly state: S;
}

/** Everything that one commit does to one stream. */
export class StreamChanges<S extends StreamState = StreamState> {
  readonly events: DecidedEvent<S>[] = [];
  state: S;
  /** The row is written even if only its wake-up has changed. */
  touched = false;
  /** The wake-up in the row after the commit. Known when the commit is sent. */
  wakeAt: number | null = null;
  /** The execution's newest link after the commit. Known when the commit is sent. */
  link = '';

  constructor(
    readonly execution: HotStream<S>,
    readonly base: S | undefined,
    state: S,
  ) {
    this.state = state;
  }
}

export type ExecutionChanges = StreamChanges<State>;

export function ofExecution(changes: StreamChanges): changes is ExecutionChanges {
  return isExecution(changes.state);
}

/** A successful commit, with its changes to executions that are still owned. */
export interface Commit {
  readonly changes: readonly StreamChanges[];
  /** Epoch ms. */
  readonly sentAt: number;
  readonly endedAt: number;
  readonly tookMs: number;
}

/** A commit that is being prepared. */
export class Batch {
  /** One entry for each execution. */
  readonly executions: StreamChanges[] = [];
  readonly partitions = new Map<number, Partition>();
  readonly decided: Decided[] = [];
  /** In the order of decisions, which is the order of positions within each partition. */
  readonly events: DecidedEvent[] = [];
  /** Published positions that the commit writes. */
  readonly published = new Map<number, number>();
  bytes = 0;
  /**
   * When the commit was sent and when its outcome came, in epoch milliseconds. The duration between them comes from a
   * monotonic clock.
   */
  sentAt = 0;
  endedAt = 0;
  tookMs = 0;
  /** Undefined before the commit is sent, and while its outcome is unknown. */
  outcome: CommitOutcome | undefined;

  get empty(): boolean {
    return this.partitions.size === 0;
  }

  /** Adds an answer that waits for this commit and adds nothing to it. */
  answer(partition: Partition, input: Input, answer: Answer): void {
    this.partitions.set(partition.id, partition);
    this.decided.push({ partition, input, answer });
  }

  changesOf(execution: HotStream, base: StreamState | undefined, state: StreamState): StreamChanges {
    const known = execution.batch === this ? this.executions[execution.placeInBatch] : undefined;
    if (known !== undefined) return known;
    const changes = new StreamChanges(execution, base, state);
    execution.batch = this;
    execution.placeInBatch = this.executions.push(changes) - 1;
    this.partitions.set(execution.partition.id, execution.partition);
    execution.uncommitted += 1;
    return changes;
  }

  /** The batch's outcome is known for all of its executions. */
  close(): void {
    for (const { execution } of this.executions) {
      execution.uncommitted -= 1;
      if (execution.batch === this) execution.batch = undefined;
    }
  }
}

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

/** Adds the events of this commit to the execution's chain and moves the chain to the new link. */
export function addLink(changes: StreamChanges): void {
  const { execution, events } = changes;
  const last = events.at(-1);
  if (last !== undefined) {
    execution.currentLink = linkOf(execution.currentLink, execution.id, execution.partition.id, events);
    last.stored.link = execution.currentLink;
  }
  changes.link = execution.currentLink;
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
function newWake(state: State, held: number | null, next: number | undefined, now: number): number | null | undefined {
  if (isTerminal(state.status)) return held === null ? undefined : null;
  // Every non-terminal state has a deadline. If one is missing by mistake, looking again in a minute loses nothing.
  const wake = Math.floor(next ?? now + 60_000);
  return held === null || wake < held || held <= now ? wake : undefined;
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
