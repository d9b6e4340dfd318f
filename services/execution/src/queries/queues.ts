import { PRIORITIES, TOKEN } from '@batuta/contracts';
import type { ListPoolsReply, ListPoolsRequest, PoolView, QueuedView, StepView } from '@batuta/contracts';
import { isTerminal, priorityOf } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { taskSubject } from '../partitions/dispatch/step-task.js';
import { unitState } from '../domain/state/state.js';
import type { HeldTasks } from '../pauses/held-tasks.js';
import { shownPause } from '../pauses/pauses.js';
import type { PoolConsumerState, SeenPool, TaskQueue } from '../partitions/ports/ports.js';

interface QueuesOptions {
  readonly queue: TaskQueue;
  /** The pool that serves an agent. Undefined when there is none. */
  readonly poolOf: (tenantId: string, agent: string) => Promise<string | undefined>;
  /** Epoch ms. */
  readonly now: () => number;
  /** Which pause holds tasks back. */
  readonly held: Pick<HeldTasks, 'ofPool' | 'ofAgent'>;
}

const MOST_POOLS = 1_000;
/** How many steps of one execution are looked up, because each costs a request to JetStream. */
const MOST_LOOKED_UP = 50;
/** A task that is neither held nor in the queue may be in transit for this long, in milliseconds. */
const ON_ITS_WAY_MS = 1_000;

/** Where tasks wait, queried at the time of reading. No event records it, and no commit pays for it. */
export class Queues {
  readonly #options: QueuesOptions;

  constructor(options: QueuesOptions) {
    this.#options = options;
  }

  /**
   * The steps, with the state of the queue for each that no worker has taken. Without this state while the queue does
   * not answer.
   */
  async marked(state: State, steps: StepView[]): Promise<StepView[]> {
    if (isTerminal(state.status) || state.running === 0) return steps;
    try {
      const queued = await this.#queuedOf(state, steps);
      return queued.size === 0 ? steps : steps.map((step) => markedStep(step, queued.get(step.stepId)));
    } catch {
      // The view is correct without it, and readiness reports an outage.
      return steps;
    }
  }

  async list({ pools, forTenant = '' }: ListPoolsRequest): Promise<ListPoolsReply> {
    const names = [...new Set(pools)].filter((name) => TOKEN.test(name)).slice(0, MOST_POOLS);
    return { pools: await Promise.all(names.map((name) => this.#pool(name, forTenant))) };
  }

  async #pool(pool: string, tenantId: string): Promise<PoolView> {
    const { backlog, taken, requests } = await this.#inQueue(pool);
    const { workers, slots, free } = knownOf(this.#options.queue.seen(pool), { requests, taken });
    const paused = this.#options.held.ofPool(pool, tenantId);
    return {
      pool,
      workers,
      slots,
      free,
      backlog,
      taken,
      ...(paused === undefined ? {} : { paused: shownPause(paused) }),
    };
  }

  /**
   * How many slots the pool's tasks need now: waiting tasks, and tasks that workers have, direct or from the queue.
   * Every engine gives the same answer, with and without workers.
   */
  async demand(pool: string): Promise<{ readonly waiting: number; readonly running: number }> {
    const { backlog, taken } = await this.#inQueue(pool);
    return { waiting: backlog, running: taken + this.#options.queue.seen(pool).direct };
  }

  async #inQueue(pool: string): Promise<{ backlog: number; taken: number; requests: number }> {
    const consumers = await Promise.all(PRIORITIES.map((priority) => this.#options.queue.consumer(pool, priority)));
    const sum = { backlog: this.#options.queue.waitingIn(pool), taken: 0, requests: 0 };
    for (const consumer of consumers) {
      sum.backlog += consumer?.waiting ?? 0;
      sum.taken += consumer?.taken ?? 0;
      sum.requests += consumer?.requests ?? 0;
    }
    return sum;
  }

  async #queuedOf(state: State, steps: readonly StepView[]): Promise<Map<string, QueuedView>> {
    const { queue, poolOf, now, held } = this.#options;
    const priority = priorityOf(state);
    const tenantId = state.started?.tenantId ?? '';
    const consumers = new Map<string, Promise<PoolConsumerState | undefined>>();
    const consumerOf = (pool: string): Promise<PoolConsumerState | undefined> => {
      const known = consumers.get(pool) ?? queue.consumer(pool, priority);
      consumers.set(pool, known);
      return known;
    };
    const open = steps
      .filter(({ stepId, status }) => {
        if (status !== 'running') return false;
        const unit = unitState(state, state.config.unitIndex.get(stepId) ?? 0);
        // A task with a heartbeat was started.
        return unit.phase === 'running' && unit.heartbeatAt === 0;
      })
      .filter(({ stepId, attempt }) => !queue.isHeld(`${state.executionId}/${stepId}/${attempt}`))
      .slice(0, MOST_LOOKED_UP);
    const found = new Map<string, QueuedView>();
    await Promise.all(
      open.map(async ({ stepId, agentId, attempt }) => {
        const pool = await poolOf(tenantId, agentId);
        const subject = pool === undefined ? undefined : taskSubject(state, stepId, pool);
        if (pool === undefined || subject === undefined) return;
        const turn = queue.waits(`${state.executionId}/${stepId}/${attempt}`);
        const [place, consumer] = await Promise.all([turn ? undefined : queue.placeOf(subject), consumerOf(pool)]);
        const { scheduledAt } = unitState(state, state.config.unitIndex.get(stepId) ?? 0);
        const waits = place === undefined ? now() - scheduledAt > ON_ITS_WAY_MS : place > (consumer?.takenUpTo ?? 0);
        if (!waits) return;
        const { workers, slots } = knownOf(queue.seen(pool), consumer);
        const paused = turn ? (held.ofPool(pool, tenantId) ?? held.ofAgent(agentId, tenantId)) : undefined;
        found.set(stepId, {
          sinceAt: scheduledAt,
          pool,
          workers,
          slots,
          backlog: (consumer?.waiting ?? 0) + queue.waitingIn(pool),
          ...(paused === undefined ? {} : { paused: shownPause(paused) }),
        });
      }),
    );
    return found;
  }
}

const markedStep = (step: StepView, queued: QueuedView | undefined): StepView =>
  queued === undefined ? step : { ...step, queued };

/**
 * Workers without beats are known only by their open requests for tasks. They count as one worker, with room for one
 * task more than they have taken.
 */
function knownOf(
  seen: SeenPool,
  { requests = 0, taken = 0 }: { requests?: number; taken?: number } = {},
): Pick<SeenPool, 'workers' | 'slots' | 'free'> {
  return seen.workers > 0 || requests === 0 ? seen : { workers: 1, slots: taken + 1, free: 1 };
}
