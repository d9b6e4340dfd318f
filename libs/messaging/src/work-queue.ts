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

/** A task that somebody else gives to the pool's slots than its queue. */
export interface DirectDelivery extends Delivery {
  /** What gives the slot back; set by the pool that takes the task. */
  onFreeSlot: (() => void) | undefined;
}

/** One delivery of a task. Its lease is renewed from arrival until it is settled by `ack`, `nak` or `drop`. */
export interface Delivery {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly priority: Priority;
  /** Bytes of the task as it came; 0 where it takes no memory of its own. */
  readonly bytes: number;
  /** 1 for the first; JetStream's count, which begins again when the consumer is made anew. */
  readonly deliveries: number;
  readonly settled: boolean;
  /** The task was read: `data` is not needed any more, and its memory is free. */
  letGo(): void;
  /** The agent is done and only the engine's answer is waited for: another task may have the slot meanwhile. */
  freeSlot(): void;
  /** The task is done: the queue forgets it. */
  ack(): void;
  /** Hands the task back: it is delivered again at once, or after so many milliseconds. */
  nak(delayMs?: number): void;
  /** The task can never be run: the queue forgets it without counting it as done. */
  drop(): void;
}

export interface PoolOptions {
  readonly pool: string;
  /** Tasks run at once. */
  readonly slots: number;
  /**
   * Bytes of tasks that are run at once: an attempt costs several times the size of its task (text, value, result). What is larger
   * runs alone. Default: no limit.
   */
  readonly maxBytes?: number;
  /** Runs one task; its slot is free again when the promise settles. It has to settle the delivery itself. */
  readonly run: (delivery: Delivery) => Promise<void>;
  readonly logger: Log;
  /** Shares of the slots while all priorities wait. Default 6, 3 and 1. */
  readonly weights?: Readonly<Record<Priority, number>>;
  /** Milliseconds between renewals of a lease; well below the consumers' `ackWaitMs`. Default 700. */
  readonly workingMs?: number;
  /** Milliseconds a pull stays open at the server. Default 5,000. */
  readonly pullExpiresMs?: number;
  readonly consumers?: PoolConsumerSettings;
  readonly stream?: StreamSettings;
  /** A stream that is missing is not made: the user of this connection may not. Default false. */
  readonly waitsForStream?: boolean;
}

export interface PoolConsumer {
  /** Tasks in a slot now. */
  readonly running: number;
  /** Deliveries that are not settled, those that wait for a slot included. */
  readonly held: number;
  /** Whether pulls are being answered: false while the stream or the server is away. */
  readonly healthy: boolean;
  readonly slots: number;
  /** Slots that are free now. */
  readonly free: number;
  /** Whether no task waits in the queue for a slot, as far as is known. */
  readonly queueEmpty: boolean;
  /** Runs a task that did not come from the queue; false when no slot is free for it, or tasks of the queue wait. */
  take(delivery: DirectDelivery): boolean;
  /** Asks for nothing new while `paused`; what was asked for may still come, and waits for a slot. */
  pause(paused: boolean): void;
  /** Takes nothing new, hands back what waits for a slot, and resolves when no task is in a slot or `limitMs` are over. */
  drain(limitMs: number): Promise<void>;
  /** Stops renewing leases. What is not settled by then is delivered again elsewhere. */
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
/** Tasks whose results wait for the engine's answer, beside those in slots: times the slots. */
const ENDING_SHARE = 2;
/** Milliseconds that a small pull waits for others to be asked for with it, while the runner is busy anyway. */
const COALESCE_MS = 2;

/** Milliseconds for nats-server to finish deleting a stream or consumer. */
const DELETION_MS = 250;
/** The client reads a larger message into a buffer that grows by doubling, most of which may be empty. */
const LARGEST_UNCOPIED = 64 * 1024;
const NO_DATA = new Uint8Array();
const REMADE_LATELY_MS = 60_000;

interface Pull {
  remaining: number;
  /** `performance.now()` after which the server has forgotten it. */
  readonly deadline: number;
}

interface Lane {
  readonly priority: Priority;
  readonly weight: number;
  /** Of the smooth weighted round robin (nginx's: https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35). */
  credit: number;
  /** What the server still owes, oldest first. Which pull a message belongs to is a guess that expires with the pull. */
  readonly pulls: Map<string, Pull>;
  outstanding: number;
  /** More tasks wait at the server than were asked for. */
  backlog: boolean;
  readonly waiting: QueuedDelivery[];
  lastSeen: number;
  lastTask: number;
  lastLook: number;
  /** What the consumer had delivered when tasks were seen to wait although a pull was open; undefined when all was well. */
  suspect: number | undefined;
  remade: number;
  /** Highest stream sequence known to have been delivered once: what comes at or below it comes again. */
  delivered: number;
  /** When the server made its consumer; undefined before it was looked at. */
  created: string | undefined;
  /** How often the consumer was seen to be another one, as it is when its stream was lost and made anew. */
  generation: number;
}

/**
 * The work-queue loop of one pool: pulls by weight over high, normal and low, so that low never starves, keeps the leases
 * of everything it holds, and makes stream and consumers anew when they are missing.
 *
 * It speaks JetStream's pull protocol itself (https://docs.nats.io/reference/reference-protocols/nats_api_reference):
 * one subscription for all priorities, pulls of exactly what the slots can take, no timer or promise for each message.
 * Resolves when stream and consumers are there; throws when they cannot be made.
 */
export async function consumePool(nc: NatsConnection, options: PoolOptions): Promise<PoolConsumer> {
  const loop = new PoolLoop(nc, options);
  await loop.start();
  return loop;
}

class QueuedDelivery implements Delivery {
  settled = false;
  onFreeSlot: (() => void) | undefined;
  /** `performance.now()` of the last sign of life sent for it. */
  touched = performance.now();
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  readonly bytes: number;
  #data: Uint8Array;

  constructor(
    /** Of this process. */
    readonly id: number,
    private readonly loop: PoolLoop,
    { subject, headers, data }: Msg,
    readonly reply: string,
    private readonly lane: Lane,
    readonly deliveries: number,
    /** Of its lane: an acknowledgement must not reach a consumer or a stream made after the one it came from was lost. */
    private readonly generation: number,
  ) {
    this.subject = subject;
    this.headers = headers;
    this.bytes = data.length;
    // Of the message nothing is kept: its parts are views of the buffer that it was read into.
    this.#data = data.length > LARGEST_UNCOPIED ? data.slice() : data;
  }

  get priority(): Priority {
    return this.lane.priority;
  }

  /** Whether the server still knows the delivery by its reply subject. */
  get known(): boolean {
    return this.generation === this.lane.generation;
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
    this.loop.settle(this, ACK);
  }

  nak(delayMs = 0): void {
    this.loop.settle(this, delayMs > 0 ? encoder.encode(`-NAK {"delay":${delayMs * 1e6}}`) : NAK);
  }

  drop(): void {
    this.loop.settle(this, TERM);
  }
}

class PoolLoop implements PoolConsumer {
  private readonly lanes: readonly Lane[];
  private readonly lanesByPriority: ReadonlyMap<string, Lane>;
  private readonly inbox: string;
  private readonly workingMs: number;
  private readonly pullExpiresMs: number;
  private subscription: Subscription | undefined;
  private forgetReconnect: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** In order of their last sign of life. */
  private readonly unsettled = new SlotMap<number, QueuedDelivery>();
  private lastDelivery = 0;
  private inSlots = 0;
  /** Tasks that have given their slots back and are not settled yet. */
  private ending = 0;
  private queued = 0;
  /** Of the tasks in slots and of those that have given theirs back. */
  private bytes = 0;
  private lastPull = 0;
  private draining = false;
  private paused = false;
  private closed = false;
  /** The refill that is planned; another one or none when it was called off. */
  private planned: symbol | undefined;
  private refillTimer: NodeJS.Timeout | undefined;
  private recovery: Promise<void> | undefined;
  private recoverAgain = false;
  /** Settlements that wait until it is known whether the stream is still the same. */
  private late: { delivery: QueuedDelivery; verdict: Uint8Array }[] = [];
  private idle: (() => void)[] = [];

  constructor(
    private readonly nc: NatsConnection,
    private readonly options: PoolOptions,
  ) {
    if (!Number.isInteger(options.slots) || options.slots < 1) throw new RangeError('slots must be a positive integer');
    this.inbox = newInbox(nc);
    this.workingMs = options.workingMs ?? 700;
    this.pullExpiresMs = options.pullExpiresMs ?? 5_000;
    const weights = options.weights ?? DEFAULT_WEIGHTS;
    this.lanes = PRIORITIES.map((priority) => ({
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
    this.lanesByPriority = new Map(this.lanes.map((lane) => [lane.priority, lane]));
  }

  get running(): number {
    return this.inSlots + this.ending;
  }

  get slots(): number {
    return this.options.slots;
  }

  get free(): number {
    return this.draining || this.paused || this.isFull
      ? 0
      : Math.max(0, this.options.slots - this.inSlots - this.queued);
  }

  /** Whether tasks as large as may be are run already, so that nothing is taken beside them. */
  private get isFull(): boolean {
    return this.bytes >= (this.options.maxBytes ?? Infinity);
  }

  get queueEmpty(): boolean {
    return this.queued === 0 && !this.lanes.some(hasBacklog);
  }

  take(delivery: DirectDelivery): boolean {
    if (this.free === 0 || !this.queueEmpty) return false;
    this.inSlots += 1;
    this.runOne(delivery);
    return true;
  }

  get held(): number {
    return this.unsettled.size;
  }

  get healthy(): boolean {
    return this.recovery === undefined && !this.closed && isConnected(this.nc);
  }

  async start(): Promise<void> {
    await this.ensureFirst();
    this.subscription = this.nc.subscribe(`${this.inbox}.*.*`, {
      callback: (error, message) => {
        if (error !== null) {
          this.options.logger.error({ err: error, pool: this.options.pool }, 'the subscription for tasks failed');
          return;
        }
        this.receive(message);
      },
    });
    this.forgetReconnect = onReconnect(this.nc, () => this.recover('reconnected'));
    this.timer = setInterval(() => this.tick(), Math.max(10, Math.min(200, this.workingMs / 4)));
    this.refill();
  }

  pause(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    if (!paused) this.scheduleRefill();
  }

  async drain(limitMs: number): Promise<void> {
    this.draining = true;
    // Ends the open pulls at the server; what is on its way still arrives here and is handed back.
    const unsubscribed = this.nc.isClosed() ? undefined : this.subscription?.drain();
    for (const lane of this.lanes) {
      for (const delivery of lane.waiting.splice(0)) {
        this.queued -= 1;
        delivery.nak();
      }
    }
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    const finished = this.running === 0 ? Promise.resolve() : new Promise<void>((resolve) => this.idle.push(resolve));
    await Promise.race([Promise.all([finished, unsubscribed?.catch(() => undefined)]), limit]);
    clearTimeout(timer);
  }

  close(): void {
    this.closed = true;
    this.draining = true;
    clearInterval(this.timer);
    this.cancelRefill();
    this.forgetReconnect?.();
    if (!this.nc.isClosed()) this.subscription?.unsubscribe();
    this.unsettled.clear();
  }

  settle(delivery: QueuedDelivery, verdict: Uint8Array): void {
    if (delivery.settled) return;
    if (this.recovery !== undefined) {
      this.late.push({ delivery, verdict });
      return;
    }
    delivery.settled = true;
    this.unsettled.delete(delivery.id);
    if (delivery.known && !this.nc.isClosed()) {
      this.nc.publish(delivery.reply, verdict);
    }
  }

  private receive(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (message.data.length === 0 && code >= 100) {
      this.receiveStatus(message, code);
      return;
    }
    // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>; newer servers put a domain
    // and an account hash before the stream.
    const tokens = (message.reply ?? '').split('.');
    const shift = tokens.length >= 11 ? 2 : 0;
    const lane = this.lanesByPriority.get(message.subject.split('.')[3] ?? '');
    if (lane === undefined || message.reply === undefined) {
      this.options.logger.error({ subject: message.subject }, 'a message that is no task came on the inbox for tasks');
      return;
    }
    const sequence = Number(tokens[5 + shift]) || 0;
    // nats-server 2.9 can forget a delivery in its count when the client it went to is gone.
    const least = sequence <= lane.delivered ? 2 : 1;
    lane.delivered = Math.max(lane.delivered, sequence);
    const delivery = new QueuedDelivery(
      (this.lastDelivery += 1),
      this,
      message,
      message.reply,
      lane,
      Math.max(least, Number(tokens[4 + shift]) || 1),
      lane.generation,
    );
    this.unsettled.set(delivery.id, delivery);
    lane.lastSeen = delivery.touched;
    lane.lastTask = delivery.touched;
    lane.backlog = Number(tokens[8 + shift]) > 0;
    for (const [id, pull] of lane.pulls) {
      lane.outstanding -= 1;
      pull.remaining -= 1;
      if (pull.remaining === 0) lane.pulls.delete(id);
      break;
    }
    if (this.draining) {
      delivery.nak();
      return;
    }
    lane.waiting.push(delivery);
    this.queued += 1;
    this.fillSlots();
    this.scheduleRefill();
  }

  private receiveStatus(message: Msg, code: number): void {
    const [priority, pullId] = message.subject.slice(this.inbox.length + 1).split('.');
    const lane = this.lanesByPriority.get(priority ?? '');
    if (lane === undefined) return;
    lane.lastSeen = performance.now();
    if (code === 100) return;
    const pull = lane.pulls.get(pullId ?? '');
    if (pull !== undefined) {
      lane.pulls.delete(pullId ?? '');
      lane.outstanding -= pull.remaining;
    }
    const description = message.headers?.description ?? '';
    // 404 and 408: nothing came in the pull's time. 409 has many meanings, among them that the consumer was deleted.
    if (code === 503 || (code === 409 && /deleted|not found|leadership|shutdown/i.test(description))) {
      // A stream that is made while nats-server 2.9 still deletes its namesake may never deliver anything.
      this.recover(`${code} ${description}`, DELETION_MS);
      return;
    }
    if (code === 404 || code === 408) {
      lane.backlog = false;
    } else {
      this.options.logger.warn({ pool: this.options.pool, code, description }, 'a pull for tasks was refused');
    }
    this.scheduleRefill();
  }

  /** Gives free slots to what waits here, by weight. */
  private fillSlots(): void {
    while (this.queued > 0 && this.inSlots < this.options.slots && !this.draining && !this.isFull) {
      const lane = pickByWeight(this.lanes, hasWaiting);
      const delivery = lane?.waiting.shift();
      if (delivery === undefined) return;
      this.queued -= 1;
      this.inSlots += 1;
      this.runOne(delivery);
    }
  }

  private runOne(delivery: QueuedDelivery | DirectDelivery): void {
    let inSlot = true;
    const { bytes } = delivery;
    this.bytes += bytes;
    const next = (): void => {
      this.fillSlots();
      this.scheduleRefill();
    };
    delivery.onFreeSlot = () => {
      // An engine that does not answer must not make a runner take ever more.
      if (!inSlot || this.ending >= this.options.slots * ENDING_SHARE) return;
      inSlot = false;
      this.inSlots -= 1;
      this.ending += 1;
      next();
    };
    const free = (): void => {
      if (inSlot) this.inSlots -= 1;
      else this.ending -= 1;
      inSlot = false;
      this.bytes -= bytes;
      if (this.running === 0) {
        for (const resolve of this.idle.splice(0)) resolve();
      }
      next();
    };
    this.options.run(delivery).then(free, (error: unknown) => {
      this.options.logger.error({ err: error, subject: delivery.subject }, 'running a task failed, it is handed back');
      delivery.nak();
      free();
    });
  }

  private scheduleRefill(): void {
    if (this.planned !== undefined || this.draining || this.paused) return;
    const free = this.options.slots - this.inSlots - this.queued;
    if (free <= 0 || this.isFull) return;
    const plan = Symbol('refill');
    const run = (): void => {
      if (this.planned === plan) this.refill();
    };
    this.planned = plan;
    if (free * 4 >= this.options.slots) {
      // Called off by its mark and never cleared: clearing an immediate while others of its turn run leaves Node 20's
      // event loop spinning.
      setImmediate(run);
    } else {
      this.refillTimer = setTimeout(run, COALESCE_MS);
    }
  }

  private cancelRefill(): void {
    clearTimeout(this.refillTimer);
    this.planned = undefined;
  }

  /**
   * Asks for as many tasks as there are free slots. A priority with more waiting at the server gets its share by weight; one
   * that is empty keeps a pull open, which may bring more than there are slots: those wait here, with their lease renewed.
   */
  private refill(): void {
    this.cancelRefill();
    if (this.draining || this.paused || this.recovery !== undefined || !isConnected(this.nc)) return;
    const free = this.options.slots - this.inSlots - this.queued;
    if (free <= 0 || this.isFull) return;
    let toShare = free;
    let backlogs = 0;
    for (const lane of this.lanes) {
      if (lane.backlog) {
        backlogs += 1;
        toShare -= lane.outstanding;
      } else if (lane.outstanding * 2 <= free) {
        this.pull(lane, free - lane.outstanding);
      }
    }
    if (backlogs === 0) return;
    const shares = new Map<Lane, number>();
    for (; toShare > 0; toShare--) {
      const lane = pickByWeight(this.lanes, hasBacklog);
      if (lane === undefined) break;
      shares.set(lane, (shares.get(lane) ?? 0) + 1);
    }
    for (const [lane, batch] of shares) this.pull(lane, batch);
  }

  private pull(lane: Lane, wanted: number): void {
    const batch = Math.min(wanted, LARGEST_PULL);
    const id = String(++this.lastPull);
    const now = performance.now();
    lane.pulls.set(id, { remaining: batch, deadline: now + this.pullExpiresMs + 1_000 });
    lane.outstanding += batch;
    lane.lastSeen = now;
    this.nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STEPS_STREAM}.${subjects.stepConsumer(this.options.pool, lane.priority)}`,
      `{"batch":${batch},"expires":${this.pullExpiresMs * 1e6},"idle_heartbeat":${this.heartbeatMs() * 1e6}}`,
      { reply: `${this.inbox}.${lane.priority}.${id}` },
    );
  }

  private heartbeatMs(): number {
    return Math.min(HEARTBEAT_MS, Math.floor(this.pullExpiresMs / 2));
  }

  private tick(): void {
    const now = performance.now();
    if (!isConnected(this.nc)) return;
    for (const delivery of this.unsettled.values()) {
      if (now - delivery.touched < this.workingMs) break;
      delivery.touched = now;
      this.unsettled.delete(delivery.id);
      this.unsettled.set(delivery.id, delivery);
      if (delivery.known) this.nc.publish(delivery.reply, WORKING);
    }
    if (this.draining || this.recovery !== undefined) return;
    for (const lane of this.lanes) {
      for (const [id, pull] of lane.pulls) {
        if (pull.deadline > now) break;
        lane.pulls.delete(id);
        lane.outstanding -= pull.remaining;
      }
      if (lane.outstanding > 0 && now - lane.lastSeen > this.heartbeatMs() * 2 + 500) {
        this.recover(`no sign of life from ${subjects.stepConsumer(this.options.pool, lane.priority)}`);
        return;
      }
      if (lane.outstanding > 0 && now - Math.max(lane.lastTask, lane.lastLook) > this.pullExpiresMs) {
        lane.lastLook = now;
        void this.lookForStranded(lane);
      }
    }
    this.scheduleRefill();
  }

  /**
   * A consumer of nats-server 2.9 can come to a state in which it delivers nothing although tasks and pulls wait, for example
   * when its stream was made while the one before was being deleted. Seen twice in a row, it is made anew; if that
   * does not help, so is the stream.
   */
  private async lookForStranded(lane: Lane): Promise<void> {
    const { pool, logger } = this.options;
    try {
      const info = await poolConsumerInfo(this.nc, pool, lane.priority);
      const stuck =
        info.num_pending > 0 &&
        info.num_waiting > 0 &&
        info.num_ack_pending < (info.config.max_ack_pending ?? Infinity);
      const delivered = info.delivered.consumer_seq;
      if (!stuck || performance.now() - lane.lastTask <= this.pullExpiresMs) {
        lane.suspect = undefined;
      } else if (lane.suspect !== delivered) {
        lane.suspect = delivered;
      } else {
        lane.suspect = undefined;
        const again = performance.now() - lane.remade < REMADE_LATELY_MS;
        lane.remade = performance.now();
        const what = again ? 'stream' : 'consumer';
        logger.error(
          { pool, priority: lane.priority, waiting: info.num_pending },
          `tasks are stranded, making the ${what} anew`,
        );
        // Nothing is lost with the stream for good: the engine dispatches again what a new one does not hold.
        await (again ? deleteStepsStream(this.nc) : deletePoolConsumer(this.nc, pool, lane.priority));
        this.recover('stranded consumer', DELETION_MS);
      }
    } catch (error) {
      if (!this.closed) logger.warn({ err: error, pool, priority: lane.priority }, 'a consumer cannot be looked at');
    }
  }

  /** Forgets the open pulls, sees to it that stream and consumers exist, and begins again. */
  private recover(reason: string, pauseMs = 0): void {
    if (this.closed) return;
    if (this.recovery !== undefined) {
      this.recoverAgain = true;
      return;
    }
    this.options.logger.warn({ pool: this.options.pool, reason }, 'looking after the stream of tasks');
    for (const lane of this.lanes) {
      lane.pulls.clear();
      lane.outstanding = 0;
      lane.backlog = false;
    }
    this.recovery = this.ensureUntilDone(pauseMs).then(() => {
      this.recovery = undefined;
      for (const { delivery, verdict } of this.late.splice(0)) this.settle(delivery, verdict);
      if (this.draining) return;
      this.fillSlots();
      this.refill();
    });
  }

  /** Waits for the stream where it may not make one. */
  private async ensureFirst(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.ensure();
        return;
      } catch (error) {
        if (this.options.waitsForStream !== true || isForbidden(error) || this.nc.isClosed()) throw error;
        if (attempt % 20 === 0) {
          this.options.logger.warn({ err: error, pool: this.options.pool }, 'the stream of tasks is not there yet');
        }
        await delay(500);
      }
    }
  }

  private async ensureUntilDone(pauseMs: number): Promise<void> {
    await delay(pauseMs);
    for (let attempt = 0; !this.closed; attempt++) {
      this.recoverAgain = false;
      try {
        await this.ensure();
        if (!this.recoverAgain) return;
      } catch (error) {
        if (this.closed || this.nc.isClosed()) return;
        if (attempt % 20 === 0) {
          this.options.logger.warn({ err: error, pool: this.options.pool }, 'the stream of tasks is not there yet');
        }
      }
      await delay(Math.min(1_000, 25 * 2 ** Math.min(attempt, 6)));
    }
  }

  private async ensure(): Promise<void> {
    const { logger, pool } = this.options;
    const makeConsumers = () => ensurePoolConsumers(this.nc, pool, { logger, ...this.options.consumers });
    // The stream is only looked at when it is missing: workers of one pool may not see what lies in it for others.
    const consumers = await makeConsumers().catch(async (error: unknown) => {
      if (!isStreamMissing(error) || this.options.waitsForStream === true) throw error;
      await ensureStepsStream(this.nc, { logger, ...this.options.stream });
      return makeConsumers();
    });
    for (const lane of this.lanes) {
      const { created, delivered } = consumers[lane.priority];
      if (lane.created !== undefined && lane.created !== created) {
        logger.warn({ pool, priority: lane.priority }, 'the queue is a new one: what it had may be lost');
        lane.generation += 1;
        lane.delivered = 0;
      }
      lane.created = created;
      lane.delivered = Math.max(lane.delivered, delivered.stream_seq);
    }
  }
}

/** Whether the server does not let this user ask. */
function isForbidden(error: unknown): boolean {
  return [error, (error as Partial<Error> | undefined)?.cause].some((one) => one instanceof PermissionViolationError);
}

function hasWaiting(lane: Lane): boolean {
  return lane.waiting.length > 0;
}

function hasBacklog(lane: Lane): boolean {
  return lane.backlog;
}

/** Smooth weighted round robin over the lanes that qualify. */
function pickByWeight(lanes: readonly Lane[], qualifies: (lane: Lane) => boolean): Lane | undefined {
  let best: Lane | undefined;
  let total = 0;
  for (const lane of lanes) {
    if (!qualifies(lane)) continue;
    lane.credit += lane.weight;
    total += lane.weight;
    if (best === undefined || lane.credit > best.credit) best = lane;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}
