import { setTimeout as delay } from 'node:timers/promises';
import { STEPS_STREAM, subjects } from '@batuta/contracts';
import type { Task } from '@batuta/contracts';
import { TOKEN, dispatch, emptied, expect, expectOutput, of, taskOf, until } from './check-tools.js';
import type { Check } from './check-tools.js';

/** Checks of what a worker may lack. */
export const OPTIONAL_CHECKS: readonly Check[] = [
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
];
