import type { Event } from '@batuta/contracts';
import { isOutsideCommand } from '@batuta/contracts';
import { EVENTS } from '../domain/index.js';

/** The name of the command whose first event this is. */
export function commandName(event: Pick<Event, 'commandId' | 'type'>): string {
  const { commandId, type } = event;
  if (!isOutsideCommand(commandId)) {
    switch (commandId.charAt(0)) {
      case 'r':
        return 'record_result';
      case 'h':
        return 'record_heartbeat';
      case 'e':
        return 'record_evaluation';
      case 'g':
        return 'delegate_attempt';
      case 'f':
        return 'fail_attempt';
      default:
        return 'wake';
    }
  }
  return EVENTS[type].command ?? 'other';
}
