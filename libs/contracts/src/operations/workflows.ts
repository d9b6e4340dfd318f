import type { JsonObject } from '../common.js';
import type { HttpRoute } from './define.js';
import { anotherRoute, defineCommand } from './define.js';
import { configs } from './configs.js';
import { executions } from './executions.js';
import { WORK_QUERIES } from './parameters.js';

const PATH = '/api/v1/workflows';
const ONE = `${PATH}/:id`;
const EXAMPLE: JsonObject = {
  name: 'greetings',
  tasks: [
    { type: 'echo', config: { say: 'hello' } },
    { type: 'echo', config: { say: 'and goodbye' } },
  ],
  config: { continue_on_error: false },
};

const page = { query: WORK_QUERIES.list };

function control(name: string, does: string, route: Pick<HttpRoute, 'summary' | 'description'> & { says: string }) {
  const { says, ...said } = route;
  return defineCommand({
    name: `workflows.${name}`,
    role: 'operator',
    does,
    refuses: ['not_found', 'execution_deleted', 'not_running', 'already_paused', 'not_paused', 'compensating'],
    http: {
      method: 'POST',
      path: `${ONE}/${name}`,
      once: 'command',
      ...said,
      body: { schema: 'ReasonBody', says: 'Why.', optional: true, example: { reason: 'the maintenance' } },
      answers: [{ status: 200, schema: 'WorkflowRun', says }],
    },
  });
}

/** Named sequences of tasks. A workflow is a config with its tasks as steps, and a run is an execution of it. */
export const workflows = {
  create: anotherRoute(configs.create, {
    name: 'workflows.create',
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Make a workflow',
      description: 'Its tasks run one after the other. `type` names an agent or a config.',
      once: 'once',
      body: { schema: 'WorkflowBody', says: 'Its name and its tasks.', example: EXAMPLE },
      answers: [{ status: 201, schema: 'Workflow', says: 'Made.', etag: true }],
    },
  }),
  list: anotherRoute(configs.list, {
    name: 'workflows.list',
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List workflows',
      ...page,
      answers: [{ status: 200, schema: 'WorkflowPage', says: 'A page, the newest first.' }],
    },
  }),
  get: anotherRoute(configs.get, {
    name: 'workflows.get',
    http: {
      method: 'GET',
      path: ONE,
      summary: 'Get a workflow by id or name',
      answers: [{ status: 200, schema: 'Workflow', says: 'The workflow with its newest run.', etag: true }],
    },
  }),
  update: anotherRoute(configs.update, {
    name: 'workflows.update',
    http: {
      method: 'PUT',
      path: ONE,
      summary: 'Change a workflow',
      description: 'Runs that have begun keep their tasks.',
      compares: true,
      body: { schema: 'WorkflowBody', says: 'The whole workflow.', example: EXAMPLE },
      answers: [{ status: 200, schema: 'Workflow', says: 'Changed.', etag: true }],
    },
  }),
  delete: anotherRoute(configs.delete, {
    name: 'workflows.delete',
    http: {
      method: 'DELETE',
      path: ONE,
      summary: 'Delete a workflow',
      description: 'Its runs go on.',
      compares: true,
      answers: [{ status: 200, schema: 'Workflow', says: 'The deleted workflow.' }],
    },
  }),
  start: defineCommand({
    name: 'workflows.start',
    role: 'operator',
    does: 'start a workflow',
    refuses: ['not_found', 'execution_deleted', 'limit_reached'],
    http: {
      method: 'POST',
      path: `${ONE}/start`,
      summary: 'Start a run of a workflow',
      once: 'start',
      body: {
        schema: 'RunBody',
        says: 'What it starts with.',
        optional: true,
        example: { input: { who: 'everybody' } },
      },
      answers: [{ status: 202, schema: 'WorkflowRun', says: 'Started.', location: true, rateLimit: true }],
    },
  }),
  pause: control('pause', 'pause a workflow', {
    summary: 'Pause the newest run of a workflow',
    description: 'A task that runs is finished, and nothing new starts.',
    says: 'Paused.',
  }),
  resume: control('resume', 'resume a workflow', {
    summary: 'Resume the newest run of a workflow',
    says: 'It goes on.',
  }),
  runs: anotherRoute(executions.list, {
    name: 'workflows.runs',
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${ONE}/runs`,
      summary: 'List the runs of a workflow, newest first',
      description: 'Each with what became of its tasks.',
      ...page,
      answers: [{ status: 200, schema: 'WorkflowRunPage', says: 'A page.' }],
    },
  }),
  run: anotherRoute(executions.get, {
    name: 'workflows.run',
    http: {
      method: 'GET',
      path: `${ONE}/runs/:run_id`,
      summary: 'Get a run of a workflow with the result of each task',
      answers: [{ status: 200, schema: 'WorkflowRun', says: 'The run.' }],
    },
  }),
} as const;
