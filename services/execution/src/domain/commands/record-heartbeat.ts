import type { Outcome, RecordHeartbeat } from './command.js';
import type { Draft } from '../draft.js';
import { isTerminal, unitState } from '../state/state.js';

/**
 * Milliseconds between recorded heartbeats that only report progress. Heartbeats that extend a deadline are recorded as
 * needed. A runner sends its newest one once a second, so none of them is dropped.
 */
const NEWS_INTERVAL_MS = 500;
const MESSAGE_LENGTH = 1024;

/** Records a heartbeat when it reports progress or extends the attempt's deadline. `stale` tells the agent to stop. */
export function recordHeartbeat(draft: Draft, command: RecordHeartbeat): Outcome {
  const { state } = draft;
  const index = state.config.unitIndex.get(command.stepId);
  if (state.started === undefined || index === undefined) {
    return 'unknown';
  }
  const unit = unitState(state, index);
  if (isTerminal(state.status) || unit.phase !== 'running' || unit.attempt !== command.attempt) {
    return 'stale';
  }
  const compiled = state.config.units[index];
  const progress = command.progress === undefined ? undefined : Math.min(1, Math.max(0, command.progress));
  const message = command.message?.slice(0, MESSAGE_LENGTH);
  const news =
    (progress !== undefined && progress !== unit.progress) ||
    (message !== undefined && message !== unit.progressMessage);
  const since = command.at - unit.heartbeatAt;
  const heartbeatMs = compiled?.heartbeatMs ?? 0;
  const first = unit.heartbeatAt === 0 && (news || heartbeatMs > 0 || (compiled?.scheduleToStartMs ?? 0) > 0);
  const keepsAlive = heartbeatMs > 0 && since >= heartbeatMs / 3;
  if (first || keepsAlive || (news && (command.last === true || since >= NEWS_INTERVAL_MS))) {
    draft.emit({
      type: 'StepProgressed',
      data: {
        stepId: command.stepId,
        attempt: command.attempt,
        ...(progress === undefined ? {} : { progress }),
        ...(message === undefined ? {} : { message }),
      },
    });
  }
  return 'recorded';
}
