import { FAILURE_CODES, LIMITS } from '@batuta/contracts';
import { parseTemplate } from '../../expressions/expressions.js';
import { inputBytesBeyond } from '../../expressions/inputs.js';
import type { StepKind } from '../kind.js';
import { scheduleAttempt } from './attempt.js';

/** The unit itself has the settings of an agent's step: time limits and retries. */
type AgentRules = Readonly<Record<string, never>>;

/**
 * An agent does the work: attempts go to runners until one succeeds or none is left. Compensations and judges have this
 * kind too.
 */
export const agentKind: StepKind<AgentRules> = {
  compile: () => ({}),
  mapping: ({ agent, input }) => (input === undefined ? undefined : parseTemplate(input, agent)),
  takesSlot: true,
  start(draft, unit, _rules, input) {
    const bytes = inputBytesBeyond(LIMITS.stepInputBytes, draft.state, unit, input);
    if (bytes !== undefined) {
      draft.failStep(unit.index, {
        code: FAILURE_CODES.inputTooLarge,
        message: `the step's input has ${bytes} bytes, the limit is ${LIMITS.stepInputBytes}`,
        retryable: false,
      });
      return;
    }
    scheduleAttempt(draft, unit.index);
  },
  finished: undefined,
  awaitsUntil: () => undefined,
  due: () => undefined,
  view: () => ({}),
  failures: {},
};
