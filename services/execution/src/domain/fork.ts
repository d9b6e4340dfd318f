import type { Rejection, ReusedOutput } from './commands.js';
import { nodeId, nodeResult, servingUnit } from './results.js';
import { groupState, unitState, type State } from './state.js';

/** The node and everything that depends on it, directly or not. */
function downstream(state: State, from: number): Set<number> {
  const { units, groups, dependents } = state.config;
  const seen = new Set([from]);
  for (const node of seen) {
    for (const next of dependents[node] ?? []) {
      seen.add(next);
    }
    const unit = units[node];
    if (unit?.kind === 'step' && unit.group !== -1) {
      seen.add(units.length + unit.group);
    }
    if (unit !== undefined && unit.fallbackFor !== -1) {
      seen.add(unit.fallbackFor);
    }
    for (const member of groups[node - units.length]?.members ?? []) {
      // A group is voted on as a whole: when it runs again, all its members do.
      seen.add(member);
    }
  }
  return seen;
}

function isServed(state: State, node: number): boolean {
  const serving = servingUnit(state, node);
  return serving === -1
    ? groupState(state, node - state.config.units.length).phase === 'completed'
    : unitState(state, serving).phase === 'completed';
}

/**
 * What a fork of an execution from a step takes over, whether it has ended or not: the outputs of the completed steps and groups
 * that do not depend on it; one at a time only those listed before it.
 */
export function forkFrom(
  source: State,
  fromStepId: string,
): { readonly reused: readonly ReusedOutput[] } | { readonly rejected: Rejection } {
  const { config } = source;
  const unit = config.unitIndex.get(fromStepId);
  const group = config.groupIndex.get(fromStepId);
  const isStep = unit !== undefined && config.units[unit]?.kind === 'step';
  if (!isStep && group === undefined) {
    return { rejected: { code: 'step_not_found', message: `the config has no step ${fromStepId}` } };
  }
  const from = isStep ? unit : config.units.length + (group ?? 0);
  const excluded = downstream(source, from);
  const reused: ReusedOutput[] = [];
  const candidates = [
    ...config.groups.map((each) => config.units.length + each.index),
    ...config.units
      .filter((each) => each.kind === 'step' && each.fallbackFor === -1 && each.group === -1)
      .map((each) => each.index),
  ];
  for (const node of candidates) {
    const later = config.oneAtATime && node < config.units.length && node > from;
    if (!excluded.has(node) && !later && isServed(source, node)) {
      reused.push({ stepId: nodeId(source, node), output: nodeResult(source, node).output });
    }
  }
  return { reused };
}
