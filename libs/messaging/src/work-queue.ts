import { SlotMap } from '@batuta/collections';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { isConnected, newInbox, onReconnect } from './connection.js';
import { QueuedDelivery } from './pool-delivery.js';
import type { DirectDelivery } from './pool-delivery.js';
import type { PoolConsumer, PoolOptions } from './pool-options.js';
import { PoolPulls } from './pool-pulls.js';
import { DELETION_MS, PoolRecovery } from './pool-recovery.js';
import { hasBacklog, hasWaiting, newQueues, pickByWeight } from './priority-queues.js';
import type { PriorityQueue } from './priority-queues.js';

const WORKING = new TextEncoder().encode('+WPI');

/** Tasks that wait for the engine's answer after giving their slots back, as a multiple of the slots. */
const ENDING_SHARE = 2;
/** Milliseconds for which a busy runner delays a small pull, so that it can ask for more tasks at once. */
const COALESCE_MS = 2;

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

/**
 * The phases of a pool.
 *
 * - open: it requests tasks for its free slots.
 * - paused: it requests none. Those that were requested before may still arrive.
 * - draining: it hands back the tasks that have no slot, and waits for the others. It never opens again.
 * - closed: leases are not renewed any more.
 */
type PoolPhase = 'open' | 'paused' | 'draining' | 'closed';

class PoolLoop implements PoolConsumer {
  readonly #nc: NatsConnection;
  readonly #options: PoolOptions;
  readonly #queues: readonly PriorityQueue[];
  readonly #queuesByPriority: ReadonlyMap<string, PriorityQueue>;
  readonly #inbox: string;
  readonly #workingMs: number;
  readonly #pulls: PoolPulls;
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
  #phase: PoolPhase = 'open';
  /** Identifies the planned refill. A refill whose mark is no longer the current one was cancelled. */
  #planned: symbol | undefined;
  #refillTimer: NodeJS.Timeout | undefined;
  readonly #recovery: PoolRecovery;
  /** Settlements that wait until it is known whether the stream is still the same one. */
  #late: { delivery: QueuedDelivery; verdict: Uint8Array }[] = [];
  #idle: (() => void)[] = [];

  constructor(nc: NatsConnection, options: PoolOptions) {
    this.#nc = nc;
    this.#options = options;
    if (!Number.isInteger(options.slots) || options.slots < 1) throw new RangeError('slots must be a positive integer');
    this.#inbox = newInbox(nc);
    this.#workingMs = options.workingMs ?? 700;
    const pullExpiresMs = options.pullExpiresMs ?? 5_000;
    this.#queues = newQueues(options.weights);
    this.#pulls = new PoolPulls(nc, options.pool, this.#queues, this.#inbox, pullExpiresMs);
    this.#queuesByPriority = new Map(this.#queues.map((queue) => [queue.priority, queue]));
    this.#recovery = new PoolRecovery(nc, { ...options, pullExpiresMs }, this.#queues, {
      closed: () => this.#phase === 'closed',
      recovered: () => {
        for (const { delivery, verdict } of this.#late.splice(0)) this.settle(delivery, verdict);
        if (this.#isEnding) return;
        this.#fillSlots();
        this.#refill();
      },
    });
  }

  get running(): number {
    return this.#inSlots + this.#ending;
  }

  get slots(): number {
    return this.#options.slots;
  }

  get free(): number {
    return this.#phase !== 'open' || this.#isFull ? 0 : Math.max(0, this.#options.slots - this.#inSlots - this.#queued);
  }

  /** Whether no more tasks are begun. */
  get #isEnding(): boolean {
    return this.#phase === 'draining' || this.#phase === 'closed';
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
    return !this.#recovery.running && this.#phase !== 'closed' && isConnected(this.#nc);
  }

  async start(): Promise<void> {
    await this.#recovery.ensureFirst();
    this.#subscription = this.#nc.subscribe(`${this.#inbox}.*.*`, {
      callback: (error, message) => {
        if (error !== null) {
          this.#options.logger.error({ err: error, pool: this.#options.pool }, 'the subscription for tasks failed');
          return;
        }
        this.#receive(message);
      },
    });
    this.#forgetReconnect = onReconnect(this.#nc, () => this.#recovery.recover('reconnected'));
    this.#timer = setInterval(() => this.#tick(), Math.max(10, Math.min(200, this.#workingMs / 4)));
    this.#refill();
  }

  pause(paused: boolean): void {
    if (this.#isEnding || this.#phase === (paused ? 'paused' : 'open')) return;
    this.#phase = paused ? 'paused' : 'open';
    if (!paused) this.#scheduleRefill();
  }

  async drain(limitMs: number): Promise<void> {
    if (this.#phase !== 'closed') this.#phase = 'draining';
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
    this.#phase = 'closed';
    clearInterval(this.#timer);
    this.#cancelRefill();
    this.#forgetReconnect?.();
    if (!this.#nc.isClosed()) this.#subscription?.unsubscribe();
    this.#unsettled.clear();
  }

  settle(delivery: QueuedDelivery, verdict: Uint8Array): void {
    if (delivery.settled) return;
    if (this.#recovery.running) {
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
    this.#pulls.delivered(queue);
    if (this.#isEnding) {
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
    this.#pulls.ended(queue, pullId ?? '');
    const description = message.headers?.description ?? '';
    // 404 and 408 mean that no task came before the pull expired. 409 has many meanings, among them a deleted consumer.
    if (code === 503 || (code === 409 && /deleted|not found|leadership|shutdown/i.test(description))) {
      // A stream that is created while nats-server 2.9 still deletes its predecessor of the same name may never deliver
      // anything.
      this.#recovery.recover(`${code} ${description}`, DELETION_MS);
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
    while (this.#queued > 0 && this.#inSlots < this.#options.slots && !this.#isEnding && !this.#isFull) {
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
    if (this.#planned !== undefined || this.#phase !== 'open') return;
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

  /** Requests as many tasks as there are free slots. Those that find none wait here, with their leases renewed. */
  #refill(): void {
    this.#cancelRefill();
    if (this.#phase !== 'open' || this.#recovery.running || !isConnected(this.#nc)) return;
    const free = this.#options.slots - this.#inSlots - this.#queued;
    if (free <= 0 || this.#isFull) return;
    this.#pulls.fill(free);
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
    if (this.#isEnding || this.#recovery.running) return;
    if (!this.#pulls.check(now, this.#recovery)) return;
    this.#scheduleRefill();
  }
}
