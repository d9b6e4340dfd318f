import { castVote } from '../../strategies/consensus/votes.js';
import { parseKey } from '../expressions/evaluations.js';
import { makeReady, putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

export const evaluationRecorded: EventDefinition<'EvaluationRecorded'> = {
  evolve(next, data) {
    const { purpose, subject } = parseKey(data.key);
    const values = data.values ?? [];
    if (purpose === 'output') {
      next.evaluatingOutput = false;
      if (data.failure === undefined) {
        next.outputValues = values;
      } else {
        next.aborted ??= { failure: data.failure, node: -1 };
      }
      return;
    }
    if (purpose === 'concurrency') {
      next.place = { phase: 'evaluated', values };
      if (data.failure !== undefined) next.aborted ??= { failure: data.failure, node: -1 };
      return;
    }
    const index = next.config.unitIndex.get(subject);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    if (purpose === 'vote') {
      // Earlier versions asked the sandbox for paths that are now read directly. Such a vote is counted already.
      if (unit.ballot !== 'evaluating') {
        return;
      }
      castVote(
        next,
        index,
        data.failure === undefined ? 'cast' : 'none',
        data.failure === undefined ? (values[0] ?? null) : undefined,
      );
      return;
    }
    if (unit.phase !== 'evaluating') {
      return;
    }
    if (data.failure !== undefined) {
      putUnit(next, index, { ...unit, phase: 'failing', failure: data.failure });
      return;
    }
    if (purpose === 'until') {
      const { loop } = unit;
      if (loop !== undefined) {
        putUnit(next, index, { ...unit, phase: 'calling', loop: { ...loop, verdict: { value: values[0] ?? null } } });
      }
      return;
    }
    putUnit(
      next,
      index,
      purpose === 'when'
        ? { ...unit, whenValue: values[0] ?? null, whenEvaluated: true }
        : { ...unit, inputValues: values },
    );
    makeReady(next, index);
  },
  effects: undefined,
  spans: ({ data: { key, failure } }) => [{ change: 'evaluation ended', key, failure }],
  measures: undefined,
  command: undefined,
};
