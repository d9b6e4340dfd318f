import { SlotMap } from '@batuta/collections';
import { FAILURE_CODES, STEPS_STREAM, subjects } from '@batuta/contracts';
import type {
  AttemptCheckReply,
  AttemptCheckRequest,
  AttemptResult,
  Failure,
  StopAttempts,
  Task,
} from '@batuta/contracts';
import { consumePool, requestUntilAnswered } from '@batuta/messaging';
import type { Delivery, PoolConsumer } from '@batuta/messaging';
import { nuid } from '@nats-io/nats-core';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { RetryableError } from './agent.js';
import type { Agent } from './agent.js';
import { Attempt } from './attempt.js';
import type { Ending } from './attempt.js';
import { Company } from './company.js';
import { attemptOf, taskOfBytes } from './task.js';
import { DirectTasks, HeldTask } from './direct-tasks.js';
import type { Logger } from './logger.js';
import type { PlatformContext, PlatformPorts } from './platform.js';
import { ResultReporter } from './result-reporter.js';

export interface RunnerOptions {
  readonly nc: NatsConnection;
  readonly agents: readonly Agent<PlatformContext>[];
  readonly logger: Logger;
  readonly pools: readonly string[];
  /** Maximum number of attempts that run at once in each pool. */
  readonly slots: number;
  /** Maximum size in bytes of the tasks that run at once in each pool. Default: no limit. */
  readonly bytesAtOnce?: number | undefined;
  /** The runner's name in results. */
  readonly workerId: string;
  /**
   * Number of copies of the tasks' stream in a NATS cluster, for a runner that may create the stream. Default: it may
   * not create it, and waits until it exists.
   */
  readonly streamReplicas?: number;
  /** Milliseconds without a sign of life after which a task is delivered to another worker. */
  readonly ackWaitMs: number;
  /** Milliseconds between the signs of life of a task. At most half of `ackWaitMs`. */
  readonly workingMs: number;
  /** Milliseconds between questions to the engine whether a long attempt is still needed. */
  readonly recheckMs: number;
  /** Milliseconds that an agent has after its signal before its slot is given to another attempt. */
  readonly graceMs: number;
  /** Maximum number of agents that ignore their signal and still run, before further ones keep their slots. */
  readonly maxAbandoned: number;
  /** Additional abilities of the platform's own runner. */
  readonly platform?: PlatformPorts;
}

/** Number of runners that may be lost with an attempt. With the last of them it runs alone. */
export const MOST_LOST_RUNNERS = 3;
const ALONE_AT = MOST_LOST_RUNNERS - 1;
/** Milliseconds after which the runner asks again for an attempt that another runner has. */
const HELD_PAUSE_MS = 1_000;
/** Milliseconds for which an attempt is not listed in beats. Most attempts are over by then. */
const NEWEST_MS = 200;
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
  readonly #attempts = new SlotMap<string, Attempt>();
  readonly #byExecution = new SlotMap<string, Set<Attempt>>();
  readonly #giveUp = new AbortController();
  readonly #reporter: ResultReporter;
  readonly #incarnations = new Map<string, string>();
  readonly #company = new Company((closed) => {
    for (const pool of this.#pools) pool.pause(closed);
  });
  #pools: PoolConsumer[] = [];
  #direct: DirectTasks[] = [];
  #stops: Subscription | undefined;
  #recheckTimer: NodeJS.Timeout | undefined;
  #rechecking = false;
  #abandoned = 0;
  readonly #freed: (() => void)[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#agents = new Map(options.agents.map((agent) => [agent.name, agent]));
    if (this.#agents.size !== options.agents.length) throw new Error('Two agents have the same name.');
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
    this.#stops = nc.subscribe(subjects.stop, {
      callback: (error, message) => {
        if (error === null) this.#hearStop(message.data);
      },
    });
    this.#recheckTimer = setInterval(() => void this.#recheckLongOnes(), Math.max(20, this.#options.recheckMs / 4));
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
          begun: () => this.#begun(pool),
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
    if (this.#abandoned >= this.#options.maxAbandoned) throw new Error('too many agents ignore their abort signal');
  }

  /**
   * Accepts no new tasks, and lets running attempts finish for at most `limitMs`. Then it aborts them and hands their
   * tasks back. Resolves when nothing runs and every message to the queue has been sent.
   */
  async stop(limitMs: number): Promise<void> {
    for (const direct of this.#direct) direct.leave();
    await Promise.all(this.#pools.map((pool) => pool.drain(limitMs)));
    for (const attempt of this.#attempts.values()) attempt.handBack();
    this.#giveUp.abort(new Error('the worker is stopping'));
    await Promise.all(this.#pools.map((pool) => pool.drain(500)));
    clearInterval(this.#recheckTimer);
    for (const direct of this.#direct) direct.stop();
    for (const pool of this.#pools) pool.close();
    if (!this.#options.nc.isClosed()) {
      this.#stops?.unsubscribe();
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
    const answer = await this.#askAbout(task, {
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

  /** The attempts that were started from the pool's work queue, without the newest. */
  #begun(pool: string): string[] {
    const before = Date.now() - NEWEST_MS;
    const keys: string[] = [];
    for (const [key, { startedAt, deliveries }] of this.#attempts) {
      if (startedAt <= before && deliveries.some(({ subject }) => subject.split('.')[2] === pool)) keys.push(key);
    }
    return keys;
  }

  async #runAttempt(key: string, task: Task, delivery: Delivery): Promise<void> {
    const agent = this.#agents.get(task.agent);
    const attempt = new Attempt(key, task, delivery, this.#options);
    this.#attempts.set(key, attempt);
    this.#options.platform?.meter?.running(1);
    let siblings = this.#byExecution.get(task.executionId);
    if (siblings === undefined) {
      siblings = new Set();
      this.#byExecution.set(task.executionId, siblings);
    }
    siblings.add(attempt);
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
          const result = this.#resultOf(task, attempt.startedAt, finishedAt, agent, ending);
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
      this.#attempts.delete(key);
      this.#options.platform?.meter?.running(-1);
      siblings.delete(attempt);
      if (siblings.size === 0) this.#byExecution.delete(task.executionId);
    }
    if (!attempt.agentSettled) await this.#awaitAgent(attempt);
  }

  /**
   * An agent that ignores its signal keeps its slot for a grace period. Then the slot is given to others and the agent
   * is counted. Beyond `maxAbandoned` such agents, slots are kept, because each agent still takes memory and time.
   */
  async #awaitAgent(attempt: Attempt): Promise<void> {
    if (await settledWithin(attempt.agentDone, this.#options.graceMs, this.#giveUp.signal)) return;
    this.#abandoned += 1;
    this.#options.platform?.meter?.abandoned(1);
    attempt.logger.warn('the agent ignores its abort signal and is left to itself');
    void attempt.agentDone.then(() => {
      this.#abandoned -= 1;
      this.#options.platform?.meter?.abandoned(-1);
      for (const resolve of this.#freed.splice(0)) resolve();
    });
    while (this.#abandoned > this.#options.maxAbandoned && !this.#giveUp.signal.aborted) {
      const freed = new Promise<void>((resolve) => this.#freed.push(resolve));
      await settledWithin(freed, 1_000, this.#giveUp.signal);
    }
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
    const result = this.#resultOf(task, now, now, agent, { kind: 'failure', failure });
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

  #resultOf(
    task: Task,
    startedAt: number,
    finishedAt: number,
    agent: Agent<PlatformContext> | undefined,
    ending: Extract<Ending, { kind: 'output' | 'failure' }>,
  ): AttemptResult {
    const { executionId, stepId, attempt, token } = task;
    const { workerId } = this.#options;
    const agentVersion = agent?.version ?? '';
    // Written out, so that all objects have one shape: a spread here took a twentieth of the time of a short step.
    return ending.kind === 'output'
      ? {
          executionId,
          stepId,
          attempt,
          token,
          startedAt,
          finishedAt,
          agentVersion,
          workerId,
          ok: true,
          output: ending.value,
        }
      : {
          executionId,
          stepId,
          attempt,
          token,
          startedAt,
          finishedAt,
          agentVersion,
          workerId,
          ok: false,
          failure: ending.failure,
        };
  }

  async #isWanted(task: Task): Promise<boolean> {
    return (await this.#askAbout(task, {})).wanted === true;
  }

  async #askAbout(
    task: Task,
    beginning: Pick<AttemptCheckRequest, 'incarnation' | 'redelivered' | 'alone'>,
  ): Promise<Partial<AttemptCheckReply>> {
    const request: AttemptCheckRequest = { ...attemptOf(task), ...beginning };
    const subject = subjects.check(task.partition);
    const answer = await requestUntilAnswered(this.#options.nc, subject, JSON.stringify(request), {
      signal: this.#giveUp.signal,
    });
    return answer.json<Partial<AttemptCheckReply>>();
  }

  #hearStop(data: Uint8Array): void {
    let stopped: StopAttempts['attempts'];
    try {
      const message = JSON.parse(decoder.decode(data)) as Partial<StopAttempts>;
      stopped = Array.isArray(message.attempts) ? message.attempts : [];
    } catch (error) {
      this.#options.logger.error({ err: error }, 'an unreadable stop message was ignored');
      return;
    }
    for (const { executionId, stepId = '', attempt = 0, reason = '' } of stopped) {
      for (const running of this.#byExecution.get(executionId) ?? []) {
        if (stepId !== '' && running.stepId !== stepId) continue;
        if (attempt !== 0 && running.attempt !== attempt) continue;
        // The message is only a hint: it may be late, and the attempt may have been dispatched again since.
        void this.#stopUnlessWanted(running, reason);
      }
    }
  }

  /** Covers stop messages that were lost. */
  async #recheckLongOnes(): Promise<void> {
    if (this.#rechecking) return;
    this.#rechecking = true;
    try {
      const before = performance.now() - this.#options.recheckMs;
      const due: Attempt[] = [];
      for (const attempt of this.#attempts.values()) {
        if (attempt.checkedAt <= before && attempt.ending === undefined) due.push(attempt);
      }
      await Promise.all(due.map((attempt) => this.#stopUnlessWanted(attempt, 'not wanted any more')));
    } finally {
      this.#rechecking = false;
    }
  }

  async #stopUnlessWanted(attempt: Attempt, reason: string): Promise<void> {
    attempt.checkedAt = performance.now();
    try {
      if (!(await this.#isWanted(attempt.task))) attempt.stop(reason);
    } catch (error) {
      if (!this.#giveUp.signal.aborted) {
        attempt.logger.warn({ err: error }, 'the engine could not be asked about an attempt');
      }
    }
  }
}

const decoder = new TextDecoder();

function unknownAgent(name: string, agents: ReadonlyMap<string, unknown>): Agent {
  return {
    name,
    version: '',
    run: () => {
      throw new RetryableError(
        FAILURE_CODES.agentUnknown,
        `This worker has no agent "${name}"; it serves ${[...agents.keys()].join(', ')}.`,
      );
    },
  };
}

/** Whether `work` settles within `ms`. Returns early when the signal fires. `work` must not reject. */
async function settledWithin(work: Promise<void>, ms: number, signal: AbortSignal): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let finish: () => void = () => undefined;
  const limit = new Promise<false>((resolve) => {
    finish = () => resolve(false);
    timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
  try {
    return await Promise.race([work.then(() => true), limit]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', finish);
  }
}
