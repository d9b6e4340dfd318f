import { STEPS_STREAM, subjects } from '@batuta/contracts';
import type { AttemptResult, Task } from '@batuta/contracts';
import { ensureStepsStream } from '@batuta/messaging';
import { jetstream } from '@nats-io/jetstream';
import { setTimeout as delay } from 'node:timers/promises';
import { wholeTask } from './fake-engine.js';
import type { FakeEngine } from './fake-engine.js';
import type { WorkerProcess } from './worker-process.js';

/** The tools of a check. */
export interface Lab {
  readonly engine: FakeEngine;
  readonly pool: string;
  readonly worker: WorkerProcess;
  /** Kills nats-server, deletes its stored data, and starts it again. */
  loseEverything(): Promise<void>;
}

export interface Check {
  /** A stable name for reports. */
  readonly name: string;
  readonly says: string;
  /** A worker may lack this feature. Then `run` returns false. */
  readonly optional?: boolean;
  /** Throws when the worker does it wrongly. */
  run(lab: Lab): Promise<boolean | void>;
}

/** The agent that every worker under test serves. docs/worker-protocol.md describes its behaviour. */
export const AGENT = 'conformance';
export const TOKEN = 'a-token-of-this-task';
const LONG_MS = 60_000;
const ACK_WAIT_MS = 2_000;

let steps = 0;

function taskOf(input: unknown, more: Partial<Task> = {}): Task {
  steps += 1;
  return wholeTask({ agent: AGENT, stepId: `step_${steps}`, token: TOKEN, input: input as never, ...more });
}

async function dispatch(lab: Lab, input: unknown, more: Partial<Task> = {}): Promise<Task> {
  return lab.engine.dispatch(taskOf(input, more), { pool: lab.pool });
}

/**
 * Waits until the condition holds. Throws after `ms`, and when the worker has ended. The error names the awaited
 * condition.
 */
async function until<T>(lab: Lab, what: string, condition: () => T | Promise<T>, ms = LONG_MS): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value;
    if (lab.worker.exitCode !== undefined) {
      throw new Error(`the worker ended with ${lab.worker.exitCode} before ${what}`);
    }
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await delay(20);
  }
}

const resultOf = (lab: Lab, task: Task, ms?: number): Promise<AttemptResult> =>
  until(lab, 'the result was reported', () => lab.engine.resultOf(task) ?? false, ms) as Promise<AttemptResult>;

const emptied = (lab: Lab): Promise<unknown> =>
  until(lab, 'every task was acknowledged', async () => (await lab.engine.queued()) === 0);

function expect(holds: boolean, what: string, is?: unknown): void {
  if (!holds) throw new Error(is === undefined ? what : `${what}, and not ${JSON.stringify(is)}`);
}

/** JSON with sorted keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, field]) => [name, sorted(field)]));
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));

async function expectOutput(lab: Lab, task: Task, output: unknown): Promise<AttemptResult> {
  const result = await resultOf(lab, task);
  expect(result.ok, 'the result should have `ok: true`', result);
  expect(same(result.output, output), 'the output should be what the agent returned', result.output);
  return result;
}

async function expectFailure(lab: Lab, task: Task, code: string | undefined, retryable: boolean): Promise<void> {
  const result = await resultOf(lab, task);
  expect(!result.ok && result.failure !== undefined, 'the result should have `ok: false` and a `failure`', result);
  const failure = result.failure ?? { code: '', message: '', retryable: false };
  if (code !== undefined) expect(failure.code === code, `the failure should have the code "${code}"`, failure);
  expect(failure.retryable === retryable, `the failure should have \`retryable: ${retryable}\``, failure);
  expect(failure.message !== '', 'the failure should have a message', failure);
}

const of =
  (task: Task) =>
  (one: { stepId: string }): boolean =>
    one.stepId === task.stepId;

/** Every check, in the order in which they run. The last ones end the worker. */
export const CHECKS: readonly Check[] = [
  {
    name: 'output',
    says: "reports an agent's output with the attempt, the token, its own name and its times, and acknowledges the task",
    async run(lab) {
      const value = { text: 'olá 世界 😀 "\\', list: [1, -0.5, 1e21, null, true, [[]], {}], '': 'no name' };
      const task = await dispatch(lab, { do: 'return', value });
      const result = await expectOutput(lab, task, value);
      expect(result.attempt === task.attempt, 'the result should be of the attempt of its task', result.attempt);
      expect(result.token === TOKEN, 'the result should bring back the token of its task', result.token);
      expect(typeof result.workerId === 'string' && result.workerId !== '', 'the result should name the worker');
      expect(
        Number.isInteger(result.startedAt) &&
          Number.isInteger(result.finishedAt) &&
          result.startedAt <= result.finishedAt,
        '`startedAt` and `finishedAt` should be milliseconds since 1970, in this order',
        [result.startedAt, result.finishedAt],
      );
      await emptied(lab);
    },
  },
  {
    name: 'failure',
    says: 'reports a failure with the code, the message and whether another attempt may help',
    async run(lab) {
      const final = await dispatch(lab, { do: 'fail', code: 'out_of_stock', message: 'No.', retryable: false });
      const passing = await dispatch(lab, { do: 'fail', code: 'busy', message: 'Later.', retryable: true });
      await expectFailure(lab, final, 'out_of_stock', false);
      await expectFailure(lab, passing, 'busy', true);
      await emptied(lab);
    },
  },
  {
    name: 'error',
    says: 'reports an error without a code as `agent_error`, which may be tried again',
    async run(lab) {
      await expectFailure(lab, await dispatch(lab, { do: 'throw' }), 'agent_error', true);
    },
  },
  {
    name: 'unknown-agent',
    says: 'reports a task for an agent that it has not as a failure that may be tried again',
    async run(lab) {
      await expectFailure(lab, await dispatch(lab, {}, { agent: 'nobody_has_this' }), undefined, true);
      await emptied(lab);
    },
  },
  {
    name: 'acknowledge-last',
    says: 'repeats a result until it is answered, and acknowledges the task only then',
    async run(lab) {
      const { engine } = lab;
      engine.silent = true;
      const before = engine.batches.length;
      try {
        await dispatch(lab, { do: 'return', value: 1 });
        await until(lab, 'the result was sent again', () => engine.batches.length >= before + 3);
        expect((await engine.queued()) === 1, 'a task without an answer should still lie in the queue');
      } finally {
        engine.silent = false;
      }
      await emptied(lab);
    },
  },
  {
    name: 'any-answer',
    says: 'takes `stale` and `unknown_execution` for answers: it acknowledges the task',
    async run(lab) {
      try {
        for (const outcome of ['stale', 'unknown_execution'] as const) {
          lab.engine.outcome = outcome;
          const task = await dispatch(lab, { do: 'return', value: 1 });
          await resultOf(lab, task);
          await emptied(lab);
        }
      } finally {
        lab.engine.outcome = 'recorded';
      }
    },
  },
  {
    name: 'ask-first',
    says: 'asks before it begins a task that says `checkFirst` or was dispatched before',
    async run(lab) {
      for (const more of [{ checkFirst: true }, { dispatch: 2 }]) {
        const task = await dispatch(lab, { do: 'return', value: 1 }, more);
        await resultOf(lab, task);
        const check = lab.engine.checks.find(of(task));
        expect(check !== undefined, `a task with ${JSON.stringify(more)} should be asked about first`);
        expect(check?.token === TOKEN && check.attempt === 1, 'a check should have the attempt and the token', check);
      }
    },
  },
  {
    name: 'unwanted',
    says: 'acknowledges a task that is not wanted any more, and does not run it',
    async run(lab) {
      const task = taskOf({ do: 'return', value: 1 }, { checkFirst: true });
      lab.engine.unwanted.add(task.stepId);
      await lab.engine.dispatch(task, { pool: lab.pool });
      await emptied(lab);
      expect(lab.engine.resultOf(task) === undefined, 'a task that is not wanted should have no result');
    },
  },
  {
    name: 'held',
    says: 'leaves a task alone that another worker has, and looks at it again later',
    async run(lab) {
      const { engine } = lab;
      const task = taskOf({ do: 'return', value: 1 }, { checkFirst: true });
      engine.held.add(task.stepId);
      await engine.dispatch(task, { pool: lab.pool });
      const asked = (): number => engine.checks.filter(of(task)).length;
      await until(lab, 'a task that another worker has was asked about again', () => asked() >= 2);
      expect(engine.resultOf(task) === undefined, 'a task that another worker has should have no result');
      engine.held.delete(task.stepId);
      await expectOutput(lab, task, 1);
    },
  },
  {
    name: 'time',
    says: 'ends an attempt that is longer than `timeoutMs` with the code `timeout`',
    async run(lab) {
      const task = await dispatch(lab, { do: 'wait', ms: 8_000, value: 1 }, { timeoutMs: 500 });
      await expectFailure(lab, task, 'timeout', true);
    },
  },
  {
    name: 'start',
    says: 'reports the start of a task that says `reportStart` until it is answered, and only of such a task',
    async run(lab) {
      const { engine } = lab;
      const beats = (task: Task) => engine.heartbeats.filter(of(task));
      const silent = await dispatch(lab, { do: 'return', value: 1 });
      await resultOf(lab, silent);
      expect(beats(silent).length === 0, 'a task without `reportStart` should have no report of its start');
      engine.silent = true;
      // Longer than the pauses between repeats. Once the attempt is over, nobody needs the report of its start.
      const task = await dispatch(lab, { do: 'wait', ms: 5_000, value: 1 }, { reportStart: true });
      try {
        await until(lab, 'the start was reported again', () => beats(task).length >= 2);
      } finally {
        engine.silent = false;
      }
      expect(beats(task)[0]?.token === TOKEN, 'a report of the start should have the token');
      await expectOutput(lab, task, 1);
    },
  },
  {
    name: 'lease',
    says: 'keeps a task for as long as it runs: nobody else gets it meanwhile, and it runs once',
    async run(lab) {
      const task = await dispatch(lab, { do: 'wait', ms: ACK_WAIT_MS * 2.5, value: 1 });
      await expectOutput(lab, task, 1);
      await emptied(lab);
      expect(!lab.engine.checks.some(of(task)), 'a task that runs should not be delivered once more');
      const reported = lab.engine.results.filter(of(task)).length;
      expect(reported === 1, 'a task should be run once', reported);
    },
  },
  {
    name: 'defaults',
    says: 'takes fields that are left out for their defaults, and passes over fields that it does not know',
    async run(lab) {
      const { partition: _, dispatch: __, ...bare } = taskOf({ do: 'return', value: 1 });
      const subject = subjects.step(lab.pool, 'normal', AGENT, bare.executionId, bare.stepId);
      const text = JSON.stringify({ ...bare, ofALaterVersion: { a: [1] } });
      await jetstream(lab.engine.nc).publish(subject, text);
      await expectOutput(lab, bare as Task, 1);
      expect(!lab.engine.checks.some(of(bare as Task)), 'a task without `dispatch` is new and needs no check');
    },
  },
  {
    name: 'large',
    says: 'takes inputs and gives outputs of nearly 1 MiB',
    async run(lab) {
      const value = 'ä'.repeat(450_000);
      await expectOutput(lab, await dispatch(lab, { do: 'return', value }), value);
    },
  },
  {
    name: 'many',
    says: 'runs everything that is in the queue, each task once',
    async run(lab) {
      const tasks = await Promise.all(
        Array.from({ length: 60 }, (_, place) => dispatch(lab, { do: 'return', value: place })),
      );
      for (const [place, task] of tasks.entries()) await expectOutput(lab, task, place);
      await emptied(lab);
      const runs = tasks.map((task) => lab.engine.results.filter(of(task)).length);
      expect(
        runs.every((count) => count === 1),
        'each task should be reported once',
        runs,
      );
    },
  },
  {
    name: 'unreadable',
    says: 'serves on after a message that is no task',
    async run(lab) {
      for (const [place, text] of ['{"half', '[]', '{"executionId": 7}'].entries()) {
        const subject = subjects.step(lab.pool, 'normal', AGENT, 'unreadable', `step_${place}`);
        await jetstream(lab.engine.nc).publish(subject, text);
      }
      await expectOutput(lab, await dispatch(lab, { do: 'return', value: 1 }), 1);
      await lab.engine.manager.streams.purge(STEPS_STREAM, {
        filter: subjects.step(lab.pool, 'normal', AGENT, 'unreadable', '*'),
      });
    },
  },
  {
    name: 'stop-message',
    says: 'ends an attempt early when it is told to stop it and the engine does not want it any more',
    optional: true,
    async run(lab) {
      const ms = 6_000;
      const startedAt = performance.now();
      const task = await dispatch(lab, { do: 'wait', ms, value: 1 }, { reportStart: true });
      await until(lab, 'the start was reported', () => lab.engine.heartbeats.some(of(task)));
      lab.engine.unwanted.add(task.stepId);
      lab.engine.stopAttempts({ executionId: task.executionId, stepId: task.stepId, attempt: 1, reason: 'cancelled' });
      await emptied(lab);
      return performance.now() - startedAt < ms - 1_000;
    },
  },
  {
    name: 'progress',
    says: 'publishes the progress that an agent tells',
    optional: true,
    async run(lab) {
      const task = await dispatch(lab, { do: 'progress', progress: 0.5, message: 'half', value: 1 });
      await expectOutput(lab, task, 1);
      const beat = lab.engine.heartbeats.find(of(task));
      if (beat === undefined) return false;
      expect(beat.token === TOKEN, 'a heartbeat should have the token', beat);
      expect(beat.progress === 0.5 && beat.message === 'half', 'a heartbeat should have progress and message', beat);
      return true;
    },
  },
  {
    name: 'output',
    says: 'publishes what an agent says while it works, numbered, until it is answered, and before the result',
    optional: true,
    async run(lab) {
      lab.engine.outputsLost = 1;
      try {
        const task = await dispatch(lab, { do: 'output', message: 'half a word', value: 1 });
        await expectOutput(lab, task, 1);
        const outputs = lab.engine.outputs.filter(of(task));
        if (outputs.length === 0) return false;
        for (const { token, run } of outputs) {
          expect(token === TOKEN, 'output should have the token', token);
          expect(typeof run === 'string' && run !== '' && run === outputs[0]?.run, 'output should name its run', run);
        }
        const parts = new Map(outputs.flatMap(({ from, parts }) => parts.map((part, at) => [from + at, part])));
        const numbers = [...parts.keys()].toSorted((one, other) => one - other);
        expect(
          numbers.every((number, at) => number === at + 1),
          'parts should be numbered from 1',
          numbers,
        );
        const text = numbers.map((number) => parts.get(number)?.text ?? '').join('');
        expect(text === 'half a word', 'the parts should be what the agent said', text);
        return true;
      } finally {
        lab.engine.outputsLost = 0;
      }
    },
  },
  {
    name: 'priorities',
    says: 'serves tasks of high and low priority too',
    optional: true,
    async run(lab) {
      const { engine, pool } = lab;
      const tasks = [taskOf({ do: 'return', value: 1 }), taskOf({ do: 'return', value: 1 })];
      await engine.dispatch(tasks[0] as Task, { pool, priority: 'high' });
      await engine.dispatch(tasks[1] as Task, { pool, priority: 'low' });
      const end = performance.now() + 5_000;
      while (performance.now() < end && !tasks.every((task) => engine.resultOf(task) !== undefined)) await delay(20);
      const served = tasks.every((task) => engine.resultOf(task) !== undefined);
      for (const priority of ['high', 'low'] as const) {
        await engine.manager.streams.purge(STEPS_STREAM, { filter: subjects.stepFilter(pool, priority) });
      }
      return served;
    },
  },
  {
    name: 'direct',
    says: 'takes tasks straight from the engine, and says in its beats which it holds',
    optional: true,
    async run(lab) {
      const { engine, pool } = lab;
      const beat = engine.beats.findLast(({ pools }) => pools.some((one) => one.pool === pool));
      if (beat === undefined) return false;
      const task = taskOf({ do: 'wait', ms: 3_000, value: 1 });
      const key = `${task.executionId}/${task.stepId}/1`;
      const receipt = await engine.give(beat.incarnation, [task], pool, pool);
      expect(receipt.taken === 1, 'a worker with free slots should take the task', receipt);
      const again = await engine.give(beat.incarnation, [task], pool, pool);
      expect(again.taken === 1, 'a task that is given twice should be taken for what it is', again);
      await until(lab, 'a beat says that it is held', () => engine.beats.at(-1)?.held?.includes(key) === true);
      await expectOutput(lab, task, 1);
      await until(lab, 'a beat does not say so any more', () => engine.beats.at(-1)?.held?.includes(key) !== true);
      expect(engine.results.filter(of(task)).length === 1, 'a task that was given twice should be run once');
      return true;
    },
  },
  {
    name: 'lost-queue',
    says: 'serves on after nats-server was killed and lost all that it had stored',
    async run(lab) {
      await lab.loseEverything();
      await until(lab, 'the engine has made the stream anew', () =>
        ensureStepsStream(lab.engine.nc).then(
          () => true,
          () => false,
        ),
      );
      const served = async (): Promise<boolean> => {
        try {
          const task = await dispatch(lab, { do: 'return', value: 1 });
          await resultOf(lab, task, 2_000);
          return true;
        } catch (error) {
          if (lab.worker.exitCode !== undefined) throw error;
          return false;
        }
      };
      await until(lab, 'a task of the new queue was run', served, 120_000);
    },
  },
  {
    name: 'drain',
    says: 'on SIGTERM takes nothing new, reports what runs, and ends with 0',
    async run(lab) {
      const { engine, worker } = lab;
      await emptied(lab);
      const task = await dispatch(lab, { do: 'wait', ms: 2_000, value: 1 }, { reportStart: true });
      await until(lab, 'the start was reported', () => engine.heartbeats.some(of(task)));
      worker.signal('SIGTERM');
      const code = await worker.ended(30_000);
      expect(code === 0, 'the worker should end with 0', code);
      expect(engine.resultOf(task)?.ok === true, 'what ran should be reported before the end');
      expect((await engine.queued()) === 0, 'what was reported should be acknowledged before the end');
      const late = await dispatch(lab, { do: 'return', value: 1 });
      await delay(500);
      expect(engine.resultOf(late) === undefined, 'a worker that has ended should take nothing');
    },
  },
];
