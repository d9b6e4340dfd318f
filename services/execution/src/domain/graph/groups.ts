import type { ConsensusGroup, OrchestrationDefinition, StepDefinition } from '@batuta/contracts';
import { parseExpression } from '../expressions/expressions.js';
import type { StrategyRules } from '../../strategies/strategy.js';
import type { Group } from './compiled.js';
import { policyIn } from './failure-policy.js';
import type { UnitDraft } from './step-unit.js';

const DEFAULT_CONSENSUS_THRESHOLD = 0.8;

/** The groups of a config with all defaults: the declared ones, then those that only members name. */
export function declaredGroups(definition: OrchestrationDefinition): ConsensusGroup[] {
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

/** Makes the steps that vote members of their groups. Returns the members of each group. A fallback does not vote. */
export function joinGroups(
  units: readonly UnitDraft[],
  steps: readonly StepDefinition[],
  groups: readonly ConsensusGroup[],
  groupIndex: ReadonlyMap<string, number>,
  fallbacks: ReadonlySet<number>,
): number[][] {
  const members: number[][] = groups.map(() => []);
  for (const [index, step] of steps.entries()) {
    const group = step.consensus_group ? groupIndex.get(step.consensus_group) : undefined;
    if (group !== undefined && !fallbacks.has(index)) {
      (units[index] as UnitDraft).group = group;
      members[group]?.push(index);
    }
  }
  return members;
}

export function compiledGroup(
  group: ConsensusGroup,
  index: number,
  members: readonly number[],
  judge: number,
  definition: OrchestrationDefinition,
  rules: StrategyRules,
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
    onFailure: policyIn(definition, rules, group.on_failure),
    earlyStop: group.early_stop ?? false,
    outputKey: group.output_key || group.id,
    members,
    judge,
    fallbackWhen: [],
  };
}
