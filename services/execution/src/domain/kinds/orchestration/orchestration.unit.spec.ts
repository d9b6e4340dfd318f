import { describe, expect, test } from '@jest/globals';
import { LIMITS, uuidV5, type ChildFacts, type EndMessage, type ParentCommand } from '@batuta/contracts';
import { commandOfChild } from '../../effects/children.js';
import { commandIds } from '../../commands/command.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { view } from '../../view/view.js';
import { EXECUTION, NOON, config, failure, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const TEAM = config('sequential', [
  { id: 'order' },
  { id: 'bill', dependencies: ['order'], orchestration: { config: 'billing' } },
  { id: 'send', dependencies: ['bill'] },
]);
const childId = (step: string, number = 1): string => uuidV5(EXECUTION, `${step}/${number}`);
const stepOf = (run: Scenario, id: string) => view(run.state).steps.find(({ stepId }) => stepId === id);

/** A parent whose step requests its child. */
const asking = (): Scenario => scenario(TEAM).start({ n: 1 }).ok('order');

function answers(run: Scenario, facts: Partial<ChildFacts> = {}, child = childId('bill')): Scenario {
  return run.when({
    type: 'RecordChildAnswer',
    id: commandIds.startAnswered(child),
    childId: child,
    outcome: 'started',
    facts: { configId: 'config-9', configName: 'billing', configVersion: 3, version: 1, ...facts },
  });
}

function ends(run: Scenario, end: Partial<EndMessage> = {}, child = childId('bill')): Scenario {
  const full: EndMessage = { status: 'completed', at: run.now, version: 7, ...end };
  return run.when({ type: 'RecordChildEnd', id: commandIds.ended(child), childId: child, end: full });
}

describe('a step with an orchestration', () => {
  test('wants a child in its turn, whose id follows from parent and step', () => {
    const run = asking();
    expect(run.last).toEqual(['StepCompleted order #1', 'ChildRequested bill']);
    expect(run.lastEvents[1]?.data).toMatchObject({ childId: childId('bill'), config: 'billing', number: 1 });
    expect(run.effects).toEqual([{ type: 'startChild', stepId: 'bill', childId: childId('bill') }]);
    expect(run.wanted).toEqual(run.effects);
    expect(stepOf(run, 'bill')).toMatchObject({
      status: 'running',
      child: { executionId: childId('bill'), config: 'billing', status: 'starting' },
    });
  });

  test('shows which version its child has, and gives what the child gives', () => {
    const run = answers(asking());
    expect(run.wanted).toEqual([]);
    expect(view(run.state).children).toMatchObject([{ status: 'running', configVersion: 3, configId: 'config-9' }]);
    ends(run, { output: { paid: true }, tokenCount: 12, estimatedCost: 0.5 });
    expect(run.last).toEqual(['ChildEnded bill', 'StepCompleted bill #0', 'StepScheduled send #1']);
    expect(stepOf(run, 'bill')).toMatchObject({
      output: { paid: true },
      tokenCount: 12,
      child: { status: 'completed' },
    });
    expect(view(run.state)).toMatchObject({ tokenCount: 12, estimatedCost: 0.5 });
  });

  test('takes an end once, and none before it knows of which run that is', () => {
    const run = asking();
    expect(ends(run).outcome).toBe('later');
    answers(run);
    expect(ends(run, { version: 1 }).outcome).toBe('stale');
    expect(ends(run).outcome).toBe('recorded');
    expect(ends(run).outcome).toBe('stale');
    expect(run.last).toEqual([]);
  });

  test('learns from the answer to its start when the child has ended already', () => {
    const run = answers(asking(), { ended: { status: 'completed', at: NOON, version: 7, output: 5 } });
    expect(run.last).toEqual([
      'ChildStarted bill',
      'ChildEnded bill',
      'StepCompleted bill #0',
      'StepScheduled send #1',
    ]);
  });

  test('fails with its child, and names it', () => {
    const run = ends(answers(asking()), { status: 'failed', failure: failure('broken', false) });
    expect(run.last).toEqual([
      'ChildEnded bill',
      'StepFailed bill child_failed abort',
      'ExecutionFailed bill child_failed',
    ]);
    expect(view(run.state).failure?.summary).toBe(
      `Step "bill" failed (child_failed): execution ${childId('bill')} of config billing failed (broken): broken happened`,
    );
    expect(ends(answers(asking()), { status: 'cancelled' }).last[1]).toBe('StepFailed bill child_cancelled abort');
    expect(ends(answers(asking()), { deleted: true }).last[1]).toBe('StepFailed bill child_deleted abort');
  });

  test('fails clearly when nothing can be started', () => {
    const run = asking().when({
      type: 'RecordChildAnswer',
      id: 'a:1',
      childId: childId('bill'),
      outcome: 'refused',
      refusal: { code: 'not_found', message: 'There is no such config.' },
    });
    expect(run.last).toEqual([
      'ChildEnded bill',
      'StepFailed bill child_refused abort',
      'ExecutionFailed bill child_refused',
    ]);
    expect(stepOf(run, 'bill')?.failure?.summary).toContain(
      'of config billing cannot be started (not_found): There is no',
    );
  });

  test('nests as deep as the limit, and says what may be wrong beyond it', () => {
    const depth = (of: number) => ({ parent: { executionId: 'above', stepId: 's', depth: of } });
    const deep = scenario(TEAM)
      .start({}, depth(LIMITS.executionDepth - 1))
      .ok('order');
    expect(deep.last[1]).toBe('ChildRequested bill');
    const tooDeep = scenario(TEAM).start({}, depth(LIMITS.executionDepth)).ok('order');
    expect(tooDeep.last[1]).toBe('StepFailed bill nested_too_deep abort');
    expect(view(tooDeep.state).failure?.message).toContain('does config billing start itself');
  });

  test('passes on what is left of the budget', () => {
    const definition = config('sequential', [{ id: 'a' }, { id: 'b', orchestration: { config: 'x' } }], {
      settings: { budget: { max_tokens: 100 } },
    });
    const run = scenario(definition).start({}).ok('a', { _tokens: 30 });
    expect(run.lastEvents[1]?.data).toMatchObject({ budget: { maxTokens: 70 } });
  });

  test('takes a slot while its child runs', () => {
    const definition = config('parallel', [{ id: 'c', orchestration: { config: 'x' } }, { id: 'a' }], {
      settings: { parallel_limit: 1 },
    });
    const run = scenario(definition).start({});
    expect(run.last).toEqual(['ExecutionStarted', 'ChildRequested c']);
    ends(answers(run, {}, childId('c')), {}, childId('c'));
    expect(run.last.at(-1)).toBe('StepScheduled a #1');
  });
});

describe('what a parent wants of its child', () => {
  const told = (run: Scenario): ParentCommand | undefined => commandOfChild(run.state, 'bill');

  test('follows what happens to the parent, the newest alone', () => {
    const run = answers(asking());
    run.when({ type: 'PauseExecution', now: true, by: 'ann' });
    expect(run.effects).toContainEqual(expect.objectContaining({ type: 'commandChild', order: run.state.version }));
    expect(told(run)).toMatchObject({ command: 'pause', now: true, by: 'ann' });
    const paused = told(run)?.order ?? 0;
    run.when({ type: 'ResumeExecution' });
    expect(told(run)).toMatchObject({ command: 'resume' });
    expect(told(run)?.order).toBeGreaterThan(paused);
    run.when({ type: 'CancelExecution', reason: 'enough' });
    expect(told(run)).toMatchObject({ command: 'cancel', reason: 'enough' });
    expect(run.wanted).toEqual([
      { type: 'commandChild', stepId: 'bill', childId: childId('bill'), order: run.state.version },
    ]);
    expect(view(run.state).children).toMatchObject([{ closed: true }]);
  });

  test.each([
    ['terminate', 'terminate'],
    ['cancel', 'cancel'],
    ['abandon', undefined],
  ] as const)('is %s when the step says so', (way, command) => {
    const definition = config('parallel', [{ id: 'bill', orchestration: { config: 'x', on_parent_close: way } }]);
    const run = answers(scenario(definition).start({}));
    run.when({ type: 'SkipStep', stepId: 'bill' });
    expect(told(run)?.command).toBe(command);
    expect(run.status).toBe('completed');
  });

  test('goes on where the child failed when the parent is retried with the same input', () => {
    const run = ends(answers(asking()), { status: 'failed', version: 7 });
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'ChildRequested bill']);
    expect(run.lastEvents[1]?.data).toMatchObject({ childId: childId('bill'), number: 1, resumed: true });
    answers(run, { version: 9 });
    expect(ends(run, { version: 7, status: 'failed' }).outcome).toBe('stale');
    expect(ends(run, { version: 12, output: 1 }).last).toContain('StepCompleted bill #0');
  });

  test('begins anew when the child cannot go on', () => {
    const run = ends(answers(asking()), { status: 'failed' });
    run.when({ type: 'RetryExecution' });
    run.when({ type: 'RecordChildAnswer', id: 'a:1', childId: childId('bill'), outcome: 'gone' });
    expect(run.last).toEqual(['ChildRequested bill']);
    expect(run.lastEvents[0]?.data).toMatchObject({ childId: childId('bill', 2), number: 2 });
  });

  test('survives a snapshot', () => {
    const run = answers(asking()).when({ type: 'PauseExecution' });
    const decoded = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as never);
    expect(decoded).toEqual(run.state);
  });
});

describe('a child', () => {
  const child = (): Scenario =>
    scenario(config('sequential', [{ id: 'a' }])).start(
      {},
      {
        endTo: 'parent-1',
        parent: { executionId: 'parent-1', stepId: 's', depth: 1 },
      },
    );
  const wants = (run: Scenario, command: ParentCommand['command'], order: number, from = 'parent-1'): Scenario =>
    run.when({ type: 'ObeyParent', id: commandIds.parent(order), command, order, from });

  test('obeys its parent and nobody else', () => {
    const run = child();
    expect(wants(run, 'cancel', 5, 'other').outcome).toBe('stale');
    expect(wants(run, 'pause', 5).last).toEqual(['ParentCommanded', 'ExecutionPaused']);
    expect(view(run.state)).toMatchObject({ status: 'paused', parent: { executionId: 'parent-1', stepId: 's' } });
  });

  test('takes the newest wish, however late the others come', () => {
    const run = wants(child(), 'resume', 8);
    expect(run.last).toEqual(['ParentCommanded']);
    expect(wants(run, 'pause', 5).outcome).toBe('stale');
    expect(wants(run, 'resume', 8).outcome).toBe('recorded');
    expect(run.status).toBe('running');
  });

  test('tells how it ended, with all that its parent needs', () => {
    const run = child().ok('a', { v: 1, _tokens: 3 });
    expect(run.effects).toContainEqual({
      type: 'send',
      to: 'parent-1',
      message: {
        ended: { status: 'completed', at: NOON, version: run.state.version, output: { v: 1 }, tokenCount: 3 },
      },
    });
  });

  test('goes on where it failed when its parent does', () => {
    const run = child().fails('a');
    expect(wants(run, 'cancel', 5).outcome).toBe('stale');
    expect(wants(run, 'retry', 6).last).toEqual(['ExecutionRetried', 'ParentCommanded', 'StepScheduled a #2']);
    expect(wants(run, 'retry', 6).outcome).toBe('recorded');
    expect(run.last).toEqual([]);
  });

  test('that is deleted tells its end once more from its tombstone', () => {
    const run = child().ok('a').when({ type: 'DeleteExecution' });
    const tombstone = run.events.at(-1);
    const alone = scenario(config('sequential', [{ id: 'a' }]));
    alone.given({ type: 'ExecutionDeleted', data: tombstone?.data } as never);
    expect(alone.wanted).toEqual([
      {
        type: 'send',
        to: 'parent-1',
        message: { ended: expect.objectContaining({ status: 'completed', deleted: true }) },
      },
    ]);
  });
});
