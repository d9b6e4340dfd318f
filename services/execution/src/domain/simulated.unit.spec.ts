import { describe, expect, test } from '@jest/globals';
import { view } from './view/view.js';
import { config, scenario } from '../../test/engine/scenario.js';

// The simulation found each of these.

describe('what the simulation found', () => {
  test('a mapping behind a condition that is a plain path is sent to the sandbox', () => {
    const conditional = config('parallel', [{ id: 'a', when: 'input.go', input: { n: '{% input.n + 1 %}' } }]);
    const run = scenario(conditional).start({ go: true, n: 1 });
    expect(run.last).toContain('EvaluationRequested input:a');
    expect(run.effects).toContainEqual(expect.objectContaining({ type: 'evaluate', key: 'input:a' }));
  });

  test('a step that ran again after a failed compensation is undone once', () => {
    const undoable = config('sequential', [
      { id: 'a', consensus_group: 'g', compensate: { agent: 'undo' } },
      { id: 'b', consensus_group: 'g' },
    ]);
    const run = scenario({ ...undoable, consensus_groups: [{ id: 'g', mode: 'unanimous' }] }).start({});
    run.ok('a', 1).ok('b', 2).fails('a:compensate');
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' }).ok('a', 1).ok('b', 2).ok('a:compensate');
    expect(run.status).toBe('failed');
    expect(run.lastEvents.at(-1)?.data).toMatchObject({ compensation: { compensated: ['a'], notCompensated: [] } });
  });

  test('a retry before start_at runs at once, and a pause of it ends in running', () => {
    const run = scenario(config('parallel', [{ id: 'a' }])).start({}, { startAt: 1_700_000_600_000 });
    expect(run.status).toBe('pending');
    run.when({ type: 'CancelExecution' }).when({ type: 'RetryExecution' });
    run.when({ type: 'PauseExecution' }).when({ type: 'ResumeExecution' });
    expect(run.status).toBe('running');
  });

  test('completed members are kept when their execution ended before the group decided', () => {
    const panel = config('parallel', [
      { id: 'a', consensus_group: 'g' },
      { id: 'b', consensus_group: 'g' },
    ]);
    const judged = { ...panel, consensus_groups: [{ id: 'g', mode: 'judge' as const, judge: 'arbiter' }] };
    const run = scenario(judged).start({}).ok('a', 1).ok('b', 2);
    run.when({ type: 'CancelExecution' }).when({ type: 'RetryExecution' });
    expect(view(run.state).steps.map((step) => step.status)).toEqual(['completed', 'completed']);
    expect(run.last.filter((line) => line.startsWith('StepScheduled'))).toEqual(['StepScheduled g:judge #2']);
  });
});
