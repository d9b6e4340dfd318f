import { timetableOf } from '@batuta/calendar';
import { partitionOf, uuidV5 } from '@batuta/contracts';
import type { FiringCause, ScheduleStreamEvent } from '@batuta/contracts';
import type { MemoryExecutionStore } from '../../src/store/memory/memory-execution-store.js';
import { NO_SCHEDULE, evolveSchedule, isScheduleOver, nextScheduleWake } from '../../src/domain/index.js';
import type { ScheduleState, State } from '../../src/domain/index.js';
import { short } from './simulated-store.js';
import type { World } from './world.js';

interface Dealt {
  state: ScheduleState;
  /** Up to here, every time of the timetable has started an execution or was left out. */
  until: number;
  /** Executions that it fired, and their known status. */
  readonly fired: Map<string, 'started' | 'refused' | 'ended' | undefined>;
}

const isOwnTurn = (cause: FiringCause): boolean => cause === 'schedule' || cause === 'missed';

/** Checks schedules against their rules: each time is handled once, and none is left out without an event. */
export class ScheduleChecker {
  readonly #world: World;
  readonly #memory: () => MemoryExecutionStore;
  readonly #partitions: number;
  readonly schedules = new Map<string, Dealt>();

  constructor(world: World, memory: () => MemoryExecutionStore, partitions: number) {
    this.#world = world;
    this.#memory = memory;
    this.#partitions = partitions;
  }

  committed(event: ScheduleStreamEvent, partition: number): void {
    const world = this.#world;
    const id = event.executionId;
    world.note('log', () => `${short(id)}/${event.version} ${event.type} ${JSON.stringify(event.data)}`);
    if (partitionOf(id, this.#partitions) !== partition) world.violated('its own partition', `${id} in ${partition}`);
    let dealt = this.schedules.get(id);
    if (dealt === undefined) {
      dealt = { state: NO_SCHEDULE, until: event.at, fired: new Map() };
      this.schedules.set(id, dealt);
    }
    this.#check(id, dealt, event);
    const next = evolveSchedule(dealt.state, event);
    if (event.version !== dealt.state.version + 1) {
      world.violated('fold', `version ${event.version} after ${dealt.state.version}`);
    }
    dealt.state = next;
  }

  /** Checks a schedule after a commit that changed it. */
  settled(id: string): void {
    const { state } = this.schedules.get(id) ?? { state: NO_SCHEDULE };
    const row = this.#memory().streamRow(id);
    if (row?.version !== state.version) {
      this.#world.violated('the row follows the log', `${short(id)}: ${row?.version}`);
    }
    const next = isScheduleOver(state) ? undefined : nextScheduleWake(state);
    const wakes = row?.wakeAt ?? Infinity;
    if (next !== undefined && wakes > next) {
      this.#world.violated('wake_at is a lower bound', `${short(id)}: ${wakes} but next is ${next}`);
    }
  }

  get done(): boolean {
    return [...this.schedules.values()].every(({ state }) => isScheduleOver(state));
  }

  /** `executionOf`: the state of an execution in the log. */
  finish(executionOf: (id: string) => State | undefined): void {
    for (const [id, { state, until, fired }] of this.schedules) {
      if (!isScheduleOver(state)) {
        const { status, running, waiting } = state;
        const left = `${running.length} running and ${waiting.length} waiting`;
        this.#world.violated('no schedule hangs', `${short(id)} is ${status} with ${left}`);
      }
      const { timetable } = state.definition ?? { timetable: {} };
      const left = timetableOf(timetable).next(until);
      // A schedule that has reached max_runs ignores later times.
      if (left !== undefined && state.definition?.max_runs === undefined) {
        this.#world.violated('no time is lost', `${short(id)}: ${left} was not dealt with`);
      }
      for (const [executionId, heard] of fired) {
        const execution = executionOf(executionId);
        if ((heard === 'refused') !== (execution === undefined)) {
          this.#world.violated(
            'a firing is one execution',
            `${short(executionId)} is ${heard} and ${execution?.status}`,
          );
        }
        if (execution !== undefined && execution.started?.endTo !== id) {
          this.#world.violated('a firing is one execution', `${short(executionId)} tells its end to somebody else`);
        }
      }
    }
  }

  #check(id: string, dealt: Dealt, event: ScheduleStreamEvent): void {
    switch (event.type) {
      case 'ScheduleFired': {
        const { executionId, nominalAt, cause } = event.data;
        if (dealt.fired.has(executionId)) {
          this.#world.violated('a time fires once', `${short(id)} fires ${nominalAt} again`);
        }
        if (executionId !== uuidV5(id, String(nominalAt))) {
          this.#world.violated('a time fires once', `the execution of ${nominalAt} has another id`);
        }
        dealt.fired.set(executionId, undefined);
        const waited = dealt.state.waiting.some((item) => item.nominalAt === nominalAt);
        if (!waited) this.#deal(id, dealt, cause, nominalAt, nominalAt);
        return;
      }
      case 'ScheduleBuffered':
        for (const at of event.data.nominalAt) this.#deal(id, dealt, event.data.cause, at, at);
        return;
      case 'ScheduleSkipped':
        if (event.data.reason !== 'replaced') {
          this.#deal(id, dealt, event.data.cause, event.data.firstAt, event.data.lastAt);
        }
        return;
      case 'ScheduleStartAnswered':
        dealt.fired.set(event.data.executionId, event.data.outcome === 'refused' ? 'refused' : 'started');
        return;
      case 'ScheduleExecutionEnded':
        dealt.fired.set(event.data.executionId, 'ended');
        return;
      default:
        return;
    }
  }

  #deal(id: string, dealt: Dealt, cause: FiringCause, first: number, last: number): void {
    if (!isOwnTurn(cause)) return;
    const { timetable } = dealt.state.definition ?? { timetable: {} };
    const next = timetableOf(timetable).next(dealt.until);
    if (first !== next) this.#world.violated('no time is lost', `${short(id)}: ${first} follows, but ${next} is due`);
    dealt.until = last;
  }
}
