import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { STEPS_STREAM, partitionOf, subjects } from '@batuta/contracts';
import type { AttemptResult, DirectTasks, ResultRequest, RunnerBeat, Task } from '@batuta/contracts';
import { endOf, eventually } from '@batuta/testing';
import type { Subscription } from '@nats-io/transport-node';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Slots of a runner that gets the tasks although there is another one, because the one with the most free slots gets
 * them.
 */
const MORE = 64;
/** Partitions of the engines in this test. */
const PARTITIONS = 8;

/** Where a task went: to a run of a runner, or into the queue. */
interface Way {
  readonly key: string;
  readonly to: string;
  readonly lostRunners: number | undefined;
}

describe('with runners in processes of their own, the engine', () => {
  let platform: Platform;
  let runners: ChildProcess[];
  let ways: Way[];
  let beats: RunnerBeat[];
  let results: AttemptResult[];

  const keyOf = ({ executionId: id, stepId, attempt }: Pick<Task, 'executionId' | 'stepId' | 'attempt'>): string =>
    `${id}/${stepId}/${attempt}`;
  const sent = (to: string, task: Task): void => {
    ways.push({ key: keyOf(task), to, lostRunners: task.lostRunners });
  };
  const keysOf = (id: string, prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, n) => `${id}/${prefix}${n}/1`).toSorted();
  const lastSequence = async (): Promise<number> =>
    (await platform.connection.request(`$JS.API.STREAM.INFO.${STEPS_STREAM}`, '', { timeout: 30_000 })).json<{
      state: { last_seq: number };
    }>().state.last_seq;

  /** Starts a runner and waits until the engine and the test have heard of it. */
  const runner = async (name: string, slots = 16): Promise<ChildProcess> => {
    const child = spawn(
      process.execPath,
      [
        '--conditions=batuta-source',
        '--import',
        './services/execution/test/simulation/register.mjs',
        'services/step-runner/src/main.ts',
      ],
      {
        cwd: ROOT,
        stdio: 'ignore',
        env: {
          PATH: process.env['PATH'],
          NATS_URL: platform.nats.url,
          BATUTA_RUNNER_ID: name,
          BATUTA_RUNNER_SLOTS: String(slots),
          BATUTA_RUNNER_WORKING: '100ms',
          BATUTA_RUNNER_ACK_WAIT: '1s',
          BATUTA_RUNNER_DRAIN: '0ms',
        },
      },
    );
    runners.push(child);
    await eventually(() => beats.some(({ runnerId }) => runnerId === name), {
      describe: `${name} gives signs of life`,
      pointless: endOf(name, child),
    });
    return child;
  };
  const end = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const start = async (config: string, id = executionId()): Promise<string> => {
    expect(await platform.command(startRequest(id, config))).toMatchObject({ accepted: {} });
    return id;
  };
  const completed = (ids: readonly string[]): Promise<unknown> =>
    eventually(
      async () => {
        for (const id of ids) expect((await platform.get(id))?.status).toBe('completed');
      },
      { timeoutMs: 60_000, describe: 'all are completed' },
    );
  const isHeldBy = (name: string, keys: readonly string[]): Promise<unknown> =>
    eventually(
      () => {
        const beat = beats.findLast(({ runnerId }) => runnerId === name);
        expect(beat?.held?.toSorted()).toEqual(keys);
      },
      { describe: `${name} holds the tasks` },
    );
  const waysOf = (keys: readonly string[], from = 0): Way[] => ways.slice(from).filter(({ key }) => keys.includes(key));
  /** Reported runs, by attempt. The same run may be reported again. */
  const runsOf = (keys: readonly string[]): Record<string, string[]> => {
    const runs: Record<string, Set<string>> = {};
    for (const result of results) {
      if (!keys.includes(keyOf(result))) continue;
      (runs[keyOf(result)] ??= new Set()).add(`${result.workerId} ${result.startedAt}`);
    }
    return Object.fromEntries(Object.entries(runs).map(([key, all]) => [key, [...all]]));
  };
  const ranOnce = (keys: readonly string[], by?: string): void => {
    const runs = runsOf(keys);
    expect(Object.keys(runs).toSorted()).toEqual(keys);
    for (const all of Object.values(runs)) {
      expect(all).toHaveLength(1);
      if (by !== undefined) expect(all[0]).toMatch(new RegExp(`^${by} `));
    }
  };
  /** Executions in all partitions whose tasks stay in the queue, because no worker serves their agent. */
  const strangers: string[] = [];
  const beginStrangers = async (): Promise<void> => {
    platform.registry.set('stranger', { pool: 'nobody' });
    strangers.length = 0;
    // Only a few tasks of a pool without workers are put into the queue.
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      let id = executionId();
      while (partitionOf(id, PARTITIONS) !== partition) id = executionId();
      strangers.push(await start('elsewhere', id));
    }
    await eventually(() => strangers.every((id) => waysOf([`${id}/a/1`]).length > 0));
  };
  /** Waits until the owner has searched every partition for lost tasks: it has sent those of the strangers again. */
  const strangersSentAgain = (from: number): Promise<unknown> =>
    eventually(() => strangers.every((id) => waysOf([`${id}/a/1`], from).length > 0), {
      timeoutMs: 60_000,
      describe: 'what the queue lost is sent again',
    });

  /**
   * Records the tasks that are sent straight to a run. While this subscription exists, the server does not report that
   * the run is gone.
   */
  const listenTo = (incarnation: string): Subscription =>
    platform.connection.subscribe(subjects.runnerTasks('*', incarnation), {
      callback: (_error, message) => {
        const to = message.subject.split('.')[3] ?? '';
        for (const task of message.json<Partial<DirectTasks>>().tasks ?? []) sent(to, task);
      },
    });
  let tap: Subscription;

  beforeEach(async () => {
    platform = await Platform.start();
    runners = [];
    ways = [];
    beats = [];
    results = [];
    const { connection } = platform;
    connection.subscribe('batuta.step.>', {
      callback: (_error, message) => sent('queue', message.json<Task>()),
    });
    tap = listenTo('*');
    connection.subscribe(subjects.runnerBeat('*'), {
      callback: (_error, message) => void beats.push(message.json<RunnerBeat>()),
    });
    for (const subject of ['batuta.execution.*.result', subjects.ownerResult('*')]) {
      connection.subscribe(subject, {
        callback: (_error, message) => void results.push(...message.json<ResultRequest>().results),
      });
    }
    await connection.flush();
  });
  afterEach(async () => {
    await Promise.all(runners.map(end));
    await platform.end();
  });

  it('runs steps without the work queue while slots are free', async () => {
    await platform.execution('one');
    await runner('worker');
    const before = await lastSequence();
    const ids = await Promise.all(Array.from({ length: 5 }, () => start('three')));
    await completed(ids);
    expect(await lastSequence()).toBe(before);
    const keys = ids.flatMap((id) => ['a', 'b', 'c'].map((step) => `${id}/${step}/1`)).toSorted();
    expect(
      waysOf(keys)
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(keys);
    ranOnce(keys, 'worker');
    expect(await platform.logProblems()).toEqual([]);
  });

  it('sends everything through the queue when direct dispatch is off', async () => {
    await platform.execution('one', { BATUTA_EXECUTION_DIRECT: 'off' });
    await runner('worker');
    const before = await lastSequence();
    const ids = await Promise.all(Array.from({ length: 5 }, () => start('three')));
    await completed(ids);
    expect(await lastSequence()).toBe(before + 15);
    expect(ways.filter(({ to }) => to !== 'queue')).toEqual([]);
    expect(await platform.logProblems()).toEqual([]);
  });

  it('lets what finds no slot wait for one, and all of it gets done', async () => {
    await platform.execution('one');
    await runner('worker', 2);
    const before = await lastSequence();
    const ids = [await start('brief'), await start('brief')];
    await completed(ids);
    const keys = ids.flatMap((id) => keysOf(id, 'b', 12)).toSorted();
    ranOnce(keys);
    expect(await lastSequence()).toBe(before);
    expect(await platform.logProblems()).toEqual([]);
  });

  it('has another runner do what a killed one held, and records each outcome once', async () => {
    // Without the audit, which would find them too, but later.
    await platform.execution('one', { BATUTA_EXECUTION_AUDIT: '60s' });
    const [killed] = await Promise.all([runner('killed', MORE), runner('other')]);
    const id = await start('long');
    const keys = keysOf(id, 'l', 6);
    await isHeldBy('killed', keys);
    tap.unsubscribe();
    listenTo(beats.findLast(({ runnerId }) => runnerId === 'other')?.incarnation ?? '');
    await platform.connection.flush();
    const from = ways.length;
    await end(killed);
    await isHeldBy('other', keys);
    expect(waysOf(keys, from).map(({ lostRunners }) => lostRunners)).toEqual([1, 1, 1, 1, 1, 1]);
    await completed([id]);
    ranOnce(keys, 'other');
    expect((await platform.get(id))?.steps.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await platform.logProblems()).toEqual([]);
  });

  it('does not run again what a runner holds when the queue is lost', async () => {
    await platform.execution('one');
    await Promise.all([runner('holder', MORE), runner('idle')]);
    await beginStrangers();
    const id = await start('long');
    const keys = keysOf(id, 'l', 6);
    await isHeldBy('holder', keys);
    const from = ways.length;
    await platform.connection.request(`$JS.API.STREAM.DELETE.${STEPS_STREAM}`, '', { timeout: 30_000 });
    await strangersSentAgain(from);
    await completed([id]);
    expect(waysOf(keys, from)).toEqual([]);
    ranOnce(keys, 'holder');
    expect(await platform.logProblems()).toEqual([]);
  });

  // A new owner that finds a new queue sends everything again. Otherwise it looks for missing tasks one by one.
  it.each([
    ['was restarted, and the queue lost meanwhile', 'DELETE'],
    ['was superseded, and the queue emptied', 'PURGE'],
  ] as const)('does not dispatch again what a live runner holds when it %s', async (_case, loss) => {
    const lose = () => platform.connection.request(`$JS.API.STREAM.${loss}.${STEPS_STREAM}`, '', { timeout: 30_000 });
    const first = await platform.execution('one');
    // The idle one would get every task that is dispatched again.
    await Promise.all([runner('holder', MORE), runner('idle')]);
    await beginStrangers();
    const id = await start('long');
    const keys = keysOf(id, 'l', 6);
    await isHeldBy('holder', keys);
    const from = ways.length;
    if (loss === 'DELETE') {
      await platform.stop(first);
      await lose();
    }
    const second = await platform.execution('one');
    await eventually(() => second.ownedPartitions().length === PARTITIONS, { timeoutMs: 60_000 });
    if (loss === 'PURGE') await lose();
    await strangersSentAgain(from);
    await completed([id]);
    expect(waysOf(keys, from)).toEqual([]);
    ranOnce(keys, 'holder');
    expect(await platform.logProblems()).toEqual([]);
  });
});
