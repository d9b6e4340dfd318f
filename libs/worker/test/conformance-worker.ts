// The worker that the conformance suite runs against, written as a user would write it.
import { RetryableError, TerminalError, Worker } from '@batuta/worker';
import { setTimeout as delay } from 'node:timers/promises';

const worker = new Worker({ pool: process.env['BATUTA_POOL'] ?? 'conformance' });
worker.agent(
  'conformance',
  {
    description: 'Does what the conformance suite says',
    input: {
      type: 'object',
      required: ['do'],
      properties: {
        do: { enum: ['return', 'fail', 'throw', 'wait', 'progress', 'output'] },
        value: {},
        code: { type: 'string' },
        message: { type: 'string' },
        retryable: { type: 'boolean' },
        ms: { type: 'number', minimum: 0 },
        progress: { type: 'number' },
      },
    },
  },
  async (input, { signal, heartbeat, output }) => {
    const { value = null, code = '', message = '' } = input;
    switch (input.do) {
      case 'return':
        return value;
      case 'fail':
        throw input.retryable === true ? new RetryableError(code, message) : new TerminalError(code, message);
      case 'throw':
        throw new Error('An error without a code.');
      case 'wait':
        await delay(input.ms, undefined, { signal });
        return value;
      case 'progress':
        heartbeat(input.progress ?? 0, message);
        return value;
      case 'output':
        for (const word of message.split(/(?<= )/)) output(word);
        return value;
      default:
        return input.do satisfies never;
    }
  },
);
await worker.run();
