import type { Unit } from '../../graph/compiled.js';
import { nodeResult } from '../../state/results.js';
import type { State } from '../../state/state.js';
import { isObject } from '../../structures/json.js';

/** Whether every choice that names the step has chosen it. A skipped or failed choice has chosen nothing. */
export function isChosen(state: State, { id, chosenBy }: Unit): boolean {
  return chosenBy.every((choice) => {
    const { output } = nodeResult(state, choice);
    return isObject(output) && Array.isArray(output.steps) && output.steps.includes(id);
  });
}
