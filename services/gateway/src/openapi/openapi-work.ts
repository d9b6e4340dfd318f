import {
  DEPENDENCY_ENDS,
  EXECUTION_STATUSES,
  LIMITS,
  MOST_WORK_STEPS,
  PRIORITIES,
  STEP_STATUSES,
  TASK_PRIORITIES,
  WORK_STATUSES,
} from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

const ref = (name: string): OpenApiSchema => ({ $ref: `#/components/schemas/${name}` });
const text = (description: string, more: OpenApiSchema = {}): OpenApiSchema => ({
  type: 'string',
  description,
  ...more,
});
const time = (description: string): OpenApiSchema => text(description, { format: 'date-time' });
const nullable = (schema: OpenApiSchema): OpenApiSchema => ({ ...schema, type: [schema['type'], 'null'] });
const token = (description: string): OpenApiSchema => text(description, { pattern: '^[A-Za-z0-9_-]{1,64}$' });
const anyObject = (description: string): OpenApiSchema => ({ type: 'object', additionalProperties: true, description });
const anything = (description: string): OpenApiSchema => ({ description });
const list = (description: string, items: OpenApiSchema, more: OpenApiSchema = {}): OpenApiSchema => ({
  type: 'array',
  description,
  items,
  ...more,
});
const object = (
  properties: Record<string, OpenApiSchema>,
  required: readonly string[] = Object.keys(properties),
): OpenApiSchema => ({
  type: 'object',
  required: required.filter((field) => !field.endsWith('_omitted')),
  properties,
});
const nullableObject = (description: string, schema: OpenApiSchema): OpenApiSchema => ({
  ...schema,
  type: ['object', 'null'],
  description,
});

const LIMITS_OF_STEP = {
  timeout_ms: { type: 'integer', description: 'Milliseconds that one attempt may take.', minimum: 1 },
  retry: anyObject('When a failed attempt is made again, as in a config.'),
};
const CONFIG = {
  description: 'How it goes on.',
  ...object(
    { continue_on_error: { type: 'boolean', description: 'A failure does not end the run.', default: false } },
    [],
  ),
};
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
const TASK_DATA = object({ type: text('The agent or config that runs.', { minLength: 1, maxLength: 200 }) }, ['type']);
const DATA = { ...TASK_DATA, additionalProperties: true, description: 'What runs, and its input beside `type`.' };
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
const WAITS = list(
  'Processes whose newest runs have to end first.',
  object(
    {
      process: token('The process.'),
      on: text('How its run has to end.', { enum: [...DEPENDENCY_ENDS], default: DEPENDENCY_ENDS[0] }),
    },
    ['process'],
  ),
  { maxItems: LIMITS.dependencies },
);
const ABOUT = {
  version: { type: 'integer', description: 'Grows by one with each change.' },
  created_by: text('The user who made it.'),
  created_at: time('When it was made.'),
  updated_at: time('When it was last changed.'),
  last_run: LAST_RUN,
};

/** Schemas of tasks, workflows and processes. */
export function workSchemas(
  page: (items: string, schema: string) => OpenApiSchema,
  repeated: OpenApiSchema,
): Record<string, OpenApiSchema> {
  const again = (schema: OpenApiSchema): OpenApiSchema => ({
    ...schema,
    properties: { ...(schema['properties'] as object), repeated },
  });
  const name = text('Its name.', { minLength: 1, maxLength: 200 });
  const tasks = list('Its tasks, in the order in which they run.', ref('WorkflowTask'), {
    minItems: 1,
    maxItems: MOST_WORK_STEPS,
  });
  const steps = list('Its steps, in the order in which they run.', ref('ProcessStep'), {
    minItems: 1,
    maxItems: MOST_WORK_STEPS,
  });
  return {
    WorkflowBody: object({ name, tasks, config: CONFIG }, ['name', 'tasks']),
    WorkflowTask: object(
      {
        id: token('Default `task_1`, `task_2` and so on.'),
        type: text('The agent or config that runs. An agent comes before a config of the same name.', {
          minLength: 1,
          maxLength: 200,
        }),
        config: anyObject('Its input: a mapping, which sees the outputs of the tasks before it.'),
        ...LIMITS_OF_STEP,
      },
      ['type'],
    ),
    Workflow: again(
      object({ id: text('The workflow.', { format: 'uuid' }), name, tasks, config: CONFIG, status: STATUS, ...ABOUT }),
    ),
    WorkflowPage: page('workflows', 'Workflow'),
    WorkflowRun: again(RUN('tasks')),
    WorkflowTaskRun: ENTRY('task'),
    WorkflowRunPage: page('runs', 'WorkflowRun'),
    RunBody: object(
      {
        input: anything('The input of the run.'),
        start_at: time('Nothing runs before this time.'),
        priority: text('The queue of its tasks.', { enum: [...PRIORITIES] }),
      },
      [],
    ),
    ProcessBody: object(
      {
        id: token('Its id, as dependencies name it.'),
        steps,
        dependencies: list('Processes whose newest runs have to complete first.', token('A process.'), {
          maxItems: LIMITS.dependencies,
        }),
        after: WAITS,
        config: CONFIG,
      },
      ['id', 'steps'],
    ),
    ProcessStep: object(
      {
        id: token('The step.'),
        type: text('What it is.', { enum: ['workflow', 'task'] }),
        name: text('Of a workflow: its name or id.', { minLength: 1, maxLength: 200 }),
        input: anyObject('Of a workflow: its input, a mapping.'),
        task_data: DATA,
        ...LIMITS_OF_STEP,
      },
      ['id', 'type'],
    ),
    Process: again(
      object({
        id: token('Its id.'),
        config_id: text('The config that it is.', { format: 'uuid' }),
        steps,
        after: WAITS,
        config: CONFIG,
        status: STATUS,
        ...ABOUT,
      }),
    ),
    ProcessPage: page('processes', 'Process'),
    ProcessRun: again(RUN('steps')),
    ProcessStepRun: ENTRY('step'),
    ProcessRunPage: page('runs', 'ProcessRun'),
    TaskBody: object(
      {
        task_id: text('Its id; by default the `Idempotency-Key`, or a new one.', { minLength: 1, maxLength: 200 }),
        task_data: DATA,
        scheduled_time: time('Nothing runs before this time.'),
        priority: {
          type: 'integer',
          description: '1 is the most urgent: 1 to 3 go to the queue `high`, 4 to 7 to `normal`, 8 to 10 to `low`.',
          minimum: TASK_PRIORITIES.least,
          maximum: TASK_PRIORITIES.most,
          default: TASK_PRIORITIES.usual,
        },
      },
      ['task_data'],
    ),
    Task: again(
      object(
        {
          task_id: text('Its id.'),
          execution_id: text('The execution that it is.', { format: 'uuid' }),
          task_data: DATA,
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
          attempts: list('Every attempt; not in lists.', ref('StepAttempt')),
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
    RescheduleBody: object(
      {
        scheduled_time: time('The new time; a time in the past means at once.'),
        reason: text('Why.', { minLength: 1, maxLength: 1_000 }),
      },
      ['scheduled_time'],
    ),
  };
}
