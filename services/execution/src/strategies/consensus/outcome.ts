import { FAILURE_CODES, type ConsensusFailed, type DomainEvent, type Failure } from '@batuta/contracts';
import type { Group } from '../../domain/graph/compiled.js';
import type { Draft } from '../../domain/draft.js';
import { handlingOf } from '../../domain/failures/handling.js';
import { nodeId, servingUnit } from '../../domain/state/results.js';
import { compiledGroup } from '../../domain/state/nodes.js';
import { skip } from '../../domain/plan/start-unit.js';
import { unitState, type State } from '../../domain/state/state.js';
import { tallyGroup, votesOf } from './ballots.js';

/** Records the certain outcome of a group. Running members are stopped first. */
export function decideGroup(draft: Draft, index: number): void {
  const { state } = draft;
  const group = compiledGroup(state, index);
  const late = group.members.find((member) => !unitState(state, member).settled);
  if (late !== undefined) {
    skip(draft, nodeId(state, servingUnit(state, late)), 'consensus_reached');
    return;
  }
  draft.emit(groupOutcome(state, group));
}

function groupOutcome(state: State, group: Group): DomainEvent {
  const tally = tallyGroup(state, group.index);
  const common = { groupId: group.id, mode: group.mode, votes: votesOf(state, group.index) };
  const ids = (members: readonly number[]): string[] => members.map((member) => nodeId(state, member));
  switch (tally.kind) {
    case 'skipped':
      return { type: 'StepSkipped', data: { stepId: group.id, reason: 'members_skipped' } };
    case 'reached':
      return {
        type: 'ConsensusReached',
        data: {
          ...common,
          winners: ids(tally.winners),
          dissent: ids(tally.dissent),
          decidedBy: tally.decidedBy,
          share: tally.share,
        },
      };
    case 'failed':
      return { type: 'ConsensusFailed', data: { ...common, ...groupFailure(state, group, tally.reason) } };
    case 'judge':
    case 'open':
      return {
        type: 'ConsensusFailed',
        data: { ...common, ...groupFailure(state, group, 'there is no judge to decide') },
      };
    default:
      return tally satisfies never;
  }
}

function groupFailure(
  state: State,
  group: Group,
  reason: string,
): Pick<ConsensusFailed, 'failure' | 'handling' | 'fallbackStepId'> {
  const judge = group.judge === -1 ? undefined : unitState(state, group.judge).failure;
  const failure: Failure = {
    code: FAILURE_CODES.noConsensus,
    message: judge === undefined ? `${group.id}: ${reason}` : `${group.id}: the judge failed: ${judge.message}`,
    retryable: false,
  };
  const { handling, alternative } = handlingOf(state, state.config.units.length + group.index, failure);
  return {
    failure,
    handling,
    ...(alternative === undefined ? {} : { fallbackStepId: nodeId(state, alternative) }),
  };
}
