import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, runFile, startTestNats } from '@batuta/testing';
import type { Child, TestNats } from '@batuta/testing';
import { FakeEngine } from '@batuta/conformance';

const STARTING = { timeoutMs: 60_000 };

describe('the step-runner as a process', () => {
  let nats: TestNats;
  let engine: FakeEngine;
  let children: Child[] = [];

  const runner = (env: NodeJS.ProcessEnv = {}): Child => {
    const child = runFile('services/step-runner/src/main.ts', {
      env: { NATS_URL: nats.url, BATUTA_RUNNER_ACK_WAIT: '600', BATUTA_RUNNER_WORKING: '200', ...env },
    });
    children.push(child);
    return child;
  };

  beforeAll(async () => {
    nats = await startTestNats();
  });
  beforeEach(async () => {
    engine = await FakeEngine.start(nats.url);
    await engine.manager.streams.purge('STEPS');
  });
  afterEach(async () => {
    await Promise.all(children.map((child) => child.end('SIGKILL')));
    children = [];
    await engine.close();
  });
  afterAll(async () => {
    await nats?.close();
  });

  it('loses no task when it is killed: another runner asks the engine and runs it again', async () => {
    const first = runner();
    const finished = await engine.dispatch({ agent: 'echo', stepId: 'finished' });
    await eventually(() => engine.resultOf(finished) !== undefined, { ...STARTING, pointless: first.ended });
    const lost = await engine.dispatch({ agent: 'delay', stepId: 'lost', input: { ms: 1_500 } });
    const unwanted = await engine.dispatch({ agent: 'delay', stepId: 'unwanted', input: { ms: 60_000 } });
    const info = () => engine.manager.consumers.info('STEPS', 'default-normal');
    await eventually(async () => (await info()).num_ack_pending === 2);
    await first.end('SIGKILL');
    engine.unwanted.add('unwanted');
    const second = runner();
    await eventually(() => engine.resultOf(lost) !== undefined, { ...STARTING, pointless: second.ended });
    await eventually(async () => (await engine.queued()) === 0);
    // nats-server 2.9 may deliver one of them more than once.
    expect(new Set(engine.checks.map(({ stepId }) => stepId))).toEqual(new Set(['lost', 'unwanted']));
    expect(engine.results.map(({ stepId, ok }) => [stepId, ok])).toEqual([
      ['finished', true],
      ['lost', true],
    ]);
    expect(engine.resultOf(unwanted)).toBeUndefined();
  });

  it('finishes what runs and ends with 0 on SIGTERM', async () => {
    const child = runner();
    const task = await engine.dispatch({ agent: 'delay', input: { ms: 400 } });
    const info = () => engine.manager.consumers.info('STEPS', 'default-normal');
    await eventually(async () => (await info()).num_ack_pending === 1, { ...STARTING, pointless: child.ended });
    expect(await child.end('SIGTERM')).toBe(0);
    expect(engine.resultOf(task)).toMatchObject({ ok: true });
    expect(await engine.queued()).toBe(0);
  });

  it('names a wrong setting and ends with 2', async () => {
    const child = runner({ BATUTA_RUNNER_WORKING: '10m' });
    await eventually(() => child.process.exitCode === 2, STARTING);
    expect(child.output()).toContain('BATUTA_RUNNER_WORKING');
  });
});
