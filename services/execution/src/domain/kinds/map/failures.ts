import { FAILURE_CODES, LIMITS, type FailedItem, type Failure, type JsonObject } from '@batuta/contracts';
import { failedItemsOf, type MapState } from './map-state.js';

/** Failed items in the message of the step's failure, and in its details. */
const IN_MESSAGE = 3;
const IN_DETAILS = 20;

/** Why a step with a map fails already. Undefined when nothing speaks against its success so far. */
export function failureOfMap(map: MapState): Failure | undefined {
  if (map.failed > map.tolerated) return tooManyFailed(map);
  return map.resultBytes > LIMITS.payloadBytes ? outputTooLarge() : undefined;
}

export function outputTooLarge(): Failure {
  const message = `the outputs of the items have more than ${LIMITS.payloadBytes} bytes; with "results": "counts" the step does not keep them`;
  return { code: FAILURE_CODES.outputTooLarge, message, retryable: false };
}

function tooManyFailed(map: MapState): Failure {
  const items = failedItemsOf(map);
  const named = items.slice(0, IN_MESSAGE).map(({ index, code, message }) => `item ${index} (${code}): ${message}`);
  const more = map.failed > IN_MESSAGE ? '; …' : '';
  return {
    code: FAILURE_CODES.itemsFailed,
    message: `${map.failed} of ${map.total} items failed, and at most ${map.tolerated} may: ${named.join('; ')}${more}`,
    retryable: false,
    details: { failed: map.failed, total: map.total, failed_items: items.slice(0, IN_DETAILS).map(shownItem) },
  };
}

/** A failed item as users see it. */
export function shownItem({ index, code, message, executionId }: FailedItem): JsonObject {
  return { index, code, message, execution_id: executionId };
}
