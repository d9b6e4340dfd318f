import { DEPENDENCY_ENDS, EXECUTION_STATUSES, PRIORITIES, STEP_STATUSES, WORK_STATUSES } from '@batuta/contracts';
import type { DocumentSchema } from '@batuta/contracts';
import { shownBody } from '../dto/document-body.js';
import {
  PROCESS_BODY,
  PROCESS_STEP,
  RESCHEDULE_BODY,
  RUN_BODY,
  TASK_BODY,
  TASK_DATA,
  WORKFLOW_BODY,
  WORKFLOW_TASK,
  WORK_CONFIG,
} from '../dto/work-bodies.js';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { NAME_SCHEMA, UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { nullable, object, page, ref, REPEATED, text, time } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

const anything = (description: string): OpenApiSchema => ({ description });
const list = (description: string, items: OpenApiSchema, more: OpenApiSchema = {}): OpenApiSchema => ({
  type: 'array',
  description,
  items,
  ...more,
});
const nullableObject = (description: string, schema: OpenApiSchema): OpenApiSchema => ({
  ...schema,
  type: ['object', 'null'],
  description,
});

const fieldOf = ({ properties }: DocumentSchema, field: string): OpenApiSchema =>
  (properties as Record<string, OpenApiSchema>)[field] ?? {};
const STATUS = text('Where it stands.', { enum: [...WORK_STATUSES] });
const LAST_RUN = nullableObject(
  'The newest run; null when there is none.',
  object({ id: text('The run.', { format: 'uuid' }), status: STATUS, created_at: time('When it was started.') }),
);
const FAILURE: OpenApiSchema = {
  anyOf: [ref('Failure'), { type: 'null' }],
  description: 'Why it failed; null when it did not.',
};
const OUTPUT_OMITTED: OpenApiSchema = {
  ...ref('Omitted'),
  description: 'In place of an output that is too large for the answer: where to read it.',
};
const ENTRY = (what: string): OpenApiSchema =>
  object({
    id: text(`The ${what}.`),
    type: text('What it runs.'),
    status: text('Where it stands.', { enum: [...STEP_STATUSES] }),
    started_at: nullable(time('When it began.')),
    completed_at: nullable(time('When it ended.')),
    output: anything('What it gave; null when it gave nothing.'),
    output_omitted: OUTPUT_OMITTED,
    failure: FAILURE,
    execution_id: nullable(text('The execution that it is; null when an agent runs it.')),
  });
const RUN = (entries: 'tasks' | 'steps'): OpenApiSchema =>
  object({
    id: text('The run, and the execution that it is.', { format: 'uuid' }),
    status: STATUS,
    execution_status: text('The status of the execution.', { enum: [...EXECUTION_STATUSES] }),
    created_at: time('When it was started.'),
    started_at: nullable(time('When it began.')),
    completed_at: nullable(time('When it ended.')),
    started_by: text('The user who started it.'),
    output: anything('What it gave.'),
    output_omitted: OUTPUT_OMITTED,
    failure: FAILURE,
    pending_reason: nullable(text('What it waits for, in words; null when it does not wait.')),
    waits_for: list(
      'What has or had to end before it begins.',
      object({
        execution_id: text('The execution.', { format: 'uuid' }),
        process: nullable(text('The process that it is a run of.')),
        on: text('How it has to end.', { enum: [...DEPENDENCY_ENDS] }),
        state: text('Where it stands.', { enum: ['not_started', 'waiting', 'met', 'failed'] }),
      }),
    ),
    [entries]: list(`What became of each.`, ref(entries === 'tasks' ? 'WorkflowTaskRun' : 'ProcessStepRun')),
  });
const ABOUT = {
  version: { type: 'integer', description: 'Grows by one with each change.' },
  created_by: text('The user who made it.'),
  created_at: time('When it was made.'),
  updated_at: time('When it was last changed.'),
  last_run: LAST_RUN,
};

const again = (schema: OpenApiSchema): OpenApiSchema => ({
  ...schema,
  properties: { ...(schema['properties'] as object), repeated: REPEATED },
});
const TASKS = { ...fieldOf(WORKFLOW_BODY, 'tasks'), items: ref('WorkflowTask') };
const STEPS = { ...fieldOf(PROCESS_BODY, 'steps'), items: ref('ProcessStep') };

export const workPart: OpenApiPart = {
  says: {
    'TaskPage.tasks': 'Tasks.',
    'WorkflowPage.workflows': 'Workflows.',
    'WorkflowRunPage.runs': 'Runs, the newest first.',
    'ProcessPage.processes': 'Processes.',
    'ProcessRunPage.runs': 'Runs, the newest first.',
  },
  parameters: [
    [
      /^\/api\/v1\/tasks\//,
      'task_id',
      { description: 'The task, by the id that its sender gave.', schema: NAME_SCHEMA },
    ],
    [
      /^\/api\/v1\/workflows\//,
      'id',
      { description: 'The workflow, by id or name.', schema: NAME_SCHEMA, example: 'greetings' },
    ],
    [/^\/api\/v1\/processes\//, 'id', { description: 'The process.', schema: NAME_SCHEMA, example: 'prepare' }],
    [/^\/api\/v1\/(?:workflows|processes)\//, 'run_id', { description: 'The run.', schema: UUID_SCHEMA }],
  ],
  schemas: () => ({
    WorkflowBody: shownBody(WORKFLOW_BODY, { tasks: TASKS }),
    WorkflowTask: shownBody(WORKFLOW_TASK),
    Workflow: again(
      object({
        id: text('The workflow.', { format: 'uuid' }),
        name: fieldOf(WORKFLOW_BODY, 'name'),
        tasks: TASKS,
        config: WORK_CONFIG,
        status: STATUS,
        ...ABOUT,
      }),
    ),
    WorkflowPage: page('workflows', 'Workflow'),
    WorkflowRun: again(RUN('tasks')),
    WorkflowTaskRun: ENTRY('task'),
    WorkflowRunPage: page('runs', 'WorkflowRun'),
    RunBody: shownBody(RUN_BODY),
    ProcessBody: shownBody(PROCESS_BODY, { steps: STEPS }),
    ProcessStep: shownBody(PROCESS_STEP),
    Process: again(
      object({
        id: { ...fieldOf(PROCESS_BODY, 'id'), description: 'Its id.' },
        config_id: text('The config that it is.', { format: 'uuid' }),
        steps: STEPS,
        after: fieldOf(PROCESS_BODY, 'after'),
        config: WORK_CONFIG,
        status: STATUS,
        ...ABOUT,
      }),
    ),
    ProcessPage: page('processes', 'Process'),
    ProcessRun: again(RUN('steps')),
    ProcessStepRun: ENTRY('step'),
    ProcessRunPage: page('runs', 'ProcessRun'),
    TaskBody: shownBody(TASK_BODY),
    Task: again(
      object(
        {
          task_id: text('Its id.'),
          execution_id: text('The execution that it is.', { format: 'uuid' }),
          task_data: TASK_DATA,
          task_data_omitted: {
            description: 'In lists, when the input is large: `task_data` has its `type` alone.',
            ...object({ href: text('Where to read it.') }),
          },
          status: STATUS,
          execution_status: text('The status of the execution.', { enum: [...EXECUTION_STATUSES] }),
          priority: { type: 'integer', description: 'As it was given.' },
          queue: text('The queue that it goes to.', { enum: [...PRIORITIES] }),
          scheduled_time: nullable(time('Nothing runs before this time; null when it began at once.')),
          created_at: time('When it was scheduled.'),
          started_at: nullable(time('When it began.')),
          completed_at: nullable(time('When it ended.')),
          output: anything('What it gave; null when it gave nothing.'),
          output_omitted: OUTPUT_OMITTED,
          failure: FAILURE,
          attempts: list(
            'Every attempt of the agent; not in lists, and not when the type is a config.',
            ref('StepAttempt'),
          ),
          child: {
            description:
              'When the type is a config: the execution of this config, once it was asked for. Not in lists.',
            ...ref('ChildView'),
          },
        },
        [
          'task_id',
          'execution_id',
          'task_data',
          'status',
          'execution_status',
          'priority',
          'queue',
          'scheduled_time',
          'created_at',
          'started_at',
          'completed_at',
          'output',
          'failure',
        ],
      ),
    ),
    TaskPage: page('tasks', 'Task'),
    RescheduleBody: shownBody(RESCHEDULE_BODY),
  }),
};
