import { partitionOf } from '@batuta/contracts';
import type { AttemptCheckRequest, CommandReply, CommandRequest } from '@batuta/contracts';
import type { PartitionRecord } from '@batuta/event-store';
import { deletedRejection, forkFrom } from '../domain/index.js';
import type { ScheduleState } from '../domain/index.js';
import { ofExecution } from './batch.js';
import type { Commit, ExecutionChanges, StreamChanges } from './batch.js';
import type { BusyPoll } from './busy-poll.js';
import { ChildEffects } from './child-effects.js';
import { ConfigRegistry } from './config-registry.js';
import { newCounters } from './counters.js';
import type { EngineCounters } from './counters.js';
import {
  MalformedRequest,
  decodeCheck,
  decodeCommand,
  decodeHeartbeat,
  decodeOutput,
  decodeMessage,
  decodeResults,
} from './decode.js';
import { EffectPerformer } from './effects.js';
import { StreamLoader } from './execution-loader.js';
import type { LoadedExecution } from './execution-loader.js';
import { ResultGroup, WANTED } from './inputs.js';
import type { CommandInput, Input } from './inputs.js';
import { HistoryRemover } from './history-remover.js';
import { Lane } from './lane.js';
import type { LaneLimits } from './lane-parts.js';
import { OutputCheck } from './output-check.js';
import { Ownership } from './ownership.js';
import type { OwnershipSettings } from './ownership.js';
import { Partition, asExecution, timeOfId } from './partition.js';
import type { EffectTicket, HotExecution, HotStream } from './partition.js';
import type { EnginePorts, PartitionRequest } from './ports.js';
import { ScheduleEffects } from './schedule-effects.js';
import { StartableConfigs } from './startable-configs.js';
import { StreamSender } from './stream-sender.js';
import { kindOf } from './streams.js';
import { isExecution } from './stream-state.js';
import { UnreadableExecutions } from './unreadable-executions.js';
import { QueueWatch } from './queue-watch.js';
import type { QueueWatchSettings } from './queue-watch.js';
import { Waker } from './waker.js';
import type { WakerSettings } from './waker.js';

export interface EngineSettings {
  readonly ownership: OwnershipSettings;
  readonly lanes: number;
  /** Number of partitions, used only by the very first start. */
  readonly partitions: number;
  readonly limits: LaneLimits;
  readonly waker: WakerSettings;
  readonly queue: QueueWatchSettings;
  /** After a takeover or a stall, attempt deadlines wait this long. */
  readonly graceMs: number;
  /** Memory limit for executions. */
  readonly cacheBytes: number;
  /** How many effects may wait for another try. With more, no start is accepted. */
  readonly pendingEffects: number;
  /** How long a release waits for acknowledgements of effects. */
  readonly drainMs: number;
}

export interface EngineOptions {
  readonly ports: EnginePorts;
  readonly settings: EngineSettings;
  readonly incarnation: string;
  /** Counters to use, if others count in them too. */
  readonly counters?: EngineCounters;
  /** Called for small commits. Default: the process sleeps while they are in flight. */
  readonly busyPoll?: BusyPoll | undefined;
  /** Called when another process has started under this name. */
  readonly onSuperseded: () => void;
  /** Called for each successful commit, for metrics and traces, before `onCommitted`. */
  readonly onCommit?: (commit: Commit) => void;
  /**
   * Whether spans of a trace are recorded, for services that continue it. Default: as the caller of the start decides.
   */
  readonly sampled?: (traceId: string) => boolean;
  /** Called with each commit's changes, for read models. */
  readonly onCommitted?: (changes: ExecutionChanges) => void;
  /** The same for streams of every kind. */
  readonly onStreamCommitted?: (changes: StreamChanges) => void;
  /** Called when a partition is taken, or not owned any more. */
  readonly onOwned?: (partition: Partition) => void;
  /** The position up to which projections have written a partition. Default: everything. */
  readonly projected?: (partition: Partition) => number;
  /** Called at each lease with the store's time (epoch ms) and its age. Without it, the time is not requested. */
  readonly onStoreTime?: (time: number, agoMs: number) => void;
}

/** How often published positions of idle partitions are written. */
const PUBLISH_MS = 1_000;
/** How many executions one read of the log covers when effects are performed again. */
const REDO_PAGE = 1_000;
/** How many executions one statement reads from the log, and how many such statements run at once. */
const READ_TOGETHER = 50;
const READS_AT_ONCE = 2;
/** A partition that does not answer by then may be gone: the sender asks again. */
const WANTED_WITHIN_MS = 5_000;
const RECLAIM_PAUSE_MS = 200;
const REDO_PAUSE_MS = 200;
const LONGEST_DRAIN_MS = 10_000;

/** One owner process: its partitions, the lanes that commit for them, and the surrounding tasks. */
export class Engine {
  readonly #options: EngineOptions;
  readonly counters: EngineCounters;
  readonly configs: ConfigRegistry;
  readonly effects: EffectPerformer;
  readonly unreadable: UnreadableExecutions;
  readonly #partitions = new Map<number, Partition>();
  readonly #serving = new Map<number, () => void>();
  readonly #lanes: Lane[];
  readonly #loader: StreamLoader;
  readonly #schedules: ScheduleEffects;
  readonly #ownership: Ownership;
  readonly #outputs: OutputCheck;
  readonly #waker: Waker;
  readonly #queue: QueueWatch;
  readonly #remover: HistoryRemover;
  #partitionCount = 0;
  #own: { readonly subject: string; readonly stop: () => void } | undefined;
  #sorted: readonly Partition[] = [];
  /** Partitions that were taken but not announced yet. */
  readonly #taken: number[] = [];
  #cancelPublish: (() => void) | undefined;
  #changes = 0;
  #stopped = false;
  readonly #seenDone = new Map<Partition, number>();

  constructor(options: EngineOptions) {
    this.#options = options;
    const { ports, settings } = options;
    const { clock, store, bus, log } = ports;
    const submit = (partition: Partition, input: Input): void => this.submit(partition, input);
    this.counters = options.counters ?? newCounters();
    this.configs = new ConfigRegistry(store, ports.configs);
    this.unreadable = new UnreadableExecutions({ clock, log });
    this.#loader = new StreamLoader(
      { reader: store, configs: this.configs, snapshots: ports.snapshots },
      (callback) => clock.soon(callback),
      READ_TOGETHER,
      READS_AT_ONCE,
      true,
      this.unreadable,
    );
    const sender = new StreamSender({
      clock,
      bus,
      partitionCount: () => this.#partitionCount,
      own: (partition, request) => {
        if (!this.#partitions.has(partition)) return false;
        this.#request(partition, request);
        return true;
      },
    });
    const startable = new StartableConfigs({
      clock,
      configs: ports.configs,
      registry: this.configs,
      evaluator: ports.evaluator,
    });
    this.#schedules = new ScheduleEffects({
      clock,
      startable,
      evaluator: ports.evaluator,
      starts: ports.starts,
      sender,
      log,
      submit,
    });
    this.effects = new EffectPerformer({
      clock,
      bus,
      tokens: ports.tokens,
      configs: ports.configs,
      registry: this.configs,
      evaluator: ports.evaluator,
      sender,
      children: new ChildEffects({
        clock,
        startable,
        starts: ports.starts,
        sender,
        log,
        submit,
        sampled: options.sampled,
      }),
      log,
      counters: this.counters,
      submit,
      ...(options.sampled === undefined ? {} : { sampled: options.sampled }),
    });
    this.#outputs = new OutputCheck({
      agents: this.effects,
      evaluator: ports.evaluator,
      log,
      counters: this.counters,
      limit: settings.limits.waitingInputs,
      submit,
    });
    this.#lanes = Array.from(
      { length: settings.lanes },
      () =>
        new Lane({
          clock,
          random: ports.random,
          log,
          commits: store.openLane(),
          configs: this.configs,
          loader: this.#loader,
          counters: this.counters,
          limits: settings.limits,
          busyPoll: options.busyPoll,
          owner: {
            partition: (id) => this.#partitions.get(id),
            lost: (partition, reason) => this.#lost(partition, reason),
            reclaim: (partitions) => this.#reclaim(partitions),
            stored: (commit) => options.onCommit?.(commit),
            committed: (changes, ticket) => this.#committed(changes, ticket),
            changed: (execution) => this.#changed(execution),
          },
        }),
    );
    this.#ownership = new Ownership({
      clock,
      store,
      bus,
      log,
      settings: settings.ownership,
      incarnation: options.incarnation,
      owned: () => this.#sorted,
      opened: (record) => this.#opened(record),
      lost: (partition, reason) => this.#lost(partition, reason),
      drain: (partitions) => this.#drain(partitions),
      stalled: (ms) => this.#stalled(ms),
      superseded: options.onSuperseded,
      onStoreTime: options.onStoreTime,
    });
    this.#waker = new Waker({
      clock,
      reader: store,
      log,
      settings: settings.waker,
      partitions: () => this.#sorted,
      partition: (id) => this.#partitions.get(id),
      submit,
    });
    this.#remover = new HistoryRemover({
      clock,
      log,
      store,
      counters: this.counters,
      partitions: () => this.#sorted,
      projected: options.projected ?? (() => Infinity),
    });
    this.#queue = new QueueWatch({
      clock,
      bus,
      reader: store,
      log,
      effects: this.effects,
      settings: settings.queue,
      partitions: () => this.#sorted,
      partitionOf: (executionId) => this.#partitions.get(partitionOf(executionId, this.#partitionCount)),
      submit,
    });
  }

  /** Number of partitions of the log. 0 before `start`. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** Partitions that this process owns, by id. */
  get owned(): readonly Partition[] {
    return this.#sorted;
  }

  /** How long this process has been cut off from NATS while other engines are not. */
  get cutOffAloneMs(): number | undefined {
    return this.#ownership.cutOffAloneMs;
  }

  /** How many partitions had no owner at this engine's last lease. */
  get unownedPartitions(): number {
    return this.#ownership.unowned;
  }

  /** Deleted executions whose events and rows are not removed yet. */
  get executionsToRemove(): number {
    return this.#remover.waiting;
  }

  get cacheBytes(): number {
    let bytes = 0;
    for (const partition of this.#sorted) bytes += partition.bytes;
    return bytes;
  }

  /** Takes partitions and begins to answer. Throws when the store or the bus cannot be reached. */
  async start(): Promise<void> {
    const { store } = this.#options.ports;
    this.#partitionCount = await store.fixPartitionCount(this.#options.settings.partitions);
    await this.#options.ports.bus.ensureStreams();
    this.#own = this.#options.ports.bus.serveOwner?.((request) => this.#sharedResults(request));
    await this.#ownership.start();
    await this.#queue.start();
    this.#waker.start();
    this.#remover.start();
    this.#schedulePublish();
  }

  /** Stops taking inputs, finishes decided ones, and releases the partitions. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelPublish?.();
    this.#waker.stop();
    await this.#remover.stop();
    await this.#queue.stop();
    await this.#ownership.stop();
    this.#own?.stop();
    await Promise.all(this.#lanes.map((lane) => lane.close()));
    await this.#options.ports.bus.flush();
  }

  /** An execution computed from the log. Undefined when it does not exist. */
  async load(id: string): Promise<LoadedExecution | undefined> {
    const loaded = await this.#loader.load(id);
    return loaded === undefined || !isExecution(loaded.state) ? undefined : (loaded as LoadedExecution);
  }

  /** Checks at once whether partitions are free, or whether it has too many. */
  rebalance(): void {
    this.#ownership.check();
  }

  /**
   * A command of this process to an execution in one of its partitions. Undefined when no answer comes in time, or when
   * another process owns the partition.
   */
  command(request: CommandRequest, withinMs: number): Promise<CommandReply | undefined> {
    const partition = this.#partitions.get(partitionOf(request.executionId, this.#partitionCount));
    if (partition === undefined || partition.draining) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = this.#options.ports.clock.after(withinMs, () => resolve(undefined));
      const reply = (text: string): void => {
        cancel();
        resolve(JSON.parse(text) as CommandReply);
      };
      this.submit(partition, { kind: 'command', executionId: request.executionId, request, reply });
    });
  }

  /** Hands an input to the lane of its partition. */
  submit(partition: Partition, input: Input): void {
    this.#laneOf(partition.id).submit(partition, input);
  }

  #laneOf(partition: number): Lane {
    return this.#lanes[partition % this.#lanes.length] as Lane;
  }

  #opened(record: PartitionRecord): void {
    const { ports, settings } = this.#options;
    const before = this.#partitions.get(record.partition);
    // The answer to a later claim of our own may have arrived first.
    if (before !== undefined && before.epoch >= record.epoch) return;
    if (before !== undefined) before.owned = false;
    const now = ports.clock.elapsed();
    const partition = new Partition(record, ports.clock.now(), now + settings.graceMs, now);
    this.#partitions.set(record.partition, partition);
    this.counters.takeovers += 1;
    this.#sort();
    if (!this.#serving.has(partition.id)) {
      const stop = ports.bus.serve(partition.id, (request) => this.#request(partition.id, request));
      this.#serving.set(partition.id, stop);
    }
    this.#announceTaken(partition.id);
    ports.log.debug({ partition: partition.id, epoch: partition.epoch }, 'partition taken');
    this.#options.onOwned?.(partition);
    if (record.publishedPosition < record.lastPosition) void this.#redo(partition, record);
  }

  /** One message for all partitions that are taken together. */
  #announceTaken(partition: number): void {
    this.#taken.push(partition);
    if (this.#taken.length > 1) return;
    const { bus, clock } = this.#options.ports;
    clock.soon(() => bus.announceTaken?.(this.#taken.splice(0)));
  }

  #sort(): void {
    this.#sorted = [...this.#partitions.values()].sort((a, b) => a.id - b.id);
    this.#options.ports.bus.owns?.(this.#sorted.length / this.#partitionCount);
  }

  #lost(partition: Partition, reason: string): void {
    if (!partition.owned) return;
    partition.owned = false;
    if (this.#partitions.get(partition.id) !== partition) return;
    this.#partitions.delete(partition.id);
    this.#sort();
    this.#serving.get(partition.id)?.();
    this.#serving.delete(partition.id);
    this.#seenDone.delete(partition);
    partition.executions.clear();
    if (reason !== 'released') {
      this.#options.ports.log.warn({ partition: partition.id, epoch: partition.epoch, reason }, 'partition lost');
      if (!this.#stopped) this.#ownership.check();
    }
  }

  /**
   * Events after the published position may have had no effects. The effects that are still wanted are performed again.
   */
  async #redo(partition: Partition, record: PartitionRecord): Promise<void> {
    const { store, clock, log } = this.#options.ports;
    const ticket = partition.openTicket(record.lastPosition);
    let after = record.publishedPosition;
    let whole = true;
    for (let attempt = 1; partition.owned;) {
      try {
        const page = await store.executionsAfter(partition.id, after, REDO_PAGE);
        await Promise.all(
          page.map(
            ({ id }) =>
              new Promise<void>((resolve) => {
                const look = (): void =>
                  this.submit(partition, {
                    kind: 'visit',
                    executionId: id,
                    visit: (stream) => {
                      const execution = asExecution(stream);
                      if (execution === undefined) this.#schedules.redo(stream as HotStream<ScheduleState>, ticket);
                      else this.effects.redo(execution, ticket);
                      resolve();
                    },
                    missed: (dropped) => {
                      // Not read does not mean done: the published position must not pass it.
                      if (dropped && partition.owned) return void clock.after(REDO_PAUSE_MS, look);
                      whole &&= !this.unreadable.has(id);
                      resolve();
                    },
                  });
                look();
              }),
          ),
        );
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

  async #reclaim(partitions: readonly Partition[]): Promise<void> {
    const { clock, log } = this.#options.ports;
    const held = partitions.filter((partition) => partition.owned);
    for (const partition of held) {
      partition.owned = false;
      partition.executions.clear();
      this.#partitions.delete(partition.id);
    }
    this.#sort();
    while (held.length > 0 && !this.#stopped) {
      try {
        const taken = await this.#ownership.reclaim(held);
        for (const record of taken) this.#opened(record);
        break;
      } catch (error) {
        log.warn({ err: error }, 'partitions cannot be taken again yet');
        await new Promise<void>((resolve) => {
          clock.after(RECLAIM_PAUSE_MS, resolve);
        });
      }
    }
    for (const partition of held) {
      if (this.#partitions.has(partition.id)) continue;
      this.#serving.get(partition.id)?.();
      this.#serving.delete(partition.id);
    }
    if (!this.#stopped) this.#ownership.check();
  }

  async #drain(partitions: readonly Partition[]): Promise<void> {
    const { clock } = this.#options.ports;
    for (const partition of partitions) {
      partition.draining = true;
      this.#serving.get(partition.id)?.();
      this.#serving.delete(partition.id);
    }
    const lanes = [...new Set(partitions.map((partition) => this.#laneOf(partition.id)))];
    // A store that does not answer must not keep the process from ending. Uncommitted inputs have not been answered.
    let cancel: () => void = () => undefined;
    const limit = new Promise<void>((resolve) => {
      cancel = clock.after(LONGEST_DRAIN_MS, resolve);
    });
    await Promise.race([Promise.all(lanes.map((lane) => lane.settled())), limit]);
    cancel();
    const until = clock.elapsed() + this.#options.settings.drainMs;
    while (clock.elapsed() < until && partitions.some((partition) => partition.owned && partition.openTickets > 0)) {
      await new Promise<void>((resolve) => {
        clock.after(10, resolve);
      });
    }
  }

  #stalled(ms: number): void {
    const { clock, log } = this.#options.ports;
    log.warn({ ms: Math.round(ms) }, 'the process stood still');
    const until = clock.elapsed() + this.#options.settings.graceMs;
    for (const partition of this.#sorted) partition.graceUntil = until;
  }

  /** Its id is not in the log as a start any more. So later starts with an id of that time are looked up. */
  #deleted({ id, partition }: HotExecution): void {
    partition.deletedUpTo = Math.max(partition.deletedUpTo, timeOfId(id));
    this.#remover.deleted();
  }

  #committed(changes: StreamChanges, ticket: EffectTicket): void {
    if (ofExecution(changes)) {
      this.effects.committed(changes, ticket);
      if (changes.state.deleted !== undefined) this.#deleted(changes.execution);
      this.#options.onCommitted?.(changes);
    } else {
      this.#schedules.committed(changes as StreamChanges<ScheduleState>, ticket);
    }
    this.#options.onStreamCommitted?.(changes);
  }

  #changed(execution: HotStream): void {
    const { committed, partition } = execution;
    if (committed !== undefined && kindOf(committed).isOver(committed) && execution.idle) {
      // Queries are answered from the log, and inputs hardly follow. Keeping it would only burden garbage collection.
      partition.forgetEnded(execution);
      return;
    }
    this.#waker.note(execution);
    this.#changes += 1;
    if (this.#changes >= 200) {
      this.#changes = 0;
      if (this.cacheBytes > this.#options.settings.cacheBytes) this.#evict();
    }
  }

  /**
   * Forgets executions that were not used since the last check and have nothing in flight, until enough memory is free.
   */
  #evict(): void {
    const enough = this.#options.settings.cacheBytes * 0.8;
    let bytes = this.cacheBytes;
    for (const partition of this.#sorted) {
      for (const execution of partition.executions.values()) {
        if (bytes <= enough) return;
        if (execution.used) {
          execution.used = false;
        } else if (execution.idle) {
          bytes -= execution.bytes;
          partition.evict(execution);
          this.counters.evictions += 1;
        }
      }
    }
  }

  #schedulePublish(): void {
    this.#cancelPublish = this.#options.ports.clock.after(PUBLISH_MS, () => {
      void this.#publish().then(() => {
        if (!this.#stopped) this.#schedulePublish();
      });
    });
  }

  /** Commits also write published positions. This writes those of idle partitions. */
  async #publish(): Promise<void> {
    const resting: Partition[] = [];
    for (const partition of this.#sorted) {
      const { effectsDone } = partition;
      if (effectsDone > partition.writtenPublished && this.#seenDone.get(partition) === effectsDone) {
        resting.push(partition);
      }
      this.#seenDone.set(partition, effectsDone);
    }
    if (resting.length === 0) return;
    const written = resting.map((partition) => ({
      partition: partition.id,
      epoch: partition.epoch,
      publishedPosition: partition.effectsDone,
    }));
    try {
      await this.#options.ports.store.publish(written);
      for (const [index, partition] of resting.entries()) {
        partition.writtenPublished = Math.max(partition.writtenPublished, written[index]?.publishedPosition ?? 0);
      }
    } catch (error) {
      this.#options.ports.log.warn({ err: error }, 'published positions cannot be written now');
    }
  }

  #request(id: number, request: PartitionRequest): void {
    const partition = this.#partitions.get(id);
    // No answer: the sender asks again, and by then the partition has an owner.
    if (partition === undefined || partition.draining) return;
    this.#guarded(request, id, () => {
      switch (request.kind) {
        case 'command':
          return this.#command(partition, request);
        case 'message': {
          const message = decodeMessage(request.payload);
          this.#expect(partition, message.streamId);
          const { streamId: executionId } = message;
          return this.submit(partition, { kind: 'message', executionId, message, reply: request.reply });
        }
        case 'result':
          return this.#results(request, false, (executionId) => {
            this.#expect(partition, executionId);
            return partition;
          });
        case 'check': {
          const check = decodeCheck(request.payload);
          this.#expect(partition, check.executionId);
          if (!this.#isHolder(check, check.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          const reply = this.#withRuns(check, request.reply);
          return this.submit(partition, { kind: 'check', executionId: check.executionId, check, reply });
        }
        case 'heartbeat': {
          const heartbeat = decodeHeartbeat(request.payload);
          this.#expect(partition, heartbeat.executionId);
          const { executionId } = heartbeat;
          if (!this.#isHolder(heartbeat, heartbeat.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          return this.submit(partition, { kind: 'heartbeat', executionId, heartbeat, reply: request.reply });
        }
        case 'output': {
          const output = decodeOutput(request.payload);
          this.#expect(partition, output.executionId);
          const { outputs } = this.#options.ports;
          if (outputs === undefined || !this.#isHolder(output, output.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          return outputs.take(output, () => this.#isWanted(partition.id, output), request.reply);
        }
      }
    });
  }

  /** Whether an attempt is still outstanding; undefined when this process cannot tell now. */
  #isWanted(
    partitionId: number,
    { executionId, stepId, attempt }: Pick<AttemptCheckRequest, 'executionId' | 'stepId' | 'attempt'>,
  ): Promise<boolean | undefined> {
    const partition = this.#partitions.get(partitionId);
    if (partition === undefined || partition.draining) return Promise.resolve(undefined);
    const { clock } = this.#options.ports;
    return new Promise((resolve) => {
      const giveUp = clock.after(WANTED_WITHIN_MS, () => resolve(undefined));
      this.submit(partition, {
        kind: 'check',
        executionId,
        check: { executionId, stepId, attempt },
        reply: (text) => {
          giveUp();
          resolve(text === WANTED);
        },
      });
    });
  }

  /** Tells a runner that is about to begin which other runners have the attempt, and which had it. */
  #withRuns(check: AttemptCheckRequest, reply: PartitionRequest['reply']): PartitionRequest['reply'] {
    const { executionId, stepId, attempt, incarnation = '', redelivered = false, alone = false } = check;
    if (reply === undefined || incarnation === '') return reply;
    return (text, problem) => {
      if (text !== WANTED) return reply(text, problem);
      const attemptKey = `${executionId}/${stepId}/${attempt}`;
      const runs = this.#options.ports.bus.taskBegins?.({ attemptKey, incarnation, redelivered, alone });
      reply(runs === undefined ? text : JSON.stringify({ wanted: true, ...runs }));
    };
  }

  /**
   * Handles results of any partitions. The sender must ask other owners about results that do not belong to this one.
   */
  #sharedResults(request: PartitionRequest): void {
    this.#guarded(request, undefined, () =>
      this.#results(request, true, (executionId) => {
        const partition = this.#partitions.get(partitionOf(executionId, this.#partitionCount));
        return partition?.draining === true ? undefined : partition;
      }),
    );
  }

  /** Answers a malformed request with its mistake. */
  #guarded(request: PartitionRequest, partition: number | undefined, work: () => void): void {
    const { log } = this.#options.ports;
    try {
      work();
    } catch (error) {
      if (!(error instanceof MalformedRequest)) {
        log.error({ err: error, kind: request.kind, partition }, 'a request failed');
        return;
      }
      log.warn({ kind: request.kind, partition, reason: error.message }, 'malformed request');
      request.reply?.(refusal(request.kind, error.message), error.message);
    }
  }

  /**
   * Passes the results of one request to their partitions. `shared`: the sender may ask other owners about results
   * without a partition here.
   */
  #results(
    request: PartitionRequest,
    shared: boolean,
    partitionFor: (executionId: string) => Partition | undefined,
  ): void {
    const { results, tokens } = decodeResults(request.payload);
    const { bus } = this.#options.ports;
    const keys = results.map(({ executionId, stepId, attempt }) => `${executionId}/${stepId}/${attempt}`);
    const held = results.map((result, place) => tokens === undefined || this.#isHolder(result, tokens[place]));
    const group = new ResultGroup(results.length, request.reply, this.#own?.subject, shared, () => {
      for (const [place, key] of keys.entries()) if (held[place] === true) bus.taskAnswered?.(key);
    });
    if (results.length === 0) request.reply?.('{"replies":[]}');
    for (const [place, result] of results.entries()) {
      const partition = partitionFor(result.executionId);
      if (held[place] !== true) {
        group.settle(place, 'unknown_execution');
        continue;
      }
      bus.taskReported?.(keys[place] ?? '');
      if (partition === undefined) group.settle(place, undefined);
      else this.#outputs.take(partition, { kind: 'result', executionId: result.executionId, result, group, place });
    }
  }

  /** Whether a report has the token of its attempt's task. If not, the answer is that there is no such execution. */
  #isHolder(
    { executionId, stepId, attempt }: Pick<AttemptCheckRequest, 'executionId' | 'stepId' | 'attempt'>,
    token = '',
  ): boolean {
    const { tokens, log, reportRefused } = this.#options.ports;
    if (tokens === undefined || tokens.isOf(`${executionId}/${stepId}/${attempt}`, token)) return true;
    this.counters.refusedReports += 1;
    reportRefused?.(executionId, stepId, attempt);
    // One log line for the first of a thousand, because a forger may send any number.
    if (this.counters.refusedReports % 1_000 === 1) {
      const fields = { execution_id: executionId, step_id: stepId, attempt, refused: this.counters.refusedReports };
      log.warn(fields, 'a report without the token of its task is refused');
    }
    return false;
  }

  #expect(partition: Partition, executionId: string): void {
    if (partition.executions.has(executionId)) return;
    const right = partitionOf(executionId, this.#partitionCount);
    if (right !== partition.id) {
      throw new MalformedRequest(`execution ${executionId} belongs to partition ${right}, not ${partition.id}`);
    }
  }

  #command(partition: Partition, request: PartitionRequest): void {
    const command = decodeCommand(request.payload);
    this.#expect(partition, command.executionId);
    const input: CommandInput = {
      kind: 'command',
      executionId: command.executionId,
      request: command,
      reply: request.reply,
      endSubject: request.endSubject,
    };
    if (command.start !== undefined && this.effects.retrying > this.#options.settings.pendingEffects) {
      this.counters.droppedInputs += 1;
      return;
    }
    if (command.start?.fork === undefined) return this.submit(partition, input);
    void this.#readFork(input).then((reused) => {
      if (reused === undefined) return;
      input.reused = reused;
      const current = this.#partitions.get(partition.id);
      if (current !== undefined) this.submit(current, input);
    });
  }

  /** The outputs that a fork copies from its source. Undefined when they cannot be read now. */
  async #readFork(input: CommandInput): Promise<CommandInput['reused'] | undefined> {
    const { fork, input: given } = input.request.start ?? {};
    if (fork === undefined) return [];
    try {
      const source = await this.load(fork.executionId);
      const started = source?.state.started;
      const deleted = source === undefined ? undefined : deletedRejection(source.state);
      if (source === undefined || started?.tenantId !== input.request.principal.tenantId) {
        const message = `There is no execution ${fork.executionId} to fork.`;
        return { rejected: { code: 'not_found', message } };
      }
      if (deleted !== undefined) return { rejected: deleted };
      const found = forkFrom(source.state, fork.fromStepId, given);
      return 'rejected' in found ? found : found.reused;
    } catch (error) {
      this.#options.ports.log.warn(
        { err: error, execution_id: fork.executionId },
        'the execution to fork cannot be read',
      );
      return undefined;
    }
  }
}

function refusal(kind: PartitionRequest['kind'], message: string): string {
  switch (kind) {
    case 'command':
      return JSON.stringify({ rejected: { code: 'validation_failed', message } });
    case 'message':
      return '{"outcome":"unknown"}';
    case 'result':
      return '{"replies":[]}';
    case 'check':
    case 'heartbeat':
    case 'output':
      return JSON.stringify({ wanted: false, reason: `malformed: ${message}` });
  }
}
