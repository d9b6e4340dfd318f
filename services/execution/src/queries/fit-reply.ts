import { LIMITS } from '@batuta/contracts';
import type { ApprovalSummary, Event, JsonValue, StepAttempt } from '@batuta/contracts';
import { jsonBytes } from '../domain/index.js';
import { fitEvent } from './fit-view.js';

/** Leaves room for the rest of the message. */
export const REPLY_BYTES = LIMITS.natsMaxPayloadBytes - 1024 * 1024;
const LARGEST_ATTEMPTS = 1024 * 1024;
/** Bytes of an event besides its data. */
const ENVELOPE_BYTES = 300;

/** The first events that fit into a reply with `room` bytes. A whole reply always has at least one. */
export function fittingEvents(events: readonly Event[], room = REPLY_BYTES): { events: Event[]; bytes: number } {
  let bytes = 0;
  const kept: Event[] = [];
  for (const each of events) {
    const event = fitEvent(each, REPLY_BYTES - ENVELOPE_BYTES);
    const more = jsonBytes(event.data as JsonValue) + ENVELOPE_BYTES;
    if (bytes + more > room && (kept.length > 0 || room < REPLY_BYTES)) break;
    bytes += more;
    kept.push(event);
  }
  return { events: kept, bytes };
}

/** The first approvals that fit into a reply, because lists of approvers may be long. At least one always fits. */
export function fittingApprovals(approvals: readonly ApprovalSummary[]): ApprovalSummary[] {
  let bytes = 0;
  const past = approvals.findIndex((approval) => {
    bytes += Buffer.byteLength(JSON.stringify(approval));
    return bytes > REPLY_BYTES;
  });
  return past === -1 ? [...approvals] : approvals.slice(0, Math.max(1, past));
}

/** Attempts without the details of their failures when these are too large. */
export function fittingAttempts(attempts: readonly StepAttempt[]): StepAttempt[] {
  if (jsonBytes(attempts as unknown as JsonValue) <= LARGEST_ATTEMPTS) return [...attempts];
  return attempts.map(({ failure, ...attempt }) => {
    if (failure === undefined) return attempt;
    const { details, trace: _trace, ...told } = failure;
    const omitted = details === undefined ? {} : { details: { omitted_bytes: jsonBytes(details) } };
    return { ...attempt, failure: { ...told, message: told.message.slice(0, 1_000), ...omitted } };
  });
}
