import { SlotMap } from '@batuta/collections';
import { PRIORITIES, STEPS_STREAM, subjects } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import { PermissionViolationError } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, NatsConnection, Subscription } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';
import { isConnected, newInbox, onReconnect } from './connection.js';
import {
  deletePoolConsumer,
  deleteStepsStream,
  ensurePoolConsumers,
  ensureStepsStream,
  isStreamMissing,
  poolConsumerInfo,
} from './streams.js';
import type { PoolConsumerSettings, StreamSettings } from './streams.js';
import type { Log } from './log.js';

/** A task that reached the pool without going through its queue. */
export interface DirectDelivery extends Delivery {
  /** Gives the slot back. The pool that takes the task sets it. */
  onFreeSlot: (() => void) | undefined;
}

/** One delivery of a task. Its lease is renewed from its arrival until `ack`, `nak` or `drop` settles it. */
export interface Delivery {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly priority: Priority;
  /** Size of the task as it arrived, in bytes; 0 for a task that takes no memory of its own. */
  readonly bytes: number;
  /** 1 for the first delivery. JetStream counts it, and starts again when the consumer is recreated. */
  readonly deliveries: number;
  readonly settled: boolean;
  /** Releases the memory of `data`, once the task was read. */
  letGo(): void;
  /** Gives the slot to another task, because the agent is done and only the engine's answer is missing. */
  freeSlot(): void;
  /** The task is done: the queue removes it. */
  ack(): void;
  /** Hands the task back. It is delivered again at once, or after `delayMs` milliseconds. */
  nak(delayMs?: number): void;
  /** The task can never be run: the queue removes it without counting it as done. */
  drop(): void;
}

export interface PoolOptions {
  readonly pool: string;
  /** Maximum number of tasks that run at the same time. */
  readonly slots: number;
  /**
   * Maximum size in bytes of all tasks that run at the same time, because an attempt takes several times the size of
   * its task (text, value, result). A larger task runs alone. Default: no limit.
   */
  readonly maxBytes?: number;
  /** Runs one task. Its slot is free again when the promise settles. The function must settle the delivery itself. */
  readonly run: (delivery: Delivery) => Promise<void>;
  readonly logger: Log;
  /** Shares of the slots when tasks of every priority wait. Default 6, 3 and 1. */
  readonly weights?: Readonly<Record<Priority, number>>;
  /** Milliseconds between renewals of a lease. Must be well below the consumers' `ackWaitMs`. Default 700. */
  readonly workingMs?: number;
  /** Milliseconds for which a pull stays open at the server. Default 5,000. */
  readonly pullExpiresMs?: number;
  readonly consumers?: PoolConsumerSettings;
  readonly stream?: StreamSettings;
  /** Waits for a missing stream instead of creating it, for a user that may not create it. Default false. */
  readonly waitsForStream?: boolean;
}

export interface PoolConsumer {
  /** Number of tasks that have a slot or have given it back and wait for the engine's answer. */
  readonly running: number;
  /** Number of deliveries that are not settled, including those that wait for a slot. */
  readonly held: number;
  /** Whether the server answers pulls. False while the stream or the server is missing. */
  readonly healthy: boolean;
  readonly slots: number;
  /** Number of free slots. */
  readonly free: number;
  /** Whether no task waits in the queue for a slot, as far as this process knows. */
  readonly queueEmpty: boolean;
  /**
   * Runs a task that did not come from the queue. Returns false when no slot is free, or when tasks in the queue wait.
   */
  take(delivery: DirectDelivery): boolean;
  /** Requests no new tasks while `paused`. Tasks that were already requested may still arrive, and wait for a slot. */
  pause(paused: boolean): void;
  /**
   * Takes no new tasks and hands back those that wait for a slot. Resolves when no task has a slot, or after `limitMs`.
   */
  drain(limitMs: number): Promise<void>;
  /** Stops renewing leases. Tasks that are not settled by then are delivered to another runner. */
  close(): void;
}

const encoder = new TextEncoder();
const ACK = encoder.encode('+ACK');
const NAK = encoder.encode('-NAK');
const WORKING = encoder.encode('+WPI');
const TERM = encoder.encode('+TERM');

const DEFAULT_WEIGHTS: Readonly<Record<Priority, number>> = { high: 6, normal: 3, low: 1 };
const HEARTBEAT_MS = 1_000;
const LARGEST_PULL = 512;
/** Tasks that wait for the engine's answer after giving their slots back, as a multiple of the slots. */
const ENDING_SHARE = 2;
/** Milliseconds for which a busy runner delays a small pull, so that it can ask for more tasks at once. */
const COALESCE_MS = 2;

/** Milliseconds that nats-server takes to finish the deletion of a stream or consumer. */
const DELETION_MS = 250;
/**
 * Data of a larger message are copied. The client reads such a message into a buffer that grows by doubling, most of
 * which may be empty.
 */
const LARGEST_UNCOPIED = 64 * 1024;
const NO_DATA = new Uint8Array();
const REMADE_LATELY_MS = 60_000;

interface Pull {
  remaining: number;
  /** The time by `performance.now()` after which the server has forgotten the pull. */
  readonly deadline: number;
}

interface PriorityQueue {
  readonly priority: Priority;
  readonly weight: number;
  /**
   * Credit in the smooth weighted round robin (from nginx:
   * https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35).
   */
  credit: number;
  /** The open pulls, oldest first. Which pull a message belongs to is a guess, and the guess ends with the pull. */
  readonly pulls: Map<string, Pull>;
  outstanding: number;
  /** More tasks wait at the server than were requested. */
  backlog: boolean;
  readonly waiting: QueuedDelivery[];
  lastSeen: number;
  lastTask: number;
  lastLook: number;
  /**
   * The consumer's delivery count when tasks were first seen to wait although a pull was open. Undefined while nothing
   * is wrong.
   */
  suspect: number | undefined;
  remade: number;
  /** Highest stream sequence that is known to have been delivered. A message at or below it is a repeated delivery. */
  delivered: number;
  /** When the server created the consumer; undefined until its state was read. */
  created: string | undefined;
  /** Number of times that a new consumer was found, as happens when its stream was lost and recreated. */
  generation: number;
}

/**
 * The work-queue loop of one pool. It pulls high, normal and low priority by weight, so that low never starves. It
 * renews the leases of all its deliveries, and recreates missing streams and consumers.
 *
 * It speaks JetStream's pull protocol itself (https://docs.nats.io/reference/reference-protocols/nats_api_reference):
 * one subscription for all priorities, pulls of exactly as many tasks as the slots can take, and no timer or promise
 * per message. Resolves when the stream and its consumers exist; throws when they cannot be created.
 */
export async function consumePool(nc: NatsConnection, options: PoolOptions): Promise<PoolConsumer> {
  const loop = new PoolLoop(nc, options);
  await loop.start();
  return loop;
}

class QueuedDelivery implements Delivery {
  readonly #loop: PoolLoop;
  readonly #queue: PriorityQueue;
  readonly #generation: number;
  settled = false;
  onFreeSlot: (() => void) | undefined;
  /** When its lease was last renewed, by `performance.now()`. */
  touched = performance.now();
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  readonly bytes: number;
  #data: Uint8Array;

  constructor(
    /** Unique in this process. */
    readonly id: number,
    loop: PoolLoop,
    { subject, headers, data }: Msg,
    readonly reply: string,
    queue: PriorityQueue,
    readonly deliveries: number,
    /**
     * The generation of its queue. An acknowledgement must not reach a consumer or a stream that was created after the
     * original was lost.
     */
    generation: number,
  ) {
    this.#loop = loop;
    this.#queue = queue;
    this.#generation = generation;
    this.subject = subject;
    this.headers = headers;
    this.bytes = data.length;
    // Keeps no reference to the message: its parts are views of the buffer that it was read into.
    this.#data = data.length > LARGEST_UNCOPIED ? data.slice() : data;
  }

  get priority(): Priority {
    return this.#queue.priority;
  }

  /** Whether the server still knows the delivery by its reply subject. */
  get known(): boolean {
    return this.#generation === this.#queue.generation;
  }

  get data(): Uint8Array {
    return this.#data;
  }

  letGo(): void {
    this.#data = NO_DATA;
  }

  freeSlot(): void {
    this.onFreeSlot?.();
  }

  ack(): void {
    this.#loop.settle(this, ACK);
  }

  nak(delayMs = 0): void {
    this.#loop.settle(this, delayMs > 0 ? encoder.encode(`-NAK {"delay":${delayMs * 1e6}}`) : NAK);
  }

  drop(): void {
    this.#loop.settle(this, TERM);
  }
}

class PoolLoop implements PoolConsumer {
  readonly #nc: NatsConnection;
  readonly #options: PoolOptions;
  readonly #queues: readonly PriorityQueue[];
  readonly #queuesByPriority: ReadonlyMap<string, PriorityQueue>;
  readonly #inbox: string;
  readonly #workingMs: number;
  readonly #pullExpiresMs: number;
  #subscription: Subscription | undefined;
  #forgetReconnect: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Ordered by the last renewal of their leases. */
  readonly #unsettled = new SlotMap<number, QueuedDelivery>();
  #lastDelivery = 0;
  #inSlots = 0;
  /** Number of tasks that have given their slots back and are not settled yet. */
  #ending = 0;
  #queued = 0;
  /** Size of the tasks that have a slot or have given it back. */
  #bytes = 0;
  #lastPull = 0;
  #draining = false;
  #paused = false;
  #closed = false;
  /** Identifies the planned refill. A refill whose mark is no longer the current one was cancelled. */
  #planned: symbol | undefined;
  #refillTimer: NodeJS.Timeout | undefined;
  #recovery: Promise<void> | undefined;
  #recoverAgain = false;
  /** Settlements that wait until it is known whether the stream is still the same one. */
  #late: { delivery: QueuedDelivery; verdict: Uint8Array }[] = [];
  #idle: (() => void)[] = [];

  constructor(nc: NatsConnection, options: PoolOptions) {
    this.#nc = nc;
    this.#options = options;
    if (!Number.isInteger(options.slots) || options.slots < 1) throw new RangeError('slots must be a positive integer');
    this.#inbox = newInbox(nc);
    this.#workingMs = options.workingMs ?? 700;
    this.#pullExpiresMs = options.pullExpiresMs ?? 5_000;
    const weights = options.weights ?? DEFAULT_WEIGHTS;
    this.#queues = PRIORITIES.map((priority) => ({
      priority,
      weight: weights[priority],
      credit: 0,
      pulls: new Map(),
      outstanding: 0,
      backlog: false,
      waiting: [],
      lastSeen: 0,
      lastTask: 0,
      lastLook: 0,
      suspect: undefined,
      remade: -Infinity,
      delivered: 0,
      created: undefined,
      generation: 0,
    }));
    this.#queuesByPriority = new Map(this.#queues.map((queue) => [queue.priority, queue]));
  }

  get running(): number {
    return this.#inSlots + this.#ending;
  }

  get slots(): number {
    return this.#options.slots;
  }

  get free(): number {
    return this.#draining || this.#paused || this.#isFull
      ? 0
      : Math.max(0, this.#options.slots - this.#inSlots - this.#queued);
  }

  /** Whether running tasks use up `maxBytes`, so that no other task may start. */
  get #isFull(): boolean {
    return this.#bytes >= (this.#options.maxBytes ?? Infinity);
  }

  get queueEmpty(): boolean {
    return this.#queued === 0 && !this.#queues.some(hasBacklog);
  }

  take(delivery: DirectDelivery): boolean {
    if (this.free === 0 || !this.queueEmpty) return false;
    this.#inSlots += 1;
    this.#runOne(delivery);
    return true;
  }

  get held(): number {
    return this.#unsettled.size;
  }

  get healthy(): boolean {
    return this.#recovery === undefined && !this.#closed && isConnected(this.#nc);
  }

  async start(): Promise<void> {
    await this.#ensureFirst();
    this.#subscription = this.#nc.subscribe(`${this.#inbox}.*.*`, {
      callback: (error, message) => {
        if (error !== null) {
          this.#options.logger.error({ err: error, pool: this.#options.pool }, 'the subscription for tasks failed');
          return;
        }
        this.#receive(message);
      },
    });
    this.#forgetReconnect = onReconnect(this.#nc, () => this.#recover('reconnected'));
    this.#timer = setInterval(() => this.#tick(), Math.max(10, Math.min(200, this.#workingMs / 4)));
    this.#refill();
  }

  pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    if (!paused) this.#scheduleRefill();
  }

  async drain(limitMs: number): Promise<void> {
    this.#draining = true;
    // Draining ends the open pulls at the server. Messages that are on their way still arrive here and are handed back.
    const unsubscribed = this.#nc.isClosed() ? undefined : this.#subscription?.drain();
    for (const queue of this.#queues) {
      for (const delivery of queue.waiting.splice(0)) {
        this.#queued -= 1;
        delivery.nak();
      }
    }
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    const finished = this.running === 0 ? Promise.resolve() : new Promise<void>((resolve) => this.#idle.push(resolve));
    await Promise.race([Promise.all([finished, unsubscribed?.catch(() => undefined)]), limit]);
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    this.#draining = true;
    clearInterval(this.#timer);
    this.#cancelRefill();
    this.#forgetReconnect?.();
    if (!this.#nc.isClosed()) this.#subscription?.unsubscribe();
    this.#unsettled.clear();
  }

  settle(delivery: QueuedDelivery, verdict: Uint8Array): void {
    if (delivery.settled) return;
    if (this.#recovery !== undefined) {
      this.#late.push({ delivery, verdict });
      return;
    }
    delivery.settled = true;
    this.#unsettled.delete(delivery.id);
    if (delivery.known && !this.#nc.isClosed()) {
      this.#nc.publish(delivery.reply, verdict);
    }
  }

  #receive(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (message.data.length === 0 && code >= 100) {
      this.#receiveStatus(message, code);
      return;
    }
    // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>; newer servers put a domain
    // and an account hash before the stream.
    const tokens = (message.reply ?? '').split('.');
    const shift = tokens.length >= 11 ? 2 : 0;
    const queue = this.#queuesByPriority.get(message.subject.split('.')[3] ?? '');
    if (queue === undefined || message.reply === undefined) {
      this.#options.logger.error({ subject: message.subject }, 'a message that is no task came on the inbox for tasks');
      return;
    }
    const sequence = Number(tokens[5 + shift]) || 0;
    // nats-server 2.9 can lose count of a delivery when the client that received it is gone.
    const least = sequence <= queue.delivered ? 2 : 1;
    queue.delivered = Math.max(queue.delivered, sequence);
    const delivery = new QueuedDelivery(
      (this.#lastDelivery += 1),
      this,
      message,
      message.reply,
      queue,
      Math.max(least, Number(tokens[4 + shift]) || 1),
      queue.generation,
    );
    this.#unsettled.set(delivery.id, delivery);
    queue.lastSeen = delivery.touched;
    queue.lastTask = delivery.touched;
    queue.backlog = Number(tokens[8 + shift]) > 0;
    for (const [id, pull] of queue.pulls) {
      queue.outstanding -= 1;
      pull.remaining -= 1;
      if (pull.remaining === 0) queue.pulls.delete(id);
      break;
    }
    if (this.#draining) {
      delivery.nak();
      return;
    }
    queue.waiting.push(delivery);
    this.#queued += 1;
    this.#fillSlots();
    this.#scheduleRefill();
  }

  #receiveStatus(message: Msg, code: number): void {
    const [priority, pullId] = message.subject.slice(this.#inbox.length + 1).split('.');
    const queue = this.#queuesByPriority.get(priority ?? '');
    if (queue === undefined) return;
    queue.lastSeen = performance.now();
    if (code === 100) return;
    const pull = queue.pulls.get(pullId ?? '');
    if (pull !== undefined) {
      queue.pulls.delete(pullId ?? '');
      queue.outstanding -= pull.remaining;
    }
    const description = message.headers?.description ?? '';
    // 404 and 408 mean that no task came before the pull expired. 409 has many meanings, among them a deleted consumer.
    if (code === 503 || (code === 409 && /deleted|not found|leadership|shutdown/i.test(description))) {
      // A stream that is created while nats-server 2.9 still deletes its predecessor of the same name may never deliver
      // anything.
      this.#recover(`${code} ${description}`, DELETION_MS);
      return;
    }
    if (code === 404 || code === 408) {
      queue.backlog = false;
    } else {
      this.#options.logger.warn({ pool: this.#options.pool, code, description }, 'a pull for tasks was refused');
    }
    this.#scheduleRefill();
  }

  /** Gives free slots to the deliveries that wait here, by weight. */
  #fillSlots(): void {
    while (this.#queued > 0 && this.#inSlots < this.#options.slots && !this.#draining && !this.#isFull) {
      const queue = pickByWeight(this.#queues, hasWaiting);
      const delivery = queue?.waiting.shift();
      if (delivery === undefined) return;
      this.#queued -= 1;
      this.#inSlots += 1;
      this.#runOne(delivery);
    }
  }

  #runOne(delivery: QueuedDelivery | DirectDelivery): void {
    let inSlot = true;
    const { bytes } = delivery;
    this.#bytes += bytes;
    const next = (): void => {
      this.#fillSlots();
      this.#scheduleRefill();
    };
    delivery.onFreeSlot = () => {
      // Keeps a runner from taking more and more tasks while the engine does not answer.
      if (!inSlot || this.#ending >= this.#options.slots * ENDING_SHARE) return;
      inSlot = false;
      this.#inSlots -= 1;
      this.#ending += 1;
      next();
    };
    const free = (): void => {
      if (inSlot) this.#inSlots -= 1;
      else this.#ending -= 1;
      inSlot = false;
      this.#bytes -= bytes;
      if (this.running === 0) {
        for (const resolve of this.#idle.splice(0)) resolve();
      }
      next();
    };
    this.#options.run(delivery).then(free, (error: unknown) => {
      this.#options.logger.error({ err: error, subject: delivery.subject }, 'running a task failed, it is handed back');
      delivery.nak();
      free();
    });
  }

  #scheduleRefill(): void {
    if (this.#planned !== undefined || this.#draining || this.#paused) return;
    const free = this.#options.slots - this.#inSlots - this.#queued;
    if (free <= 0 || this.#isFull) return;
    const plan = Symbol('refill');
    const run = (): void => {
      if (this.#planned === plan) this.#refill();
    };
    this.#planned = plan;
    if (free * 4 >= this.#options.slots) {
      // Cancelled by its mark and never cleared: clearing an immediate while others of the same turn run makes Node
      // 20's event loop spin.
      setImmediate(run);
    } else {
      this.#refillTimer = setTimeout(run, COALESCE_MS);
    }
  }

  #cancelRefill(): void {
    clearTimeout(this.#refillTimer);
    this.#planned = undefined;
  }

  /**
   * Requests as many tasks as there are free slots. A priority with a backlog at the server gets its share by weight. A
   * priority without one keeps a pull open. That pull may bring more tasks than there are slots; they wait here, with
   * their leases renewed.
   */
  #refill(): void {
    this.#cancelRefill();
    if (this.#draining || this.#paused || this.#recovery !== undefined || !isConnected(this.#nc)) return;
    const free = this.#options.slots - this.#inSlots - this.#queued;
    if (free <= 0 || this.#isFull) return;
    let toShare = free;
    let backlogs = 0;
    for (const queue of this.#queues) {
      if (queue.backlog) {
        backlogs += 1;
        toShare -= queue.outstanding;
      } else if (queue.outstanding * 2 <= free) {
        this.#pull(queue, free - queue.outstanding);
      }
    }
    if (backlogs === 0) return;
    const shares = new Map<PriorityQueue, number>();
    for (; toShare > 0; toShare--) {
      const queue = pickByWeight(this.#queues, hasBacklog);
      if (queue === undefined) break;
      shares.set(queue, (shares.get(queue) ?? 0) + 1);
    }
    for (const [queue, batch] of shares) this.#pull(queue, batch);
  }

  #pull(queue: PriorityQueue, wanted: number): void {
    const batch = Math.min(wanted, LARGEST_PULL);
    const id = String(++this.#lastPull);
    const now = performance.now();
    queue.pulls.set(id, { remaining: batch, deadline: now + this.#pullExpiresMs + 1_000 });
    queue.outstanding += batch;
    queue.lastSeen = now;
    this.#nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STEPS_STREAM}.${subjects.stepConsumer(this.#options.pool, queue.priority)}`,
      `{"batch":${batch},"expires":${this.#pullExpiresMs * 1e6},"idle_heartbeat":${this.#heartbeatMs() * 1e6}}`,
      { reply: `${this.#inbox}.${queue.priority}.${id}` },
    );
  }

  #heartbeatMs(): number {
    return Math.min(HEARTBEAT_MS, Math.floor(this.#pullExpiresMs / 2));
  }

  #tick(): void {
    const now = performance.now();
    if (!isConnected(this.#nc)) return;
    for (const delivery of this.#unsettled.values()) {
      if (now - delivery.touched < this.#workingMs) break;
      delivery.touched = now;
      this.#unsettled.delete(delivery.id);
      this.#unsettled.set(delivery.id, delivery);
      if (delivery.known) this.#nc.publish(delivery.reply, WORKING);
    }
    if (this.#draining || this.#recovery !== undefined) return;
    for (const queue of this.#queues) {
      for (const [id, pull] of queue.pulls) {
        if (pull.deadline > now) break;
        queue.pulls.delete(id);
        queue.outstanding -= pull.remaining;
      }
      if (queue.outstanding > 0 && now - queue.lastSeen > this.#heartbeatMs() * 2 + 500) {
        this.#recover(`no sign of life from ${subjects.stepConsumer(this.#options.pool, queue.priority)}`);
        return;
      }
      if (queue.outstanding > 0 && now - Math.max(queue.lastTask, queue.lastLook) > this.#pullExpiresMs) {
        queue.lastLook = now;
        void this.#lookForStranded(queue);
      }
    }
    this.#scheduleRefill();
  }

  /**
   * A consumer of nats-server 2.9 can get into a state in which it delivers nothing although tasks and pulls wait, for
   * example when its stream was created while its predecessor was being deleted. When two checks in a row find this
   * state, the consumer is recreated. If that does not help, the stream is recreated too.
   */
  async #lookForStranded(queue: PriorityQueue): Promise<void> {
    const { pool, logger } = this.#options;
    try {
      const info = await poolConsumerInfo(this.#nc, pool, queue.priority);
      const stuck =
        info.num_pending > 0 &&
        info.num_waiting > 0 &&
        info.num_ack_pending < (info.config.max_ack_pending ?? Infinity);
      const delivered = info.delivered.consumer_seq;
      if (!stuck || performance.now() - queue.lastTask <= this.#pullExpiresMs) {
        queue.suspect = undefined;
      } else if (queue.suspect !== delivered) {
        queue.suspect = delivered;
      } else {
        queue.suspect = undefined;
        const again = performance.now() - queue.remade < REMADE_LATELY_MS;
        queue.remade = performance.now();
        const what = again ? 'stream' : 'consumer';
        logger.error(
          { pool, priority: queue.priority, waiting: info.num_pending },
          `tasks are stranded, recreating the ${what}`,
        );
        // Losing the stream loses no task: the engine sends again every task that the new stream does not hold.
        await (again ? deleteStepsStream(this.#nc) : deletePoolConsumer(this.#nc, pool, queue.priority));
        this.#recover('stranded consumer', DELETION_MS);
      }
    } catch (error) {
      if (!this.#closed) {
        logger.warn({ err: error, pool, priority: queue.priority }, 'the state of a consumer cannot be read');
      }
    }
  }

  /** Forgets the open pulls, makes sure that the stream and its consumers exist, and starts again. */
  #recover(reason: string, pauseMs = 0): void {
    if (this.#closed) return;
    if (this.#recovery !== undefined) {
      this.#recoverAgain = true;
      return;
    }
    this.#options.logger.warn({ pool: this.#options.pool, reason }, 'checking the stream of tasks');
    for (const queue of this.#queues) {
      queue.pulls.clear();
      queue.outstanding = 0;
      queue.backlog = false;
    }
    this.#recovery = this.#ensureUntilDone(pauseMs).then(() => {
      this.#recovery = undefined;
      for (const { delivery, verdict } of this.#late.splice(0)) this.settle(delivery, verdict);
      if (this.#draining) return;
      this.#fillSlots();
      this.#refill();
    });
  }

  /** Makes sure that the stream and its consumers exist. A user that may not create the stream waits for it. */
  async #ensureFirst(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#ensure();
        return;
      } catch (error) {
        if (this.#options.waitsForStream !== true || isForbidden(error) || this.#nc.isClosed()) throw error;
        if (attempt % 20 === 0) {
          this.#options.logger.warn({ err: error, pool: this.#options.pool }, 'the stream of tasks is not there yet');
        }
        await delay(500);
      }
    }
  }

  async #ensureUntilDone(pauseMs: number): Promise<void> {
    await delay(pauseMs);
    for (let attempt = 0; !this.#closed; attempt++) {
      this.#recoverAgain = false;
      try {
        await this.#ensure();
        if (!this.#recoverAgain) return;
      } catch (error) {
        if (this.#closed || this.#nc.isClosed()) return;
        if (attempt % 20 === 0) {
          this.#options.logger.warn({ err: error, pool: this.#options.pool }, 'the stream of tasks is not there yet');
        }
      }
      await delay(Math.min(1_000, 25 * 2 ** Math.min(attempt, 6)));
    }
  }

  async #ensure(): Promise<void> {
    const { logger, pool } = this.#options;
    const makeConsumers = () => ensurePoolConsumers(this.#nc, pool, { logger, ...this.#options.consumers });
    // The stream is read only when it is missing, because a pool's workers may not see what it holds for other pools.
    const consumers = await makeConsumers().catch(async (error: unknown) => {
      if (!isStreamMissing(error) || this.#options.waitsForStream === true) throw error;
      await ensureStepsStream(this.#nc, { logger, ...this.#options.stream });
      return makeConsumers();
    });
    for (const queue of this.#queues) {
      const { created, delivered } = consumers[queue.priority];
      if (queue.created !== undefined && queue.created !== created) {
        logger.warn({ pool, priority: queue.priority }, 'the queue was recreated, its tasks may be lost');
        queue.generation += 1;
        queue.delivered = 0;
      }
      queue.created = created;
      queue.delivered = Math.max(queue.delivered, delivered.stream_seq);
    }
  }
}

/** Whether the server forbids this user the request. */
function isForbidden(error: unknown): boolean {
  return [error, (error as Partial<Error> | undefined)?.cause].some((one) => one instanceof PermissionViolationError);
}

function hasWaiting(queue: PriorityQueue): boolean {
  return queue.waiting.length > 0;
}

function hasBacklog(queue: PriorityQueue): boolean {
  return queue.backlog;
}

/** Picks a queue that qualifies, by smooth weighted round robin. */
function pickByWeight(
  queues: readonly PriorityQueue[],
  qualifies: (queue: PriorityQueue) => boolean,
): PriorityQueue | undefined {
  let best: PriorityQueue | undefined;
  let total = 0;
  for (const queue of queues) {
    if (!qualifies(queue)) continue;
    queue.credit += queue.weight;
    total += queue.weight;
    if (best === undefined || queue.credit > best.credit) best = queue;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}
