import { SlotMap } from '@batuta/collections';
import { copyJson, subjects } from '@batuta/contracts';
import type { DirectTasks as DirectTasksMessage, RunnerBeat, Task } from '@batuta/contracts';
import { JsonMessage, onReconnect, serveLocally } from '@batuta/messaging';
import type { DirectDelivery, Log, PoolConsumer } from '@batuta/messaging';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { taskOf } from './task.js';

interface DirectTasksOptions {
  readonly nc: NatsConnection;
  readonly logger: Pick<Log, 'error'>;
  readonly workerId: string;
  readonly pool: string;
  readonly consumer: PoolConsumer;
  /** Identifies this pool in this run of the process. */
  readonly incarnation: string;
  /** Whether the runner accepts no more tasks now. */
  readonly closed: () => boolean;
  /** Attempts that were started from the pool's work queue, without the newest. */
  readonly begun: () => string[];
  /** Milliseconds between beats. */
  readonly beatMs: number;
  /** Milliseconds without a beat after which this runner counts as lost. */
  readonly expiresMs: number;
}

/** Every beat lists the held tasks, so at most this many are accepted by direct dispatch. */
const MOST_HELD = 2_000;
const NO_DATA = new Uint8Array();

/** A task that came directly from the engine. Only this runner holds it, until a beat does not list it any more. */
export class HeldTask implements DirectDelivery {
  readonly #settle: (held: HeldTask, givenUp: boolean) => void;
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
    settle: (held: HeldTask, givenUp: boolean) => void,
  ) {
    this.#settle = settle;
  }

  letGo(): void {
    // The task came as a value, so there is no message data to release.
  }

  freeSlot(): void {
    this.onFreeSlot?.();
  }

  ack(): void {
    this.#settle(this, false);
  }

  nak(delayMs = 0): void {
    // Beats list the task until then.
    if (delayMs > 0) setTimeout(() => this.nak(), delayMs);
    else this.#settle(this, true);
  }

  drop(): void {
    this.#settle(this, false);
  }
}

/**
 * Accepts tasks of one pool that the owners of partitions send directly to this runner, while it has free slots and its
 * queue is empty. Publishes beats that list the held tasks (ADR 0012). A task that no beat lists any more is dispatched
 * again.
 */
export class DirectTasks {
  readonly #options: DirectTasksOptions;
  readonly #held = new SlotMap<string, HeldTask>();
  #subscriptions: Subscription[] = [];
  #endLocal: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #forgetReconnect: (() => void) | undefined;
  #beatSoon = false;
  #leaving = false;

  constructor(options: DirectTasksOptions) {
    this.#options = options;
  }

  /** Number of tasks held now. */
  get held(): number {
    return this.#held.size;
  }

  start(): void {
    const { nc, logger, beatMs, incarnation } = this.#options;
    const guarded =
      (take: (message: Msg) => void) =>
      (error: Error | null, message: Msg): void => {
        if (error === null) take(message);
        else logger.error({ err: error }, 'tasks cannot be received from the engine');
      };
    const tasks = subjects.runnerTasks(this.#options.pool, incarnation);
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

  /** Accepts no more tasks. Held tasks stay held until they are settled. */
  leave(): void {
    this.#leaving = true;
    this.#beat();
  }

  /** Publishes a last beat, which lists only the tasks that are still held. */
  stop(): void {
    clearInterval(this.#timer);
    this.#endLocal?.();
    this.#forgetReconnect?.();
    if (this.#options.nc.isClosed()) return;
    this.#beat(true);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Accepts tasks and returns the receipt. */
  #receive(payload: string | JsonMessage): string {
    const { logger, pool: ownPool, consumer } = this.#options;
    let taken = 0;
    let open = false;
    try {
      const shared = payload instanceof JsonMessage;
      const message: unknown = shared ? payload.value : JSON.parse(payload);
      const { pool: name, tasks = [] } = message as Partial<DirectTasksMessage>;
      const pool = name === ownPool ? consumer : undefined;
      // Tasks from the engine in the same process share its memory. The tasks of one message have about the same size.
      const bytes = shared ? 0 : payload.length / tasks.length;
      for (const one of tasks) {
        if (pool === undefined || !this.#take(pool, one, shared, bytes)) break;
        taken += 1;
      }
      open = pool !== undefined && this.#isOpen(pool);
    } catch (error) {
      logger.error({ err: error }, 'unreadable tasks from the engine were refused');
    }
    return `{"taken":${taken},"open":${open}}`;
  }

  #isOpen(pool: PoolConsumer): boolean {
    return !this.#leaving && !this.#options.closed() && pool.queueEmpty;
  }

  /** `shared`: others read the same value. */
  #take(pool: PoolConsumer, value: unknown, shared: boolean, bytes: number): boolean {
    const task = taskOf(value);
    if (task === undefined) return false;
    const key = `${task.executionId}/${task.stepId}/${task.attempt}`;
    // It was sent again because the receipt was late. A refusal would make it run elsewhere too, even while this runner
    // is leaving.
    if (this.#held.has(key)) return true;
    if (this.#leaving || this.#options.closed() || this.#held.size >= MOST_HELD) return false;
    // Copied, because agents may change their input.
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

  /** Sends one beat for all changes of this turn. */
  #soon(): void {
    if (this.#beatSoon) return;
    this.#beatSoon = true;
    setImmediate(() => {
      this.#beatSoon = false;
      this.#beat();
    });
  }

  #beat(over = false): void {
    const { nc, workerId, incarnation, pool, consumer, begun, expiresMs } = this.#options;
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
