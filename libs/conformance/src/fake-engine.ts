import { headers, STEPS_STREAM, subjects } from '@batuta/contracts';
import type {
  AttemptCheckRequest,
  AttemptHeartbeat,
  AttemptOutput,
  AttemptReply,
  AttemptResult,
  DirectReceipt,
  Priority,
  ResultReply,
  ResultRequest,
  RunnerBeat,
  StoppedAttempt,
  Task,
} from '@batuta/contracts';
import { connectNats, ensurePoolConsumers, ensureStepsStream } from '@batuta/messaging';
import type { Log } from '@batuta/messaging';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { headers as createHeaders } from '@nats-io/nats-core';
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { randomUUID } from 'node:crypto';

const nothing = (): void => undefined;
const SILENT: Log = { info: nothing, warn: nothing, error: nothing };

/** Answers like the owner of all partitions, records the messages that it gets, and dispatches tasks. */
export class FakeEngine {
  readonly results: AttemptResult[] = [];
  /** Number of results of each result request, in order. */
  readonly batches: number[] = [];
  readonly checks: AttemptCheckRequest[] = [];
  readonly heartbeats: AttemptHeartbeat[] = [];
  readonly outputs: AttemptOutput[] = [];
  /** Output messages that are heard and not answered, from now on. */
  outputsLost = 0;
  readonly beats: RunnerBeat[] = [];
  /** Sent with the answers of partitions. Undefined sends none. */
  ownerSubject: string | undefined;
  /** While true, results and checks are received but not answered. */
  silent = false;
  unwanted = new Set<string>();
  /** Steps that another runner has, according to the answers to checks. */
  held = new Set<string>();
  /** Number of runners that ended with a step, according to the answers to checks. */
  lostRunners = new Map<string, number>();
  outcome: AttemptReply['outcome'] = 'recorded';
  /** Called for each result request before it is answered. */
  beforeAnswer: (request: ResultRequest) => Promise<void> = () => Promise.resolve();

  private constructor(
    readonly nc: NatsConnection,
    readonly manager: JetStreamManager,
  ) {}

  /** @param pools the pools whose consumers it creates, as their workers would. */
  static async start(url: string, pools: readonly string[] = ['default'], credentials?: string): Promise<FakeEngine> {
    const nc = await connectNats({
      url,
      credentials,
      name: 'fake-engine',
      logger: SILENT,
    });
    await ensureStepsStream(nc);
    for (const pool of pools) await ensurePoolConsumers(nc, pool);
    const engine = new FakeEngine(nc, await jetstreamManager(nc));
    const on = (subject: string, answer: (message: Msg) => Promise<void>): void => {
      nc.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) throw error;
          void answer(message);
        },
      });
    };
    on('batuta.execution.*.result', async (message) => {
      const request = message.json<ResultRequest>();
      engine.batches.push(request.results.length);
      if (engine.silent) return;
      await engine.beforeAnswer(request);
      engine.results.push(...request.results);
      const reply: Partial<ResultReply> = {
        replies: request.results.map(() => ({ outcome: engine.outcome })),
        ...(engine.ownerSubject === undefined ? {} : { ownerSubject: engine.ownerSubject }),
      };
      message.respond(JSON.stringify(reply));
    });
    on(subjects.runnerBeat('*'), (message) => {
      engine.beats.push(message.json<RunnerBeat>());
      return Promise.resolve();
    });
    on('batuta.execution.*.check', (message) => {
      const request = message.json<AttemptCheckRequest>();
      engine.checks.push(request);
      if (!engine.silent) {
        const wanted = !engine.unwanted.has(request.stepId);
        const held = engine.held.has(request.stepId);
        const lostRunners = engine.lostRunners.get(request.stepId) ?? 0;
        message.respond(JSON.stringify({ wanted, reason: wanted ? '' : 'cancelled', held, lostRunners }));
      }
      return Promise.resolve();
    });
    on('batuta.execution.*.heartbeat', (message) => {
      const heartbeat = message.json<AttemptHeartbeat>();
      engine.heartbeats.push(heartbeat);
      if (!engine.silent) message.respond(JSON.stringify({ wanted: !engine.unwanted.has(heartbeat.stepId) }));
      return Promise.resolve();
    });
    on('batuta.execution.*.output', (message) => {
      const output = message.json<AttemptOutput>();
      if (engine.outputsLost > 0) {
        engine.outputsLost -= 1;
        return Promise.resolve();
      }
      engine.outputs.push(output);
      message.respond(JSON.stringify({ wanted: true, next: output.from + output.parts.length }));
      return Promise.resolve();
    });
    await nc.flush();
    return engine;
  }

  async dispatch(
    task: Partial<Task> & { agent: string },
    options: { pool?: string; priority?: Priority } = {},
  ): Promise<Task> {
    const { pool = 'default', priority = 'normal' } = options;
    const whole = wholeTask(task);
    const { executionId, stepId } = whole;
    const messageId = `${executionId}/${stepId}/${whole.attempt}/${whole.dispatch}`;
    const subject = subjects.step(pool, priority, whole.agent, executionId, stepId);
    const messageHeaders = createHeaders();
    messageHeaders.set(headers.tenant, 'default');
    await jetstream(this.nc, { timeout: 5_000 }).publish(subject, JSON.stringify(whole), {
      msgID: messageId,
      headers: messageHeaders,
    });
    return whole;
  }

  /** Sends tasks directly to a run of a runner. */
  async give(
    incarnation: string,
    tasks: readonly unknown[],
    pool = 'default',
    runnerPool = 'default',
  ): Promise<DirectReceipt> {
    const answer = await this.nc.request(
      subjects.runnerTasks(runnerPool, incarnation),
      JSON.stringify({ pool, tasks }),
      {
        timeout: 30_000,
      },
    );
    return answer.json<DirectReceipt>();
  }

  /**
   * Accepts results like an owner at its own subject, in addition to the partitions, and returns the requests. Where
   * `outcomeOf` returns undefined, a request gets no answer.
   */
  async serveOwner(
    subject: string,
    outcomeOf: (result: AttemptResult) => AttemptReply['outcome'] | undefined = () => 'recorded',
  ): Promise<{ requests: AttemptResult[][]; stop: () => Promise<void> }> {
    const requests: AttemptResult[][] = [];
    const subscription = this.nc.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) throw error;
        const { results } = message.json<ResultRequest>();
        requests.push(results);
        const outcomes = results.map(outcomeOf);
        if (outcomes.includes(undefined)) return;
        this.results.push(...results.filter((_, place) => outcomes[place] !== 'elsewhere'));
        message.respond(JSON.stringify({ replies: outcomes.map((outcome) => ({ outcome })) }));
      },
    });
    await this.nc.flush();
    const stop = async (): Promise<void> => {
      subscription.unsubscribe();
      await this.nc.flush();
    };
    return { requests, stop };
  }

  stopAttempts(...attempts: StoppedAttempt[]): void {
    this.nc.publish(subjects.stop, JSON.stringify({ attempts }));
  }

  /** Number of tasks that nobody has acknowledged. */
  async queued(): Promise<number> {
    return (await this.manager.streams.info(STEPS_STREAM)).state.messages;
  }

  resultOf(task: Task): AttemptResult | undefined {
    return this.results.find(
      ({ executionId, stepId, attempt }) =>
        executionId === task.executionId && stepId === task.stepId && attempt === task.attempt,
    );
  }

  close(): Promise<void> {
    return this.nc.close();
  }
}

/** Completes a task with all fields that a runner needs. */
export function wholeTask(task: Partial<Task> & { agent: string }): Task {
  const executionId = task.executionId ?? randomUUID();
  const stepId = task.stepId ?? 'step_1';
  return {
    executionId,
    stepId,
    attempt: 1,
    dispatch: 1,
    idempotencyKey: `${executionId}/${stepId}`,
    tenantId: 'default',
    partition: 7,
    scheduledAt: Date.now(),
    timeoutMs: 10_000,
    ...task,
  };
}
