import { commandIds } from '../domain/index.js';
import type { Command } from '../domain/index.js';
import type { CommandInput, Input } from './inputs.js';

/** The domain command of an input that has one; a check or a visit has none. */
export function commandOf(input: Input, at: number, seed: number): Command | undefined {
  switch (input.kind) {
    case 'command':
      return outsideCommand(input, at, seed);
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
    case 'check':
    case 'visit':
      return undefined;
  }
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
  if (request.decideApproval !== undefined)
    return { ...base, ...by, type: 'DecideApproval', ...request.decideApproval };
  if (request.signal !== undefined) return { ...base, ...by, type: 'SendSignal', ...request.signal };
  if (request.compensate !== undefined) return { ...base, ...by, type: 'CompensateExecution', ...request.compensate };
  if (request.deleteExecution !== undefined) {
    return { ...base, ...by, type: 'DeleteExecution', ...request.deleteExecution };
  }
  return { ...base, ...by, type: 'RetryExecution', ...request.retry };
}
