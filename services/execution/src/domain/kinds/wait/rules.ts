import type { StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';

/** How long a step waits. */
export interface WaitRules {
  /** Milliseconds from its start. 0 when its mapping gives the end. */
  readonly durationMs: number;
}

export function compileWait({ wait }: StepDefinition): WaitRules | undefined {
  return wait === undefined ? undefined : { durationMs: wait.duration_ms ?? 0 };
}

/** The mapping is only `until`, because no agent gets an input. */
export function waitMapping({ wait }: StepDefinition): Template {
  return parseTemplate(wait?.until ?? null);
}
