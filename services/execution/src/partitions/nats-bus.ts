import { SlotMap } from '@batuta/collections';
import { LIMITS, PRIORITIES, STEPS_STREAM, TOKEN, headers as headerNames, subjects } from '@batuta/contracts';
import type { LifecycleNotice, Priority, RunnerBeat } from '@batuta/contracts';
import {
  ensureLifecycleStream,
  ensureStepsStream,
  localHandler,
  newInbox,
  onReconnect,
  requestMux,
  serveLocally,
  textOf,
  watchReach,
} from '@batuta/messaging';
import type { Reach } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { headers, nuid } from '@nats-io/transport-node';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { EngineCounters } from './counters.js';
import { DirectDispatch } from './direct-dispatch.js';
import { FollowedExecutions } from './followed-executions.js';
import type {
  Beginning,
  Bus,
  LostTask,
  OutgoingTask,
  PartitionRequest,
  PoolConsumerState,
  PublishOutcome,
  RequestKind,
  Runs,
  SeenPool,
  StreamIdentity,
  TaskQueue,
} from './ports.js';
import { systemClock } from './system-ports.js';
import type { TenantTerms } from './pool-queue.js';
import { WaitingElsewhere } from './waiting-elsewhere.js';
import { WorkerSightings } from './worker-sightings.js';

/** A partition's owner answers after its commit. After this time without an answer the request is repeated. */
const ASK_TIMEOUT_MS = 5_000;
const KINDS: ReadonlySet<string> = new Set<RequestKind>([
  'command',
  'message',
  'result',
  'check',
  'heartbeat',
  'output',
]);
/** JetStream error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const NO_MESSAGE_FOUND = 10037;
const NO_RESPONDERS = 503;
const SWEEP_MS = 250;
/**
 * Notices within these milliseconds are sent as one message per tenant and type. A receiver reads the log for the rest.
 */
const WAKE_UP_MS = 5;
/** Most notices in one message. */
const WAKE_UP_NOTICES = 500;
/** A request in flight when the connection broke is never answered, so a long timeout only delays the recovery. */
const API_TIMEOUT_MS = 1_500;
const REFUSAL_TOLD_MS = 5_000;
/** Tasks that are not accepted are offered again within two seconds. */
const UNANSWERED_LATELY_MS = 10_000;

interface Pending {
  readonly until: number;
  readonly done: (outcome: PublishOutcome) => void;
}

interface ApiError {
  readonly err_code: number;
  readonly description?: string;
}

export interface NatsBusOptions {
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
}

const END = subjects.end('');

function endSubjectOf(meta: MsgHdrs | undefined): string | undefined {
  const subject = meta?.get(headerNames.end) ?? '';
  return subject.startsWith(END) && TOKEN.test(subject.slice(END.length)) ? subject : undefined;
}

const countOf = (value: unknown): number => (Number.isInteger(value) ? Math.max(0, value as number) : 0);

/** A RunnerBeat, limited to the pool of its subject. Undefined when the text is malformed. */
function beatOf(text: string, ownPool: string): RunnerBeat | undefined {
  try {
    const beat = JSON.parse(text) as Partial<RunnerBeat>;
    const { runnerId = '', incarnation, pools = [], held = [], begun = [], expiresMs, over } = beat;
    const whole =
      typeof incarnation === 'string' &&
      TOKEN.test(incarnation) &&
      typeof expiresMs === 'number' &&
      Array.isArray(held) &&
      Array.isArray(begun) &&
      Array.isArray(pools);
    if (!whole) return undefined;
    const counted = pools
      .filter(({ pool }) => pool === ownPool)
      .map(({ pool, free, open, slots }) => ({
        pool,
        free: countOf(free),
        open: open === true,
        slots: countOf(slots),
      }));
    return { runnerId, incarnation, pools: counted, held, begun, expiresMs, over: over === true };
  } catch {
    return undefined;
  }
}

/** The engine's bus over NATS. One inbox receives the acknowledgements of tasks, with many in flight. */
export class NatsBus implements Bus, TaskQueue {
  readonly #options: NatsBusOptions;
  readonly #inbox: string;
  readonly #pending = new SlotMap<number, Pending>();
  #next = 0;
  readonly #sweep: NodeJS.Timeout;
  readonly #forgetReconnect: () => void;
  readonly #forgetJetStream: () => void;
  readonly #jetStream: NatsConnection;
  readonly #reach: Reach;
  readonly #cutOffListeners = new Set<() => void>();
  /** Since when no offered task was accepted, and why. */
  #refused: { reason: string; toldAt: number } | undefined;
  /** Since when no task has been acknowledged, and when an acknowledgement was last missed. */
  #unanswered: { readonly since: number; last: number } | undefined;
  /** Notices to send soon, by subject. */
  readonly #wakeUps = new Map<string, LifecycleNotice[]>();
  readonly #followed = new FollowedExecutions(systemClock);
  readonly #sightings = new WorkerSightings(systemClock);
  readonly #elsewhere = new WaitingElsewhere(systemClock, nuid.next());
  readonly #endLocalFollow: () => void;
  /** Knows which runner has which task, even when every task goes through the work queue. */
  readonly direct: DirectDispatch;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    const { connection } = options;
    this.#jetStream = options.jetStream ?? connection;
    this.#inbox = newInbox(this.#jetStream);
    this.#jetStream.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#acknowledged(error, message) });
    this.#sweep = setInterval(() => {
      this.#expire(performance.now());
      this.#followed.sweep();
      this.#tellWaiting();
    }, SWEEP_MS);
    connection.subscribe(subjects.waiting, {
      callback: (error, message) => {
        if (error !== null) return options.logger.error({ err: error }, 'what waits elsewhere cannot be heard');
        options.counters.natsIn += 1;
        this.#heardWaiting(message.string());
      },
    });
    connection.subscribe(subjects.follow, {
      callback: (error, message) => {
        if (error !== null) return options.logger.error({ err: error }, 'followers cannot be heard');
        options.counters.natsIn += 1;
        this.#heardFollower(message.string());
      },
    });
    this.#endLocalFollow = serveLocally(connection, subjects.follow, ({ payload }) =>
      this.#heardFollower(textOf(payload)),
    );
    // Messages in flight when the connection broke may or may not have arrived. The queue drops repeats.
    this.#forgetJetStream = onReconnect(this.#jetStream, () => this.#expire(Infinity));
    this.#forgetReconnect = onReconnect(connection, () => this.direct.reconnected());
    this.#reach = watchReach(connection, options.cutOffMs ?? 5_000, () => {
      for (const listener of this.#cutOffListeners) listener();
    });
    this.direct = this.#openDirect();
    this.#hearBeats();
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
      enqueue: (task, done) => this.#enqueue(task, done),
      direct: this.#options.direct !== false,
      ...(this.#options.terms === undefined ? {} : { terms: this.#options.terms }),
      taken: (pool) => this.#takenOf(pool),
    });
    return direct;
  }

  #hearBeats(): void {
    const { connection, counters, logger } = this.#options;
    connection.subscribe(subjects.runnerBeat('*'), {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error }, 'beats of runners cannot be received');
        counters.natsIn += 1;
        const beat = beatOf(message.string(), message.subject.split('.')[2] ?? '');
        if (beat === undefined) return logger.warn({}, 'a beat of a runner cannot be read');
        this.direct.heard(beat);
        this.#sightings.heard(beat);
      },
    });
    connection.publish(subjects.runnerCall, '');
  }

  /** Stops waiting for acknowledgements. The connection stays open. */
  close(): void {
    clearInterval(this.#sweep);
    this.#forgetReconnect();
    this.#forgetJetStream();
    this.#reach.stop();
    this.#endLocalFollow();
    this.direct.close();
    this.#pending.clear();
  }

  serve(partition: number, handler: (request: PartitionRequest) => void): () => void {
    const { connection, counters, logger } = this.#options;
    const subscription = connection.subscribe(`batuta.execution.${partition}.*`, {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error, partition }, 'a request cannot be received');
        counters.natsIn += 1;
        const kind = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        if (!KINDS.has(kind)) return;
        const endSubject = kind === 'command' ? endSubjectOf(message.headers) : undefined;
        handler({ kind: kind as RequestKind, payload: message.data, reply: this.#replyTo(message), endSubject });
      },
    });
    const ends = [...KINDS].map((kind) =>
      serveLocally(connection, `batuta.execution.${partition}.${kind}`, ({ payload, headers: meta, reply }) => {
        handler({ kind: kind as RequestKind, payload, reply, endSubject: endSubjectOf(meta) });
      }),
    );
    return () => {
      subscription.unsubscribe();
      for (const end of ends) end();
    };
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
    const { connection, counters, logger } = this.#options;
    const subject = subjects.ownerResult(nuid.next());
    const subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error, subject }, 'a request cannot be received');
        counters.natsIn += 1;
        handler({ kind: 'result', payload: message.data, reply: this.#replyTo(message) });
      },
    });
    const end = serveLocally(connection, subject, ({ payload, reply }) => {
      handler({ kind: 'result', payload, reply });
    });
    return {
      subject,
      stop: () => {
        subscription.unsubscribe();
        end();
      },
    };
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

  #enqueue(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const { counters, publishTimeoutMs = 2_000 } = this.#options;
    const connection = this.#jetStream;
    const { tenantId, traceparent } = task.task;
    const text = JSON.stringify(task.task);
    // A character has at most three bytes, so only large tasks are measured.
    if (text.length * 3 > LIMITS.natsMaxPayloadBytes) {
      const limit = (connection.info?.max_payload ?? LIMITS.natsMaxPayloadBytes) - 4_096;
      if (Buffer.byteLength(text) > limit) return queueMicrotask(() => done('too_large'));
    }
    const meta = headers();
    meta.set(headerNames.messageId, task.messageId);
    meta.set(headerNames.tenant, tenantId);
    if (traceparent !== undefined) meta.set(headerNames.traceparent, traceparent);
    const id = this.#next++;
    this.#pending.set(id, { until: performance.now() + publishTimeoutMs, done });
    counters.natsOut += 1;
    try {
      connection.publish(task.subject, text, { headers: meta, reply: `${this.#inbox}.${id}` });
    } catch (error) {
      this.#pending.delete(id);
      this.#refuse(`it cannot be published: ${(error as Error).message}`);
      queueMicrotask(() => done('retry'));
    }
  }

  followed(executionId: string): boolean {
    return this.#followed.has(executionId);
  }

  #heardFollower(text: string): void {
    try {
      this.#followed.heard(text);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'what a follower wants cannot be read');
    }
  }

  #tellWaiting(): void {
    const text = this.#elsewhere.notice(this.direct.waitingByPool(), this.direct.runningByTenant());
    if (text !== undefined && !this.#options.connection.isClosed()) this.#publish(subjects.waiting, text);
  }

  #heardWaiting(text: string): void {
    try {
      this.#elsewhere.heard(text);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'what waits elsewhere cannot be read');
    }
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
    const subject = subjects.lifecycle(notice.tenantId, notice.type);
    if (this.#wakeUps.size === 0) setTimeout(() => this.#sendWakeUps(), WAKE_UP_MS);
    const waiting = this.#wakeUps.get(subject);
    if (waiting === undefined) this.#wakeUps.set(subject, [notice]);
    else waiting.push(notice);
  }

  #sendWakeUps(): void {
    const wakeUps = [...this.#wakeUps];
    this.#wakeUps.clear();
    for (const [subject, notices] of wakeUps) {
      for (let sent = 0; sent < notices.length; sent += WAKE_UP_NOTICES) {
        const [first, ...others] = notices.slice(sent, sent + WAKE_UP_NOTICES);
        this.#publish(subject, JSON.stringify(others.length === 0 ? first : { ...first, others }), this.#jetStream);
      }
    }
  }

  async streamIdentity(): Promise<StreamIdentity | undefined> {
    const info = await this.#api<{ created: string; state: { last_seq: number; messages: number } }>(
      `STREAM.INFO.${STEPS_STREAM}`,
      '',
    );
    if ('error' in info) {
      if (info.error.err_code === STREAM_NOT_FOUND) return undefined;
      throw new Error(`JetStream: ${info.error.description ?? info.error.err_code}`);
    }
    return { created: info.created, lastSequence: info.state.last_seq, messages: info.state.messages };
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
    return this.direct.runningOf(tenantId) + this.#elsewhere.runningOf(tenantId);
  }

  waitingIn(pool: string): number {
    return this.direct.waitingIn(pool) + this.#elsewhere.in(pool);
  }

  async placeOf(subject: string): Promise<number | undefined> {
    const answer = await this.#api<{ message: { seq: number } }>(
      `STREAM.MSG.GET.${STEPS_STREAM}`,
      JSON.stringify({ last_by_subj: subject }),
    );
    if (!('error' in answer)) return answer.message.seq;
    if (answer.error.err_code === NO_MESSAGE_FOUND || answer.error.err_code === STREAM_NOT_FOUND) return undefined;
    throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
  }

  async consumer(pool: string, priority: Priority): Promise<PoolConsumerState | undefined> {
    const name = subjects.stepConsumer(pool, priority);
    const answer = await this.#api<{
      num_pending: number;
      num_ack_pending: number;
      num_waiting: number;
      delivered: { stream_seq: number };
    }>(`CONSUMER.INFO.${STEPS_STREAM}.${name}`, '');
    if (!('error' in answer)) {
      const { num_pending: waiting, num_ack_pending: taken, num_waiting: requests, delivered } = answer;
      return { waiting, taken, requests, takenUpTo: delivered.stream_seq };
    }
    if (answer.error.err_code === STREAM_NOT_FOUND) return undefined;
    if (answer.error.err_code !== CONSUMER_NOT_FOUND) {
      throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
    }
    // No worker has ever served the pool, so all of its messages wait.
    const waiting = await this.#stored(subjects.stepFilter(pool, priority));
    return { waiting, taken: 0, requests: 0, takenUpTo: 0 };
  }

  /** How many tasks of a pool workers have taken and not finished, of all priorities. */
  async #takenOf(pool: string): Promise<number> {
    const consumers = await Promise.all(PRIORITIES.map((priority) => this.consumer(pool, priority)));
    return consumers.reduce((sum, consumer) => sum + (consumer?.taken ?? 0), 0);
  }

  /** How many messages with these subjects the stream of tasks has. */
  async #stored(filter: string): Promise<number> {
    const info = await this.#api<{ state: { subjects?: Record<string, number> | null } }>(
      `STREAM.INFO.${STEPS_STREAM}`,
      JSON.stringify({ subjects_filter: filter }),
    );
    if ('error' in info) return 0;
    return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  }

  seen(pool: string): SeenPool {
    return this.#sightings.pool(pool);
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

  refusal(): string | undefined {
    return this.#refused?.reason;
  }

  unansweredMs(): number | undefined {
    const now = performance.now();
    const { since, last } = this.#unanswered ?? { since: now, last: -Infinity };
    // When no task is offered any more, silence says nothing about the stream.
    return now - last > UNANSWERED_LATELY_MS ? undefined : now - since;
  }

  async renewStream(): Promise<void> {
    const answer = await this.#api<{ success: boolean }>(`STREAM.DELETE.${STEPS_STREAM}`, '');
    if ('error' in answer && answer.error.err_code !== STREAM_NOT_FOUND) {
      throw new Error(`JetStream: ${answer.error.description ?? answer.error.err_code}`);
    }
    this.#unanswered = undefined;
    await this.ensureStreams();
  }

  #refuse(reason: string): void {
    const now = performance.now();
    this.#refused ??= { reason, toldAt: -Infinity };
    this.#refused.reason = reason;
    // One log line in a while, because every task is refused again and again.
    if (now - this.#refused.toldAt < REFUSAL_TOLD_MS) return;
    this.#refused.toldAt = now;
    this.#options.logger.warn({ reason }, 'the work queue does not take a task');
  }

  async flush(): Promise<void> {
    this.#sendWakeUps();
    const connections = new Set([this.#options.connection, this.#jetStream]);
    await Promise.all([...connections].filter((nc) => !nc.isClosed()).map((nc) => nc.flush()));
  }

  #replyTo(message: Msg): PartitionRequest['reply'] {
    const { reply } = message;
    if (reply === undefined || reply === '') return undefined;
    const { connection, counters } = this.#options;
    return (text, problem) => {
      if (connection.isClosed()) return;
      counters.natsOut += 1;
      if (problem === undefined) {
        connection.publish(reply, text);
        return;
      }
      // Error headers according to NATS ADR-32 (services).
      const meta = headers();
      meta.set('Nats-Service-Error-Code', '400');
      meta.set('Nats-Service-Error', problem.replaceAll(/[\r\n]+/g, ' ').slice(0, 500));
      connection.publish(reply, text, { headers: meta });
    };
  }

  #publish(subject: string, text: string, connection = this.#options.connection): void {
    if (connection.isClosed()) return;
    this.#options.counters.natsOut += 1;
    connection.publish(subject, text);
  }

  async #api<T>(operation: string, body: string): Promise<T | { readonly error: ApiError }> {
    const { counters } = this.#options;
    counters.natsOut += 1;
    const answer = await this.#jetStream.request(`$JS.API.${operation}`, body, { timeout: API_TIMEOUT_MS });
    counters.natsIn += 1;
    return answer.json<T | { error: ApiError }>();
  }

  #acknowledged(error: Error | null, message: Msg): void {
    if (error !== null) return;
    this.#options.counters.natsIn += 1;
    const id = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.done(this.#outcomeOf(message));
  }

  #outcomeOf(message: Msg): PublishOutcome {
    this.#unanswered = undefined;
    // No stream has this subject.
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
      this.#refuse('no stream takes it');
      return 'stream_missing';
    }
    const text = message.string();
    if (!text.includes('"error"')) return this.#taken();
    const { error } = JSON.parse(text) as { error?: ApiError };
    if (error === undefined) return this.#taken();
    this.#refuse(`JetStream answers ${error.err_code}: ${error.description ?? ''}`);
    return error.err_code === STREAM_NOT_FOUND ? 'stream_missing' : 'retry';
  }

  #taken(): PublishOutcome {
    this.#refused = undefined;
    return 'stored';
  }

  #expire(now: number): void {
    for (const [id, pending] of this.#pending) {
      // Entries are in the order of sending, which is the order of their timeouts.
      if (pending.until > now) return;
      this.#pending.delete(id);
      if (now !== Infinity) (this.#unanswered ??= { since: now, last: now }).last = now;
      this.#refuse('JetStream does not answer');
      pending.done('retry');
    }
  }
}
