import { jitterOf, timetableOf } from '@batuta/calendar';
import type { Timetable } from '@batuta/calendar';
import type { FiringCause, ScheduleCounts, ScheduleDefinition, ScheduleStatus } from '@batuta/contracts';

/** An execution that a schedule started and whose end it does not know yet. */
export interface Run {
  readonly executionId: string;
  readonly nominalAt: number;
  readonly cause: FiringCause;
  /** Whether the engine has confirmed the start. */
  readonly answered: boolean;
  /** Whether it was confirmed once, so that it exists. */
  readonly started: boolean;
  readonly stopping: 'cancel' | 'terminate' | undefined;
  /** When it was last heard of. */
  readonly heardAt: number;
}

/** A time whose execution waits for a running one. */
export interface WaitingFiring {
  readonly nominalAt: number;
  readonly cause: FiringCause;
  /** The source of its execution's id, if that is not the time. */
  readonly key: string | undefined;
}

/** A schedule, computed from its events. Plain JSON, except for undefined fields. */
export interface ScheduleState {
  readonly kind: 'schedule';
  readonly scheduleId: string;
  readonly version: number;
  /** Time of the newest event. */
  readonly at: number;
  readonly status: ScheduleStatus;
  readonly tenantId: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly definition: ScheduleDefinition | undefined;
  /** How often the definition was written. */
  readonly revision: number;
  readonly pause: { readonly by: string; readonly reason: string; readonly cause: 'user' | 'failure' } | undefined;
  /** Times of the timetable up to here are handled. */
  readonly cursor: number;
  /** Firings that count for max_runs. */
  readonly runs: number;
  readonly running: readonly Run[];
  readonly waiting: readonly WaitingFiring[];
  readonly counts: ScheduleCounts;
  readonly lastFiredAt: number;
  readonly lastExecutionId: string;
  /** Ids of the newest commands from outside, newest first. */
  readonly commands: readonly string[];
}

export type NextSchedule = { -readonly [K in keyof ScheduleState]: ScheduleState[K] };

/** A schedule before its first event. */
export const NO_SCHEDULE: ScheduleState = {
  kind: 'schedule',
  scheduleId: '',
  version: 0,
  at: 0,
  status: 'active',
  tenantId: '',
  createdBy: '',
  createdAt: 0,
  updatedAt: 0,
  definition: undefined,
  revision: 0,
  pause: undefined,
  cursor: 0,
  runs: 0,
  running: [],
  waiting: [],
  counts: { fired: 0, skipped: 0, refused: 0, completed: 0, failed: 0, cancelled: 0 },
  lastFiredAt: 0,
  lastExecutionId: '',
  commands: [],
};

/** A running execution that was not heard of for this long is asked about, in milliseconds. */
export const CHECK_MS = 6 * 3_600_000;

/** A time of the timetable, and when it is due: the time plus its jitter. */
export interface Due {
  readonly nominal: number;
  readonly at: number;
}

const tables = new WeakMap<ScheduleDefinition, Timetable>();

export function tableOf(definition: ScheduleDefinition): Timetable {
  let table = tables.get(definition);
  if (table === undefined) tables.set(definition, (table = timetableOf(definition.timetable)));
  return table;
}

/** The first time after another one. */
export function dueAfter(scheduleId: string, definition: ScheduleDefinition, after: number): Due | undefined {
  const table = tableOf(definition);
  const nominal = table.next(after);
  if (nominal === undefined) return undefined;
  const { jitter_ms: jitter = 0 } = definition;
  if (jitter === 0) return { nominal, at: nominal };
  return { nominal, at: nominal + jitterOf(scheduleId, nominal, jitter, table.next(nominal)) };
}

const nextDues = new WeakMap<ScheduleState, Due | 'none'>();

/** The next due time. Undefined when there is none, or the schedule is not active. */
export function nextDue(state: ScheduleState): Due | undefined {
  const { definition, scheduleId, status, cursor } = state;
  if (definition === undefined || status !== 'active' || runsLeft(state) === 0) return undefined;
  let due = nextDues.get(state);
  if (due === undefined) nextDues.set(state, (due = dueAfter(scheduleId, definition, cursor) ?? 'none'));
  return due === 'none' ? undefined : due;
}

/** Firings left of max_runs. */
export function runsLeft({ definition, runs }: ScheduleState): number {
  return Math.max(0, (definition?.max_runs ?? Infinity) - runs);
}

/** When the schedule must be looked at next. Undefined when only a user can continue it. */
export function nextScheduleWake(state: ScheduleState): number | undefined {
  let wake = nextDue(state)?.at ?? Infinity;
  for (const { heardAt } of state.running) wake = Math.min(wake, heardAt + CHECK_MS);
  return wake === Infinity ? undefined : wake;
}

/** Whether only a command can make something happen. */
export function isScheduleOver({ status, running, waiting }: ScheduleState): boolean {
  return (status === 'deleted' || status === 'finished') && running.length === 0 && waiting.length === 0;
}
