import type { Unit } from '../../graph/compiled.js';
import { approvalOf, type ApprovalRules } from './rules.js';
import { ancestors } from '../../expressions/evaluations.js';
import { seenNodes } from '../../graph/seen-nodes.js';
import { rootNode } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { isAsked } from '../../state/unit-state.js';

/** Whether a user may decide. Without a list every operator may, which is checked where commands arrive. */
export function isApprover({ approvers }: ApprovalRules, userId: string): boolean {
  return approvers.length === 0 || approvers.includes(userId);
}

/** The place of a call that a step asks somebody else about; undefined when it asks nobody, or this user. */
export function callNotOf(state: State, index: number, userId: string): Unit | undefined {
  const { units } = state.config;
  const place = units[index]?.places.find((each) => {
    const rules = units[each]?.tool?.approval;
    return rules !== undefined && isAsked(unitState(state, each)) && !isApprover(rules, userId);
  });
  return place === undefined ? undefined : units[place];
}

/** The steps that may serve a node, including fallbacks of fallbacks. */
function standIns(state: State, node: number, into: Set<number>): Set<number> {
  for (const alternative of state.config.alternatives[node] ?? []) {
    if (!into.has(alternative)) {
      into.add(alternative);
      standIns(state, alternative, into);
    }
  }
  return into;
}

/**
 * An approval that is not decided and that a skip of the step would go past: the step itself, one that would have to stand in for
 * it or for its group, or one whose condition, `require` or choice depends on it. Undefined when every such approval is the user's.
 */
export function passedByASkip(state: State, index: number, userId: string): Unit | undefined {
  const { units } = state.config;
  const guarded = units.filter((unit) => {
    const approval = approvalOf(unit);
    const { settled, phase } = unitState(state, unit.index);
    const done = settled || phase === 'completed' || phase === 'failed' || phase === 'skipped';
    return approval !== undefined && !done && !isApprover(approval, userId);
  });
  if (guarded.length === 0) {
    return undefined;
  }
  const root = rootNode(state, index);
  const group = units[root]?.group ?? -1;
  const instead = standIns(state, index, new Set([index]));
  if (group !== -1) {
    standIns(state, units.length + group, instead);
  }
  return guarded.find((unit) => {
    const conditional = unit.when !== undefined || unit.requireAll || unit.chosenBy.length > 0;
    return instead.has(unit.index) || (conditional && ancestors(state, seenNodes(state.config, unit)).includes(root));
  });
}
