import { SCHEDULE_LIMITS, isOutsideCommand, uuidV5 } from '@batuta/contracts';
import type {
  FiringCause,
  OverlapPolicy,
  ScheduleDefinition,
  ScheduleDomainEvent,
  ScheduleStreamEvent,
  SkipReason,
} from '@batuta/contracts';
import { keyOfCommand, OTHER_UNDER_KEY } from '../commands/command.js';
import type { Outcome, Rejection } from '../commands/command.js';
import type { ScheduleCommandInput } from './command.js';
import { evolveSchedule } from './evolve.js';
import { CHECK_MS, dueAfter, nextDue, runsLeft, tableOf } from './state.js';
import type { Due, ScheduleState, WaitingFiring } from './state.js';

export type ScheduleDecision =
  | {
      readonly accepted: readonly ScheduleDomainEvent[];
      readonly outcome: Outcome;
      readonly next: ScheduleState;
    }
  | { readonly rejected: Rejection };

/** A due time counts as missed when it was not handled for this long, in milliseconds. */
export const LATE_MS = 60_000;
/** How many times one decision handles one by one. The next decision handles the rest at once. */
const AT_ONCE = 1_000;

class ScheduleDraft {
  readonly events: ScheduleDomainEvent[] = [];

  constructor(
    readonly command: ScheduleCommandInput,
    public state: ScheduleState,
  ) {}

  get at(): number {
    return this.command.at;
  }

  get definition(): ScheduleDefinition {
    const { definition } = this.state;
    if (definition === undefined) throw new Error('a schedule without a definition decides nothing');
    return definition;
  }

  emit(event: ScheduleDomainEvent): void {
    this.events.push(event);
    const { command, state } = this;
    this.state = evolveSchedule(state, {
      executionId: command.type === 'CreateSchedule' ? command.scheduleId : state.scheduleId,
      version: state.version + 1,
      at: command.at,
      commandId: command.id,
      partition: 0,
      position: 0,
      type: event.type,
      data: event.data,
    } as ScheduleStreamEvent);
  }
}

const NOT_FOUND: Rejection = { code: 'not_found', message: 'There is no such schedule.' };

function handle(draft: ScheduleDraft, command: ScheduleCommandInput): Outcome | Rejection {
  const { state } = draft;
  if (command.type === 'CreateSchedule') {
    if (state.version > 0) {
      return { code: 'already_exists', message: 'There is a schedule with this id.' };
    }
    const { create, principal, by } = command;
    draft.emit({
      type: 'ScheduleCreated',
      data: { by, definition: create.definition, tenantId: principal.tenantId },
    });
    return 'done';
  }
  if (state.version === 0) return isOutsideCommand(command.id) ? NOT_FOUND : 'unknown';
  switch (command.type) {
    case 'WakeSchedule':
      checkRuns(draft);
      return 'done';
    case 'RecordStart':
      return recordStart(draft, command);
    case 'RecordEnd':
      return recordEnd(draft, command);
    default:
      return control(draft, command);
  }
}

type Control = Extract<ScheduleCommandInput, { readonly expectedVersion: number }>;

function control(draft: ScheduleDraft, command: Exclude<Control, { type: 'CreateSchedule' }>): Outcome | Rejection {
  const { state } = draft;
  if (state.status === 'deleted') return NOT_FOUND;
  const { expectedVersion, by } = command;
  if (expectedVersion > 0 && expectedVersion !== state.revision) {
    const message = `The schedule has version ${state.revision}, not ${expectedVersion}.`;
    return { code: 'version_conflict', message };
  }
  switch (command.type) {
    case 'UpdateSchedule':
      draft.emit({ type: 'ScheduleUpdated', data: { by, definition: command.update.definition } });
      return 'done';
    case 'PauseSchedule':
      if (state.status === 'paused') return { code: 'already_paused', message: 'The schedule is paused already.' };
      if (state.status === 'finished') return { code: 'not_applicable', message: 'The schedule has finished.' };
      draft.emit({ type: 'SchedulePaused', data: { by, cause: 'user', ...reasonOf(command.reason) } });
      return 'done';
    case 'ResumeSchedule':
      if (state.status !== 'paused') return { code: 'not_paused', message: 'The schedule is not paused.' };
      skipPaused(draft);
      draft.emit({ type: 'ScheduleResumed', data: { by, ...reasonOf(command.reason) } });
      return 'done';
    case 'TriggerSchedule':
      occur(
        draft,
        { nominalAt: draft.at, cause: 'trigger', key: `trigger:${command.id}` },
        command.trigger.overlap ?? 'allow',
      );
      return 'done';
    case 'BackfillSchedule':
      return backfill(draft, command.backfill);
    case 'DeleteSchedule':
      draft.emit({ type: 'ScheduleDeleted', data: { by } });
      return 'done';
    default:
      return command satisfies never;
  }
}

function reasonOf(reason: string): { reason?: string } {
  return reason === '' ? {} : { reason };
}

function recordStart(
  draft: ScheduleDraft,
  { executionId, outcome, refusal, ended }: Extract<ScheduleCommandInput, { type: 'RecordStart' }>,
): Outcome {
  const run = draft.state.running.find((item) => item.executionId === executionId);
  if (run === undefined || run.answered) return 'stale';
  draft.emit({
    type: 'ScheduleStartAnswered',
    data: { executionId, outcome, ...(refusal === undefined ? {} : { refusal }) },
  });
  if (outcome === 'refused') {
    pauseOnFailure(draft, `execution ${executionId} could not be started: ${refusal?.message ?? ''}`);
  } else if (ended !== undefined) {
    recordEnd(draft, { executionId, status: ended });
  }
  return 'recorded';
}

function recordEnd(
  draft: ScheduleDraft,
  { executionId, status }: Pick<Extract<ScheduleCommandInput, { type: 'RecordEnd' }>, 'executionId' | 'status'>,
): Outcome {
  if (!draft.state.running.some((item) => item.executionId === executionId)) return 'stale';
  draft.emit({ type: 'ScheduleExecutionEnded', data: { executionId, status } });
  if (status === 'failed') pauseOnFailure(draft, `execution ${executionId} failed`);
  return 'recorded';
}

function pauseOnFailure(draft: ScheduleDraft, reason: string): void {
  if (draft.state.definition?.pause_on_failure !== true || draft.state.status !== 'active') return;
  draft.emit({ type: 'SchedulePaused', data: { cause: 'failure', reason: reason.slice(0, 2_000) } });
}

function checkRuns(draft: ScheduleDraft): void {
  const silent = draft.state.running.filter(({ heardAt }) => heardAt + CHECK_MS <= draft.at);
  if (silent.length === 0) return;
  draft.emit({ type: 'ScheduleRunsChecked', data: { executionIds: silent.map((run) => run.executionId) } });
}

function fire(draft: ScheduleDraft, { nominalAt, cause, key }: WaitingFiring): void {
  const executionId = uuidV5(draft.state.scheduleId, key ?? String(nominalAt));
  draft.emit({ type: 'ScheduleFired', data: { nominalAt, executionId, cause } });
}

function skip(
  draft: ScheduleDraft,
  nominal: readonly [number, number],
  reason: SkipReason,
  more: Partial<Count>,
): void {
  const { count = 1, cause = 'schedule', unfinished = false } = more;
  draft.emit({
    type: 'ScheduleSkipped',
    data: { firstAt: nominal[0], lastAt: nominal[1], count, reason, cause, ...(unfinished ? { more: true } : {}) },
  });
}

interface Count {
  readonly count: number;
  readonly cause: FiringCause;
  /** There were more than were counted. */
  readonly unfinished: boolean;
}

/** Handles one time: its execution starts, waits or is left out, according to the policy. */
function occur(draft: ScheduleDraft, firing: WaitingFiring, policy: OverlapPolicy): void {
  const { running, waiting } = draft.state;
  const { nominalAt, cause } = firing;
  const leftOut = (reason: SkipReason): void => skip(draft, [nominalAt, nominalAt], reason, { cause });
  if (running.length >= SCHEDULE_LIMITS.running) return leftOut('too_many');
  if (running.length === 0 && waiting.length === 0) return fire(draft, firing);
  const buffer = (): void => {
    const { key } = firing;
    draft.emit({
      type: 'ScheduleBuffered',
      data: { nominalAt: [nominalAt], cause, ...(key === undefined ? {} : { key }) },
    });
  };
  switch (policy) {
    case 'allow':
      return fire(draft, firing);
    case 'skip':
      return leftOut('overlap');
    case 'buffer_one':
      return waiting.length === 0 ? buffer() : leftOut('buffer_full');
    case 'buffer_all': {
      const limit = draft.definition.buffer_limit ?? SCHEDULE_LIMITS.defaultBufferLimit;
      return waiting.length < limit ? buffer() : leftOut('buffer_full');
    }
    case 'cancel_other':
    case 'terminate_other': {
      const how = policy === 'cancel_other' ? 'cancel' : 'terminate';
      for (const item of waiting) skip(draft, [item.nominalAt, item.nominalAt], 'replaced', { cause: item.cause });
      const others = running.filter(({ stopping }) => stopping !== how).map((run) => run.executionId);
      if (others.length > 0) draft.emit({ type: 'ScheduleOthersStopped', data: { executionIds: others, how } });
      return buffer();
    }
    default:
      return policy satisfies never;
  }
}

function backfill(
  draft: ScheduleDraft,
  { fromAt, toAt, overlap = 'buffer_all' }: { fromAt: number; toAt: number; overlap?: 'allow' | 'buffer_all' },
): Outcome | Rejection {
  const times: number[] = [];
  const table = tableOf(draft.definition);
  for (let at = table.next(fromAt - 1); at !== undefined && at <= toAt; at = table.next(at)) {
    times.push(at);
    if (times.length > SCHEDULE_LIMITS.backfill) {
      const message = `The range has more than ${SCHEDULE_LIMITS.backfill} times: backfill it in parts.`;
      return { code: 'not_applicable', message };
    }
  }
  const room =
    overlap === 'allow'
      ? SCHEDULE_LIMITS.running - draft.state.running.length
      : SCHEDULE_LIMITS.backfill * 10 - draft.state.waiting.length;
  if (times.length > room) {
    return { code: 'not_applicable', message: 'Too many executions of this schedule run or wait: try again later.' };
  }
  if (overlap === 'allow') for (const nominalAt of times) fire(draft, { nominalAt, cause: 'backfill', key: undefined });
  else if (times.length > 0) draft.emit({ type: 'ScheduleBuffered', data: { nominalAt: times, cause: 'backfill' } });
  return 'done';
}

/** Times during a pause are left out. */
function skipPaused(draft: ScheduleDraft): void {
  const { state, definition, at } = draft;
  const found = collect(state, definition, (due) => due.at <= at);
  const last = found.times.at(-1);
  if (last === undefined) return;
  skip(draft, [found.times[0] ?? last, last], 'paused', { count: found.times.length, unfinished: found.more });
}

/** Times after the cursor, as many as are wanted and at most `AT_ONCE`. */
function collect(
  { scheduleId, cursor }: ScheduleState,
  definition: ScheduleDefinition,
  wanted: (due: Due) => boolean,
): { readonly times: readonly number[]; readonly more: boolean } {
  const times: number[] = [];
  for (let after = cursor; ;) {
    const due = dueAfter(scheduleId, definition, after);
    if (due === undefined || !wanted(due)) return { times, more: false };
    if (times.length === AT_ONCE) return { times, more: true };
    times.push(due.nominal);
    after = due.nominal;
  }
}

/** Handles times that passed while the schedule could not fire. */
function missed(draft: ScheduleDraft): void {
  const { at, definition } = draft;
  const { runs = 'latest', window_ms: window = SCHEDULE_LIMITS.defaultMissedWindowMs, limit } = definition.missed ?? {};
  const isLate = (due: Due): boolean => due.at < at - LATE_MS;
  const count = { cause: 'missed' } as const;
  const oldest = at - LATE_MS - window;
  const leaveOut = (until: (due: Due) => boolean, before: number, reason: SkipReason): void => {
    const found = collect(draft.state, definition, until);
    const last = found.times.at(-1);
    if (last === undefined) return;
    // Too many to count: the cursor moves to their end at once.
    const end = found.more ? Math.max(last, before - 1) : last;
    skip(draft, [found.times[0] ?? last, end], reason, { ...count, count: found.times.length, unfinished: found.more });
  };
  leaveOut((due) => isLate(due) && due.nominal < oldest, oldest, 'too_old');
  if (runs === 'skip') return leaveOut(isLate, at - LATE_MS - (definition.jitter_ms ?? 0), 'missed');
  const late = collect(draft.state, definition, isLate);
  if (late.times.length === 0) return;
  const policy = definition.overlap ?? 'skip';
  if (runs === 'all') {
    for (const nominalAt of late.times.slice(0, limit ?? SCHEDULE_LIMITS.defaultMissedLimit)) {
      if (runsLeft(draft.state) === 0) return;
      occur(draft, { nominalAt, cause: 'missed', key: undefined }, policy);
    }
    return leaveOut(isLate, at - LATE_MS - (definition.jitter_ms ?? 0), 'over_limit');
  }
  // The next decision follows at once and handles the rest. The latest time is among the last of them.
  const earlier = late.more ? late.times : late.times.slice(0, -1);
  const lastEarlier = earlier.at(-1);
  if (lastEarlier !== undefined) {
    skip(draft, [earlier[0] ?? lastEarlier, lastEarlier], 'missed', { ...count, count: earlier.length });
  }
  const latest = late.more ? undefined : late.times.at(-1);
  if (latest !== undefined) occur(draft, { nominalAt: latest, cause: 'missed', key: undefined }, policy);
}

/** Decides what follows from the state and the time: due firings, and those that waited. */
function advance(draft: ScheduleDraft): void {
  startWaiting(draft);
  if (draft.state.status === 'active' && draft.state.definition !== undefined) {
    const first = nextDue(draft.state);
    if (first !== undefined && first.at < draft.at - LATE_MS) missed(draft);
    const policy = draft.definition.overlap ?? 'skip';
    for (let fired = 0; fired < AT_ONCE; fired++) {
      const due = nextDue(draft.state);
      if (due === undefined || due.at > draft.at || due.at < draft.at - LATE_MS) break;
      occur(draft, { nominalAt: due.nominal, cause: 'schedule', key: undefined }, policy);
    }
  }
  finish(draft);
}

function startWaiting(draft: ScheduleDraft): void {
  const { running, waiting, status } = draft.state;
  const [first] = waiting;
  if (first === undefined || running.length > 0 || status === 'deleted') return;
  // During a pause only firings that a user requested start.
  const next = status === 'paused' ? waiting.find(({ cause }) => cause === 'trigger' || cause === 'backfill') : first;
  if (next !== undefined) fire(draft, next);
}

function finish(draft: ScheduleDraft): void {
  const { state } = draft;
  if (state.status !== 'active' || state.waiting.length > 0 || nextDue(state) !== undefined) return;
  draft.emit({ type: 'ScheduleFinished', data: { reason: runsLeft(state) === 0 ? 'runs' : 'over' } });
}

/** Decides a command to a schedule: total, synchronous and pure. */
export function decideSchedule(command: ScheduleCommandInput, state: ScheduleState): ScheduleDecision {
  if (isOutsideCommand(command.id) && state.commands.includes(command.id)) {
    return { accepted: [], outcome: 'repeated', next: state };
  }
  const key = keyOfCommand(command.id);
  if (key !== undefined && state.commands.some((id) => id.startsWith(key))) return { rejected: OTHER_UNDER_KEY };
  const draft = new ScheduleDraft(command, state);
  const result = handle(draft, command);
  if (typeof result !== 'string') return { rejected: result };
  if (draft.state.version > 0) advance(draft);
  return { accepted: draft.events, outcome: result, next: draft.state };
}
