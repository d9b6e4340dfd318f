import type { ConsensusMode, Vote } from '@batuta/contracts';
import { tally, type Ballot, type Tally, type Verdict } from './tally.js';
import type { Group } from '../../domain/graph/compiled.js';
import { isObject } from '../../domain/structures/json.js';
import { servingUnit } from '../../domain/state/results.js';
import { unitState, type State } from '../../domain/state/state.js';
import type { UnitState } from '../../domain/state/unit-state.js';

function exclusion(mode: ConsensusMode, member: UnitState, serving: UnitState): string {
  if (member.ballot !== 'none') {
    return '';
  }
  if (serving.phase === 'skipped') {
    return serving.skipReason === 'consensus_reached' ? 'consensus_reached' : 'skipped';
  }
  if (serving.phase !== 'completed') {
    return 'failed';
  }
  if (member.vote === undefined) {
    return 'expression_failed';
  }
  return mode === 'best' ? 'not_a_number' : 'no_vote';
}

function ballots(state: State, group: Group): Ballot[] {
  return group.members.map((member) => {
    const unit = unitState(state, member);
    const serving = unitState(state, servingUnit(state, member));
    return {
      member,
      ballot: unit.ballot === 'evaluating' ? 'open' : unit.ballot,
      excluded: exclusion(group.mode, unit, serving),
      text: unit.voteText,
      weight: group.mode === 'weighted' ? (group.weights.get(member) ?? 1) : 1,
      score: typeof unit.vote === 'number' ? unit.vote : 0,
    };
  });
}

/**
 * The member that the judge chose: `{"winner": "<step id>"}` or the plain id. Undefined while the judge has not
 * answered.
 */
function verdictOf(state: State, group: Group): Verdict {
  if (group.judge === -1) {
    return -1;
  }
  const judge = unitState(state, group.judge);
  if (!judge.settled) {
    return undefined;
  }
  const answer = isObject(judge.output) ? judge.output.winner : judge.output;
  const chosen = typeof answer === 'string' ? state.config.unitIndex.get(answer) : undefined;
  return chosen !== undefined && group.members.includes(chosen) ? chosen : -1;
}

/** The outcome of a group in the current state of its members. */
export function tallyGroup(state: State, index: number): Tally {
  const group = state.config.groups[index] as Group;
  return tally(group, ballots(state, group), verdictOf(state, group));
}

/** Every member's vote, as it is recorded with the outcome. */
export function votesOf(state: State, index: number): Vote[] {
  const group = state.config.groups[index] as Group;
  const options = new Map<string, number>();
  return ballots(state, group).map((ballot) => {
    let option = -1;
    if (ballot.ballot === 'cast') {
      // In modes that do not compare votes, each member stands for itself.
      const vote = group.mode === 'best' || group.mode === 'judge' ? String(ballot.member) : ballot.text;
      option = options.get(vote) ?? options.size;
      options.set(vote, option);
    }
    return {
      stepId: state.config.units[ballot.member]?.id ?? '',
      option,
      ...(group.mode === 'weighted' ? { weight: ballot.weight } : {}),
      ...(group.mode === 'best' && ballot.ballot === 'cast' ? { score: ballot.score } : {}),
      ...(ballot.excluded === '' ? {} : { excluded: ballot.excluded }),
    };
  });
}
