import { SlotMap } from '@batuta/collections';
import { copyJson, subjects } from '@batuta/contracts';
import type { DirectTasks as DirectTasksMessage, RunnerBeat, Task } from '@batuta/contracts';
import { JsonMessage, onReconnect, serveLocally } from '@batuta/messaging';
import type { DirectDelivery, Log, PoolConsumer } from '@batuta/messaging';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { taskOf } from './task.js';

export interface DirectTasksOptions {
  readonly nc: NatsConnection;
  readonly logger: Pick<Log, 'error'>;
  readonly workerId: string;
  readonly pool: string;
  readonly consumer: PoolConsumer;
  /** Names this pool of this run of the process. */
  readonly incarnation: string;
  /** Whether nothing more is to be sent here now. */
  readonly closed: () => boolean;
  /** What has been begun from the pool's work queue, but the newest. */
  readonly begun: () => string[];
  /** Milliseconds between beats. */
  readonly beatMs: number;
  /** Milliseconds without a beat after which this runner counts as lost. */
  readonly expiresMs: number;
}

/** A list of what is held goes with every beat: more than this is not held by direct dispatch. */
const MOST_HELD = 2_000;
const NO_DATA = new Uint8Array();

/** A task that came straight from the engine. The runner holds it: nobody else has it until a beat no longer lists it. */
export class HeldTask implements DirectDelivery {
  readonly subject = '';
  readonly data = NO_DATA;
  readonly headers = undefined;
  readonly priority = 'normal';
  readonly deliveries = 1;
  settled = false;
  onFreeSlot: (() => void) | undefined;

  constructor(
    readonly key: string,
    readonly task: Task,
    readonly bytes: number,
    private readonly settle: (held: HeldTask, givenUp: boolean) => void,
  ) {}

  letGo(): void {
    // It came as a value, which is the task itself.
  }

  freeSlot(): void {
    this.onFreeSlot?.();
  }

  ack(): void {
    this.settle(this, false);
  }

  nak(delayMs = 0): void {
    // Named in the beats until then.
    if (delayMs > 0) setTimeout(() => this.nak(), delayMs);
    else this.settle(this, true);
  }

  drop(): void {
    this.settle(this, false);
  }
}

/**
 * Takes tasks of one pool that owners of partitions send straight to this runner, as long as it has slots and its queue is empty, and
 * publishes beats that say what it holds (ADR 0012). A task that no beat lists any more is dispatched again.
 */
export class DirectTasks {
  readonly #held = new SlotMap<string, HeldTask>();
  #subscriptions: Subscription[] = [];
  #endLocal: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #forgetReconnect: (() => void) | undefined;
  #beatSoon = false;
  #leaving = false;

  constructor(private readonly options: DirectTasksOptions) {}

  /** Tasks held now. */
  get held(): number {
    return this.#held.size;
  }

  start(): void {
    const { nc, logger, beatMs, incarnation } = this.options;
    const guarded =
      (take: (message: Msg) => void) =>
      (error: Error | null, message: Msg): void => {
        if (error === null) take(message);
        else logger.error({ err: error }, 'tasks cannot be received from the engine');
      };
    const tasks = subjects.runnerTasks(this.options.pool, incarnation);
    this.#endLocal = serveLocally(nc, tasks, ({ payload, reply }) => {
      const receipt = this.#receive(payload);
      reply?.(receipt);
    });
    this.#subscriptions = [
      nc.subscribe(tasks, {
        callback: guarded((message) => message.respond(this.#receive(message.string()))),
      }),
      nc.subscribe(subjects.runnerCall, { callback: guarded(() => this.#soon()) }),
    ];
    this.#timer = setInterval(() => this.#beat(), beatMs);
    this.#forgetReconnect = onReconnect(nc, () => this.#beat());
    this.#beat();
  }

  /** Takes no more; what is held stays held until it is settled. */
  leave(): void {
    this.#leaving = true;
    this.#beat();
  }

  /** Publishes a last beat, which lists only what is still held. */
  stop(): void {
    clearInterval(this.#timer);
    this.#endLocal?.();
    this.#forgetReconnect?.();
    if (this.options.nc.isClosed()) return;
    this.#beat(true);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Takes tasks; the receipt. */
  #receive(payload: string | JsonMessage): string {
    const { logger, pool: ownPool, consumer } = this.options;
    let taken = 0;
    let open = false;
    try {
      const shared = payload instanceof JsonMessage;
      const message: unknown = shared ? payload.value : JSON.parse(payload);
      const { pool: name, tasks = [] } = message as Partial<DirectTasksMessage>;
      const pool = name === ownPool ? consumer : undefined;
      // Tasks of the engine's own process share its memory. Those of one message have the same size, near enough.
      const bytes = shared ? 0 : payload.length / tasks.length;
      for (const one of tasks) {
        if (pool === undefined || !this.#take(pool, one, shared, bytes)) break;
        taken += 1;
      }
      open = pool !== undefined && this.#isOpen(pool);
    } catch (error) {
      logger.error({ err: error }, 'tasks from the engine that nobody can read were refused');
    }
    return `{"taken":${taken},"open":${open}}`;
  }

  #isOpen(pool: PoolConsumer): boolean {
    return !this.#leaving && !this.options.closed() && pool.queueEmpty;
  }

  /** `shared`: others read the task as well. */
  #take(pool: PoolConsumer, value: unknown, shared: boolean, bytes: number): boolean {
    const task = taskOf(value);
    if (task === undefined) return false;
    const key = `${task.executionId}/${task.stepId}/${task.attempt}`;
    // Sent again because the receipt was late. Refused, it would run elsewhere besides, also while this runner leaves.
    if (this.#held.has(key)) return true;
    if (this.#leaving || this.options.closed() || this.#held.size >= MOST_HELD) return false;
    // Agents may do with their input what they like.
    if (shared && task.input !== undefined) task.input = copyJson(task.input);
    const held = new HeldTask(key, task, bytes, (one, givenUp) => this.#settle(one, givenUp));
    this.#held.set(key, held);
    if (pool.take(held)) return true;
    this.#held.delete(key);
    return false;
  }

  #settle(held: HeldTask, givenUp: boolean): void {
    if (held.settled) return;
    held.settled = true;
    if (this.#held.get(held.key) === held) this.#held.delete(held.key);
    if (givenUp) this.#soon();
  }

  /** A beat for all that happens in this turn. */
  #soon(): void {
    if (this.#beatSoon) return;
    this.#beatSoon = true;
    setImmediate(() => {
      this.#beatSoon = false;
      this.#beat();
    });
  }

  #beat(over = false): void {
    const { nc, workerId, incarnation, pool, consumer, begun, expiresMs } = this.options;
    if (nc.isClosed()) return;
    const beat: RunnerBeat = {
      runnerId: workerId,
      incarnation,
      pools: [
        {
          pool,
          free: Math.min(consumer.free, MOST_HELD - this.#held.size),
          open: this.#isOpen(consumer),
          slots: Math.min(consumer.slots, MOST_HELD),
        },
      ],
      held: [...this.#held.keys()],
      expiresMs,
      begun: begun().slice(0, MOST_HELD),
      over,
    };
    nc.publish(subjects.runnerBeat(pool), JSON.stringify(beat));
  }
}
