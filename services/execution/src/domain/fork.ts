import type { JsonValue, ReusedApproval } from '@batuta/contracts';
import type { Rejection, ReusedOutput } from './commands/command.js';
import { ancestors } from './expressions/evaluations.js';
import { approvalOf as rulesOfApproval } from './kinds/approval/rules.js';
import { canonicalJson } from './structures/json.js';
import type { Unit } from './graph/compiled.js';
import { nodeId, nodeResult, servingUnit } from './state/results.js';
import { seenNodes } from './graph/seen-nodes.js';
import { groupState, unitState, type State } from './state/state.js';

/** The node and everything that depends on it, directly or indirectly. */
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
      // A group votes as a whole: when it runs again, all its members do.
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

/** The steps that take part in a node's outcome: itself or its members, and their possible fallbacks. */
function family(state: State, node: number, into: Set<number> = new Set()): Set<number> {
  const { units, groups, alternatives } = state.config;
  if (node < units.length) {
    into.add(node);
  }
  for (const part of [...(alternatives[node] ?? []), ...(groups[node - units.length]?.members ?? [])]) {
    if (!into.has(part)) {
      family(state, part, into);
    }
  }
  return into;
}

/** Whether a human's decision is part of the outcome. */
function wasDecidedBy(state: State, unit: number): boolean {
  const { phase } = unitState(state, unit);
  const compiled = state.config.units[unit];
  return (
    compiled !== undefined && rulesOfApproval(compiled) !== undefined && (phase === 'completed' || phase === 'failed')
  );
}

/** What was approved, and by whom. Undefined when it was not approved or is unknown. */
function approvalOf(state: State, unit: number): ReusedApproval | undefined {
  const { phase, approval } = unitState(state, unit);
  const decision = approval?.decision;
  if (phase !== 'completed' || approval === undefined || decision?.approved !== true) {
    return undefined;
  }
  const { message, input, approvers, requestedAt } = approval;
  return {
    message,
    requestedAt,
    decidedAt: decision.at,
    ...(input === undefined ? {} : { input }),
    ...(approvers.length === 0 ? {} : { approvers: [...approvers] }),
    ...(decision.by === '' ? {} : { by: decision.by }),
    ...(decision.comment === '' ? {} : { comment: decision.comment }),
    ...(decision.data === undefined ? {} : { data: decision.data }),
    ...(decision.timedOut ? { timedOut: true } : {}),
  };
}

/**
 * What a fork from a step copies from an execution, ended or not: the outputs of completed steps and groups that do not
 * depend on that step, and in strategies of one step at a time only those listed before it. A human's decision is
 * copied at once only when everything that it can be about is the same: the input, and everything before it. Otherwise
 * the approved question is copied too, and the decision is valid when the question is the same again.
 */
export function forkFrom(
  source: State,
  fromStepId: string,
  input: JsonValue | undefined,
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
  const isMain = (node: number): boolean => {
    const each = config.units[node];
    return each === undefined || (each.kind === 'step' && each.fallbackFor === -1 && each.group === -1);
  };
  const isTaken = (node: number): boolean => {
    const later = config.oneAtATime && node < config.units.length && node > from;
    return !excluded.has(node) && !later && isServed(source, node);
  };
  const sameInput = canonicalJson(source.started?.input) === canonicalJson(input);
  const sameBefore = (parts: ReadonlySet<number>): boolean => {
    const before = [...parts].flatMap((part) => seenNodes(config, config.units[part] as Unit));
    return ancestors(source, before).every((node) => !isMain(node) || isTaken(node));
  };
  const candidates = [
    ...config.groups.map((each) => config.units.length + each.index),
    ...config.units.filter((each) => isMain(each.index)).map((each) => each.index),
  ];
  const reused: ReusedOutput[] = [];
  for (const node of candidates.filter(isTaken)) {
    const parts = family(source, node);
    const decided = [...parts].filter((part) => wasDecidedBy(source, part));
    if (decided.length === 0 || (sameInput && sameBefore(parts))) {
      const approval = servingUnit(source, node) === node ? approvalOf(source, node) : undefined;
      const output = nodeResult(source, node).output;
      reused.push({ stepId: nodeId(source, node), output, ...(approval === undefined ? {} : { approval }) });
      continue;
    }
    for (const part of decided) {
      const approval = approvalOf(source, part);
      // A text without expressions does not show what it was about.
      const shows = (config.units[part]?.input?.expressions.length ?? 0) > 0;
      if (approval !== undefined && shows) {
        reused.push({ stepId: nodeId(source, part), output: unitState(source, part).output, approval, ifEqual: true });
      }
    }
  }
  return { reused };
}
