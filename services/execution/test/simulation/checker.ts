import { partitionOf } from '@batuta/contracts';
import type {
  AttemptReply,
  AttemptResult,
  CommandReply,
  CommandRequest,
  Event,
  EventsPublished,
  LimiterStreamEvent,
  OrchestrationDefinition,
  ScheduleStreamEvent,
  StopAttempts,
} from '@batuta/contracts';
import { ChainWalk } from '@batuta/event-store';
import { isExecutionEvent, isLimiterEvent } from '../../src/store/kinds.js';
import type { MemoryExecutionStore } from '../../src/store/memory/memory-execution-store.js';
import { DELETED_STATUS } from '../../src/store/port.js';
import type { ExecutionCommit } from '../../src/store/port.js';
import { chunkConfig, compile, evolve, initialState, isTerminal, nextWake, view } from '../../src/domain/index.js';
import type { State } from '../../src/domain/index.js';
import type { OutgoingTask, RequestKind } from '../../src/partitions/ports/ports.js';
import { ChildChecker } from './child-checker.js';
import { DependencyChecker } from './dependency-checker.js';
import { History } from './history.js';
import { LimiterChecker } from './limiter-checker.js';
import { PublishedChecker } from './published-checker.js';
import { Reference, canonical } from './reference.js';
import { ScheduleChecker } from './schedule-checker.js';
import type { SimulatedProcess } from './simulated-process.js';
import { short } from './simulated-store.js';
import type { BusObserver } from './simulated-bus.js';
import type { CommitObserver } from './simulated-store.js';
import type { World } from './world.js';

/** A config that the simulation's config service has. */
export type Definitions = ReadonlyMap<string, OrchestrationDefinition>;

/** Of three runners that ended, one may have been assumed to have the attempt without evidence. */
const LEAST_ENDED = 2;

/** Checks every commit and every answer, in each step, and reports the first rule that is broken. */
export class Checker implements BusObserver, CommitObserver {
  readonly #world: World;
  readonly #memory: () => MemoryExecutionStore;
  readonly #definitions: Definitions;
  readonly #partitions: number;
  readonly #letThrough: ReadonlySet<string> | undefined;
  /** Everything committed, as this checker has seen it. */
  readonly histories = new Map<string, History>();
  readonly schedules: ScheduleChecker;
  readonly limiters: LimiterChecker;
  readonly #published: PublishedChecker;
  readonly #children: ChildChecker;
  readonly dependencies: DependencyChecker;
  readonly #states = new Map<string, State>();
  readonly #references = new Map<string, Reference>();
  readonly #positions = new Map<number, { last: number; epoch: number }>();
  /** How many runners ended while they had an attempt. */
  readonly #ended = new Map<string, number>();

  constructor(
    world: World,
    memory: () => MemoryExecutionStore,
    definitions: Definitions,
    partitions: number,
    /** Starts of streams that limits have let through; undefined when nothing is limited. */
    letThrough?: ReadonlySet<string>,
  ) {
    this.#world = world;
    this.#memory = memory;
    this.#definitions = definitions;
    this.#partitions = partitions;
    this.#letThrough = letThrough;
    this.schedules = new ScheduleChecker(world, memory, partitions);
    this.limiters = new LimiterChecker(world, memory, partitions);
    this.#published = new PublishedChecker({
      world,
      execution: (id) => this.#states.get(id),
      hasCommand: (id, commandId) => this.histories.get(id)?.hasCommand(commandId) === true,
      schedule: (id) => this.schedules.schedules.get(id)?.state,
      limiters: this.limiters,
    });
    this.#children = new ChildChecker(world, (id) => this.#states.get(id));
    this.dependencies = new DependencyChecker(
      world,
      (id) => this.#states.get(id),
      (id) => this.histories.get(id),
    );
  }

  /** Whether parents, children and waiting executions have exchanged all of their messages. */
  get childrenDone(): boolean {
    return (
      this.#children.done(this.histories.keys()) &&
      this.dependencies.done(this.histories.keys()) &&
      this.limiters.done((id) => this.#states.get(id))
    );
  }

  state(executionId: string): State | undefined {
    return this.#states.get(executionId);
  }

  async applied(
    process: SimulatedProcess,
    request: ExecutionCommit,
    epochs: ReadonlyMap<number, number>,
    held: ReadonlyMap<number, number>,
  ): Promise<void> {
    const changed = request.changed.filter(({ partition }) => held.has(partition));
    const touched = new Set<string>(changed.map(({ id }) => id));
    for (const { partition, epoch, publishedPosition } of request.partitions) {
      if (held.has(partition)) this.#published.published(partition, publishedPosition);
      const seen = this.#positions.get(partition) ?? { last: 0, epoch: 0 };
      const events = this.#memory().eventsAfter(partition, seen.last);
      if (events.length > 0 && (epochs.get(partition) !== epoch || epoch < seen.epoch)) {
        this.#world.violated(
          'nothing under an old epoch',
          `${process.name} appended to partition ${partition} under epoch ${epoch}, which has ${epochs.get(partition)}`,
        );
      }
      this.#positions.set(partition, { last: seen.last + events.length, epoch: Math.max(epoch, seen.epoch) });
      for (const [index, event] of events.entries()) {
        if (event.position !== seen.last + index + 1) {
          this.#world.violated('positions without gaps', `${event.position} after ${seen.last + index}`);
        }
        touched.add(event.executionId);
        if (isExecutionEvent(event)) {
          this.#committed(event, partition);
          this.#published.executionCommitted(event, partition);
        } else if (isLimiterEvent(event)) {
          const own = event as unknown as LimiterStreamEvent;
          this.limiters.committed(own, partition);
          this.#published.limiterCommitted(own, partition);
        } else {
          const own = event as unknown as ScheduleStreamEvent;
          this.schedules.committed(own, partition);
          this.#published.scheduleCommitted(own, partition);
        }
      }
    }
    for (const id of touched) {
      if (this.schedules.schedules.has(id)) this.schedules.settled(id);
      else if (this.limiters.limiters.has(id)) this.limiters.settled(id);
      else this.#settled(id);
    }
  }

  /** The network has answered a release and lost it. */
  lostRelease(id: string): void {
    this.#published.lostReleases.add(id);
  }

  effectsDone(partition: number, position: number): void {
    this.#published.published(partition, position);
  }

  #committed(event: Event, partition: number): void {
    const world = this.#world;
    const id = event.executionId;
    world.note('log', () => `${short(id)}/${event.version} ${event.type} ${JSON.stringify(event.data)}`);
    if (event.type === 'ExecutionStarted' && event.data.endTo !== undefined && this.#letThrough?.has(id) === false) {
      world.violated('nothing goes past a limit', `${short(id)} was started without being let through`);
    }
    let history = this.histories.get(id);
    if (history === undefined) {
      if (event.type !== 'ExecutionStarted') {
        world.violated('first the start', `${id} begins with ${event.type}`);
        return;
      }
      const known = this.#definitions.get(event.data.configId) ?? this.#chunkDefinition(event);
      const definition = known as OrchestrationDefinition;
      // A chunk has its step once for each item.
      history = new History(world, id, compile(definition).definition);
      this.histories.set(id, history);
      this.#references.set(id, new Reference(id, definition));
      this.#states.set(id, initialState(compile(definition)));
    }
    if (partitionOf(id, this.#partitions) !== partition) world.violated('its own partition', `${id} in ${partition}`);
    history.add(event);
    this.#children.committed(event);
    this.dependencies.committed(event);
    this.limiters.executionCommitted(event, this.#states.get(id));
    this.#compare(id, event);
    const state = this.#states.get(id) as State;
    try {
      const next = evolve(state, event);
      if (next.version !== event.version) world.violated('fold', `version ${next.version} after ${event.version}`);
      this.#states.set(id, next);
    } catch (error) {
      world.violated('fold never throws', String(error));
    }
  }

  /** The config of a chunk follows from the execution that it is a part of. */
  #chunkDefinition(event: Extract<Event, { type: 'ExecutionStarted' }>): OrchestrationDefinition | undefined {
    const parent = this.#states.get(event.data.parent?.executionId ?? '');
    const lanes = parent?.config.units.filter(({ kind }) => kind === 'lane') ?? [];
    const lane = lanes.find(({ index }) => parent?.units.get(index)?.child?.id === event.executionId);
    const found = parent === undefined || lane === undefined ? undefined : chunkConfig(parent, lane);
    if (found === undefined) this.#world.violated('a chunk is asked for', short(event.executionId));
    return found?.definition;
  }

  #compare(id: string, event: Event): void {
    const reference = this.#references.get(id) as Reference;
    reference.apply(event);
    const [difference] = reference.differences;
    if (difference !== undefined) {
      this.#world.violated('as the reference', `${short(id)}/${event.version}: ${difference}`);
    }
  }

  /** Compares a finished execution with the reference, which gets its outcomes and commands. */
  #compareEnd(id: string, state: State): void {
    const reference = this.#references.get(id) as Reference;
    const mine = reference.result;
    const theirs = view(state);
    const differ = (what: string, found: unknown, expected: unknown): void => {
      if (found === expected) return;
      this.#world.violated(
        'as the reference',
        `${short(id)}: ${what} is ${String(found)}, expected ${String(expected)}`,
      );
    };
    differ('the status', theirs.status, mine.status);
    if (theirs.status === 'completed') differ('the output', canonical(theirs.output), canonical(mine.output));
    if (theirs.status === 'failed' && !mine.otherFailures.has(theirs.failure?.code ?? '')) {
      differ('the failure', theirs.failure?.code, mine.failureCode);
    }
    for (const step of theirs.steps) {
      const expected = mine.steps.get(step.stepId);
      differ(`step ${step.stepId}`, step.status, expected?.status);
      if (step.status === 'completed') {
        differ(`the output of ${step.stepId}`, canonical(step.output), canonical(expected?.output));
      }
    }
  }

  /** Checks an execution after a commit that changed it. */
  #settled(id: string): void {
    const world = this.#world;
    const state = this.#states.get(id);
    const row = this.#memory().executionRow(id);
    // A late write for an execution without a history changes nothing.
    if (row === undefined && state?.deleted !== undefined) return;
    if (state === undefined || row === undefined) return world.violated('a row each', `${id} has none`);
    this.histories.get(id)?.settled();
    this.#checkAsked(id, state);
    const next = nextWake(state);
    if (isTerminal(state.status)) {
      if (row.progress.wakeAt !== null) world.violated('wake_at', `${id} is finished and wakes`);
      this.#compareEnd(id, state);
    } else if (next === undefined) {
      world.violated('a deadline in every state', `${id} at version ${state.version} has none`);
    } else if (row.progress.wakeAt === null || row.progress.wakeAt > next) {
      world.violated('wake_at is a lower bound', `${short(id)}: ${row.progress.wakeAt} but next is ${next}`);
    }
    const status = state.deleted === undefined ? state.status : DELETED_STATUS;
    if (row.progress.status !== status) {
      world.violated('the row follows the log', `${short(id)}: ${row.progress.status}, not ${status}`);
    }
  }

  /** In parallel strategies an approval is requested as soon as it is the step's turn, however many agents run. */
  #checkAsked(id: string, { status, config, units }: State): void {
    if (status !== 'running' || config.oneAtATime) return;
    for (const { index, id: stepId, takesSlot } of config.units) {
      if (!takesSlot && units.get(index)?.phase === 'ready') {
        this.#world.violated('an approval needs no slot', `${short(id)}: ${stepId} is not asked for`);
      }
    }
  }

  asked(process: SimulatedProcess, kind: RequestKind, body: object): (reply: unknown) => void {
    const world = this.#world;
    switch (kind) {
      case 'command':
        return this.#command(process, body as CommandRequest);
      case 'result': {
        const { results } = body as { results: AttemptResult[] };
        for (const result of results) this.#checkLost(result);
        const before = results.map((result) =>
          this.histories.get(result.executionId)?.wanted(result.stepId, result.attempt),
        );
        return (reply) => {
          const { replies } = reply as { replies: AttemptReply[] };
          world.note(process.name, () => `answers a result: ${JSON.stringify(replies)}`);
          for (const [index, result] of results.entries()) {
            this.#resultAnswered(result, replies[index]?.outcome, before[index]);
          }
        };
      }
      case 'message':
        return (reply) => world.note(process.name, () => `answers a message: ${JSON.stringify(reply)}`);
      case 'check':
      case 'heartbeat':
      case 'output': {
        const { executionId, stepId, attempt } = body as { executionId: string; stepId: string; attempt: number };
        const before = this.histories.get(executionId)?.wanted(stepId, attempt);
        return (reply) => {
          const { wanted } = reply as { wanted: boolean };
          const after = this.histories.get(executionId)?.wanted(stepId, attempt);
          // The answer was decided between question and answer: if the value did not change meanwhile, the answer must
          // equal it.
          if (before !== undefined && before === after && before !== wanted) {
            this.#world.violated(
              'answers follow the log',
              `${process.name} says wanted=${wanted} of ${short(executionId)} ${stepId}/${attempt}`,
            );
          }
        };
      }
    }
  }

  ended(attemptKey: string): void {
    this.#ended.set(attemptKey, (this.#ended.get(attemptKey) ?? 0) + 1);
  }

  #checkLost({ executionId, stepId, attempt, failure }: AttemptResult): void {
    if (failure?.code !== 'runner_lost') return;
    const ended = this.#ended.get(`${executionId}/${stepId}/${attempt}`) ?? 0;
    if (ended >= LEAST_ENDED) return;
    const name = `${short(executionId)} ${stepId}/${attempt}`;
    this.#world.violated(
      'lost with runners that ended',
      `${name} is said to be lost, and ${ended} runners ended with it`,
    );
  }

  #resultAnswered(
    result: AttemptResult,
    outcome: AttemptReply['outcome'] | undefined,
    before: boolean | undefined,
  ): void {
    const world = this.#world;
    const history = this.histories.get(result.executionId);
    const name = `${short(result.executionId)} ${result.stepId}/${result.attempt}`;
    switch (outcome) {
      case 'recorded':
        if (history?.outcomeOf(result.stepId, result.attempt) === undefined) {
          world.violated('reply after commit', `${name} is said to be recorded and is not in the log`);
        }
        return;
      case 'stale':
        // It was wanted all the time between question and answer, so the runner drops a task that is still needed.
        if (before === true && history?.wanted(result.stepId, result.attempt) === true) {
          world.violated('stale is certain', `${name} is said to be stale and is still wanted`);
        }
        return;
      case 'unknown_execution':
        if (before === true) world.violated('unknown is certain', `${name} is in the log`);
        return;
      case 'elsewhere':
        return;
      case undefined:
        world.violated('every result answered', name);
    }
  }

  #command(process: SimulatedProcess, request: CommandRequest): (reply: unknown) => void {
    const world = this.#world;
    if (request.schedule !== undefined) {
      return (reply) => {
        world.note(process.name, () => `answers ${JSON.stringify(request.schedule)}: ${JSON.stringify(reply)}`);
        const { accepted } = reply as CommandReply;
        const logged = this.schedules.schedules.get(request.executionId)?.state.version ?? 0;
        if (accepted !== undefined && accepted.version > logged) {
          world.violated('reply after commit', `a schedule is accepted at version ${accepted.version}, log ${logged}`);
        }
      };
    }
    const before = this.histories.get(request.executionId);
    const versionBefore = before?.version ?? 0;
    const kind = Object.keys(request).find((key) => !['commandId', 'executionId', 'principal'].includes(key)) ?? '';
    return (value) => {
      const reply = value as CommandReply;
      const name = `${kind} ${short(request.executionId)}`;
      world.note(process.name, () => `answers ${name}: ${JSON.stringify(reply)}`);
      const history = this.histories.get(request.executionId);
      if (reply.accepted !== undefined) {
        if (history === undefined || history.version < reply.accepted.version) {
          world.violated(
            'reply after commit',
            `${name} is accepted at version ${reply.accepted.version}, log ${history?.version}`,
          );
          return;
        }
        if (!history.hasCommand(request.commandId) && kind === 'start' && reply.accepted.repeated !== true) {
          world.violated('accepted is in the log', `${name} ${request.commandId}`);
        }
        const status = history.statusAt(reply.accepted.version);
        // A delayed start is pending until its first event, which the log alone does not show.
        if (status !== undefined && status !== 'pending' && status !== reply.accepted.status) {
          world.violated('answers follow the log', `${name} says ${reply.accepted.status}, the log ${status}`);
        }
        return;
      }
      const code = reply.rejected?.code;
      // It only means that the answer is unknown now. The client asks again.
      if (code === 'unavailable') return;
      if (code === 'execution_deleted') {
        if (history?.deleted !== true && request.start?.fork === undefined) world.violated('deleted is certain', name);
        return;
      }
      if (
        history?.hasCommand(request.commandId) === true &&
        before?.hasCommandUpTo(request.commandId, versionBefore) === true
      ) {
        world.violated('a repeat is answered from the log', `${name} was accepted and is now refused: ${code}`);
      }
      if (code === 'not_found' && before !== undefined && kind !== 'start') {
        world.violated('not found is certain', name);
      }
      const claims = {
        already_completed: 'completed',
        already_failed: 'failed',
        already_cancelled: 'cancelled',
      } as const;
      const decided = request.decideApproval?.stepId ?? '';
      if (code === 'already_decided' && history?.wasDecided(decided) !== true) {
        world.violated('answers follow the log', `${name} is refused as ${code}`);
      }
      const claimed = claims[code as keyof typeof claims];
      if (claimed !== undefined && history?.everHad(claimed, versionBefore) !== true) {
        world.violated('answers follow the log', `${name} is refused as ${code}`);
      }
    };
  }

  dispatched(process: SimulatedProcess, outgoing: OutgoingTask): void {
    const { task } = outgoing;
    this.#published.dispatched(`${task.executionId}/${task.stepId}/${task.attempt}`);
    const history = this.histories.get(task.executionId);
    if (history?.wasScheduled(task.stepId, task.attempt) !== true) {
      this.#world.violated(
        'effects after commit',
        `${process.name} dispatched ${short(task.executionId)} ${task.stepId}/${task.attempt}, which is not scheduled`,
      );
    }
    history?.checkTask(task);
    const reference = this.#references.get(task.executionId);
    const input = reference?.inputOf(task.stepId);
    if (input === undefined || history?.wanted(task.stepId, task.attempt) !== true) return;
    if (canonical(task.input) !== canonical(input.value)) {
      const expected = canonical(input.value);
      this.#world.violated('as the reference', `${task.stepId} gets ${canonical(task.input)}, expected ${expected}`);
    }
  }

  published(process: SimulatedProcess, text: string): void {
    const { executionId, events } = JSON.parse(text) as EventsPublished;
    const history = this.histories.get(executionId);
    for (const event of events) {
      const logged = history?.at(event.version);
      if (logged === undefined || JSON.stringify(logged) !== JSON.stringify(event)) {
        this.#world.violated(
          'effects after commit',
          `${process.name} published ${short(executionId)}/${event.version}, which the log does not have`,
        );
      }
    }
  }

  stopped(process: SimulatedProcess, text: string): void {
    for (const { executionId, stepId, attempt } of (JSON.parse(text) as StopAttempts).attempts) {
      const history = this.histories.get(executionId);
      if (
        history?.version === undefined ||
        (stepId !== undefined && attempt !== undefined && history.wanted(stepId, attempt))
      ) {
        this.#world.violated(
          'effects after commit',
          `${process.name} stopped ${short(executionId)} ${stepId}/${attempt}, which is wanted`,
        );
      }
    }
  }

  notified(process: SimulatedProcess, text: string): void {
    const { executionId, position, partition } = JSON.parse(text) as {
      executionId: string;
      position: number;
      partition: number;
    };
    if (position > (this.#positions.get(partition)?.last ?? 0)) {
      this.#world.violated(
        'effects after commit',
        `${process.name} told of ${short(executionId)} at position ${position}`,
      );
    }
  }

  /** At the end: the store still contains exactly the committed events. */
  async finish(): Promise<void> {
    this.schedules.finish((id) => this.#states.get(id));
    this.#children.finish(this.histories.keys());
    this.dependencies.finish(this.histories.keys());
    this.limiters.finish((id) => this.#states.get(id));
    const found = await this.#memory().readStreams([...this.histories.keys()]);
    for (const [id, history] of this.histories) {
      const left = found.get(id) ?? [];
      const last = await this.#memory().readLastRemoved(id);
      // Of a deleted execution only the last event stays, with the link before it.
      const expected = history.deleted && left.length === 1 ? history.events.slice(-1) : history.events;
      if (JSON.stringify(left) !== JSON.stringify(expected)) {
        this.#world.violated('what is committed stays', `${short(id)} changed`);
      }
      const removed = last === undefined ? undefined : { ...last, version: history.events.length - 1 };
      const walk = new ChainWalk(id, removed);
      for (const event of await this.#memory().readChain(id, 1, history.events.length)) walk.add(event);
      walk.end(history.events.length);
      const [problem] = walk.problems;
      if (problem !== undefined || walk.unlinked > 0) {
        this.#world.violated('events are chained', `${short(id)}: ${JSON.stringify(problem ?? 'no link')}`);
      }
    }
  }
}
