import type {
  AttemptCheckReply,
  AttemptCheckRequest,
  AttemptResult,
  JsonValue,
  StopAttempts,
  Task,
} from '@batuta/contracts';
import type { DirectNetwork } from './direct-network.js';
import { DirectTasks, HeldTask } from './direct-tasks.js';
import { randomSpending } from './random-config.js';
import type { SimulatedBus } from './simulated-bus.js';
import { short } from './simulated-store.js';
import type { QueuedTask, TaskQueue } from './task-queue.js';
import type { World } from './world.js';

/** One way in which a task came: from the queue, or directly from an owner. */
interface Delivery {
  readonly from: QueuedTask | HeldTask;
  /** The held task that it belongs to. It changes when the attempt already ran here. */
  held: Held;
}

interface Held {
  readonly deliveries: Delivery[];
  readonly task: Task;
  stopped: boolean;
  /** Its agent has begun. */
  running: boolean;
  /** False when only the engine's answer is missing. */
  inSlot: boolean;
  /** Whether it runs alone, or waits to. */
  alone: boolean;
}

/** How a runner takes part in direct dispatch. */
export interface DirectPart {
  readonly network: DirectNetwork;
  readonly slots: number;
}

export interface AgentHabits {
  readonly failing: number;
  readonly hanging: number;
  readonly late: number;
  readonly twice: number;
}

const SLOTS = 6;
const WORKING_MS = 700;
const ATTEMPT_LIMIT_MS = 5_000;
const MOST_LOST_RUNNERS = 3;
const ALONE_AT = MOST_LOST_RUNNERS - 1;
const HELD_PAUSE_MS = 1_000;
const COMPANY_LOOK_MS = 20;

function keyOf({ executionId, stepId, attempt }: Task): string {
  return `${executionId}/${stepId}/${attempt}`;
}

/** A step-runner with agents that succeed, fail, hang, answer late or answer twice. */
export class Runner {
  readonly #world: World;
  readonly #queue: TaskQueue;
  readonly #bus: SimulatedBus;
  readonly #habits: AgentHabits;
  readonly #part: DirectPart | undefined;
  alive = true;
  #stalled: (() => void)[] | undefined;
  readonly #held = new Set<Held>();
  /** The task that runs alone. */
  #lone: Held | undefined;
  #direct: DirectTasks | undefined;
  #incarnations = 0;
  #leaving = false;

  constructor(
    readonly name: string,
    world: World,
    queue: TaskQueue,
    bus: SimulatedBus,
    habits: AgentHabits,
    /** Undefined: it takes tasks only from the queue. */
    part: DirectPart | undefined,
  ) {
    this.#world = world;
    this.#queue = queue;
    this.#bus = bus;
    this.#habits = habits;
    this.#part = part;
    if (part !== undefined) world.after(0, () => this.#open(part));
    bus.stopListeners.push((text) => this.#run(() => this.#stop(JSON.parse(text) as StopAttempts)));
  }

  /** Takes as many tasks as it has room for. */
  pull(): void {
    while (this.alive && this.#stalled === undefined && !this.#leaving && this.#hasRoom()) {
      const message = this.#queue.take();
      if (message === undefined) return;
      this.#take(message, structuredClone(message.task.task), message.deliveries);
    }
  }

  #hasRoom(): boolean {
    return this.#part === undefined ? this.#held.size < SLOTS : this.#free(this.#part) > 0;
  }

  #free({ slots }: DirectPart): number {
    if (this.#leaving || this.#closed) return 0;
    let taken = 0;
    for (const { inSlot } of this.#held) if (inSlot) taken += 1;
    return Math.max(0, slots - taken);
  }

  /** Whether a task runs alone, or waits to. */
  get #closed(): boolean {
    for (const { alone } of this.#held) if (alone) return true;
    return false;
  }

  get #incarnation(): string {
    return `${this.name.replace(' ', '')}x${this.#incarnations}`;
  }

  #begun(): string[] {
    return [...this.#held]
      .filter(({ running, deliveries }) => running && deliveries.some(({ from }) => !(from instanceof HeldTask)))
      .map(({ task }) => keyOf(task));
  }

  /** Begins to take direct tasks, as a new incarnation. */
  #open(part: DirectPart): void {
    if (!this.alive) return;
    this.#incarnations += 1;
    const queue = this.#queue;
    const free = (): number => this.#free(part);
    const closed = (): boolean => this.#closed;
    const begun = (): string[] => this.#begun();
    this.#direct = new DirectTasks(this.#incarnation, this.#world, part.network, {
      name: this.name,
      slots: part.slots,
      get free() {
        return free();
      },
      get queueEmpty() {
        return !queue.waits;
      },
      get closed() {
        return closed();
      },
      get begun() {
        return begun();
      },
      run: (callback) => this.#run(callback),
      take: (held) => this.#take(held, held.task, 1),
    });
  }

  /**
   * Ends as after SIGTERM: takes nothing new, lets running tasks finish for some time, and hands the rest back. Starts
   * again `downMs` later.
   */
  leave(graceMs: number, downMs: number): void {
    const direct = this.#direct;
    if (!this.alive || this.#stalled !== undefined || this.#leaving || direct === undefined) return;
    this.#world.note(this.name, () => 'is told to stop');
    this.#leaving = true;
    direct.leave();
    this.#world.after(graceMs, () =>
      this.#run(() => {
        if (this.#direct !== direct) return;
        for (const held of this.#held) this.#settle(held, true);
        direct.stop();
        this.#direct = undefined;
        this.crash();
        this.#world.after(downMs, () => this.restart());
      }),
    );
  }

  crash(): void {
    if (!this.alive) return;
    this.#world.note(this.name, () => 'crashes');
    this.alive = false;
    this.#stalled = undefined;
    if (!this.#leaving) for (const { task } of this.#held) this.#bus.endedWith(keyOf(task));
    this.#held.clear();
    this.#leaving = false;
    this.#direct?.crash();
    this.#direct = undefined;
  }

  restart(): void {
    // A live runner keeps its plans, even while it stalls.
    if (this.alive) return;
    this.#world.note(this.name, () => 'starts');
    this.alive = true;
    if (this.#part !== undefined) this.#open(this.#part);
    this.pull();
  }

  stall(ms: number): void {
    if (!this.alive || this.#stalled !== undefined) return;
    this.#world.note(this.name, () => `stands still for ${ms} ms`);
    const waiting: (() => void)[] = [];
    this.#stalled = waiting;
    this.#world.after(ms, () => {
      // It crashed meanwhile, so its plans are gone.
      if (this.#stalled !== waiting) return;
      this.#stalled = undefined;
      for (const callback of waiting) callback();
      this.pull();
    });
  }

  #run(callback: () => void): void {
    if (!this.alive) return;
    if (this.#stalled === undefined) callback();
    else this.#stalled.push(callback);
  }

  /** Later, unless this runner crashes in between. */
  #after(ms: number, held: Held, callback: () => void): void {
    this.#world.after(ms, () =>
      this.#run(() => {
        if (this.#held.has(held)) callback();
      }),
    );
  }

  #take(from: QueuedTask | HeldTask, task: Task, deliveries: number): void {
    const held: Held = { deliveries: [], task, stopped: false, running: false, inSlot: true, alone: false };
    const delivery: Delivery = { from, held };
    held.deliveries.push(delivery);
    this.#held.add(held);
    this.#world.note(
      this.name,
      () =>
        `takes ${short(task.executionId)} ${task.stepId}/${task.attempt} (dispatch ${task.dispatch}, ${from instanceof HeldTask ? `direct, lost ${task.lostRunners ?? 0}` : `delivery ${deliveries}`})`,
    );
    if (!(from instanceof HeldTask)) this.#keep(delivery, from.sequence);
    if (this.#joins(held)) return;
    const { lostRunners = 0 } = task;
    if (deliveries > 1 || task.dispatch > 1 || task.checkFirst === true || lostRunners > 0) {
      return this.#check(held, deliveries > 1, lostRunners);
    }
    this.#enter(held);
  }

  #keep(delivery: Delivery, sequence: number): void {
    this.#world.after(WORKING_MS, () =>
      this.#run(() => {
        if (!this.#held.has(delivery.held)) return;
        if (!this.#world.strikes(0.05)) this.#queue.extend(sequence);
        this.#keep(delivery, sequence);
      }),
    );
  }

  /**
   * Whether the attempt already runs here. Then this is another delivery of it, which is settled together with the
   * others.
   */
  #joins(held: Held): boolean {
    if (this.#part === undefined) return false;
    const { executionId, stepId, attempt } = held.task;
    for (const other of this.#held) {
      const { task } = other;
      if (other === held || !other.running || task.executionId !== executionId) continue;
      if (task.stepId !== stepId || task.attempt !== attempt) continue;
      for (const delivery of held.deliveries) delivery.held = other;
      other.deliveries.push(...held.deliveries);
      this.#held.delete(held);
      return true;
    }
    return false;
  }

  #release(held: Held): void {
    if (!this.#held.has(held)) return;
    this.#settle(held, false);
    this.#world.after(0, () => this.pull());
  }

  #settle(held: Held, handBack: boolean): void {
    this.#held.delete(held);
    for (const { from } of held.deliveries) {
      if (from instanceof HeldTask) {
        if (handBack) from.nak();
        else from.ack();
      } else {
        this.#bus.travel(() => {
          if (handBack) this.#queue.nak(from.sequence);
          else this.#queue.ack(from.sequence);
        });
      }
    }
  }

  /** `known`: how many runners ended with it, according to its task. */
  #check(held: Held, redelivered: boolean, known: number, alone = false): void {
    const { executionId, ...attempt } = attemptOf(held.task);
    const incarnation = this.#part === undefined ? {} : { incarnation: this.#incarnation, redelivered, alone };
    let answered = false;
    const ask = (): void => {
      if (answered) return;
      this.#bus.ask('check', executionId, { executionId, ...attempt, ...incarnation }, (reply) =>
        this.#run(() => {
          if (answered || !this.#held.has(held)) return;
          answered = true;
          const { wanted, held: elsewhere = false, lostRunners = 0 } = reply as Partial<AttemptCheckReply>;
          if (wanted !== true) return this.#release(held);
          if (elsewhere) return this.#handBackLater(held);
          const lost = Math.max(known, lostRunners);
          if (lost >= MOST_LOST_RUNNERS) {
            const failure = { code: 'runner_lost', message: 'its runners were lost', retryable: true };
            return this.#report(held, { ok: false, failure }, 0);
          }
          if (lost < ALONE_AT || alone) return this.#enter(held);
          held.alone = true;
          this.#whenAlone(held, () => this.#check(held, redelivered, lost, true));
        }),
      );
      this.#after(1_000, held, ask);
    };
    ask();
  }

  /** Another runner has it, so it will be asked about again later. */
  #handBackLater(held: Held): void {
    const direct = held.deliveries.some(({ from }) => from instanceof HeldTask);
    if (direct) return this.#after(HELD_PAUSE_MS, held, () => this.#settle(held, true));
    this.#held.delete(held);
    for (const { from } of held.deliveries) {
      if (!(from instanceof HeldTask)) this.#bus.travel(() => this.#queue.nak(from.sequence, HELD_PAUSE_MS));
    }
    this.#world.after(0, () => this.pull());
  }

  /** Begins, unless another task runs alone here or waits to. */
  #enter(held: Held): void {
    if (held.alone || !this.#closed) this.#runAgent(held);
    else this.#after(COMPANY_LOOK_MS, held, () => this.#enter(held));
  }

  /** Calls back when nothing runs here. Nothing else begins after that. */
  #whenAlone(held: Held, callback: () => void): void {
    const taken = this.#lone !== undefined && this.#held.has(this.#lone);
    if (taken || [...this.#held].some(({ running }) => running)) {
      return this.#after(COMPANY_LOOK_MS, held, () => this.#whenAlone(held, callback));
    }
    this.#lone = held;
    callback();
  }

  #stop(stop: StopAttempts): void {
    for (const { executionId, stepId, attempt } of stop.attempts) {
      for (const held of this.#held) {
        const { task } = held;
        if (task.executionId !== executionId) continue;
        if (stepId !== undefined && stepId !== '' && task.stepId !== stepId) continue;
        if (attempt !== undefined && attempt !== 0 && task.attempt !== attempt) continue;
        if (held.stopped) continue;
        held.stopped = true;
        this.#world.note(this.name, () => `stops ${short(executionId)} ${task.stepId}/${task.attempt}`);
        this.#release(held);
      }
    }
  }

  #runAgent(held: Held): void {
    if (this.#joins(held)) return;
    held.running = true;
    for (const { from } of held.deliveries) if (from instanceof HeldTask) this.#part?.network.began(from.key);
    const { random } = this.#world;
    const { task } = held;
    const timeout = task.timeoutMs ?? ATTEMPT_LIMIT_MS;
    const { failing, hanging, late, twice } = this.#habits;
    const startedAt = this.#world.now;
    const takes = random.between(1, random.chance(0.2) ? timeout + 500 : 300);
    const hangs = takes > timeout || random.chance(hanging);
    if (task.heartbeatMs !== undefined && task.heartbeatMs > 0) this.#beat(held, task.heartbeatMs, takes);
    if (hangs) {
      const failure = { code: 'timeout', message: 'the agent took too long', retryable: true };
      this.#after(timeout, held, () => this.#report(held, { ok: false, failure }, startedAt));
      if (random.chance(late)) this.#send(timeout + random.between(0, 3_000), held, this.#succeed(held), startedAt);
      return;
    }
    const outcome = random.chance(failing) ? this.#fail(held) : this.#succeed(held);
    this.#after(takes, held, () => {
      this.#report(held, outcome, startedAt);
      if (random.chance(twice)) {
        const other = random.chance(0.5) ? outcome : random.chance(0.5) ? this.#fail(held) : this.#succeed(held);
        this.#send(random.between(0, 2_000), held, other, startedAt);
      }
    });
  }

  #succeed(held: Held): Pick<AttemptResult, 'ok' | 'output'> {
    const { random } = this.#world;
    const { task } = held;
    if (task.agent === 'compare_meaning') return { ok: true, output: { ...this.#scores(task), ...this.#spent(held) } };
    if (task.agent === 'ask_model') return { ok: true, output: { ...this.#answer(task), ...this.#spent(held) } };
    if (task.stepId.endsWith(':judge')) return { ok: true, output: this.#judgement(task) };
    const output: { [key: string]: JsonValue } = {
      v: random.int(3),
      s: random.pick(['a', 'b']),
      by: `${task.stepId}/${task.attempt}`,
    };
    if (random.chance(0.1)) output._tokens = random.int(100);
    if (random.chance(0.1)) output._cost = random.int(100) / 100;
    Object.assign(output, this.#spent(held));
    return random.chance(0.05) ? { ok: true, output: random.pick([null, 7, 'text', [1]]) } : { ok: true, output };
  }

  /** A model's answer: text, or calls of tools that exist, do not exist, or are malformed. */
  #answer(task: Task): { [key: string]: JsonValue } {
    const { random } = this.#world;
    const { output_schema: schema } = task.input as {
      output_schema?: { properties?: { chosen?: { enum: string[] } } };
    };
    const named = schema?.properties?.chosen?.enum;
    if (named !== undefined) return this.#choice(named);
    const { tools = [], tool_choice: choice } = task.input as { tools?: { name: string }[]; tool_choice?: string };
    const text = random.pick(['yes', 'no']);
    if (tools.length > 0 && (random.chance(0.6) || (choice === 'none' && random.chance(0.1)))) {
      const calls = Array.from({ length: random.between(1, 4) }, (_, place) => ({
        id: `c${place}`,
        name: random.chance(0.1) ? 'unknown' : random.pick(tools).name,
        input: { n: random.int(5) },
        ...(random.chance(0.1) ? { problem: 'it does not fit.' } : {}),
      }));
      return { text, finish_reason: 'tool-calls', tool_calls: calls };
    }
    const answer = { text, finish_reason: 'stop' };
    return random.chance(0.6) ? { ...answer, output: { v: random.int(3) } } : { ...answer, problem: 'it is not JSON.' };
  }

  /** A model's choice of a candidate; some answers name nobody, or are none. */
  #choice(names: readonly string[]): { [key: string]: JsonValue } {
    const { random } = this.#world;
    const text = random.pick(['sure', 'perhaps']);
    if (random.chance(0.15)) return { text, problem: 'it is not JSON.' };
    const confidence = random.chance(0.05) ? 7 : random.int(11) / 10;
    return { text, output: { chosen: random.chance(0.1) ? 'nobody' : random.pick(names), confidence, reason: text } };
  }

  /** How similar candidates are; some are not told, and some scores are none. */
  #scores(task: Task): { [key: string]: JsonValue } {
    const { random } = this.#world;
    const { candidates } = task.input as { candidates: { name: string }[] };
    const told = random.some(candidates, 0.9);
    return { scores: told.map(({ name }) => ({ name, score: random.chance(0.05) ? 7 : random.int(11) / 10 })) };
  }

  #judgement(task: Task): JsonValue {
    const { random } = this.#world;
    const candidates = JSON.stringify(task.input).match(/"s\d+"/g) ?? [];
    if (candidates.length === 0 || random.chance(0.1)) return { winner: 'nobody' };
    return { winner: JSON.parse(random.pick(candidates)) as string };
  }

  #fail(held: Held): Pick<AttemptResult, 'ok' | 'failure'> {
    const code = this.#world.random.pick(['agent_error', 'busy', 'fatal', 'timeout']);
    const details = this.#spent(held);
    return { ok: false, failure: { code, message: `${code} happened`, retryable: code !== 'fatal', details } };
  }

  #spent({ task }: Held): { [name: string]: JsonValue } {
    return randomSpending(`${task.executionId}/${task.stepId}/${task.attempt}`);
  }

  #beat(held: Held, every: number, takes: number): void {
    const { random } = this.#world;
    const until = this.#world.now + (random.chance(0.3) ? random.int(takes + 1) : takes);
    const beat = (): void => {
      if (this.#world.now > until) return;
      const { executionId } = held.task;
      const body = { ...attemptOf(held.task), progress: random.int(101) / 100 };
      this.#bus.ask('heartbeat', executionId, body, () => undefined);
      this.#after(Math.max(1, Math.floor(every / 2)), held, beat);
    };
    beat();
  }

  /** Repeats a result until it is answered, then releases the task. */
  #report(held: Held, outcome: Pick<AttemptResult, 'ok' | 'output' | 'failure'>, startedAt: number): void {
    const results = [this.#result(held, outcome, startedAt)];
    if (this.#part !== undefined && held.inSlot) {
      held.inSlot = false;
      this.#world.after(0, () => this.pull());
    }
    let answered = false;
    let wait = 1_000;
    const ask = (): void => {
      if (answered) return;
      this.#bus.ask('result', held.task.executionId, { results }, () =>
        this.#run(() => {
          if (answered) return;
          answered = true;
          this.#release(held);
        }),
      );
      this.#after(wait, held, ask);
      wait = Math.min(wait * 2, 4_000);
    };
    ask();
  }

  /** Sends a result once and forgets it. */
  #send(ms: number, held: Held, outcome: Pick<AttemptResult, 'ok' | 'output' | 'failure'>, startedAt: number): void {
    this.#world.after(ms, () => {
      const results = [this.#result(held, outcome, startedAt)];
      this.#bus.ask('result', held.task.executionId, { results }, () => undefined);
    });
  }

  #result(held: Held, outcome: Pick<AttemptResult, 'ok' | 'output' | 'failure'>, startedAt: number): AttemptResult {
    return {
      ...attemptOf(held.task),
      ...outcome,
      startedAt: startedAt === 0 ? this.#world.now : startedAt,
      finishedAt: this.#world.now,
      workerId: this.name,
    };
  }
}

function attemptOf({ executionId, stepId, attempt, token }: Task): AttemptCheckRequest {
  return { executionId, stepId, attempt, ...(token === undefined ? {} : { token }) };
}
