import { LANE_STATEMENTS } from '@batuta/event-store';
import type { CommitOutcome } from '@batuta/event-store';
import { Batch } from './batch.js';
import type { StreamChanges } from './batch.js';
import { CommitRecovery } from './commit-recovery.js';
import type { WaitingInput } from './commit-recovery.js';
import { InputDecider } from './input-decider.js';
import { settle } from './inputs.js';
import type { Answer, Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import { LaneState } from './lane-state.js';
import { EXECUTION_BYTES } from './partition.js';
import type { EffectTicket, HotStream, Partition } from './partition.js';
import { sendCommit } from './send-commit.js';
import { startsNow } from './starts-now.js';
import { StreamReads } from './stream-reads.js';
import type { StreamDecision } from './streams.js';
import type { StreamCommand, StreamState } from './stream-state.js';

const DROPPED: Answer = { kind: 'dropped' };
/**
 * A commit follows one in flight if it has at least this share of the largest size. Smaller ones cost more than they
 * gain.
 */
const PIPELINED_SHARE = 0.5;

/**
 * The commit loop of some partitions. Inputs are decided as they arrive, on a state that may not be committed yet.
 * While a commit is in flight, the next one collects new decisions. It is sent when the first one has ended, or at once
 * when it becomes large before that, so that the database has it when the first is done (ADR 0025). Answers and effects
 * wait for their own commit, and outcomes are handled in the order of sending.
 */
export class Lane {
  readonly #parts: LaneParts;
  #open = new Batch();
  /** Commits in flight, in the order of sending. */
  readonly #sent: Batch[] = [];
  /** The last commit had one execution. Then waiting for others would cost a turn of the event loop each time. */
  #single = false;
  readonly #state = new LaneState();
  readonly #waiting: WaitingInput[] = [];
  readonly #reads: StreamReads;
  readonly #decider: InputDecider;
  readonly #recovery: CommitRecovery;
  readonly #idleListeners: (() => void)[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
    const answer = (execution: HotStream, input: Input, given: Answer): void =>
      this.#answer(execution.partition, input, given);
    this.#reads = new StreamReads(parts, {
      closed: () => this.#state.closed,
      drop: (input) => this.#drop(input),
      answer,
      release: (execution, inputs) => this.#release(execution, inputs),
    });
    this.#decider = new InputDecider(parts, {
      answer,
      touch: (execution, base) => this.#touch(execution, base),
      append: (execution, base, command, decision, input, given) =>
        this.#append(execution, base, command, decision, input, given),
      findConfig: (execution, start, input) => this.#reads.findConfig(execution, start, input),
    });
    this.#recovery = new CommitRecovery(parts, {
      closed: () => this.#state.closed,
      takeOpen: () => this.#takeOpen(),
      waitFirst: (inputs) => this.#waiting.unshift(...inputs),
      drop: (input) => this.#drop(input),
      load: (execution) => this.#reads.load(execution),
      decide: (execution, input) => this.#decider.decide(execution, input),
      send: (batch) => sendCommit(parts, batch),
      committed: (batch, held) => this.#committed(batch, held),
    });
  }

  get idle(): boolean {
    return this.#sent.length === 0 && this.#open.empty && (this.#state.decides || this.#state.closed);
  }

  /** Resolves when every decision is committed. */
  async settled(): Promise<void> {
    while (!this.idle) await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
  }

  async close(): Promise<void> {
    this.#state.do('close');
    this.#dropWaiting();
    await this.#parts.commits.close();
  }

  /** Takes an input of a partition that this process owns. It is answered later, or dropped. */
  submit(partition: Partition, input: Input): void {
    if (!partition.owned || this.#state.closed) return this.#drop(input);
    this.#parts.counters.inputs += 1;
    if (!this.#state.decides || this.#waiting.length > 0 || this.#fills(1)) {
      if (this.#waiting.length >= this.#parts.limits.waitingInputs) return this.#drop(input);
      this.#waiting.push({ partition: partition.id, input });
      return;
    }
    this.#take(partition, input);
  }

  #dropWaiting(): void {
    for (const { input } of this.#waiting.splice(0)) this.#drop(input);
  }

  #drop(input: Input): void {
    this.#parts.counters.droppedInputs += 1;
    settle(input, DROPPED);
  }

  #take(partition: Partition, input: Input): void {
    if (!partition.owned) return this.#drop(input);
    let execution = partition.executions.get(input.executionId);
    if (execution === undefined) {
      execution = partition.add(input.executionId);
      if (!startsNow(partition, input)) void this.#reads.load(execution);
    }
    execution.used = true;
    if (execution.reading) return this.#reads.wait(execution, input);
    this.#decider.decide(execution, input);
  }

  /** The inputs of a stream that was being read go on. */
  #release(execution: HotStream, inputs: readonly Input[]): void {
    for (const input of inputs) {
      if (this.#state.closed) {
        this.#drop(input);
      } else if (!this.#state.decides || !execution.partition.owned) {
        this.#waiting.push({ partition: execution.partition.id, input });
      } else if (execution.reading) {
        // A decision above made the execution wait again, for its config.
        this.#reads.waitAgain(execution, input);
      } else {
        this.#decider.decide(execution, input);
      }
    }
    if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    // When the lane is idle, no commit will end and do this. A waiting input makes all later ones wait.
    this.#drainWaiting();
  }

  /**
   * An answer that appends nothing waits for the next commit, and is certain when that has found the epoch unchanged.
   */
  #answer(partition: Partition, input: Input, answer: Answer): void {
    if (!partition.owned) return this.#drop(input);
    this.#open.answer(partition, input, answer);
    this.#schedule();
  }

  #touch(execution: HotStream, base: StreamState): void {
    this.#open.changesOf(execution, base, base).touched = true;
    this.#schedule();
  }

  #append(
    execution: HotStream,
    base: StreamState,
    command: StreamCommand,
    decision: Extract<StreamDecision, { accepted: unknown }>,
    input: Input,
    answer: Answer,
  ): void {
    this.#open.append(execution, base, command, decision, input, answer);
    if (input.kind === 'command' && input.endSubject !== undefined) execution.endSubject = input.endSubject;
    this.#schedule();
  }

  /** Whether the decided events make up this share of the largest commit. */
  #fills(share: number): boolean {
    const { commitEvents, commitBytes } = this.#parts.limits;
    return this.#open.events.length >= commitEvents * share || this.#open.bytes >= commitBytes * share;
  }

  /** When idle, waits one event-loop turn to batch inputs, unless the last commit held one execution. */
  #schedule(): void {
    if (this.#sent.length > 0) return this.#flush();
    if (this.#state.phase !== 'resting') return;
    this.#state.do('gather');
    const flush = (): void => {
      // It may have been sent already, because a lane that continues after a failure does not wait for more inputs.
      if (this.#state.phase === 'gathering') this.#goOn();
    };
    if (this.#single) this.#parts.clock.next(flush);
    else this.#parts.clock.soon(flush);
  }

  #flush(): void {
    if (!this.#state.decides) return;
    const inFlight = this.#sent.length;
    if (inFlight >= LANE_STATEMENTS || (inFlight > 0 && !this.#fills(PIPELINED_SHARE))) return;
    const batch = this.#open;
    if (batch.empty) {
      this.#state.do('rest');
      for (const listener of this.#idleListeners.splice(0)) listener();
      return;
    }
    this.#open = new Batch();
    this.#state.do('send');
    this.#sent.push(batch);
    this.#single = batch.executions.length <= 1;
    void sendCommit(this.#parts, batch).then((outcome) => this.#ended(batch, outcome));
  }

  #ended(batch: Batch, outcome: CommitOutcome): void {
    batch.outcome = outcome;
    for (let [first] = this.#sent; first?.outcome !== undefined; [first] = this.#sent) {
      if (first.outcome.kind !== 'committed') {
        // Later commits may have succeeded or not. Nothing is decided until their outcomes are known too.
        this.#state.do('fail');
        if (this.#sent.every((sent) => sent.outcome !== undefined)) void this.#failed(this.#sent.splice(0));
        return;
      }
      this.#sent.shift();
      this.#committed(first, first.outcome.held);
    }
  }

  #committed(batch: Batch, held: ReadonlyMap<number, number>): void {
    const { owner } = this.#parts;
    this.#recovery.commitSucceeded();
    for (const partition of batch.partitions.values()) {
      if (partition.owned) this.#checkHeld(partition, batch, held.get(partition.id));
    }
    batch.close();
    const kept: StreamChanges[] = [];
    for (const changes of batch.executions) {
      const { execution } = changes;
      if (!execution.partition.owned) continue;
      execution.committed = changes.state;
      execution.committedWake = changes.wakeAt;
      execution.committedLink = changes.link;
      execution.partition.committedPosition += changes.events.length;
      kept.push(changes);
    }
    this.#goOn();
    if (kept.length > 0) {
      owner.stored({ changes: kept, sentAt: batch.sentAt, endedAt: batch.endedAt, tookMs: batch.tookMs });
    }
    const tickets = openTickets(kept);
    for (const changes of kept) {
      const { execution } = changes;
      this.#count(changes);
      const ticket = tickets.get(execution.partition);
      if (ticket !== undefined) owner.committed(changes, ticket);
    }
    for (const [partition, ticket] of tickets) partition.close(ticket);
    for (const { partition, input, answer } of batch.decided) {
      if (partition.owned) settle(input, answer);
      else this.#drop(input);
    }
    for (const changes of kept) owner.changed(changes.execution);
  }

  /** `base`: where the partition's log ended before the commit. Undefined when another epoch or log has it now. */
  #checkHeld(partition: Partition, batch: Batch, base: number | undefined): void {
    const { counters, owner } = this.#parts;
    partition.writtenPublished = Math.max(partition.writtenPublished, batch.published.get(partition.id) ?? 0);
    if (base === undefined) {
      counters.fenced += 1;
      owner.lost(partition, 'its epoch or its log has moved on');
    } else if (base !== partition.committedPosition) {
      // Only this owner appends under this epoch. If memory disagrees with the log, it must not be used.
      owner.lost(partition, `its log ends at ${base}, not at ${partition.committedPosition}`);
    }
  }

  #count({ execution, events }: StreamChanges): void {
    const { counters } = this.#parts;
    let dataBytes = 0;
    for (const { stored } of events) dataBytes += stored.data.length;
    counters.events += events.length;
    counters.eventBytes += dataBytes;
    const first = execution.bytes === 0 ? EXECUTION_BYTES : 0;
    execution.partition.grow(execution, first + 200 * events.length + dataBytes);
  }

  #goOn(): void {
    this.#drainWaiting();
    this.#flush();
    // Inputs that waited because the commit was full go into the next one.
    this.#drainWaiting();
  }

  #drainWaiting(): void {
    const { owner } = this.#parts;
    while (this.#state.decides && this.#waiting.length > 0) {
      if (this.#fills(1)) return;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const partition = owner.partition(next.partition);
      if (partition === undefined) this.#drop(next.input);
      else this.#take(partition, next.input);
    }
  }

  #takeOpen(): Batch {
    const batch = this.#open;
    this.#open = new Batch();
    return batch;
  }

  /** The first of these commits has failed. The failure is handled while new inputs wait. */
  async #failed(batches: readonly Batch[]): Promise<void> {
    this.#state.do('recover');
    await this.#recovery.recover(batches);
    this.#state.do('resume');
    if (this.#state.closed) this.#dropWaiting();
    this.#goOn();
  }
}

/**
 * One ticket for all effects of a commit in each partition. The events of streams alternate in the log. So one stream
 * may be done with its last position while an earlier effect of another stream is still open.
 */
function openTickets(changes: readonly StreamChanges[]): Map<Partition, EffectTicket> {
  const tickets = new Map<Partition, EffectTicket>();
  for (const { execution } of changes) {
    const { partition } = execution;
    if (!tickets.has(partition)) tickets.set(partition, partition.openTicket(partition.committedPosition));
  }
  return tickets;
}
