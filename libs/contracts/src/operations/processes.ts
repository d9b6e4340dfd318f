import type { JsonObject } from '../common.js';
import type { HttpRoute } from './define.js';
import { anotherRoute, defineCommand } from './define.js';
import { configs } from './configs.js';
import { executions } from './executions.js';
import { WORK_QUERIES } from './parameters.js';

const PATH = '/api/v1/processes';
const ONE = `${PATH}/:id`;
const EXAMPLE: JsonObject = {
  id: 'prepare',
  steps: [{ id: 'hello', type: 'task', task_data: { type: 'echo', say: 'hello' } }],
  dependencies: [],
};

const page = { query: WORK_QUERIES.list };

function control(name: string, does: string, route: Pick<HttpRoute, 'summary' | 'description'> & { says: string }) {
  const { says, ...said } = route;
  return defineCommand({
    name: `processes.${name}`,
    role: 'operator',
    does,
    refuses: [
      'not_found',
      'execution_deleted',
      'already_completed',
      'already_failed',
      'already_cancelled',
      'not_retryable',
      'already_compensated',
      'compensating',
    ],
    http: {
      method: 'POST',
      path: `${ONE}/${name}`,
      once: 'command',
      ...said,
      body: { schema: 'ReasonBody', says: 'Why.', optional: true, example: { reason: 'the cause is mended' } },
      answers: [{ status: 200, schema: 'ProcessRun', says }],
    },
  });
}

/** Sequences of workflows and tasks that wait for each other. A process is a config, and a run is an execution of it. */
export const processes = {
  create: anotherRoute(configs.create, {
    name: 'processes.create',
    refuses: ['name_taken'],
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Make a process',
      description:
        'Its steps run one after the other. A run begins when the newest runs of its `dependencies` have ended as asked. A circle is refused.',
      once: 'once',
      body: { schema: 'ProcessBody', says: 'Its id, its steps and what it waits for.', example: EXAMPLE },
      answers: [{ status: 201, schema: 'Process', says: 'Made.', etag: true }],
    },
  }),
  list: anotherRoute(configs.list, {
    name: 'processes.list',
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List processes',
      ...page,
      answers: [{ status: 200, schema: 'ProcessPage', says: 'A page, the newest first.' }],
    },
  }),
  get: anotherRoute(configs.get, {
    name: 'processes.get',
    http: {
      method: 'GET',
      path: ONE,
      summary: 'Get a process by its id',
      answers: [{ status: 200, schema: 'Process', says: 'The process with its newest run.', etag: true }],
    },
  }),
  update: anotherRoute(configs.update, {
    name: 'processes.update',
    http: {
      method: 'PUT',
      path: ONE,
      summary: 'Change a process',
      description: 'Runs that were started keep their steps and what they wait for.',
      compares: true,
      body: { schema: 'ProcessBody', says: 'The whole process.', example: EXAMPLE },
      answers: [{ status: 200, schema: 'Process', says: 'Changed.', etag: true }],
    },
  }),
  delete: anotherRoute(configs.delete, {
    name: 'processes.delete',
    refuses: ['not_found', 'conflict'],
    http: {
      method: 'DELETE',
      path: ONE,
      summary: 'Delete a process',
      description: 'Its runs go on. Refused while another process depends on it.',
      compares: true,
      answers: [{ status: 200, schema: 'Process', says: 'The deleted process.' }],
    },
  }),
  start: defineCommand({
    name: 'processes.start',
    role: 'operator',
    does: 'start a process',
    refuses: ['not_found', 'execution_deleted', 'limit_reached', 'conflict'],
    http: {
      method: 'POST',
      path: `${ONE}/start`,
      summary: 'Start a run of a process',
      description:
        'It is `PENDING`, with the reason, until the newest runs of its dependencies have ended as asked; one that was never started is waited for.',
      once: 'start',
      body: {
        schema: 'RunBody',
        says: 'What it starts with.',
        optional: true,
        example: { input: { who: 'everybody' } },
      },
      answers: [{ status: 202, schema: 'ProcessRun', says: 'Started.', location: true, rateLimit: true }],
    },
  }),
  retry: control('retry', 'run a process again', {
    summary: 'Run the newest run of a process again from the step that failed',
    description:
      'Steps that completed are kept. One that failed for a process that it depends on waits for it anew; retry that one first.',
    says: 'It runs again, or waits.',
  }),
  cancel: control('cancel', 'cancel a process', {
    summary: 'Cancel the newest run of a process',
    description: 'Also while it waits for others.',
    says: 'Cancelled.',
  }),
  runs: anotherRoute(executions.list, {
    name: 'processes.runs',
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${ONE}/runs`,
      summary: 'List the runs of a process, newest first',
      description: 'Each with what became of its steps.',
      ...page,
      answers: [{ status: 200, schema: 'ProcessRunPage', says: 'A page.' }],
    },
  }),
  run: anotherRoute(executions.get, {
    name: 'processes.run',
    http: {
      method: 'GET',
      path: `${ONE}/runs/:run_id`,
      summary: 'Get a run of a process with the result of each step',
      answers: [{ status: 200, schema: 'ProcessRun', says: 'The run.' }],
    },
  }),
} as const;
