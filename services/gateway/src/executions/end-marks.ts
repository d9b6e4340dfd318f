import { TERMINAL_EVENT_TYPES } from '@batuta/contracts';

/** Events that make an ended execution continue. */
export const REOPENED: readonly string[] = ['ExecutionRetried', 'ExecutionReopened'];
const END_MARKS = [...TERMINAL_EVENT_TYPES, ...REOPENED].map((type) => Buffer.from(`"${type}"`));
/** All these event types begin like this, and most messages of a run do not contain it. */
const COMMON_MARK = Buffer.from('"Execution');

/** Whether bytes of JSON may contain an event that ends an execution or makes it continue. False is certain. */
export function mayEnd(data: Uint8Array): boolean {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const from = bytes.indexOf(COMMON_MARK);
  return from !== -1 && END_MARKS.some((mark) => bytes.includes(mark, from));
}
