import type {
  BudgetExceeded,
  ControlView,
  ExecutionDeleted,
  ExecutionStatus,
  ExecutionStarted,
  Failure,
  JsonValue,
  Priority,
} from '@batuta/contracts';
import type { CompiledConfig } from '../graph/compiled.js';
import type { DependencyState } from './dependencies.js';
import type { Heap } from '../structures/heap.js';
import type { GroupState, UnitState } from './unit-state.js';
import type { Vector } from '../structures/vector.js';

/** A persistent stack or queue of small things; lists here stay short or are only used at one end. */
export interface List<T> {
  readonly head: T;
  readonly tail: List<T> | undefined;
}

/** A command of a person that took effect. */
export interface ControlState {
  readonly command: ControlView['command'];
  readonly at: number;
  readonly by: string;
  readonly reason: string;
  readonly stepId: string;
}

/** A signal that no step has taken yet. */
export interface KeptSignal {
  /** Of its event. */
  readonly version: number;
  readonly name: string;
  readonly payload: JsonValue;
  readonly by: string;
  readonly at: number;
}

export interface State {
  /** States of other kinds of streams have one. */
  readonly kind?: undefined;
  readonly config: CompiledConfig;
  readonly executionId: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly started: ExecutionStarted | undefined;
  readonly createdAt: number;
  readonly startedAt: number;
  readonly completedAt: number;
  readonly pausedAt: number;
  readonly deadlineAt: number;
  /** Time of the newest event: commands are never older than what they follow. */
  readonly at: number;
  readonly units: Vector<UnitState>;
  readonly groups: Vector<GroupState>;
  /** Ready units by their place; entries of units that are ready no longer are dropped when they come to the top. */
  readonly ready: Heap | undefined;
  /** The same for those that need no slot: approvals, waits and signals. */
  readonly readyApprovals: Heap | undefined;
  /** Next attempts by time. */
  readonly retries: Heap | undefined;
  /** The same of units that need no slot: calls of tools. */
  readonly toolRetries: Heap | undefined;
  /** Deadlines of running attempts, of steps and of what steps await by time; the tag is the attempt, 0 for a step's own. */
  readonly deadlines: Heap | undefined;
  /** Attempts outstanding. */
  readonly running: number;
  /** Slots taken. */
  readonly slots: number;
  /** Main units between their first start and their end. */
  readonly active: number;
  /** Main steps and groups not settled. */
  readonly unsettled: number;
  /** Members whose vote or score needs the sandbox. */
  readonly votesToEvaluate: List<number> | undefined;
  /** Groups whose outcome is certain and not recorded yet. */
  readonly decidable: List<number> | undefined;
  /** The execution's output mapping is with the sandbox. */
  readonly evaluatingOutput: boolean;
  /** What the sandbox answered for it. */
  readonly outputValues: readonly JsonValue[] | undefined;
  /** The failure that ends the execution, until that is recorded; kept for the final event of a compensation. */
  readonly aborted: { readonly failure: Failure; readonly node: number } | undefined;
  readonly compensation:
    | { readonly cause: 'failure' | 'cancel'; readonly reason: string; readonly by: string; readonly stopped: boolean }
    | undefined;
  /** Completed steps that can be undone and are not yet, newest first. */
  readonly undoable: List<number> | undefined;
  readonly undone: List<number> | undefined;
  readonly output: JsonValue | undefined;
  readonly failure: Failure | undefined;
  /** The step whose failure is being undone. */
  readonly failedStepId: string;
  readonly tokenCount: number;
  readonly cost: number;
  /** Of these, what counts against the budget: since the start or the last retry. */
  readonly spentTokens: number;
  readonly spentCost: number;
  /** Set once they were more than the budget. */
  readonly exceeded: BudgetExceeded | undefined;
  /** Ids of accepted commands from outside, newest first. */
  readonly commands: List<string> | undefined;
  /** What people did to the execution as a whole, and which steps they skipped, newest first. */
  readonly controls: List<ControlState> | undefined;
  /** Set once it was deleted: of the rest only what the tombstone tells can be relied on. */
  readonly deleted: { readonly at: number; readonly commandId: string; readonly facts: ExecutionDeleted } | undefined;
  /** Signals that came before a step waited for them, newest first. */
  readonly keptSignals: List<KeptSignal> | undefined;
  /** Order of the newest that its parent wanted of it; 0 for nothing yet. */
  readonly commanded: number;
  /** Executions that have to end before this one begins; undefined when it waits for none. */
  readonly dependencies: readonly DependencyState[] | undefined;
  /** Executions that wait for this one; undefined while there are none. */
  readonly waiters: readonly string[] | undefined;
}

/** The state of an execution before its first event: version 0. */
export function initialState(config: CompiledConfig): State {
  return {
    config,
    executionId: '',
    version: 0,
    status: 'pending',
    started: undefined,
    createdAt: 0,
    startedAt: 0,
    completedAt: 0,
    pausedAt: 0,
    deadlineAt: 0,
    at: 0,
    units: config.initialUnits,
    groups: config.initialGroups,
    ready: config.initialReady,
    readyApprovals: config.initialReadyApprovals,
    retries: undefined,
    toolRetries: undefined,
    deadlines: undefined,
    running: 0,
    slots: 0,
    active: 0,
    unsettled: config.mainNodes,
    votesToEvaluate: undefined,
    decidable: undefined,
    evaluatingOutput: false,
    outputValues: undefined,
    aborted: undefined,
    compensation: undefined,
    undoable: undefined,
    undone: undefined,
    output: undefined,
    failure: undefined,
    failedStepId: '',
    tokenCount: 0,
    cost: 0,
    spentTokens: 0,
    spentCost: 0,
    exceeded: undefined,
    commands: undefined,
    controls: undefined,
    deleted: undefined,
    keptSignals: undefined,
    commanded: 0,
    dependencies: undefined,
    waiters: undefined,
  };
}

/** A state under construction: only the fold that made the copy may write to it, and only to its own fields. */
export type Next = { -readonly [K in keyof State]: State[K] };

/** A copy to write to. Field by field: V8 copies a literal of this size twice as fast as a spread. */
export function copyState(state: State): Next {
  return {
    config: state.config,
    executionId: state.executionId,
    version: state.version,
    status: state.status,
    started: state.started,
    createdAt: state.createdAt,
    startedAt: state.startedAt,
    completedAt: state.completedAt,
    pausedAt: state.pausedAt,
    deadlineAt: state.deadlineAt,
    at: state.at,
    units: state.units,
    groups: state.groups,
    ready: state.ready,
    readyApprovals: state.readyApprovals,
    retries: state.retries,
    toolRetries: state.toolRetries,
    deadlines: state.deadlines,
    running: state.running,
    slots: state.slots,
    active: state.active,
    unsettled: state.unsettled,
    votesToEvaluate: state.votesToEvaluate,
    decidable: state.decidable,
    evaluatingOutput: state.evaluatingOutput,
    outputValues: state.outputValues,
    aborted: state.aborted,
    compensation: state.compensation,
    undoable: state.undoable,
    undone: state.undone,
    output: state.output,
    failure: state.failure,
    failedStepId: state.failedStepId,
    tokenCount: state.tokenCount,
    cost: state.cost,
    spentTokens: state.spentTokens,
    spentCost: state.spentCost,
    exceeded: state.exceeded,
    commands: state.commands,
    controls: state.controls,
    deleted: state.deleted,
    keptSignals: state.keptSignals,
    commanded: state.commanded,
    dependencies: state.dependencies,
    waiters: state.waiters,
  };
}

export function isTerminal(status: ExecutionStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** Which queue the execution's tasks go to: as its start says, else as its config does. */
export function priorityOf(state: State): Priority {
  return state.started?.priority ?? state.config.priority;
}

/** The state of a unit by number. @throws RangeError when there is none: a bug of the caller. */
export function unitState(state: State, unit: number): UnitState {
  const found = state.units.get(unit);
  if (found === undefined) {
    throw new RangeError(`no unit ${unit}`);
  }
  return found;
}

/** The state of a group by number. @throws RangeError when there is none: a bug of the caller. */
export function groupState(state: State, group: number): GroupState {
  const found = state.groups.get(group);
  if (found === undefined) {
    throw new RangeError(`no group ${group}`);
  }
  return found;
}

export function listItems<T>(list: List<T> | undefined): T[] {
  const items: T[] = [];
  for (let cell = list; cell !== undefined; cell = cell.tail) {
    items.push(cell.head);
  }
  return items;
}

export function listHas<T>(list: List<T> | undefined, item: T): boolean {
  for (let cell = list; cell !== undefined; cell = cell.tail) {
    if (cell.head === item) {
      return true;
    }
  }
  return false;
}
