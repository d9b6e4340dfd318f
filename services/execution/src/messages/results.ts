import type { AttemptResult, JsonValue, ResultRequest } from '@batuta/contracts';
import { LIMITS } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import { fail, flag, id, int, name, object, onlyKnown, parse, placed, text, time } from './fields.js';
import type { Payload } from './fields.js';
import { spendingDetails } from '../domain/index.js';
import { failure } from './failure.js';

type Result = { -readonly [K in keyof AttemptResult]: AttemptResult[K] };

const RESULT = new Set([
  'executionId',
  'stepId',
  'attempt',
  'ok',
  'output',
  'failure',
  'startedAt',
  'finishedAt',
  'workerId',
  'agentVersion',
  'token',
]);

function attemptResult(value: JsonValue | undefined, place: number, checkSize: boolean): AttemptResult {
  const found = object(value, '', place);
  onlyKnown(found, '', RESULT, place);
  const ok = flag(found.ok, 'ok', place);
  if (ok === (found.failure !== undefined)) {
    return fail(placed('', place), ok ? 'without failure when ok is true' : 'with a failure when ok is not true');
  }
  const result: Result = {
    executionId: id(found.executionId, 'executionId', place),
    stepId: name(found.stepId, 'stepId', 200, place),
    attempt: int(found.attempt, 'attempt', place),
    ok,
    startedAt: time(found.startedAt, 'startedAt', place),
    finishedAt: time(found.finishedAt, 'finishedAt', place),
  };
  const workerId = text(found.workerId, 'workerId', place);
  if (workerId !== '') result.workerId = workerId;
  const agentVersion = text(found.agentVersion, 'agentVersion', place);
  if (agentVersion !== '') result.agentVersion = agentVersion.slice(0, 200);
  if (found.failure !== undefined) {
    result.failure = failure(found.failure, placed('failure', place));
  } else if (
    checkSize &&
    found.output !== undefined &&
    Buffer.byteLength(JSON.stringify(found.output)) > LIMITS.payloadBytes
  ) {
    // The runner would repeat a refused result for ever. So the attempt's outcome is that the output is too large.
    const message = `the output has more than ${LIMITS.payloadBytes} bytes of JSON`;
    result.ok = false;
    result.failure = { code: 'output_too_large', message, retryable: false, ...spendingDetails(found.output) };
  } else if (found.output !== undefined) {
    result.output = found.output;
  }
  return result;
}

const RESULTS = new Set(['results']);

/**
 * Decodes a ResultRequest. Throws `MalformedRequest`. An output over the limit becomes a failure that says so. `tokens` is
 * undefined for what a runner of this process hands over as a value: nobody else can, so it need not prove anything.
 */
export function decodeResults(payload: Payload): ResultRequest & { readonly tokens: readonly string[] | undefined } {
  const found = object(parse(payload), '');
  onlyKnown(found, '', RESULTS);
  const { results } = found;
  if (!Array.isArray(results)) return fail('results', 'a list');
  const ours = payload instanceof JsonMessage;
  // JSON text is never shorter than its value written anew, but for escapes; so a small request needs no measuring.
  // A runner of this process has measured it.
  const checkSize = !ours && Buffer.byteLength(payload) > LIMITS.payloadBytes;
  return {
    results: results.map((item, index) => attemptResult(item, index, checkSize)),
    // Separate, because only the check for tokens needs them.
    tokens: ours ? undefined : results.map((item, index) => text(object(item, '', index).token, 'token', index)),
  };
}
