import { answered, BEGINNING } from '../kinds/llm/conversation.js';
import { spend } from '../fold/spend.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { attemptMeasures } from './metrics.js';
import type { EventDefinition } from './definition.js';

/** The next call or the end of the step is a separate event. */
export const modelAnswered: EventDefinition<'ModelAnswered'> = {
  evolve(next, data) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    putUnit(next, index, {
      ...unit,
      phase: 'calling',
      conversation: answered(unit.conversation ?? BEGINNING, data),
      failures: 0,
      failure: undefined,
      startedAt: data.startedAt,
      finishedAt: data.finishedAt,
      tokenCount: unit.tokenCount + (data.tokenCount ?? 0),
      cost: unit.cost + (data.estimatedCost ?? 0),
      agentVersion: data.agentVersion ?? '',
    });
    spend(next, data);
  },
  effects: undefined,
  spans: ({ data }) => [
    { change: 'attempt ended', stepId: data.stepId, attempt: data.attempt, outcome: 'completed', result: data },
  ],
  measures: attemptMeasures,
  command: undefined,
};
