import {
  BUILT_IN_AGENTS,
  DEFAULT_EXECUTION_TIMEOUT_MS,
  type Budget,
  type OrchestrationDefinition,
} from '@batuta/contracts';
import { parseTemplate } from '../expressions/expressions.js';
import { chunkItems, itemSteps } from '../kinds/map/chunk.js';
import { heapMerge, type Heap } from '../structures/heap.js';
import { initialGroup, initialUnit } from '../state/unit-state.js';
import { strategyRules } from '../../strategies/rules.js';
import type { StrategyRules } from '../../strategies/strategy.js';
import { Vector } from '../structures/vector.js';
import { waitForApprovals } from './approval-gates.js';
import { addCompensations, addJudges, addLanes, addRoutePlaces, addToolPlaces } from './attendants.js';
import type { CompiledConcurrency, CompiledConfig, Group } from './compiled.js';
import { nameChosen, nameDependencies, waitForDependencies } from './dependencies.js';
import { linkFallbacks, placeInTurn } from './fallbacks.js';
import { compiledGroup, declaredGroups, joinGroups } from './groups.js';
import { stepUnit, type UnitDraft } from './step-unit.js';

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_AGENTS);

/**
 * Turns a validated definition into its static graph. Mistakes that validation would have refused (unknown names, for
 * example) are left out rather than thrown, so that an execution can always be folded.
 */
export function compile(given: OrchestrationDefinition): CompiledConfig {
  const definition = unfolded(given);
  const rules = strategyRules(definition);
  const { settings, steps } = definition;
  const graph = graphOf(definition, rules);
  const { units, groups, unitIndex, groupIndex } = graph;
  const { dependents, alternatives } = neighbours(graph);
  const { sinks, count } = mainNodes(graph);
  const initialUnits = units.map((unit) => initialUnit(unit.waitsFor.length, isMain(unit, graph)));
  const ready = initialUnits.flatMap((unit, index) => (unit.phase === 'ready' ? [index] : []));
  return {
    definition,
    strategy: definition.strategy,
    priority: settings?.priority || 'normal',
    timeoutMs: settings?.timeout_ms || DEFAULT_EXECUTION_TIMEOUT_MS,
    budget: compiledBudget(definition),
    parallelLimit: rules.oneAtATime ? 1 : settings?.parallel_limit || Number.MAX_SAFE_INTEGER,
    oneAtATime: rules.oneAtATime,
    units,
    groups,
    stepCount: steps.length,
    unitIndex,
    groupIndex,
    modelUnits: units.flatMap(({ index, work }) => (work.kind === 'llm' ? [index] : [])),
    routeUnits: units.flatMap(({ index, work }) => (work.kind === 'route' ? [index] : [])),
    loopUnits: units.flatMap(({ index, repeat }) => (repeat === undefined ? [] : [index])),
    mapUnits: units.flatMap(({ index, work }) => (work.kind === 'map' ? [index] : [])),
    isChunk: chunkItems(given) > 0,
    askingUnits: units.filter(({ tool }) => tool?.approval !== undefined),
    childUnits: units.flatMap((unit) => (mayHaveChild(unit) ? [unit.index] : [])),
    dependents,
    alternatives,
    sinks,
    mainNodes: count,
    output: definition.output === undefined ? undefined : parseTemplate(definition.output),
    mergesInputs: settings?.default_input === 'merged',
    monitored: settings?.enable_monitoring !== false,
    concurrency: compiledConcurrency(definition),
    initialUnits: Vector.from(initialUnits),
    initialGroups: Vector.from(groups.map(({ members: each }) => initialGroup(each.length))),
    initialReady: heapOf(ready.filter((index) => units[index]?.takesSlot === true)),
    initialReadyApprovals: heapOf(ready.filter((index) => units[index]?.takesSlot === false)),
  };
}

/** The config of a chunk has one step, which is made for each item. */
function unfolded(definition: OrchestrationDefinition): OrchestrationDefinition {
  const items = chunkItems(definition);
  return items === 0 ? definition : { ...definition, steps: itemSteps(definition.steps, items) };
}

interface Graph {
  readonly units: readonly UnitDraft[];
  readonly groups: readonly Group[];
  readonly unitIndex: ReadonlyMap<string, number>;
  readonly groupIndex: ReadonlyMap<string, number>;
  readonly fallbacks: ReadonlySet<number>;
}

/** The units and groups with all edges between them. */
function graphOf(definition: OrchestrationDefinition, rules: StrategyRules): Graph {
  const { steps } = definition;
  const declared = declaredGroups(definition);
  const units: UnitDraft[] = steps.map((step, index) => stepUnit(definition, step, index, rules));
  addCompensations(units, steps);
  const judges = addJudges(units, declared);
  addToolPlaces(units, steps);
  addLanes(units, steps.length, definition.name);
  addRoutePlaces(units, steps);

  const unitIndex = new Map(units.map((unit) => [unit.id, unit.index]));
  const groupIndex = new Map(declared.map((group, index) => [group.id, index]));
  // A step's name goes before that of a group.
  const nodes = new Map<string, number>();
  for (const [id, index] of groupIndex) {
    nodes.set(id, units.length + index);
  }
  for (const step of steps) {
    nodes.set(step.id, unitIndex.get(step.id) as number);
  }

  const fallbacks = linkFallbacks(units, steps, nodes, rules.positionalFallbacks);
  const members = joinGroups(units, steps, declared, groupIndex, fallbacks);
  nameDependencies(units, steps, nodes);
  waitForDependencies(units, steps.length, members);
  waitForApprovals(units, members);
  nameChosen(units, unitIndex);
  const groups = declared.map((group, index) =>
    compiledGroup(group, index, members[index] ?? [], judges[index] ?? -1, definition, rules, nodes),
  );
  placeInTurn(units, groups);
  return { units, groups, unitIndex, groupIndex, fallbacks };
}

/** For each node: the units that wait for it, and its fallbacks. */
function neighbours({ units, groups }: Graph): Pick<CompiledConfig, 'dependents' | 'alternatives'> {
  const nodeCount = units.length + groups.length;
  const dependents: number[][] = Array.from({ length: nodeCount }, () => []);
  const alternatives: number[][] = Array.from({ length: nodeCount }, () => []);
  for (const unit of units) {
    for (const node of unit.waitsFor) {
      dependents[node]?.push(unit.index);
    }
    if (unit.fallbackFor !== -1) {
      alternatives[unit.fallbackFor]?.push(unit.index);
    }
  }
  return { dependents, alternatives };
}

function isMain({ kind, index }: UnitDraft, { fallbacks }: Graph): boolean {
  return kind === 'step' && !fallbacks.has(index);
}

/** How many main nodes must settle, and those of them that no main step names. */
function mainNodes(graph: Graph): { count: number; sinks: number[] } {
  const { units, groups } = graph;
  const steps = units.filter((unit) => isMain(unit, graph));
  const active = groups.filter((group) => group.members.length > 0);
  const named = new Set(steps.flatMap((unit) => unit.dependencies));
  const nodes = [
    ...steps.filter((unit) => unit.group === -1).map((unit) => unit.index),
    ...active.map((group) => units.length + group.index),
  ];
  return { count: steps.length + active.length, sinks: nodes.filter((node) => !named.has(node)) };
}

/** An agent that is not built in may be made of a model: its attempts are then children. */
function mayHaveChild({ work, agent }: UnitDraft): boolean {
  return work.kind === 'orchestration' || (work.kind === 'agent' && agent !== '' && !BUILT_IN.has(agent));
}

function compiledConcurrency({ settings }: OrchestrationDefinition): CompiledConcurrency | undefined {
  const { concurrency } = settings ?? {};
  if (concurrency === undefined) return undefined;
  const { key = '', limit, on_limit: onLimit } = concurrency;
  return { key: key === '' ? undefined : parseTemplate(key), limit, onLimit: onLimit || 'queue' };
}

function compiledBudget({ settings }: OrchestrationDefinition): Budget {
  const { max_tokens: maxTokens, max_cost: maxCost } = settings?.budget ?? {};
  return { ...(maxTokens ? { maxTokens } : {}), ...(maxCost ? { maxCost } : {}) };
}

/** A heap of units by position, merged pairwise: O(n). */
function heapOf(items: readonly number[]): Heap | undefined {
  let level: (Heap | undefined)[] = items.map((item) => ({
    key: item,
    item,
    tag: 0,
    rank: 1,
    left: undefined,
    right: undefined,
  }));
  while (level.length > 1) {
    const above: (Heap | undefined)[] = [];
    for (let i = 0; i < level.length; i += 2) {
      above.push(heapMerge(level[i], level[i + 1]));
    }
    level = above;
  }
  return level[0];
}
