import { FAILURE_CODES, type WaitView } from '@batuta/contracts';
import type { StepKind } from '../kind.js';
import { isTerminal, type State } from '../../state/state.js';
import type { UnitState } from '../../state/unit-state.js';
import { compileWait, waitMapping, type WaitRules } from './rules.js';
import { endWait, startWait } from './time.js';

function waitView(state: State, { awaited, phase }: UnitState): { wait?: WaitView } {
  if (awaited === undefined || awaited.signal !== undefined) {
    return {};
  }
  const waits = phase === 'awaiting' && !isTerminal(state.status);
  const status = phase === 'completed' ? 'over' : waits ? 'waiting' : 'withdrawn';
  return { wait: { status, sinceAt: awaited.sinceAt, untilAt: awaited.untilAt } };
}

/** The step completes at its time. */
export const waitKind: StepKind<WaitRules> = {
  compile: compileWait,
  mapping: waitMapping,
  takesSlot: false,
  start: startWait,
  finished: undefined,
  awaitsUntil: ({ awaited }) => awaited?.untilAt,
  due: endWait,
  view: waitView,
  failures: {
    [FAILURE_CODES.waitInvalid]: { happened: 'was not told until when to wait', is: 'error' },
  },
};
