import type { Event } from '@batuta/contracts';
import { isOutsideCommand } from '@batuta/contracts';
import { EVENTS } from './events/index.js';
import { copyState, type Next, type State } from './state/state.js';
import { dropStaleTimers } from './state/timers.js';

type Evolve = (next: Next, data: unknown, event: Event) => void;

/** One lookup for each event. Computing the state needs only this function of its definition. */
const FOLDS = Object.fromEntries(
  Object.entries(EVENTS).map(([type, { evolve: fold }]) => [type, fold as Evolve]),
) as Readonly<Record<string, Evolve | undefined>>;

/**
 * The state after one more event. Total: an event that does not fit (an unknown step, for example) changes only the
 * version. It never changes an existing state, because it writes only to its own copy.
 */
export function evolve(state: State, event: Event): State {
  const next = copyState(state);
  next.version = event.version;
  next.at = event.at;
  const { commandId } = event;
  if (commandId !== state.commands?.head && isOutsideCommand(commandId)) {
    next.commands = { head: commandId, tail: state.commands };
  }
  FOLDS[event.type]?.(next, event.data, event);
  dropStaleTimers(next);
  return next;
}
