import { FAILURE_CODES } from '@batuta/contracts';
import type { StepKind } from '../kind.js';
import { goOn } from './advance.js';
import { compileRoute, routeMapping, type RouteRules } from './rules.js';
import { routeView } from './view.js';

/** One of several candidates is chosen, once, and its output is the step's. */
export const routeKind: StepKind<RouteRules> = {
  compile: compileRoute,
  mapping: routeMapping,
  takesSlot: true,
  start: goOn,
  finished: undefined,
  awaitsUntil: () => undefined,
  due: () => undefined,
  view: routeView,
  failures: {
    [FAILURE_CODES.routeUndecided]: { happened: 'could not decide', is: 'error' },
  },
};
