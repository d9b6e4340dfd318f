import { expect, test } from '@jest/globals';
import { LaneState } from './lane-state.js';
import type { LanePhase } from './lane-state.js';

function after(...phases: readonly LanePhase[]): LaneState {
  const state = new LaneState();
  for (const phase of phases) state.to(phase);
  return state;
}

test('a lane gathers, commits and rests again, and decides inputs all the while', () => {
  const state = new LaneState();
  for (const phase of ['gathering', 'committing', 'committing', 'resting'] as const) {
    expect(state.decides).toBe(true);
    state.to(phase);
  }
  expect(state.phase).toBe('resting');
});

test('a failure is dealt with before anything is decided again', () => {
  const state = after('gathering', 'committing', 'failing');
  expect(state.decides).toBe(false);
  expect(() => state.to('resting')).toThrow('a lane cannot go from failing to resting');
  expect(() => state.to('committing')).toThrow('a lane cannot go from failing to committing');
  state.to('recovering');
  expect(state.decides).toBe(false);
  expect(() => state.to('committing')).toThrow('a lane cannot go from recovering to committing');
  state.to('resting');
  expect(state.decides).toBe(true);
});

test('nothing fails that is not in flight', () => {
  expect(() => after('failing')).toThrow('a lane cannot go from resting to failing');
  expect(() => after('gathering', 'failing')).toThrow('a lane cannot go from gathering to failing');
});

test('a closed lane stays closed, whatever its last commits bring', () => {
  for (const before of [
    [],
    ['gathering'],
    ['gathering', 'committing'],
    ['gathering', 'committing', 'failing'],
  ] as const) {
    const state = after(...before, 'closed');
    for (const phase of ['failing', 'recovering', 'resting', 'committing'] as const) state.to(phase);
    expect(state.closed).toBe(true);
    expect(state.decides).toBe(false);
  }
});
