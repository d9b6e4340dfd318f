import type { OnParentClose, StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

/** The config that a step runs, and what happens to the child when the step ends first. */
export interface OrchestrationRules {
  /** Name or id. */
  readonly config: string;
  /** 0: the newest. */
  readonly configVersion: number;
  readonly onParentClose: OnParentClose;
}

export function compileOrchestration({ orchestration }: StepDefinition): OrchestrationRules | undefined {
  if (orchestration === undefined) {
    return undefined;
  }
  return {
    config: orchestration.config,
    configVersion: orchestration.config_version ?? 0,
    onParentClose: orchestration.on_parent_close ?? 'cancel',
  };
}

export function orchestrationMapping({ input }: StepDefinition): Template | undefined {
  return input === undefined ? undefined : parseTemplate(input);
}

/** The rules of a step with a child. Undefined for any other step. */
export function orchestrationOf({ work }: Pick<Unit, 'work'>): OrchestrationRules | undefined {
  return work.kind === 'orchestration' ? work.rules : undefined;
}
