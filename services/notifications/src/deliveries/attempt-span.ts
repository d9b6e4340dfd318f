import { spanIdOf, spanIds } from '@batuta/observability';
import type { FinishedSpan } from '@batuta/observability';
import type { Outcome } from '../channels/channel.js';
import type { ClaimedDelivery } from './delivery.js';

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;

/** The facts that a span shows about an attempt. */
export type AttemptedDelivery = Pick<
  ClaimedDelivery,
  'id' | 'executionId' | 'type' | 'event' | 'settings' | 'message' | 'attempt'
>;

/** The trace of the execution that a delivery is about. Undefined when it has none. */
export function traceOf(delivery: Pick<AttemptedDelivery, 'message'>): string | undefined {
  const { trace_id: traceId } = delivery.message.execution;
  return TRACE_ID.test(traceId) ? traceId : undefined;
}

/**
 * The span above: the command that caused the event. Nearly every delivery is after the end of the execution, and viewers take a
 * span that is shorter than the one above and outside of it for a wrong clock.
 */
const parentOf = (traceId: string, { message }: Pick<AttemptedDelivery, 'message'>): string =>
  message.event.span_id ?? spanIds.execution(traceId);

export function attemptSpanId(traceId: string, delivery: AttemptedDelivery): string {
  return spanIdOf(traceId, 'delivery', delivery.id, delivery.attempt);
}

/**
 * A span for one attempt of a delivery. It shows only the host of the destination,
 * because the rest may be secret.
 */
export function attemptSpan(
  traceId: string,
  delivery: AttemptedDelivery,
  outcome: Outcome,
  result: string,
  times: { readonly startAt: number; readonly endAt: number },
): FinishedSpan {
  const { type, settings, responseStatus } = { ...delivery, ...outcome };
  const url =
    type === 'webhook' && URL.canParse(settings.callback_url ?? '') ? new URL(settings.callback_url ?? '') : undefined;
  const failed = outcome.result === 'failed' || outcome.result === 'refused';
  const error = failed ? (responseStatus === undefined ? outcome.result : String(responseStatus)) : undefined;
  return {
    traceId,
    spanId: attemptSpanId(traceId, delivery),
    parentSpanId: parentOf(traceId, delivery),
    name: `callback ${type}`,
    kind: 'client',
    ...times,
    attributes: {
      'batuta.execution.id': delivery.executionId,
      'batuta.delivery.id': delivery.id,
      'batuta.callback.channel': type,
      'batuta.callback.event': delivery.event,
      'batuta.callback.outcome': result,
      'batuta.attempt': delivery.attempt,
      ...(url === undefined
        ? {}
        : {
            'http.request.method': settings.callback_method ?? 'POST',
            'url.scheme': url.protocol.slice(0, -1),
            'server.address': url.hostname,
            'server.port': url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
          }),
      ...(responseStatus === undefined ? {} : { 'http.response.status_code': responseStatus }),
      ...(error === undefined ? {} : { 'error.type': error }),
    },
    ...(error === undefined ? {} : { error }),
  };
}

/** A span for the wait between two attempts, until `endAt`. Undefined when the attempt does not follow a failed one. */
export function backoffSpan(traceId: string, delivery: ClaimedDelivery, endAt: number): FinishedSpan | undefined {
  const { backoff } = delivery;
  if (backoff === undefined) return undefined;
  const attempt = delivery.attempt - 1;
  return {
    traceId,
    spanId: spanIdOf(traceId, 'delivery backoff', delivery.id, attempt),
    parentSpanId: parentOf(traceId, delivery),
    name: 'redelivery backoff',
    kind: 'internal',
    startAt: backoff.failedAt,
    // The begin comes from the database's clock, and the end from this process's clock.
    endAt: Math.max(backoff.failedAt, endAt),
    attributes: {
      'batuta.execution.id': delivery.executionId,
      'batuta.delivery.id': delivery.id,
      'batuta.callback.channel': delivery.type,
      'batuta.callback.event': delivery.event,
      'batuta.attempt': attempt,
      'batuta.timer.planned_ms': Math.max(0, Math.round(backoff.dueAt - backoff.failedAt)),
    },
  };
}
