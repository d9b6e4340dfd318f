import type { ReusedApproval } from '@batuta/contracts';
import { begin } from '../fold/phases.js';
import { settleGroup, settleUnit } from '../fold/settle.js';
import { compiledGroup, putGroup, putUnit } from '../state/nodes.js';
import { groupState, unitState } from '../state/state.js';
import type { ApprovalState } from '../state/unit-state.js';
import type { EventDefinition } from './definition.js';

function approvalOf(reused: ReusedApproval): ApprovalState {
  const {
    message,
    input,
    approvers = [],
    requestedAt,
    decidedAt,
    by = '',
    comment = '',
    data,
    timedOut = false,
  } = reused;
  const decision = { approved: true, by, comment, data, timedOut, at: decidedAt };
  return { requestedAt, message, input, deadlineAt: 0, approvers, decideAs: undefined, decision };
}

/** For a step, or for a consensus group by its id. */
export const stepReused: EventDefinition<'StepReused'> = {
  evolve(next, data, event) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index !== undefined) {
      const unit = unitState(next, index);
      const approval = data.approval === undefined ? unit.granted?.approval : approvalOf(data.approval);
      if (data.ifEqual === true && approval !== undefined) {
        putUnit(next, index, { ...unit, granted: { output: data.output ?? null, approval } });
        return;
      }
      begin(next, event.at);
      putUnit(next, index, {
        ...unit,
        phase: 'completed',
        output: data.output ?? null,
        reused: true,
        finishedAt: event.at,
        approval,
        granted: undefined,
      });
      settleUnit(next, index);
      return;
    }
    const group = next.config.groupIndex.get(data.stepId);
    if (group === undefined) {
      return;
    }
    putGroup(next, group, {
      ...groupState(next, group),
      phase: 'completed',
      reusedOutput: data.output ?? null,
      finishedAt: event.at,
    });
    for (const member of compiledGroup(next, group).members) {
      putUnit(next, member, { ...unitState(next, member), phase: 'skipped', skipReason: 'reused' });
      settleUnit(next, member);
    }
    settleGroup(next, group);
  },
  effects: undefined,
  spans: ({ data: { stepId } }) => [
    { change: 'node ended', id: stepId, status: 'reused', attributes: { 'batuta.step.reused': true } },
  ],
  measures: undefined,
  command: undefined,
};
