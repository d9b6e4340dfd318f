import type {
  Budget,
  ConsensusMode,
  FailurePolicy,
  JsonValue,
  OrchestrationDefinition,
  Priority,
  StepDefinition,
  Strategy,
} from '@batuta/contracts';
import type { Expression, Template } from '../expressions/expressions.js';
import type { Heap } from '../structures/heap.js';
import type { RetryPolicy } from '../failures/retry.js';
import type { Work } from '../kinds/index.js';
import type { RepeatRules } from '../repeat/rules.js';
import type { GroupState, UnitState } from '../state/unit-state.js';
import type { Vector } from '../structures/vector.js';

/**
 * Something that is attempted by an agent: a step, the compensation of a step (id `<step>:compensate`) or the judge of a
 * consensus group (id `<group>:judge`), or a place for calls of a tool (id `<step>:<tool>:<number>`). Users' ids cannot hold a colon, so these never meet.
 */
export interface Unit {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly kind: 'step' | 'compensation' | 'judge' | 'tool';
  /** Empty when no agent does it. */
  readonly agent: string;
  readonly work: Work;
  /** Of its kind: whether it takes one of `settings.parallel_limit`. */
  readonly takesSlot: boolean;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly scheduleToStartMs: number;
  readonly scheduleToCloseMs: number;
  readonly retry: RetryPolicy;
  /** As its kind asks for it; of an approval `{message, input?}`. */
  readonly input: Template | undefined;
  readonly when: Expression | undefined;
  /** It runs again until an expression is true. */
  readonly repeat: RepeatRules | undefined;
  readonly requireAll: boolean;
  /** Choices that name it: it runs when all of them have chosen it. */
  readonly chosenBy: readonly number[];
  readonly outputKey: string;
  readonly onFailure: FailurePolicy;
  /** Failure kinds this alternative serves; empty means all. */
  readonly fallbackWhen: readonly string[];
  /** Node that this step is an alternative of; -1 for a main step. */
  readonly fallbackFor: number;
  /** Group that this step is a member of, or that this judge serves; -1 for none. */
  readonly group: number;
  /** Unit of the step's compensation, or -1. */
  readonly compensation: number;
  /** The step that a compensation undoes, or -1. */
  readonly compensates: number;
  /** Of a step that asks a model: units that make the calls of its tools. */
  readonly places: readonly number[];
  /** The step that such a unit makes calls for, or -1. */
  readonly caller: number;
  /** Place among ready units: the main step's place in the list, also for its alternatives. */
  readonly order: number;
  /** Nodes named as dependencies: what the input is made of (`seenNodes`). */
  readonly dependencies: readonly number[];
  /** Nodes to wait for; for a group's member also those of the other members, so that members run together. */
  readonly waitsFor: readonly number[];
  readonly definition: StepDefinition | undefined;
}

export interface Group {
  readonly index: number;
  readonly id: string;
  readonly mode: ConsensusMode;
  readonly threshold: number;
  /** Whether the config itself sets the threshold. */
  readonly thresholdSet: boolean;
  readonly voteKey: Expression | undefined;
  readonly score: Expression | undefined;
  readonly weights: ReadonlyMap<number, number>;
  readonly onTie: 'fail' | 'first' | 'judge';
  readonly onFailure: FailurePolicy;
  readonly earlyStop: boolean;
  readonly outputKey: string;
  /** Member steps in listed order. */
  readonly members: readonly number[];
  /** Unit of the judge, or -1. */
  readonly judge: number;
  readonly fallbackWhen: readonly string[];
}

/**
 * One config version as a graph with numbers for names, made once. Nodes are what can be depended on: the units, then the
 * groups (node = units.length + group).
 */
export interface CompiledConfig {
  readonly definition: OrchestrationDefinition;
  readonly strategy: Strategy;
  readonly priority: Priority;
  readonly timeoutMs: number;
  /** What every execution may spend. */
  readonly budget: Budget;
  /** Attempts running at once. */
  readonly parallelLimit: number;
  /** At most one step between its start and its end, retries and alternatives included. */
  readonly oneAtATime: boolean;
  readonly units: readonly Unit[];
  readonly groups: readonly Group[];
  /** Units of the kind `step`: the first ones. */
  readonly stepCount: number;
  readonly unitIndex: ReadonlyMap<string, number>;
  readonly groupIndex: ReadonlyMap<string, number>;
  /** Steps that ask a model. */
  readonly modelUnits: readonly number[];
  /** Steps with a repeat. */
  readonly loopUnits: readonly number[];
  /** Steps that have a child. */
  readonly childUnits: readonly number[];
  /** Of each node: the units that wait for it. */
  readonly dependents: readonly (readonly number[])[];
  /** Of each node: its alternatives in listed order. */
  readonly alternatives: readonly (readonly number[])[];
  /** Main nodes that nothing depends on. */
  readonly sinks: readonly number[];
  /** Main steps and groups: when all are settled the execution is complete. */
  readonly mainNodes: number;
  readonly output: Template | undefined;
  /** A step without an input mapping gets its dependencies' outputs merged, not by key. */
  readonly mergesInputs: boolean;
  /** Its executions are in live feeds. */
  readonly monitored: boolean;
  /** What every execution of the config starts from; shared, since states are immutable. */
  readonly initialUnits: Vector<UnitState>;
  readonly initialGroups: Vector<GroupState>;
  readonly initialReady: Heap | undefined;
  readonly initialReadyApprovals: Heap | undefined;
}

/** Output of a node as its dependents see it, and whether it counts as skipped. */
export interface NodeResult {
  readonly output: JsonValue;
  readonly skipped: boolean;
}
