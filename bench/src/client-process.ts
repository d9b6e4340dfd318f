import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { HttpClient } from './http-client.js';
import { answerCommands } from './ipc.js';
import { quantiles } from './measure.js';
import type { Quantiles } from './measure.js';
import { isResultOf } from './workload.js';
import type { Shape } from './workload.js';

/** The load that the client process runs. */
export interface Load {
  readonly config: string;
  readonly shape: Shape;
  readonly executions: number;
  readonly inFlight: number;
  /** The prefix of idempotency keys. */
  readonly prefix: string;
  /** Milliseconds for which a failed request is repeated with the same key. 0 fails at once. */
  readonly retryMs: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly retries: number;
  readonly latencyMs: Quantiles;
}

interface Target {
  readonly url: string;
  readonly keyFile: string;
}

const RETRY_PAUSE_MS = 20;
let client: HttpClient | undefined;
let target: URL | undefined;

interface ExecutionAnswer {
  readonly execution_id?: string;
  readonly status?: string;
  readonly output?: unknown;
}

/**
 * Starts one execution and waits for its result like a user: one POST with `?wait=`, then requests to the URL of the
 * result.
 */
async function execute(http: HttpClient, { config, shape, prefix, retryMs }: Load, index: number): Promise<unknown> {
  // Only a load with repeats needs a key. The peers' ids have the same purpose.
  const headers = retryMs > 0 ? { 'idempotency-key': `${prefix}-${index}` } : undefined;
  let answer = await http.send('POST', `/api/v1/orchestrations/execute/${config}?wait=60s`, {}, headers);
  while (answer.status === 202) {
    const { execution_id: id } = answer.body as ExecutionAnswer;
    answer = await http.send('GET', `/api/v1/orchestrations/executions/${id ?? ''}/result?wait=60s`);
  }
  const body = answer.body as ExecutionAnswer;
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${JSON.stringify(body)}`);
  if (body.status !== 'completed' || !isResultOf(shape, body.output)) {
    throw new TypeError(`an execution ended with ${JSON.stringify(body)}`);
  }
  return body.output;
}

let reachable: Promise<void> | undefined;

/** One probe for all lanes. If hundreds probed a dead port, they would take the CPU time that its restart needs. */
async function untilReachable(): Promise<void> {
  reachable ??= probe().finally(() => {
    reachable = undefined;
  });
  await reachable;
}

async function probe(): Promise<void> {
  const { hostname, port } = target ?? {};
  for (;;) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), hostname);
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (accepted) return;
    await delay(5);
  }
}

async function run(load: Load): Promise<LoadResult> {
  const http = client;
  if (http === undefined) throw new Error('not connected');
  const latencies: number[] = [];
  let retries = 0;
  let next = 0;
  const began = performance.now();
  let ended = began;
  const surely = async (index: number): Promise<void> => {
    for (;;) {
      try {
        await execute(http, load, index);
        return;
      } catch (error) {
        // A wrong result is not an outage. A retry would hide it.
        if (error instanceof TypeError || performance.now() - began > load.retryMs) throw error;
        retries += 1;
        await untilReachable();
        await delay(RETRY_PAUSE_MS);
      }
    }
  };
  const lane = async (): Promise<void> => {
    while (next < load.executions) {
      const index = next;
      next += 1;
      const started = performance.now();
      await surely(index);
      ended = performance.now();
      latencies.push(ended - started);
    }
  };
  await Promise.all(Array.from({ length: Math.min(load.inFlight, load.executions) }, lane));
  return { seconds: (ended - began) / 1000, retries, latencyMs: quantiles(latencies) };
}

answerCommands({
  connect: ({ url, keyFile }: Target) => {
    client?.close();
    target = new URL(url);
    client = new HttpClient(url, readFileSync(keyFile, 'utf8').trim());
    return Promise.resolve();
  },
  run,
});
