import { evaluate } from '../effects/effect.js';
import { parseKey } from '../expressions/evaluations.js';
import { begin } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

export const evaluationRequested: EventDefinition<'EvaluationRequested'> = {
  evolve(next, data, event) {
    begin(next, event.at);
    const { purpose, subject } = parseKey(data.key);
    if (purpose === 'output') {
      next.evaluatingOutput = true;
      return;
    }
    if (purpose === 'concurrency') {
      next.place = { phase: 'evaluating' };
      return;
    }
    const index = next.config.unitIndex.get(subject);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    if (purpose === 'vote') {
      if (unit.ballot === 'open') {
        putUnit(next, index, { ...unit, ballot: 'evaluating' });
      }
      if (next.votesToEvaluate?.head === index) {
        next.votesToEvaluate = next.votesToEvaluate.tail;
      }
      return;
    }
    putUnit(next, index, { ...unit, phase: 'evaluating' });
  },
  effects: ({ data }, stateAfter) => evaluate(stateAfter, data.key),
  spans: ({ data: { key } }) => [{ change: 'evaluation began', key }],
  measures: undefined,
  command: undefined,
};
