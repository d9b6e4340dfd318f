import { LIMITS, LONGEST_DEPENDENCY_WAIT_MS, type ExecutionStarted } from '@batuta/contracts';
import type { Outcome, Rejection, StartExecution } from './command.js';
import type { Draft } from '../draft.js';
import { jsonBytesBeyond } from '../structures/json.js';

/** Starts an execution, once. The same request again is a repeat. A different request with the same id is refused. */
export function startExecution(draft: Draft, command: StartExecution): Outcome | Rejection {
  const { state } = draft;
  const { start, principal } = command;
  if (state.started !== undefined) {
    return (state.started.requestHash ?? '') === (start.requestHash ?? '')
      ? 'repeated'
      : { code: 'idempotency_mismatch', message: 'the idempotency key was used before with another request' };
  }
  const bytes = jsonBytesBeyond(LIMITS.payloadBytes, start.input);
  if (bytes !== undefined) {
    return {
      code: 'payload_too_large',
      message: `the input has ${bytes} bytes, the limit is ${LIMITS.payloadBytes}`,
    };
  }
  const { config } = state;
  const priority = start.priority ?? config.priority;
  const startsAt = Math.max(start.startAt ?? 0, command.at);
  const callbackUrl = start.callbackUrl || config.definition.settings?.callback_url || '';
  // Keys in ascending order, as they are stored, so that no sorting is needed.
  const waits = start.after !== undefined && start.after.length > 0;
  const data: ExecutionStarted = {
    ...(waits ? { after: start.after } : {}),
    ...(start.budget === undefined ? {} : { budget: start.budget }),
    ...(callbackUrl === '' ? {} : { callbackUrl }),
    configId: start.configId,
    configName: config.definition.name,
    configVersion: start.configVersion,
    createdBy: principal.userId,
    deadlineAt: startsAt + (waits ? LONGEST_DEPENDENCY_WAIT_MS : config.timeoutMs),
    ...(start.endTo ? { endTo: start.endTo } : {}),
    ...(start.fork === undefined
      ? {}
      : { forkedFrom: start.fork.executionId, forkedFromStepId: start.fork.fromStepId }),
    ...(start.input === undefined ? {} : { input: start.input }),
    ...(start.metadata === undefined ? {} : { metadata: start.metadata }),
    ...(start.parent === undefined ? {} : { parent: start.parent }),
    ...(priority === 'normal' && config.priority === 'normal' ? {} : { priority }),
    ...(start.requestHash ? { requestHash: start.requestHash } : {}),
    ...(start.sessionId ? { sessionId: start.sessionId } : {}),
    ...(startsAt > command.at ? { startAt: startsAt } : {}),
    tenantId: principal.tenantId,
    traceId: start.traceId,
    ...(start.traceparent ? { traceparent: start.traceparent } : {}),
    userId: principal.userId,
    ...(start.waiters === undefined || start.waiters.length === 0 ? {} : { waiters: start.waiters }),
  };
  draft.emit({ type: 'ExecutionStarted', data });
  for (const { output, ...reused } of command.reused ?? []) {
    draft.emit({ type: 'StepReused', data: { ...reused, ...(output === undefined ? {} : { output }) } });
  }
  return 'done';
}
