import {
  BUILT_IN_AGENTS,
  DEFAULT_EXECUTION_TIMEOUT_MS,
  DEFAULT_STEP_TIMEOUT_MS,
  type Budget,
  type ConsensusGroup,
  type FailurePolicy,
  type OrchestrationDefinition,
  type Retry,
  type StepDefinition,
} from '@batuta/contracts';
import { toolRules } from '../kinds/llm/rules.js';
import { approvalOf } from '../kinds/approval/rules.js';
import { choiceOf } from '../kinds/choice/rules.js';
import { compileRepeat } from '../repeat/rules.js';
import { AGENT_WORK, kindOf, workOf } from '../kinds/index.js';
import type { CompiledConfig, Group, Unit } from './compiled.js';
import { parseExpression, parseTemplate } from '../expressions/expressions.js';
import { heapMerge, type Heap } from '../structures/heap.js';
import { retryPolicy } from '../failures/retry.js';
import { initialGroup, initialUnit } from '../state/unit-state.js';
import { strategyRules } from '../../strategies/rules.js';
import type { StrategyRules } from '../../strategies/strategy.js';
import { Vector } from '../structures/vector.js';

const DEFAULT_CONSENSUS_THRESHOLD = 0.8;

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_AGENTS);

/** The built-in agent that asks a model. */
const MODEL_AGENT = 'ask_model';
/** For each call of a model, unless its step sets a policy, because providers are often busy. */
const MODEL_RETRY: Retry = { max_attempts: 5, backoff_ms: 1_000, max_backoff_ms: 60_000 };

type UnitDraft = { -readonly [K in keyof Unit]: Unit[K] };

/** The groups of a config with all defaults: the declared ones, then those that only members name. */
function declaredGroups(definition: OrchestrationDefinition): ConsensusGroup[] {
  const groups = [...(definition.consensus_groups ?? [])];
  const known = new Set(groups.map((group) => group.id));
  for (const step of definition.steps) {
    const id = step.consensus_group;
    if (id !== undefined && id !== '' && !known.has(id)) {
      known.add(id);
      groups.push({ id });
    }
  }
  return groups;
}

/** `abort` is the default, and writing it means the same as omitting it: fallbacks are still used first. */
function policyIn(
  { settings }: OrchestrationDefinition,
  rules: StrategyRules,
  said: FailurePolicy | undefined,
): FailurePolicy {
  const policy = said || settings?.on_failure;
  return !policy || policy === 'abort' ? rules.defaultOnFailure : policy;
}

function stepUnit(
  definition: OrchestrationDefinition,
  step: StepDefinition,
  index: number,
  rules: StrategyRules,
): UnitDraft {
  const work = workOf(step);
  const { mapping, takesSlot } = kindOf({ work });
  return {
    index,
    id: step.id,
    name: step.name,
    kind: 'step',
    agent: work.kind === 'agent' ? (step.agent ?? '') : work.kind === 'llm' ? MODEL_AGENT : '',
    work,
    takesSlot,
    timeoutMs: step.timeout_ms || DEFAULT_STEP_TIMEOUT_MS,
    limitMs: step.timeout_ms ?? 0,
    heartbeatMs: step.heartbeat_ms ?? 0,
    scheduleToStartMs: step.schedule_to_start_ms ?? 0,
    scheduleToCloseMs: step.schedule_to_close_ms ?? 0,
    retry: retryPolicy(step.retry ?? (work.kind === 'llm' ? MODEL_RETRY : undefined)),
    input: mapping(step),
    when: step.when === undefined || step.when === '' ? undefined : parseExpression(step.when),
    repeat: compileRepeat(step),
    requireAll: step.require === 'all',
    chosenBy: [],
    outputKey: step.output_key || step.id,
    onFailure: policyIn(definition, rules, step.on_failure),
    fallbackWhen: step.fallback_when ?? [],
    fallbackFor: -1,
    group: -1,
    compensation: -1,
    compensates: -1,
    places: [],
    tool: undefined,
    caller: -1,
    order: index,
    dependencies: [],
    waitsFor: [],
    definition: step,
  };
}

function attendantUnit(
  index: number,
  id: string,
  kind: 'compensation' | 'judge' | 'tool',
  of: Partial<UnitDraft>,
): UnitDraft {
  return {
    index,
    id,
    name: id,
    kind,
    agent: '',
    work: AGENT_WORK,
    takesSlot: true,
    timeoutMs: DEFAULT_STEP_TIMEOUT_MS,
    limitMs: 0,
    heartbeatMs: 0,
    scheduleToStartMs: 0,
    scheduleToCloseMs: 0,
    retry: retryPolicy(undefined),
    input: undefined,
    when: undefined,
    repeat: undefined,
    requireAll: false,
    chosenBy: [],
    outputKey: id,
    onFailure: 'continue',
    fallbackWhen: [],
    fallbackFor: -1,
    group: -1,
    compensation: -1,
    compensates: -1,
    places: [],
    tool: undefined,
    caller: -1,
    order: index,
    dependencies: [],
    waitsFor: [],
    definition: undefined,
    ...of,
  };
}

function numbers(names: readonly string[] | undefined, nodes: ReadonlyMap<string, number>): number[] {
  const found = new Set<number>();
  for (const name of names ?? []) {
    const node = nodes.get(name);
    if (node !== undefined) {
      found.add(node);
    }
  }
  return [...found];
}

/**
 * Gives each fallback the position of the main node that it serves, through any chain, so that it runs in that node's
 * turn.
 */
function linkAlternatives(
  units: UnitDraft[],
  steps: readonly StepDefinition[],
  nodes: ReadonlyMap<string, number>,
  positional: boolean,
): void {
  let lastMain = -1;
  for (const [index, step] of steps.entries()) {
    const unit = units[index] as UnitDraft;
    const target = step.fallback_for ? nodes.get(step.fallback_for) : undefined;
    if (target !== undefined && target !== index) {
      unit.fallbackFor = target;
    } else if (step.is_fallback) {
      // Without a name it serves the main step before it. Outside the fallback strategy it then serves none.
      unit.fallbackFor = positional ? lastMain : -1;
    } else {
      lastMain = index;
    }
  }
}

/** The main node that a chain of fallbacks serves. -1 when the chain leads nowhere. */
function rootOf(units: readonly UnitDraft[], unit: UnitDraft): number {
  let node = unit.index;
  for (let steps = 0; steps <= units.length; steps++) {
    const current = units[node];
    if (current === undefined || current.fallbackFor === -1) {
      return node;
    }
    node = current.fallbackFor;
  }
  return -1;
}

/** A fallback may name the node that it serves as a dependency, but does not wait for it. */
function servedBy(units: readonly UnitDraft[], unit: UnitDraft): Set<number> {
  const served = new Set<number>();
  for (let node = unit.fallbackFor; node !== -1 && !served.has(node); node = units[node]?.fallbackFor ?? -1) {
    served.add(node);
  }
  return served;
}

/**
 * Turns a validated definition into its static graph. Mistakes that validation would have refused (unknown names, for
 * example) are left out rather than thrown, so that an execution can always be folded.
 */
/**
 * Makes every step after an approval, directly or indirectly, wait for the approval itself. Otherwise a step between
 * them could be skipped, or copied by a fork that requests the approval again, and the later step would not wait. An
 * approval that is a fallback or a member counts for the node that it serves or votes for.
 */
function waitForApprovals(units: readonly UnitDraft[], members: readonly (readonly number[])[]): void {
  const gates = new Set<number>();
  for (const unit of units) {
    const root = approvalOf(unit) === undefined ? -1 : rootOf(units, unit);
    const group = units[root]?.group ?? -1;
    if (root !== -1) {
      gates.add(group === -1 ? root : units.length + group);
    }
  }
  if (gates.size === 0) {
    return;
  }
  const after = new Map<number, number[]>();
  const comesAfter = (node: number, next: number): void => {
    const known = after.get(node);
    if (known === undefined) {
      after.set(node, [next]);
    } else {
      known.push(next);
    }
  };
  for (const unit of units) {
    for (const node of unit.waitsFor) {
      comesAfter(node, unit.index);
    }
  }
  for (const [group, ofGroup] of members.entries()) {
    for (const member of ofGroup) {
      comesAfter(member, units.length + group);
    }
  }
  const more = new Map<UnitDraft, number[]>();
  for (const gate of gates) {
    const seen = new Set([gate]);
    for (const node of seen) {
      for (const next of after.get(node) ?? []) {
        seen.add(next);
      }
    }
    for (const node of seen) {
      const unit = units[node];
      if (unit !== undefined && node !== gate && !unit.waitsFor.includes(gate) && !servedBy(units, unit).has(gate)) {
        more.set(unit, [...(more.get(unit) ?? []), gate]);
      }
    }
  }
  for (const [unit, gatesOfIt] of more) {
    unit.waitsFor = [...unit.waitsFor, ...gatesOfIt];
  }
}

/** Records for each step the choices that must choose it. */
function nameChosen(units: readonly UnitDraft[], unitIndex: ReadonlyMap<string, number>): void {
  for (const choice of units) {
    const rules = choiceOf(choice);
    for (const id of new Set([...(rules?.branches.flat() ?? []), ...(rules?.otherwise ?? [])])) {
      const unit = units[unitIndex.get(id) ?? -1];
      if (unit !== undefined) {
        unit.chosenBy = [...unit.chosenBy, choice.index];
      }
    }
  }
}

export function compile(definition: OrchestrationDefinition): CompiledConfig {
  const rules = strategyRules(definition);
  const steps = definition.steps;
  const units: UnitDraft[] = steps.map((step, index) => stepUnit(definition, step, index, rules));
  const declared = declaredGroups(definition);

  for (const [index, step] of steps.entries()) {
    const compensate = step.compensate;
    if (compensate !== undefined) {
      const unit = attendantUnit(units.length, `${step.id}:compensate`, 'compensation', {
        name: `Compensate ${step.name}`,
        agent: compensate.agent,
        timeoutMs: compensate.timeout_ms || DEFAULT_STEP_TIMEOUT_MS,
        limitMs: compensate.timeout_ms ?? 0,
        retry: retryPolicy(compensate.retry),
        input: compensate.input === undefined ? undefined : parseTemplate(compensate.input, compensate.agent),
        compensates: index,
      });
      (units[index] as UnitDraft).compensation = unit.index;
      units.push(unit);
    }
  }
  const judges = declared.map((group, index) => {
    if (!group.judge || !(group.mode === 'judge' || group.on_tie === 'judge')) {
      return -1;
    }
    units.push(
      attendantUnit(units.length, `${group.id}:judge`, 'judge', {
        name: `Judge of ${group.id}`,
        agent: group.judge,
        group: index,
      }),
    );
    return units.length - 1;
  });

  for (const [index, { id, llm, timeout_ms: timeoutMs }] of steps.entries()) {
    const places: number[] = [];
    for (const tool of llm?.tools ?? []) {
      const rules = toolRules(tool);
      const { agent, config, name, parallel, condition } = rules;
      const called = agent !== '' || config !== undefined;
      for (let number = 1; called && number <= parallel; number++) {
        const unit = attendantUnit(units.length, `${id}:${name}:${number}`, 'tool', {
          name,
          agent,
          work: config === undefined ? AGENT_WORK : { kind: 'orchestration', rules: config },
          tool: rules,
          when: condition,
          limitMs: tool.timeout_ms ?? 0,
          timeoutMs: tool.timeout_ms || timeoutMs || DEFAULT_STEP_TIMEOUT_MS,
          retry: retryPolicy(tool.retry),
          // The calling step has a slot, and keeps it.
          takesSlot: false,
          caller: index,
          order: index,
        });
        places.push(unit.index);
        units.push(unit);
      }
    }
    (units[index] as UnitDraft).places = places;
  }

  const unitIndex = new Map(units.map((unit) => [unit.id, unit.index]));
  const groupIndex = new Map(declared.map((group, index) => [group.id, index]));
  const nodes = new Map<string, number>();
  for (const [id, index] of groupIndex) {
    nodes.set(id, units.length + index);
  }
  for (const step of steps) {
    nodes.set(step.id, unitIndex.get(step.id) as number);
  }

  linkAlternatives(units, steps, nodes, rules.positionalFallbacks);
  const isFallback = steps.map(
    (step, index) => step.is_fallback === true || (units[index] as UnitDraft).fallbackFor !== -1,
  );
  const members: number[][] = declared.map(() => []);
  for (const [index, step] of steps.entries()) {
    const unit = units[index] as UnitDraft;
    unit.dependencies = numbers(step.dependencies, nodes);
    const group = step.consensus_group ? groupIndex.get(step.consensus_group) : undefined;
    if (group !== undefined && !isFallback[index]) {
      unit.group = group;
      members[group]?.push(index);
    }
  }
  const sharedDependencies = members.map((group) => [
    ...new Set(group.flatMap((member) => (units[member] as UnitDraft).dependencies)),
  ]);
  for (const unit of units.slice(0, steps.length)) {
    const waits = unit.group === -1 ? unit.dependencies : (sharedDependencies[unit.group] ?? []);
    const served = servedBy(units, unit);
    unit.waitsFor = waits.filter((node) => node !== unit.index && !served.has(node));
  }
  waitForApprovals(units, members);
  nameChosen(units, unitIndex);
  const groups = declared.map((group, index) =>
    compiledGroup(group, index, members[index] ?? [], judges, definition, nodes),
  );
  for (const unit of units) {
    if (unit.kind === 'judge') {
      unit.order = groups[unit.group]?.members[0] ?? unit.index;
    } else if (unit.fallbackFor !== -1) {
      const root = rootOf(units, unit);
      unit.order = root < units.length ? root : (groups[root - units.length]?.members[0] ?? unit.index);
    }
  }

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
  const mainSteps = units.filter((unit) => unit.kind === 'step' && !isFallback[unit.index]);
  const activeGroups = groups.filter((group) => group.members.length > 0);
  const namedByMain = new Set(mainSteps.flatMap((unit) => unit.dependencies));
  const mainNodes = [
    ...mainSteps.filter((unit) => unit.group === -1).map((unit) => unit.index),
    ...activeGroups.map((group) => units.length + group.index),
  ];
  const initialUnits = units.map((unit) =>
    initialUnit(unit.waitsFor.length, unit.kind === 'step' && !isFallback[unit.index]),
  );
  const ready = initialUnits.flatMap((unit, index) => (unit.phase === 'ready' ? [index] : []));

  return {
    definition,
    strategy: definition.strategy,
    priority: definition.settings?.priority || 'normal',
    timeoutMs: definition.settings?.timeout_ms || DEFAULT_EXECUTION_TIMEOUT_MS,
    budget: compiledBudget(definition),
    parallelLimit: rules.oneAtATime ? 1 : definition.settings?.parallel_limit || Number.MAX_SAFE_INTEGER,
    oneAtATime: rules.oneAtATime,
    units,
    groups,
    stepCount: steps.length,
    unitIndex,
    groupIndex,
    modelUnits: units.flatMap(({ index, work }) => (work.kind === 'llm' ? [index] : [])),
    loopUnits: units.flatMap(({ index, repeat }) => (repeat === undefined ? [] : [index])),
    askingUnits: units.filter(({ tool }) => tool?.approval !== undefined),
    childUnits: units.flatMap((unit) => (mayHaveChild(unit) ? [unit.index] : [])),
    dependents,
    alternatives,
    sinks: mainNodes.filter((node) => !namedByMain.has(node)),
    mainNodes: mainSteps.length + activeGroups.length,
    output: definition.output === undefined ? undefined : parseTemplate(definition.output),
    mergesInputs: definition.settings?.default_input === 'merged',
    monitored: definition.settings?.enable_monitoring !== false,
    initialUnits: Vector.from(initialUnits),
    initialGroups: Vector.from(groups.map(({ members: each }) => initialGroup(each.length))),
    initialReady: heapOf(ready.filter((index) => units[index]?.takesSlot === true)),
    initialReadyApprovals: heapOf(ready.filter((index) => units[index]?.takesSlot === false)),
  };
}

/** An agent that is not built in may be made of a model: its attempts are then children. */
function mayHaveChild({ work, agent }: UnitDraft): boolean {
  return work.kind === 'orchestration' || (work.kind === 'agent' && agent !== '' && !BUILT_IN.has(agent));
}

function compiledBudget({ settings }: OrchestrationDefinition): Budget {
  const { max_tokens: maxTokens, max_cost: maxCost } = settings?.budget ?? {};
  return { ...(maxTokens ? { maxTokens } : {}), ...(maxCost ? { maxCost } : {}) };
}

function compiledGroup(
  group: ConsensusGroup,
  index: number,
  members: readonly number[],
  judges: readonly number[],
  definition: OrchestrationDefinition,
  nodes: ReadonlyMap<string, number>,
): Group {
  const weights = Object.entries(group.weights ?? {}).flatMap(([id, weight]): [number, number][] => {
    const node = nodes.get(id);
    return node === undefined ? [] : [[node, weight]];
  });
  return {
    index,
    id: group.id,
    mode: group.mode || 'quorum',
    threshold: group.threshold || definition.settings?.consensus_threshold || DEFAULT_CONSENSUS_THRESHOLD,
    thresholdSet: Boolean(group.threshold),
    voteKey: group.vote_key ? parseExpression(group.vote_key) : undefined,
    score: group.score ? parseExpression(group.score) : undefined,
    weights: new Map(weights),
    onTie: group.on_tie || 'fail',
    onFailure: policyIn(definition, strategyRules(definition), group.on_failure),
    earlyStop: group.early_stop ?? false,
    outputKey: group.output_key || group.id,
    members,
    judge: judges[index] ?? -1,
    fallbackWhen: [],
  };
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
