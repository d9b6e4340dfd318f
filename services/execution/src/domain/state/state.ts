import type {
  BudgetExceeded,
  ControlView,
  ExecutionDeleted,
  ExecutionRestored,
  ExecutionStatus,
  ExecutionStarted,
  Failure,
  JsonValue,
  Priority,
} from '@batuta/contracts';
import type { CompiledConfig } from '../graph/compiled.js';
import type { DependencyState } from './dependencies.js';
import type { PlaceState } from './place.js';
import type { Heap } from '../structures/heap.js';
import type { GroupState, UnitState } from './unit-state.js';
import type { Vector } from '../structures/vector.js';

/** A persistent stack or queue of small items. Lists are short or are only used at one end. */
export interface List<T> {
  readonly head: T;
  readonly tail: List<T> | undefined;
}

/** A user's command that took effect. */
export interface ControlState {
  readonly command: ControlView['command'];
  readonly at: number;
  readonly by: string;
  readonly reason: string;
  readonly stepId: string;
}

/** A signal that no step has taken yet. */
interface KeptSignal {
  /** The version of its event. */
  readonly version: number;
  readonly name: string;
  readonly payload: JsonValue;
  readonly by: string;
  readonly at: number;
}

export interface State {
  /** States of other kinds of streams have this field. */
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
  /** Time of the newest event. A command is never older than the events before it. */
  readonly at: number;
  readonly units: Vector<UnitState>;
  readonly groups: Vector<GroupState>;
  /** Ready units by position. Entries of units that are not ready any more are dropped when they reach the top. */
  readonly ready: Heap | undefined;
  /** The same for units that need no slot: approvals, waits and signals. */
  readonly readyApprovals: Heap | undefined;
  /** Next attempts by time. */
  readonly retries: Heap | undefined;
  /** The same for units that need no slot: calls of tools. */
  readonly toolRetries: Heap | undefined;
  /**
   * Deadlines of running attempts, of steps and of waits, by time. The tag is the attempt, or 0 for the step's own
   * deadline.
   */
  readonly deadlines: Heap | undefined;
  /** Attempts outstanding. */
  readonly running: number;
  /** Slots taken. */
  readonly slots: number;
  /** Main units between their first start and their end. */
  readonly active: number;
  /** Number of main steps and groups that are not settled. */
  readonly unsettled: number;
  /** Members whose vote or score the sandbox must evaluate. */
  readonly votesToEvaluate: List<number> | undefined;
  /** Groups with a certain outcome that is not recorded yet. */
  readonly decidable: List<number> | undefined;
  /** Whether the sandbox is evaluating the execution's output mapping. */
  readonly evaluatingOutput: boolean;
  /** The sandbox's answer for it. */
  readonly outputValues: readonly JsonValue[] | undefined;
  /** The failure that will end the execution. It is kept for the final event of a compensation. */
  readonly aborted: { readonly failure: Failure; readonly node: number } | undefined;
  readonly compensation:
    | { readonly cause: 'failure' | 'cancel'; readonly reason: string; readonly by: string; readonly stopped: boolean }
    | undefined;
  /** Completed steps that can be undone and are not undone yet, newest first. */
  readonly undoable: List<number> | undefined;
  readonly undone: List<number> | undefined;
  readonly output: JsonValue | undefined;
  readonly failure: Failure | undefined;
  /** The step whose failure led to the compensation. */
  readonly failedStepId: string;
  readonly tokenCount: number;
  readonly cost: number;
  /** The spending that counts for the budget: since the start or the last retry. */
  readonly spentTokens: number;
  readonly spentCost: number;
  /** Set when the spending exceeded the budget. */
  readonly exceeded: BudgetExceeded | undefined;
  /** Ids of accepted commands from outside, newest first. */
  readonly commands: List<string> | undefined;
  /** Users' commands to the whole execution and their skips of steps, newest first. */
  readonly controls: List<ControlState> | undefined;
  /** Set when it was deleted. Then only the facts of the tombstone are reliable. */
  readonly deleted: { readonly at: number; readonly commandId: string; readonly facts: ExecutionDeleted } | undefined;
  /** Set when it was restored from the archive. It is only read from then on. */
  readonly restored: { readonly at: number; readonly facts: ExecutionRestored } | undefined;
  /** Signals that came before a step waited for them, newest first. */
  readonly keptSignals: List<KeptSignal> | undefined;
  /** Order of the newest command of its parent. 0 for none. */
  readonly commanded: number;
  /** Executions that must end before this one begins. Undefined for none. */
  readonly dependencies: readonly DependencyState[] | undefined;
  /** Executions that wait for this one. Undefined for none. */
  readonly waiters: readonly string[] | undefined;
  /** Its place under `settings.concurrency`. Undefined before it asks for one. */
  readonly place: PlaceState | undefined;
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
    restored: undefined,
    keptSignals: undefined,
    commanded: 0,
    dependencies: undefined,
    waiters: undefined,
    place: undefined,
  };
}

/** A state under construction. Only the function that made the copy may write to it, and only to its own fields. */
export type Next = { -readonly [K in keyof State]: State[K] };

/** A writable copy. Field by field, because V8 copies a literal of this size twice as fast as a spread. */
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
    restored: state.restored,
    keptSignals: state.keptSignals,
    commanded: state.commanded,
    dependencies: state.dependencies,
    waiters: state.waiters,
    place: state.place,
  };
}

export function isTerminal(status: ExecutionStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** The priority of the execution's tasks: from its start, else from its config. */
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
