import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import { loadSettings, milliseconds } from '@batuta/settings';

const schema = {
  /** How long the event loop may stand still before the process is ended. 0 never ends it. */
  watchdogMs: milliseconds({ env: 'BATUTA_WATCHDOG', default: 30_000, min: 0, max: 3_600_000 }),
} as const;

/** Number of signs of life of the event loop, and of checks by the watchdog, within the limit. */
const LOOKS_PER_LIMIT = 20;

// The code is a text, because a bundle is one file. It shares only one number with the event loop.
const WATCH = `
const { workerData, parentPort } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const { beats, name, limitMs, lookMs } = workerData;
let seen = Atomics.load(beats, 0);
let stoodMs = 0;
let lookedAt = performance.now();
setInterval(() => {
  const now = performance.now();
  const passed = now - lookedAt;
  lookedAt = now;
  const beat = Atomics.load(beats, 0);
  if (beat !== seen) {
    seen = beat;
    stoodMs = 0;
    return;
  }
  // Where the whole process stood (a suspended machine, SIGSTOP), its event loop is not to blame.
  stoodMs += Math.min(passed, 2 * lookMs);
  if (stoodMs < limitMs) return;
  const line = { level: 'fatal', time: new Date().toISOString(), service: name, stood_ms: Math.round(stoodMs), msg: 'the event loop stands still: the process ends' };
  try {
    writeSync(2, JSON.stringify(line) + '\\n');
  } catch {}
  process.kill(process.pid, 'SIGKILL');
}, lookMs);
`;

/**
 * Ends this process when its event loop stands still for `BATUTA_WATCHDOG` (30 s), so that the supervisor starts it
 * again. A process that hangs cannot answer its own health check. Does nothing under a debugger. Throws a
 * `SettingsError`.
 */
export function startWatchdog(name: string, env: Readonly<Record<string, string | undefined>> = process.env): void {
  const { watchdogMs: limitMs } = loadSettings(schema, env);
  if (limitMs === 0 || inspectorUrl() !== undefined) return;
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const lookMs = Math.max(1, Math.round(limitMs / LOOKS_PER_LIMIT));
  const worker = new Worker(WATCH, {
    eval: true,
    workerData: { beats, name, limitMs, lookMs },
    env: {},
    execArgv: [],
    argv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  });
  worker.unref();
  setInterval(() => Atomics.add(beats, 0, 1), lookMs).unref();
}
