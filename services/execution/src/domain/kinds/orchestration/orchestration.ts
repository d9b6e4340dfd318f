import { FAILURE_CODES, type ChildView } from '@batuta/contracts';
import type { StepKind } from '../kind.js';
import { requestChild } from './child.js';
import type { ChildState } from './child-state.js';
import { compileOrchestration, orchestrationMapping, type OrchestrationRules } from './rules.js';

/**
 * The child of a step in the parent's view, with the state that the parent knows. `waits`: the step still waits for it.
 */
export function childView(stepId: string, child: ChildState, waits: boolean): ChildView {
  const { id, config, started, ended } = child;
  return {
    stepId,
    executionId: id,
    config: started?.configName ?? config,
    ...(started === undefined ? {} : { configId: started.configId, configVersion: started.configVersion }),
    status: ended ?? (started === undefined ? 'starting' : 'running'),
    ...(ended === undefined && !waits ? { closed: true } : {}),
  };
}

/** Another config runs as a separate execution, and its output is the step's output. */
export const orchestrationKind: StepKind<OrchestrationRules> = {
  compile: compileOrchestration,
  mapping: orchestrationMapping,
  takesSlot: true,
  start: requestChild,
  finished: undefined,
  awaitsUntil: ({ child }) => (child === undefined ? undefined : 0),
  due: () => undefined,
  // Its view contains the step, which a kind does not know: `stepView` adds it.
  view: () => ({}),
  failures: {
    [FAILURE_CODES.childFailed]: { happened: 'failed', is: 'error' },
    [FAILURE_CODES.childCancelled]: { happened: 'failed', is: 'error' },
    [FAILURE_CODES.childDeleted]: { happened: 'failed', is: 'error' },
    [FAILURE_CODES.childRefused]: { happened: 'could not start its child', is: 'error' },
    [FAILURE_CODES.nestedTooDeep]: { happened: 'could not start its child', is: 'error' },
  },
};
