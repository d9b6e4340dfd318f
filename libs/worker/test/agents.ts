import { RetryableError, TerminalError } from '@batuta/worker';
import type { Agent } from '@batuta/worker';
import { setTimeout as delay } from 'node:timers/promises';

type Fields = Readonly<Record<string, unknown>>;

/** Returns its input. */
export const echoAgent: Agent = { name: 'echo', version: '1', run: (input) => input };

/** Waits `ms` milliseconds, sends a heartbeat every `heartbeat_every_ms`, and returns its input. */
export const delayAgent: Agent = {
  name: 'delay',
  version: '1',
  async run(input, { signal, heartbeat }) {
    const { ms = 1_000, heartbeat_every_ms: every = Infinity } = (input ?? {}) as {
      ms?: number;
      heartbeat_every_ms?: number;
    };
    for (let passed = 0; passed < ms;) {
      const pause = Math.min(every, ms - passed);
      await delay(pause, undefined, { signal });
      passed += pause;
      if (passed < ms) heartbeat(passed / ms, `${passed} of ${ms} ms`);
    }
    return input;
  },
};

/** Fails in the way that its input describes. */
export const failAgent: Agent = {
  name: 'fail',
  version: '1',
  run(input, { attempt }) {
    const { code, message, retryable } = input as Fields;
    const Thrown = retryable === false ? TerminalError : RetryableError;
    throw new Thrown(String(code), String(message), { details: { attempt } });
  },
};
