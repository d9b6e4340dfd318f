import type { Event } from '@batuta/contracts';
import { isOutsideCommand } from './commands/command.js';
import { EVENTS } from './events/index.js';
import { copyState, type Next, type State } from './state/state.js';
import { dropStaleTimers } from './state/timers.js';

type Evolve = (next: Next, data: unknown, event: Event) => void;

/** One look-up for each event: of all that is known of its type, the fold needs only this. */
const FOLDS = Object.fromEntries(
  Object.entries(EVENTS).map(([type, { evolve: fold }]) => [type, fold as Evolve]),
) as Readonly<Record<string, Evolve | undefined>>;

/**
 * The state after one more event. Total: what does not fit (an unknown step, for example) changes nothing but the version.
 * Never changes a state that somebody holds: what is written to is this call's own copy.
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
