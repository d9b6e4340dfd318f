import { afterAll, describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { Sandbox } from '@batuta/sandbox';
import fc from 'fast-check';
import { valueAtPath } from './expressions.js';

const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());

const name = fc.constantFrom('a', 'b', 'c');
const { value: json } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<JsonValue>(null, 0, 1, '', 'x', false, true),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

describe('plain paths', () => {
  test('read in place they are what JSONata makes of them, lists in lists included', async () => {
    await fc.assert(
      fc.asyncProperty(json, fc.array(name, { minLength: 1, maxLength: 4 }), async (root, path) => {
        const found = valueAtPath(path, root);
        const outcome = await sandbox.evaluate({ expression: path.join('.'), context: root, timeoutMs: 60_000 });
        expect(outcome).toEqual({ ok: true, value: found.known ? found.value : 'not known' });
      }),
      { numRuns: 2000 },
    );
  });
});
