import type { StepDefinition } from '@batuta/contracts';
import { parseExpression, type Expression } from '../expressions/expressions.js';

const DEFAULT_MAX_ITERATIONS = 100;

/** A step runs again until an expression is true. What runs is the step's own kind. */
export interface RepeatRules {
  readonly until: Expression;
  readonly maxIterations: number;
  readonly delayMs: number;
  /** Whether the last result is the step's output when `until` never was true. */
  readonly completesAtMax: boolean;
}

/** Undefined for a step that runs once. */
export function compileRepeat({ repeat }: StepDefinition): RepeatRules | undefined {
  return repeat === undefined
    ? undefined
    : {
        until: parseExpression(repeat.until),
        maxIterations: repeat.max_iterations || DEFAULT_MAX_ITERATIONS,
        delayMs: repeat.delay_ms ?? 0,
        completesAtMax: repeat.on_max === 'complete',
      };
}
