// A complete worker: the agent "shout" of the pool "text".
import { TerminalError, Worker } from '@batuta/worker';

const worker = new Worker({ pool: process.env.BATUTA_POOL ?? 'text', concurrency: 20 });

worker.agent(
  'shout',
  {
    description: 'Writes a text in capitals',
    input: { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 1 } } },
    output: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  },
  async ({ text }, { signal }) => {
    if (text.length > 100_000) throw new TerminalError('too_long', 'Nobody reads that much.');
    signal.throwIfAborted();
    return { text: text.toUpperCase() };
  },
);

await worker.run();
