import type { DirectTasks as DirectTasksMessage, RunnerBeat, Task } from '@batuta/contracts';
import type { DirectNetwork, RunnerEnd } from './direct-network.js';
import type { World } from './world.js';

const POOL = 'default';
const BEAT_MS = 700;
const EXPIRES_MS = 2_000;

/** The facts about a runner that this model needs. */
export interface DirectRunner {
  readonly name: string;
  readonly slots: number;
  /** Slots that are free now. */
  readonly free: number;
  /** Whether it knows of no waiting task in the work queue. */
  readonly queueEmpty: boolean;
  /** Whether a task runs alone, or waits to run alone. */
  readonly closed: boolean;
  /** The tasks that it has begun from the work queue. */
  readonly begun: string[];
  /** Calls back at once, after its stall, or never. */
  run(callback: () => void): void;
  take(held: HeldTask): void;
}

/** A direct task until it is settled. */
export class HeldTask {
  readonly #settle: (held: HeldTask, givenUp: boolean) => void;
  settled = false;

  constructor(
    readonly key: string,
    readonly task: Task,
    settle: (held: HeldTask, givenUp: boolean) => void,
  ) {
    this.#settle = settle;
  }

  ack(): void {
    this.#settle(this, false);
  }

  nak(): void {
    this.#settle(this, true);
  }
}

/** A model of the step-runner's end of direct dispatch (libs/worker/src/direct-tasks.ts), one for each incarnation. */
export class DirectTasks implements RunnerEnd {
  readonly #world: World;
  readonly #network: DirectNetwork;
  readonly #runner: DirectRunner;
  readonly #held = new Map<string, HeldTask>();
  #beatSoon = false;
  #leaving = false;
  #stopped = false;

  constructor(
    readonly incarnation: string,
    world: World,
    network: DirectNetwork,
    runner: DirectRunner,
  ) {
    this.#world = world;
    this.#network = network;
    this.#runner = runner;
    network.join(this);
    this.#beat();
    this.#beatLater();
  }

  receive(text: string, respond: (receipt: string) => void): void {
    this.#run(() => {
      const { pool, tasks = [] } = JSON.parse(text) as Partial<DirectTasksMessage>;
      let taken = 0;
      for (const task of tasks) {
        if (pool !== POOL || !this.#take(task)) break;
        taken += 1;
      }
      respond(`{"taken":${taken},"open":${this.#open}}`);
    });
  }

  called(): void {
    this.#run(() => this.#soon());
  }

  /** Takes no more tasks. Held tasks stay until they are settled. */
  leave(): void {
    this.#leaving = true;
    this.#beat();
  }

  /** Publishes a last beat, which lists only the tasks that it still holds. */
  stop(): void {
    this.#beat(true);
    this.#end(false);
  }

  crash(): void {
    this.#end(true);
  }

  #end(crashed: boolean): void {
    this.#stopped = true;
    this.#network.leave(this.incarnation, crashed);
  }

  get #open(): boolean {
    return !this.#leaving && !this.#runner.closed && this.#runner.queueEmpty;
  }

  #run(callback: () => void): void {
    if (this.#stopped) return;
    this.#runner.run(() => {
      if (!this.#stopped) callback();
    });
  }

  #take(task: Task): boolean {
    const key = `${task.executionId}/${task.stepId}/${task.attempt}`;
    // Sent again because the receipt was late. If it were refused, it would also run elsewhere, even while this runner
    // stops.
    if (this.#held.has(key)) return true;
    if (!this.#open || this.#runner.free === 0) return false;
    const held = new HeldTask(key, task, (one, givenUp) => this.#settle(one, givenUp));
    this.#held.set(key, held);
    this.#network.sure.add(key);
    this.#runner.take(held);
    return true;
  }

  #settle(held: HeldTask, givenUp: boolean): void {
    if (held.settled) return;
    held.settled = true;
    if (this.#held.get(held.key) === held) this.#held.delete(held.key);
    if (givenUp) this.#soon();
  }

  #soon(): void {
    if (this.#beatSoon) return;
    this.#beatSoon = true;
    this.#world.after(0, () =>
      this.#run(() => {
        this.#beatSoon = false;
        this.#beat();
      }),
    );
  }

  #beatLater(): void {
    this.#world.after(BEAT_MS, () =>
      this.#run(() => {
        this.#beat();
        this.#beatLater();
      }),
    );
  }

  #beat(over = false): void {
    const { name, free, slots, begun } = this.#runner;
    const beat: RunnerBeat = {
      runnerId: name,
      incarnation: this.incarnation,
      pools: [{ pool: POOL, free, open: this.#open, slots }],
      held: [...this.#held.keys()],
      expiresMs: EXPIRES_MS,
      begun,
      over,
    };
    this.#network.beat(this.incarnation, JSON.stringify(beat));
  }
}
