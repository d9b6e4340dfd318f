import { anotherRoute, defineCommand } from './define.js';
import { executions } from './executions.js';
import { WORK_QUERIES } from './parameters.js';

const PATH = '/api/v1/tasks';
const ONE = `${PATH}/:task_id`;

/** Agents or configs that run once, now or at a time. A task is an execution with one step. */
export const tasks = {
  create: defineCommand({
    name: 'tasks.create',
    role: 'operator',
    does: 'schedule a task',
    refuses: ['execution_deleted', 'limit_reached', 'idempotency_mismatch'],
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Schedule a task',
      description:
        'The same `task_id` again is answered with the task that is there; with another body it is `idempotency_mismatch`.',
      once: 'start',
      body: {
        schema: 'TaskBody',
        says: 'What to run, and when.',
        example: { task_id: 'say-hello', task_data: { type: 'echo', say: 'hello' }, priority: 1 },
      },
      answers: [{ status: 202, schema: 'Task', says: 'Scheduled.', location: true, rateLimit: true }],
    },
  }),
  list: anotherRoute(executions.list, {
    name: 'tasks.list',
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List tasks, newest first',
      query: WORK_QUERIES.list,
      answers: [{ status: 200, schema: 'TaskPage', says: 'A page.' }],
    },
  }),
  get: anotherRoute(executions.get, {
    name: 'tasks.get',
    http: {
      method: 'GET',
      path: ONE,
      summary: 'Get a task with its result and its attempts',
      answers: [{ status: 200, schema: 'Task', says: 'The task.' }],
    },
  }),
  reschedule: defineCommand({
    name: 'tasks.reschedule',
    role: 'operator',
    does: 'reschedule a task',
    refuses: ['not_found', 'execution_deleted', 'not_applicable'],
    http: {
      method: 'POST',
      path: `${ONE}/reschedule`,
      summary: 'Move the time of a task that has not begun',
      once: 'command',
      body: {
        schema: 'RescheduleBody',
        says: 'The new time.',
        example: { scheduled_time: '2030-01-31T12:00:00Z' },
      },
      answers: [{ status: 200, schema: 'Task', says: 'Moved.' }],
    },
  }),
  cancel: defineCommand({
    name: 'tasks.cancel',
    role: 'operator',
    does: 'cancel a task',
    refuses: ['not_found', 'execution_deleted', 'already_completed', 'already_failed', 'already_cancelled'],
    http: {
      method: 'POST',
      path: `${ONE}/cancel`,
      summary: 'Cancel a task',
      description: 'Before it begins, or while it runs.',
      once: 'command',
      body: { schema: 'ReasonBody', says: 'Why.', optional: true, example: { reason: 'not needed any more' } },
      answers: [{ status: 200, schema: 'Task', says: 'Cancelled.' }],
    },
  }),
} as const;
