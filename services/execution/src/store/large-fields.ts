import type { JsonValue } from '@batuta/contracts';
import type { LargeFields } from '@batuta/event-store';

const MARK = 'batuta:left_out';

/**
 * Inputs and outputs that no list shows, because they are larger than the room that a list has for an execution. JSON
 * as PostgreSQL prints it has spaces, so the limit is half as much again.
 */
export const WITHOUT_LARGE: LargeFields = {
  name: 'small',
  types: [
    'ExecutionStarted',
    'StepReused',
    'StepCompleted',
    'IterationCompleted',
    'ApprovalRequested',
    'ApprovalDecided',
    'SignalReceived',
    'ExecutionCompleted',
  ],
  fields: ['input', 'output', 'data', 'payload'],
  bytes: 48 * 1024,
  mark: MARK,
};

/** Bytes of the fields that were left out of a value. 0 when it is whole. */
export function bytesLeftOut(value: JsonValue | undefined): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (!Array.isArray(value)) {
    const bytes = value[MARK];
    if (typeof bytes === 'number' && Object.keys(value).length === 1) return bytes;
  }
  return Object.values(value).reduce<number>((sum, each) => sum + bytesLeftOut(each), 0);
}
