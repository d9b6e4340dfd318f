import { beforeEach, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import type { RunnerBeat, Task } from '@batuta/contracts';
import { isConnected, JsonMessage, requestUntilAnswered } from '@batuta/messaging';
import { eventually } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import type { Agent } from '@batuta/worker';
import type { Runner, RunnerOptions } from '@batuta/worker';
import { wholeTask } from '@batuta/conformance';
import type { FakeEngine } from '@batuta/conformance';
import type { Gate } from './gate.js';
import { RunnersUnderTest } from './runners-under-test.js';
import { echoAgent } from './agents.js';

describe('tasks straight from the engine', () => {
  const under = new RunnersUnderTest((own) => ({ slots: 4, workingMs: 20, agents: [echoAgent, own] })).hook();
  let nats: TestNats;
  let engine: FakeEngine;
  let gate: Gate;
  beforeEach(() => {
    ({ nats, engine, gate } = under);
  });

  /** Starts a runner. Returns it with the identifier of its run, which its first beat gives. */
  const start = async (options: Partial<RunnerOptions> = {}): Promise<{ runner: Runner; incarnation: string }> => {
    const runner = await under.start(options);
    const workerId = `worker-${under.connections.length}`;
    const { incarnation } = await eventually(() => engine.beats.find(({ runnerId }) => runnerId === workerId) ?? false);
    return { runner, incarnation };
  };
  const gated = (stepId: string, more: Partial<Task> = {}): Task => wholeTask({ agent: 'gate', stepId, ...more });
  const keyOf = ({ executionId, stepId, attempt }: Task): string => `${executionId}/${stepId}/${attempt}`;
  const lastBeat = (incarnation: string): RunnerBeat | undefined =>
    engine.beats.findLast((beat) => beat.incarnation === incarnation);
  /** Waits for a beat with this condition, among the beats from now on. */
  const beatWith = (incarnation: string, condition: (beat: RunnerBeat) => boolean): Promise<RunnerBeat> => {
    const from = engine.beats.length;
    return eventually(
      () => engine.beats.slice(from).find((beat) => beat.incarnation === incarnation && condition(beat)) ?? false,
      { describe: 'a beat says so' },
    );
  };
  const lastSequence = async (): Promise<number> => (await engine.manager.streams.info('STEPS')).state.last_seq;

  it('are accepted up to the number of slots, are counted in the receipt, and run without the queue', async () => {
    const { incarnation } = await start();
    expect(lastBeat(incarnation)).toMatchObject({
      pools: [{ pool: 'default', free: 4, open: true, slots: 4 }],
      held: [],
      expiresMs: 2_000,
    });
    const before = await lastSequence();
    const tasks = Array.from({ length: 6 }, (_, n) => gated(`s${n}`));
    expect(await engine.give(incarnation, tasks.slice(0, 3))).toEqual({ taken: 3, open: true });
    expect(await engine.give(incarnation, tasks.slice(3))).toEqual({ taken: 1, open: true });
    await eventually(() => gate.entered.length === 4);
    expect(gate.entered).toEqual(['s0', 's1', 's2', 's3']);
    expect(await engine.give(incarnation, tasks.slice(4))).toEqual({ taken: 0, open: true });
    gate.open();
    await eventually(() => engine.results.length === 4);
    await beatWith(incarnation, ({ held, pools }) => held.length === 0 && pools[0]?.free === 4);
    expect(await engine.give(incarnation, tasks.slice(4))).toEqual({ taken: 2, open: true });
    await eventually(() => gate.entered.length === 6);
    gate.open();
    await eventually(() => tasks.every((task) => engine.resultOf(task)?.ok === true));
    expect(engine.results).toHaveLength(6);
    expect(await lastSequence()).toBe(before);
  });

  it('are accepted up to the bytes that may run at once, and a larger one runs alone', async () => {
    const { incarnation } = await start({ slots: 50, bytesAtOnce: 25_000 });
    const large = Array.from({ length: 5 }, (_, n) => gated(`l${n}`, { input: { text: 'x'.repeat(10_000) } }));
    // The third task reaches the limit, so no other task is accepted beside the three.
    expect(await engine.give(incarnation, large)).toEqual({ taken: 3, open: true });
    await beatWith(incarnation, ({ held, pools }) => held.length === 3 && pools[0]?.free === 0);
    expect(await engine.give(incarnation, [gated('small')])).toEqual({ taken: 0, open: true });
    gate.open();
    await beatWith(incarnation, ({ held, pools }) => held.length === 0 && pools[0]?.free === 50);
    const huge = gated('huge', { input: { text: 'x'.repeat(100_000) } });
    expect(await engine.give(incarnation, [huge])).toEqual({ taken: 1, open: true });
    expect(await engine.give(incarnation, [gated('beside')])).toEqual({ taken: 0, open: true });
    gate.open();
    await eventually(() => engine.resultOf(huge)?.ok === true);
  });

  it('share nothing with agents, even when the engine is in the same process', async () => {
    const changer: Agent = {
      name: 'changer',
      version: '1',
      run: (input) => {
        (input as { list: string[] }).list.push('changed');
        return Promise.resolve(input);
      },
    };
    const { incarnation } = await start({ agents: [changer] });
    const task = wholeTask({ agent: 'changer', stepId: 's', input: { list: ['given'] } });
    const tasks = new JsonMessage({ pool: 'default', tasks: [task] });
    const receipt = await requestUntilAnswered(engine.nc, subjects.runnerTasks('default', incarnation), tasks);
    expect(receipt.json()).toEqual({ taken: 1, open: true });
    const { output } = await eventually(() => engine.resultOf(task) ?? false);
    expect(output).toEqual({ list: ['given', 'changed'] });
    expect(task.input).toEqual({ list: ['given'] });
  });

  it('are refused while tasks wait in the queue, and accepted again afterwards', async () => {
    const { incarnation } = await start({ slots: 2 });
    const queued = await Promise.all(
      Array.from({ length: 8 }, (_, n) => engine.dispatch({ agent: 'gate', stepId: `q${n}` })),
    );
    await eventually(() => gate.entered.length === 2);
    await beatWith(incarnation, ({ pools }) => pools[0]?.open === false && pools[0].free === 0);
    const direct = gated('direct');
    expect(await engine.give(incarnation, [direct])).toEqual({ taken: 0, open: false });
    await eventually(
      async () => {
        gate.open();
        return (await engine.queued()) === 0;
      },
      { describe: 'the queue is done' },
    );
    // The result of a task that is no longer queued may still be on its way.
    await eventually(() => queued.every((task) => engine.resultOf(task) !== undefined));
    expect(queued.filter((task) => engine.resultOf(task)?.ok !== true)).toEqual([]);
    expect(gate.entered).not.toContain('direct');
    await beatWith(incarnation, ({ pools }) => pools[0]?.open === true);
    expect(await engine.give(incarnation, [direct])).toEqual({ taken: 1, open: true });
    await eventually(() => gate.entered.includes('direct'));
  });

  it('are refused for a pool that the runner does not serve, and when they are unreadable', async () => {
    const { incarnation } = await start();
    expect(await engine.give(incarnation, [gated('a')], 'other')).toEqual({ taken: 0, open: false });
    expect(await engine.give(incarnation, [gated('b'), { executionId: 'e' }, gated('c')])).toEqual({
      taken: 1,
      open: true,
    });
    const garbage = await engine.nc.request(subjects.runnerTasks('default', incarnation), 'not JSON', {
      timeout: 30_000,
    });
    expect(garbage.json()).toEqual({ taken: 0, open: false });
    await eventually(() => gate.entered.length > 0);
    expect(gate.entered).toEqual(['b']);
  });

  it('are listed in the beats until their results are answered', async () => {
    const { incarnation } = await start();
    engine.silent = true;
    const task = gated('a', { input: { fail: true } });
    await engine.give(incarnation, [task]);
    await beatWith(incarnation, ({ held, pools }) => held.join() === keyOf(task) && pools[0]?.free === 3);
    gate.open();
    // Its slot is free, but without an answer only the runner has the result.
    await eventually(() => engine.batches.length > 0);
    await beatWith(incarnation, ({ held, pools }) => held.join() === keyOf(task) && pools[0]?.free === 4);
    expect(engine.results).toEqual([]);
    engine.silent = false;
    await eventually(() => engine.resultOf(task) !== undefined);
    await beatWith(incarnation, ({ held }) => held.length === 0);
    expect(engine.results).toHaveLength(1);
  });

  it('come with the beat that an engine requests, without waiting for the next one', async () => {
    const { incarnation } = await start({ workingMs: 60_000 });
    const task = gated('a');
    await engine.give(incarnation, [task]);
    const before = engine.beats.length;
    engine.nc.publish(subjects.runnerCall, '');
    await eventually(() => engine.beats.length > before);
    expect(engine.beats.slice(before)).toMatchObject([{ incarnation, held: [keyOf(task)] }]);
  });

  it('run once when they are sent again, directly or through the queue', async () => {
    const { incarnation } = await start();
    const task = gated('again');
    expect(await engine.give(incarnation, [task])).toEqual({ taken: 1, open: true });
    await eventually(() => gate.entered.length === 1);
    expect(await engine.give(incarnation, [task, task, gated('other')])).toEqual({ taken: 3, open: true });
    await engine.dispatch(task);
    // This task runs after everything that was sent before it has arrived.
    await engine.dispatch({ agent: 'gate', stepId: 'later' });
    await eventually(() => gate.entered.includes('later'));
    expect(gate.entered.toSorted()).toEqual(['again', 'later', 'other']);
    gate.open();
    await eventually(async () => engine.results.length === 3 && (await engine.queued()) === 0);
    await beatWith(incarnation, ({ held, pools }) => held.length === 0 && pools[0]?.free === 4);
    expect(engine.results.map(({ stepId }) => stepId).toSorted()).toEqual(['again', 'later', 'other']);
  });

  it('are checked with the engine when they were dispatched before, and dropped when not needed', async () => {
    const { incarnation } = await start();
    engine.unwanted.add('unwanted');
    const wanted = gated('wanted', { dispatch: 2 });
    const unwanted = gated('unwanted', { dispatch: 2 });
    expect(await engine.give(incarnation, [unwanted, wanted])).toEqual({ taken: 2, open: true });
    await eventually(() => gate.entered.length > 0);
    expect(gate.entered).toEqual(['wanted']);
    await beatWith(incarnation, ({ held, pools }) => held.join() === keyOf(wanted) && pools[0]?.free === 3);
    expect(engine.checks.map(({ stepId }) => stepId).toSorted()).toEqual(['unwanted', 'wanted']);
  });

  it('are reported as lost and not run when three runners ended with them', async () => {
    const { incarnation } = await start();
    const once = gated('once', { lostRunners: 1 });
    const twice = gated('twice', { lostRunners: 3 });
    expect(await engine.give(incarnation, [twice, once])).toEqual({ taken: 2, open: true });
    await eventually(() => engine.resultOf(twice) !== undefined);
    expect(engine.resultOf(twice)).toMatchObject({ ok: false, failure: { code: 'runner_lost', retryable: true } });
    await beatWith(incarnation, ({ held }) => held.join() === keyOf(once));
    expect(gate.entered).toEqual(['once']);
    gate.open();
    await eventually(() => engine.resultOf(once)?.ok === true);
  });

  it('are refused by a runner that leaves, which finishes its held tasks', async () => {
    const { runner, incarnation } = await start();
    const task = gated('held');
    await engine.give(incarnation, [task]);
    await eventually(() => gate.entered.length === 1);
    const stopped = runner.stop(10_000);
    await beatWith(incarnation, ({ pools, held }) => pools[0]?.open === false && held.join() === keyOf(task));
    expect(await engine.give(incarnation, [gated('late')])).toEqual({ taken: 0, open: false });
    // A repeat of a held task is not a new task. If it were refused, it would also run elsewhere.
    expect(await engine.give(incarnation, [task])).toEqual({ taken: 1, open: false });
    gate.open();
    await stopped;
    expect(engine.results.map(({ stepId, ok }) => [stepId, ok])).toEqual([['held', true]]);
    await eventually(() => lastBeat(incarnation)?.held.length === 0);
    expect(gate.entered).toEqual(['held']);
    await expect(engine.give(incarnation, [gated('gone')])).rejects.toThrow(/no responders/i);
  });

  it('are handed back by a stopping runner when they do not finish, and its last beat does not list them', async () => {
    // No periodic beats, so that only the last beat counts.
    const { runner, incarnation } = await start({ workingMs: 60_000 });
    const task = gated('unfinished');
    await engine.give(incarnation, [task]);
    await eventually(() => gate.entered.length === 1);
    await runner.stop(30);
    expect(gate.signals[0]?.aborted).toBe(true);
    await engine.nc.flush();
    const own = engine.beats.filter((beat) => beat.incarnation === incarnation);
    expect(own.at(-1)?.held).toEqual([]);
    // It announced that it leaves while it still had the task.
    expect(own.some(({ held, pools }) => held.join() === keyOf(task) && pools[0]?.open === false)).toBe(true);
    expect(engine.results).toEqual([]);
  });

  it('stay held through a restart of nats-server, and are reported once', async () => {
    const { incarnation } = await start();
    const task = gated('through');
    await engine.give(incarnation, [task]);
    await eventually(() => gate.entered.length === 1);
    await nats.kill();
    await eventually(() => !isConnected(engine.nc) && under.connections.every((nc) => !isConnected(nc)));
    gate.open();
    await nats.start();
    await eventually(() => engine.resultOf(task)?.ok === true, { timeoutMs: 60_000 });
    await beatWith(incarnation, ({ held, pools }) => held.length === 0 && pools[0]?.open === true);
    expect(await engine.give(incarnation, [gated('next')])).toEqual({ taken: 1, open: true });
    await eventually(() => gate.entered.length === 2);
    expect(engine.results).toHaveLength(1);
  });
});
