import type { Unit } from '../../graph/compiled.js';
import { approvalOf, type ApprovalRules } from './rules.js';
import { ancestors } from '../../expressions/evaluations.js';
import { seenNodes } from '../../graph/seen-nodes.js';
import { rootNode } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { isAsked, type UnitState } from '../../state/unit-state.js';
import { orchestrationOf } from '../orchestration/rules.js';

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
    return approval !== undefined && !isOver(unitState(state, unit.index)) && !isApprover(approval, userId);
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

/**
 * An approval of the execution that is not decided, or a call of a tool that waits for one, about which the user may not
 * decide.
 */
export function openApprovalNotOf(state: State, userId: string): Unit | undefined {
  for (const unit of state.config.units) {
    const approval = approvalOf(unit);
    if (approval !== undefined && !isOver(unitState(state, unit.index)) && !isApprover(approval, userId)) return unit;
    const asks = callNotOf(state, unit.index, userId);
    if (asks !== undefined) return asks;
  }
  return undefined;
}

/** An execution that a step runs, or would run. */
export interface OpenChild {
  /** Undefined before it is requested. */
  readonly id: string | undefined;
  /** Its config by name or id. Undefined for an agent that is made of a model. */
  readonly config: string | undefined;
  /** 0: the newest. */
  readonly version: number;
}

/** The executions below a step that have not ended, those of its lanes and of the calls of its tools included. */
export function openChildrenOf(state: State, index: number): OpenChild[] {
  const { units } = state.config;
  const step = units[index];
  if (step === undefined || isOver(unitState(state, index))) return [];
  return [step, ...step.places.flatMap((place) => units[place] ?? [])].flatMap((unit) => {
    const { child } = unitState(state, unit.index);
    const rules = orchestrationOf(unit);
    const isOpen = child !== undefined && child.ended === undefined;
    // Lanes and calls of tools run nothing before they are asked to. A step that runs a config will do so.
    if (!isOpen && (unit.kind !== 'step' || rules === undefined)) return [];
    return [{ id: isOpen ? child.id : undefined, config: rules?.config, version: rules?.configVersion ?? 0 }];
  });
}

const isOver = ({ settled, phase }: UnitState): boolean =>
  settled || phase === 'completed' || phase === 'failed' || phase === 'skipped';
