import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type AttributeValue = string | number | boolean | readonly AttributeValue[];

/** A span as a collector receives it. */
export interface CollectedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for a root. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** Epoch nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly error: string | undefined;
}

interface OtlpValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] };
}
interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}
interface OtlpRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpAttribute[] };
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

/** Span kinds by their number in OTLP (trace.proto, SpanKind). */
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

function valueOf(value: OtlpValue): AttributeValue {
  return (
    value.stringValue ??
    value.boolValue ??
    value.doubleValue ??
    (value.intValue === undefined ? undefined : Number(value.intValue)) ??
    (value.arrayValue?.values ?? []).map(valueOf)
  );
}

const attributesOf = (attributes: readonly OtlpAttribute[] = []): Record<string, AttributeValue> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));

/** Receives OTLP over HTTP (JSON) and records it. */
export class OtlpCollector {
  readonly #server: Server;
  readonly spans: CollectedSpan[] = [];
  /** Everything that was received, unchanged. */
  readonly bodies: string[] = [];
  /** While true, it answers every export with 503. */
  down = false;
  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<OtlpCollector> {
    const server = createServer();
    const collector = new OtlpCollector(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (collector.down) {
          response.writeHead(503).end();
          return;
        }
        const body = Buffer.concat(chunks).toString('utf8');
        collector.#take(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #take(body: string): void {
    this.bodies.push(body);
    for (const { resource, scopeSpans = [] } of (JSON.parse(body) as OtlpRequest).resourceSpans ?? []) {
      const service = String(attributesOf(resource?.attributes)['service.name']);
      for (const span of scopeSpans.flatMap((scope) => scope.spans ?? [])) {
        this.spans.push({
          service,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
          name: span.name,
          kind: KINDS[span.kind] ?? 'internal',
          start: BigInt(span.startTimeUnixNano),
          end: BigInt(span.endTimeUnixNano),
          attributes: attributesOf(span.attributes),
          links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
          error: span.status?.code === 2 ? (span.status.message ?? '') : undefined,
        });
      }
    }
  }

  /** The spans of a trace, each id once. Throws when two spans with the same id differ. */
  trace(traceId: string): CollectedSpan[] {
    const show = (span: CollectedSpan): string =>
      JSON.stringify(span, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    const byId = new Map<string, CollectedSpan>();
    for (const span of this.spans) {
      if (span.traceId !== traceId) continue;
      const known = byId.get(span.spanId);
      if (known !== undefined && show(known) !== show(span)) {
        throw new Error(`two spans have the id ${span.spanId}:\n${show(known)}\n${show(span)}`);
      }
      byId.set(span.spanId, span);
    }
    return [...byId.values()];
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
