import type { AttemptResult, Task } from '@batuta/contracts';
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
/** The lease of a task in the queue, in milliseconds. */
export const ACK_WAIT_MS = 2_000;

let steps = 0;

export function taskOf(input: unknown, more: Partial<Task> = {}): Task {
  steps += 1;
  return wholeTask({ agent: AGENT, stepId: `step_${steps}`, token: TOKEN, input: input as never, ...more });
}

export async function dispatch(lab: Lab, input: unknown, more: Partial<Task> = {}): Promise<Task> {
  return lab.engine.dispatch(taskOf(input, more), { pool: lab.pool });
}

/**
 * Waits until the condition holds. Throws after `ms`, and when the worker has ended. The error names the awaited
 * condition.
 */
export async function until<T>(lab: Lab, what: string, condition: () => T | Promise<T>, ms = LONG_MS): Promise<T> {
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

/** The result of a task, once it was reported. */
export const resultOf = (lab: Lab, task: Task, ms?: number): Promise<AttemptResult> =>
  until(lab, 'the result was reported', () => lab.engine.resultOf(task) ?? false, ms) as Promise<AttemptResult>;

/** Waits until every task was acknowledged. */
export const emptied = (lab: Lab): Promise<unknown> =>
  until(lab, 'every task was acknowledged', async () => (await lab.engine.queued()) === 0);

export function expect(holds: boolean, what: string, is?: unknown): void {
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

export async function expectOutput(lab: Lab, task: Task, output: unknown): Promise<AttemptResult> {
  const result = await resultOf(lab, task);
  expect(result.ok, 'the result should have `ok: true`', result);
  expect(same(result.output, output), 'the output should be what the agent returned', result.output);
  return result;
}

export async function expectFailure(lab: Lab, task: Task, code: string | undefined, retryable: boolean): Promise<void> {
  const result = await resultOf(lab, task);
  expect(!result.ok && result.failure !== undefined, 'the result should have `ok: false` and a `failure`', result);
  const failure = result.failure ?? { code: '', message: '', retryable: false };
  if (code !== undefined) expect(failure.code === code, `the failure should have the code "${code}"`, failure);
  expect(failure.retryable === retryable, `the failure should have \`retryable: ${retryable}\``, failure);
  expect(failure.message !== '', 'the failure should have a message', failure);
}

/** Whether a message is about the task. */
export const of =
  (task: Task) =>
  (one: { stepId: string }): boolean =>
    one.stepId === task.stepId;
