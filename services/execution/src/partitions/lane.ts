import { LANE_STATEMENTS, UnreadableEventError, canonicalJson } from '@batuta/event-store';
import type { CommitLane, CommitOutcome, ExecutionChange, ExecutionRow } from '@batuta/event-store';
import { FAILURE_CODES } from '@batuta/contracts';
import { decide, initialState, isAttemptWanted, isTerminal, nextWake, spendingDetails } from '../domain/index.js';
import type { Command, Decision, State } from '../domain/index.js';
import { Batch, addLink, rowChange } from './batch.js';
import type { Commit, ExecutionChanges } from './batch.js';
import type { BusyPoll } from './busy-poll.js';
import { commandOf } from './command-of.js';
import type { ConfigRegistry } from './config-registry.js';
import type { EngineCounters } from './counters.js';
import type { ExecutionLoader } from './execution-loader.js';
import { settle } from './inputs.js';
import type { Answer, CommandInput, Input } from './inputs.js';
import { EXECUTION_BYTES } from './partition.js';
import type { HotExecution, Partition } from './partition.js';
import type { Clock, EngineLog, Random } from './ports.js';

export interface LaneLimits {
  /** A commit takes at most this many events; what comes beyond waits for the next. */
  readonly commitEvents: number;
  readonly commitBytes: number;
  /** Inputs that may wait for a commit or for a recovery; beyond it they are dropped, and their senders ask again. */
  readonly waitingInputs: number;
}

/** What a lane asks of its engine. */
export interface LaneOwner {
  /** The partition as this process owns it now. */
  partition(id: number): Partition | undefined;
  /** The partition's epoch has moved on. */
  lost(partition: Partition, reason: string): void;
  /**
   * Raises the epochs of partitions after a commit whose outcome is unknown, with nothing of them in memory; resolves
   * when each either has a new epoch or is lost.
   */
  reclaim(partitions: readonly Partition[]): Promise<void>;
  /** A commit holds. Called before `committed`. */
  stored(commit: Commit): void;
  /** Performs what a commit asks for. Called once for each execution of a commit that holds. */
  committed(changes: ExecutionChanges): void;
  /** The execution was loaded or changed: its memory counts, and it may have a new wake-up. */
  changed(execution: HotExecution): void;
}

export interface LaneParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: EngineLog;
  readonly commits: CommitLane;
  readonly configs: ConfigRegistry;
  readonly loader: ExecutionLoader;
  readonly counters: EngineCounters;
  readonly limits: LaneLimits;
  readonly owner: LaneOwner;
  /** Told of small commits, where there is a core for waiting awake. */
  readonly busyPoll?: BusyPoll | undefined;
}

const DROPPED: Answer = { kind: 'dropped' };
const UNKNOWN_EXECUTION: Answer = { kind: 'unknown_execution' };
const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 2_000;
/** A commit goes after one in flight when it is this share of the largest: smaller ones cost more than they gain. */
const PIPELINED_SHARE = 0.5;
/** With more executions in a commit there is other work to wait with. */
const FEW_EXECUTIONS = 4;
/** Waiting inputs of one execution while it is read. */
const WAITING_FOR_ONE = 1_000;

/**
 * The commit loop of some partitions. Inputs are decided as they come, on state that may not be committed yet. While a commit
 * is in flight the next one gathers what is decided meanwhile; it follows when that one has ended or, when it has become large
 * before, at once, so that the database has it when it is done with the first (ADR 0025). Answers and effects wait for their
 * own commit, and outcomes count in the order of sending.
 */
export class Lane {
  #open = new Batch();
  /** Commits in flight, in the order of sending. */
  readonly #sent: Batch[] = [];
  #scheduled = false;
  /** The last commit was of one execution: waiting for others would cost it a turn of the event loop each time. */
  #single = false;
  /** running: inputs are decided as they come. held: they wait, in order, while a failure is dealt with. */
  #mode: 'running' | 'held' = 'running';
  readonly #waiting: Held[] = [];
  /** Inputs of executions that are being read. */
  readonly #reading = new Map<HotExecution, Input[]>();
  #refusals = 0;
  #closed = false;
  readonly #idleListeners: (() => void)[] = [];

  constructor(private readonly parts: LaneParts) {}

  get idle(): boolean {
    return this.#sent.length === 0 && this.#open.empty && this.#mode === 'running';
  }

  /** Resolves when nothing is decided that is not committed. */
  async settled(): Promise<void> {
    while (!this.idle) await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { input } of this.#waiting.splice(0)) this.#drop(input);
    await this.parts.commits.close();
  }

  /** Takes an input of a partition that this process owns. It is answered later, or dropped. */
  submit(partition: Partition, input: Input): void {
    if (!partition.owned || this.#closed) return this.#drop(input);
    this.parts.counters.inputs += 1;
    if (this.#mode === 'held' || this.#waiting.length > 0 || this.#fills(1)) {
      if (this.#waiting.length >= this.parts.limits.waitingInputs) return this.#drop(input);
      this.#waiting.push({ partition: partition.id, input });
      return;
    }
    this.#take(partition, input);
  }

  #drop(input: Input): void {
    this.parts.counters.droppedInputs += 1;
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

  /** Reads the execution from the log; inputs wait for it meanwhile. */
  async #load(execution: HotExecution): Promise<void> {
    execution.reading = true;
    const { loader, log, clock, counters } = this.parts;
    for (let attempt = 1; execution.partition.owned && !this.#closed; attempt++) {
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
        this.parts.owner.changed(execution);
        return this.#release(execution);
      } catch (error) {
        if (error instanceof UnreadableEventError) return this.#leaveAlone(execution);
        log.error({ err: error, ...execution.named, attempt }, 'an execution cannot be read from the log');
        // Senders ask again; keeping their inputs would only pile up copies.
        for (const input of this.#waitingFor(execution).splice(0)) this.#drop(input);
        await pause(clock, backoff(attempt));
      }
    }
    for (const input of this.#endReading(execution)) this.#drop(input);
  }

  /** Only another version can go on with it: nothing of it is kept, and nobody waits for it. */
  #leaveAlone(execution: HotExecution): void {
    const inputs = this.#endReading(execution);
    execution.partition.forget(execution);
    for (const input of inputs) {
      if (input.kind === 'visit') input.missed(false);
      else this.#drop(input);
    }
  }

  #waitingFor(execution: HotExecution): Input[] {
    let waiting = this.#reading.get(execution);
    if (waiting === undefined) {
      waiting = [];
      this.#reading.set(execution, waiting);
    }
    return waiting;
  }

  #endReading(execution: HotExecution): Input[] {
    const waiting = this.#reading.get(execution) ?? [];
    this.#reading.delete(execution);
    execution.reading = false;
    return waiting;
  }

  #release(execution: HotExecution): void {
    for (const input of this.#endReading(execution)) {
      if (this.#mode === 'held' || !execution.partition.owned) {
        this.#waiting.push({ partition: execution.partition.id, input });
      } else if (execution.reading) {
        // A decision above made the execution wait again, for its config.
        this.#waitingFor(execution).push(input);
      } else {
        this.#decide(execution, input);
      }
    }
    if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    // A lane at rest has no commit whose end would do it, and what waits makes all that follows wait.
    this.#drainWaiting();
  }

  #decide(execution: HotExecution, input: Input): void {
    const { partition } = execution;
    const base = execution.current ?? this.#beforeStart(execution, input);
    if (base === 'waits') return;
    if (base === undefined) return this.#answer(partition, input, UNKNOWN_EXECUTION);
    if (typeof base === 'object' && 'rejection' in base) return this.#answer(partition, input, base);
    if (input.kind === 'visit') {
      // Its start is on its way, and the log may have had it before: only the end of that commit tells.
      if (execution.committed === undefined) return input.missed(true);
      return input.visit(execution);
    }
    if (input.kind === 'check') {
      input.wanted = isAttemptWanted(base, input.check.stepId, input.check.attempt);
      return this.#answer(partition, input, { kind: 'accepted', outcome: 'done', state: base });
    }
    if (input.kind === 'command') {
      const refused = refusedAtTheDoor(input, execution.current);
      if (refused !== undefined) return this.#answer(partition, input, refused);
    }
    const { clock, random, log } = this.parts;
    // Results that are on their way when the owner changes or wakes from a stall come before the deadlines they keep.
    if (input.kind === 'wake' && base.running > 0 && partition.graceUntil > clock.elapsed()) return;
    const command = commandOf(input, Math.max(clock.now(), base.at), random.seed());
    if (command === undefined) return;
    let decision: Decision;
    try {
      decision = decide(command, base);
    } catch (error) {
      // The decider is total; should it not be, one execution suffers and the partition goes on.
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

  /** The state that a first event is decided on; `waits` when the input has been kept for later. */
  #beforeStart(
    execution: HotExecution,
    input: Input,
  ): State | Extract<Answer, { kind: 'rejected' }> | 'waits' | undefined {
    const start = input.kind === 'command' ? input.request.start : undefined;
    if (start === undefined) return undefined;
    const config = this.parts.configs.cached(start.configId, start.configVersion);
    if (config !== undefined) return initialState(config);
    execution.reading = true;
    this.#waitingFor(execution).push(input);
    void this.parts.configs.find(start.configId, start.configVersion).then((found) => {
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
        // Nobody has looked whether the log has an execution whose id looks new.
        else this.#drop(item);
      }
      if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    });
    return 'waits';
  }

  /** An answer that appends nothing rides the next commit: it is certain once that has seen the epoch unchanged. */
  #answer(partition: Partition, input: Input, answer: Answer): void {
    if (!partition.owned) return this.#drop(input);
    this.#open.answer(partition, input, answer);
    this.#schedule();
  }

  #nothingToAppend(execution: HotExecution, input: Input, base: State, answer: Answer): void {
    switch (input.kind) {
      case 'wake': {
        // Its row says that it is due and its state says that it is not: the row is brought along.
        const due = input.rowWakeAt !== undefined && input.rowWakeAt <= this.parts.clock.now();
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
      // What is recorded already may be on its way only: the effect is done when that is certain.
      case 'evaluation':
      case 'failed_effect':
        return this.#answer(execution.partition, input, answer);
    }
  }

  #append(
    execution: HotExecution,
    base: State,
    command: Command,
    decision: Extract<Decision, { accepted: unknown }>,
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
      // Everything that comes in was made storable when it was decoded.
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

  /** Whether what was decided makes up this share of the largest commit. */
  #fills(share: number): boolean {
    const { commitEvents, commitBytes } = this.parts.limits;
    return this.#open.events.length >= commitEvents * share || this.#open.bytes >= commitBytes * share;
  }

  /** A lane at rest gathers what arrived together, if its last commit lets expect anything; a busy one goes on when its commit ends or is followed. */
  #schedule(): void {
    if (this.#sent.length > 0) return this.#flush();
    if (this.#scheduled || this.#mode !== 'running') return;
    this.#scheduled = true;
    const flush = (): void => {
      this.#scheduled = false;
      this.#goOn();
    };
    if (this.#single) this.parts.clock.next(flush);
    else this.parts.clock.soon(flush);
  }

  #flush(): void {
    if (this.#mode !== 'running' || this.#closed) return;
    const inFlight = this.#sent.length;
    if (inFlight >= LANE_STATEMENTS || (inFlight > 0 && !this.#fills(PIPELINED_SHARE))) return;
    const batch = this.#open;
    if (batch.empty) {
      for (const listener of this.#idleListeners.splice(0)) listener();
      return;
    }
    this.#open = new Batch();
    this.#sent.push(batch);
    this.#single = batch.executions.length <= 1;
    void this.#send(batch).then((outcome) => this.#ended(batch, outcome));
  }

  async #send(batch: Batch): Promise<CommitOutcome> {
    const { commits, counters, clock, busyPoll } = this.parts;
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
    // The partition may have been lost and taken again since: what was decided on its old state must not go under its new epoch.
    const events = batch.events.filter(({ partition }) => partition.owned).map((event) => event.stored);
    const started: ExecutionRow[] = [];
    const changed: ExecutionChange[] = [];
    const now = clock.now();
    for (const changes of batch.executions) {
      if (!changes.execution.partition.owned) continue;
      addLink(changes);
      const row = rowChange(changes, nextWake(changes.state), now);
      if (row.started !== undefined) started.push(row.started);
      if (row.changed !== undefined) changed.push(row.changed);
    }
    if (events.length === 0 && started.length === 0 && changed.length === 0) {
      counters.epochChecks += 1;
      try {
        const held = await commits.heldEpochs(partitions);
        return {
          kind: 'committed',
          held: new Map([...held].map((id) => [id, batch.partitions.get(id)?.committedPosition ?? -1])),
        };
      } catch (error) {
        // Nothing was to be written, so nothing is unknown.
        return { kind: 'rejected', code: '', message: String(error), transient: true };
      }
    }
    for (const item of partitions) batch.published.set(item.partition, item.publishedPosition);
    counters.commits += 1;
    counters.appendStatements += 1;
    batch.sentAt = clock.now();
    const sent = clock.elapsed();
    if (batch.executions.length <= FEW_EXECUTIONS) busyPoll?.extend();
    const outcome = await commits.commit({ partitions, events, started, changed });
    batch.endedAt = clock.now();
    batch.tookMs = clock.elapsed() - sent;
    return outcome;
  }

  #ended(batch: Batch, outcome: CommitOutcome): void {
    batch.outcome = outcome;
    for (let [first] = this.#sent; first?.outcome !== undefined; [first] = this.#sent) {
      if (first.outcome.kind !== 'committed') {
        // What was sent after it may stand or not: nothing is decided until that is known too.
        this.#mode = 'held';
        if (this.#sent.every((sent) => sent.outcome !== undefined)) void this.#failed(this.#sent.splice(0));
        return;
      }
      this.#sent.shift();
      this.#committed(first, first.outcome.held);
    }
  }

  #committed(batch: Batch, held: ReadonlyMap<number, number>): void {
    const { counters, owner } = this.parts;
    this.#refusals = 0;
    const kept: ExecutionChanges[] = [];
    for (const partition of batch.partitions.values()) {
      const base = held.get(partition.id);
      if (!partition.owned) continue;
      partition.writtenPublished = Math.max(partition.writtenPublished, batch.published.get(partition.id) ?? 0);
      if (base === undefined) {
        counters.fenced += 1;
        owner.lost(partition, 'its epoch or its log has moved on');
      } else if (base !== partition.committedPosition) {
        // Only this owner appends under this epoch; memory that disagrees with the log must not be used.
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
    if (kept.length > 0)
      owner.stored({ changes: kept, sentAt: batch.sentAt, endedAt: batch.endedAt, tookMs: batch.tookMs });
    for (const changes of kept) {
      const { execution } = changes;
      if (execution.bytes === 0) execution.partition.grow(execution, EXECUTION_BYTES);
      let bytes = 0;
      for (const { stored } of changes.events) bytes += 200 + stored.data.length;
      counters.events += changes.events.length;
      counters.eventBytes += bytes - 200 * changes.events.length;
      execution.partition.grow(execution, bytes);
      owner.committed(changes);
    }
    for (const { partition, input, answer } of batch.decided) {
      if (partition.owned) settle(input, answer);
      else this.#drop(input);
    }
    for (const changes of kept) owner.changed(changes.execution);
  }

  #goOn(): void {
    this.#drainWaiting();
    this.#flush();
    // What has waited because the commit was full is for the next one.
    this.#drainWaiting();
  }

  #drainWaiting(): void {
    const { owner } = this.parts;
    while (this.#mode === 'running' && this.#waiting.length > 0) {
      if (this.#fills(1)) return;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const partition = owner.partition(next.partition);
      if (partition === undefined) this.#drop(next.input);
      else this.#take(partition, next.input);
    }
  }

  /** Takes back what a batch decided; what is left is what is committed. */
  #takeBack(batch: Batch): Held[] {
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

  /**
   * The first of these commits has failed. Takes back all that is not committed, deals with the failure while new inputs wait, and
   * goes on with the inputs of all in their order.
   */
  async #failed(batches: readonly Batch[]): Promise<void> {
    const { counters, log } = this.parts;
    const onTop = this.#open;
    this.#open = new Batch();
    const [inputs = [], ...later] = [...batches, onTop].map((batch) => this.#takeBack(batch));
    this.#waiting.unshift(...later.flat());
    const outcome = batches[0]?.outcome;
    try {
      if (outcome?.kind === 'rejected') {
        counters.rejectedCommits += 1;
        log.warn({ code: outcome.code, reason: outcome.message }, 'PostgreSQL refused a commit');
      } else if (outcome?.kind === 'unknown') {
        counters.unknownCommits += 1;
        log.warn({ reason: outcome.message }, 'the outcome of a commit is unknown');
      }
      await this.#reclaim(batches.flatMap(mayStandFor));
      if (outcome?.kind !== 'rejected') this.#waiting.unshift(...inputs);
      else if (outcome.transient) await this.#later(inputs);
      else await this.#alone(inputs);
    } catch (error) {
      log.error({ err: error }, 'dealing with a failed commit failed');
      for (const { input } of inputs) this.#drop(input);
    }
    this.#mode = 'running';
    this.#goOn();
  }

  /** Makes the log certain where it may hold more than memory does: only a higher epoch does, however late the server applies it. */
  async #reclaim(partitions: readonly Partition[]): Promise<void> {
    const owned = new Set(partitions.filter((partition) => partition.owned));
    if (owned.size > 0) await this.parts.owner.reclaim([...owned]);
  }

  /** PostgreSQL cannot take commits now: everything is decided again a little later. */
  async #later(inputs: Held[]): Promise<void> {
    this.#refusals += 1;
    await pause(this.parts.clock, backoff(this.#refusals));
    this.#waiting.unshift(...inputs);
  }

  /** One of these inputs made PostgreSQL refuse them all: each gets a commit of its own, and the culprit is found. */
  async #alone(inputs: Held[]): Promise<void> {
    for (const held of inputs) await this.#commitAlone(held);
  }

  async #commitAlone(held: Held): Promise<void> {
    const { owner, clock, log } = this.parts;
    for (let attempt = 1; !this.#closed; attempt++) {
      const partition = owner.partition(held.partition);
      if (partition === undefined) return this.#drop(held.input);
      let execution = partition.executions.get(held.input.executionId);
      if (execution === undefined) {
        execution = partition.add(held.input.executionId);
        await this.#load(execution);
        if (!partition.owned || !partition.executions.has(execution.id)) return this.#drop(held.input);
      }
      this.#decide(execution, held.input);
      const batch = this.#open;
      if (batch.empty) return;
      this.#open = new Batch();
      const outcome = await this.#send(batch);
      if (outcome.kind === 'committed') return this.#committed(batch, outcome.held);
      this.#takeBack(batch);
      if (outcome.kind === 'unknown') {
        await this.#reclaim([...batch.partitions.values()]);
      } else if (outcome.transient) {
        await pause(clock, backoff(attempt));
      } else if (!this.#anotherWay(held.input, partition, execution, outcome.code)) {
        log.error(
          { code: outcome.code, reason: outcome.message, ...execution.named, kind: held.input.kind },
          'an input was rejected because PostgreSQL refuses its events',
        );
        const rejection = { code: 'internal' as const, message: 'The command cannot be stored.' };
        return settle(held.input, { kind: 'rejected', rejection });
      }
    }
    this.#drop(held.input);
  }

  /** Whether a refused input is worth deciding once more, as something else. */
  #anotherWay(input: Input, partition: Partition, execution: HotExecution, code: string): boolean {
    if (input.triedAlone === true) return false;
    input.triedAlone = true;
    if (code === UNIQUE_VIOLATION) {
      // The log has events that memory has not: a start that was taken for new. It is answered from the log.
      partition.forget(execution);
      return true;
    }
    if (input.kind !== 'result' || !input.result.ok) return false;
    // Its runner would send it for ever: that it cannot be stored is the attempt's outcome.
    const message = 'the output cannot be stored as JSON';
    const { output, ...rest } = input.result;
    const failure = { code: FAILURE_CODES.outputInvalid, message, retryable: false, ...spendingDetails(output) };
    input.result = { ...rest, ok: false, failure };
    return true;
  }
}

interface Held {
  readonly partition: number;
  readonly input: Input;
}

const UNIQUE_VIOLATION = '23505';

/** Partitions whose part of a commit stands or may stand, though memory takes it back. */
function mayStandFor({ outcome, partitions }: Batch): Partition[] {
  switch (outcome?.kind) {
    case 'rejected':
      return [];
    case 'committed':
      // Sent after a commit that failed, it stands where it did not build on that one.
      return [...partitions.values()].filter(({ id }) => outcome.held.has(id));
    default:
      return [...partitions.values()];
  }
}

function backoff(attempt: number): number {
  return Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/**
 * A bound above the wake-up in the row of an execution that was just folded: rows hold lower bounds of the state's next
 * wake-up, so a commit that moves it below this one must write it.
 */
function wakeBound(state: State): number | null {
  return isTerminal(state.status) ? null : Math.floor(nextWake(state) ?? Infinity);
}

/**
 * Whether an unknown execution can be started without asking the log: its id (UUIDv7, RFC 9562) was made after this owner
 * took the partition. A wrong clock or an evicted execution makes this wrong; then the log refuses the first version and
 * the input is answered from the log.
 */
function startsNow(partition: Partition, input: Input): boolean {
  if (input.kind !== 'command' || input.request.start === undefined || input.triedAlone === true) return false;
  const { executionId } = input;
  return (
    executionId.charAt(14) === '7' &&
    !partition.endedLately(executionId) &&
    Number.parseInt(executionId.slice(0, 8) + executionId.slice(9, 13), 16) > partition.ownedSince
  );
}

/** What the domain does not decide: whose execution it is, and whether the forked one could be read. */
function refusedAtTheDoor(input: CommandInput, current: State | undefined): Answer | undefined {
  if (current?.started !== undefined && current.started.tenantId !== input.request.principal.tenantId) {
    return { kind: 'unknown_execution' };
  }
  if (input.reused !== undefined && 'rejected' in input.reused) {
    return { kind: 'rejected', rejection: input.reused.rejected };
  }
  return undefined;
}
