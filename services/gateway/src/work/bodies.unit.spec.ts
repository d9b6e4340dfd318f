import { describe, expect, it } from '@jest/globals';
import { DEPENDENCY_ENDS } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import { processIn, rescheduleIn, runIn, taskIn, workflowIn } from './bodies.js';

/** What is refused: each mistake as `path code message`. */
function mistakesOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.errors().map(({ path, code, message }) => `${path} ${code} ${message}`);
  }
  return [];
}

describe('the bodies of workflows, processes and tasks', () => {
  it('report every mistake of a workflow at once, in the order of the body, with what was probably meant', () => {
    const body: JsonValue = {
      nam: 'greetings',
      tasks: [
        { type: 'echo', timeout: 1000, retry: { max_attempts: 0 } },
        { id: 'task_1', type: '' },
        { id: 'a b', type: 7, config: [] },
      ],
      config: { continue_on_errors: true },
    };
    expect(mistakesOf(() => workflowIn(body))).toEqual([
      '/name required name is required',
      '/nam unknown_field "nam" is not a known field; did you mean "name"?',
      '/tasks/0/timeout unknown_field "timeout" is not a known field; did you mean "timeout_ms"?',
      '/tasks/0/retry/max_attempts out_of_range must be from 1 to 1000',
      '/tasks/1/id duplicate_id "task_1" stands twice',
      '/tasks/1/type too_short must not be empty',
      '/tasks/2/id bad_format must be 1 to 64 letters, digits, "_" or "-"',
      '/tasks/2/type wrong_type must be a text, not a number',
      '/tasks/2/config wrong_type must be an object, not a list',
      '/config/continue_on_errors unknown_field "continue_on_errors" is not a known field; did you mean "continue_on_error"?',
    ]);
  });

  it('take an answer as a body, and null as nothing', () => {
    const answer = { id: 'x', status: 'PENDING', version: 3, last_run: null, repeated: true };
    const tasks = [{ type: 'echo', id: null, config: null }];
    expect(workflowIn({ ...answer, name: 'greetings', tasks, config: null })).toMatchObject({
      name: 'greetings',
      continueOnError: false,
      steps: [{ id: 'task_1', type: 'echo', config: undefined, isWorkflow: false }],
    });
    expect(mistakesOf(() => workflowIn({ ...answer, config_id: 'x', name: 'greetings', tasks }))).toHaveLength(1);
  });

  it('report what a step of a process has for the other type, and what it waits for twice', () => {
    const body: JsonValue = {
      id: 'nightly',
      steps: [
        { id: 'a', type: 'workflow', task_data: { type: 'echo' } },
        { id: 'a', type: 'task', name: 'x', input: {} },
        { id: 'c', type: 'tusk', task_data: {} },
        { id: 'd' },
      ],
      dependencies: ['one', 'nightly'],
      after: [{ process: 'one' }, { on: DEPENDENCY_ENDS[0] }, { process: 'two', on: 'never' }],
    };
    expect(mistakesOf(() => processIn(body)).map((mistake) => mistake.split(' ').slice(0, 2).join(' '))).toEqual([
      '/steps/0/task_data contradiction',
      '/steps/0/name required',
      '/steps/1/id duplicate_id',
      '/steps/1/name contradiction',
      '/steps/1/input contradiction',
      '/steps/1/task_data required',
      '/steps/2/type not_allowed',
      '/steps/2/task_data/type required',
      '/steps/3/type required',
      '/dependencies/1 self_dependency',
      '/after/0/process duplicate_dependency',
      '/after/1/process required',
      '/after/2/on not_allowed',
    ]);
  });

  it('read a process with what it waits for', () => {
    const steps = [
      { id: 'a', type: 'workflow', name: 'greetings', input: { n: 1 } },
      { id: 'b', type: 'task', task_data: { type: 'echo', text: 'x', none: null } },
    ];
    expect(processIn({ id: 'nightly', steps, dependencies: ['one'], after: [{ process: 'two' }] })).toMatchObject({
      name: 'nightly',
      steps: [
        { id: 'a', type: 'greetings', isWorkflow: true, config: { n: 1 } },
        { id: 'b', type: 'echo', isWorkflow: false, config: { text: 'x', none: null } },
      ],
      after: [{ process: 'one' }, { process: 'two', path: '/after/0/process' }],
    });
  });

  it('report every mistake of a task, a run and a new time', () => {
    expect(mistakesOf(() => taskIn({ task_id: ' ', scheduled_time: 'soon', priority: 11 }))).toEqual([
      '/task_data required task_data is required',
      expect.stringMatching(/^\/task_id /),
      '/scheduled_time bad_format must be a time such as 2026-12-31T09:00:00Z',
      '/priority out_of_range must be from 1 to 10',
    ]);
    expect(mistakesOf(() => taskIn({ task_data: { type: 'echo' }, priority: 1.5 }))).toEqual([
      '/priority wrong_type must be a whole number',
    ]);
    expect(mistakesOf(() => runIn({ start_at: 5, priority: 'higher' }))).toEqual([
      '/start_at wrong_type must be a text, not a number',
      '/priority not_allowed must be one of high, normal, low; did you mean "high"?',
    ]);
    expect(mistakesOf(() => runIn([]))).toEqual([' wrong_type must be an object, not a list']);
    expect(mistakesOf(() => rescheduleIn({ reason: '' }))).toEqual([
      '/scheduled_time required scheduled_time is required',
      '/reason too_short must not be empty',
    ]);
  });

  it('take what a task and a run have, and a run without a body', () => {
    const task = taskIn({ task_data: { type: 'echo', text: 'x' }, scheduled_time: '1960-01-01T00:00:00Z' });
    expect(task).toMatchObject({ taskId: undefined, scheduledAt: 0, priority: 5, step: { config: { text: 'x' } } });
    expect(runIn(undefined)).toEqual({ input: undefined, startAt: undefined, priority: undefined });
    expect(runIn({ input: null, start_at: '1970-01-01T00:00:01Z' })).toMatchObject({ startAt: 1000 });
  });
});
