import type { StepDefinition } from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

/** Who decides instead of an agent, and the decision by timeout. */
export interface ApprovalRules {
  /** User ids. Empty means every operator. */
  readonly approvers: readonly string[];
  /** Milliseconds from the request. 0 means no limit of its own. */
  readonly timeoutMs: number;
  readonly approvesOnTimeout: boolean;
}

export function compileApproval({ approval }: StepDefinition): ApprovalRules | undefined {
  if (approval === undefined) {
    return undefined;
  }
  return {
    approvers: approval.approvers ?? [],
    timeoutMs: approval.timeout_ms ?? 0,
    approvesOnTimeout: approval.on_timeout === 'approve',
  };
}

/** An approval's message is evaluated together with its input: one mapping, one answer of the sandbox. */
export function approvalMapping({ input, approval }: StepDefinition): Template {
  return parseTemplate({ message: approval?.message ?? '', ...(input === undefined ? {} : { input }) });
}

/** The rules of an approval step. Undefined for any other step. */
export function approvalOf({ work }: Pick<Unit, 'work'>): ApprovalRules | undefined {
  return work.kind === 'approval' ? work.rules : undefined;
}
