import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { NO_TRACING, parseTraceparent, spanIdOf, startTracing, traceparentOf } from './tracing.js';
import type { Tracing } from './tracing.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const logger = createLogger({ service: 'test', level: 'silent' });

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number; readonly message?: string };
}

describe('tracing', () => {
  let server: Server | undefined;
  let tracing: Tracing | undefined;
  const spans: OtlpSpan[] = [];
  const services: string[] = [];

  const collector = async (): Promise<string> => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        for (const resource of JSON.parse(text).resourceSpans) {
          for (const attribute of resource.resource.attributes) {
            if (attribute.key === 'service.name') services.push(attribute.value.stringValue);
          }
          for (const scope of resource.scopeSpans) spans.push(...scope.spans);
        }
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  afterEach(async () => {
    await tracing?.shutdown();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    server = undefined;
    tracing = undefined;
    spans.length = 0;
    services.length = 0;
  });

  it('is off unless the OTEL variables name a place to export to', async () => {
    expect(await startTracing('gateway', logger, {})).toBe(NO_TRACING);
    const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' };
    expect(await startTracing('gateway', logger, disabled)).toBe(NO_TRACING);
    const none = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' };
    expect(await startTracing('gateway', logger, none)).toBe(NO_TRACING);
  });

  it('exports spans with the given ids, times, parents and errors', async () => {
    const endpoint = await collector();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
    try {
      tracing = await startTracing('execution', logger);
    } finally {
      delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    }
    const root = spanIdOf(TRACE, 'execution');
    const step = spanIdOf(TRACE, 'step', 'one');
    tracing.record({ traceId: TRACE, spanId: root, name: 'execution', startAt: 1_000, endAt: 3_000 });
    tracing.record({
      traceId: TRACE,
      spanId: step,
      parentSpanId: root,
      name: 'step one',
      kind: 'consumer',
      startAt: 1_500,
      endAt: 2_000,
      error: 'timeout',
    });
    await tracing.flush();
    expect(services).toContain('batuta-execution');
    expect(spans.map(({ traceId, spanId, parentSpanId, name }) => ({ traceId, spanId, parentSpanId, name }))).toEqual([
      { traceId: TRACE, spanId: root, parentSpanId: undefined, name: 'execution' },
      { traceId: TRACE, spanId: step, parentSpanId: root, name: 'step one' },
    ]);
    expect(spans[1]).toMatchObject({
      kind: 5,
      startTimeUnixNano: '1500000000',
      endTimeUnixNano: '2000000000',
      status: { code: 2, message: 'timeout' },
    });
  });

  it('samples by trace id, so that every process decides alike', async () => {
    tracing = await startTracing('gateway', logger, {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.5',
    });
    expect(tracing.sampled('0'.repeat(18) + '00000000000001')).toBe(true);
    expect(tracing.sampled('0'.repeat(18) + 'ffffffffffffff')).toBe(false);
  });

  it('returns the same span id for the same path, and different ids for different paths', () => {
    expect(spanIdOf(TRACE, 'step', 'a', 1)).toMatch(/^[\da-f]{16}$/);
    expect(spanIdOf(TRACE, 'step', 'a', 1)).toBe(spanIdOf(TRACE, 'step', 'a', 1));
    expect(spanIdOf(TRACE, 'step', 'a', 1)).not.toBe(spanIdOf(TRACE, 'step', 'a', 2));
  });

  it('reads the traceparent that it writes, and refuses other texts', () => {
    const span = spanIdOf(TRACE, 'x');
    expect(parseTraceparent(traceparentOf(TRACE, span, true))).toEqual({ traceId: TRACE, spanId: span });
    expect(parseTraceparent('00-xyz')).toBeUndefined();
    expect(parseTraceparent(`00-${'0'.repeat(32)}-${span}-01`)).toBeUndefined();
    expect(parseTraceparent(undefined)).toBeUndefined();
  });
});
