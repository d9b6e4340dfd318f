import { describe, expect, test } from '@jest/globals';
import { taskInput } from '../domain/expressions/inputs.js';
import { view } from '../domain/view/view.js';
import { config, failure, scenario } from '../../test/engine/scenario.js';

describe('fallback', () => {
  test('tries the alternatives of a failed step in listed order without being told to', () => {
    const run = scenario(
      config('fallback', [
        { id: 'main', output_key: 'answer' },
        { id: 'second', fallback_for: 'main', is_fallback: true },
        { id: 'third', fallback_for: 'main', is_fallback: true },
        { id: 'after', dependencies: ['main'] },
      ]),
    ).start({});
    run.fails('main').fails('second');
    expect(run.last).toEqual([
      'StepAttemptFailed second #1 broken final',
      'StepFailed second broken fallback third',
      'StepScheduled third #1',
    ]);
    expect(run.ok('third', { served: true }).last).toEqual(['StepCompleted third #1', 'StepScheduled after #1']);
    expect(run.effects).toContainEqual({ type: 'dispatch', stepId: 'after', attempt: 1 });
    run.ok('after', 'end');
    const steps = view(run.state).steps;
    expect(steps.map((step) => [step.stepId, step.status, step.servedBy])).toEqual([
      ['main', 'failed', 'third'],
      ['second', 'failed', undefined],
      ['third', 'completed', undefined],
      ['after', 'completed', undefined],
    ]);
  });

  test('takes abort for what it is elsewhere, the default: alternatives are asked first', () => {
    const steps = [
      { id: 'main', on_failure: 'abort' as const },
      { id: 'spare', is_fallback: true, on_failure: 'abort' as const },
      { id: 'spare2', fallback_for: 'spare' },
    ];
    const run = scenario(config('fallback', steps)).start();
    expect(run.fails('main').last).toContain('StepScheduled spare #1');
    expect(run.fails('spare').last).toContain('StepScheduled spare2 #1');
    expect(run.ok('spare2').status).toBe('completed');
    const group = config(
      'fallback',
      [
        { id: 'm', consensus_group: 'g' },
        { id: 'spare', fallback_for: 'g' },
      ],
      { consensus_groups: [{ id: 'g', on_failure: 'abort' }] },
    );
    expect(scenario(group).start().fails('m').last).toContain('StepScheduled spare #1');
    expect(
      scenario(config('fallback', [{ id: 'main', on_failure: 'abort' }]))
        .start()
        .fails('main').status,
    ).toBe('failed');
  });

  test('shows an alternative what the step that it serves sees, over any number of links', () => {
    const run = scenario(
      config('parallel', [
        { id: 'a', output_key: 'left' },
        { id: 'own' },
        { id: 'main', dependencies: ['a'], on_failure: 'fallback' },
        { id: 'spare', fallback_for: 'main', on_failure: 'fallback' },
        { id: 'spare2', fallback_for: 'spare', dependencies: ['own'], when: 'outputs.left.ok' },
        { id: 'mapped', fallback_for: 'main', input: { x: '{% outputs.left.ok %}' } },
      ]),
    ).start({ q: 1 });
    run.ok('a', { ok: true }).ok('own', 2).fails('main');
    expect(taskInput(run.state, 'spare')).toEqual({ q: 1, left: { ok: true } });
    expect(run.fails('spare').last).toContain('StepScheduled spare2 #1');
    expect(taskInput(run.state, 'spare2')).toEqual({ q: 1, left: { ok: true }, own: 2 });
    run.fails('spare2');
    expect(taskInput(run.state, 'mapped')).toEqual({ x: true });
  });

  test('shows an alternative of a group what its members see, and the members when it names the group', () => {
    const steps = [
      { id: 'a' },
      { id: 'b' },
      { id: 'm', consensus_group: 'g', dependencies: ['a'] },
      { id: 'n', consensus_group: 'g', dependencies: ['b'] },
      { id: 'spare', fallback_for: 'g', input: '{% outputs %}' },
      { id: 'spare2', fallback_for: 'g', dependencies: ['g'], input: '{% outputs.m %}' },
    ];
    const run = scenario(
      config('parallel', steps, { consensus_groups: [{ id: 'g', mode: 'unanimous', on_failure: 'fallback' }] }),
    ).start();
    run.ok('a', 'A').ok('b', 'B').ok('m', 'yes').ok('n', 'no');
    expect(taskInput(run.state, 'spare')).toEqual({ a: 'A', b: 'B' });
    run.fails('spare');
    expect(taskInput(run.state, 'spare2')).toBe('yes');
  });

  test('takes the word of an alternative alone for which dependencies must not have been skipped', () => {
    const run = scenario(
      config('parallel', [
        { id: 'a', when: 'input.no' },
        { id: 'main', dependencies: ['a'], on_failure: 'fallback' },
        { id: 'spare', fallback_for: 'main', require: 'all' },
      ]),
    ).start({ no: false });
    expect(run.fails('main').last).toContain('StepScheduled spare #1');
  });

  test('takes a fallback that names nobody as an alternative of the main step before it', () => {
    const run = scenario(config('fallback', [{ id: 'main' }, { id: 'spare', is_fallback: true }])).start();
    expect(run.fails('main').last).toContain('StepScheduled spare #1');
    expect(run.ok('spare').status).toBe('completed');
  });

  test('never runs an alternative that is not called for; the view says so', () => {
    const run = scenario(config('fallback', [{ id: 'main' }, { id: 'spare', is_fallback: true }])).start();
    expect(run.ok('main', 1).status).toBe('completed');
    expect(view(run.state).steps[1]).toMatchObject({ status: 'skipped', skipReason: 'not_selected', attempt: 0 });
  });

  test('does not keep those waiting who depend on an alternative that is not called for', () => {
    const run = scenario(
      config('parallel', [
        { id: 'main', on_failure: 'fallback' },
        { id: 'spare', fallback_for: 'main' },
        { id: 'after', dependencies: ['spare'] },
      ]),
    ).start();
    expect(run.ok('main').last).toEqual(['StepCompleted main #1', 'StepScheduled after #1']);
  });

  test('goes down a chain first: a fallback has fallbacks of its own', () => {
    const run = scenario(
      config('parallel', [
        { id: 'main', on_failure: 'fallback' },
        { id: 'b', fallback_for: 'main', on_failure: 'fallback' },
        { id: 'b2', fallback_for: 'b' },
        { id: 'c', fallback_for: 'main' },
      ]),
    ).start();
    expect(run.fails('main').last).toContain('StepScheduled b #1');
    expect(run.fails('b').last).toContain('StepScheduled b2 #1');
    expect(run.fails('b2').last).toContain('StepScheduled c #1');
    expect(run.ok('c', 'saved').last).toEqual(['StepCompleted c #1', 'ExecutionCompleted']);
    expect(run.state.output).toBe('saved');
  });

  test('lists every reason when all alternatives failed', () => {
    const run = scenario(
      config('fallback', [{ id: 'main' }, { id: 'b', fallback_for: 'main' }, { id: 'c', fallback_for: 'main' }]),
    ).start();
    run
      .fails('main', failure('no_disk', false))
      .fails('b', failure('no_net', false))
      .fails('c', failure('no_luck', false));
    expect(run.last.at(-1)).toBe('ExecutionFailed main all_fallbacks_failed');
    expect(run.state.failure?.details).toEqual({
      reasons: [
        { step_id: 'main', code: 'no_disk', message: 'no_disk happened' },
        { step_id: 'b', code: 'no_net', message: 'no_net happened' },
        { step_id: 'c', code: 'no_luck', message: 'no_luck happened' },
      ],
    });
    expect(run.lastEvents.at(-1)?.data).toMatchObject({ stepId: 'main' });
  });

  test('passes over alternatives whose fallback_when does not name the kind of failure', () => {
    const steps = [
      { id: 'main' },
      { id: 'slow', fallback_for: 'main', fallback_when: ['timeout' as const] },
      { id: 'any', fallback_for: 'main' },
    ];
    const run = scenario(config('fallback', steps)).start();
    expect(run.fails('main').last).toContain('StepScheduled any #1');
    const late = scenario(config('fallback', steps)).start();
    expect(late.fails('main', failure('timeout', false)).last).toContain('StepScheduled slow #1');
  });

  test('an alternative whose condition is false makes room for the next one', () => {
    const run = scenario(
      config('fallback', [
        { id: 'main' },
        { id: 'b', fallback_for: 'main', when: 'input.premium' },
        { id: 'c', fallback_for: 'main' },
      ]),
    ).start({ premium: false });
    expect(run.fails('main').last).toEqual([
      'StepAttemptFailed main #1 broken final',
      'StepFailed main broken fallback b',
      'StepFailed b condition_false fallback c',
      'StepScheduled c #1',
    ]);
  });

  test('a main step may name the kinds of failure that its alternatives are for', () => {
    const steps = [
      { id: 'main', fallback_when: ['timeout' as const] },
      { id: 'b', fallback_for: 'main' },
    ];
    const run = scenario(config('fallback', steps)).start().fails('main');
    expect(run.last.at(-1)).toBe('ExecutionFailed main broken');
    const late = scenario(config('fallback', steps)).start().fails('main', failure('heartbeat_timeout', false));
    expect(late.last).toContain('StepScheduled b #1');
  });

  test('uses all attempts of a step before its alternatives', () => {
    const retry = { max_attempts: 2, backoff_ms: 0 };
    const run = scenario(
      config('fallback', [
        { id: 'main', retry },
        { id: 'b', fallback_for: 'main' },
      ]),
    ).start();
    expect(run.fails('main', failure('broken')).last).toEqual([
      'StepAttemptFailed main #1 broken +0',
      'StepScheduled main #2',
    ]);
    expect(run.fails('main', failure('broken')).last).toContain('StepScheduled b #1');
  });
});
