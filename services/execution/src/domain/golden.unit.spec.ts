import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Event, ExecutionView, OrchestrationDefinition } from '@batuta/contracts';
import { compile } from './graph/compile.js';
import { evolve } from './evolve.js';
import { initialState } from './state/state.js';
import { view } from './view/view.js';

interface History {
  readonly definition: OrchestrationDefinition;
  readonly events: readonly Event[];
  readonly view: ExecutionView;
}

const folder = new URL('../../test/golden/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

// Earlier versions wrote these logs. They never change: if one of them gives another state now, an existing log in a
// database does too.
describe('histories of earlier versions', () => {
  test('are there', () => {
    expect(names.length).toBeGreaterThanOrEqual(7);
  });

  test.each(names)('%s folds to the same execution for ever', (name) => {
    const history = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as History;
    const state = history.events.reduce(evolve, initialState(compile(history.definition)));
    // Later versions may add fields to the view. None of the recorded fields may change or disappear.
    expect(JSON.parse(JSON.stringify(view(state)))).toMatchObject(history.view);
  });
});
