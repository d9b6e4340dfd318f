import { FAILURE_CODES, STEPS_STREAM } from '@batuta/contracts';
import type { Failure, Task } from '@batuta/contracts';
import { consumePool } from '@batuta/messaging';
import type { Delivery, PoolConsumer } from '@batuta/messaging';
import { nuid } from '@nats-io/nats-core';
import { AbandonedAgents } from './abandoned-agents.js';
import { RetryableError } from './agent.js';
import type { Agent } from './agent.js';
import { Attempt } from './attempt.js';
import { Attempts } from './attempts.js';
import { Company } from './company.js';
import { DirectTasks, HeldTask } from './direct-tasks.js';
import { NeededAttempts } from './needed-attempts.js';
import type { PlatformContext } from './platform.js';
import { resultOf } from './result-of.js';
import { ResultReporter } from './result-reporter.js';
import type { RunnerOptions } from './runner-options.js';
import { taskOfBytes } from './task.js';

/** Number of runners that may be lost with an attempt. With the last of them it runs alone. */
const MOST_LOST_RUNNERS = 3;
const ALONE_AT = MOST_LOST_RUNNERS - 1;
/** Milliseconds after which the runner asks again for an attempt that another runner has. */
const HELD_PAUSE_MS = 1_000;
/** Approximate size of a result without its output, in characters. */
const SCALARS_LENGTH = 300;

/**
 * A result of an attempt that took this many milliseconds is not delayed to be sent with others. If this process were
 * killed meanwhile, the work would have to be done again.
 */
const PRECIOUS_MS = 50;

/** The metrics' label for an agent that this worker does not have. */
const UNKNOWN = 'unknown';

/**
 * Serves pools of agents: pulls tasks, runs their agents, reports the results, and acknowledges the tasks that the
 * engine has answered.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #agents: ReadonlyMap<string, Agent<PlatformContext>>;
  readonly #attempts = new Attempts();
  readonly #giveUp = new AbortController();
  readonly #reporter: ResultReporter;
  readonly #needed: NeededAttempts;
  readonly #abandoned: AbandonedAgents;
  readonly #incarnations = new Map<string, string>();
  readonly #company = new Company((closed) => {
    for (const pool of this.#pools) pool.pause(closed);
  });
  #pools: PoolConsumer[] = [];
  #direct: DirectTasks[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#agents = new Map(options.agents.map((agent) => [agent.name, agent]));
    if (this.#agents.size !== options.agents.length) throw new Error('Two agents have the same name.');
    const { nc, logger, recheckMs } = options;
    const { signal } = this.#giveUp;
    this.#needed = new NeededAttempts(this.#attempts, { nc, logger, recheckMs, signal });
    this.#abandoned = new AbandonedAgents(options, signal);
    this.#reporter = new ResultReporter(options.nc, {
      logger: options.logger,
      signal: this.#giveUp.signal,
      onRepeat: () => this.#options.platform?.meter?.repeated(),
    });
  }

  /** Number of attempts that run now. */
  get running(): number {
    return this.#attempts.size;
  }

  /** Starts to serve. Throws when the stream of tasks cannot be created. */
  async start(): Promise<void> {
    const { nc, logger, slots, bytesAtOnce, ackWaitMs, workingMs, streamReplicas } = this.#options;
    this.#needed.start();
    for (const pool of this.#options.pools) {
      this.#pools.push(
        await consumePool(nc, {
          pool,
          slots,
          ...(bytesAtOnce === undefined ? {} : { maxBytes: bytesAtOnce }),
          logger,
          workingMs,
          ...(streamReplicas === undefined ? { waitsForStream: true } : { stream: { replicas: streamReplicas } }),
          consumers: { ackWaitMs },
          run: (delivery) => this.#runDelivery(delivery, pool),
        }),
      );
    }
    this.#direct = this.#options.pools.map(
      (pool, place) =>
        new DirectTasks({
          nc,
          logger,
          workerId: this.#options.workerId,
          pool,
          consumer: this.#pools[place] as PoolConsumer,
          incarnation: this.#incarnationOf(pool),
          closed: () => this.#company.closed,
          begun: () => this.#attempts.begun(pool),
          beatMs: workingMs,
          expiresMs: ackWaitMs,
        }),
    );
    for (const direct of this.#direct) direct.start();
  }

  /** For the readiness check. Throws when tasks cannot be pulled now. */
  checkReady(): void {
    if (this.#pools.length < this.#options.pools.length) throw new Error('not started yet');
    if (!this.#pools.every((pool) => pool.healthy)) throw new Error(`the stream ${STEPS_STREAM} is not reachable`);
    if (this.#abandoned.areTooMany) throw new Error('too many agents ignore their abort signal');
  }

  /**
   * Accepts no new tasks, and lets running attempts finish for at most `limitMs`. Then it aborts them and hands their
   * tasks back. Resolves when nothing runs and every message to the queue has been sent.
   */
  async stop(limitMs: number): Promise<void> {
    for (const direct of this.#direct) direct.leave();
    await Promise.all(this.#pools.map((pool) => pool.drain(limitMs)));
    for (const attempt of this.#attempts.all()) attempt.handBack();
    this.#giveUp.abort(new Error('the worker is stopping'));
    await Promise.all(this.#pools.map((pool) => pool.drain(500)));
    this.#needed.stopAsking();
    for (const direct of this.#direct) direct.stop();
    for (const pool of this.#pools) pool.close();
    if (!this.#options.nc.isClosed()) {
      this.#needed.unsubscribe();
      await this.#options.nc.flush().catch(() => undefined);
    }
  }

  async #runDelivery(delivery: Delivery, pool: string): Promise<void> {
    const task = delivery instanceof HeldTask ? delivery.task : taskOfBytes(delivery.data);
    if (task === undefined) {
      this.#options.logger.error({ subject: delivery.subject }, 'an unreadable task was dropped');
      delivery.drop();
      return;
    }
    delivery.letGo();
    const key = `${task.executionId}/${task.stepId}/${task.attempt}`;
    const same = this.#attempts.get(key);
    if (same !== undefined) {
      // The lease ran out while this process was stalled or disconnected. The attempt itself still runs.
      same.deliveries.push(delivery);
      return;
    }
    try {
      let { lostRunners = 0 } = task;
      if (task.checkFirst === true || task.dispatch > 1 || delivery.deliveries > 1 || lostRunners > 0) {
        const lost = await this.#mayBegin(task, delivery, pool, lostRunners, false);
        if (lost === undefined) return;
        lostRunners = lost;
      }
      const alone = lostRunners >= ALONE_AT;
      if (!this.#company.tryEnter(alone)) await this.#company.enter(alone, this.#giveUp.signal);
      try {
        // Asks again now that the attempt is alone, because it may have waited long.
        if (alone && (await this.#mayBegin(task, delivery, pool, lostRunners, true)) === undefined) return;
        const meanwhile = this.#attempts.get(key);
        if (meanwhile === undefined) await this.#runAttempt(key, task, delivery);
        else meanwhile.deliveries.push(delivery);
      } finally {
        this.#company.leave();
      }
    } catch (error) {
      delivery.nak();
      if (!this.#giveUp.signal.aborted) throw error;
    }
  }

  /**
   * Asks the engine about an attempt that may have been started before. Returns undefined when it must not start here
   * (the delivery is then settled); otherwise the number of runners that ended while they ran it.
   */
  async #mayBegin(
    task: Task,
    delivery: Delivery,
    pool: string,
    known: number,
    alone: boolean,
  ): Promise<number | undefined> {
    const answer = await this.#needed.ask(task, {
      incarnation: this.#incarnationOf(pool),
      redelivered: delivery.deliveries > 1,
      alone,
    });
    if (answer.wanted !== true) {
      this.#options.platform?.meter?.ended(this.#nameOf(task), 'unwanted');
      delivery.ack();
      return undefined;
    }
    if (answer.held === true) {
      delivery.nak(HELD_PAUSE_MS);
      return undefined;
    }
    const lostRunners = Math.max(known, answer.lostRunners ?? 0);
    if (lostRunners < MOST_LOST_RUNNERS) return lostRunners;
    await this.#reportLost(task, delivery, lostRunners);
    return undefined;
  }

  /** An identifier of a pool in this run of the process. */
  #incarnationOf(pool: string): string {
    let incarnation = this.#incarnations.get(pool);
    if (incarnation === undefined) {
      incarnation = nuid.next();
      this.#incarnations.set(pool, incarnation);
    }
    return incarnation;
  }

  async #runAttempt(key: string, task: Task, delivery: Delivery): Promise<void> {
    const agent = this.#agents.get(task.agent);
    const attempt = new Attempt(key, task, delivery, this.#options);
    this.#attempts.add(key, attempt);
    this.#options.platform?.meter?.running(1);
    try {
      attempt.start(agent ?? unknownAgent(task.agent, this.#agents));
      const ending = await attempt.ended;
      const finishedAt = Date.now();
      // An agent that ignores its signal keeps its slot.
      if (attempt.agentSettled) for (const one of attempt.deliveries) one.freeSlot();
      const outcome = ending.kind === 'failure' ? ending.failure.code : ending.kind;
      const name = agent === undefined ? UNKNOWN : agent.name;
      this.#options.platform?.meter?.ended(name, outcome, (finishedAt - attempt.startedAt) / 1_000);
      switch (ending.kind) {
        case 'output':
        case 'failure': {
          const result = resultOf(task, attempt.startedAt, finishedAt, this.#ranBy(agent), ending);
          const ok = ending.kind === 'output';
          const outputSent = attempt.outputSent();
          if (outputSent !== undefined) await outputSent;
          await this.#reporter.report(
            task.partition,
            result,
            SCALARS_LENGTH + (ok ? ending.length : JSON.stringify(ending.failure).length),
            ok && finishedAt - attempt.startedAt >= PRECIOUS_MS,
          );
          break;
        }
        case 'unwanted':
          attempt.logger.info({ reason: ending.reason }, 'attempt stopped');
          break;
        case 'handed_back':
          break;
        default:
          ending satisfies never;
      }
      for (const one of attempt.deliveries) {
        if (ending.kind === 'handed_back') one.nak();
        else one.ack();
      }
    } catch (error) {
      for (const one of attempt.deliveries) one.nak();
      throw error;
    } finally {
      this.#attempts.delete(key, attempt);
      this.#options.platform?.meter?.running(-1);
    }
    if (!attempt.agentSettled) await this.#abandoned.wait(attempt);
  }

  #ranBy(agent: Agent<PlatformContext> | undefined): { agentVersion: string; workerId: string } {
    return { agentVersion: agent?.version ?? '', workerId: this.#options.workerId };
  }

  async #reportLost(task: Task, delivery: Delivery, lostRunners: number): Promise<void> {
    const now = Date.now();
    const failure: Failure = {
      code: FAILURE_CODES.runnerLost,
      message: `${lostRunners} runners ended while they ran this step, the last while it ran nothing else.`,
      retryable: true,
      details: { lost_runners: lostRunners },
    };
    this.#options.platform?.meter?.ended(this.#nameOf(task), failure.code);
    this.#options.logger.warn(
      { execution_id: task.executionId, step_id: task.stepId, attempt: task.attempt, lost_runners: lostRunners },
      'task given up: its runners were lost',
    );
    const agent = this.#agents.get(task.agent);
    const result = resultOf(task, now, now, this.#ranBy(agent), { kind: 'failure', failure });
    await this.#reporter.report(task.partition, result, SCALARS_LENGTH);
    delivery.ack();
  }

  /**
   * The label of a task's agent in the metrics. A task may name an agent that does not exist, and that name must not
   * become a label.
   */
  #nameOf({ agent }: Task): string {
    return this.#agents.has(agent) ? agent : UNKNOWN;
  }
}

function unknownAgent(name: string, agents: ReadonlyMap<string, unknown>): Agent {
  return {
    name,
    version: '',
    run: () => {
      throw new RetryableError(
        FAILURE_CODES.agentUnknown,
        `This worker has no agent "${name}"; it serves ${[...agents.keys()].join(', ')}. All workers of a pool must serve the same agents, so use a pool of its own for others.`,
      );
    },
  };
}
