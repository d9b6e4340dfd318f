import { counter, gauge } from '@batuta/observability';
import type { Backlog } from './bus/backlog.js';
import type { EngineCounters } from './ports/counters.js';
import type { DiskUse } from './disk-use.js';
import type { Engine } from './engine.js';

/** The parts of an engine that its metrics show. */
interface ExposedEngine {
  readonly engine: Engine;
  /** How many events each projection is behind. */
  readonly lags: () => Readonly<Record<string, number>>;
  /** Milliseconds by which this machine's clock is ahead of PostgreSQL's. */
  readonly skewMs: () => number;
  readonly backlog: () => Promise<readonly Backlog[]>;
  /** Tasks that wait in this process for their tenant's turn, by pool. */
  readonly waitingTasks: () => Iterable<readonly [pool: string, waiting: number]>;
  /** Tasks in the queue, of all pools. Undefined when this cannot be read. */
  readonly storedTasks: () => Promise<number | undefined>;
  /** Open approvals of all tenants. Undefined when this cannot be read. */
  readonly waitingApprovals: () => Promise<number | undefined>;
  /** Bytes on the disks of PostgreSQL and JetStream. Undefined when this cannot be read. */
  readonly disk: () => Promise<DiskUse | undefined>;
}

const COUNTED: Readonly<Record<keyof EngineCounters, readonly [name: string, help: string]>> = {
  commits: ['commits', 'Commits that wrote something'],
  appendStatements: ['append_statements', 'Statements that append events'],
  epochChecks: ['epoch_checks', 'Statements that only check epochs'],
  events: ['events', 'Events committed'],
  eventBytes: ['event_bytes', 'Bytes of committed events as JSON text'],
  inputs: ['inputs', 'Commands, results, timers and other inputs taken'],
  dispatches: ['dispatches', 'Tasks dispatched, for the first time or again'],
  redispatches: ['redispatches', 'Tasks dispatched again'],
  directDispatches: ['direct_dispatches', 'Tasks given straight to runners, past the queue'],
  lostRunners: ['lost_runners', 'Runners that went away with tasks that they held'],
  takeovers: ['takeovers', 'Partitions taken, each with a new epoch'],
  loads: ['loads', 'Executions read from the log into memory'],
  evictions: ['evictions', 'Executions forgotten to free memory'],
  fenced: ['fenced', 'Partitions lost to another owner while a commit was on its way'],
  unknownCommits: ['unknown_commits', 'Commits whose outcome never came'],
  rejectedCommits: ['rejected_commits', 'Commits that PostgreSQL refused'],
  droppedInputs: ['dropped_inputs', 'Inputs dropped, whose senders ask again'],
  refusedReports: ['refused_reports', 'Results, checks and heartbeats without the token of their task'],
  removedExecutions: ['removed_executions', 'Deleted executions whose events and rows were removed'],
  natsIn: ['nats_in', 'NATS messages received'],
  natsOut: ['nats_out', 'NATS messages sent'],
};

const running = new Set<ExposedEngine>();

const sumOf = (value: (exposed: ExposedEngine) => number): number =>
  [...running].reduce((sum, exposed) => sum + value(exposed), 0);

/** Sets a gauge to the sum over the engines of the process. */
function summed(value: (engine: Engine) => number): (this: { set(value: number): void }) => void {
  return function collect() {
    this.set(sumOf(({ engine }) => value(engine)));
  };
}

/** Sets a gauge to the largest value of the engines of the process. */
function largest(value: (engine: Engine) => number): (this: { set(value: number): void }) => void {
  return function collect() {
    this.set(Math.max(0, ...[...running].map(({ engine }) => value(engine))));
  };
}

/** Adds an engine to the process's metrics until the result is called. */
export function exposeEngine(exposed: ExposedEngine): () => void {
  running.add(exposed);
  for (const [key, [name, help]] of Object.entries(COUNTED)) {
    counter(`batuta_engine_${name}_total`, help, [], function collect() {
      this.reset();
      this.inc(sumOf(({ engine }) => engine.counters[key as keyof EngineCounters]));
    });
  }
  exposePartitions();
  exposeProjections();
  exposeTasks();
  exposeApprovals();
  exposeDisk();
  return () => running.delete(exposed);
}

function exposePartitions(): void {
  gauge(
    'batuta_engine_partitions',
    'Partitions that this process owns',
    [],
    summed(({ owned }) => owned.length),
  );
  gauge(
    'batuta_engine_unowned_partitions',
    'Partitions of all engines without an owner, as this process saw at its last lease',
    [],
    largest(({ unownedPartitions }) => unownedPartitions),
  );
  gauge(
    'batuta_engine_executions',
    'Executions in memory',
    [],
    summed(({ owned }) => owned.reduce((sum, { executions }) => sum + executions.size, 0)),
  );
  gauge(
    'batuta_engine_cache_bytes',
    'Estimated memory of executions',
    [],
    summed(({ cacheBytes }) => cacheBytes),
  );
  gauge(
    'batuta_engine_unreadable_executions',
    'Executions that stand still because their logs have events of a newer version',
    [],
    summed(({ unreadable }) => unreadable.count),
  );
  gauge(
    'batuta_engine_executions_to_remove',
    'Deleted executions whose events and rows are not removed yet',
    [],
    summed(({ executionsToRemove }) => executionsToRemove),
  );
  gauge(
    'batuta_engine_clock_skew_seconds',
    'How far this machine’s clock is ahead of PostgreSQL’s',
    [],
    function collect() {
      const skews = [...running].map((each) => each.skewMs());
      this.set(skews.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0) / 1_000);
    },
  );
}

function exposeProjections(): void {
  gauge(
    'batuta_projection_lag_events',
    'Committed events that a projection has not written yet',
    ['projection'],
    function collect() {
      const lags = new Map<string, number>();
      for (const each of running) {
        for (const [name, lag] of Object.entries(each.lags())) lags.set(name, (lags.get(name) ?? 0) + lag);
      }
      for (const [projection, lag] of lags) this.set({ projection }, lag);
    },
  );
}

function exposeTasks(): void {
  gauge(
    'batuta_engine_undispatched_tasks',
    'Tasks that neither the queue nor a runner takes',
    [],
    summed(({ effects }) => effects.undispatched.tasks),
  );
  gauge(
    'batuta_engine_undispatched_seconds',
    'For how long the oldest task has been offered to queue and runners in vain',
    [],
    largest(({ effects }) => effects.undispatched.oldestMs / 1_000),
  );
  const unserved = gauge(
    'batuta_queue_unserved_tasks',
    'Tasks in the queue of pools that no runner has ever served; the same in every execution process',
  );
  gauge(
    'batuta_queue_tasks',
    'Tasks in the queue by pool; the same in every execution process',
    ['pool', 'priority', 'state'],
    async function collect() {
      const [first] = running;
      const backlog = first === undefined ? [] : await first.backlog();
      this.reset();
      const stored = await first?.storedTasks();
      const covered = backlog.reduce((sum, { waiting, running: inWork }) => sum + waiting + inWork, 0);
      if (stored !== undefined) unserved.set(Math.max(0, stored - covered));
      for (const { pool, priority, waiting, running: inWork } of backlog) {
        this.set({ pool, priority, state: 'waiting' }, waiting);
        this.set({ pool, priority, state: 'running' }, inWork);
      }
    },
  );
  gauge(
    'batuta_waiting_tasks',
    'Tasks by pool that wait in this process until it is the turn of their tenant',
    ['pool'],
    function collect() {
      const waiting = new Map<string, number>();
      for (const each of running) {
        for (const [pool, count] of each.waitingTasks()) waiting.set(pool, (waiting.get(pool) ?? 0) + count);
      }
      this.reset();
      for (const [pool, count] of waiting) this.set({ pool }, count);
    },
  );
}

function exposeApprovals(): void {
  gauge(
    'batuta_approvals_waiting',
    'Approvals that wait for a decision; the same in every execution process',
    [],
    async function collect() {
      const [first] = running;
      const waiting = await first?.waitingApprovals();
      if (waiting !== undefined) this.set(waiting);
    },
  );
}

function exposeDisk(): void {
  gauge(
    'batuta_database_bytes',
    'Bytes of the database on disk; the same in every execution process',
    [],
    async function collect() {
      const use = await [...running][0]?.disk();
      if (use !== undefined) this.set(use.database);
    },
  );
  gauge(
    'batuta_table_bytes',
    'Bytes of a table on disk with its indexes; the same in every execution process',
    ['table'],
    async function collect() {
      const use = await [...running][0]?.disk();
      for (const [table, bytes] of use?.tables ?? []) this.set({ table }, bytes);
    },
  );
  gauge(
    'batuta_stream_bytes',
    'Bytes of a JetStream stream on disk; the same in every execution process',
    ['stream'],
    async function collect() {
      const use = await [...running][0]?.disk();
      for (const [stream, bytes] of use?.streams ?? []) this.set({ stream }, bytes);
    },
  );
}
