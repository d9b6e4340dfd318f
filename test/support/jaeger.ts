import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endOf, eventually, freePort } from '@batuta/testing';

const PROGRAM = fileURLToPath(new URL('../../node_modules/.cache/batuta/jaeger/jaeger', import.meta.url));

/** A span as Jaeger's API shows it (its JSON model, `/api/traces`). Times are microseconds. */
export interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly startTime: number;
  readonly duration: number;
  readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
  readonly warnings: readonly string[] | null;
}

/** A Jaeger of version 2 that keeps traces in memory. `npm run jaeger` builds the program. */
export class Jaeger {
  readonly #home: string;
  readonly #process: ChildProcess;
  private constructor(
    home: string,
    process: ChildProcess,
    /** Address for OTLP over HTTP. */
    readonly otlp: string,
    /** Address of the user interface and the API. */
    readonly url: string,
  ) {
    this.#home = home;
    this.#process = process;
  }

  /** Throws when the program was not built, or with the end of its log when it does not start. */
  static async start(): Promise<Jaeger> {
    if (!existsSync(PROGRAM)) throw new Error('Jaeger is not there. Run `npm run jaeger`, which builds it.');
    const home = mkdtempSync(join(tmpdir(), 'batuta-jaeger-'));
    const ports = { otlp: await freePort(), http: await freePort(), grpc: await freePort(), health: await freePort() };
    const configFile = join(home, 'config.yaml');
    // JSON is YAML too.
    writeFileSync(configFile, JSON.stringify(configuration(ports)));
    const child = spawn(PROGRAM, ['--config', configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log = `${log}${chunk.toString()}`.slice(-20_000);
      });
    }
    const jaeger = new Jaeger(home, child, `http://127.0.0.1:${ports.otlp}`, `http://127.0.0.1:${ports.http}`);
    try {
      await eventually(() => jaeger.trace('1'), {
        timeoutMs: 120_000,
        describe: 'Jaeger answers',
        pointless: endOf('jaeger', child, () => log),
      });
    } catch (error) {
      await jaeger.stop();
      throw error;
    }
    return jaeger;
  }

  /** The spans of a trace; none when Jaeger does not know it yet. */
  async trace(traceId: string): Promise<readonly JaegerSpan[]> {
    const response = await fetch(`${this.url}/api/traces/${traceId}`);
    if (response.status === 404) return [];
    const { data } = (await response.json()) as { data: readonly { readonly spans: readonly JaegerSpan[] }[] };
    return data.flatMap(({ spans }) => spans);
  }

  /** Sends a span of a caller of the platform, as its own exporter would. Times are milliseconds since the epoch. */
  async receive(span: { traceId: string; spanId: string; name: string; start: number; end: number }): Promise<void> {
    const nanoseconds = (at: number): string => `${BigInt(at) * 1_000_000n}`;
    const body = {
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'caller' } }] },
          scopeSpans: [
            {
              spans: [
                {
                  traceId: span.traceId,
                  spanId: span.spanId,
                  name: span.name,
                  kind: 3,
                  startTimeUnixNano: nanoseconds(span.start),
                  endTimeUnixNano: nanoseconds(span.end),
                },
              ],
            },
          ],
        },
      ],
    };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${this.otlp}/v1/traces`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`Jaeger answered ${response.status}: ${await response.text()}`);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** Everything on loopback, traces in memory, and no metrics of its own. */
function configuration(ports: Readonly<Record<'otlp' | 'http' | 'grpc' | 'health', number>>): object {
  const endpoint = (port: number): object => ({ endpoint: `127.0.0.1:${port}` });
  return {
    service: {
      extensions: ['jaeger_storage', 'jaeger_query', 'healthcheckv2'],
      pipelines: { traces: { receivers: ['otlp'], exporters: ['jaeger_storage_exporter'] } },
      telemetry: { metrics: { level: 'none' } },
    },
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: 10_000 } } } },
      jaeger_query: { storage: { traces: 'memory' }, http: endpoint(ports.http), grpc: endpoint(ports.grpc) },
      healthcheckv2: { use_v2: true, http: endpoint(ports.health) },
    },
    receivers: { otlp: { protocols: { http: endpoint(ports.otlp) } } },
    exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
  };
}
