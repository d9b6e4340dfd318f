import { subjects } from '@batuta/contracts';
import type { LifecycleNotice, Priority } from '@batuta/contracts';
import {
  ensureLifecycleStream,
  ensureStepsStream,
  localHandler,
  onReconnect,
  requestMux,
  watchReach,
} from '@batuta/messaging';
import type { Reach } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import type { NatsConnection } from '@nats-io/transport-node';
import type { EngineCounters } from '../ports/counters.js';
import { DirectDispatch } from '../dispatch/direct-dispatch.js';
import type { Held } from '../dispatch/held.js';
import { Announcements } from './announcements.js';
import type { FollowedExecutions } from './followed-executions.js';
import { JetStreamQueue } from './jetstream-queue.js';
import { LifecycleNotices } from './lifecycle-notices.js';
import type {
  Beginning,
  Bus,
  LostTask,
  OutgoingTask,
  PartitionRequest,
  PoolConsumerState,
  PublishOutcome,
  Runs,
  SeenPool,
  StreamIdentity,
  TaskQueue,
} from '../ports/ports.js';
import { RequestServer } from './request-server.js';
import { systemClock } from '../ports/system-ports.js';
import { TaskPublisher } from './task-publisher.js';
import type { TenantTerms } from '../dispatch/pool-queue.js';

/** A partition's owner answers after its commit. After this time without an answer the request is repeated. */
const ASK_TIMEOUT_MS = 5_000;
const SWEEP_MS = 250;

interface NatsBusOptions {
  readonly connection: NatsConnection;
  /**
   * The connection for JetStream: tasks, notices, stream information. A server with a blocked disk may delay everything
   * on one connection, and requests and results must not wait for that. Default: `connection`.
   */
  readonly jetStream?: NatsConnection;
  /** After this time without an answer of the server, this process counts as cut off. Default 5,000. */
  readonly cutOffMs?: number;
  readonly logger: Logger;
  readonly counters: Pick<EngineCounters, 'natsIn' | 'natsOut' | 'directDispatches' | 'lostRunners'>;
  /** A task is sent again when its acknowledgement takes longer. */
  readonly publishTimeoutMs?: number;
  /** Copies of the streams in a NATS cluster. */
  readonly replicas?: number;
  /** Disk space for tasks in JetStream. 0: only the server's own limit. Default: unchanged. */
  readonly stepsBytes?: number;
  /** Whether tasks may go straight to runners with free slots. Default true. */
  readonly direct?: boolean;
  /** The share and limit of a tenant at the runners. Default: the same for all, without a limit. */
  readonly terms?: (tenantId: string) => TenantTerms;
  /** Which tasks pauses hold back. Default: none. */
  readonly held?: Held;
}

/** The engine's bus over NATS. */
export class NatsBus implements Bus, TaskQueue {
  readonly #options: NatsBusOptions;
  readonly #publisher: TaskPublisher;
  readonly #queue: JetStreamQueue;
  readonly #notices = new LifecycleNotices((subject, text) => this.#publish(subject, text, this.#jetStream));
  readonly #sweep: NodeJS.Timeout;
  readonly #forgetReconnect: () => void;
  readonly #forgetJetStream: () => void;
  readonly #jetStream: NatsConnection;
  readonly #reach: Reach;
  readonly #cutOffListeners = new Set<() => void>();
  readonly #server: RequestServer;
  readonly #announcements: Announcements;
  readonly #followed: FollowedExecutions;
  /** Knows which runner has which task, even when every task goes through the work queue. */
  readonly direct: DirectDispatch;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    const { connection } = options;
    this.#jetStream = options.jetStream ?? connection;
    const { logger, counters, publishTimeoutMs } = options;
    this.#server = new RequestServer({ connection, logger, counters });
    this.#publisher = new TaskPublisher({ connection: this.#jetStream, logger, counters, publishTimeoutMs });
    this.#queue = new JetStreamQueue({ connection: this.#jetStream, counters });
    this.#sweep = setInterval(() => {
      this.#publisher.expire(performance.now());
      this.#announcements.sweep();
    }, SWEEP_MS);
    // Messages in flight when the connection broke may or may not have arrived. The queue drops repeats.
    this.#forgetJetStream = onReconnect(this.#jetStream, () => this.#publisher.expire(Infinity));
    this.#forgetReconnect = onReconnect(connection, () => this.direct.reconnected());
    this.#reach = watchReach(connection, options.cutOffMs ?? 5_000, () => {
      for (const listener of this.#cutOffListeners) listener();
    });
    this.direct = this.#openDirect();
    this.#announcements = new Announcements({ connection, logger, counters, direct: this.direct });
    this.#followed = this.#announcements.followed;
  }

  #openDirect(): DirectDispatch {
    const { connection, counters, logger } = this.#options;
    const mux = requestMux(connection);
    const direct = new DirectDispatch({
      clock: systemClock,
      log: logger,
      counters,
      ask: (subject, tasks, timeoutMs, settle) => {
        if (connection.isClosed()) return;
        counters.natsOut += 1;
        mux.send(subject, tasks, undefined, timeoutMs, (outcome) => {
          if (typeof outcome === 'string') return settle(outcome);
          counters.natsIn += 1;
          settle({ text: outcome.string() });
        });
      },
      enqueue: (task, done) => this.#publisher.publish(task, done),
      direct: this.#options.direct !== false,
      ...(this.#options.terms === undefined ? {} : { terms: this.#options.terms }),
      ...(this.#options.held === undefined ? {} : { held: this.#options.held }),
      taken: (pool) => this.#queue.takenOf(pool),
    });
    return direct;
  }

  /** Stops waiting for acknowledgements. The connection stays open. */
  close(): void {
    clearInterval(this.#sweep);
    this.#forgetReconnect();
    this.#forgetJetStream();
    this.#reach.stop();
    this.#announcements.close();
    this.direct.close();
    this.#publisher.close();
  }

  serve(partition: number, handler: (request: PartitionRequest) => void): () => void {
    return this.#server.partition(partition, handler);
  }

  async askOwner(partition: number, kind: 'command' | 'message', text: string): Promise<string | undefined> {
    const { connection, counters } = this.#options;
    if (connection.isClosed()) return undefined;
    counters.natsOut += 1;
    try {
      const subject = kind === 'command' ? subjects.command(partition) : subjects.message(partition);
      const answer = await connection.request(subject, text, { timeout: ASK_TIMEOUT_MS });
      counters.natsIn += 1;
      return answer.string();
    } catch {
      // The partition has no owner now, or its owner is slow. The sender asks again.
      return undefined;
    }
  }

  serveOwner(handler: (request: PartitionRequest) => void): { subject: string; stop: () => void } {
    return this.#server.owner(handler);
  }

  publishTask(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const { direct } = this;
    // The runner that holds it continues.
    if (task.again && direct.holds(task.attemptKey, task.pool)) return queueMicrotask(() => done('stored'));
    direct.dispatch(task, done);
  }

  taskReported(attemptKey: string): void {
    this.direct.reported(attemptKey);
  }

  taskAnswered(attemptKey: string): void {
    this.direct.answered(attemptKey);
  }

  onTasksLost(listener: (lost: readonly LostTask[]) => void): void {
    this.direct.onLost(listener);
  }

  onTasksDoubted(isWanted: (attemptKey: string, answer: (wanted: boolean) => void) => void): void {
    this.direct.onDoubted(isWanted);
  }

  owns(part: number): void {
    this.direct.owns(part);
  }

  taskBegins(beginning: Beginning): Runs {
    return this.direct.begins(beginning);
  }

  followed(executionId: string): boolean {
    return this.#followed.has(executionId);
  }

  publishEvents(tenantId: string, executionId: string, text: string): void {
    this.#publish(subjects.event(tenantId, executionId), text);
  }

  publishOutput(executionId: string, text: string): void {
    if (!this.#options.connection.isClosed()) this.#publish(subjects.outputOf(executionId), text);
  }

  publishEnd(subject: string, text: string): void {
    const local = localHandler(this.#options.connection, subject);
    if (local === undefined) this.#publish(subject, text);
    else local({ payload: text, headers: undefined, reply: undefined });
  }

  publishStop(text: string): void {
    this.#publish(subjects.stop, text);
  }

  publishLifecycle(notice: LifecycleNotice): void {
    this.#notices.add(notice);
  }

  streamIdentity(): Promise<StreamIdentity | undefined> {
    return this.#queue.streamIdentity();
  }

  placeOf(subject: string): Promise<number | undefined> {
    return this.#queue.placeOf(subject);
  }

  consumer(pool: string, priority: Priority): Promise<PoolConsumerState | undefined> {
    return this.#queue.consumer(pool, priority);
  }

  refusal(): string | undefined {
    return this.#publisher.refusal();
  }

  unansweredMs(): number | undefined {
    return this.#publisher.unansweredMs();
  }

  async renewStream(): Promise<void> {
    await this.#queue.deleteStream();
    this.#publisher.renewed();
    await this.ensureStreams();
  }

  async ensureStreams(): Promise<void> {
    const { logger, replicas } = this.#options;
    const connection = this.#jetStream;
    const settings = { logger, ...(replicas === undefined ? {} : { replicas }) };
    const { stepsBytes } = this.#options;
    // Tasks beyond the limit are refused and offered again, because the log has them.
    const room = stepsBytes === undefined ? {} : { maxBytes: stepsBytes === 0 ? -1 : stepsBytes };
    await ensureStepsStream(connection, { ...settings, ...room });
    await ensureLifecycleStream(connection, settings);
  }

  async holdsTask(subject: string, attemptKey: string): Promise<boolean> {
    const [, , pool = ''] = subject.split('.');
    if (this.direct.holds(attemptKey, pool) || this.direct.waits(attemptKey)) return true;
    return (await this.placeOf(subject)) !== undefined;
  }

  isHeld(attemptKey: string): boolean {
    return this.direct.holds(attemptKey);
  }

  waits(attemptKey: string): boolean {
    return this.direct.waits(attemptKey);
  }

  /** Running attempts of a tenant with all owners. */
  runningOf(tenantId: string): number {
    return this.direct.runningOf(tenantId) + this.#announcements.elsewhere.runningOf(tenantId);
  }

  waitingIn(pool: string): number {
    return this.direct.waitingIn(pool) + this.#announcements.elsewhere.in(pool);
  }

  seen(pool: string): SeenPool {
    return this.#announcements.sightings.pool(pool);
  }

  announceTaken(partitions: readonly number[]): void {
    this.#publish(subjects.taken, JSON.stringify({ partitions }));
  }

  announceRelease(): void {
    if (!this.#options.connection.isClosed()) this.#publish(subjects.released, '');
  }

  onRelease(listener: () => void): () => void {
    const subscription = this.#options.connection.subscribe(subjects.released, { callback: () => listener() });
    return () => subscription.unsubscribe();
  }

  onReconnect(listener: () => void): () => void {
    return onReconnect(this.#options.connection, listener);
  }

  cutOffMs(): number | undefined {
    return this.#reach.cutOffMs();
  }

  onCutOff(listener: () => void): () => void {
    this.#cutOffListeners.add(listener);
    return () => this.#cutOffListeners.delete(listener);
  }

  async flush(): Promise<void> {
    this.#notices.flush();
    const connections = new Set([this.#options.connection, this.#jetStream]);
    await Promise.all([...connections].filter((nc) => !nc.isClosed()).map((nc) => nc.flush()));
  }

  #publish(subject: string, text: string, connection = this.#options.connection): void {
    if (connection.isClosed()) return;
    this.#options.counters.natsOut += 1;
    connection.publish(subject, text);
  }
}
