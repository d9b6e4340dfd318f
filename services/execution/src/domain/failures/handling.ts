import { FAILURE_CODES, type Failure, type FailurePolicy } from '@batuta/contracts';
import { failureOfKind } from '../kinds/index.js';
import { toleratesOneMore } from '../kinds/map/chunk.js';
import { nodeId } from '../state/results.js';
import { rootNode } from '../state/nodes.js';
import { groupState, unitState, type State } from '../state/state.js';

interface Handling {
  readonly handling: FailurePolicy;
  /** The unit to try next, with handling `fallback`. */
  readonly alternative: number | undefined;
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  FAILURE_CODES.timeout,
  FAILURE_CODES.scheduleToStart,
  FAILURE_CODES.scheduleToClose,
  FAILURE_CODES.heartbeatTimeout,
]);

/** The kind of a failure in the words of `fallback_when`. */
function failureKind(failure: Failure): 'error' | 'timeout' | 'no_consensus' {
  if (failure.code === FAILURE_CODES.noConsensus) {
    return 'no_consensus';
  }
  return TIMEOUTS.has(failure.code) ? 'timeout' : (failureOfKind(failure.code)?.is ?? 'error');
}

function policyOf(state: State, node: number): FailurePolicy {
  if (state.config.isChunk) {
    return toleratesOneMore(state) ? 'continue' : 'abort';
  }
  const { units, groups } = state.config;
  return (node < units.length ? units[node]?.onFailure : groups[node - units.length]?.onFailure) ?? 'abort';
}

/** Whether a node's own fallbacks are used. A main step may limit this to some kinds of failure. */
function fallsBack(state: State, node: number, failure: Failure): boolean {
  const unit = state.config.units[node];
  const kinds = unit === undefined || unit.fallbackFor !== -1 ? [] : unit.fallbackWhen;
  return policyOf(state, node) === 'fallback' && (kinds.length === 0 || kinds.includes(failureKind(failure)));
}

function failureOf(state: State, node: number): Failure | undefined {
  const { units } = state.config;
  return node < units.length ? unitState(state, node).failure : groupState(state, node - units.length).failure;
}

/** The next fallback of a node, in listed order, that was not used yet and serves this kind of failure. */
function nextAlternative(state: State, node: number, failure: Failure, after: number): number | undefined {
  const kind = failureKind(failure);
  return state.config.alternatives[node]?.find((alternative) => {
    const compiled = state.config.units[alternative];
    const unit = unitState(state, alternative);
    const serves = compiled?.fallbackWhen.length === 0 || compiled?.fallbackWhen.includes(kind) === true;
    return alternative > after && serves && !unit.selected && unit.phase === 'waiting';
  });
}

/**
 * The effect of a step's or group's final failure. Its own fallbacks come first (with `on_failure: fallback`), then the
 * next ones of the node that it serves, and so on up the chain. When a chain was tried and nothing is left, the
 * execution aborts.
 */
export function handlingOf(state: State, node: number, failure: Failure): Handling {
  const own = fallsBack(state, node, failure) ? nextAlternative(state, node, failure, -1) : undefined;
  if (own !== undefined) {
    return { handling: 'fallback', alternative: own };
  }
  const root = rootNode(state, node);
  for (let current = node; current !== root;) {
    const target = state.config.units[current]?.fallbackFor ?? root;
    const reason = failureOf(state, target);
    const alternative = reason === undefined ? undefined : nextAlternative(state, target, reason, current);
    if (alternative !== undefined) {
      return { handling: 'fallback', alternative };
    }
    current = target;
  }
  // The failure of a member concerns its group, not the execution.
  const isMember = (state.config.units[root]?.group ?? -1) !== -1;
  const goesOn = isMember || (node === root && policyOf(state, node) === 'continue');
  return { handling: goesOn ? 'continue' : 'abort', alternative: undefined };
}

type Reason = { step_id: string; code: string; message: string };

function collectReasons(state: State, node: number, reasons: Reason[]): void {
  const failure = failureOf(state, node);
  if (failure === undefined) {
    return;
  }
  reasons.push({ step_id: nodeId(state, node), code: failure.code, message: failure.message });
  for (const alternative of state.config.alternatives[node] ?? []) {
    if (unitState(state, alternative).phase === 'failed') {
      collectReasons(state, alternative, reasons);
    }
  }
}

/** The failure that ends the execution, and its node. When fallbacks were tried, every reason is listed. */
export function endingFailure(state: State, node: number, failure: Failure): { failure: Failure; stepId: string } {
  const root = rootNode(state, node);
  const stepId = nodeId(state, root);
  const reasons: Reason[] = [];
  collectReasons(state, root, reasons);
  if (reasons.length < 2) {
    return { failure, stepId };
  }
  const told = reasons.map((reason) => `${reason.step_id}: ${reason.message} (${reason.code})`);
  return {
    stepId,
    failure: {
      code: FAILURE_CODES.allFallbacksFailed,
      message: `${stepId} failed, and so did every alternative: ${told.join('; ')}`,
      retryable: false,
      details: { reasons },
    },
  };
}
