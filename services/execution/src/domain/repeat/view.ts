import type { RepeatView } from '@batuta/contracts';
import { isTerminal, type State } from '../state/state.js';
import type { Unit } from '../graph/compiled.js';
import type { UnitState } from '../state/unit-state.js';

export function repeatView(state: State, { repeat }: Unit, unit: UnitState): { repeat?: RepeatView } {
  const { loop, phase, retryAt, failures } = unit;
  if (repeat === undefined || loop === undefined) return {};
  const pauses = phase === 'backoff' && failures === 0 && !isTerminal(state.status);
  return {
    repeat: {
      iterations: loop.done,
      maxIterations: repeat.maxIterations,
      results: [...loop.results],
      ...(pauses ? { nextAt: retryAt } : {}),
    },
  };
}
