import type { RouteView } from '@batuta/contracts';
import type { State } from '../../state/state.js';
import type { UnitState } from '../../state/unit-state.js';

export function routeView(_state: State, { route }: UnitState): { route?: RouteView } {
  if (route?.decided === undefined) return {};
  const { stepId: _step, ...decided } = route.decided;
  return { route: { ...decided } };
}
