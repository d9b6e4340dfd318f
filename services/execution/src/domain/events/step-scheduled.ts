import { BEGINNING } from '../kinds/llm/conversation.js';
import { llmOf } from '../kinds/llm/rules.js';
import { isAttemptWanted } from '../effects/effect.js';
import { begin, beginGroup } from '../fold/phases.js';
import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, attemptDeadline, STEP_DEADLINE } from '../state/timers.js';
import type { EventDefinition } from './definition.js';

export const stepScheduled: EventDefinition<'StepScheduled'> = {
  evolve(next, data, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    const compiled = compiledUnit(next, index);
    const firstScheduledAt = unit.firstScheduledAt || event.at;
    putUnit(next, index, {
      ...unit,
      phase: 'running',
      attempt: data.attempt,
      firstScheduledAt,
      scheduledAt: event.at,
      heartbeatAt: 0,
      progress: 0,
      progressMessage: '',
      retryAt: 0,
      ...(unit.loop?.since === 0 ? { loop: { ...unit.loop, since: event.at } } : {}),
      ...(llmOf(compiled) === undefined
        ? {}
        : { conversation: { ...(unit.conversation ?? BEGINNING), reserved: data.reserved } }),
      ...(compiled.asksModel && unit.call !== undefined ? { call: { ...unit.call, reserved: data.reserved } } : {}),
    });
    if (unit.firstScheduledAt === 0 && compiled.scheduleToCloseMs > 0) {
      addDeadline(next, index, firstScheduledAt + compiled.scheduleToCloseMs, STEP_DEADLINE);
    }
    const deadline = attemptDeadline(next, index);
    if (deadline !== undefined) {
      addDeadline(next, index, deadline, data.attempt);
    }
    beginGroup(next, index, event.at);
  },
  effects: ({ data: { stepId, attempt } }, stateAfter) =>
    isAttemptWanted(stateAfter, stepId, attempt) ? [{ type: 'dispatch', stepId, attempt }] : [],
  spans: ({ data: { stepId, attempt } }) => [{ change: 'attempt scheduled', stepId, attempt }],
  measures: undefined,
  command: undefined,
};
