import type { StreamMessage } from '@batuta/contracts';
import { commandIds } from '../../domain/index.js';
import type { Command, LimiterCommandInput, ScheduleCommandInput } from '../../domain/index.js';
import type { CommandInput, Input, PlaceAnswerInput } from './inputs.js';

/** The command of an input to an execution. A check or a visit has none. */
export function commandOf(input: Input, at: number, seed: number): Command | undefined {
  switch (input.kind) {
    case 'command':
      return input.request.schedule === undefined ? outsideCommand(input, at, seed) : undefined;
    case 'result': {
      const { result } = input;
      return { type: 'RecordResult', id: commandIds.result(result.stepId, result.attempt), at, seed, result };
    }
    case 'heartbeat': {
      const { stepId, attempt, progress, message, last } = input.heartbeat;
      return {
        type: 'RecordHeartbeat',
        id: commandIds.heartbeat(stepId, attempt),
        at,
        seed,
        stepId,
        attempt,
        ...(progress === undefined ? {} : { progress }),
        ...(message === undefined ? {} : { message }),
        ...(last === true ? { last } : {}),
      };
    }
    case 'wake':
      return { type: 'Wake', id: commandIds.wake, at, seed };
    case 'evaluation':
      return {
        type: 'RecordEvaluation',
        id: commandIds.evaluation(input.key),
        at,
        seed,
        key: input.key,
        ...(input.values === undefined ? {} : { values: input.values }),
        ...(input.failure === undefined ? {} : { failure: input.failure }),
      };
    case 'failed_effect':
      return {
        type: 'FailAttempt',
        id: commandIds.failedEffect(input.stepId, input.attempt),
        at,
        seed,
        stepId: input.stepId,
        attempt: input.attempt,
        failure: input.failure,
      };
    case 'delegated': {
      const { stepId, attempt, configId, version } = input;
      return {
        type: 'DelegateAttempt',
        id: commandIds.delegated(stepId, attempt),
        at,
        seed,
        stepId,
        attempt,
        configId,
        version,
      };
    }
    case 'message':
      return messageCommand(input.message, at, seed);
    case 'child_answer':
    case 'dependency_answer':
      return answerCommand(input, at, seed);
    case 'place_answer':
      return placeAnswered(input, at, seed);
    case 'start_answer':
    case 'place_lost':
    case 'check':
    case 'visit':
      return undefined;
  }
}

/** An evicted execution is told by a message, until it has ended. */
function placeAnswered(input: PlaceAnswerInput, at: number, seed: number): Command | undefined {
  const { limiterId, order, place } = input;
  const base = { type: 'RecordPlace', id: commandIds.place(limiterId, order), at, seed, limiterId, order } as const;
  const { position, held, limit, reason } = place;
  switch (place.state) {
    case 'held':
      return { ...base, what: 'granted' };
    case 'queued':
      return {
        ...base,
        what: 'queued',
        ...(position === undefined ? {} : { position }),
        ...(held === undefined ? {} : { held }),
        ...(limit === undefined ? {} : { limit }),
      };
    case 'evicted':
      return { ...base, what: 'evicted' };
    case 'refused':
      return { ...base, what: 'refused', ...(reason === 'queue_full' ? { full: true } : {}) };
    default:
      return place.state satisfies never;
  }
}

/** The command of an input to a limiter. */
export function limiterCommandOf(input: Input, at: number): LimiterCommandInput | undefined {
  switch (input.kind) {
    case 'wake':
      return { type: 'WakeLimiter', id: commandIds.wake, at };
    case 'message': {
      const { acquire, release, from: holder, streamId: limiterId } = input.message;
      if (acquire !== undefined) {
        const id = commandIds.place(holder, acquire.order);
        return { type: 'AcquirePlace', id, at, limiterId, holder, acquire };
      }
      if (release === undefined) return undefined;
      const { tenantId, order } = release;
      return { type: 'ReleasePlace', id: commandIds.placeReleased(holder, order), at, tenantId, holder, order };
    }
    case 'place_lost': {
      const { holder, order } = input;
      return { type: 'LosePlace', id: commandIds.placeReleased(holder, order), at, holder, order };
    }
    case 'command':
    case 'result':
    case 'heartbeat':
    case 'evaluation':
    case 'failed_effect':
    case 'delegated':
    case 'start_answer':
    case 'child_answer':
    case 'dependency_answer':
    case 'place_answer':
    case 'check':
    case 'visit':
      return undefined;
  }
}

/** What another stream says. Undefined when it is not for an execution. */
function messageCommand(message: StreamMessage, at: number, seed: number): Command | undefined {
  const { ended, parent, askEnd, place, from } = message;
  if (place !== undefined) {
    const { order, what, by } = place;
    const told = { limiterId: from, order, what, ...(by === undefined ? {} : { by }) };
    return { ...told, type: 'RecordPlace', id: commandIds.place(from, order), at, seed };
  }
  if (askEnd !== undefined) {
    return { type: 'AddWaiter', id: commandIds.waits(from), at, seed, waiterId: from, tenantId: askEnd.tenantId };
  }
  if (parent !== undefined) {
    return { ...parent, type: 'ObeyParent', id: commandIds.parent(parent.order), at, seed, from };
  }
  if (ended === undefined) return undefined;
  return { type: 'RecordChildEnd', id: commandIds.ended(from), at, seed, childId: from, end: ended };
}

/** What another stream has answered. */
function answerCommand(
  input: Extract<Input, { kind: 'child_answer' | 'dependency_answer' }>,
  at: number,
  seed: number,
): Command {
  if (input.kind === 'child_answer') {
    const { childId, answer } = input;
    return { type: 'RecordChildAnswer', id: commandIds.startAnswered(childId), at, seed, childId, ...answer };
  }
  const { dependencyId, order, ended } = input;
  return {
    type: 'RecordDependencyAnswer',
    id: commandIds.dependencyAnswered(dependencyId, order),
    at,
    seed,
    dependencyId,
    order,
    ...(ended === undefined ? {} : { ended }),
  };
}

/** The command of an input to a schedule. */
export function scheduleCommandOf(input: Input, at: number): ScheduleCommandInput | undefined {
  switch (input.kind) {
    case 'command':
      return outsideScheduleCommand(input, at);
    case 'wake':
      return { type: 'WakeSchedule', id: commandIds.wake, at };
    case 'message': {
      const { ended, from } = input.message;
      if (ended === undefined) return undefined;
      return { type: 'RecordEnd', id: commandIds.ended(from), at, executionId: from, status: ended.status };
    }
    case 'start_answer': {
      const { startedId, outcome, refusal, ended } = input;
      return {
        type: 'RecordStart',
        id: commandIds.startAnswered(startedId),
        at,
        executionId: startedId,
        outcome,
        ...(refusal === undefined ? {} : { refusal }),
        ...(ended === undefined ? {} : { ended }),
      };
    }
    case 'result':
    case 'heartbeat':
    case 'evaluation':
    case 'failed_effect':
    case 'delegated':
    case 'child_answer':
    case 'dependency_answer':
    case 'place_answer':
    case 'place_lost':
    case 'check':
    case 'visit':
      return undefined;
  }
}

function outsideScheduleCommand({ request }: CommandInput, at: number): ScheduleCommandInput | undefined {
  const { schedule, principal } = request;
  if (schedule === undefined) return undefined;
  const { create, update, pause, resume, trigger, backfill, expectedVersion = 0 } = schedule;
  const base = { id: request.commandId, at, by: principal.userId, expectedVersion };
  if (create !== undefined) {
    return { ...base, type: 'CreateSchedule', scheduleId: request.executionId, principal, create };
  }
  if (update !== undefined) return { ...base, type: 'UpdateSchedule', update };
  if (pause !== undefined) return { ...base, type: 'PauseSchedule', reason: pause.reason ?? '' };
  if (resume !== undefined) return { ...base, type: 'ResumeSchedule', reason: resume.reason ?? '' };
  if (trigger !== undefined) return { ...base, type: 'TriggerSchedule', trigger };
  if (backfill !== undefined) return { ...base, type: 'BackfillSchedule', backfill };
  return { ...base, type: 'DeleteSchedule' };
}

function outsideCommand(input: CommandInput, at: number, seed: number): Command {
  const { request } = input;
  const base = { id: request.commandId, at, seed };
  const by = request.principal.userId === '' ? {} : { by: request.principal.userId };
  if (request.start !== undefined) {
    return {
      ...base,
      type: 'StartExecution',
      executionId: request.executionId,
      principal: request.principal,
      start: request.start,
      ...(input.reused === undefined || 'rejected' in input.reused ? {} : { reused: input.reused }),
    };
  }
  if (request.cancel !== undefined) return { ...base, ...by, type: 'CancelExecution', ...request.cancel };
  if (request.terminate !== undefined) return { ...base, ...by, type: 'TerminateExecution', ...request.terminate };
  if (request.pause !== undefined) return { ...base, ...by, type: 'PauseExecution', ...request.pause };
  if (request.resume !== undefined) return { ...base, ...by, type: 'ResumeExecution', ...request.resume };
  if (request.skipStep !== undefined) return { ...base, ...by, type: 'SkipStep', ...request.skipStep };
  if (request.decideApproval !== undefined) {
    return { ...base, ...by, type: 'DecideApproval', ...request.decideApproval };
  }
  if (request.signal !== undefined) return { ...base, ...by, type: 'SendSignal', ...request.signal };
  if (request.reschedule !== undefined) return { ...base, ...by, type: 'RescheduleExecution', ...request.reschedule };
  if (request.compensate !== undefined) return { ...base, ...by, type: 'CompensateExecution', ...request.compensate };
  if (request.deleteExecution !== undefined) {
    return { ...base, ...by, type: 'DeleteExecution', ...request.deleteExecution };
  }
  if (request.restore !== undefined) return { ...base, ...by, type: 'RestoreExecution', ...request.restore };
  return { ...base, ...by, type: 'RetryExecution', ...request.retry };
}
