import { createHash } from 'node:crypto';
import type { Attributes, Context, HrTime, Link, SpanContext } from '@opentelemetry/api';
import type { tracing as sdkTracing } from '@opentelemetry/sdk-node';
import { hiddenNow } from './hidden/hide-everywhere.js';
import type { Logger } from './logger.js';

type SpanProcessor = sdkTracing.SpanProcessor;

export type SpanKindName = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
}

/** A span that has ended. Ids are hex as in W3C Trace Context: 32 digits for a trace, 16 for a span. */
export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent for the root of the trace. */
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind?: SpanKindName;
  /** Epoch milliseconds. */
  readonly startAt: number;
  readonly endAt: number;
  readonly attributes?: Attributes;
  /** The reason of the failure; absent when it succeeded. */
  readonly error?: string;
  readonly links?: readonly SpanLink[];
}

/** The destination of spans. */
export interface Tracing {
  /** False when nothing is exported. Do not even create spans then. */
  readonly enabled: boolean;
  /**
   * Whether spans of this trace are exported. The answer is the same in every process with the same sampler settings.
   */
  sampled(traceId: string): boolean;
  /** Accepts a span. Does nothing when its trace is not sampled. */
  record(span: FinishedSpan): void;
  /**
   * Exports spans now, without the buffer of `record`, and resolves when the collector has them. Spans of traces that
   * are not sampled are left out. Rejects with `SpansRefusedError` when the collector will never accept them, and with
   * another error when it may accept them later.
   */
  export(spans: readonly FinishedSpan[]): Promise<void>;
  /** Resolves when all recorded spans were exported or given up. */
  flush(): Promise<void>;
  /** Exports the remaining spans and ends. Never rejects. */
  shutdown(): Promise<void>;
}

/** The collector will never accept these spans. */
export class SpansRefusedError extends Error {
  override readonly name = 'SpansRefusedError';
}

export const NO_TRACING: Tracing = {
  enabled: false,
  sampled: () => false,
  record: () => undefined,
  export: () => Promise.resolve(),
  flush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

const PREFIX = 'batuta span';

/**
 * The span id of a thing that an execution's events name. It is the same in every process and after every crash. So a
 * span can refer to a parent that another process exports, earlier or later or never.
 */
export function spanIdOf(traceId: string, ...path: readonly (string | number)[]): string {
  const id = createHash('sha256')
    .update([PREFIX, traceId, ...path].join('\u001f'))
    .digest('hex')
    .slice(0, 16);
  return id === '0000000000000000' ? '0000000000000001' : id;
}

/** The W3C `traceparent` header of a span. */
export function traceparentOf(traceId: string, spanId: string, sampled: boolean): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/;

/** Reads a `traceparent` header; undefined when it is not one. Source: W3C Trace Context, section 3.2. */
export function parseTraceparent(header: string | undefined): SpanLink | undefined {
  const match = header === undefined ? null : TRACEPARENT.exec(header);
  const [, traceId, spanId] = match ?? [];
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) {
    return undefined;
  }
  return { traceId, spanId };
}

function wanted(env: NodeJS.ProcessEnv): boolean {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') {
    return false;
  }
  const exporters = env['OTEL_TRACES_EXPORTER'];
  if (exporters !== undefined && exporters !== '') {
    return exporters.split(',').some((name) => name.trim() === 'otlp');
  }
  // The default exporter of the specification is OTLP to localhost. Without an address, nothing is exported here.
  return (env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') !== '';
}

/** Ratio of traces to sample, from OTEL_TRACES_SAMPLER and its argument. */
function samplingRatio(env: NodeJS.ProcessEnv, logger: Logger): number {
  const sampler = env['OTEL_TRACES_SAMPLER'] ?? '';
  switch (sampler) {
    case '':
    case 'always_on':
    case 'parentbased_always_on':
      return 1;
    case 'always_off':
    case 'parentbased_always_off':
      return 0;
    case 'traceidratio':
    case 'parentbased_traceidratio': {
      const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? '1');
      if (ratio >= 0 && ratio <= 1) {
        return ratio;
      }
      logger.warn({ variable: 'OTEL_TRACES_SAMPLER_ARG' }, 'not a number from 0 to 1: every trace is sampled');
      return 1;
    }
    default:
      logger.warn({ variable: 'OTEL_TRACES_SAMPLER' }, 'unknown sampler: every trace is sampled');
      return 1;
  }
}

/**
 * Whether a trace falls under a ratio, by its last 7 bytes as in the specification's consistent sampling (OpenTelemetry
 * TraceIdRatioBased). So every process decides alike.
 */
function underRatio(traceId: string, ratio: number): boolean {
  return ratio >= 1 || (ratio > 0 && Number.parseInt(traceId.slice(18), 16) < ratio * 2 ** 56);
}

/** Milliseconds. Viewers of traces show whole microseconds, and a number of this size has steps of a quarter of one. */
const SHORTEST_MS = 0.002;

let clockOffset = Date.now() - performance.now();

/** Epoch ms with a fraction, for the times of spans. It follows the wall clock when that is set. */
export function preciseNow(): number {
  const now = Date.now();
  const precise = clockOffset + performance.now();
  if (precise >= now && precise < now + 1) return precise;
  clockOffset = now - performance.now();
  return now;
}

/** Seconds and nanoseconds, because a plain number could be mistaken for a value of `performance.now()`. */
function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1_000_000)];
}

/**
 * The tracing of one service, configured by the OTEL_* variables of the OpenTelemetry specification and exported as
 * OTLP over HTTP. Returns NO_TRACING when they request none. Several services in one process each have their own
 * tracing.
 */
export async function startTracing(
  service: string,
  logger: Logger,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Tracing> {
  if (!wanted(env)) {
    return NO_TRACING;
  }
  const ratio = samplingRatio(env, logger);
  // Imported here, so that a service without tracing starts without loading it.
  const [api, { node, resources, tracing }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const { INVALID_SPANID, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } = api;
  const kinds: Readonly<Record<SpanKindName, number>> = {
    internal: SpanKind.INTERNAL,
    server: SpanKind.SERVER,
    client: SpanKind.CLIENT,
    producer: SpanKind.PRODUCER,
    consumer: SpanKind.CONSUMER,
  };
  // startSpan asks for ids synchronously, so it gets those that were set just before. `end` hands over the span
  // synchronously too.
  let nextTraceId = '';
  let nextSpanId = '';
  let collecting: Parameters<SpanProcessor['onEnd']>[0][] | undefined;
  const exporter = new OTLPTraceExporter();
  const buffered = new tracing.BatchSpanProcessor(exporter);
  const processor: SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => {
      if (collecting === undefined) buffered.onEnd(span);
      else collecting.push(span);
    },
    forceFlush: () => buffered.forceFlush(),
    shutdown: () => buffered.shutdown(),
  };
  const provider = new node.NodeTracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': `batuta-${service}`, 'service.namespace': 'batuta' }))
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    sampler: new tracing.AlwaysOnSampler(),
    idGenerator: { generateTraceId: () => nextTraceId, generateSpanId: () => nextSpanId },
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('batuta');
  const contextOf = (traceId: string, spanId: string): SpanContext => ({
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
  const sampled = (traceId: string): boolean => underRatio(traceId, ratio);
  const record = (shown: FinishedSpan): void => {
    const span = withoutHidden(shown);
    if (!sampled(span.traceId) || span.spanId === INVALID_SPANID) {
      return;
    }
    const parent: Context =
      span.parentSpanId === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, contextOf(span.traceId, span.parentSpanId));
    nextTraceId = span.traceId;
    nextSpanId = span.spanId;
    const links: Link[] = (span.links ?? []).map((link) => ({ context: contextOf(link.traceId, link.spanId) }));
    const recorded = tracer.startSpan(
      span.name,
      {
        kind: kinds[span.kind ?? 'internal'],
        startTime: hrTime(span.startAt),
        ...(span.attributes === undefined ? {} : { attributes: span.attributes }),
        links,
        root: span.parentSpanId === undefined,
      },
      parent,
    );
    if (span.error !== undefined) {
      recorded.setStatus({ code: SpanStatusCode.ERROR, message: span.error });
    }
    // Jaeger warns of a span without a length.
    recorded.end(hrTime(Math.max(span.startAt + SHORTEST_MS, span.endAt)));
  };
  return {
    enabled: true,
    sampled,
    record,
    export: async (spans) => {
      for (let start = 0; start < spans.length; start += EXPORT_BATCH) {
        const batch: NonNullable<typeof collecting> = [];
        collecting = batch;
        try {
          for (const span of spans.slice(start, start + EXPORT_BATCH)) record(span);
        } finally {
          collecting = undefined;
        }
        if (batch.length > 0) {
          await new Promise<void>((resolve, reject) => {
            exporter.export(batch, ({ code, error }) => {
              if (code === EXPORTED) resolve();
              else reject(failureOf(error));
            });
          });
        }
      }
    },
    flush: () => provider.forceFlush(),
    // Spans that an unreachable collector misses must not keep a service from ending well.
    shutdown: () =>
      provider.shutdown().catch((error: unknown) => logger.warn({ err: error }, 'the last spans were not exported')),
  };
}

/** Returns a span without the values that are in use now and that nobody may see. */
function withoutHidden(span: FinishedSpan): FinishedSpan {
  const hidden = hiddenNow();
  if (hidden === undefined) return span;
  return {
    ...span,
    name: hidden.text(span.name),
    ...(span.error === undefined ? {} : { error: hidden.text(span.error) }),
    ...(span.attributes === undefined ? {} : { attributes: hidden.json(span.attributes) }),
  };
}

/** Spans per request to the collector; the specification's default. */
const EXPORT_BATCH = 512;
/** ExportResultCode.SUCCESS of the SDK. */
const EXPORTED = 0;
/**
 * Bad data and too much data will be refused again. Everything else (wrong path, missing permission, an outage) can be
 * fixed.
 */
const REFUSALS = new Set([400, 413]);

function failureOf(error: Error | undefined): Error {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'number' && REFUSALS.has(code)) {
    return new SpansRefusedError(`the collector answered with ${code}`, { cause: error });
  }
  return error ?? new Error('the spans were not exported');
}
