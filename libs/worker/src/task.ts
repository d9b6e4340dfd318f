import type { AttemptCheckRequest, Task } from '@batuta/contracts';

const decoder = new TextDecoder();

/** The task of a message; undefined when it is none. */
export function taskOfBytes(data: Uint8Array): Task | undefined {
  try {
    return taskOf(JSON.parse(decoder.decode(data)));
  } catch {
    return undefined;
  }
}

/** Parsed JSON as a task; undefined when it is none. */
export function taskOf(value: unknown): Task | undefined {
  const task = value as Partial<Task> | null | undefined;
  const whole =
    typeof task?.executionId === 'string' &&
    typeof task.stepId === 'string' &&
    typeof task.agent === 'string' &&
    typeof task.attempt === 'number' &&
    // Proto-JSON may leave out what has its default.
    (typeof task.partition === 'number' || task.partition === undefined);
  if (!whole) return undefined;
  return { dispatch: 1, idempotencyKey: '', tenantId: '', ...task, partition: task.partition ?? 0 } as Task;
}

/** What a report on a task's attempt begins with: the attempt, and what proves that it was given to us. */
export function attemptOf({ executionId, stepId, attempt, token }: Task): AttemptCheckRequest {
  return token === undefined ? { executionId, stepId, attempt } : { executionId, stepId, attempt, token };
}
