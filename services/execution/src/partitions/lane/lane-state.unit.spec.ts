import { expect, test } from '@jest/globals';
import { LaneState } from './lane-state.js';
import type { LanePhase, LaneTransition } from './lane-state.js';

const ALL: readonly LaneTransition[] = ['gather', 'send', 'rest', 'fail', 'recover', 'resume', 'close'];

function after(...transitions: readonly LaneTransition[]): LaneState {
  const state = new LaneState();
  for (const transition of transitions) state.do(transition);
  return state;
}

test('a lane gathers, commits and rests again, and decides inputs all the while', () => {
  const state = new LaneState();
  for (const transition of ['gather', 'send', 'send', 'rest'] as const) {
    expect(state.decides).toBe(true);
    state.do(transition);
  }
  expect(state.phase).toBe('resting');
});

test('a failure is handled before anything is decided again', () => {
  const state = after('gather', 'send', 'fail');
  expect(state.decides).toBe(false);
  state.do('fail');
  expect(() => state.do('send')).toThrow('a lane that is failing cannot send');
  state.do('recover');
  expect(state.decides).toBe(false);
  expect(() => state.do('rest')).toThrow('a lane that is recovering cannot rest');
  state.do('resume');
  expect(state.decides).toBe(true);
});

test('each phase allows exactly its transitions', () => {
  const ways: Readonly<Record<LanePhase, readonly LaneTransition[]>> = {
    resting: [],
    gathering: ['gather'],
    committing: ['gather', 'send'],
    failing: ['gather', 'send', 'fail'],
    recovering: ['gather', 'send', 'fail', 'recover'],
    closed: ['close'],
  };
  const allowed: Readonly<Record<LanePhase, readonly LaneTransition[]>> = {
    resting: ['gather', 'send', 'rest', 'close'],
    gathering: ['send', 'rest', 'close'],
    committing: ['send', 'rest', 'fail', 'close'],
    failing: ['fail', 'recover', 'close'],
    recovering: ['resume', 'close'],
    closed: ALL,
  };
  for (const phase of Object.keys(ways) as LanePhase[]) {
    const possible = ALL.filter((transition) => {
      const state = after(...ways[phase]);
      expect(state.phase).toBe(phase);
      try {
        state.do(transition);
        return true;
      } catch {
        return false;
      }
    });
    expect([phase, possible]).toEqual([phase, allowed[phase]]);
  }
});

test('a closed lane stays closed, whatever its last commits bring', () => {
  for (const before of [[], ['gather'], ['gather', 'send'], ['gather', 'send', 'fail']] as const) {
    const state = after(...before, 'close');
    for (const transition of ALL) state.do(transition);
    expect(state.closed).toBe(true);
    expect(state.decides).toBe(false);
  }
});
