import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import type { Sandbox } from '@batuta/sandbox';
import type { EvaluationOutcome, Evaluator } from './ports.js';

/** Evaluates users' JSONata in the sandbox's threads; undefined becomes null. */
export function sandboxEvaluator(sandbox: Sandbox): Evaluator {
  return {
    async evaluate({ expressions, scope }): Promise<EvaluationOutcome> {
      const values: JsonValue[] = [];
      for (const expression of expressions) {
        try {
          const outcome = await sandbox.evaluate({ expression, context: scope });
          if (!outcome.ok) {
            const { code, message, position } = outcome.failure;
            const where = position === undefined ? '' : ` at position ${position}`;
            const text = `the expression ${JSON.stringify(expression)} failed${where}: ${message} (${code})`;
            return { failure: { code: FAILURE_CODES.expressionFailed, message: text, retryable: false } };
          }
          values.push(outcome.value ?? null);
        } catch (error) {
          // Too much waits for the sandbox: trying the step again may help.
          const text = error instanceof Error ? error.message : String(error);
          return { failure: { code: FAILURE_CODES.expressionFailed, message: text, retryable: true } };
        }
      }
      return { values };
    },
  };
}
