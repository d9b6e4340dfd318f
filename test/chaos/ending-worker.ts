// A step-runner with agents that work for some time, and one that ends the whole process.
import { startStepRunner, loadStepRunnerSettings } from '@batuta/step-runner';
import type { Agent } from '@batuta/worker';
import { createLogger } from '@batuta/observability';
import { setTimeout as delay } from 'node:timers/promises';

const say = (what: string): void => {
  process.stdout.write(`${what}\n`);
};

const numberOf = (input: unknown, name: string): number => Number((input as Record<string, unknown>)[name] ?? 0);

const agents: Agent[] = [
  {
    name: 'works',
    version: '1',
    async run(input, { executionId, signal }) {
      say(`begins ${executionId}`);
      await delay(numberOf(input, 'ms'), undefined, { signal });
      return { done: true };
    },
  },
  {
    name: 'ends_all',
    version: '1',
    async run(input, { executionId }) {
      say(`ends with ${executionId}`);
      await delay(numberOf(input, 'ms'));
      process.kill(process.pid, 'SIGKILL');
      await delay(60_000);
      return null;
    },
  },
];

const running = await startStepRunner({
  settings: loadStepRunnerSettings(),
  logger: createLogger({ service: 'step-runner', level: 'warn' }),
  agents,
});
say('serves');
process.once('SIGTERM', () => void running.close());
