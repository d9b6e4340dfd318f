import type { AttemptResult, JsonValue, StopAttempts, Task } from '@batuta/contracts';
import type { SimulatedBus } from './simulated-bus.js';
import { short } from './simulated-store.js';
import type { QueuedTask, TaskQueue } from './task-queue.js';
import type { World } from './world.js';

interface Held {
  readonly message: QueuedTask;
  readonly task: Task;
  stopped: boolean;
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

/** A step-runner as DESIGN 4 describes it, with agents that succeed, fail, hang, come late or answer twice. */
export class Runner {
  alive = true;
  #stalled: (() => void)[] | undefined;
  readonly #held = new Set<Held>();

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly queue: TaskQueue,
    private readonly bus: SimulatedBus,
    private readonly habits: AgentHabits,
  ) {
    bus.stopListeners.push((text) => this.#run(() => this.#stop(JSON.parse(text) as StopAttempts)));
  }

  /** Takes what it has room for. */
  pull(): void {
    while (this.alive && this.#stalled === undefined && this.#held.size < SLOTS) {
      const message = this.queue.take();
      if (message === undefined) return;
      this.#take(message);
    }
  }

  crash(): void {
    if (!this.alive) return;
    this.world.note(this.name, () => 'crashes');
    this.alive = false;
    this.#stalled = undefined;
    this.#held.clear();
  }

  restart(): void {
    // One that lives, though it stands still, keeps what it was about to do.
    if (this.alive) return;
    this.world.note(this.name, () => 'starts');
    this.alive = true;
    this.pull();
  }

  stall(ms: number): void {
    if (!this.alive || this.#stalled !== undefined) return;
    this.world.note(this.name, () => `stands still for ${ms} ms`);
    const waiting: (() => void)[] = [];
    this.#stalled = waiting;
    this.world.after(ms, () => {
      // It crashed meanwhile: what it was about to do is gone.
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

  /** Later, unless this runner crashed in between. */
  #after(ms: number, held: Held, callback: () => void): void {
    this.world.after(ms, () =>
      this.#run(() => {
        if (this.#held.has(held)) callback();
      }),
    );
  }

  #take(message: QueuedTask): void {
    const task = JSON.parse(message.task.text) as Task;
    const held: Held = { message, task, stopped: false };
    this.#held.add(held);
    this.world.note(
      this.name,
      () =>
        `takes ${short(task.executionId)} ${task.stepId}/${task.attempt} (dispatch ${task.dispatch}, delivery ${message.deliveries})`,
    );
    this.#keep(held);
    if (message.deliveries >= 3) {
      const failure = { code: 'runner_lost', message: 'its runners were lost', retryable: true };
      return this.#report(held, { ok: false, failure }, 0);
    }
    if (message.deliveries > 1 || task.dispatch > 1 || task.checkFirst === true) return this.#check(held);
    this.#runAgent(held);
  }

  #keep(held: Held): void {
    this.#after(WORKING_MS, held, () => {
      if (!this.world.strikes(0.05)) this.queue.extend(held.message.sequence);
      this.#keep(held);
    });
  }

  #release(held: Held): void {
    if (!this.#held.delete(held)) return;
    this.bus.travel(() => this.queue.ack(held.message.sequence));
    this.world.after(0, () => this.pull());
  }

  #check(held: Held): void {
    const { executionId, stepId, attempt } = held.task;
    let answered = false;
    const ask = (): void => {
      if (answered) return;
      this.bus.ask('check', executionId, { executionId, stepId, attempt }, (reply) =>
        this.#run(() => {
          if (answered || !this.#held.has(held)) return;
          answered = true;
          if ((reply as { wanted: boolean }).wanted) this.#runAgent(held);
          else this.#release(held);
        }),
      );
      this.#after(1_000, held, ask);
    };
    ask();
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
        this.world.note(this.name, () => `stops ${short(executionId)} ${task.stepId}/${task.attempt}`);
        this.#release(held);
      }
    }
  }

  #runAgent(held: Held): void {
    const { random } = this.world;
    const { task } = held;
    const timeout = task.timeoutMs ?? ATTEMPT_LIMIT_MS;
    const { failing, hanging, late, twice } = this.habits;
    const startedAt = this.world.now;
    const takes = random.between(1, random.chance(0.2) ? timeout + 500 : 300);
    const hangs = takes > timeout || random.chance(hanging);
    if (task.heartbeatMs !== undefined && task.heartbeatMs > 0) this.#beat(held, task.heartbeatMs, takes);
    if (hangs) {
      const failure = { code: 'timeout', message: 'the agent took too long', retryable: true };
      this.#after(timeout, held, () => this.#report(held, { ok: false, failure }, startedAt));
      if (random.chance(late)) this.#send(timeout + random.between(0, 3_000), held, this.#succeed(held), startedAt);
      return;
    }
    const outcome = random.chance(failing) ? this.#fail() : this.#succeed(held);
    this.#after(takes, held, () => {
      this.#report(held, outcome, startedAt);
      if (random.chance(twice)) {
        const other = random.chance(0.5) ? outcome : random.chance(0.5) ? this.#fail() : this.#succeed(held);
        this.#send(random.between(0, 2_000), held, other, startedAt);
      }
    });
  }

  #succeed(held: Held): Pick<AttemptResult, 'ok' | 'output'> {
    const { random } = this.world;
    const { task } = held;
    if (task.stepId.endsWith(':judge')) return { ok: true, output: this.#judgement(task) };
    const output: { [key: string]: JsonValue } = {
      v: random.int(3),
      s: random.pick(['a', 'b']),
      by: `${task.stepId}/${task.attempt}`,
    };
    if (random.chance(0.1)) output._tokens = random.int(100);
    if (random.chance(0.1)) output._cost = random.int(100) / 100;
    return random.chance(0.05) ? { ok: true, output: random.pick([null, 7, 'text', [1]]) } : { ok: true, output };
  }

  #judgement(task: Task): JsonValue {
    const { random } = this.world;
    const candidates = JSON.stringify(task.input).match(/"s\d+"/g) ?? [];
    if (candidates.length === 0 || random.chance(0.1)) return { winner: 'nobody' };
    return { winner: JSON.parse(random.pick(candidates)) as string };
  }

  #fail(): Pick<AttemptResult, 'ok' | 'failure'> {
    const code = this.world.random.pick(['agent_error', 'busy', 'fatal', 'timeout']);
    return { ok: false, failure: { code, message: `${code} happened`, retryable: code !== 'fatal' } };
  }

  #beat(held: Held, every: number, takes: number): void {
    const { random } = this.world;
    const until = this.world.now + (random.chance(0.3) ? random.int(takes + 1) : takes);
    const beat = (): void => {
      if (this.world.now > until) return;
      const { executionId, stepId, attempt } = held.task;
      const body = { executionId, stepId, attempt, progress: random.int(101) / 100 };
      this.bus.ask('heartbeat', executionId, body, () => undefined);
      this.#after(Math.max(1, Math.floor(every / 2)), held, beat);
    };
    beat();
  }

  /** Sends a result until it is answered, then lets go of the task. */
  #report(held: Held, outcome: Pick<AttemptResult, 'ok' | 'output' | 'failure'>, startedAt: number): void {
    const results = [this.#result(held, outcome, startedAt)];
    let answered = false;
    let wait = 1_000;
    const ask = (): void => {
      if (answered) return;
      this.bus.ask('result', held.task.executionId, { results }, () =>
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
    this.world.after(ms, () => {
      const results = [this.#result(held, outcome, startedAt)];
      this.bus.ask('result', held.task.executionId, { results }, () => undefined);
    });
  }

  #result(held: Held, outcome: Pick<AttemptResult, 'ok' | 'output' | 'failure'>, startedAt: number): AttemptResult {
    const { executionId, stepId, attempt } = held.task;
    return {
      executionId,
      stepId,
      attempt,
      ...outcome,
      startedAt: startedAt === 0 ? this.world.now : startedAt,
      finishedAt: this.world.now,
      workerId: this.name,
    };
  }
}
