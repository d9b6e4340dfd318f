import { PRIORITIES, STEPS_STREAM, subjects } from '@batuta/contracts';
import type { ApprovalDecided, Event } from '@batuta/contracts';
import { counter, distributions, gauge, tallies } from '@batuta/observability';
import type { Distribution, Tally } from '@batuta/observability';
import type { State } from '../domain/index.js';
import type { Commit } from './batch.js';
import type { EngineCounters } from './counters.js';
import type { Engine } from './engine.js';

/** What a process shows of its engine. */
export interface ExposedEngine {
  readonly engine: Engine;
  /** Events behind, by projection. */
  readonly lags: () => Readonly<Record<string, number>>;
  /** Milliseconds by which this machine's clock is ahead of PostgreSQL's. */
  readonly skewMs: () => number;
  readonly backlog: () => Promise<readonly Backlog[]>;
  /** Approvals that wait, of all tenants; undefined when that cannot be said now. */
  readonly waitingApprovals: () => Promise<number | undefined>;
}

/** Tasks of a pool: `waiting` for a runner, and `running` (delivered and not acknowledged). */
export interface Backlog {
  readonly pool: string;
  readonly priority: string;
  readonly waiting: number;
  readonly running: number;
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
  natsIn: ['nats_in', 'NATS messages received'],
  natsOut: ['nats_out', 'NATS messages sent'],
};

const COMMIT_EVENTS_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];

/** Seconds: humans take minutes to days. */
const APPROVAL_BUCKETS = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800];

const running = new Set<ExposedEngine>();

const sumOf = (value: (exposed: ExposedEngine) => number): number =>
  [...running].reduce((sum, exposed) => sum + value(exposed), 0);

/** Shows an engine among the process's metrics until the result is called. */
export function exposeEngine(exposed: ExposedEngine): () => void {
  running.add(exposed);
  for (const [key, [name, help]] of Object.entries(COUNTED)) {
    counter(`batuta_engine_${name}_total`, help, [], function collect() {
      this.reset();
      this.inc(sumOf(({ engine }) => engine.counters[key as keyof EngineCounters]));
    });
  }
  gauge('batuta_engine_partitions', 'Partitions that this process owns', [], function collect() {
    this.set(sumOf(({ engine }) => engine.owned.length));
  });
  gauge('batuta_engine_executions', 'Executions in memory', [], function collect() {
    this.set(
      sumOf(({ engine }) => engine.owned.reduce((executions, partition) => executions + partition.executions.size, 0)),
    );
  });
  gauge('batuta_engine_cache_bytes', 'Estimated memory of executions', [], function collect() {
    this.set(sumOf(({ engine }) => engine.cacheBytes));
  });
  gauge(
    'batuta_engine_unreadable_executions',
    'Executions that stand still because their logs have events of a newer version',
    [],
    function collect() {
      this.set(sumOf(({ engine }) => engine.unreadable.count));
    },
  );
  gauge(
    'batuta_engine_clock_skew_seconds',
    'How far this machine’s clock is ahead of PostgreSQL’s',
    [],
    function collect() {
      this.set(
        [...running].map((each) => each.skewMs()).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0) / 1_000,
      );
    },
  );
  gauge('batuta_engine_undispatched_tasks', 'Tasks that neither the queue nor a runner takes', [], function collect() {
    this.set(sumOf(({ engine }) => engine.effects.undispatched.tasks));
  });
  gauge(
    'batuta_engine_undispatched_seconds',
    'For how long the oldest task has been offered to queue and runners in vain',
    [],
    function collect() {
      this.set(Math.max(0, ...[...running].map(({ engine }) => engine.effects.undispatched.oldestMs / 1_000)));
    },
  );
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
  gauge(
    'batuta_queue_tasks',
    'Tasks in the queue by pool; the same in every execution process',
    ['pool', 'priority', 'state'],
    async function collect() {
      const [first] = running;
      const backlog = first === undefined ? [] : await first.backlog();
      this.reset();
      for (const { pool, priority, waiting, running: inWork } of backlog) {
        this.set({ pool, priority, state: 'waiting' }, waiting);
        this.set({ pool, priority, state: 'running' }, inWork);
      }
    },
  );
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
  return () => running.delete(exposed);
}

interface ConsumerInfo {
  readonly name: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

/** Reads the backlog of every pool from JetStream's list of consumers; empty when it does not answer. */
export async function readBacklog(
  request: (subject: string, body: string) => Promise<{ consumers?: ConsumerInfo[] | null; total?: number }>,
): Promise<Backlog[]> {
  const backlog: Backlog[] = [];
  try {
    for (let offset = 0; ;) {
      const page = await request(`$JS.API.CONSUMER.LIST.${STEPS_STREAM}`, JSON.stringify({ offset }));
      const consumers = page.consumers ?? [];
      for (const { name, num_pending: waiting, num_ack_pending: inWork } of consumers) {
        const priority = PRIORITIES.find((each) => name.endsWith(`-${each}`));
        const pool = priority === undefined ? '' : name.slice(0, -priority.length - 1);
        if (priority === undefined || name !== subjects.stepConsumer(pool, priority)) continue;
        backlog.push({ pool, priority, waiting, running: inWork });
      }
      offset += consumers.length;
      if (consumers.length === 0 || offset >= (page.total ?? 0)) return backlog;
    }
  } catch {
    // Readiness tells of an outage; a scrape must not fail because of it.
    return [];
  }
}

interface AgentMeters {
  readonly runSeconds: Distribution;
  readonly queueSeconds: Distribution;
  readonly completed: Tally;
  readonly failed: Tally;
  readonly retries: Tally;
  readonly tokens: Tally;
  readonly cost: Tally;
}

/** Counts what commits did. */
export class CommitMeter {
  readonly #commitSeconds = distributions('batuta_commit_seconds', 'Time of commits, from sent to answered')();
  readonly #commitEvents = distributions('batuta_commit_events', 'Events of one commit', [], COMMIT_EVENTS_BUCKETS)();
  readonly #executions = tallies('batuta_executions_total', 'Executions that came to a status', ['status']);
  readonly #started = this.#executions('started');
  readonly #completed = this.#executions('completed');
  readonly #failed = this.#executions('failed');
  readonly #cancelled = this.#executions('cancelled');
  readonly #paused = this.#executions('paused');
  readonly #resumed = this.#executions('resumed');
  readonly #retried = this.#executions('retried');
  readonly #compensating = this.#executions('compensation');
  readonly #budgets = tallies('batuta_budgets_exceeded_total', 'Executions that spent more than their budget', [
    'resource',
  ]);
  readonly #executionSeconds = distributions('batuta_execution_seconds', 'Time of executions, from start to end')();
  readonly #runSeconds = distributions(
    'batuta_step_run_seconds',
    'Time of attempts, from the agent’s start to its end',
    ['agent'],
  );
  readonly #queueSeconds = distributions('batuta_step_queue_seconds', 'Time that attempts waited for a runner', [
    'agent',
  ]);
  readonly #attempts = tallies('batuta_step_attempts_total', 'Attempts that ended', ['agent', 'outcome'], 400);
  readonly #retriesOf = tallies('batuta_step_retries_total', 'Attempts that failed and are tried again', ['agent']);
  readonly #tokens = tallies('batuta_tokens_total', 'Tokens that agents reported', ['agent']);
  readonly #cost = tallies('batuta_cost_total', 'Cost that agents reported', ['agent']);
  readonly #approvals = tallies(
    'batuta_approvals_total',
    'Approvals that were asked for, and what was decided: approved, rejected, approved_by_timeout or rejected_by_timeout',
    ['outcome'],
  );
  readonly #requested = this.#approvals('requested');
  readonly #waitSeconds = distributions(
    'batuta_approval_wait_seconds',
    'Time that humans took to decide, from the request',
    ['outcome'],
    APPROVAL_BUCKETS,
  );
  readonly #byAgent = new Map<string, AgentMeters>();

  record({ changes, tookMs }: Commit): void {
    let events = 0;
    for (const { events: own } of changes) {
      events += own.length;
      for (const { event, stored, state } of own) {
        switch (event.type) {
          case 'StepCompleted':
          case 'StepAttemptFailed':
            this.#attempt(event, state);
            break;
          case 'ApprovalRequested':
            this.#requested.inc();
            break;
          case 'ApprovalDecided':
            this.#decided(event.data, state);
            break;
          case 'ExecutionStarted':
            this.#started.inc();
            break;
          case 'ExecutionCompleted':
            this.#ended(this.#completed, state, stored.at);
            break;
          case 'ExecutionFailed':
            this.#ended(this.#failed, state, stored.at);
            break;
          case 'ExecutionCancelled':
            this.#ended(this.#cancelled, state, stored.at);
            break;
          case 'ExecutionPaused':
            this.#paused.inc();
            break;
          case 'ExecutionResumed':
            this.#resumed.inc();
            break;
          case 'ExecutionRetried':
            this.#retried.inc();
            break;
          case 'BudgetExceeded':
            this.#budgets(event.data.resource).inc();
            break;
          case 'CompensationStarted':
            this.#compensating.inc();
            break;
          default:
            break;
        }
      }
    }
    // A commit without events only moves wake-ups.
    this.#commitSeconds.observe(tookMs / 1_000);
    this.#commitEvents.observe(events);
  }

  #decided({ stepId, approved, timedOut }: ApprovalDecided, state: State): void {
    const outcome = `${approved ? 'approved' : 'rejected'}${timedOut === true ? '_by_timeout' : ''}`;
    this.#approvals(outcome).inc();
    const approval = state.units.get(state.config.unitIndex.get(stepId) ?? -1)?.approval;
    const decidedAt = approval?.decision?.at;
    if (approval === undefined || decidedAt === undefined) return;
    this.#waitSeconds(outcome).observe(Math.max(0, decidedAt - approval.requestedAt) / 1_000);
  }

  #ended(status: Tally, state: State, at: number): void {
    status.inc();
    this.#executionSeconds.observe(Math.max(0, at - state.createdAt) / 1_000);
  }

  #attempt(
    event: Pick<Extract<Event, { type: 'StepCompleted' | 'StepAttemptFailed' }>, 'type' | 'data'>,
    state: State,
  ): void {
    const { data } = event;
    const index = state.config.unitIndex.get(data.stepId) ?? -1;
    const unit = state.config.units[index];
    // What a human decides is no attempt of an agent.
    if (unit === undefined || unit.approval !== undefined) return;
    const { agent } = unit;
    const meters = this.#of(agent);
    if (data.startedAt > 0) {
      meters.runSeconds.observe(Math.max(0, data.finishedAt - data.startedAt) / 1_000);
      const current = state.units.get(index);
      // A next attempt that was scheduled at once has taken the place of this one's time.
      if (current !== undefined && current.attempt === data.attempt) {
        meters.queueSeconds.observe(Math.max(0, data.startedAt - current.scheduledAt) / 1_000);
      }
    }
    if (data.tokenCount !== undefined) meters.tokens.inc(data.tokenCount);
    if (data.estimatedCost !== undefined) meters.cost.inc(data.estimatedCost);
    if ('failure' in data) {
      meters.failed.inc();
      if (data.retryAt !== undefined) meters.retries.inc();
      return;
    }
    meters.completed.inc();
  }

  #of(agent: string): AgentMeters {
    let meters = this.#byAgent.get(agent);
    if (meters === undefined) {
      meters = {
        runSeconds: this.#runSeconds(agent),
        queueSeconds: this.#queueSeconds(agent),
        completed: this.#attempts(agent, 'completed'),
        failed: this.#attempts(agent, 'failed'),
        retries: this.#retriesOf(agent),
        tokens: this.#tokens(agent),
        cost: this.#cost(agent),
      };
      // The metrics themselves tell a bounded number of agents apart; this only remembers where each counts.
      if (this.#byAgent.size < MOST_AGENTS) this.#byAgent.set(agent, meters);
    }
    return meters;
  }
}

const MOST_AGENTS = 10_000;
