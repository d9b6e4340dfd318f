import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Deployment } from './deployment.js';
import { call } from './ipc.js';
import { cpuSeconds, mapValues, rounded } from './measure.js';
import type { Quantiles } from './measure.js';

const STREAMS = 100;
const CHUNKS = 300;
/** A fast model: twenty words a second. */
const EVERY_MS = 50;
const LIMIT_MS = 120_000;
const BUDGET_MS = 50;
const PROGRAM = fileURLToPath(new URL('./stream-process.js', import.meta.url));

interface Report {
  readonly received: number;
  readonly parts: number;
  readonly latencyMs: Quantiles;
}

/** 100 models that talk at once, each to one client: milliseconds from a piece's leaving the model to its arrival. False: beyond the budget. */
export async function runStream(layout: string, print: (line: object) => void): Promise<boolean> {
  const deployment = await Deployment.start({ layout, env: { BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1' } });
  const talkers = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    const { api, platform } = deployment;
    const port = await call<number>(talkers, 'listen');
    await api.models.put('talker', {
      provider: 'openai_compatible',
      model: 'talker',
      base_url: `http://127.0.0.1:${port}/v1`,
      stream: true,
    });
    await api.configs.create({
      name: 'talk',
      strategy: 'sequential',
      steps: [{ id: 'talk', name: 'Talk', agent: 'ask_model', input: { model: 'talker', prompt: 'Go on.' } }],
    });
    const executionIds: string[] = [];
    for (let index = 0; index < STREAMS; index += 1) {
      executionIds.push((await api.executions.start('talk')).execution_id);
    }
    const until = performance.now() + LIMIT_MS;
    while ((await call<number>(talkers, 'waiting')) < STREAMS) {
      if (performance.now() > until) throw new Error('not every model was asked');
      await delay(100);
    }
    const before = cpuSeconds(deployment.pids);
    const target = { url: platform.url, keyFile: platform.apiKeyFile, executionIds, chunks: CHUNKS, everyMs: EVERY_MS };
    const { received, parts, latencyMs } = await call<Report>(talkers, 'measure', target);
    const after = cpuSeconds(deployment.pids);
    print({
      peer: 'batuta',
      work: 'stream',
      streams: STREAMS,
      pieces_said: STREAMS * CHUNKS,
      pieces_received: received,
      messages: parts,
      latency_ms: latencyMs,
      cpu_s: mapValues(after, (seconds, name) => rounded(seconds - (before[name] ?? 0), 2)),
      settings: { layout },
    });
    if (received !== STREAMS * CHUNKS) throw new Error(`${received} of ${STREAMS * CHUNKS} pieces came`);
    return latencyMs.p95 <= BUDGET_MS;
  } finally {
    talkers.kill();
    await deployment.remove();
  }
}
