import { FAILURE_CODES, type Failure } from '@batuta/contracts';
import { failureOfKind } from '../kinds/index.js';
import { unitState, type State } from '../state/state.js';

/** What failed: a step, a consensus group, a compensation, or the execution itself. */
export type Failed =
  | {
      readonly kind: 'step' | 'compensation';
      readonly id: string;
      readonly name: string;
      /** Empty when no agent runs it. */
      readonly agent: string;
      /** 0 when no attempt was made. */
      readonly attempts: number;
    }
  | { readonly kind: 'group'; readonly id: string }
  | { readonly kind: 'execution' };

const TIMEOUTS: ReadonlySet<string> = new Set([
  FAILURE_CODES.timeout,
  FAILURE_CODES.scheduleToStart,
  FAILURE_CODES.scheduleToClose,
  FAILURE_CODES.heartbeatTimeout,
]);

const ALL_FAILED = ' failed, and so did every alternative';

function afterAttempts(attempts: number): string {
  return attempts === 0 ? '' : ` after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

/** What happened, as the beginning of a sentence. */
function happened(failed: Failed, code: string): string {
  switch (failed.kind) {
    case 'step': {
      const ofKind = failureOfKind(code);
      if (ofKind !== undefined) {
        return `Step "${failed.id}" ${ofKind.happened}`;
      }
      const verb = TIMEOUTS.has(code) ? 'timed out' : failed.attempts === 0 ? 'could not run' : 'failed';
      return `Step "${failed.id}" ${verb}${afterAttempts(failed.attempts)}`;
    }
    case 'compensation':
      return `Step "${failed.id}" could not be undone${afterAttempts(failed.attempts)}`;
    case 'group':
      return code === FAILURE_CODES.noConsensus
        ? `Group "${failed.id}" came to no agreement`
        : `Group "${failed.id}" failed`;
    case 'execution':
      switch (code) {
        case FAILURE_CODES.executionTimeout:
          return 'The execution timed out';
        case FAILURE_CODES.budgetExceeded:
          return 'The budget was exceeded';
        default:
          return 'The execution failed';
      }
    default:
      return failed satisfies never;
  }
}

/** A failure as one sentence for people: what failed, after how many attempts, with which code, and why. */
export function failureSentence(failed: Failed, { code, message }: Failure): string {
  const prefix = failed.kind === 'execution' ? '' : `${failed.id}${ALL_FAILED}`;
  if (failed.kind !== 'execution' && code === FAILURE_CODES.allFallbacksFailed && message.startsWith(prefix)) {
    const what = failed.kind === 'group' ? 'Group' : 'Step';
    return `${what} "${failed.id}"${message.slice(failed.id.length)}`;
  }
  return `${happened(failed, code)} (${code})${message === '' ? '' : `: ${message}`}`;
}

/** A failure in the form of the API: with fields for what failed, and as a sentence. */
export function shownFailure(failed: Failed, failure: Failure): Failure {
  const summary = failureSentence(failed, failure);
  switch (failed.kind) {
    case 'step':
    case 'compensation':
      return {
        ...failure,
        stepId: failed.id,
        stepName: failed.name,
        ...(failed.agent === '' ? {} : { agent: failed.agent }),
        ...(failed.attempts === 0 ? {} : { attempts: failed.attempts }),
        summary,
      };
    case 'group':
      return { ...failure, stepId: failed.id, summary };
    case 'execution':
      return { ...failure, summary };
    default:
      return failed satisfies never;
  }
}

/** What an id in a failure of the execution means: a step, a group, or, when empty, the execution itself. */
export function failedNode(state: State, id: string): Failed {
  const index = state.config.unitIndex.get(id);
  const unit = index === undefined ? undefined : state.config.units[index];
  if (unit !== undefined) {
    const { attempt } = unitState(state, unit.index);
    return { kind: 'step', id, name: unit.name, agent: unit.agent, attempts: attempt };
  }
  return state.config.groupIndex.has(id) ? { kind: 'group', id } : { kind: 'execution' };
}
