import type { OrchestrationDefinition } from '@batuta/client';
import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Deployment } from './deployment.js';
import { call } from './ipc.js';
import { cpuSeconds, mapValues, peakMemory, rounded } from './measure.js';
import type { Quantiles } from './measure.js';
import { stepOutput } from './workload.js';

const EXECUTIONS = 100;
const STEPS = 5;
const STEP_MS = 1_000;
const LIMIT_MS = 120_000;
const PROGRAM = fileURLToPath(new URL('./socket-process.js', import.meta.url));

interface Report {
  readonly received: number;
  readonly counted: number;
  readonly ended: number;
  readonly cut: number;
  readonly latencyMs: Quantiles;
}

/** A step that holds the execution until all clients are connected, and then steps of a second each. */
const CONFIG: OrchestrationDefinition = {
  name: 'watched',
  strategy: 'sequential',
  steps: Array.from({ length: STEPS + 1 }, (_, index) => ({
    id: `step_${index}`,
    name: `Step ${index}`,
    agent: 'delay',
    ...(index === 0 ? {} : { dependencies: [`step_${index - 1}`] }),
    input: index === 0 ? { ms: '{% input.hold_ms %}' } : { ...stepOutput(index), ms: STEP_MS },
  })),
};

/**
 * W6: many WebSocket clients follow 100 executions. Measures the milliseconds from an event's time in the log to its
 * arrival.
 */
export async function runWatchers(layout: string, clients: number, print: (line: object) => void): Promise<void> {
  const deployment = await Deployment.start({ layout });
  const sockets = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    const { api, platform } = deployment;
    await api.configs.create(CONFIG);
    const holdMs = 3_000 + clients * 3;
    const ids: string[] = [];
    for (let index = 0; index < EXECUTIONS; index += 1) {
      // The ends are spread over the length of a step, as for executions of different users.
      const input = { hold_ms: holdMs + Math.round((index * STEP_MS) / EXECUTIONS) };
      ids.push((await api.executions.start(CONFIG.name, { input })).execution_id);
    }
    const began = performance.now();
    const target = { url: platform.url, keyFile: platform.apiKeyFile, executionIds: ids, sockets: clients };
    await call(sockets, 'follow', target);
    const connectMs = performance.now() - began;
    await call(sockets, 'count', { from: Date.now() });
    const before = cpuSeconds(deployment.pids);
    let report = await call<Report>(sockets, 'report');
    while (report.ended < clients) {
      if (performance.now() - began > holdMs + LIMIT_MS) {
        throw new Error(`only ${report.ended} of ${clients} have ended`);
      }
      await delay(200);
      report = await call<Report>(sockets, 'report');
    }
    const after = cpuSeconds(deployment.pids);
    print({
      peer: 'batuta',
      work: 'W6',
      clients,
      executions: EXECUTIONS,
      connect_ms: rounded(connectMs, 0),
      events_received: report.received,
      events_counted: report.counted,
      clients_cut_off: report.cut,
      latency_ms: report.latencyMs,
      cpu_s: mapValues(after, (seconds, name) => rounded(seconds - (before[name] ?? 0), 2)),
      peak_rss_mb: peakMemory(deployment.pids),
      settings: { layout },
    });
  } finally {
    sockets.kill();
    await deployment.remove();
  }
}
