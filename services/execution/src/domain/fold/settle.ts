import type { Failure, FailurePolicy, JsonValue } from '@batuta/contracts';
import type { Group, Unit } from '../graph/compiled.js';
import { valueAtPath } from '../expressions/expressions.js';
import { heapInsert } from '../structures/heap.js';
import { canonicalJson } from '../structures/json.js';
import { nodeResult, servingUnit } from '../state/results.js';
import { groupState, unitState, type Next, type State } from '../state/state.js';
import { tallyGroup } from '../../strategies/consensus/ballots.js';
import type { GroupState, UnitPhase, UnitState } from '../state/unit-state.js';

export function compiledUnit(state: State, index: number): Unit {
  return state.config.units[index] as Unit;
}

export function compiledGroup(state: State, index: number): Group {
  return state.config.groups[index] as Group;
}

/** Between its first start and its end: what a strategy of one at a time waits for. */
export function isActive(phase: UnitPhase): boolean {
  switch (phase) {
    case 'evaluating':
    case 'running':
    case 'failing':
    case 'backoff':
    case 'interrupted':
    case 'awaiting':
      return true;
    case 'waiting':
    case 'ready':
    case 'completed':
    case 'failed':
    case 'skipped':
      return false;
    default:
      return phase satisfies never;
  }
}

/** Replaces a unit's state and keeps the counters true. */
export function putUnit(next: Next, index: number, unit: UnitState): void {
  const before = unitState(next, index).phase;
  next.units = next.units.set(index, unit);
  if (before !== unit.phase) {
    next.running += (unit.phase === 'running' ? 1 : 0) - (before === 'running' ? 1 : 0);
    next.active += (isActive(unit.phase) ? 1 : 0) - (isActive(before) ? 1 : 0);
  }
}

export function putGroup(next: Next, index: number, group: GroupState): void {
  next.groups = next.groups.set(index, group);
}

export function makeReady(next: Next, index: number): void {
  putUnit(next, index, { ...unitState(next, index), phase: 'ready' });
  const { order, approval } = compiledUnit(next, index);
  if (approval === undefined) {
    next.ready = heapInsert(next.ready, order, index, 0);
  } else {
    next.readyApprovals = heapInsert(next.readyApprovals, order, index, 0);
  }
}

/** Calls for an alternative, a judge or a compensation: it runs as soon as its dependencies allow. */
export function select(next: Next, index: number): void {
  const unit = unitState(next, index);
  if (unit.selected || unit.phase !== 'waiting') {
    return;
  }
  putUnit(next, index, { ...unit, selected: true });
  if (unit.waitingFor === 0) {
    makeReady(next, index);
  }
}

function resolveDependents(next: Next, node: number): void {
  for (const dependent of next.config.dependents[node] ?? []) {
    const unit = unitState(next, dependent);
    const waitingFor = unit.waitingFor - 1;
    putUnit(next, dependent, { ...unit, waitingFor });
    if (waitingFor === 0 && unit.selected && unit.phase === 'waiting') {
      makeReady(next, dependent);
    }
  }
}

/** Alternatives that have not served a settled node never will. */
function dismissAlternatives(next: Next, node: number): void {
  for (const alternative of next.config.alternatives[node] ?? []) {
    const unit = unitState(next, alternative);
    if (unit.settled) {
      continue;
    }
    const open = unit.phase === 'waiting' || unit.phase === 'ready';
    putUnit(next, alternative, {
      ...unit,
      settled: true,
      phase: open ? 'skipped' : unit.phase,
      skipReason: open ? 'not_selected' : unit.skipReason,
    });
    resolveDependents(next, alternative);
    dismissAlternatives(next, alternative);
  }
}

/** The unit has its outcome: whoever waits for it, or for the node it serves, may go on. */
export function settleUnit(next: Next, index: number): void {
  const unit = unitState(next, index);
  if (unit.settled) {
    return;
  }
  putUnit(next, index, { ...unit, settled: true });
  const compiled = compiledUnit(next, index);
  if (compiled.kind !== 'step') {
    return;
  }
  dismissAlternatives(next, index);
  resolveDependents(next, index);
  if (compiled.fallbackFor !== -1) {
    settleNode(next, compiled.fallbackFor);
    return;
  }
  next.unsettled -= 1;
  if (compiled.group !== -1) {
    hearMember(next, index);
  }
}

export function settleGroup(next: Next, index: number): void {
  const group = groupState(next, index);
  if (group.settled) {
    return;
  }
  putGroup(next, index, { ...group, settled: true });
  const node = next.config.units.length + index;
  dismissAlternatives(next, node);
  resolveDependents(next, node);
  next.unsettled -= 1;
}

export function settleNode(next: Next, node: number): void {
  const units = next.config.units.length;
  if (node < units) {
    settleUnit(next, node);
  } else {
    settleGroup(next, node - units);
  }
}

/** Takes what a failure of a node does to the execution, as its event says. */
export function applyHandling(
  next: Next,
  node: number,
  failure: Failure,
  handling: FailurePolicy,
  alternative: number | undefined,
): void {
  switch (handling) {
    case 'continue':
      settleNode(next, rootNode(next, node));
      return;
    case 'fallback':
      if (alternative !== undefined) {
        const served = compiledUnit(next, alternative).fallbackFor;
        setServedBy(next, served, alternative);
        select(next, alternative);
      }
      return;
    case 'abort':
      next.aborted ??= { failure, node };
      return;
    default:
      handling satisfies never;
  }
}

function setServedBy(next: Next, node: number, alternative: number): void {
  const units = next.config.units.length;
  if (node === -1) {
    return;
  }
  if (node < units) {
    putUnit(next, node, { ...unitState(next, node), servedBy: alternative });
  } else {
    putGroup(next, node - units, { ...groupState(next, node - units), servedBy: alternative });
  }
}

/** The main node at the end of a chain of alternatives. */
export function rootNode(state: State, node: number): number {
  let current = node;
  for (let length = 0; length <= state.config.stepCount; length++) {
    const target = state.config.units[current]?.fallbackFor ?? -1;
    if (target === -1) {
      break;
    }
    current = target;
  }
  return current;
}

/** A member of a group has its outcome: its vote is counted, or goes to the sandbox first. */
function hearMember(next: Next, member: number): void {
  const unit = unitState(next, member);
  if (unit.ballot !== 'open') {
    return;
  }
  const group = compiledGroup(next, compiledUnit(next, member).group);
  const serving = unitState(next, servingUnit(next, member));
  if (serving.phase !== 'completed') {
    castVote(next, member, 'none', undefined);
    return;
  }
  const expression = group.mode === 'best' ? group.score : group.voteKey;
  const output = nodeResult(next, member).output;
  if (expression === undefined || group.mode === 'quorum' || group.mode === 'judge') {
    castVote(next, member, group.mode === 'best' ? 'none' : 'cast', group.mode === 'quorum' ? null : output);
    return;
  }
  const found = valueAtPath(expression.path, output);
  if (found.known) {
    castVote(next, member, 'cast', found.value ?? null);
  } else {
    next.votesToEvaluate = { head: member, tail: next.votesToEvaluate };
  }
}

/** Counts a member's vote (or that it has none) and looks whether the group can be decided. */
export function castVote(next: Next, member: number, ballot: 'cast' | 'none', vote: JsonValue | undefined): void {
  const index = compiledUnit(next, member).group;
  const compiled = compiledGroup(next, index);
  const scores = compiled.mode === 'best';
  // Only these modes compare votes; a text of every output would double the memory of the others.
  const compares = compiled.mode === 'majority' || compiled.mode === 'weighted' || compiled.mode === 'unanimous';
  // Nothing is no vote: members whose vote_key finds nothing have not agreed on anything.
  const without = (scores && typeof vote !== 'number') || (compares && (vote === undefined || vote === null));
  const counts = ballot === 'cast' && !without;
  putUnit(next, member, {
    ...unitState(next, member),
    ballot: counts ? 'cast' : 'none',
    vote: scores || (compares && !counts) ? vote : undefined,
    voteText: counts && compares ? canonicalJson(vote) : '',
  });
  const group = groupState(next, index);
  putGroup(next, index, { ...group, open: group.open - 1 });
  examineGroup(next, index);
}

/** Puts a group whose outcome is certain on the list, or calls for its judge. */
export function examineGroup(next: Next, index: number): void {
  const group = groupState(next, index);
  const compiled = compiledGroup(next, index);
  if (group.queued || group.phase !== 'open' || (group.open > 0 && !compiled.earlyStop)) {
    return;
  }
  const tally = tallyGroup(next, index);
  if (tally.kind === 'open') {
    return;
  }
  if (tally.kind === 'judge' && compiled.judge !== -1) {
    putGroup(next, index, { ...group, phase: 'judging' });
    select(next, compiled.judge);
    return;
  }
  queueGroup(next, index);
}

export function queueGroup(next: Next, index: number): void {
  putGroup(next, index, { ...groupState(next, index), queued: true });
  next.decidable = { head: index, tail: next.decidable };
}
