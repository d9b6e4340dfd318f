import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, runFile, startTestNats } from '@batuta/testing';
import type { Child, TestNats } from '@batuta/testing';
import { FakeEngine } from '@batuta/conformance';
import { dispatchUntilDone } from './dispatch-until-done.js';

describe('the worker without an SDK', () => {
  let nats: TestNats;
  let engine: FakeEngine;
  let worker: Child;
  beforeAll(async () => {
    nats = await startTestNats();
    engine = await FakeEngine.start(nats.url, ['text']);
    worker = runFile('examples/worker-without-sdk/worker.mjs', { env: { NATS_URL: nats.url } });
  });
  afterAll(async () => {
    await worker?.end('SIGKILL');
    await engine?.close();
    await nats?.close();
  });

  it('serves its agent, reports failures and acknowledges what the engine has answered', async () => {
    const task = await engine.dispatch({ agent: 'word_count', input: { text: 'one two  three' } }, { pool: 'text' });
    const wrong = await engine.dispatch({ agent: 'word_count', input: {} }, { pool: 'text' });
    engine.unwanted.add('unwanted');
    await engine.dispatch({ agent: 'word_count', stepId: 'unwanted', checkFirst: true }, { pool: 'text' });
    const result = await eventually(() => engine.resultOf(task) ?? false, {
      timeoutMs: 60_000,
      pointless: worker.ended,
    });
    expect(result).toMatchObject({ ok: true, output: { words: 3, characters: 14 } });
    expect(await eventually(() => engine.resultOf(wrong) ?? false)).toMatchObject({
      ok: false,
      failure: { code: 'input_invalid', retryable: false },
    });
    await eventually(async () => (await engine.queued()) === 0);
    expect(engine.results).toHaveLength(2);
  });

  it('ends when the npm that started it gets SIGTERM', async () => {
    const cwd = fileURLToPath(new URL('../../../examples/worker-without-sdk', import.meta.url));
    const npm = spawn('npm', ['start'], { cwd, env: { ...process.env, NATS_URL: nats.url } });
    let said = '';
    npm.stdout.on('data', (text: Buffer) => (said += text.toString()));
    // Its pipes are closed when no process has them any more, including the worker.
    const closed = once(npm, 'close');
    await eventually(() => said.includes('serving the pool text'), { timeoutMs: 60_000 });
    npm.kill('SIGTERM');
    await closed;
    expect(said).toContain('serving the pool text');
  });

  it('continues to serve after nats-server was killed and its store was deleted', async () => {
    await nats.kill();
    await nats.deleteStore();
    await nats.start();
    const { ensureStepsStream } = await import('@batuta/messaging');
    await eventually(() => ensureStepsStream(engine.nc), { timeoutMs: 60_000 });
    const result = await dispatchUntilDone(engine, { agent: 'word_count', input: { text: 'again' } }, { pool: 'text' });
    expect(result).toMatchObject({ ok: true, output: { words: 1 } });
  });
});
