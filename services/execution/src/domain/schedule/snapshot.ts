import type { JsonValue } from '@batuta/contracts';
import { NO_SCHEDULE } from './state.js';
import type { ScheduleState } from './state.js';

/** Like REDUCER_VERSION, for the state of schedules. */
const SCHEDULE_REDUCER = 1;

export function encodeScheduleSnapshot(state: ScheduleState): JsonValue {
  return { schedule: SCHEDULE_REDUCER, state: state as unknown as JsonValue };
}

/** Whether a snapshot belongs to a schedule. */
export function isScheduleSnapshot(snapshot: JsonValue): boolean {
  return typeof snapshot === 'object' && snapshot !== null && 'schedule' in snapshot;
}

/** The state in a snapshot of `encodeScheduleSnapshot`. Undefined when another version made it. */
export function decodeScheduleSnapshot(snapshot: JsonValue): ScheduleState | undefined {
  const encoded = snapshot as unknown as { readonly schedule?: number; readonly state?: Partial<ScheduleState> };
  if (encoded.schedule !== SCHEDULE_REDUCER || encoded.state === undefined) return undefined;
  return { ...NO_SCHEDULE, ...encoded.state };
}
