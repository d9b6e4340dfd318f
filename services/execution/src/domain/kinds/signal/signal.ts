import { FAILURE_CODES, type SignalView } from '@batuta/contracts';
import { parseTemplate } from '../../expressions/expressions.js';
import { isTerminal, type State } from '../../state/state.js';
import type { UnitState } from '../../state/unit-state.js';
import type { StepKind } from '../kind.js';
import { awaitSignal, missSignal } from './delivery.js';
import { compileSignal, type SignalRules } from './rules.js';

// No agent gets an input.
const NOTHING = parseTemplate(null);

function statusOf(state: State, { awaited, phase, failure }: UnitState): SignalView['status'] {
  if (awaited?.received !== undefined) {
    return 'received';
  }
  if (phase === 'completed' || failure?.code === FAILURE_CODES.signalTimeout) {
    return 'timed_out';
  }
  return phase === 'awaiting' && !isTerminal(state.status) ? 'waiting' : 'withdrawn';
}

function signalView(state: State, unit: UnitState): { signal?: SignalView } {
  const { awaited } = unit;
  if (awaited?.signal === undefined) {
    return {};
  }
  const { signal, sinceAt, untilAt, received } = awaited;
  return {
    signal: {
      status: statusOf(state, unit),
      name: signal,
      sinceAt,
      ...(untilAt === 0 ? {} : { deadlineAt: untilAt }),
      ...(received === undefined ? {} : { receivedAt: received.at }),
      ...(received === undefined || received.by === '' ? {} : { receivedBy: received.by }),
    },
  };
}

/** The step completes when a signal with its name arrives. */
export const signalKind: StepKind<SignalRules> = {
  compile: compileSignal,
  mapping: () => NOTHING,
  takesSlot: false,
  start: awaitSignal,
  finished: undefined,
  awaitsUntil: ({ awaited }) => awaited?.untilAt,
  due: missSignal,
  view: signalView,
  failures: {
    [FAILURE_CODES.signalTimeout]: { happened: 'was not signalled in time', is: 'timeout' },
  },
};
