import type { Event } from '@batuta/contracts';
import type { ControlState, Next } from '../state/state.js';

/** Stores who did what and why. */
export function noteControl(
  next: Next,
  command: ControlState['command'],
  data: { readonly by?: string; readonly reason?: string },
  event: Event,
  stepId = '',
): void {
  const { by = '', reason = '' } = data;
  next.controls = { head: { command, at: event.at, by, reason, stepId }, tail: next.controls };
}
