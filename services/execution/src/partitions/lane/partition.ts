import { SlotMap } from '@batuta/collections';
import type { PartitionRecord } from '@batuta/event-store';
import type { State } from '../../domain/index.js';
import { isExecution } from './stream-state.js';
import type { StreamState } from './stream-state.js';

/** A stream in memory. Its states show its kind. */
export class HotStream<S extends StreamState = StreamState> {
  /** The committed state. Undefined when nothing is committed. */
  committed: S | undefined;
  /** `committed` and every decision that is not committed yet. */
  current: S | undefined;
  /**
   * wake_at in the execution's row, or an upper bound of it; null when finished. `committedWake` and `currentWake`
   * belong to the two states.
   */
  committedWake: number | null = null;
  currentWake: number | null = null;
  /** The newest link of its chain, in hex; empty for none. Again one for each of the two states. */
  committedLink = '';
  currentLink = '';
  /** The execution, or the config of its start, is being read. Its lane keeps the inputs that wait for that. */
  reading = false;
  /** Where its end must be reported, as its start requested. Its partition keeps it when the execution is evicted. */
  endSubject: string | undefined;
  /** The newest batch that changes it and has no outcome yet, and its place in that batch. */
  batch: object | undefined;
  placeInBatch = 0;
  /** Commits in flight with events of this execution. */
  uncommitted = 0;
  /** Effects that were performed but not acknowledged yet. */
  pendingEffects = 0;
  /** Estimate of its memory. */
  bytes = 0;
  /** Whether it was used since the last search for executions to evict. */
  used = true;
  /** The time of its entry in the waker. */
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

/** The stream as an execution. Undefined when it is another kind. */
export function asExecution(stream: HotStream): HotExecution | undefined {
  const state = stream.committed ?? stream.current;
  return state === undefined || isExecution(state) ? (stream as HotExecution) : undefined;
}

/** The effects of one commit. They are done when `open` is 0. */
export interface EffectTicket {
  position: number;
  open: number;
}

/** How many ids of ended executions a partition remembers: a few seconds at full speed. */
const ENDED_KEPT = 250;

/**
 * The phases of a partition under one epoch. Each is followed only by a later one.
 *
 * - serving: it takes requests.
 * - draining: it takes no more requests, because it will be released. What it has goes on.
 * - lost: it was fenced, released or taken again.
 */
type PartitionPhase = 'serving' | 'draining' | 'lost';

/** A partition while this process owns it under one epoch. Another epoch has another object, with nothing in memory. */
export class Partition {
  readonly id: number;
  readonly epoch: number;
  readonly executions = new SlotMap<string, HotStream>();
  /**
   * The last position in the log, the end of the log when the commits in flight succeed, and the last decided position.
   */
  committedPosition: number;
  sentPosition: number;
  decidedPosition: number;
  /** The position below which all effects are acknowledged, and the position in the log's partition row. */
  effectsDone: number;
  writtenPublished: number;
  #phase: PartitionPhase = 'serving';
  bytes = 0;
  /** Wall time and elapsed time since which this epoch is owned. */
  readonly ownedSince: number;
  /** Before this elapsed time attempt deadlines wait, so that results in transit come first. */
  graceUntil: number;
  readonly #tickets: EffectTicket[] = [];
  readonly #ended = new Set<string>();
  /** For evicted executions, the newest last. */
  readonly #endSubjects = new Map<string, string>();

  /** Starts with ids up to this time, in epoch ms, may belong to deleted executions, so they are looked up. */
  deletedUpTo = 0;

  constructor(
    record: PartitionRecord,
    ownedSince: number,
    graceUntil: number,
    /** Elapsed time at which it was taken. */
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
   * Opens a ticket for the effects of events up to `position`, of any stream. Later tickets have no effects of earlier
   * positions. The initial count of one belongs to the caller, who closes it after all others are counted.
   */
  openTicket(position: number): EffectTicket {
    const last = this.#tickets.at(-1);
    if (last?.open === 0) {
      // It is done and waits for an earlier one. Behind a hanging effect, tickets must not pile up.
      last.position = Math.max(last.position, position);
      last.open = 1;
      return last;
    }
    const ticket: EffectTicket = { position, open: 1 };
    this.#tickets.push(ticket);
    return ticket;
  }

  /** One effect of the ticket is acknowledged, or not wanted any more. */
  close(ticket: EffectTicket): void {
    ticket.open -= 1;
    while (this.#tickets[0] !== undefined && this.#tickets[0].open === 0) {
      this.effectsDone = Math.max(this.effectsDone, this.#tickets[0].position);
      this.#tickets.shift();
    }
  }

  /** Whether this epoch still is this process's. If not, nothing may be done in its name. */
  get owned(): boolean {
    return this.#phase !== 'lost';
  }

  /** Whether it takes requests. */
  get serves(): boolean {
    return this.#phase === 'serving';
  }

  drain(): void {
    if (this.#phase === 'serving') this.#phase = 'draining';
  }

  lose(): void {
    this.#phase = 'lost';
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

  /** Forgets an ended execution, but remembers that a repeated start is not new. */
  forgetEnded(execution: HotStream): void {
    this.forget(execution);
    this.#ended.add(execution.id);
    dropOldest(this.#ended, ENDED_KEPT);
  }

  /** Whether the execution has ended recently, so that the log has it. */
  endedLately(id: string): boolean {
    return this.#ended.has(id);
  }

  /** Removes an execution from memory. The partition still remembers where to report its end. */
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
    // A timer may keep the object for a minute, but its states must be freed now.
    execution.committed = undefined;
    execution.current = undefined;
  }

  grow(execution: HotStream, bytes: number): void {
    execution.bytes += bytes;
    this.bytes += bytes;
  }
}

/** Creation time of a UUIDv7 (RFC 9562) in epoch ms; 0 for other ids. */
export function timeOfId(id: string): number {
  return id.charAt(14) === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : 0;
}

/**
 * About a hundred bytes each. A client beyond the limit finds the end by comparing versions, as after a lost message.
 */
const MOST_END_SUBJECTS = 1_000;

function dropOldest(entries: Map<string, unknown> | Set<string>, most: number): void {
  if (entries.size <= most) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    return;
  }
}

/** Memory of an execution besides its documents, measured with small ones. */
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
