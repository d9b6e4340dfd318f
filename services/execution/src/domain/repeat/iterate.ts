import { FAILURE_CODES, type StepCompleted } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { evaluationKey, unitContext } from '../expressions/evaluations.js';
import { truthy, valueAtPath } from '../expressions/expressions.js';
import type { Unit } from '../graph/compiled.js';
import { request } from '../plan/request.js';
import { compiledUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { BEGINNING } from './loop-state.js';

/** The step's work is done for one time. What follows is decided by the plan. */
export function iterationCompleted(draft: Draft, unit: Unit, data: StepCompleted): void {
  const { done } = unitState(draft.state, unit.index).loop ?? BEGINNING;
  draft.emit({ type: 'IterationCompleted', data: { ...data, iteration: done + 1 } });
}

/** Decides what follows an iteration that is done: the end of the step, or the next iteration. One at a time. */
export function judgeIteration(draft: Draft): boolean {
  const { state } = draft;
  for (const index of state.config.loopUnits) {
    const { phase, loop } = unitState(state, index);
    const unit = compiledUnit(state, index);
    if (phase !== 'calling' || loop?.between !== true || unit.repeat === undefined) continue;
    const { until, maxIterations, delayMs, completesAtMax } = unit.repeat;
    const found =
      loop.verdict === undefined
        ? valueAtPath(until.path, unitContext(state, unit))
        : { known: true as const, value: loop.verdict.value };
    if (!found.known) {
      request(draft, evaluationKey('until', unit.id));
      return true;
    }
    const iterations = loop.done - loop.before;
    if (truthy(found.value) || (iterations >= maxIterations && completesAtMax)) {
      completeLoop(draft, unit);
    } else if (iterations >= maxIterations) {
      const message = `until was not true after ${iterations} iterations (max_iterations)`;
      draft.failStep(index, { code: FAILURE_CODES.maxIterations, message, retryable: false });
    } else {
      draft.emit({
        type: 'IterationPlanned',
        data: { iteration: loop.done + 1, startAt: draft.at + delayMs, stepId: unit.id },
      });
    }
    return true;
  }
  return false;
}

function completeLoop(draft: Draft, unit: Unit): void {
  const { loop, firstScheduledAt, agentVersion } = unitState(draft.state, unit.index);
  draft.emit({
    type: 'StepCompleted',
    data: {
      ...(agentVersion === '' ? {} : { agentVersion }),
      attempt: 0,
      finishedAt: draft.at,
      output: loop?.results.at(-1) ?? null,
      startedAt: firstScheduledAt,
      stepId: unit.id,
    },
  });
}
