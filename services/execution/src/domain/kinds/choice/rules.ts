import { expressionIn, type StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

/** The steps that a choice chooses among. */
export interface ChoiceRules {
  readonly choosesAll: boolean;
  /** Ids of the steps of each branch. */
  readonly branches: readonly (readonly string[])[];
  readonly otherwise: readonly string[];
}

export function compileChoice({ choice }: StepDefinition): ChoiceRules | undefined {
  if (choice === undefined) {
    return undefined;
  }
  return {
    choosesAll: choice.mode === 'all',
    branches: choice.branches.map(({ steps }) => steps),
    otherwise: choice.default ?? [],
  };
}

/** The mapping is the list of conditions. The sandbox evaluates all of them together, except plain paths. */
export function choiceMapping({ choice }: StepDefinition): Template {
  return parseTemplate((choice?.branches ?? []).map(({ when }) => `{% ${expressionIn(when) ?? when.trim()} %}`));
}

/** The rules of a choice step. Undefined for any other step. */
export function choiceOf({ work }: Pick<Unit, 'work'>): ChoiceRules | undefined {
  return work.kind === 'choice' ? work.rules : undefined;
}
