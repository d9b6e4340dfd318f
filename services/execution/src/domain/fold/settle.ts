import type { Failure, FailurePolicy } from '@batuta/contracts';
import { hearMember } from '../../strategies/consensus/votes.js';
import { compiledUnit, makeReady, putGroup, putUnit, rootNode, select } from '../state/nodes.js';
import { groupState, unitState, type Next } from '../state/state.js';

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

/** Unused fallbacks of a settled node will never run. */
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

/** The unit has its outcome, so nodes that wait for it, or for the node that it serves, may continue. */
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

function settleNode(next: Next, node: number): void {
  const units = next.config.units.length;
  if (node < units) {
    settleUnit(next, node);
  } else {
    settleGroup(next, node - units);
  }
}

/** Applies the effect of a node's failure, as its event says. */
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
