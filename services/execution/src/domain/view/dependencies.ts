import type { DependencyView, ExecutionView } from '@batuta/contracts';
import { waitsForDependencies, isMet, type DependencyState } from '../state/dependencies.js';
import type { State } from '../state/state.js';

function stateOf(each: DependencyState): DependencyView['state'] {
  if (each.ended !== undefined) {
    return isMet(each) ? 'met' : 'failed';
  }
  return each.missing ? 'not_started' : 'waiting';
}

const MUST = { success: 'complete', failed: 'fail', finished: 'end' } as const;

/** Why it has not begun, for people. */
function reason(open: readonly DependencyState[]): string {
  const [first] = open;
  if (first === undefined) {
    return '';
  }
  const { executionId, process, on, missing } = first;
  const named = process === '' ? `execution ${executionId}` : `process ${process}`;
  const more = open.length > 1 ? `, and ${open.length - 1} more` : '';
  return missing && process !== ''
    ? `waits for ${named}, which has not been started${more}`
    : `waits for ${named} to ${MUST[on]}${more}`;
}

/** The executions that it must wait for before it begins. */
export function dependenciesView(state: State): Pick<ExecutionView, 'after' | 'pendingReason'> {
  const { dependencies, status } = state;
  if (dependencies === undefined) {
    return {};
  }
  const after = dependencies.map((each): DependencyView => ({
    executionId: each.executionId,
    on: each.on,
    state: stateOf(each),
    ...(each.process === '' ? {} : { process: each.process }),
    ...(each.ended === undefined ? {} : { ended: each.ended }),
  }));
  const open = dependencies.filter((each) => !isMet(each));
  return { after, ...(status === 'pending' && waitsForDependencies(state) ? { pendingReason: reason(open) } : {}) };
}
