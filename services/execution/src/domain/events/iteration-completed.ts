import { spend } from '../fold/spend.js';
import { BEGINNING, withResult } from '../repeat/loop-state.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';
import { attemptMeasures } from './metrics.js';

/** What follows, the next iteration or the end of the step, is an event of its own. */
export const iterationCompleted: EventDefinition<'IterationCompleted'> = {
  evolve(next, data) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    const loop = unit.loop ?? BEGINNING;
    putUnit(next, index, {
      ...unit,
      phase: 'calling',
      loop: {
        ...loop,
        done: data.iteration,
        results: withResult(loop.results, data.output ?? null),
        between: true,
        verdict: undefined,
      },
      failure: undefined,
      route: undefined,
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
