import { withoutResults } from '../kinds/map/map-state.js';
import { callEnded } from '../kinds/llm/places.js';
import { queueGroup } from '../../strategies/consensus/votes.js';
import { settleUnit } from '../fold/settle.js';
import { spend } from '../fold/spend.js';
import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { attemptMeasures } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const stepCompleted: EventDefinition<'StepCompleted'> = {
  evolve(next, data) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const compiled = compiledUnit(next, index);
    if (compiled.kind === 'tool') {
      spend(next, data);
      callEnded(next, index, { output: data.output ?? null, tokens: data.tokenCount ?? 0 });
      return;
    }
    const unit = unitState(next, index);
    putUnit(next, index, {
      ...unit,
      phase: 'completed',
      // 0 when no attempt produced it: an approval, or the end of a conversation.
      attempt: data.attempt || unit.attempt,
      output: data.output ?? null,
      failure: undefined,
      startedAt: data.startedAt,
      finishedAt: data.finishedAt,
      tokenCount: unit.tokenCount + (data.tokenCount ?? 0),
      cost: unit.cost + (data.estimatedCost ?? 0),
      agentVersion: data.agentVersion ?? '',
      map: unit.map === undefined ? undefined : withoutResults(unit.map),
    });
    spend(next, data);
    if (compiled.compensation !== -1) {
      next.undoable = { head: index, tail: next.undoable };
    }
    if (compiled.kind === 'compensation') {
      next.undoable = next.undoable?.tail;
      next.undone = { head: compiled.compensates, tail: next.undone };
    }
    settleUnit(next, index);
    if (compiled.kind === 'judge') {
      queueGroup(next, compiled.group);
    }
  },
  effects: undefined,
  spans: ({ data }) => [
    { change: 'attempt ended', stepId: data.stepId, attempt: data.attempt, outcome: 'completed', result: data },
    { change: 'node ended', id: data.stepId, status: 'completed' },
  ],
  measures: attemptMeasures,
  command: undefined,
};
