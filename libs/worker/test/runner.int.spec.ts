import { beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS } from '@batuta/contracts';
import type { AttemptResult, Task } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import { jetstream } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '@batuta/worker';
import type { Runner, RunnerOptions } from '@batuta/worker';
import type { FakeEngine } from '@batuta/conformance';
import { dispatchUntilDone } from './dispatch-until-done.js';
import type { Gate } from './gate.js';
import { RunnersUnderTest } from './runners-under-test.js';
import { delayAgent, echoAgent, failAgent } from './agents.js';

describe('the runner', () => {
  const returning = (name: string, output: () => unknown): Agent => ({ name, version: '1', run: output });
  const under = new RunnersUnderTest((own) => ({
    agents: [
      echoAgent,
      delayAgent,
      failAgent,
      own,
      returning('hang', () => new Promise(() => undefined)),
      returning('large', () => 'x'.repeat(LIMITS.payloadBytes)),
      returning('function', () => ({ rows: [{ format: () => 'x' }] })),
      returning('strange', () => ({ text: 'a\0b\ud800c', 'k\0': '\\u0000' })),
      {
        name: 'crash',
        version: '1',
        run: () => {
          throw new TypeError('x is undefined');
        },
      },
      {
        name: 'beats',
        version: '1',
        run: (_input, { heartbeat }) => heartbeat(0.5, 'half'),
      },
    ],
  })).hook();
  const start = (options: Partial<RunnerOptions> = {}): Promise<Runner> => under.start(options);
  let nats: TestNats;
  let engine: FakeEngine;
  let gate: Gate;
  beforeEach(() => {
    ({ nats, engine, gate } = under);
  });

  const resultOf = (task: Task): Promise<AttemptResult> =>
    eventually(() => engine.resultOf(task) ?? false, { timeoutMs: 60_000, describe: `${task.agent} has a result` });
  const emptied = (): Promise<unknown> =>
    eventually(async () => (await engine.queued()) === 0, { describe: 'all tasks are acknowledged' });

  it('runs a task, reports its output and acknowledges it', async () => {
    await start();
    const task = await engine.dispatch({ agent: 'echo', input: { greeting: 'olá', list: [1, null] } });
    const result = await resultOf(task);
    expect(result).toMatchObject({ ok: true, output: task.input, workerId: 'worker-1', agentVersion: '1', attempt: 1 });
    expect(result.finishedAt).toBeGreaterThanOrEqual(result.startedAt);
    await emptied();
    expect(engine.checks).toEqual([]);
  });

  it('acknowledges a task only after the engine has answered', async () => {
    engine.silent = true;
    await start();
    const task = await engine.dispatch({ agent: 'echo' });
    await eventually(() => engine.batches.length >= 2, { describe: 'the unanswered result was sent again' });
    expect(await engine.queued()).toBe(1);
    engine.silent = false;
    await resultOf(task);
    await emptied();
  });

  it.each(['stale', 'unknown_execution'] as const)('acknowledges a task whose result is %s', async (outcome) => {
    engine.outcome = outcome;
    await start();
    await engine.dispatch({ agent: 'echo' });
    await emptied();
    expect(engine.results).toHaveLength(1);
  });

  it('sends waiting results in one request', async () => {
    await start();
    const tasks = await Promise.all(
      // A failure always waits for others, however long the attempt took.
      Array.from({ length: 30 }, (_, n) => engine.dispatch({ agent: 'gate', stepId: `s${n}`, input: { fail: true } })),
    );
    await eventually(() => gate.entered.length === 30);
    gate.open();
    await Promise.all(tasks.map(resultOf));
    expect(engine.batches).toEqual([30]);
    await emptied();
  });

  it('reports an error with its message, its code and whether another attempt may help', async () => {
    await start();
    const failureOf = async (task: Partial<Task> & { agent: string }) => {
      const { ok, failure } = await resultOf(await engine.dispatch(task));
      expect(ok).toBe(false);
      return failure;
    };
    expect(await failureOf({ agent: 'crash' })).toMatchObject({
      code: 'agent_error',
      message: 'x is undefined',
      retryable: true,
      trace: expect.stringContaining('TypeError'),
    });
    expect(await failureOf({ agent: 'fail', input: { code: 'gone', message: 'No.', retryable: false } })).toMatchObject(
      {
        code: 'gone',
        message: 'No.',
        retryable: false,
        details: { attempt: 1 },
      },
    );
    expect(await failureOf({ agent: 'large' })).toMatchObject({
      code: 'output_too_large',
      message: expect.stringContaining('1048576 bytes'),
      retryable: false,
    });
    expect(await failureOf({ agent: 'function' })).toMatchObject({
      code: 'output_invalid',
      message: expect.stringContaining('output.rows[0].format is a function'),
    });
    expect(await failureOf({ agent: 'nobody' })).toMatchObject({ code: 'agent_unknown' });
    expect(await failureOf({ agent: 'hang', timeoutMs: 30 })).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('30 ms'),
      retryable: true,
    });
  });

  it('replaces characters that PostgreSQL cannot store', async () => {
    await start();
    const result = await resultOf(await engine.dispatch({ agent: 'strange' }));
    expect(result.output).toEqual({ text: 'a\ufffdb\ufffdc', 'k\ufffd': '\\u0000' });
  });

  it('asks the engine before it runs a task that was dispatched before, and drops it when it is not needed', async () => {
    await start();
    engine.unwanted.add('unwanted');
    const wanted = await engine.dispatch({ agent: 'echo', stepId: 'wanted', dispatch: 2 });
    await engine.dispatch({ agent: 'echo', stepId: 'unwanted', checkFirst: true });
    await resultOf(wanted);
    await emptied();
    expect(engine.checks.map(({ stepId }) => stepId).toSorted()).toEqual(['unwanted', 'wanted']);
    expect(engine.results).toHaveLength(1);
  });

  it('renews the lease of a long task, so that it is delivered once', async () => {
    await start({ ackWaitMs: 300, workingMs: 60 });
    const task = await engine.dispatch({ agent: 'delay', input: { ms: 1_200 } });
    await resultOf(task);
    expect(engine.checks).toEqual([]);
    await emptied();
    const { normal } = { normal: await engine.manager.consumers.info('STEPS', 'default-normal') };
    expect(normal.num_redelivered).toBe(0);
  });

  it('aborts an attempt that the engine stops, reports nothing and acknowledges the task', async () => {
    await start();
    await engine.dispatch({ agent: 'gate', executionId: 'e1', stepId: 'a' });
    await engine.dispatch({ agent: 'gate', executionId: 'e1', stepId: 'b' });
    await eventually(() => gate.entered.length === 2);
    engine.unwanted.add('a');
    // A stop for both attempts. It is outdated for one of them, which the engine still needs.
    engine.stopAttempts({ executionId: 'e1', reason: 'cancelled' });
    await eventually(() => gate.signals[gate.entered.indexOf('a')]?.aborted === true);
    await eventually(async () => (await engine.queued()) === 1);
    expect(gate.signals[gate.entered.indexOf('b')]?.aborted).toBe(false);
    gate.open();
    await emptied();
    expect(engine.results.map(({ stepId }) => stepId)).toEqual(['b']);
  });

  it('notices without a message that a long attempt is not needed any more', async () => {
    await start({ recheckMs: 50 });
    await engine.dispatch({ agent: 'gate', stepId: 'long' });
    await eventually(() => engine.checks.length > 0);
    expect(gate.signals[0]?.aborted).toBe(false);
    engine.unwanted.add('long');
    await eventually(() => gate.signals[0]?.aborted === true);
    await emptied();
    expect(engine.results).toEqual([]);
  });

  it('continues to serve when agents hang, and counts agents that never end', async () => {
    const runner = await start({ slots: 2, maxAbandoned: 3 });
    const hanging = await Promise.all(
      [1, 2, 3].map((n) => engine.dispatch({ agent: 'hang', timeoutMs: 20, stepId: `h${n}` })),
    );
    await Promise.all(hanging.map(resultOf));
    await resultOf(await engine.dispatch({ agent: 'echo' }));
    await eventually(() => {
      expect(() => runner.checkReady()).toThrow(/abort signal/);
    });
  });

  it('never exceeds the bytes that may run at once, and runs everything in the end', async () => {
    const runner = await start({ slots: 50, bytesAtOnce: 25_000 });
    const tasks: Task[] = [];
    for (let n = 0; n < 9; n += 1) {
      tasks.push(await engine.dispatch({ agent: 'gate', stepId: `l${n}`, input: { text: 'x'.repeat(10_000) } }));
    }
    for (const most of [3, 6, 9]) {
      await eventually(() => gate.entered.length === most, { timeoutMs: 60_000, describe: `${most} have begun` });
      expect(runner.running).toBeLessThanOrEqual(3);
      gate.open();
    }
    for (const task of tasks) expect(await resultOf(task)).toMatchObject({ ok: true });
    await emptied();
  });

  it('never runs more attempts at once than it has slots', async () => {
    const runner = await start({ slots: 3 });
    await Promise.all(Array.from({ length: 10 }, (_, n) => engine.dispatch({ agent: 'gate', stepId: `s${n}` })));
    await eventually(() => gate.entered.length === 3);
    expect(runner.running).toBe(3);
    await eventually(async () => {
      gate.open();
      return (await engine.queued()) === 0;
    });
    expect(gate.entered).toHaveLength(10);
  });

  it('serves all priorities by weight, so that low never starves', async () => {
    const order: string[] = [];
    for (const priority of ['low', 'normal', 'high'] as const) {
      await Promise.all(
        Array.from({ length: 40 }, (_, n) =>
          engine.dispatch({ agent: 'note', stepId: `${priority}${n}` }, { priority }),
        ),
      );
    }
    const note: Agent = {
      name: 'note',
      version: '1',
      run: (_input, { stepId }) => {
        order.push(stepId.replace(/\d+/, ''));
      },
    };
    await start({ slots: 1, agents: [note] });
    await emptied();
    const early = order.slice(0, 50);
    const count = (priority: string): number => early.filter((one) => one === priority).length;
    expect(count('high')).toBeGreaterThan(count('normal'));
    expect(count('normal')).toBeGreaterThan(count('low'));
    expect(count('low')).toBeGreaterThanOrEqual(3);
  });

  it('drops a message that is not a task', async () => {
    await start();
    await engine.manager.streams.info('STEPS');
    engine.nc.publish('batuta.step.default.normal.echo.e1.s1', 'not JSON');
    expect(await resultOf(await engine.dispatch({ agent: 'echo' }))).toMatchObject({ ok: true });
    await emptied();
  });

  it('sends heartbeats with progress: the first at once, the last before the result', async () => {
    const beats: Agent = {
      name: 'beats',
      version: '1',
      run: (_input, context) => {
        for (let n = 0; n <= 100; n++) context.heartbeat(n / 50, `row ${n}`);
      },
    };
    await start({ agents: [beats] });
    const task = await engine.dispatch({ agent: 'beats' });
    await resultOf(task);
    expect(engine.heartbeats).toEqual([
      { executionId: task.executionId, stepId: 'step_1', attempt: 1, progress: 0, message: 'row 0' },
      { executionId: task.executionId, stepId: 'step_1', attempt: 1, progress: 1, message: 'row 100', last: true },
    ]);
  });

  it('reports the start of an agent until the engine has answered, if the engine waits for it', async () => {
    await start();
    engine.silent = true;
    const task = await engine.dispatch({ agent: 'gate', reportStart: true });
    const { executionId, stepId, attempt } = task;
    await eventually(() => engine.heartbeats.length >= 2, { describe: 'it is sent again' });
    expect(engine.heartbeats[1]).toEqual({ executionId, stepId, attempt });
    // The answer says that the attempt is not needed: its deadline has passed.
    engine.unwanted.add(stepId);
    engine.silent = false;
    await eventually(() => gate.signals[0]?.aborted === true, { describe: 'the attempt is stopped' });
    await emptied();
    expect(engine.resultOf(task)).toBeUndefined();
  });

  it('fails an attempt that sends no heartbeat for heartbeat_ms', async () => {
    // Much longer than this process can stand still on a busy machine.
    const SILENCE_MS = 2_000;
    const quiet: Agent = {
      name: 'quiet',
      version: '1',
      run: async (_input, context) => {
        // Sends heartbeats for longer than it may be silent.
        for (const until = Date.now() + 1.5 * SILENCE_MS; Date.now() < until; await delay(20)) context.heartbeat(0.5);
        context.heartbeat(1);
        await new Promise(() => undefined);
      },
    };
    await start({ agents: [quiet] });
    const task = await engine.dispatch({ agent: 'quiet', heartbeatMs: SILENCE_MS });
    const { failure, startedAt, finishedAt } = await resultOf(task);
    expect(failure).toMatchObject({ code: 'heartbeat_timeout', retryable: true });
    expect(finishedAt - startedAt).toBeGreaterThanOrEqual(2.5 * SILENCE_MS - 10);
  });

  it('finishes running attempts when it is stopped, and accepts no new tasks', async () => {
    const runner = await start();
    const task = await engine.dispatch({ agent: 'gate' });
    await eventually(() => gate.entered.length === 1);
    const stopped = runner.stop(5_000);
    await engine.dispatch({ agent: 'echo', stepId: 'next' });
    gate.open();
    await stopped;
    expect(engine.resultOf(task)).toMatchObject({ ok: true, output: 'through' });
    await eventually(async () => (await engine.queued()) === 1);
  });

  it('hands back tasks that do not finish in time, and another runner takes them at once', async () => {
    // Acknowledgements are waited for much longer than the test takes, so a task that comes again was handed back.
    const patient = { ackWaitMs: 3_600_000 };
    const first = await start(patient);
    const task = await engine.dispatch({ agent: 'gate' });
    await eventually(() => gate.entered.length === 1);
    await first.stop(30);
    expect(gate.signals[0]?.aborted).toBe(true);
    expect(engine.results).toEqual([]);
    await start(patient);
    await eventually(() => gate.entered.length === 2);
    gate.open();
    expect(await resultOf(task)).toMatchObject({ ok: true });
  });

  /** Delivers the next task `times` times to a consumer that lets its lease run out. */
  const deliverInVain = async (times: number): Promise<void> => {
    await engine.manager.consumers.update('STEPS', 'default-normal', { ack_wait: nanos(100) });
    const consumer = await jetstream(engine.nc).consumers.get('STEPS', 'default-normal');
    for (let deliveries = 1; deliveries <= times; deliveries++) {
      expect((await consumer.next({ expires: 2_000 }))?.info.deliveryCount).toBe(deliveries);
    }
  };

  it('runs a task that was delivered many times without a result, if no runner ended with it', async () => {
    const task = await engine.dispatch({ agent: 'echo', input: 'fine' });
    await deliverInVain(8);
    await start({ ackWaitMs: 100, workingMs: 20 });
    expect(await resultOf(task)).toMatchObject({ ok: true });
    expect(engine.checks[0]).toMatchObject({ redelivered: true, alone: false });
    await emptied();
  });

  it('reports a task as lost, and does not run it, when three runners ended with it', async () => {
    engine.lostRunners.set('bad', 3);
    const task = await engine.dispatch({ agent: 'gate', stepId: 'bad' });
    await deliverInVain(1);
    await start({ ackWaitMs: 100, workingMs: 20 });
    expect((await resultOf(task)).failure).toEqual({
      code: 'runner_lost',
      message: '3 runners ended while they ran this step, the last while it ran nothing else.',
      retryable: true,
      details: { lost_runners: 3 },
    });
    expect(gate.entered).toEqual([]);
    await emptied();
  });

  it('asks again later for a task that another runner has, and gives its slot to others until then', async () => {
    engine.held.add('elsewhere');
    const task = await engine.dispatch({ agent: 'echo', stepId: 'elsewhere', dispatch: 2 });
    await start({ slots: 1 });
    await eventually(() => engine.checks.length > 0);
    expect(await resultOf(await engine.dispatch({ agent: 'echo', stepId: 'other' }))).toMatchObject({ ok: true });
    await eventually(() => engine.checks.length > 1);
    expect(engine.resultOf(task)).toBeUndefined();
    engine.held.clear();
    expect(await resultOf(task)).toMatchObject({ ok: true });
  });

  it('runs a task alone when two runners ended with it: after running tasks, and before later ones', async () => {
    await start({ slots: 4 });
    const before = await engine.dispatch({ agent: 'gate', stepId: 'before' });
    await eventually(() => gate.entered.length === 1);
    engine.lostRunners.set('suspect', 2);
    const suspect = await engine.dispatch({ agent: 'gate', stepId: 'suspect', dispatch: 2 });
    await eventually(() => engine.checks.length > 0);
    // A task that arrives before the runner has the engine's answer does not count as later.
    await eventually(async () => {
      const { incarnation } = engine.beats.at(-1) ?? {};
      return incarnation !== undefined && !(await engine.give(incarnation, [])).open;
    });
    const later = await engine.dispatch({ agent: 'gate', stepId: 'later' });
    await delay(100);
    expect(gate.entered).toEqual(['before']);
    gate.open();
    await resultOf(before);
    await eventually(() => gate.entered.length === 2);
    expect(engine.checks.map(({ alone }) => alone)).toEqual([false, true]);
    await delay(100);
    expect(gate.entered).toEqual(['before', 'suspect']);
    gate.open();
    await resultOf(suspect);
    await eventually(() => gate.entered.length === 3);
    gate.open();
    await resultOf(later);
  });

  it('does not run an attempt twice when its lease runs out during the run', async () => {
    await start({ ackWaitMs: 150, workingMs: 60_000 });
    const task = await engine.dispatch({ agent: 'gate' });
    await eventually(async () => (await engine.manager.consumers.info('STEPS', 'default-normal')).num_redelivered > 0);
    await delay(400);
    gate.open();
    expect(await resultOf(task)).toMatchObject({ ok: true });
    await emptied();
    expect(gate.entered).toHaveLength(1);
    expect(engine.results).toHaveLength(1);
  });

  const served = (): Promise<AttemptResult> => dispatchUntilDone(engine, { agent: 'echo', stepId: 'after' });

  it('continues to serve after the stream was deleted and recreated', async () => {
    await start();
    await resultOf(await engine.dispatch({ agent: 'echo' }));
    await engine.manager.streams.delete('STEPS');
    expect(await served()).toMatchObject({ ok: true });
    await emptied();
  });

  it('continues to serve after nats-server was killed and its store was deleted', async () => {
    const runner = await start();
    await resultOf(await engine.dispatch({ agent: 'echo' }));
    await nats.kill();
    await nats.deleteStore();
    await nats.start();
    await eventually(() => {
      runner.checkReady();
    });
    expect(await served()).toMatchObject({ ok: true });
    await emptied();
  });
});
