import type {
  Budget,
  ConsensusMode,
  FailurePolicy,
  JsonValue,
  OnLimit,
  OrchestrationDefinition,
  Priority,
  StepDefinition,
  Strategy,
} from '@batuta/contracts';
import type { Expression, Template } from '../expressions/expressions.js';
import type { Heap } from '../structures/heap.js';
import type { RetryPolicy } from '../failures/retry.js';
import type { ToolRules } from '../kinds/llm/rules.js';
import type { Work } from '../kinds/index.js';
import type { RepeatRules } from '../repeat/rules.js';
import type { GroupState, UnitState } from '../state/unit-state.js';
import type { Vector } from '../structures/vector.js';

/**
 * Something that an agent attempts: a step, the compensation of a step (id `<step>:compensate`), the judge of a
 * consensus group (id `<group>:judge`), a unit for calls of a tool (id `<step>:<tool>:<number>`), or a lane of a step with
 * a map, which has one child after the other (id `<step>:<number>`). Users' ids cannot contain a colon, so these never
 * collide.
 */
export interface Unit {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly kind: 'step' | 'compensation' | 'judge' | 'tool' | 'lane';
  /** Empty when no agent runs it. */
  readonly agent: string;
  readonly work: Work;
  /** From its kind: whether it takes a slot of `settings.parallel_limit`. */
  readonly takesSlot: boolean;
  readonly timeoutMs: number;
  /** The same as the config says it; 0 where that is the default, which does not hold for an agent that is made of a model. */
  readonly limitMs: number;
  readonly heartbeatMs: number;
  readonly scheduleToStartMs: number;
  readonly scheduleToCloseMs: number;
  readonly retry: RetryPolicy;
  /** In the form that its kind needs. For an approval `{message, input?}`. */
  readonly input: Template | undefined;
  readonly when: Expression | undefined;
  /** It runs again until an expression is true. */
  readonly repeat: RepeatRules | undefined;
  readonly requireAll: boolean;
  /** Choices that name it. It runs when all of them have chosen it. */
  readonly chosenBy: readonly number[];
  readonly outputKey: string;
  readonly onFailure: FailurePolicy;
  /** Failure kinds that this fallback serves. Empty means all. */
  readonly fallbackWhen: readonly string[];
  /** The node that this step is a fallback for. -1 for a main step. */
  readonly fallbackFor: number;
  /** The group that this step is a member of, or that this judge serves. -1 for none. */
  readonly group: number;
  /** Unit of the step's compensation, or -1. */
  readonly compensation: number;
  /** The step that a compensation undoes, or -1. */
  readonly compensates: number;
  /** For a step that asks a model: units that make the calls of its tools. For a step with a map: its lanes. */
  readonly places: readonly number[];
  /** Of such a unit: the rules of its tool. */
  readonly tool: ToolRules | undefined;
  /** Of a place of a route: whether it asks the model for the decision. */
  readonly asksModel: boolean;
  /** The step that such a unit or a lane works for, or -1. */
  readonly caller: number;
  /** Position among ready units: the main step's position in the list, also for its fallbacks. */
  readonly order: number;
  /** Nodes named as dependencies, which make up the input (`seenNodes`). */
  readonly dependencies: readonly number[];
  /** Nodes to wait for. For a group's member this includes those of the other members, so that members run together. */
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

/** How many executions of the config with the same key run at once. */
export interface CompiledConcurrency {
  /** Undefined: all executions of the config share the limit. */
  readonly key: Template | undefined;
  readonly limit: number;
  readonly onLimit: OnLimit;
}

/**
 * One config version as a graph with numbers instead of names, made once. Nodes are everything that steps can depend
 * on: the units, then the groups (node = units.length + group).
 */
export interface CompiledConfig {
  readonly definition: OrchestrationDefinition;
  readonly strategy: Strategy;
  readonly priority: Priority;
  readonly timeoutMs: number;
  /** The budget of every execution. */
  readonly budget: Budget;
  /** Attempts running at once. */
  readonly parallelLimit: number;
  /** At most one step between its start and its end, including retries and fallbacks. */
  readonly oneAtATime: boolean;
  readonly units: readonly Unit[];
  readonly groups: readonly Group[];
  /** Number of units of the kind `step`, which come first. */
  readonly stepCount: number;
  readonly unitIndex: ReadonlyMap<string, number>;
  readonly groupIndex: ReadonlyMap<string, number>;
  /** Steps that ask a model. */
  readonly modelUnits: readonly number[];
  /** Steps with a repeat. */
  readonly loopUnits: readonly number[];
  /** Steps with a map. */
  readonly mapUnits: readonly number[];
  /** Whether it is the config of a chunk: each step works on one item. */
  readonly isChunk: boolean;
  /** Steps that choose among candidates. */
  readonly routeUnits: readonly number[];
  /** Places for calls that a human decides about. */
  readonly askingUnits: readonly Unit[];
  /** Units that may have a child: of another config, or of an agent that may be made of a model. */
  readonly childUnits: readonly number[];
  /** For each node: the units that wait for it. */
  readonly dependents: readonly (readonly number[])[];
  /** For each node: its fallbacks in listed order. */
  readonly alternatives: readonly (readonly number[])[];
  /** Main nodes without dependents. */
  readonly sinks: readonly number[];
  /** Number of main steps and groups. When all are settled, the execution is complete. */
  readonly mainNodes: number;
  readonly output: Template | undefined;
  /** A step without an input mapping gets its dependencies' outputs merged, and not by key. */
  readonly mergesInputs: boolean;
  /** Whether its executions have live feeds. */
  readonly monitored: boolean;
  readonly concurrency: CompiledConcurrency | undefined;
  /** The initial state of every execution of the config. It is shared, because states are immutable. */
  readonly initialUnits: Vector<UnitState>;
  readonly initialGroups: Vector<GroupState>;
  readonly initialReady: Heap | undefined;
  readonly initialReadyApprovals: Heap | undefined;
}

/** A node's output as its dependents see it, and whether it counts as skipped. */
export interface NodeResult {
  readonly output: JsonValue;
  readonly skipped: boolean;
}
