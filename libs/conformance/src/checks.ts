import { setTimeout as delay } from 'node:timers/promises';
import { STEPS_STREAM, subjects } from '@batuta/contracts';
import type { Task } from '@batuta/contracts';
import { ensureStepsStream } from '@batuta/messaging';
import { jetstream } from '@nats-io/jetstream';
import {
  ACK_WAIT_MS,
  AGENT,
  TOKEN,
  dispatch,
  emptied,
  expect,
  expectFailure,
  expectOutput,
  of,
  resultOf,
  taskOf,
  until,
} from './check-tools.js';
import type { Check } from './check-tools.js';
import { OPTIONAL_CHECKS } from './optional-checks.js';

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
  ...OPTIONAL_CHECKS,
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
