import { SlotMap } from '@batuta/collections';
import type { PartitionRecord } from '@batuta/event-store';
import type { State } from '../domain/index.js';
import { isExecution } from './stream-state.js';
import type { StreamState } from './stream-state.js';

/** A stream in memory. Which kind it is, its states say. */
export class HotStream<S extends StreamState = StreamState> {
  /** Folded from what is committed; undefined when nothing is. */
  committed: S | undefined;
  /** `committed` and every decision on its way to the log. */
  current: S | undefined;
  /** wake_at in the execution's row, or a bound above it; null when finished. The same pair as the states. */
  committedWake: number | null = null;
  currentWake: number | null = null;
  /** The newest link of its chain, in hex; empty for none. The same pair as the states. */
  committedLink = '';
  currentLink = '';
  /** The execution, or the config of its start, is being read; its lane keeps the inputs that wait for that. */
  reading = false;
  /** Who is told of its end besides, as its start asked; its partition keeps it when the execution is evicted. */
  endSubject: string | undefined;
  /** The newest batch that changes it and whose outcome is not known, and its place there. */
  batch: object | undefined;
  placeInBatch = 0;
  /** Commits on their way that hold events of this execution. */
  uncommitted = 0;
  /** Effects performed and not acknowledged yet. */
  pendingEffects = 0;
  /** Estimate of its memory. */
  bytes = 0;
  /** Used since the last time that the cache looked for something to evict. */
  used = true;
  /** Time for which the waker has an entry. */
  wakeEntry = Infinity;

  constructor(
    readonly id: string,
    readonly partition: Partition,
  ) {}

  /** The fields that name it in a log line. */
  get named(): { readonly execution_id: string; readonly trace_id: string | undefined } {
    const state: StreamState | undefined = this.committed ?? this.current;
    return {
      execution_id: this.id,
      trace_id: state !== undefined && isExecution(state) ? state.started?.traceId : undefined,
    };
  }

  get idle(): boolean {
    return this.uncommitted === 0 && this.pendingEffects === 0 && !this.reading;
  }
}

/** An execution in memory. */
export type HotExecution = HotStream<State>;

/** The stream as an execution; undefined when it is of another kind. */
export function asExecution(stream: HotStream): HotExecution | undefined {
  const state = stream.committed ?? stream.current;
  return state === undefined || isExecution(state) ? (stream as HotExecution) : undefined;
}

/** Effects of one commit: done when `open` is 0. */
export interface EffectTicket {
  position: number;
  open: number;
}

/** Ids of ended executions that a partition remembers: those of a few seconds at full speed. */
const ENDED_KEPT = 250;

/** A partition while this process owns it under one epoch. Another epoch is another object, with nothing in memory. */
export class Partition {
  readonly id: number;
  readonly epoch: number;
  readonly executions = new SlotMap<string, HotStream>();
  /** Last position in the log, where it ends once the commits in flight hold, and last position decided. */
  committedPosition: number;
  sentPosition: number;
  decidedPosition: number;
  /** Position below which all effects are acknowledged, and what of it the log's partition row says. */
  effectsDone: number;
  writtenPublished: number;
  /** False once fenced, released or taken over anew: nothing may be done in its name. */
  owned = true;
  /** No new inputs are taken: the partition is about to be released. */
  draining = false;
  bytes = 0;
  /** Wall time and running time since which this epoch is owned. */
  readonly ownedSince: number;
  /** Running time before which attempt deadlines wait, so that results on their way come first. */
  graceUntil: number;
  readonly #tickets: EffectTicket[] = [];
  readonly #ended = new Set<string>();
  /** Of executions that were evicted, the newest last. */
  readonly #endSubjects = new Map<string, string>();

  /** Ids of starts up to this time, epoch ms, may be those of deleted executions: they are looked up. */
  deletedUpTo = 0;

  constructor(
    record: PartitionRecord,
    ownedSince: number,
    graceUntil: number,
    /** Running time at which it was taken. */
    readonly takenAt = 0,
  ) {
    this.id = record.partition;
    this.epoch = record.epoch;
    this.committedPosition = record.lastPosition;
    this.sentPosition = record.lastPosition;
    this.decidedPosition = record.lastPosition;
    this.effectsDone = record.publishedPosition;
    this.writtenPublished = record.publishedPosition;
    this.ownedSince = ownedSince;
    this.graceUntil = graceUntil;
  }

  /**
   * Opens the effects of what was appended up to `position`, of whichever stream: what is opened later has no effects of an earlier
   * position. The one that it counts at first is that of the opener, who closes it when all others are counted.
   */
  openTicket(position: number): EffectTicket {
    const last = this.#tickets.at(-1);
    if (last?.open === 0) {
      // It is done and waits for one before it: behind an effect that hangs, tickets must not pile up.
      last.position = Math.max(last.position, position);
      last.open = 1;
      return last;
    }
    const ticket: EffectTicket = { position, open: 1 };
    this.#tickets.push(ticket);
    return ticket;
  }

  /** One effect of the ticket is acknowledged, or is not wanted any more. */
  close(ticket: EffectTicket): void {
    ticket.open -= 1;
    while (this.#tickets[0] !== undefined && this.#tickets[0].open === 0) {
      this.effectsDone = Math.max(this.effectsDone, this.#tickets[0].position);
      this.#tickets.shift();
    }
  }

  get openTickets(): number {
    return this.#tickets.length;
  }

  add(id: string): HotStream {
    const execution = new HotStream(id, this);
    this.executions.set(id, execution);
    if (this.#endSubjects.size > 0) {
      execution.endSubject = this.#endSubjects.get(id);
      this.#endSubjects.delete(id);
    }
    return execution;
  }

  /** Forgets an execution that has ended; a start that comes again soon is known not to be new. */
  forgetEnded(execution: HotStream): void {
    this.forget(execution);
    this.#ended.add(execution.id);
    dropOldest(this.#ended, ENDED_KEPT);
  }

  /** Whether the execution has ended lately, so that the log has it. */
  endedLately(id: string): boolean {
    return this.#ended.has(id);
  }

  /** Forgets an execution and its memory for now; who waits for its end stays known for when it is read again. */
  evict(execution: HotStream): void {
    this.forget(execution);
    if (execution.endSubject === undefined) return;
    this.#endSubjects.set(execution.id, execution.endSubject);
    dropOldest(this.#endSubjects, MOST_END_SUBJECTS);
  }

  forget(execution: HotStream): void {
    if (this.executions.get(execution.id) !== execution) return;
    this.executions.delete(execution.id);
    this.bytes -= execution.bytes;
    execution.bytes = 0;
    // A timer may hold it for a minute: its states must not wait for that.
    execution.committed = undefined;
    execution.current = undefined;
  }

  grow(execution: HotStream, bytes: number): void {
    execution.bytes += bytes;
    this.bytes += bytes;
  }
}

/** Epoch ms at which a UUIDv7 (RFC 9562) was made; 0 of other ids. */
export function timeOfId(id: string): number {
  return id.charAt(14) === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : 0;
}

/**
 * A hundred or so bytes each. Whoever waits for one that is beyond it finds the end by comparing versions, as after any lost
 * message.
 */
const MOST_END_SUBJECTS = 1_000;

function dropOldest(entries: Map<string, unknown> | Set<string>, most: number): void {
  if (entries.size <= most) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    return;
  }
}

/** Memory that an execution takes besides its documents, by measurement of small ones. */
export const EXECUTION_BYTES = 4_000;

/** Estimate of the memory of events' data in a folded state. */
export function estimateBytes(events: readonly { readonly data: unknown }[]): number {
  let bytes = EXECUTION_BYTES;
  for (const event of events) bytes += 200 + estimateValue(event.data);
  return bytes;
}

/** Estimate of the memory of a state that was decoded from a snapshot. */
export function estimateSnapshotBytes(state: unknown): number {
  return EXECUTION_BYTES + estimateValue(state);
}

function estimateValue(value: unknown): number {
  if (typeof value === 'string') return 16 + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 32;
  for (const item of Object.values(value)) bytes += 16 + estimateValue(item);
  return bytes;
}
