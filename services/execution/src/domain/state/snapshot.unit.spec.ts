import { describe, expect, test } from '@jest/globals';
import { compile } from '../graph/compile.js';
import { decodeSnapshot, encodeSnapshot, REDUCER_VERSION } from './snapshot.js';
import { config, scenario } from '../../../test/engine/scenario.js';

describe('snapshots', () => {
  const steps = Array.from({ length: 500 }, (_, index) => ({ id: `s${index}` }));
  const definition = config('sequential', steps);

  test('of another version of the fold are thrown away', () => {
    const snapshot = encodeSnapshot(scenario(definition).start().state) as { reducer: number };
    expect(snapshot.reducer).toBe(REDUCER_VERSION);
    expect(decodeSnapshot(compile(definition), { ...snapshot, reducer: REDUCER_VERSION + 1 })).toBeUndefined();
    expect(decodeSnapshot(compile(definition), null)).toBeUndefined();
    expect(decodeSnapshot(compile(definition), 'text')).toBeUndefined();
  });

  test('hold only the steps that have changed', () => {
    const run = scenario(definition).start().ok('s0').ok('s1');
    expect((encodeSnapshot(run.state) as { units: unknown[] }).units).toHaveLength(3);
  });
});
