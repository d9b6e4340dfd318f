import { randomBytes } from 'node:crypto';
import { parseTraceparent, preciseNow, traceparentOf } from '@batuta/observability';
import type { FinishedSpan, Tracing } from '@batuta/observability';
import type { OutboundCall } from '@batuta/worker';

type Attributes = NonNullable<FinishedSpan['attributes']>;

/** Begins a call as a child of the span in `traceparent`. */
export function beginCall(tracing: Tracing, traceparent: string, name: string, attributes: Attributes): OutboundCall {
  const parent = tracing.enabled ? parseTraceparent(traceparent) : undefined;
  if (parent === undefined) return { traceparent, end: () => undefined };
  const spanId = randomBytes(8).toString('hex');
  const startAt = preciseNow();
  return {
    traceparent: traceparentOf(parent.traceId, spanId, tracing.sampled(parent.traceId)),
    end: (more, error) =>
      tracing.record({
        traceId: parent.traceId,
        spanId,
        parentSpanId: parent.spanId,
        name,
        kind: 'client',
        startAt,
        endAt: preciseNow(),
        attributes: { ...attributes, ...more, ...(error === undefined ? {} : { 'error.type': error }) },
        ...(error === undefined ? {} : { error }),
      }),
  };
}
