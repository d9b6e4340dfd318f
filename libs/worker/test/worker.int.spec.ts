import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeEngine } from '@batuta/conformance';
import { eventually, runFile, startTestNats } from '@batuta/testing';
import type { Child, TestNats } from '@batuta/testing';
import { jsonLogger, Worker } from '@batuta/worker';

const logger = jsonLogger(() => undefined);

describe('a worker of one pool', () => {
  let nats: TestNats;
  let engine: FakeEngine;
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    nats = await startTestNats();
  });
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
    await engine?.close();
    await nats?.close();
  });

  it('waits for the stream of tasks, which it may not create, and can be stopped while it waits', async () => {
    const lines: string[] = [];
    const waiting = jsonLogger((line) => lines.push(line));
    const worker = new Worker({ pool: 'text', natsUrl: nats.url, logger: waiting });
    worker.agent('echo', { description: 'Returns its input' }, (input) => input);
    const outcome = worker.start().then(
      () => 'started',
      (error: unknown) => String(error),
    );
    await eventually(() => lines.some((line) => line.includes('the stream of tasks is not there yet')));
    await worker.stop();
    expect(await outcome).toContain('closed');
    engine = await FakeEngine.start(nats.url, ['text']);
  });

  it('fits into the twenty lines of the example', async () => {
    const child: Child = runFile('examples/worker/worker.mjs', { env: { NATS_URL: nats.url } });
    ends.push(() => child.end('SIGKILL'));
    const task = await engine.dispatch({ agent: 'shout', input: { text: 'olá' } }, { pool: 'text' });
    const wrong = await engine.dispatch({ agent: 'shout', input: {} }, { pool: 'text' });
    const waits = { timeoutMs: 60_000, pointless: child.ended };
    expect(await eventually(() => engine.resultOf(task) ?? false, waits)).toMatchObject({ output: { text: 'OLÁ' } });
    expect(await eventually(() => engine.resultOf(wrong) ?? false, waits)).toMatchObject({
      ok: false,
      failure: { code: 'input_invalid', message: 'The input\'s "text" is missing.', retryable: false },
    });
    // Without an API key it logs how to register its agent.
    expect(child.output()).toContain('/api/v1/agents/shout');
    expect(await child.end('SIGTERM')).toBe(0);
  });

  it('never runs more attempts at once than its concurrency', async () => {
    let running = 0;
    let most = 0;
    const worker = new Worker({ pool: 'text', natsUrl: nats.url, logger, concurrency: 2 });
    worker.agent('slow', { description: 'Takes a while' }, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 100));
      running -= 1;
      return null;
    });
    await worker.start();
    ends.push(() => worker.stop());
    const tasks = await Promise.all(
      Array.from({ length: 8 }, (_, place) =>
        engine.dispatch({ agent: 'slow', stepId: `slow_${place}` }, { pool: 'text' }),
      ),
    );
    await eventually(() => tasks.every((task) => engine.resultOf(task) !== undefined), { timeoutMs: 60_000 });
    expect(most).toBe(2);
  });

  it('reports mistakes in its use', async () => {
    expect(() => new Worker({ pool: 'text', concurrency: 0 })).toThrow(
      'concurrency must be a whole number from 1 to 10000',
    );
    const worker = new Worker({ pool: 'text', natsUrl: nats.url, logger });
    await expect(worker.start()).rejects.toThrow('the worker has no agents');
    worker.agent('one', { description: '' }, () => null);
    expect(() => worker.agent('one', { description: '' }, () => null)).toThrow('two agents have the name "one"');
  });
});
