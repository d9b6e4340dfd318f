import { partitionOf } from '@batuta/contracts';
import type { CommandReply, CommandRequest } from '@batuta/contracts';
import type { PartitionRecord } from '@batuta/event-store';
import type { LimiterState, ScheduleState } from '../domain/index.js';
import { ofExecution } from './lane/batch.js';
import type { StreamChanges } from './lane/batch.js';
import { ExecutionCache } from './lane/execution-cache.js';
import { ConfigRegistry } from './ports/config-registry.js';
import { newCounters } from './ports/counters.js';
import type { EngineCounters } from './ports/counters.js';
import type { EffectPerformer } from './effects/effects.js';
import { openEffects } from './effects/open-effects.js';
import type { EngineOptions } from './engine-options.js';
import { EngineRequests } from './engine-requests.js';
import { StreamLoader } from './lane/execution-loader.js';
import type { LoadedExecution } from './lane/execution-loader.js';
import type { Input } from './lane/inputs.js';
import { HistoryRemover } from './effects/history-remover.js';
import { Lane } from './lane/lane.js';
import { OutputCheck } from './dispatch/output-check.js';
import { Ownership } from './ownership/ownership.js';
import { OwnedPartitions } from './ownership/owned-partitions.js';
import { timeOfId } from './lane/partition.js';
import type { EffectTicket, HotExecution, Partition } from './lane/partition.js';
import { PublishedPositions } from './effects/published-positions.js';
import { redoEffects } from './effects/redo-effects.js';
import type { LimiterEffects } from './effects/limiter-effects.js';
import type { StartableConfigs } from './effects/startable-configs.js';
import { SkipGuard } from './skip-guard.js';
import type { ScheduleEffects } from './effects/schedule-effects.js';
import { isExecution } from './lane/stream-state.js';
import { UnreadableExecutions } from './lane/unreadable-executions.js';
import { QueueWatch } from './effects/queue-watch.js';
import { Waker } from './timers/waker.js';

/** How many executions one statement reads from the log, and how many such statements run at once. */
const READ_TOGETHER = 50;
const READS_AT_ONCE = 2;

/** One owner process: its partitions, the lanes that commit for them, and the surrounding tasks. */
export class Engine {
  readonly #options: EngineOptions;
  readonly counters: EngineCounters;
  readonly configs: ConfigRegistry;
  readonly effects: EffectPerformer;
  readonly unreadable: UnreadableExecutions;
  readonly #partitions: OwnedPartitions;
  readonly #lanes: Lane[];
  readonly #loader: StreamLoader;
  readonly #schedules: ScheduleEffects;
  readonly #limiters: LimiterEffects;
  readonly #ownership: Ownership;
  readonly #requests: EngineRequests;
  readonly #published: PublishedPositions;
  readonly #waker: Waker;
  readonly #cache: ExecutionCache;
  readonly #queue: QueueWatch;
  readonly #remover: HistoryRemover;
  #partitionCount = 0;
  #own: { readonly subject: string; readonly stop: () => void } | undefined;
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { ports, settings } = options;
    const { clock, store, bus, log } = ports;
    const submit = (partition: Partition, input: Input): void => this.submit(partition, input);
    const partitions = (): readonly Partition[] => this.#partitions.all;
    const partitionCount = (): number => this.#partitionCount;
    this.counters = options.counters ?? newCounters();
    this.configs = new ConfigRegistry(store, ports.configs);
    this.unreadable = new UnreadableExecutions({ clock, log });
    this.#partitions = this.#openPartitions();
    this.#loader = new StreamLoader(
      { reader: store, configs: this.configs, snapshots: ports.snapshots },
      (callback) => clock.soon(callback),
      READ_TOGETHER,
      READS_AT_ONCE,
      true,
      this.unreadable,
    );
    const { effects, schedules, limiters, startable } = openEffects({
      ports,
      registry: this.configs,
      counters: this.counters,
      partitionCount,
      own: (partition, request) => {
        if (this.#partitions.get(partition) === undefined) return false;
        this.#requests.request(partition, request);
        return true;
      },
      submit,
      sampled: options.sampled,
    });
    this.effects = effects;
    this.#schedules = schedules;
    this.#limiters = limiters;
    this.#requests = this.#openRequests(submit, startable);
    this.#published = new PublishedPositions({ ports, partitions });
    this.#cache = new ExecutionCache({
      counters: this.counters,
      partitions,
      limitBytes: settings.cacheBytes,
      kept: (execution) => this.#waker.note(execution),
    });
    this.#lanes = Array.from({ length: settings.lanes }, () => this.#openLane());
    this.#ownership = this.#openOwnership();
    const partition = (id: number): Partition | undefined => this.#partitions.get(id);
    this.#waker = new Waker({ clock, reader: store, log, settings: settings.waker, partitions, partition, submit });
    const projected = options.projected ?? ((): number => Infinity);
    this.#remover = new HistoryRemover({ clock, log, store, counters: this.counters, partitions, projected });
    this.#queue = new QueueWatch({
      clock,
      bus,
      reader: store,
      log,
      effects,
      settings: settings.queue,
      partitions,
      partitionOf: (executionId) => this.#partitions.get(partitionOf(executionId, this.#partitionCount)),
      submit,
    });
  }

  /** The partitions that this process owns, connected with what uses them. */
  #openPartitions(): OwnedPartitions {
    const { ports, settings } = this.#options;
    return new OwnedPartitions({
      ports,
      counters: this.counters,
      graceMs: settings.graceMs,
      drainMs: settings.drainMs,
      partitionCount: () => this.#partitionCount,
      request: (partition, request) => this.#requests.request(partition, request),
      opened: (partition, record) => this.#opened(partition, record),
      lost: (partition) => this.#published.forget(partition),
      check: () => this.#ownership.check(),
      reclaim: (partitions) => this.#ownership.reclaim(partitions),
      settled: (partitions) =>
        Promise.all([...new Set(partitions.map(({ id }) => this.#laneOf(id)))].map((lane) => lane.settled())),
    });
  }

  #openRequests(submit: (partition: Partition, input: Input) => void, startable: StartableConfigs): EngineRequests {
    const { ports, settings } = this.#options;
    return new EngineRequests({
      ports,
      counters: this.counters,
      outputs: new OutputCheck({
        agents: this.effects.agents,
        evaluator: ports.evaluator,
        log: ports.log,
        counters: this.counters,
        limit: settings.limits.waitingInputs,
        submit,
      }),
      partitionCount: () => this.#partitionCount,
      partition: (id) => this.#partitions.get(id),
      ownSubject: () => this.#own?.subject,
      overloaded: () => this.effects.retrying > settings.pendingEffects,
      skips: new SkipGuard({
        load: async (executionId) => (await this.load(executionId))?.state,
        startable,
        configs: this.configs,
      }),
      load: (executionId) => this.load(executionId),
      keep: (executionId) => this.#remover.keep(executionId),
      submit,
    });
  }

  #openOwnership(): Ownership {
    const { ports, settings, incarnation, onSuperseded, onStoreTime } = this.#options;
    const { clock, store, bus, log } = ports;
    return new Ownership({
      clock,
      store,
      bus,
      log,
      settings: settings.ownership,
      incarnation,
      owned: () => this.#partitions.all,
      opened: (record) => this.#partitions.opened(record),
      lost: (partition, reason) => this.#partitions.lost(partition, reason),
      drain: (partitions) => this.#partitions.drain(partitions),
      stalled: (ms) => this.#partitions.stalled(ms),
      superseded: onSuperseded,
      onStoreTime,
    });
  }

  #openLane(): Lane {
    const { ports, settings, onCommit, busyPoll } = this.#options;
    return new Lane({
      clock: ports.clock,
      random: ports.random,
      log: ports.log,
      commits: ports.store.openLane(),
      configs: this.configs,
      loader: this.#loader,
      counters: this.counters,
      limits: settings.limits,
      busyPoll,
      owner: {
        partition: (id) => this.#partitions.get(id),
        lost: (partition, reason) => this.#partitions.lost(partition, reason),
        reclaim: (partitions) => this.#partitions.reclaim(partitions),
        stored: (commit) => onCommit?.(commit),
        committed: (changes, ticket) => this.#committed(changes, ticket),
        changed: (execution) => this.#cache.changed(execution),
      },
    });
  }

  /** Number of partitions of the log. 0 before `start`. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** Partitions that this process owns, by id. */
  get owned(): readonly Partition[] {
    return this.#partitions.all;
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
    return this.#cache.bytes;
  }

  /** Takes partitions and begins to answer. Throws when the store or the bus cannot be reached. */
  async start(): Promise<void> {
    const { store } = this.#options.ports;
    this.#partitionCount = await store.fixPartitionCount(this.#options.settings.partitions);
    await this.#options.ports.bus.ensureStreams();
    this.#own = this.#options.ports.bus.serveOwner?.((request) => this.#requests.shared(request));
    await this.#ownership.start();
    await this.#queue.start();
    this.#waker.start();
    this.#remover.start();
    this.#published.start();
  }

  /** Stops taking inputs, finishes decided ones, and releases the partitions. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#partitions.stop();
    this.#published.stop();
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
    if (partition?.serves !== true) return Promise.resolve(undefined);
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

  #opened(partition: Partition, record: PartitionRecord): void {
    this.#options.onOwned?.(partition);
    if (record.publishedPosition < record.lastPosition) void this.#redo(partition, record);
  }

  #redo(partition: Partition, record: PartitionRecord): Promise<void> {
    const parts = {
      ports: this.#options.ports,
      effects: this.effects,
      schedules: this.#schedules,
      limiters: this.#limiters,
      unreadable: this.unreadable,
      submit: (to: Partition, input: Input): void => this.submit(to, input),
    };
    return redoEffects(parts, partition, record);
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
    } else if (changes.state.kind === 'limiter') {
      this.#limiters.committed(changes as StreamChanges<LimiterState>, ticket);
    } else {
      this.#schedules.committed(changes as StreamChanges<ScheduleState>, ticket);
    }
    this.#options.onStreamCommitted?.(changes);
  }
}
