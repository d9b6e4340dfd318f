import type { StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';

/** How long a step waits. */
export interface WaitRules {
  /** Milliseconds from its start; 0 when its mapping says until when. */
  readonly durationMs: number;
}

export function compileWait({ wait }: StepDefinition): WaitRules | undefined {
  return wait === undefined ? undefined : { durationMs: wait.duration_ms ?? 0 };
}

/** The mapping is `until` alone: nobody gets an input. */
export function waitMapping({ wait }: StepDefinition): Template {
  return parseTemplate(wait?.until ?? null);
}
