import type { FakeEngine } from '@batuta/conformance';
import type { AttemptResult, Task } from '@batuta/contracts';
import { eventually } from '@batuta/testing';

/** Dispatches a task repeatedly until one has its result, as an engine does for tasks that a lost stream contained. */
export function dispatchUntilDone(
  engine: FakeEngine,
  ...asked: Parameters<FakeEngine['dispatch']>
): Promise<AttemptResult> {
  const tasks: Task[] = [];
  return eventually(async () => {
    tasks.push(await engine.dispatch(...asked));
    return eventually(() => tasks.flatMap((task) => engine.resultOf(task) ?? []).at(0) ?? false, { timeoutMs: 2_000 });
  });
}
