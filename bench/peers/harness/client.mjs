import { performance } from 'node:perf_hooks';
import { answerCommands, listening, settings } from './processes.mjs';
import { quantile, round } from './measure.mjs';
import { pause } from './workload.mjs';

/**
 * The client process of every peer: starts executions, keeps `in_flight` of them going and times each from start to result.
 *
 * @typedef {object} Connection
 * @property {(execution: string, shape: import('./workload.mjs').Shape) => Promise<unknown>} execute starts the execution and
 *   resolves with its result; repeating it with the same id joins the first start
 */

const RETRY_MS = 20;
const given = settings();
/** @type {{ connect: (settings: any) => Promise<Connection> }} */
const peer = await import(new URL(`../${given.client}`, import.meta.url).href);
/** @type {Connection | undefined} */
let connection;

/** @type {Promise<void> | undefined} */
let reachable;

// One probe for all lanes. If hundreds probed a dead port, they would take the CPU time that its restart needs.
async function untilReachable() {
  reachable ??= listening(given.entry_port).finally(() => {
    reachable = undefined;
  });
  await reachable;
}

/**
 * @param {{ prefix: string, shape: import('./workload.mjs').Shape, executions: number, in_flight: number,
 *   retry_until_ms?: number }} run
 */
async function run({ prefix, shape, executions, in_flight: inFlight, retry_until_ms: retryUntilMs = 0 }) {
  /** @type {number[]} */
  const latencies = [];
  let retries = 0;
  let next = 0;
  if (connection === undefined) {
    await untilReachable();
    connection = await peer.connect(given);
  }
  const { execute } = connection;
  const began = performance.now();
  let ended = began;

  /** @param {string} execution */
  const finish = async (execution) => {
    for (;;) {
      try {
        return await execute(execution, shape);
      } catch (error) {
        if (performance.now() - began > retryUntilMs) throw error;
        retries += 1;
        await untilReachable();
        await pause(RETRY_MS);
      }
    }
  };
  const lane = async () => {
    while (next < executions) {
      const execution = `${prefix}-${next++}`;
      const started = performance.now();
      const result = await finish(execution);
      if (!isResultOf(shape, result)) throw new Error(`${execution} ended with ${JSON.stringify(result)}`);
      ended = performance.now();
      latencies.push(ended - started);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, executions) }, lane));
  latencies.sort((a, b) => a - b);
  return {
    seconds: (ended - began) / 1000,
    retries,
    latency_ms: {
      p50: round(quantile(latencies, 0.5), 2),
      p95: round(quantile(latencies, 0.95), 2),
      p99: round(quantile(latencies, 0.99), 2),
    },
  };
}

/** The last step's output, or the join's, which counts what it joined. @param {import('./workload.mjs').Shape} shape @param {any} result */
function isResultOf({ shape, steps }, result) {
  return shape === 'fan' ? result?.joined === steps : result?.step === steps - 1;
}

answerCommands({
  ready: async () => undefined,
  run,
});
