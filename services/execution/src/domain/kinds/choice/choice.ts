import type { JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import { truthy } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';
import type { StepKind } from '../kind.js';
import { choiceMapping, compileChoice, type ChoiceRules } from './rules.js';

/** Chooses by the values of the conditions, in the order of the branches. */
function choose(draft: Draft, unit: Unit, { choosesAll, branches, otherwise }: ChoiceRules, values: JsonValue): void {
  const holds = Array.isArray(values) ? values.map(truthy) : [];
  const fitting = branches.flatMap((_, place) => (holds[place] === true ? [place] : []));
  const chosen = choosesAll ? fitting : fitting.slice(0, 1);
  const named = chosen.length === 0 ? otherwise : chosen.flatMap((place) => branches[place] ?? []);
  const steps = [...new Set(named)];
  draft.emit({ type: 'ChoiceMade', data: { branches: chosen, stepId: unit.id, steps } });
  draft.emit({
    type: 'StepCompleted',
    data: {
      attempt: 0,
      finishedAt: draft.at,
      output: { branches: chosen, steps },
      startedAt: draft.at,
      stepId: unit.id,
    },
  });
}

/** Conditions choose which of the dependent steps run. The others are skipped. */
export const choiceKind: StepKind<ChoiceRules> = {
  compile: compileChoice,
  mapping: choiceMapping,
  takesSlot: false,
  start: choose,
  finished: undefined,
  awaitsUntil: () => undefined,
  due: () => undefined,
  view: () => ({}),
  failures: {},
};
