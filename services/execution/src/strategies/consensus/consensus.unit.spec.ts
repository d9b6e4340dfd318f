import { describe, expect, test } from '@jest/globals';
import { taskInput } from '../../domain/expressions/inputs.js';
import { view } from '../../domain/view/view.js';
import { config, scenario } from '../../../test/engine/scenario.js';

const members = [
  { id: 'x', consensus_group: 'panel' },
  { id: 'y', consensus_group: 'panel' },
  { id: 'z', consensus_group: 'panel' },
];

describe('consensus', () => {
  test('members wait for what any of them depends on, run together, and dependents wait for the group', () => {
    const run = scenario(
      config('consensus', [
        { id: 'first' },
        { id: 'x', consensus_group: 'panel', dependencies: ['first'] },
        { id: 'y', consensus_group: 'panel' },
        { id: 'after', dependencies: ['panel'] },
      ]),
    ).start({ q: 1 });
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled first #1']);
    expect(run.ok('first').last).toEqual(['StepCompleted first #1', 'StepScheduled x #1', 'StepScheduled y #1']);
    expect(taskInput(run.state, 'y')).toEqual({ q: 1 });
    run.ok('x', { a: 1 });
    expect(run.last).toEqual(['StepCompleted x #1']);
    expect(run.ok('y', { b: 2 }).last).toEqual([
      'StepCompleted y #1',
      'ConsensusReached panel threshold x+y',
      'StepScheduled after #1',
    ]);
    expect(taskInput(run.state, 'after')).toEqual({ q: 1, panel: { a: 1, b: 2 } });
  });

  test('a group that nobody declared is a quorum with the threshold of the settings', () => {
    const run = scenario(config('consensus', members, { settings: { consensus_threshold: 0.6 } })).start();
    run.fails('x');
    expect(run.last).toEqual(['StepAttemptFailed x #1 broken final', 'StepFailed x broken continue']);
    run.ok('y', { y: 1 }).ok('z', 'plain');
    expect(run.last).toEqual(['StepCompleted z #1', 'ConsensusReached panel threshold y+z', 'ExecutionCompleted']);
    expect(run.state.output).toEqual({ y: 1, z: 'plain' });
  });

  test('a majority over a key: votes, winners and dissent are in the log and in the view', () => {
    const consensus_groups = [{ id: 'panel', mode: 'majority' as const, vote_key: 'verdict' }];
    const run = scenario(config('consensus', members, { consensus_groups })).start();
    run.ok('z', { verdict: 'no' }).ok('y', { verdict: 'yes', why: 'y' }).ok('x', { verdict: 'yes', why: 'x' });
    expect(run.lastEvents[1]).toEqual({
      type: 'ConsensusReached',
      data: {
        groupId: 'panel',
        mode: 'majority',
        votes: [
          { stepId: 'x', option: 0 },
          { stepId: 'y', option: 0 },
          { stepId: 'z', option: 1 },
        ],
        winners: ['x', 'y'],
        dissent: ['z'],
        decidedBy: 'threshold',
        share: 2 / 3,
      },
    });
    expect(run.state.output).toEqual({ verdict: 'yes', why: 'x' });
    expect(view(run.state).consensus).toMatchObject([{ groupId: 'panel', status: 'completed', winners: ['x', 'y'] }]);
  });

  test('with early_stop a certain outcome stops the members that still run', () => {
    const consensus_groups = [{ id: 'panel', mode: 'majority' as const, early_stop: true }];
    const run = scenario(config('consensus', members, { consensus_groups })).start();
    run.ok('x', 'same');
    expect(run.ok('z', 'same').last).toEqual([
      'StepCompleted z #1',
      'StepSkipped y consensus_reached',
      'ConsensusReached panel threshold x+z',
      'ExecutionCompleted',
    ]);
    expect(run.effects).toContainEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', stepId: 'y', attempt: 1, reason: 'consensus_reached' }],
    });
    expect(run.ok('y', 'late', 1).outcome).toBe('stale');
  });

  test('a vote that needs the sandbox is asked for once and counted from the log', () => {
    const consensus_groups = [{ id: 'panel', mode: 'unanimous' as const, vote_key: '$lowercase(verdict)' }];
    const run = scenario(config('consensus', members.slice(0, 2), { consensus_groups })).start();
    expect(run.ok('x', { verdict: 'Yes' }).last).toEqual(['StepCompleted x #1', 'EvaluationRequested vote:x']);
    expect(run.effects).toEqual([
      { type: 'evaluate', key: 'vote:x', expressions: ['$lowercase(verdict)'], context: { verdict: 'Yes' } },
    ]);
    run.ok('y', { verdict: 'YES' });
    expect(run.wanted).toHaveLength(2);
    run.evaluated('vote:x', 'yes').evaluated('vote:y', 'yes');
    expect(run.last).toEqual([
      'EvaluationRecorded vote:y',
      'ConsensusReached panel threshold x+y',
      'ExecutionCompleted',
    ]);
    expect(run.evaluated('vote:y', 'yes').outcome).toBe('stale');
  });

  test.each([
    ['unanimous', {}, 'ConsensusFailed panel no_consensus abort'],
    ['unanimous', { early_stop: true }, 'ConsensusFailed panel no_consensus abort'],
    ['majority', {}, 'ConsensusFailed panel no_consensus abort'],
    ['majority', { on_tie: 'first' }, 'ConsensusFailed panel no_consensus abort'],
    ['weighted', { weights: { x: 5 } }, 'ConsensusFailed panel no_consensus abort'],
  ] as const)('in mode %s members whose vote_key finds nothing have not agreed (%j)', (mode, more, expected) => {
    for (const vote_key of ['verdcit', '$lookup($, "verdcit")', 'nothing']) {
      const consensus_groups = [{ id: 'panel', mode, vote_key, ...more }];
      const run = scenario(config('consensus', members, { consensus_groups })).start();
      const told: string[] = [];
      for (const [index, member] of members.entries()) {
        told.push(...run.ok(member.id, { verdict: index, nothing: null }).last);
        told.push(...run.evaluated(`vote:${member.id}`, null).last);
      }
      expect(told).toContain(expected);
      expect(run.status).toBe('failed');
      const [group] = view(run.state).consensus ?? [];
      expect(group?.votes?.filter((vote) => vote.option !== -1)).toEqual([]);
      const heard = group?.votes?.filter((vote) => vote.excluded !== 'consensus_reached');
      expect(new Set(heard?.map((vote) => vote.excluded))).toEqual(new Set(['no_vote']));
    }
  });

  test('a member without a vote counts as one that failed: those that voted may still be enough', () => {
    const consensus_groups = [{ id: 'panel', mode: 'majority' as const, vote_key: 'verdict' }];
    const run = scenario(config('consensus', members, { consensus_groups })).start();
    run.ok('x', { verdict: 'yes' }).ok('y', {}).ok('z', { verdict: 'yes' });
    expect(run.last).toContain('ConsensusReached panel threshold x+z');
    expect(run.lastEvents[1]?.data).toMatchObject({
      share: 2 / 3,
      votes: [{}, { option: -1, excluded: 'no_vote' }, {}],
    });
  });

  test('the highest score wins; a failing score has no vote', () => {
    const consensus_groups = [{ id: 'panel', mode: 'best' as const, score: 'score' }];
    const run = scenario(config('consensus', members, { consensus_groups })).start();
    run.ok('x', { score: 3 }).ok('y', { score: 7 }).ok('z', { score: 'high' });
    expect(run.last).toContain('ConsensusReached panel score y');
    expect(run.lastEvents[1]?.data).toMatchObject({
      votes: [
        { stepId: 'x', option: 0, score: 3 },
        { stepId: 'y', option: 1, score: 7 },
        { stepId: 'z', option: -1, excluded: 'not_a_number' },
      ],
    });
    expect(run.state.output).toEqual({ score: 7 });
  });

  test('a judge is an agent: it sees the candidates and its word decides', () => {
    const consensus_groups = [{ id: 'panel', mode: 'judge' as const, judge: 'arbiter' }];
    const run = scenario(config('consensus', members.slice(0, 2), { consensus_groups })).start({ q: 1 });
    run.ok('x', 'left').ok('y', 'right');
    expect(run.last).toEqual(['StepCompleted y #1', 'StepScheduled panel:judge #1']);
    expect(taskInput(run.state, 'panel:judge')).toEqual({
      input: { q: 1 },
      group: 'panel',
      candidates: [
        { step_id: 'x', output: 'left' },
        { step_id: 'y', output: 'right' },
      ],
    });
    expect(run.ok('panel:judge', { winner: 'y' }).last).toEqual([
      'StepCompleted panel:judge #1',
      'ConsensusReached panel judge y',
      'ExecutionCompleted',
    ]);
    expect(run.state.output).toBe('right');
  });

  test('a judge that names nobody, or fails, leaves the group without consensus', () => {
    const consensus_groups = [{ id: 'panel', mode: 'majority' as const, on_tie: 'judge' as const, judge: 'arbiter' }];
    const definition = config('consensus', members.slice(0, 2), { consensus_groups });
    const mute = scenario(definition).start().ok('x', 1).ok('y', 2).ok('panel:judge', { winner: 'nobody' });
    expect(mute.last).toEqual([
      'StepCompleted panel:judge #1',
      'ConsensusFailed panel no_consensus abort',
      'ExecutionFailed panel no_consensus',
    ]);
    const ill = scenario(definition).start().ok('x', 1).ok('y', 2).fails('panel:judge');
    expect(ill.last.at(-1)).toBe('ExecutionFailed panel no_consensus');
    expect(ill.state.failure?.message).toContain('the judge failed');
  });

  test('a group without consensus is handled by its own on_failure or its fallbacks', () => {
    const goesOn = config('consensus', [...members, { id: 'after', dependencies: ['panel'] }], {
      consensus_groups: [{ id: 'panel', mode: 'unanimous', on_failure: 'continue' }],
    });
    const run = scenario(goesOn).start({}).ok('x', 1).ok('y', 2).ok('z', 3);
    expect(run.last).toEqual([
      'StepCompleted z #1',
      'ConsensusFailed panel no_consensus continue',
      'StepScheduled after #1',
    ]);
    expect(taskInput(run.state, 'after')).toEqual({ panel: null });
    const spare = { id: 'spare', fallback_for: 'panel', fallback_when: ['no_consensus' as const] };
    const falls = config('consensus', [...members, spare], {
      consensus_groups: [{ id: 'panel', mode: 'unanimous', on_failure: 'fallback' }],
    });
    const other = scenario(falls).start().ok('x', 1).ok('y', 2).ok('z', 3);
    expect(other.last).toContain('StepScheduled spare #1');
    expect(other.ok('spare', 'saved').state.output).toBe('saved');
    expect(view(other.state).consensus?.[0]).toMatchObject({ status: 'failed', servedBy: 'spare' });
  });

  test('a member may be served by its own alternative, whose output is then its vote', () => {
    const run = scenario(
      config('consensus', [
        { id: 'x', consensus_group: 'panel', on_failure: 'fallback' },
        { id: 'y', consensus_group: 'panel' },
        { id: 'x2', fallback_for: 'x' },
      ]),
    ).start();
    run.ok('y', { y: 1 }).fails('x');
    expect(run.last).toContain('StepScheduled x2 #1');
    expect(run.ok('x2', { x: 2 }).last).toContain('ConsensusReached panel threshold x+y');
    expect(run.state.output).toEqual({ x: 2, y: 1 });
  });

  test('a group all of whose members are skipped is skipped', () => {
    const run = scenario(
      config('consensus', [
        { id: 'x', consensus_group: 'panel', when: 'input.no' },
        { id: 'after', dependencies: ['panel'] },
      ]),
    ).start({});
    expect(run.last).toEqual([
      'ExecutionStarted',
      'StepSkipped x condition_false',
      'StepSkipped panel members_skipped',
      'StepScheduled after #1',
    ]);
  });
});
