import { FAILURE_CODES } from '@batuta/contracts';
import { isAwaiting } from '../../state/unit-state.js';
import type { StepKind } from '../kind.js';
import { decideAwaiting } from './decision.js';
import { requestApproval } from './request.js';
import { approvalMapping, compileApproval, type ApprovalRules } from './rules.js';
import { approvalView } from './view.js';

/** A human decides: the step requests a decision and waits for it or for its timeout. */
export const approvalKind: StepKind<ApprovalRules> = {
  compile: compileApproval,
  mapping: approvalMapping,
  takesSlot: false,
  start: requestApproval,
  finished: undefined,
  awaitsUntil: (unit) => (isAwaiting(unit) ? unit.approval?.deadlineAt : undefined),
  due(draft, unit, rules) {
    decideAwaiting(draft, unit, rules, { approved: rules.approvesOnTimeout, timedOut: true });
  },
  view: approvalView,
  failures: {
    [FAILURE_CODES.approvalRejected]: { happened: 'was not approved', is: 'error' },
    [FAILURE_CODES.approvalTimeout]: { happened: 'was not decided in time', is: 'timeout' },
  },
};
