import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from './agent.js';
import { Parameters } from './parameters.js';

/** Waits `ms` milliseconds (default 1,000, at most a day) and returns its input; stops waiting when it is aborted. */
export const delayAgent: Agent = {
  name: 'delay',
  version: '1',
  async run(input, { signal }) {
    const ms = new Parameters(input).number('ms', { min: 0, max: 86_400_000 }) ?? 1_000;
    await delay(ms, undefined, { signal });
    return input;
  },
};
