import type { Event, EventType } from '@batuta/contracts';
import { EVENTS } from '../events/index.js';
import type { State } from '../state/state.js';
import type { Effect } from './effect.js';

type Effects = (event: Event, stateAfter: State) => readonly Effect[];

const NONE: readonly Effect[] = [];

/** Whether events of a type ever ask for anything: most do not, and this is asked of each one committed. */
export function hasEffects(type: EventType): boolean {
  return EVENTS[type].effects !== undefined;
}

/** The effects of one event, given the state after its commit; what that state no longer wants is left out. */
export function effectsOf(event: Event, stateAfter: State): readonly Effect[] {
  const effects = EVENTS[event.type].effects as Effects | undefined;
  return effects === undefined ? NONE : effects(event, stateAfter);
}
