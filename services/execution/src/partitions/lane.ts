import { LANE_STATEMENTS, UnreadableEventError, canonicalJson } from '@batuta/event-store';
import type { CommitOutcome, ExecutionChange, ExecutionRow, StreamRow } from '@batuta/event-store';
import { NO_SCHEDULE, initialState, isAttemptWanted, nextWake } from '../domain/index.js';
import { Batch, addLink, ofExecution, rowChange } from './batch.js';
import type { StreamChanges } from './batch.js';
import { CommitRecovery, backoff, pause } from './commit-recovery.js';
import type { WaitingInput } from './commit-recovery.js';
import { settle } from './inputs.js';
import type { Answer, CommandInput, Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import { LaneState } from './lane-state.js';
import { EXECUTION_BYTES, timeOfId } from './partition.js';
import type { EffectTicket, HotStream, Partition } from './partition.js';
import { kindOf, streamRowOf } from './streams.js';
import { isExecution } from './stream-state.js';
import type { StreamDecision } from './streams.js';
import type { StreamCommand, StreamState } from './stream-state.js';

const DROPPED: Answer = { kind: 'dropped' };
const UNKNOWN_EXECUTION: Answer = { kind: 'unknown_execution' };
/**
 * A commit follows one in flight if it has at least this share of the largest size. Smaller ones cost more than they
 * gain.
 */
const PIPELINED_SHARE = 0.5;
/** With more executions in a commit, the process has other work while it waits. */
const FEW_EXECUTIONS = 4;
/** How many inputs of one execution may wait while it is read. */
const WAITING_FOR_ONE = 1_000;

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
  /** Inputs of executions that are being read. */
  readonly #reading = new Map<HotStream, Input[]>();
  readonly #recovery: CommitRecovery;
  readonly #idleListeners: (() => void)[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#recovery = new CommitRecovery(parts, {
      closed: () => this.#state.closed,
      takeOpen: () => this.#takeOpen(),
      takeBack: (batch) => this.#takeBack(batch),
      waitFirst: (inputs) => this.#waiting.unshift(...inputs),
      drop: (input) => this.#drop(input),
      load: (execution) => this.#load(execution),
      decide: (execution, input) => this.#decide(execution, input),
      send: (batch) => this.#send(batch),
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
    this.#state.to('closed');
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
      if (!startsNow(partition, input)) void this.#load(execution);
    }
    execution.used = true;
    if (execution.reading) {
      const waiting = this.#waitingFor(execution);
      if (waiting.length >= WAITING_FOR_ONE) return this.#drop(input);
      waiting.push(input);
      return;
    }
    this.#decide(execution, input);
  }

  /** Reads the execution from the log while its inputs wait. Returns false when only another version can read it. */
  async #load(execution: HotStream): Promise<boolean> {
    execution.reading = true;
    const { loader, log, clock, counters } = this.#parts;
    for (let attempt = 1; execution.partition.owned && !this.#state.closed; attempt++) {
      try {
        const loaded = await loader.load(execution.id);
        if (!execution.partition.owned) break;
        if (loaded !== undefined && loaded.link === undefined) {
          throw new Error('its log went on while it was read');
        }
        counters.loads += 1;
        execution.committed = loaded?.state;
        execution.current = loaded?.state;
        if (loaded !== undefined) {
          execution.partition.grow(execution, loaded.bytes);
          execution.committedWake = wakeBound(loaded.state);
          execution.currentWake = execution.committedWake;
          execution.committedLink = loaded.link ?? '';
          execution.currentLink = execution.committedLink;
        }
        this.#parts.owner.changed(execution);
        this.#release(execution);
        return true;
      } catch (error) {
        if (error instanceof UnreadableEventError) {
          this.#leaveAlone(execution);
          return false;
        }
        log.error({ err: error, ...execution.named, attempt }, 'an execution cannot be read from the log');
        // Senders ask again, so keeping their inputs would only pile up copies.
        for (const input of this.#waitingFor(execution).splice(0)) this.#drop(input);
        await pause(clock, backoff(attempt));
      }
    }
    for (const input of this.#endReading(execution)) this.#drop(input);
    return true;
  }

  /** Only another version can continue it, so memory keeps nothing of it and no input waits for it. */
  #leaveAlone(execution: HotStream): void {
    const inputs = this.#endReading(execution);
    execution.partition.forget(execution);
    for (const input of inputs) {
      if (input.kind === 'visit') input.missed(false);
      else this.#drop(input);
    }
  }

  #waitingFor(execution: HotStream): Input[] {
    let waiting = this.#reading.get(execution);
    if (waiting === undefined) {
      waiting = [];
      this.#reading.set(execution, waiting);
    }
    return waiting;
  }

  #endReading(execution: HotStream): Input[] {
    const waiting = this.#reading.get(execution) ?? [];
    this.#reading.delete(execution);
    execution.reading = false;
    return waiting;
  }

  #release(execution: HotStream): void {
    for (const input of this.#endReading(execution)) {
      if (this.#state.closed) {
        this.#drop(input);
      } else if (!this.#state.decides || !execution.partition.owned) {
        this.#waiting.push({ partition: execution.partition.id, input });
      } else if (execution.reading) {
        // A decision above made the execution wait again, for its config.
        this.#waitingFor(execution).push(input);
      } else {
        this.#decide(execution, input);
      }
    }
    if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    // When the lane is idle, no commit will end and do this. A waiting input makes all later ones wait.
    this.#drainWaiting();
  }

  #decide(execution: HotStream, input: Input): void {
    const { partition } = execution;
    const base = execution.current ?? this.#beforeStart(execution, input);
    if (base === 'waits') return;
    if (base === undefined) return this.#answer(partition, input, UNKNOWN_EXECUTION);
    if (typeof base === 'object' && 'rejection' in base) return this.#answer(partition, input, base);
    if (input.kind === 'visit') {
      // Its start is in flight, and the log may have had it before. Only the end of that commit shows this.
      if (execution.committed === undefined) return input.missed(true);
      return input.visit(execution);
    }
    if (input.kind === 'check') {
      input.wanted = isExecution(base) && isAttemptWanted(base, input.check.stepId, input.check.attempt);
      return this.#answer(partition, input, { kind: 'accepted', outcome: 'done', state: base });
    }
    if (input.kind === 'command') {
      const refused = refusedAtTheDoor(input, execution.current);
      if (refused !== undefined) return this.#answer(partition, input, refused);
    }
    const { clock, random, log } = this.#parts;
    const kind = kindOf(base);
    // Results in transit during a change of owner or a stall come before the deadlines that they keep.
    if (input.kind === 'wake' && kind.awaitsResults(base) && partition.graceUntil > clock.elapsed()) return;
    const command = kind.commandOf(input, Math.max(clock.now(), base.at), random.seed());
    // The input is for another kind of stream.
    if (command === undefined) return this.#answer(partition, input, UNKNOWN_EXECUTION);
    let decision: StreamDecision;
    try {
      decision = kind.decide(command, base);
    } catch (error) {
      // The decider handles every input. If it has a bug, one execution suffers and the partition continues.
      log.error({ err: error, ...execution.named, command: command.type }, 'the decider failed');
      return this.#answer(partition, input, {
        kind: 'rejected',
        rejection: { code: 'internal', message: 'The command could not be decided.' },
      });
    }
    if ('rejected' in decision) {
      return this.#answer(partition, input, { kind: 'rejected', rejection: decision.rejected });
    }
    const answer: Answer = { kind: 'accepted', outcome: decision.outcome, state: decision.next };
    if (decision.accepted.length === 0) return this.#nothingToAppend(execution, input, base, answer);
    this.#append(execution, base, command, decision, input, answer);
  }

  /** The state before a first event. `waits` when the input has been kept for later. */
  #beforeStart(
    execution: HotStream,
    input: Input,
  ): StreamState | Extract<Answer, { kind: 'rejected' }> | 'waits' | undefined {
    if (input.kind === 'command' && input.request.schedule?.create !== undefined) return NO_SCHEDULE;
    const start = input.kind === 'command' ? input.request.start : undefined;
    if (start === undefined) return undefined;
    const config = this.#parts.configs.cached(start.configId, start.configVersion);
    if (config !== undefined) return initialState(config);
    execution.reading = true;
    this.#waitingFor(execution).push(input);
    void this.#parts.configs.find(start.configId, start.configVersion).then((found) => {
      if (found.kind === 'found') return this.#release(execution);
      const waiting = this.#endReading(execution);
      const rejection =
        found.kind === 'missing'
          ? {
              code: 'not_found' as const,
              message: `There is no config ${start.configId} version ${start.configVersion}.`,
            }
          : { code: 'unavailable' as const, message: `The config cannot be read now: ${found.message}` };
      for (const item of waiting) {
        const own = item.kind === 'command' && item.request.start !== undefined;
        if (own) this.#answer(execution.partition, item, { kind: 'rejected', rejection });
        // It is not known whether the log has this execution, although its id looks new.
        else this.#drop(item);
      }
      if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    });
    return 'waits';
  }

  /**
   * An answer that appends nothing waits for the next commit, and is certain when that has found the epoch unchanged.
   */
  #answer(partition: Partition, input: Input, answer: Answer): void {
    if (!partition.owned) return this.#drop(input);
    this.#open.answer(partition, input, answer);
    this.#schedule();
  }

  #nothingToAppend(execution: HotStream, input: Input, base: StreamState, answer: Answer): void {
    switch (input.kind) {
      case 'wake': {
        // The row says that it is due, but the state does not. The row is updated.
        const due = input.rowWakeAt !== undefined && input.rowWakeAt <= this.#parts.clock.now();
        if (due && execution.uncommitted === 0) {
          execution.currentWake = input.rowWakeAt;
          this.#open.changesOf(execution, base, base).touched = true;
          this.#schedule();
        }
        return;
      }
      case 'heartbeat':
        if (input.reply === undefined) return;
        return this.#answer(execution.partition, input, answer);
      case 'command':
      case 'result':
      case 'check':
      case 'visit':
      // A recorded outcome may still be in flight. The effect is done when that is certain.
      case 'evaluation':
      case 'failed_effect':
      case 'delegated':
      case 'message':
      case 'start_answer':
      case 'child_answer':
      case 'dependency_answer':
        return this.#answer(execution.partition, input, answer);
    }
  }

  #append(
    execution: HotStream,
    base: StreamState,
    command: StreamCommand,
    decision: Extract<StreamDecision, { accepted: unknown }>,
    input: Input,
    answer: Answer,
  ): void {
    const { partition } = execution;
    const batch = this.#open;
    const changes = batch.changesOf(execution, execution.current, base);
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
      batch.events.push(decided);
      batch.bytes += data.length;
    }
    if (input.kind === 'command' && input.endSubject !== undefined) execution.endSubject = input.endSubject;
    changes.state = decision.next;
    execution.current = decision.next;
    batch.decided.push({ partition, input, answer });
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
    this.#state.to('gathering');
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
      this.#state.to('resting');
      for (const listener of this.#idleListeners.splice(0)) listener();
      return;
    }
    this.#open = new Batch();
    this.#state.to('committing');
    this.#sent.push(batch);
    this.#single = batch.executions.length <= 1;
    void this.#send(batch).then((outcome) => this.#ended(batch, outcome));
  }

  async #send(batch: Batch): Promise<CommitOutcome> {
    const { commits, counters, clock, busyPoll } = this.#parts;
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
    const now = clock.now();
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
    if (events.length === 0 && started.length === 0 && changed.length === 0 && streams.length === 0) {
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
    const outcome = await commits.commit({
      partitions,
      events,
      started,
      changed,
      ...(streams.length === 0 ? {} : { streams }),
    });
    batch.endedAt = clock.now();
    batch.tookMs = clock.elapsed() - sent;
    return outcome;
  }

  #ended(batch: Batch, outcome: CommitOutcome): void {
    batch.outcome = outcome;
    for (let [first] = this.#sent; first?.outcome !== undefined; [first] = this.#sent) {
      if (first.outcome.kind !== 'committed') {
        // Later commits may have succeeded or not. Nothing is decided until their outcomes are known too.
        this.#state.to('failing');
        if (this.#sent.every((sent) => sent.outcome !== undefined)) void this.#failed(this.#sent.splice(0));
        return;
      }
      this.#sent.shift();
      this.#committed(first, first.outcome.held);
    }
  }

  #committed(batch: Batch, held: ReadonlyMap<number, number>): void {
    const { counters, owner } = this.#parts;
    this.#recovery.commitSucceeded();
    const kept: StreamChanges[] = [];
    for (const partition of batch.partitions.values()) {
      const base = held.get(partition.id);
      if (!partition.owned) continue;
      partition.writtenPublished = Math.max(partition.writtenPublished, batch.published.get(partition.id) ?? 0);
      if (base === undefined) {
        counters.fenced += 1;
        owner.lost(partition, 'its epoch or its log has moved on');
      } else if (base !== partition.committedPosition) {
        // Only this owner appends under this epoch. If memory disagrees with the log, it must not be used.
        owner.lost(partition, `its log ends at ${base}, not at ${partition.committedPosition}`);
      }
    }
    batch.close();
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
      if (execution.bytes === 0) execution.partition.grow(execution, EXECUTION_BYTES);
      let bytes = 0;
      for (const { stored } of changes.events) bytes += 200 + stored.data.length;
      counters.events += changes.events.length;
      counters.eventBytes += bytes - 200 * changes.events.length;
      execution.partition.grow(execution, bytes);
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

  /** Reverts the decisions of a batch, so that only the committed state remains. */
  #takeBack(batch: Batch): WaitingInput[] {
    batch.close();
    for (const { execution } of batch.executions) {
      execution.current = execution.committed;
      execution.currentWake = execution.committedWake;
      execution.currentLink = execution.committedLink;
      if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    }
    for (const partition of batch.partitions.values()) {
      partition.sentPosition = partition.committedPosition;
      partition.decidedPosition = partition.committedPosition;
    }
    return batch.decided.map(({ partition, input }) => ({ partition: partition.id, input }));
  }

  #takeOpen(): Batch {
    const batch = this.#open;
    this.#open = new Batch();
    return batch;
  }

  /** The first of these commits has failed. The failure is handled while new inputs wait. */
  async #failed(batches: readonly Batch[]): Promise<void> {
    this.#state.to('recovering');
    await this.#recovery.recover(batches);
    this.#state.to('resting');
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

/**
 * An upper bound of the wake-up in the row of a newly loaded execution. Rows contain lower bounds of the state's next
 * wake-up, so a commit that moves it below this bound must write it.
 */
function wakeBound(state: StreamState): number | null {
  const kind = kindOf(state);
  return kind.isOver(state) ? null : Math.floor(kind.nextWake(state) ?? Infinity);
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

/**
 * Whether an unknown execution can be started without reading the log: its id (UUIDv7, RFC 9562) was made after this
 * owner took the partition. A wrong clock or an evicted execution makes this wrong. Then the log refuses the first
 * version, and the input is answered from the log. The log would accept the first version of a deleted execution, so
 * ids of that time are looked up.
 */
function startsNow(partition: Partition, input: Input): boolean {
  if (input.kind !== 'command' || input.request.start === undefined || input.triedAlone === true) return false;
  const { executionId } = input;
  return (
    !partition.endedLately(executionId) && timeOfId(executionId) > Math.max(partition.ownedSince, partition.deletedUpTo)
  );
}

/** Refusals outside the domain: the execution belongs to another tenant, or the source of a fork could not be read. */
function refusedAtTheDoor(input: CommandInput, current: StreamState | undefined): Answer | undefined {
  const tenant = current === undefined ? undefined : kindOf(current).tenantOf(current);
  if (tenant !== undefined && tenant !== input.request.principal.tenantId) {
    return { kind: 'unknown_execution' };
  }
  if (input.reused !== undefined && 'rejected' in input.reused) {
    return { kind: 'rejected', rejection: input.reused.rejected };
  }
  return undefined;
}
