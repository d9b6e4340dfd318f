import { FAILURE_CODES, storableText } from '@batuta/contracts';
import type { Failure, JsonObject } from '@batuta/contracts';
import { RetryableError, TerminalError } from './agent.js';
import { checkOutput } from './output.js';
import type { Hidden } from './platform.js';

const LONGEST_MESSAGE = 2_000;
const LONGEST_TRACE = 8_000;
const LARGEST_DETAILS = 16 * 1024;

/** Shortens a text to at most `limit` UTF-16 units, marked by an ellipsis, and makes it storable for every store. */
export function bounded(text: string, limit: number): string {
  return storableText(text.length <= limit ? text : `${text.slice(0, limit - 1)}…`);
}

/**
 * Converts an agent's error to the failure of its attempt. Messages, traces and details have a limited length and no
 * hidden values. Never throws.
 */
export function failureOf(thrown: unknown, hidden?: Hidden): Failure {
  // Hidden before texts are cut, so that no part of a value remains at the end of a text.
  const shown = (text: string): string => hidden?.text(text) ?? text;
  const error = thrown instanceof Error ? thrown : undefined;
  const trace = error === undefined ? undefined : stackOf(error);
  const known = thrown instanceof RetryableError || thrown instanceof TerminalError ? thrown : undefined;
  const details =
    known?.details === undefined ? undefined : boundedDetails(hidden?.json(known.details) ?? known.details);
  return {
    code: known === undefined ? FAILURE_CODES.agentError : bounded(shown(known.code), 64),
    message: bounded(shown(messageOf(thrown)), LONGEST_MESSAGE),
    retryable: !(thrown instanceof TerminalError),
    ...(details === undefined ? {} : { details }),
    ...(trace === undefined ? {} : { trace: bounded(shown(trace), LONGEST_TRACE) }),
  };
}

function messageOf(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message;
    if (typeof thrown === 'object' && thrown !== null) return JSON.stringify(thrown) ?? 'The agent threw an object.';
    return `The agent threw ${String(thrown)}.`;
  } catch {
    return 'The agent threw something that cannot be shown.';
  }
}

function stackOf(error: Error): string | undefined {
  try {
    return typeof error.stack === 'string' ? error.stack : undefined;
  } catch {
    return undefined;
  }
}

function boundedDetails(details: JsonObject): JsonObject {
  const checked = checkOutput(details, LARGEST_DETAILS);
  return checked.ok ? (checked.value as JsonObject) : { omitted: checked.message };
}
