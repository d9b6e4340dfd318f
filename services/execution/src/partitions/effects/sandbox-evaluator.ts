import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import type { Sandbox } from '@batuta/sandbox';
import type { EvaluationOutcome, Evaluator, ValidationOutcome } from '../ports/ports.js';

/** How many violations a failure names. */
const MAX_VIOLATIONS = 5;

/** Evaluates users' JSONata and JSON Schemas in the sandbox's threads. An undefined result becomes null. */
export function sandboxEvaluator(sandbox: Sandbox): Evaluator {
  return {
    async evaluate({ tenantId, expressions, scope }): Promise<EvaluationOutcome> {
      const values: JsonValue[] = [];
      for (const expression of expressions) {
        try {
          const outcome = await sandbox.evaluate({ tenantId, expression, context: scope });
          if (!outcome.ok) {
            const { code, message, position } = outcome.failure;
            const where = position === undefined ? '' : ` at position ${position}`;
            const text = `the expression ${JSON.stringify(expression)} failed${where}: ${message} (${code})`;
            return { failure: { code: FAILURE_CODES.expressionFailed, message: text, retryable: false } };
          }
          values.push(outcome.value ?? null);
        } catch (error) {
          // The sandbox is overloaded or closing.
          return { unavailable: error instanceof Error ? error.message : String(error) };
        }
      }
      return { values };
    },
    async validate({ tenantId, schema, value }): Promise<ValidationOutcome> {
      try {
        const validation = await sandbox.validateJson({ tenantId, schema, value, maxViolations: MAX_VIOLATIONS });
        if (validation.ok) return { violations: validation.violations, total: validation.total };
        const { code, message } = validation.failure;
        return code === 'sandbox_failed' ? { unavailable: message } : { failure: message };
      } catch (error) {
        return { unavailable: error instanceof Error ? error.message : String(error) };
      }
    },
  };
}
