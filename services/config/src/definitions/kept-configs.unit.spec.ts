import { describe, expect, it } from '@jest/globals';
import { markMistake } from './kept-configs.js';

describe('configs that the platform keeps', () => {
  const marked = (kept_for: unknown): object => ({ batuta: { kept_for } });

  it.each<[string, object | undefined, string | undefined, readonly string[]]>([
    ['usual', undefined, undefined, []],
    ['taskless', { owner: 'me' }, undefined, []],
    ['a task: of mine', undefined, undefined, []],
    ['task:echo', undefined, undefined, ['/name']],
    ['workflow:x', undefined, '', ['/name']],
    ['process:x', undefined, undefined, ['/name']],
    ['agent/counter', undefined, undefined, ['/name']],
    ['usual', marked(''), undefined, ['/metadata/batuta']],
    ['usual', { batuta: null }, undefined, ['/metadata/batuta']],
    ['usual', { batuta: {} }, undefined, ['/metadata/batuta']],
    ['task:echo', marked('task'), undefined, ['/metadata/batuta', '/name']],
    ['task:echo', marked('task'), 'task', []],
    ['workflow:x', marked('workflow'), 'task', ['/metadata/batuta', '/name']],
  ])('are not made by hand: %s %j for %j', (name, metadata, keptFor, paths) => {
    const { violations = [] } = markMistake({ name, metadata }, keptFor)?.refused ?? {};
    expect(violations.map(({ path }) => path)).toEqual(paths);
    expect(violations.every(({ code }) => code === 'reserved_name')).toBe(true);
  });
});
