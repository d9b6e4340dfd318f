import type { DomainEvent } from '@batuta/contracts';
import { canonicalJson, linkOf } from '@batuta/event-store';
import type { CommitOutcome, NewEvent } from '@batuta/event-store';
import type { State } from '../../domain/index.js';
import type { Answer, Input } from './inputs.js';
import type { HotStream, Partition } from './partition.js';
import { isExecution } from './stream-state.js';
import type { StreamCommand, StreamDomainEvent, StreamState } from './stream-state.js';
import type { StreamDecision } from './streams.js';

/** A decided input, and the answer to give when its commit is certain. */
interface Decided {
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

  /** Adds the events of a decision. The input gets its answer when they are committed. */
  append(
    execution: HotStream,
    base: StreamState,
    command: StreamCommand,
    decision: Extract<StreamDecision, { accepted: unknown }>,
    input: Input,
    answer: Answer,
  ): void {
    const { partition } = execution;
    const changes = this.changesOf(execution, execution.current, base);
    let { version } = base;
    for (const event of decision.accepted) {
      version += 1;
      partition.decidedPosition += 1;
      // All inputs were made storable when they were decoded.
      const data = canonicalJson(event.data);
      const stored = {
        partition: partition.id,
        executionId: execution.id,
        version,
        type: event.type,
        commandId: command.id,
        at: command.at,
        data,
        link: '',
      };
      const decided = { event, stored, partition, position: partition.decidedPosition, state: decision.next };
      changes.events.push(decided);
      this.events.push(decided);
      this.bytes += data.length;
    }
    changes.state = decision.next;
    execution.current = decision.next;
    this.decided.push({ partition, input, answer });
  }

  /** The batch's outcome is known for all of its executions. */
  close(): void {
    for (const { execution } of this.executions) {
      execution.uncommitted -= 1;
      if (execution.batch === this) execution.batch = undefined;
    }
  }
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
