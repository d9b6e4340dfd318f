import { FAILURE_CODES, LIMITER_LIMITS, LONGEST_DEPENDENCY_WAIT_MS, limiterIdOf } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { evaluationKey } from '../expressions/evaluations.js';
import { mappedValue } from '../expressions/expressions.js';
import { keyContext } from '../state/place.js';
import { abort } from './end.js';
import { request } from './request.js';

/** Asks for a place, once. The sandbox evaluates the key first when that is more than a path. */
export function askForPlace(draft: Draft): void {
  const { state, at } = draft;
  const { started, place } = state;
  const { concurrency } = state.config;
  if (concurrency === undefined || started === undefined) return;
  if (place !== undefined && place.phase !== 'evaluated') return;
  const value = keyValue();
  if (value === undefined) return request(draft, evaluationKey('concurrency', ''));
  const key = keyText(value);
  if (key === undefined) {
    const message =
      'settings.concurrency.key must give a text, a number or a boolean ' +
      `of at most ${LIMITER_LIMITS.keyChars} characters`;
    return abort(draft, { failure: { code: FAILURE_CODES.concurrencyKey, message, retryable: false }, node: -1 });
  }
  const { limit, onLimit } = concurrency;
  draft.emit({
    type: 'PlaceRequested',
    data: {
      deadlineAt: at + LONGEST_DEPENDENCY_WAIT_MS,
      key,
      limit,
      limiterId: limiterIdOf(started.tenantId, started.configId, key),
      onLimit,
    },
  });

  function keyValue(): JsonValue | undefined {
    const template = concurrency?.key;
    if (template === undefined) return '';
    const values = place?.phase === 'evaluated' ? place.values : undefined;
    return mappedValue(template, () => keyContext(state), values);
  }
}

/** Undefined for a value that is no key. */
function keyText(value: JsonValue): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
  const text = String(value);
  return text.length > LIMITER_LIMITS.keyChars ? undefined : text;
}
