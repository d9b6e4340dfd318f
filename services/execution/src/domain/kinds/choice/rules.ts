import { expressionIn, type StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

/** Which steps a choice has to choose among. */
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

/** The mapping is the list of conditions: the sandbox is asked once for all that are no plain path. */
export function choiceMapping({ choice }: StepDefinition): Template {
  return parseTemplate((choice?.branches ?? []).map(({ when }) => `{% ${expressionIn(when) ?? when.trim()} %}`));
}

/** The rules of a step that is a choice; undefined for any other. */
export function choiceOf({ work }: Pick<Unit, 'work'>): ChoiceRules | undefined {
  return work.kind === 'choice' ? work.rules : undefined;
}
