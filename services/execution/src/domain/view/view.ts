import type {
  BudgetView,
  ChildView,
  CompensationView,
  ConsensusView,
  ControlView,
  ExecutionView,
  JsonValue,
  StepStatus,
  RestoredView,
  StepView,
} from '@batuta/contracts';
import { budgetOf, hasBudget } from '../budget/budget.js';
import type { Unit } from '../graph/compiled.js';
import { ofKinds } from '../kinds/index.js';
import { childView } from '../kinds/orchestration/orchestration.js';
import { dependenciesView } from './dependencies.js';
import { placeView } from './place.js';
import { repeatView } from '../repeat/view.js';
import { failedNode, shownFailure } from './failures.js';
import { compensationOutcome } from '../plan/compensation.js';
import { nodeId, nodeResult, servingUnit } from '../state/results.js';
import {
  groupState,
  isTerminal,
  listHas,
  listItems,
  priorityOf,
  unitState,
  type ControlState,
  type State,
} from '../state/state.js';
import { votesOf } from '../../strategies/consensus/ballots.js';
import { waitsForChild, type UnitState } from '../state/unit-state.js';

const MOST_CONTROLS = 100;

/** The status of a step in the API. Steps that an ended execution did not reach are skipped. */
function stepStatus(state: State, unit: UnitState): StepStatus {
  const ended = isTerminal(state.status);
  switch (unit.phase) {
    case 'completed':
    case 'failed':
    case 'skipped':
      return unit.phase;
    case 'waiting':
    case 'ready':
      return ended ? 'skipped' : 'pending';
    case 'running':
    case 'failing':
    case 'evaluating':
    case 'awaiting':
    case 'calling':
      return ended ? 'skipped' : 'running';
    case 'backoff':
    case 'interrupted':
      if (ended) {
        return 'skipped';
      }
      return state.status === 'paused' ? 'paused' : 'running';
    default:
      return unit.phase satisfies never;
  }
}

/** Why a step is skipped when no event says so: its execution ended first. */
function skipReason(state: State, unit: UnitState): string {
  if (unit.phase === 'skipped') {
    return unit.skipReason;
  }
  if (state.status === 'completed') {
    return 'not_selected';
  }
  return unit.attempt > 0 || unit.firstScheduledAt > 0 ? `execution_${state.status}` : 'not_reached';
}

/** The newest of these commands, for the given step if there is one. */
function lastControl(
  state: State,
  commands: readonly ControlState['command'][],
  stepId = '',
): ControlState | undefined {
  for (let cell = state.controls; cell !== undefined; cell = cell.tail) {
    if (commands.includes(cell.head.command) && cell.head.stepId === stepId) {
      return cell.head;
    }
  }
  return undefined;
}

function skippedBy(state: State, stepId: string): Pick<StepView, 'skippedBy' | 'skipComment'> {
  const skip = lastControl(state, ['skip'], stepId);
  return {
    ...(skip === undefined || skip.by === '' ? {} : { skippedBy: skip.by }),
    ...(skip === undefined || skip.reason === '' ? {} : { skipComment: skip.reason }),
  };
}

/** Users' commands, oldest first. The number is limited, because a user may repeat them any number of times. */
function controls(state: State): ControlView[] {
  const newest: ControlView[] = [];
  for (let cell = state.controls; cell !== undefined && newest.length < MOST_CONTROLS; cell = cell.tail) {
    const { command, at, by, reason, stepId } = cell.head;
    newest.push({
      command,
      at,
      ...(by === '' ? {} : { by }),
      ...(reason === '' ? {} : { reason }),
      ...(stepId === '' ? {} : { stepId }),
    });
  }
  return newest.toReversed();
}

/** Who brought the execution into its current state, and why. */
function controlled(state: State): Partial<ExecutionView> {
  if (state.controls === undefined) {
    return {};
  }
  const paused = state.status === 'paused' ? lastControl(state, ['pause']) : undefined;
  const isCancelled = state.status === 'cancelled' || state.compensation?.cause === 'cancel';
  const cancelled = isCancelled ? lastControl(state, ['cancel', 'terminate']) : undefined;
  return {
    ...(paused === undefined || paused.by === '' ? {} : { pausedBy: paused.by }),
    ...(paused === undefined || paused.reason === '' ? {} : { pauseReason: paused.reason }),
    ...(cancelled === undefined || cancelled.by === '' ? {} : { cancelledBy: cancelled.by }),
    ...(cancelled === undefined || cancelled.reason === '' ? {} : { cancelReason: cancelled.reason }),
    ...(cancelled?.command === 'terminate' ? { terminated: true } : {}),
    controls: controls(state),
  };
}

/** Attempts that were made again. A step makes one at least for each answer of a model, and for each iteration. */
function retries({ attempt, conversation, loop, phase }: UnitState): number {
  const done = conversation?.turn ?? loop?.done ?? 0;
  const isBetween = phase === 'calling' || phase === 'completed' || loop?.between === true;
  const first = done + (done > 0 && isBetween ? 0 : 1);
  return Math.max(0, attempt - first);
}

/** A step in the execution's view. Times are epoch milliseconds. */
export function stepView(state: State, compiled: Unit): StepView {
  const unit = unitState(state, compiled.index);
  const status = stepStatus(state, unit);
  const { definition } = compiled;
  const serving = servingUnit(state, compiled.index);
  const done = status === 'completed' || status === 'failed';
  return {
    stepIndex: compiled.index,
    // A call of a tool is decided about under an id of its own.
    stepId: unit.approval?.decideAs ?? compiled.id,
    stepName: compiled.name,
    agentId: compiled.agent,
    status,
    dependencies: [...(definition?.dependencies ?? [])],
    attempt: unit.attempt,
    retryCount: retries(unit),
    outputKey: compiled.outputKey,
    ...(unit.agentVersion === '' ? {} : { agentVersion: unit.agentVersion }),
    ...(unit.phase === 'completed' ? { output: unit.output ?? null } : {}),
    ...(unit.failure !== undefined && unit.phase !== 'completed'
      ? { failure: shownFailure(failedNode(state, compiled.id), unit.failure) }
      : {}),
    ...(unit.startedAt > 0 || unit.firstScheduledAt > 0 ? { startedAt: unit.startedAt || unit.firstScheduledAt } : {}),
    ...(unit.finishedAt > 0 && (done || status === 'skipped') ? { completedAt: unit.finishedAt } : {}),
    ...(done && unit.finishedAt > 0 && unit.startedAt > 0
      ? { latencyMs: Math.max(0, unit.finishedAt - unit.startedAt) }
      : {}),
    ...(unit.tokenCount > 0 ? { tokenCount: unit.tokenCount } : {}),
    ...(unit.cost > 0 ? { estimatedCost: unit.cost } : {}),
    ...(status === 'skipped' ? { skipReason: skipReason(state, unit) } : {}),
    ...(unit.phase === 'skipped' && unit.skipReason === 'requested' ? skippedBy(state, compiled.id) : {}),
    ...(compiled.fallbackFor === -1 ? {} : { fallbackFor: nodeId(state, compiled.fallbackFor) }),
    ...(serving !== compiled.index && unitState(state, serving).phase === 'completed'
      ? { servedBy: nodeId(state, serving) }
      : {}),
    ...(unit.heartbeatAt > 0 ? { progress: unit.progress } : {}),
    ...(unit.progressMessage === '' ? {} : { progressMessage: unit.progressMessage }),
    ...(compiled.group === -1 ? {} : { consensusGroup: state.config.groups[compiled.group]?.id ?? '' }),
    ...(unit.reused ? { reused: true } : {}),
    ...(unit.phase === 'backoff' ? { retryAt: unit.retryAt } : {}),
    ...ofKinds(state, unit),
    ...repeatView(state, compiled, unit),
    ...(unit.child === undefined ? {} : { child: childView(compiled.id, unit.child, hasChild(state, unit)) }),
  };
}

function consensusView(state: State, index: number): ConsensusView {
  const group = groupState(state, index);
  const compiled = state.config.groups[index];
  const node = state.config.units.length + index;
  const serving = servingUnit(state, node);
  const ended = isTerminal(state.status);
  const open = group.startedAt > 0 ? 'running' : 'pending';
  const status: StepStatus =
    group.phase === 'open' || group.phase === 'judging' ? (ended ? 'skipped' : open) : group.phase;
  const ids = (nodes: readonly number[]): string[] => nodes.map((each) => nodeId(state, each));
  return {
    groupId: compiled?.id ?? '',
    mode: compiled?.mode ?? 'quorum',
    status,
    votes: group.votes.length > 0 ? [...group.votes] : votesOf(state, index),
    winners: ids(group.winners),
    dissent: ids(group.dissent),
    ...(group.decidedBy === undefined ? {} : { decidedBy: group.decidedBy, share: group.share }),
    ...(group.failure === undefined
      ? {}
      : { failure: shownFailure({ kind: 'group', id: compiled?.id ?? '' }, group.failure) }),
    ...(group.phase === 'completed' ? { output: nodeResult(state, node).output } : {}),
    ...(serving !== -1 && unitState(state, serving).phase === 'completed' ? { servedBy: nodeId(state, serving) } : {}),
  };
}

function compensationView(state: State, compiled: Unit): CompensationView {
  const unit = unitState(state, compiled.index);
  const status: StepStatus = listHas(state.undone, compiled.compensates) ? 'completed' : stepStatus(state, unit);
  const id = nodeId(state, compiled.compensates);
  const name = state.config.units[compiled.compensates]?.name ?? '';
  const undoing = { kind: 'compensation', id, name, agent: compiled.agent, attempts: unit.attempt } as const;
  return {
    stepId: id,
    status,
    attempt: unit.attempt,
    ...(unit.failure !== undefined && status !== 'completed' ? { failure: shownFailure(undoing, unit.failure) } : {}),
  };
}

function budgetView(state: State): BudgetView {
  const { spentTokens, spentCost, exceeded } = state;
  return { ...budgetOf(state), spentTokens, spentCost, ...(exceeded === undefined ? {} : { exceeded }) };
}

function hasChild(state: State, unit: UnitState): boolean {
  return waitsForChild(unit) && !isTerminal(state.status);
}

/** The children of its lanes are those of a step with a map. */
function shownStep({ config }: State, index: number): string {
  const unit = config.units[index];
  return (unit?.kind === 'lane' ? config.units[unit.caller]?.id : unit?.id) ?? '';
}

function childrenOf(state: State): { children?: ChildView[] } {
  const children = state.config.childUnits.flatMap((index) => {
    const unit = unitState(state, index);
    return unit.child === undefined ? [] : [childView(shownStep(state, index), unit.child, hasChild(state, unit))];
  });
  return children.length === 0 ? {} : { children };
}

function restoredView({ restored }: State): { restored?: RestoredView } {
  if (restored === undefined) return {};
  const { archive, by, reason } = restored.facts;
  return {
    restored: {
      at: restored.at,
      archive,
      ...(by === undefined ? {} : { by }),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

/** Signals that came before a step waited for them, oldest first. */
function keptSignals(state: State): Pick<ExecutionView, 'keptSignals'> {
  const kept = listItems(state.keptSignals).toReversed();
  if (kept.length === 0) return {};
  return {
    keptSignals: kept.map(({ name, at, by }) => ({ name, receivedAt: at, ...(by === '' ? {} : { receivedBy: by }) })),
  };
}

/** The execution's view. Times are epoch milliseconds. */
export function view(state: State): ExecutionView {
  const { started, config } = state;
  const ended = isTerminal(state.status);
  const compensations =
    state.compensation === undefined
      ? []
      : config.units.filter((unit) => unit.kind === 'compensation').map((unit) => compensationView(state, unit));
  return {
    id: state.executionId,
    traceId: started?.traceId ?? '',
    configId: started?.configId ?? '',
    configName: started?.configName ?? config.definition.name,
    configVersion: started?.configVersion ?? 0,
    strategy: config.strategy,
    status: state.status,
    userId: started?.userId ?? '',
    tenantId: started?.tenantId ?? '',
    createdAt: state.createdAt,
    startedAt: state.startedAt,
    estimatedCost: state.cost,
    tokenCount: state.tokenCount,
    createdBy: started?.createdBy ?? '',
    version: state.version,
    priority: priorityOf(state),
    steps: config.units.slice(0, config.stepCount).map((unit) => stepView(state, unit)),
    ...keptSignals(state),
    ...(started?.input === undefined ? {} : { input: started.input as JsonValue }),
    ...(state.status === 'completed' ? { output: state.output ?? null } : {}),
    ...(state.failure === undefined
      ? {}
      : { failure: shownFailure(failedNode(state, state.failedStepId), state.failure) }),
    ...(started?.sessionId === undefined ? {} : { sessionId: started.sessionId }),
    ...(started?.metadata === undefined ? {} : { metadata: started.metadata }),
    ...(started?.callbackUrl === undefined ? {} : { callbackUrl: started.callbackUrl }),
    ...(started?.startAt === undefined ? {} : { startAt: started.startAt }),
    ...(started?.parent === undefined ? {} : { parent: started.parent }),
    ...childrenOf(state),
    ...dependenciesView(state),
    ...placeView(state),
    ...restoredView(state),
    ...(started?.forkedFrom === undefined ? {} : { forkedFrom: started.forkedFrom }),
    ...(started?.forkedFromStepId === undefined ? {} : { forkedFromStepId: started.forkedFromStepId }),
    ...(state.pausedAt > 0 ? { pausedAt: state.pausedAt } : {}),
    ...(ended
      ? { completedAt: state.completedAt, totalLatencyMs: Math.max(0, state.completedAt - state.createdAt) }
      : { deadlineAt: state.deadlineAt }),
    ...(config.groups.length > 0 ? { consensus: config.groups.map((group) => consensusView(state, group.index)) } : {}),
    ...(compensations.length > 0 ? { compensations } : {}),
    ...(state.compensation === undefined ? {} : { compensation: compensationOutcome(state) }),
    ...(hasBudget(state) ? { budget: budgetView(state) } : {}),
    ...(config.monitored ? {} : { enableMonitoring: false }),
    ...controlled(state),
  };
}

/**
 * The output of a step or consensus group by its id. Undefined when the config has neither, null when there is no
 * output.
 */
export function nodeOutput(state: State, id: string): JsonValue | undefined {
  const group = state.config.groupIndex.get(id);
  if (group !== undefined) {
    return consensusView(state, group).output ?? null;
  }
  const index = state.config.unitIndex.get(id);
  if (index === undefined || index >= state.config.stepCount) {
    return undefined;
  }
  return unitState(state, index).output ?? null;
}

/**
 * Whether the output alone is the execution's result: there was no vote, fallback, compensation, spending or budget.
 */
export function isPlainResult(state: State): boolean {
  const { config } = state;
  return (
    state.status === 'completed' &&
    config.groups.length === 0 &&
    state.cost === 0 &&
    state.tokenCount === 0 &&
    !hasBudget(state) &&
    config.alternatives.every((each) => each.length === 0)
  );
}
