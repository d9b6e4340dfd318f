import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '@batuta/worker';
import { Parameters } from './parameters.js';

/**
 * Waits `ms` milliseconds (default 1,000, at most a day) and returns its input; stops waiting when it is aborted. With
 * `heartbeat_every_ms` it says that often how much of the time has passed.
 */
export const delayAgent: Agent = {
  name: 'delay',
  version: '1',
  async run(input, context) {
    const { signal } = context;
    const parameters = new Parameters(input);
    const ms = parameters.number('ms', { min: 0, max: 86_400_000 }) ?? 1_000;
    const every = parameters.number('heartbeat_every_ms', { min: 10, max: 86_400_000 });
    const start = performance.now();
    for (let left = ms; left > 0 && every !== undefined && every < left; left = start + ms - performance.now()) {
      await delay(every, undefined, { signal });
      const passed = Math.min(ms, Math.round(performance.now() - start));
      context.heartbeat(passed / ms, `${passed} of ${ms} ms`);
    }
    await delay(Math.max(0, start + ms - performance.now()), undefined, { signal });
    return input;
  },
};
