import type { FiringCause, ScheduleEventData, ScheduleEventType, ScheduleStreamEvent } from '@batuta/contracts';
import { isOutsideCommand } from '@batuta/contracts';
import type { NextSchedule, Run, ScheduleState } from './state.js';

type Evolve<T extends ScheduleEventType> = (
  next: NextSchedule,
  data: Readonly<ScheduleEventData[T]>,
  event: Pick<ScheduleStreamEvent, 'executionId' | 'at'>,
) => void;

/** How many command ids are remembered to recognise repeats. */
const KEPT_COMMANDS = 100;

/** Whether a time belongs to the timetable itself, so that it moves the cursor. */
function isOwnTurn(cause: FiringCause): boolean {
  return cause === 'schedule' || cause === 'missed';
}

function pass(next: NextSchedule, cause: FiringCause, nominalAt: number): void {
  if (isOwnTurn(cause)) next.cursor = Math.max(next.cursor, nominalAt);
}

function changeRun(next: NextSchedule, id: string, change: (run: Run) => Run): void {
  next.running = next.running.map((run) => (run.executionId === id ? change(run) : run));
}

function dropRun(next: NextSchedule, id: string): void {
  next.running = next.running.filter((run) => run.executionId !== id);
}

const EVOLVE: { readonly [T in ScheduleEventType]: Evolve<T> } = {
  ScheduleCreated(next, { tenantId, by, definition }, event) {
    next.scheduleId = event.executionId;
    next.tenantId = tenantId;
    next.createdBy = by;
    next.createdAt = event.at;
    next.updatedAt = event.at;
    next.definition = definition;
    next.revision = 1;
    next.cursor = event.at;
  },
  ScheduleUpdated(next, { definition }, event) {
    next.definition = definition;
    next.revision += 1;
    next.updatedAt = event.at;
    next.cursor = Math.max(next.cursor, event.at);
    if (next.status === 'finished') next.status = 'active';
  },
  SchedulePaused(next, { by = '', reason = '', cause }) {
    next.status = 'paused';
    next.pause = { by, reason, cause };
  },
  ScheduleResumed(next, _, event) {
    next.status = 'active';
    next.pause = undefined;
    next.cursor = Math.max(next.cursor, event.at);
  },
  ScheduleFired(next, { nominalAt, executionId, cause }, event) {
    pass(next, cause, nominalAt);
    const place = next.waiting.findIndex((item) => item.nominalAt === nominalAt && item.cause === cause);
    if (place >= 0) next.waiting = next.waiting.toSpliced(place, 1);
    if (isOwnTurn(cause)) next.runs += 1;
    const run: Run = {
      executionId,
      nominalAt,
      cause,
      answered: false,
      started: false,
      stopping: undefined,
      heardAt: event.at,
    };
    next.running = [...next.running.filter((item) => item.executionId !== executionId), run];
    next.counts = { ...next.counts, fired: next.counts.fired + 1 };
    next.lastFiredAt = event.at;
    next.lastExecutionId = executionId;
  },
  ScheduleBuffered(next, { nominalAt, cause, key }) {
    for (const at of nominalAt) pass(next, cause, at);
    next.waiting = [...next.waiting, ...nominalAt.map((at) => ({ nominalAt: at, cause, key }))];
  },
  ScheduleSkipped(next, { firstAt, lastAt, count, reason, cause }) {
    pass(next, cause, lastAt);
    if (reason === 'replaced') {
      next.waiting = next.waiting.filter(({ nominalAt }) => nominalAt < firstAt || nominalAt > lastAt);
    }
    next.counts = { ...next.counts, skipped: next.counts.skipped + count };
  },
  ScheduleStartAnswered(next, { executionId, outcome }, event) {
    if (outcome === 'refused') {
      dropRun(next, executionId);
      next.counts = { ...next.counts, refused: next.counts.refused + 1 };
    } else {
      changeRun(next, executionId, (run) => ({ ...run, answered: true, started: true, heardAt: event.at }));
    }
  },
  ScheduleExecutionEnded(next, { executionId, status }) {
    dropRun(next, executionId);
    next.counts = { ...next.counts, [status]: next.counts[status] + 1 };
  },
  ScheduleOthersStopped(next, { executionIds, how }) {
    for (const id of executionIds) changeRun(next, id, (run) => ({ ...run, stopping: how }));
  },
  ScheduleRunsChecked(next, { executionIds }, event) {
    for (const id of executionIds) changeRun(next, id, (run) => ({ ...run, answered: false, heardAt: event.at }));
  },
  ScheduleFinished(next) {
    next.status = 'finished';
  },
  ScheduleDeleted(next) {
    next.status = 'deleted';
    next.waiting = [];
  },
};

/** The schedule after one more event. Total: an event that does not fit changes only the version. */
export function evolveSchedule(state: ScheduleState, event: ScheduleStreamEvent): ScheduleState {
  const next: NextSchedule = { ...state, version: event.version, at: event.at };
  const { commandId } = event;
  if (isOutsideCommand(commandId) && state.commands[0] !== commandId) {
    next.commands = [commandId, ...state.commands].slice(0, KEPT_COMMANDS);
  }
  (EVOLVE[event.type] as Evolve<ScheduleEventType> | undefined)?.(next, event.data as never, event);
  return next;
}
