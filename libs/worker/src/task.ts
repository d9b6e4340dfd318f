import type { AttemptCheckRequest, Task } from '@batuta/contracts';

const decoder = new TextDecoder();

/** Parses the task in a message. Undefined when the message is not a task. */
export function taskOfBytes(data: Uint8Array): Task | undefined {
  try {
    return taskOf(JSON.parse(decoder.decode(data)));
  } catch {
    return undefined;
  }
}

/** Parsed JSON as a task. Undefined when it is not a task. */
export function taskOf(value: unknown): Task | undefined {
  const task = value as Partial<Task> | null | undefined;
  const whole =
    typeof task?.executionId === 'string' &&
    typeof task.stepId === 'string' &&
    typeof task.agent === 'string' &&
    typeof task.attempt === 'number' &&
    // Proto-JSON may leave out fields that have their default.
    (typeof task.partition === 'number' || task.partition === undefined);
  if (!whole) return undefined;
  return { dispatch: 1, idempotencyKey: '', tenantId: '', ...task, partition: task.partition ?? 0 } as Task;
}

/**
 * The identification of a task's attempt in reports: the attempt, and the token which proves that it was given to this
 * worker.
 */
export function attemptOf({ executionId, stepId, attempt, token }: Task): AttemptCheckRequest {
  return token === undefined ? { executionId, stepId, attempt } : { executionId, stepId, attempt, token };
}
