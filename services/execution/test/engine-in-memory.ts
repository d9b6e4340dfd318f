import { partitionOf } from '@batuta/contracts';
import type { CommandReply, CommandRequest, ResultReply, Task } from '@batuta/contracts';
import type { CommitOutcome } from '@batuta/event-store';
import { MemoryExecutionStore } from '../src/store/memory/memory-execution-store.js';
import type { ExecutionLane, ExecutionCommit, ExecutionStore } from '../src/store/port.js';
import { Engine } from '../src/partitions/engine.js';
import type {
  Bus,
  Clock,
  ConfigService,
  Evaluator,
  OutgoingTask,
  PartitionRequest,
  PublishOutcome,
  RequestKind,
  TaskTokens,
} from '../src/partitions/ports/ports.js';
import { newIncarnation, systemClock, systemRandom } from '../src/partitions/ports/system-ports.js';
import { DEFINITIONS } from './fixtures.js';

type Handler = (request: PartitionRequest) => void;

/** A bus in this process. Only the partition's last server gets requests, unless another is named. */
export class TestBus implements Bus {
  readonly tasks: Task[] = [];
  readonly lifecycle: string[] = [];
  readonly stops: string[] = [];
  /** Subjects to which ends were reported. */
  readonly ends: string[] = [];
  readonly handlers = new Map<number, Handler>();
  /** What happens to a task. Nothing is reported about a lost one. */
  queue: PublishOutcome | 'lost' = 'stored';
  ensured = 0;

  serve(partition: number, handler: Handler): () => void {
    this.handlers.set(partition, handler);
    return () => {
      if (this.handlers.get(partition) === handler) this.handlers.delete(partition);
    };
  }
  async askOwner(partition: number, kind: 'command' | 'message', text: string): Promise<string | undefined> {
    const to = this.handlers.get(partition);
    if (to === undefined) return undefined;
    return new Promise((resolve) => to({ kind, payload: text, reply: resolve }));
  }
  publishTask(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const { queue } = this;
    if (queue === 'lost') return;
    if (queue === 'stored') this.tasks.push(structuredClone(task.task));
    queueMicrotask(() => done(queue));
  }
  publishEvents(): void {}
  publishEnd(subject: string): void {
    this.ends.push(subject);
  }
  publishStop(text: string): void {
    this.stops.push(text);
  }
  publishLifecycle({ type }: { readonly type: string }): void {
    this.lifecycle.push(type);
  }
  streamIdentity() {
    return Promise.resolve({ created: 'once', lastSequence: 1 });
  }
  ensureStreams(): Promise<void> {
    this.ensured += 1;
    return Promise.resolve();
  }
  holdsTask(): Promise<boolean> {
    return Promise.resolve(true);
  }
  announceRelease(): void {}
  onRelease(): () => void {
    return () => undefined;
  }
  onReconnect(): () => void {
    return () => undefined;
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** The answer, or undefined when there is none before `until` settles. */
  ask<T>(
    kind: RequestKind,
    executionId: string,
    body: object,
    handler?: Handler,
    endSubject?: string,
  ): { answer: Promise<T>; answered: () => boolean } {
    let answered = false;
    const to = handler ?? this.handlers.get(partitionOf(executionId, PARTITIONS));
    const answer = new Promise<T>((resolve) => {
      to?.({
        kind,
        payload: new TextEncoder().encode(JSON.stringify(body)),
        endSubject,
        reply: (text) => {
          answered = true;
          resolve(JSON.parse(text) as T);
        },
      });
    });
    return { answer, answered: () => answered };
  }
  /** `endSubject`: where to report its end. */
  command(request: CommandRequest, endSubject?: string) {
    return this.ask<CommandReply>('command', request.executionId, request, undefined, endSubject);
  }
  results(executionId: string, results: object[], handler?: Handler) {
    return this.ask<ResultReply>('result', executionId, { results }, handler);
  }
}

export const PARTITIONS = 4;

/**
 * A test's interference with commits: `before` may replace the outcome without applying it, `after` may replace the
 * answer.
 */
export interface Faults {
  before?: (request: ExecutionCommit) => Promise<CommitOutcome | undefined> | CommitOutcome | undefined;
  after?: (request: ExecutionCommit, outcome: CommitOutcome) => Promise<CommitOutcome> | CommitOutcome;
}

function faulty(store: ExecutionStore, faults: Faults): ExecutionStore {
  return new Proxy(store, {
    get(target, property) {
      if (property !== 'openLane') {
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (): ExecutionLane => {
        const lane = target.openLane();
        return {
          commit: async (request) => {
            const instead = await faults.before?.(request);
            if (instead !== undefined) return instead;
            const outcome = await lane.commit(request);
            return (await faults.after?.(request, outcome)) ?? outcome;
          },
          heldEpochs: (partitions) => lane.heldEpochs(partitions),
          close: () => lane.close(),
        };
      };
    },
  });
}

export interface TestEngine {
  readonly engine: Engine;
  readonly bus: TestBus;
  readonly store: MemoryExecutionStore;
  readonly faults: Faults;
}

export async function engineInMemory(
  options: {
    store?: MemoryExecutionStore;
    bus?: TestBus;
    name?: string;
    leaseMs?: number;
    clock?: Clock;
    cacheBytes?: number;
    configs?: Partial<ConfigService>;
    evaluator?: Partial<Evaluator>;
    /** Default: tasks have no tokens. */
    tokens?: TaskTokens;
  } = {},
): Promise<TestEngine> {
  const store = options.store ?? new MemoryExecutionStore(() => Date.now());
  const bus = options.bus ?? new TestBus();
  const faults: Faults = {};
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const leaseMs = options.leaseMs ?? 60_000;
  const engine = new Engine({
    ports: {
      clock: options.clock ?? systemClock,
      random: systemRandom,
      store: faulty(store, faults),
      bus,
      tokens: options.tokens,
      log,
      configs: {
        version: (configId) =>
          Promise.resolve(
            DEFINITIONS[configId] === undefined
              ? { kind: 'missing' }
              : { kind: 'found', definition: DEFINITIONS[configId] },
          ),
        newest: (_tenantId, config) => Promise.resolve({ kind: 'found', configId: config, version: 1, leaseMs: 0 }),
        agent: () => Promise.resolve({ agent: undefined }),
        ...options.configs,
      },
      evaluator: {
        evaluate: () => Promise.resolve({ values: [] }),
        validate: () => Promise.resolve({ violations: [], total: 0 }),
        ...options.evaluator,
      },
    },
    settings: {
      ownership: { name: options.name ?? 'one', leaseMs, renewMs: leaseMs / 4 },
      lanes: 1,
      partitions: PARTITIONS,
      limits: { commitEvents: 500, commitBytes: 1_000_000, waitingInputs: 1_000 },
      waker: { scanMs: 50, scanLimit: 100 },
      queue: { watchMs: 60_000, auditMs: 60_000, auditAgeMs: 60_000, auditBatch: 100 },
      graceMs: 0,
      cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
      pendingEffects: 1_000,
      drainMs: 100,
    },
    incarnation: newIncarnation(),
    onSuperseded: () => undefined,
  });
  await engine.start();
  return { engine, bus, store, faults };
}

/** A clock whose callbacks can be held back, as in a stopped process. Time itself continues. */
export class StallingClock implements Clock {
  #held: (() => void)[] | undefined;

  now = (): number => systemClock.now();
  elapsed = (): number => systemClock.elapsed();
  after(ms: number, callback: () => void): () => void {
    let cancelled = false;
    const cancel = systemClock.after(ms, () =>
      this.#run(() => {
        if (!cancelled) callback();
      }),
    );
    return () => {
      cancelled = true;
      cancel();
    };
  }
  soon(callback: () => void): void {
    systemClock.soon(() => this.#run(callback));
  }
  next(callback: () => void): void {
    systemClock.next(() => this.#run(callback));
  }

  stop(): void {
    this.#held ??= [];
  }

  go(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const callback of held) callback();
  }

  #run(callback: () => void): void {
    if (this.#held === undefined) callback();
    else this.#held.push(callback);
  }
}
