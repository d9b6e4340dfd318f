import type { Event, ExecutionStatus, OrchestrationDefinition, Task } from '@batuta/contracts';
import { short } from './simulated-store.js';
import type { World } from './world.js';

interface Attempt {
  outcome: Event | undefined;
  /** Whether it runs according to the log. */
  wanted: boolean;
}

/** Stands for the place of a config with a limit among the things that an execution waits for. */
const PLACE = 'place';

/** Events that may come after the end. */
const AFTER_THE_END: ReadonlySet<string> = new Set(['ExecutionRetried', 'ExecutionReopened', 'ExecutionDeleted']);

/** One execution's log, and the rules that hold for every config. */
export class History {
  readonly #world: World;
  readonly events: Event[] = [];
  readonly #attempts = new Map<string, Attempt>();
  /** The running attempt of each step. */
  readonly #running = new Map<string, number>();
  /** Failed attempts of each step since the start or the last retry of the execution. */
  readonly #failures = new Map<string, number>();
  /** Steps with a requested approval: null until it is decided, then whether it was approved. */
  readonly #asked = new Map<string, boolean | null>();
  /** Recorded choices, until their step is completed. */
  readonly #made = new Set<string>();
  /** Steps that wait for a signal: until when, and whether it came. */
  readonly #signals = new Map<string, { readonly until: number; came: boolean }>();
  /** Steps that wait for a child: its id. */
  readonly #children = new Map<string, string>();
  /** Steps that have a list whose items are worked on. */
  readonly #maps = new Set<string>();
  /** Children that have ended since they were last requested. */
  readonly #childEnds = new Map<string, string>();
  /** Executions that must end before it begins, and how. */
  readonly #unmet = new Map<string, string>();
  #startAt = 0;
  readonly #waiters = new Set<string>();
  /** Those that have ended since they were last asked. */
  readonly #dependencyEnds = new Set<string>();
  #place: { readonly order: number; readonly limiterId: string } | undefined;
  /** Attempts that children make, by step. */
  readonly #delegated = new Set<string>();
  /** Of the newest wish of its parent. */
  #order = 0;
  /** Steps that wait for a time: until when. */
  readonly #waits = new Map<string, number>();
  /** How many answers the model of each step has given. */
  readonly #turns = new Map<string, number>();
  /** Routes that have decided, each until its next iteration. */
  readonly #routed = new Set<string>();
  /** Iterations of steps with a repeat. */
  readonly #iterations = new Map<string, number>();
  #retried = false;
  readonly #commands = new Map<string, number>();
  readonly #statuses: ExecutionStatus[] = [];
  readonly #limits: ReadonlyMap<string, number>;
  #status: ExecutionStatus = 'pending';
  #before: ExecutionStatus = 'running';

  constructor(
    world: World,
    readonly id: string,
    readonly definition: OrchestrationDefinition,
  ) {
    this.#world = world;
    const limits = new Map<string, number>();
    for (const step of definition.steps) {
      limits.set(step.id, step.retry?.max_attempts ?? (step.llm === undefined ? 1 : 5));
      for (const { name, parallel = 4, retry } of step.llm?.tools ?? []) {
        for (let place = 1; place <= parallel; place++) {
          limits.set(`${step.id}:${name}:${place}`, retry?.max_attempts ?? 1);
        }
      }
      for (const { name, retry } of step.route?.candidates ?? []) {
        limits.set(`${step.id}:${name}:1`, retry?.max_attempts ?? 1);
      }
      limits.set(`${step.id}:semantic:0`, step.retry?.max_attempts ?? 5);
      limits.set(`${step.id}:model:0`, step.retry?.max_attempts ?? 5);
      limits.set(`${step.id}:compensate`, step.compensate?.retry?.max_attempts ?? 1);
    }
    this.#limits = limits;
  }

  get version(): number {
    return this.events.length;
  }

  get status(): ExecutionStatus {
    return this.#status;
  }

  get terminal(): boolean {
    return ['completed', 'failed', 'cancelled'].includes(this.#status);
  }

  get deleted(): boolean {
    return this.events.at(-1)?.type === 'ExecutionDeleted';
  }

  at(version: number): Event | undefined {
    return this.events[version - 1];
  }

  statusAt(version: number): ExecutionStatus | undefined {
    return this.#statuses[version - 1];
  }

  /** Whether the execution had this status at some version from `from` on. */
  everHad(status: ExecutionStatus, from: number): boolean {
    return this.#statuses.slice(Math.max(0, from - 1)).includes(status);
  }

  hasCommand(commandId: string): boolean {
    return this.#commands.has(commandId);
  }

  hasCommandUpTo(commandId: string, version: number): boolean {
    return (this.#commands.get(commandId) ?? Infinity) <= version;
  }

  wasScheduled(stepId: string, attempt: number): boolean {
    return this.#attempts.has(`${stepId}/${attempt}`);
  }

  wanted(stepId: string, attempt: number): boolean {
    return this.#attempts.get(`${stepId}/${attempt}`)?.wanted === true;
  }

  outcomeOf(stepId: string, attempt: number): Event | undefined {
    return this.#attempts.get(`${stepId}/${attempt}`)?.outcome;
  }

  /** Whether a decision about the step is in the log. */
  wasDecided(stepId: string): boolean {
    // A call of a tool is decided by the id of its question, and is told by that of its place.
    const asked = this.events.find((event) => event.type === 'ApprovalRequested' && event.data.decideAs === stepId);
    const { stepId: place, from } =
      asked?.type === 'ApprovalRequested' ? { stepId: asked.data.stepId, from: asked.version } : { stepId, from: 0 };
    return this.events.some(
      (event) => event.type === 'ApprovalDecided' && event.data.stepId === place && event.version > from,
    );
  }

  checkTask(task: Task): void {
    const [owner = '', , place] = task.stepId.split(':');
    const isCall = place !== undefined;
    const asks = this.#step(task.stepId)?.llm !== undefined;
    const repeats = this.#step(task.stepId)?.repeat !== undefined;
    const number = (asks ? this.#turns : this.#iterations).get(owner) ?? 0;
    const expected = `${this.id}/${task.stepId}${asks || repeats ? `/${number + 1}` : ''}`;
    const fits = isCall ? task.idempotencyKey.startsWith(`${expected}/`) : task.idempotencyKey === expected;
    // A task that is sent late may be one of an earlier turn or iteration.
    if (!fits && this.wanted(task.stepId, task.attempt)) {
      this.#violated('one idempotency key', `${task.stepId} has ${task.idempotencyKey}`);
    }
  }

  add(event: Event): void {
    if (event.version !== this.version + 1) {
      this.#violated('versions without gaps', `version ${event.version} after ${this.version}`);
    }
    const last = this.events.at(-1);
    if (last !== undefined && last.at > event.at) this.#violated('time goes forward', `${event.at} after ${last.at}`);
    if (this.deleted) this.#violated('deleted is the end', event.type);
    if (this.terminal && !AFTER_THE_END.has(event.type)) {
      this.#violated('terminal absorbs', `${event.type} after ${this.#status}`);
    }
    if (!this.#commands.has(event.commandId)) this.#commands.set(event.commandId, event.version);
    this.events.push(event);
    this.#apply(event);
    this.#statuses.push(this.#status);
  }

  /** After a commit: the rules that may be broken between the events of one decision hold again. */
  settled(): void {
    const limit = this.definition.settings?.parallel_limit ?? 0;
    const running = [...this.#running.keys()].filter((id) => !id.includes(':'));
    if (limit > 0 && running.length > limit) {
      this.#violated('parallel_limit', `${running.join(', ')} run at once, the limit is ${limit}`);
    }
    if (this.terminal && this.#running.size > 0) {
      this.#violated('nothing runs after the end', [...this.#running.keys()].join(', '));
    }
    for (const [id, decision] of this.#asked) {
      if (decision !== null) this.#violated('a decision has its effect', `${id} is decided and goes on waiting`);
    }
    for (const id of this.#made) this.#violated('a choice has its effect', `${id} has chosen and goes on`);
    for (const [id, { came }] of this.#signals) {
      if (came) this.#violated('a signal has its effect', `${id} was signalled and goes on waiting`);
    }
    if (this.#status === 'running' && this.definition.strategy === 'sequential') {
      const groups = new Set(
        [...running, ...this.#asked.keys(), ...this.#waits.keys(), ...this.#signals.keys()].map(
          (id) => this.#step(ownerOf(id))?.consensus_group ?? ownerOf(id),
        ),
      );
      if (groups.size > 1) this.#violated('sequential', `${[...groups].join(' and ')} run at once`);
    }
  }

  #step(id: string): OrchestrationDefinition['steps'][number] | undefined {
    return this.definition.steps.find((step) => step.id === id);
  }

  #violated(rule: string, message: string): void {
    this.#world.violated(rule, `${short(this.id)}: ${message}`);
  }

  #apply(event: Event): void {
    switch (event.type) {
      case 'ExecutionStarted':
        if (event.version !== 1) this.#violated('one start', `version ${event.version}`);
        for (const { executionId, on } of event.data.after ?? []) this.#unmet.set(executionId, on);
        this.#awaitPlace();
        this.#startAt = event.data.startAt ?? 0;
        if (this.#startAt <= event.at && this.#unmet.size === 0) this.#status = 'running';
        return;
      case 'StepScheduled': {
        const { stepId, attempt } = event.data;
        const key = `${stepId}/${attempt}`;
        if (this.#attempts.has(key)) this.#violated('an attempt begins once', key);
        if (this.#running.has(stepId)) this.#violated('one attempt at a time', key);
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', key);
        if ((this.#failures.get(stepId) ?? 0) >= (this.#limits.get(stepId) ?? 1)) {
          this.#violated('attempts ≤ policy', `${key} begins, and ${this.#failures.get(stepId)} have failed`);
        }
        this.#attempts.set(key, { outcome: undefined, wanted: true });
        this.#running.set(stepId, attempt);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'ApprovalRequested': {
        const { stepId } = event.data;
        if (this.#asked.has(stepId)) this.#violated('asked once', stepId);
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', stepId);
        this.#asked.set(stepId, null);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'ApprovalDecided': {
        const { stepId, approved } = event.data;
        if (this.#asked.get(stepId) !== null) this.#violated('one decision an approval', stepId);
        // What it does to a call is the reference's to say.
        if (isPlace(stepId)) this.#asked.delete(stepId);
        else this.#asked.set(stepId, approved);
        return;
      }
      case 'ChoiceMade':
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', event.data.stepId);
        this.#made.add(event.data.stepId);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      case 'SignalAwaited': {
        const { stepId, deadlineAt = Infinity, taken } = event.data;
        if (this.#signals.has(stepId)) this.#violated('one wait at a time', stepId);
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', stepId);
        this.#signals.set(stepId, { until: deadlineAt, came: taken !== undefined });
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'SignalReceived': {
        const { stepId } = event.data;
        const signal = stepId === undefined ? undefined : this.#signals.get(stepId);
        if (stepId !== undefined && signal?.came !== false) this.#violated('one signal a wait', stepId);
        if (signal !== undefined) signal.came = true;
        return;
      }
      case 'WaitStarted': {
        const { stepId, untilAt } = event.data;
        if (this.#waits.has(stepId)) this.#violated('one wait at a time', stepId);
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', stepId);
        this.#waits.set(stepId, untilAt);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'ChildRequested': {
        const { stepId, childId } = event.data;
        const known = this.#children.get(stepId);
        // An attempt that is under way goes on in a pause.
        if (event.data.attempt !== undefined) this.#delegated.add(stepId);
        else if (this.#status === 'paused' && known === undefined) this.#violated('nothing begins in a pause', stepId);
        this.#children.set(stepId, childId);
        this.#childEnds.delete(childId);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'ChildStarted':
        if (this.#childEnds.has(event.data.childId)) this.#violated('one end a child', event.data.childId);
        return;
      case 'ChildEnded': {
        const { childId, status } = event.data;
        if (this.#childEnds.has(childId)) this.#violated('one end a child', childId);
        this.#childEnds.set(childId, status);
        return;
      }
      case 'MapStarted':
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', event.data.stepId);
        if (this.#status === 'pending') this.#status = 'running';
        this.#maps.add(event.data.stepId);
        return;
      case 'MapChunkEnded': {
        const { laneId, stepId, chunk } = event.data;
        const child = this.#children.get(laneId) ?? '';
        if (!this.#childEnds.has(child)) this.#violated('done by its child', `chunk ${chunk} of ${stepId}`);
        this.#children.delete(laneId);
        return;
      }
      case 'WaiterAdded':
        if (this.#waiters.has(event.data.executionId)) this.#violated('a waiter is noted once', event.data.executionId);
        this.#waiters.add(event.data.executionId);
        return;
      case 'DependencyEnded': {
        const { executionId, status } = event.data;
        const on = this.#unmet.get(executionId);
        if (on === undefined || this.#dependencyEnds.has(executionId)) {
          return this.#violated('one end a dependency', executionId);
        }
        this.#dependencyEnds.add(executionId);
        if (on === 'finished' || (on === 'success') === (status === 'completed')) this.#unmet.delete(executionId);
        return;
      }
      case 'ExecutionRescheduled':
        if (this.#running.size > 0) this.#violated('what has begun stays', 'rescheduled');
        this.#startAt = event.data.startAt;
        if (this.#startAt <= event.at && this.#unmet.size === 0 && this.#status === 'pending') {
          this.#status = 'running';
        }
        return;
      case 'PlaceRequested':
        if (!this.#unmet.has(PLACE)) this.#violated('one place an execution', 'it asks and has one');
        if (this.#status !== 'pending') this.#violated('a place comes first', `it asks while it is ${this.#status}`);
        this.#place = { order: event.version, limiterId: event.data.limiterId };
        return;
      case 'PlaceAwaited':
        if (this.#place?.limiterId !== event.data.limiterId) this.#violated('who waits asks', event.data.limiterId);
        return;
      case 'PlaceTaken':
        if (this.#place?.limiterId !== event.data.limiterId || !this.#unmet.delete(PLACE)) {
          this.#violated('one place an execution', 'it gets one and does not wait for it');
        }
        if (this.#status === 'pending' && this.#unmet.size === 0 && this.#startAt <= event.at) this.#status = 'running';
        return;
      case 'DependencyFound':
      case 'DependenciesChecked':
        if (this.#unmet.size === 0) this.#violated('what waits asks', event.type);
        return;
      case 'ParentCommanded':
        if (event.data.order <= this.#order) this.#violated('the newest wish of a parent', `${event.data.order}`);
        this.#order = event.data.order;
        return;
      case 'ToolCalled': {
        const { stepId, callerId, turn } = event.data;
        if (this.#running.has(stepId)) this.#violated('one call a place', stepId);
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', stepId);
        if (turn !== this.#turns.get(callerId)) this.#violated('tools of the last answer', `${stepId} of turn ${turn}`);
        this.#failures.delete(stepId);
        return;
      }
      case 'RouteAsked':
      case 'RouteDecided': {
        const { stepId } = event.data;
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', stepId);
        if (this.#routed.has(stepId)) this.#violated('one decision a route', stepId);
        if (event.type === 'RouteDecided') this.#routed.add(stepId);
        this.#failures.delete(event.type === 'RouteDecided' ? event.data.chosenId : event.data.askedId);
        if (this.#status === 'pending') this.#status = 'running';
        return;
      }
      case 'IterationPlanned':
        if (this.#status === 'paused') this.#violated('nothing begins in a pause', event.data.stepId);
        return;
      case 'ModelAnswered':
      case 'IterationCompleted':
      case 'StepCompleted':
      case 'StepAttemptFailed': {
        if (event.type === 'ModelAnswered') {
          const { stepId, turn } = event.data;
          if (turn !== (this.#turns.get(stepId) ?? 0) + 1) this.#violated('turns without gaps', `${stepId} ${turn}`);
          this.#turns.set(stepId, turn);
        }
        if (event.type === 'IterationCompleted') {
          const { stepId, iteration } = event.data;
          const next = (this.#iterations.get(stepId) ?? 0) + 1;
          const anew = this.#retried && iteration === 1;
          if (iteration !== next && !anew) this.#violated('iterations without gaps', `${stepId} ${iteration}`);
          this.#iterations.set(stepId, iteration);
          if (this.#step(stepId)?.route !== undefined) {
            if (!this.#routed.delete(stepId)) this.#violated('done by its candidate', stepId);
            return;
          }
          if (event.data.attempt === 0) {
            const child = this.#children.get(stepId) ?? '';
            if (this.#childEnds.get(child) !== 'completed') this.#violated('done by its child', stepId);
            this.#children.delete(stepId);
            return;
          }
        }
        if (event.data.attempt === 0 && event.type === 'StepCompleted') {
          const { stepId } = event.data;
          if (this.#step(stepId)?.repeat !== undefined) {
            if (!this.#iterations.has(stepId)) this.#violated('done by its iterations', stepId);
            return;
          }
          if (this.#step(stepId)?.route !== undefined) {
            if (!this.#routed.has(stepId)) this.#violated('done by its candidate', stepId);
            return;
          }
          if (this.#step(stepId)?.llm !== undefined) {
            if (!this.#turns.has(stepId)) this.#violated('done by its model', stepId);
            return;
          }
          const untilAt = this.#waits.get(stepId);
          if (untilAt !== undefined) {
            if (event.at < untilAt) this.#violated('no wait is over early', `${stepId} at ${event.at}, not ${untilAt}`);
            if (this.#status === 'paused') this.#violated('no time comes in a pause', stepId);
            this.#waits.delete(stepId);
            return;
          }
          if (this.#made.delete(stepId)) return;
          if (this.#maps.delete(stepId)) {
            const open = [...this.#children.keys()].find((lane) => lane.startsWith(`${stepId}:`));
            if (open !== undefined) this.#violated('done by all of its chunks', open);
            return;
          }
          const child = this.#children.get(stepId);
          if (child !== undefined) {
            if (this.#childEnds.get(child) !== 'completed') this.#violated('done by its child', stepId);
            this.#children.delete(stepId);
            return;
          }
          const signal = this.#signals.get(stepId);
          if (signal !== undefined) {
            const late = event.at >= signal.until && this.#status !== 'paused';
            if (!signal.came && !late) this.#violated('done by its signal', stepId);
            this.#signals.delete(stepId);
            return;
          }
          if (this.#asked.get(stepId) !== true) this.#violated('done by its approval', stepId);
          this.#asked.delete(stepId);
          return;
        }
        const { stepId, attempt } = event.data;
        const key = `${stepId}/${attempt}`;
        const known = this.#attempts.get(key);
        if (known === undefined) return this.#violated('an outcome of what was begun', key);
        if (known.outcome !== undefined) this.#violated('one outcome an attempt', key);
        if (!known.wanted) this.#violated('no outcome of what was stopped', key);
        known.outcome = event;
        known.wanted = false;
        this.#running.delete(stepId);
        if (this.#delegated.delete(stepId)) this.#children.delete(stepId);
        if (event.type === 'ModelAnswered' || event.type === 'IterationCompleted') this.#failures.delete(stepId);
        if (event.type === 'StepAttemptFailed') this.#failures.set(stepId, (this.#failures.get(stepId) ?? 0) + 1);
        return;
      }
      case 'StepFailed':
      case 'StepSkipped':
        this.#asked.delete(event.data.stepId);
        this.#waits.delete(event.data.stepId);
        this.#signals.delete(event.data.stepId);
        this.#children.delete(event.data.stepId);
        this.#delegated.delete(event.data.stepId);
        for (const id of this.#running.keys()) if (id.startsWith(`${event.data.stepId}:`)) this.#stop(id);
        for (const kept of [this.#asked, this.#children]) {
          for (const id of kept.keys()) if (id.startsWith(`${event.data.stepId}:`)) kept.delete(id);
        }
        return this.#stop(event.data.stepId);
      case 'ExecutionPaused':
        if (this.#status !== 'paused') this.#before = this.#status;
        this.#status = 'paused';
        if (event.data.now !== true) return;
        for (const stepId of this.#running.keys()) if (!this.#delegated.has(stepId)) this.#stop(stepId);
        return;
      case 'ExecutionResumed':
        if (this.#status !== 'paused') this.#violated('resume what is paused', this.#status);
        this.#status = this.#before;
        return;
      case 'CompensationStarted':
        this.#status = 'compensation';
        for (const stepId of this.#delegated) this.#stop(stepId);
        this.#delegated.clear();
        this.#asked.clear();
        this.#waits.clear();
        this.#signals.clear();
        this.#children.clear();
        return;
      case 'ExecutionReopened':
        this.#status = 'compensation';
        this.#failures.clear();
        return;
      case 'ExecutionDeleted':
        if (!this.terminal) this.#violated('only what has ended is deleted', this.#status);
        if (event.data.events !== event.version - 1) this.#violated('a tombstone counts', `${event.data.events}`);
        return;
      case 'ExecutionRestored':
        this.#violated('only an archive restores, and a simulation has none', this.#status);
        return;
      case 'ExecutionRetried':
        this.#retried = true;
        this.#place = undefined;
        this.#awaitPlace();
        this.#status = this.#unmet.size > 0 ? 'pending' : 'running';
        this.#dependencyEnds.clear();
        this.#failures.clear();
        this.#turns.clear();
        this.#routed.clear();
        return;
      case 'ExecutionCompleted':
        this.#status = 'completed';
        return this.#stopEverything();
      case 'ExecutionFailed':
        this.#status = 'failed';
        return this.#stopEverything();
      case 'ExecutionCancelled':
        this.#status = 'cancelled';
        return this.#stopEverything();
      case 'StepReused':
      case 'StepProgressed':
      case 'EvaluationRequested':
      case 'EvaluationRecorded':
      case 'ConsensusReached':
      case 'ConsensusFailed':
      case 'BudgetExceeded':
        return;
      default:
        event satisfies never;
    }
  }

  /** A run of a config with a limit needs a place. */
  #awaitPlace(): void {
    if (this.definition.settings?.concurrency !== undefined) this.#unmet.set(PLACE, 'finished');
  }

  #stop(stepId: string): void {
    const attempt = this.#running.get(stepId);
    if (attempt === undefined) return;
    this.#running.delete(stepId);
    const known = this.#attempts.get(`${stepId}/${attempt}`);
    if (known !== undefined) known.wanted = false;
  }

  #stopEverything(): void {
    this.#asked.clear();
    this.#waits.clear();
    this.#signals.clear();
    this.#children.clear();
    this.#stopAll();
  }

  #stopAll(): void {
    this.#delegated.clear();
    for (const stepId of this.#running.keys()) this.#stop(stepId);
  }
}

/** Whether it is a place for calls of a tool. */
function isPlace(stepId: string): boolean {
  return stepId.split(':').length === 3;
}

function ownerOf(stepId: string): string {
  return stepId.split(':')[0] ?? stepId;
}
