import { setTimeout as delay } from 'node:timers/promises';
import { defineAgent } from '@batuta/worker';

const LONGEST_MS = 86_400_000;

export const delayAgent = defineAgent(
  'delay',
  {
    description: 'Waits, and returns its input. For tests.',
    input: {
      properties: {
        ms: { type: 'number', minimum: 0, maximum: LONGEST_MS, default: 1_000, description: 'milliseconds' },
        heartbeat_every_ms: {
          type: 'number',
          minimum: 10,
          maximum: LONGEST_MS,
          description: 'milliseconds between reports of progress; without it there are none',
        },
      },
    },
  },
  async ({ ms = 1_000, heartbeat_every_ms: every }, { signal, heartbeat }, whole) => {
    const start = performance.now();
    for (let left = ms; left > 0 && every !== undefined && every < left; left = start + ms - performance.now()) {
      await delay(every, undefined, { signal });
      const passed = Math.min(ms, Math.round(performance.now() - start));
      heartbeat(passed / ms, `${passed} of ${ms} ms`);
    }
    await delay(Math.max(0, start + ms - performance.now()), undefined, { signal });
    return whole;
  },
);
