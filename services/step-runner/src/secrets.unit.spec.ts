import { describe, expect, it } from '@jest/globals';
import type { Task } from '@batuta/contracts';
import { inputWithSecrets, secretsOfTask } from './secrets.js';

const REF = '{{secret:A}}';
const taskWith = (input: Task['input'], secrets: string[]): Task =>
  ({ executionId: 'e', stepId: 's', attempt: 1, dispatch: 1, agent: 'a', input, secrets }) as unknown as Task;

describe('references to secrets in the input of a task', () => {
  it('count only at the places that the engine lists', () => {
    const input = { given: REF, list: ['x', `${REF} and {{secret:B}}`], 'a/b': { '~': REF }, other: '{{secret:C}}' };
    const task = taskWith(input, ['/list/1', '/a~1b/~0']);
    expect(secretsOfTask(task).toSorted()).toEqual(['A', 'B']);
    const values = new Map([
      ['A', 'first {{secret:C}}'],
      ['B', 'second'],
      ['C', 'third'],
    ]);
    expect(inputWithSecrets(task, values)).toEqual({
      given: REF,
      list: ['x', 'first {{secret:C}} and second'],
      'a/b': { '~': 'first {{secret:C}}' },
      other: '{{secret:C}}',
    });
    expect(task.input).toEqual(input);
  });

  it('may be the whole input, and places that do not exist are passed over', () => {
    expect(inputWithSecrets(taskWith(REF, ['']), new Map([['A', 'value']]))).toBe('value');
    const odd = taskWith({ a: 1 }, ['/a', '/b/c', '/__proto__/x', '/constructor/name']);
    expect(secretsOfTask(odd)).toEqual([]);
    expect(inputWithSecrets(odd, new Map())).toEqual({ a: 1 });
  });
});
