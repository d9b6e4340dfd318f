import type { Event, EventType } from '@batuta/contracts';
import { EVENTS } from '../events/index.js';
import type { State } from '../state/state.js';
import type { Effect } from './effect.js';

type Effects = (event: Event, stateAfter: State) => readonly Effect[];

const NONE: readonly Effect[] = [];

/** Whether events of this type can have effects. Most cannot, and this is checked for each committed event. */
export function hasEffects(type: EventType): boolean {
  return EVENTS[type].effects !== undefined;
}

/** The effects of one event, given the state after its commit. Effects that this state no longer wants are left out. */
export function effectsOf(event: Event, stateAfter: State): readonly Effect[] {
  const effects = EVENTS[event.type].effects as Effects | undefined;
  return effects === undefined ? NONE : effects(event, stateAfter);
}
