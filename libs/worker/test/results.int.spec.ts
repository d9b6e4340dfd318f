import { beforeEach, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import type { AttemptResult, ResultRequest, Task } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import type { Socket } from 'node:net';
import { setImmediate as turnOver } from 'node:timers/promises';
import type { FakeEngine } from '@batuta/conformance';
import type { Gate } from './gate.js';
import { RunnersUnderTest } from './runners-under-test.js';
import { delayAgent, echoAgent } from './agents.js';

const OWNER = subjects.ownerResult('owner1');

describe('results', () => {
  const under = new RunnersUnderTest((own) => ({ ackWaitMs: 5_000, agents: [echoAgent, delayAgent, own] })).hook();
  let engine: FakeEngine;
  let gate: Gate;
  /** Result requests to the partitions' subjects, in order. */
  let toPartitions: { subject: string; results: readonly AttemptResult[] }[];

  const names = (results: readonly AttemptResult[]): string[] => results.map(({ stepId }) => stepId).toSorted();
  const done = (tasks: readonly Task[]): Promise<unknown> =>
    eventually(async () => tasks.every((task) => engine.resultOf(task)) && (await engine.queued()) === 0, {
      describe: 'all results are answered and all tasks acknowledged',
    });
  /** Starts attempts that will fail. Their results always wait to be sent with others, however long an attempt took. */
  const waitingResults = async (count: number, partitionOf: (n: number) => number): Promise<Task[]> => {
    const before = gate.entered.length;
    const tasks = await Promise.all(
      Array.from({ length: count }, (_, n) =>
        engine.dispatch({ agent: 'gate', stepId: `s${n}`, partition: partitionOf(n), input: { fail: true } }),
      ),
    );
    await eventually(() => gate.entered.length === before + count);
    return tasks;
  };
  /** Makes the runner learn the owner's subject of these partitions. */
  const learn = async (partitions: readonly number[]): Promise<void> => {
    engine.ownerSubject = OWNER;
    const tasks = await Promise.all(
      partitions.map((partition) => engine.dispatch({ agent: 'echo', stepId: `learn${partition}`, partition })),
    );
    await done(tasks);
    toPartitions.length = 0;
    engine.results.length = 0;
  };

  beforeEach(async () => {
    ({ engine, gate } = under);
    toPartitions = [];
    engine.nc.subscribe('batuta.execution.*.result', {
      callback: (error, message) => {
        if (error !== null) throw error;
        toPartitions.push({ subject: message.subject, results: message.json<ResultRequest>().results });
      },
    });
    await engine.nc.flush();
    await under.start();
  });

  it('of many partitions go together to an owner with a known subject', async () => {
    const owner = await engine.serveOwner(OWNER);
    await learn([1, 2, 3]);
    const tasks = await waitingResults(30, (n) => 1 + (n % 3));
    gate.open();
    await done(tasks);
    expect(owner.requests.map(({ length }) => length)).toEqual([30]);
    expect(names(engine.results)).toEqual(names(tasks as unknown as AttemptResult[]));
    expect(toPartitions).toEqual([]);
  });

  it('go to their partitions while the owner is unknown', async () => {
    const owner = await engine.serveOwner(OWNER);
    await learn([1]);
    const tasks = await waitingResults(4, (n) => 1 + (n % 2));
    gate.open();
    await done(tasks);
    expect(owner.requests.map(names)).toEqual([['s0', 's2']]);
    expect(toPartitions.map(({ subject, results }) => [subject, names(results)])).toEqual([
      [subjects.result(2), ['s1', 's3']],
    ]);
  });

  it('go to their partitions once each when the owner is gone, and then to the next owner', async () => {
    const first = await engine.serveOwner(OWNER);
    await learn([1, 2]);
    await first.stop();
    const next = subjects.ownerResult('owner2');
    const second = await engine.serveOwner(next);
    engine.ownerSubject = next;
    const tasks = await waitingResults(10, (n) => 1 + (n % 2));
    gate.open();
    await done(tasks);
    expect(first.requests).toEqual([]);
    expect(second.requests).toEqual([]);
    expect(names(toPartitions.flatMap(({ results }) => results))).toEqual(names(tasks as unknown as AttemptResult[]));
    for (const { subject, results } of toPartitions) {
      const own = results.map((result) => tasks.find(({ stepId }) => stepId === result.stepId)?.partition);
      expect(new Set(own.map((partition) => subjects.result(partition ?? 0)))).toEqual(new Set([subject]));
    }
    expect(engine.results).toHaveLength(10);
    toPartitions.length = 0;
    const later = await waitingResults(4, (n) => 1 + (n % 2));
    gate.open();
    await done(later);
    expect(second.requests.map(({ length }) => length)).toEqual([4]);
    expect(toPartitions).toEqual([]);
  });

  it('go to their partitions only if the owner does not own these any more', async () => {
    const moved = new Set(['s1', 's4', 's5']);
    const owner = await engine.serveOwner(OWNER, ({ stepId }) => (moved.has(stepId) ? 'elsewhere' : 'recorded'));
    await learn([1, 2, 3]);
    engine.ownerSubject = undefined;
    const tasks = await waitingResults(9, (n) => 1 + (n % 3));
    gate.open();
    await done(tasks);
    expect(owner.requests.map(({ length }) => length)).toEqual([9]);
    expect(toPartitions.map(({ subject, results }) => [subject, names(results)]).toSorted()).toEqual([
      [subjects.result(2), ['s1', 's4']],
      [subjects.result(3), ['s5']],
    ]);
    expect(names(engine.results)).toEqual(names(tasks as unknown as AttemptResult[]));
    // It gets no more results of partitions that it does not own.
    toPartitions.length = 0;
    const later = await waitingResults(6, (n) => 1 + (n % 3));
    gate.open();
    await done(later);
    expect(owner.requests.slice(1).map(names)).toEqual([['s0', 's3']]);
    expect(names(toPartitions.flatMap((request) => request.results))).toEqual(['s1', 's2', 's4', 's5']);
  });

  it('go to their partitions when the owner does not answer in time', async () => {
    const owner = await engine.serveOwner(OWNER, () => undefined);
    await learn([1]);
    const tasks = await waitingResults(3, () => 1);
    gate.open();
    await done(tasks);
    expect(owner.requests.map(({ length }) => length)).toEqual([3]);
    expect(names(toPartitions.flatMap(({ results }) => results))).toEqual(['s0', 's1', 's2']);
    expect(engine.results).toHaveLength(3);
  });

  it('wait for room when they are large, whatever their partitions, and all arrive', async () => {
    const onTheWay = new Set<string>();
    const waiting: (() => void)[] = [];
    let most = 0;
    engine.beforeAnswer = async ({ results }) => {
      for (const { stepId } of results) onTheWay.add(stepId);
      most = Math.max(most, onTheWay.size);
      await new Promise<void>((resolve) => waiting.push(resolve));
      for (const { stepId } of results) onTheWay.delete(stepId);
    };
    const input = { text: 'x'.repeat(900_000) };
    const tasks = await Promise.all(
      Array.from({ length: 12 }, (_, n) => engine.dispatch({ agent: 'echo', stepId: `s${n}`, partition: n, input })),
    );
    await eventually(() => onTheWay.size === 4, { describe: 'as many as there is room for' });
    await eventually(
      () => {
        for (const resolve of waiting.splice(0)) resolve();
        return tasks.every((task) => engine.resultOf(task));
      },
      { describe: 'all are answered' },
    );
    await done(tasks);
    expect(most).toBe(4);
  });

  it('of long attempts are sent alone, to the owner and to the partition', async () => {
    const long = (stepId: string, partition: number) =>
      engine.dispatch({ agent: 'delay', stepId, partition, input: { ms: 80 } });
    await done(await Promise.all([1, 2, 3, 4, 5].map((n) => long(`p${n}`, 1))));
    expect(engine.batches).toEqual([1, 1, 1, 1, 1]);
    const owner = await engine.serveOwner(OWNER, ({ stepId }) => (stepId === 'o2' ? 'elsewhere' : 'recorded'));
    await learn([1, 2]);
    // An owner without a partition gets no second result of it.
    await done(await Promise.all([1, 2, 3, 4, 5].map((n) => long(`o${n}`, n === 2 ? 2 : 1))));
    expect(owner.requests.map(names).toSorted()).toEqual([['o1'], ['o2'], ['o3'], ['o4'], ['o5']]);
    expect(toPartitions.map(({ results }) => names(results))).toEqual([['o2']]);
    expect(names(engine.results)).toEqual(['o1', 'o2', 'o3', 'o4', 'o5']);
  });

  it('of long attempts are sent in the turn in which their agents end, and those of short attempts after it', async () => {
    const long = await engine.dispatch({ agent: 'gate', stepId: 'long' });
    await eventually(() => gate.entered.length === 1);
    const began = Date.now();
    await eventually(() => Date.now() - began > 60);
    const { socket } = (under.connections[0] as unknown as { protocol: { transport: { socket: Socket } } }).protocol
      .transport;
    let written = '';
    const write = socket.write.bind(socket) as (...parameters: unknown[]) => boolean;
    socket.write = (...parameters: unknown[]): boolean => {
      written += Buffer.from(parameters[0] as Uint8Array).toString();
      return write(...parameters);
    };
    const microtasks = async (): Promise<void> => {
      for (let n = 0; n < 200; n++) await Promise.resolve();
    };
    await turnOver();
    gate.open();
    await microtasks();
    expect(written).toContain('"stepId":"long"');
    await done([long]);

    const short = await engine.dispatch({ agent: 'gate', stepId: 'short', input: { fail: true } });
    await eventually(() => gate.entered.length === 2);
    await turnOver();
    gate.open();
    await microtasks();
    expect(written).not.toContain('"stepId":"short"');
    await done([short]);
    expect(written).toContain('"stepId":"short"');
  });
});
