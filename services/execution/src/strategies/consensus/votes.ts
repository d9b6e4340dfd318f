import type { JsonValue } from '@batuta/contracts';
import { valueAtPath } from '../../domain/expressions/expressions.js';
import { compiledGroup, compiledUnit, putGroup, putUnit, select } from '../../domain/state/nodes.js';
import { nodeResult, servingUnit } from '../../domain/state/results.js';
import { groupState, unitState, type Next } from '../../domain/state/state.js';
import { canonicalJson } from '../../domain/structures/json.js';
import { tallyGroup } from './ballots.js';

/** A member of a group has its outcome: its vote is counted, or is evaluated in the sandbox first. */
export function hearMember(next: Next, member: number): void {
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

/** Counts a member's vote (or that it has none) and checks whether the group can be decided. */
export function castVote(next: Next, member: number, ballot: 'cast' | 'none', vote: JsonValue | undefined): void {
  const index = compiledUnit(next, member).group;
  const compiled = compiledGroup(next, index);
  const scores = compiled.mode === 'best';
  // Only these modes compare votes. In other modes the text of every output would double the memory.
  const compares = compiled.mode === 'majority' || compiled.mode === 'weighted' || compiled.mode === 'unanimous';
  // A missing value is not a vote: members whose vote_key finds nothing have not agreed on anything.
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

/** Adds a group with a certain outcome to the list, or selects its judge. */
function examineGroup(next: Next, index: number): void {
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
