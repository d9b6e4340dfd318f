import {
  anyObjectSchema,
  DEPENDENCY_ENDS,
  flagSchema,
  LIMITS,
  listSchema,
  millisecondsSchema,
  MOST_WORK_STEPS,
  nameSchema,
  objectOf,
  PRIORITIES,
  RETRY_SCHEMA,
  RULE,
  TASK_PRIORITIES,
  textSchema,
  TOKEN_SCHEMA,
  wholeSchema,
  wordSchema,
} from '@batuta/contracts';
import type {
  DependencyOn,
  DocumentSchema,
  JsonObject,
  JsonValue,
  Priority,
  Retry,
  ValueMistake,
  ValueRule,
} from '@batuta/contracts';
import { timeSchema } from './document-body.js';

// The bodies of workflows, processes and tasks. They are checked by these schemas, and OpenAPI shows them.

interface LimitsOfStep {
  readonly timeout_ms?: number;
  readonly retry?: Retry;
}

/** What runs, and beside `type` the fields of its input. */
export interface TaskData {
  readonly [field: string]: JsonValue;
  readonly type: string;
}

export interface WorkflowTask extends LimitsOfStep {
  readonly id?: string;
  readonly type: string;
  readonly config?: JsonObject;
}

export interface ProcessStep extends LimitsOfStep {
  readonly id: string;
  readonly type: 'workflow' | 'task';
  readonly name?: string;
  readonly input?: JsonObject;
  readonly task_data?: TaskData;
}

interface WorkConfig {
  readonly continue_on_error?: boolean;
}

export interface WorkflowBody {
  readonly name: string;
  readonly tasks: readonly WorkflowTask[];
  readonly config?: WorkConfig;
}

export interface ProcessBody {
  readonly id: string;
  readonly steps: readonly ProcessStep[];
  readonly dependencies?: readonly string[];
  readonly after?: readonly { readonly process: string; readonly on?: DependencyOn }[];
  readonly config?: WorkConfig;
}

export interface TaskBody {
  readonly task_id?: string;
  readonly task_data: TaskData;
  readonly scheduled_time?: string;
  readonly priority?: number;
}

export interface RunBody {
  readonly input?: JsonValue;
  readonly start_at?: string;
  readonly priority?: Priority;
}

export interface RescheduleBody {
  readonly scheduled_time: string;
  readonly reason?: string;
}

const name = (description: string): DocumentSchema => ({ ...nameSchema(200), description });
const token = (description: string): DocumentSchema => ({ ...TOKEN_SCHEMA, description });

const LIMITS_OF_STEP = {
  timeout_ms: millisecondsSchema('Milliseconds that one attempt may take.'),
  retry: { ...RETRY_SCHEMA, description: 'When a failed attempt is made again, as in a config.' },
};

export const WORK_CONFIG: DocumentSchema = objectOf<Required<WorkConfig>>('How it goes on.', {
  continue_on_error: flagSchema('A failure does not end the run.', false),
});

export const TASK_DATA: DocumentSchema = {
  description: 'What runs, and its input beside `type`.',
  type: 'object',
  required: ['type'],
  properties: { type: name('The agent or config that runs.') },
  additionalProperties: true,
};

const textIn = (value: unknown, field: string): string | undefined => {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
  return typeof found === 'string' ? found : undefined;
};

const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The id of a task that has none. */
export const usualTaskId = (index: number): string => `task_${index + 1}`;

/** Ids stand once. */
const ownIds =
  (usual: (index: number) => string | undefined): ValueRule =>
  (value) => {
    if (!Array.isArray(value)) return undefined;
    const seen = new Set<string>();
    return value.flatMap((entry: unknown, index): ValueMistake[] => {
      const id = textIn(entry, 'id') ?? usual(index) ?? '';
      const isTwice = id !== '' && seen.has(id);
      seen.add(id);
      return isTwice ? [{ code: 'duplicate_id', path: `/${index}/id`, message: `"${id}" stands twice` }] : [];
    });
  };

const steps = (description: string, items: DocumentSchema, usual: (index: number) => string | undefined) => ({
  ...listSchema(description, items, { min: 1, max: MOST_WORK_STEPS }),
  [RULE]: ownIds(usual),
});

export const WORKFLOW_TASK = objectOf<Required<WorkflowTask>>(
  'A task of a workflow.',
  {
    id: token('Default `task_1`, `task_2` and so on.'),
    type: name('The agent or config that runs. An agent comes before a config of the same name.'),
    config: anyObjectSchema('Its input: a mapping, which sees the outputs of the tasks before it.'),
    ...LIMITS_OF_STEP,
  },
  ['type'],
);

/** What a step of one type must have, and what is for the other type. */
const FIELDS_OF_TYPE = {
  workflow: { required: 'name', others: ['task_data'] },
  task: { required: 'task_data', others: ['name', 'input'] },
} as const;

const fieldsOfType: ValueRule = (value) => {
  const step = value as JsonObject;
  const { type } = step;
  if (type !== 'workflow' && type !== 'task') return undefined;
  const { required, others } = FIELDS_OF_TYPE[type];
  const other = type === 'task' ? 'workflow' : 'task';
  const mistakes: ValueMistake[] = others
    .filter((field) => step[field] !== undefined)
    .map((field) => ({ code: 'contradiction', path: `/${field}`, message: `is for steps of type ${other}` }));
  if (step[required] === undefined) {
    mistakes.push({ code: 'required', path: `/${required}`, message: `${required} is required` });
  }
  return mistakes;
};

export const PROCESS_STEP: DocumentSchema = {
  ...objectOf<Required<ProcessStep>>(
    'A step of a process.',
    {
      id: token('The step.'),
      type: wordSchema('What it is.', ['workflow', 'task']),
      name: name('Of a workflow: its name or id.'),
      input: anyObjectSchema('Of a workflow: its input, a mapping.'),
      task_data: TASK_DATA,
      ...LIMITS_OF_STEP,
    },
    ['id', 'type'],
  ),
  [RULE]: fieldsOfType,
};

export const WORKFLOW_BODY = objectOf<Required<WorkflowBody>>(
  'A workflow.',
  {
    name: name('Its name.'),
    tasks: steps('Its tasks, in the order in which they run.', WORKFLOW_TASK, usualTaskId),
    config: WORK_CONFIG,
  },
  ['name', 'tasks'],
);

/** A process stands once among those that are waited for, and does not wait for itself. */
const waitsOnce: ValueRule = (value) => {
  const { id, dependencies, after } = value as JsonObject;
  const waits: (readonly [process: unknown, path: string])[] = [
    ...listIn(dependencies).map((process, index) => [process, `/dependencies/${index}`] as const),
    ...listIn(after).map((each, index) => [textIn(each, 'process'), `/after/${index}/process`] as const),
  ];
  const seen = new Set<string>();
  return waits.flatMap(([process, path]): ValueMistake[] => {
    if (typeof process !== 'string') return [];
    const isTwice = seen.has(process);
    seen.add(process);
    return [
      ...(isTwice ? [{ code: 'duplicate_dependency', path, message: `"${process}" stands twice` }] : []),
      ...(process === id ? [{ code: 'self_dependency', path, message: 'is the process itself' }] : []),
    ];
  });
};

export const PROCESS_BODY: DocumentSchema = {
  ...objectOf<Required<ProcessBody>>(
    'A process.',
    {
      id: token('Its id, as dependencies name it.'),
      steps: steps('Its steps, in the order in which they run.', PROCESS_STEP, () => undefined),
      dependencies: listSchema('Processes whose newest runs have to complete first.', token('A process.'), {
        max: LIMITS.dependencies,
      }),
      after: listSchema(
        'Processes whose newest runs have to end first.',
        objectOf(
          'A process, and how its run has to end.',
          {
            process: token('The process.'),
            on: wordSchema('How its run has to end.', DEPENDENCY_ENDS, DEPENDENCY_ENDS[0]),
          },
          ['process'],
        ),
        { max: LIMITS.dependencies },
      ),
      config: WORK_CONFIG,
    },
    ['id', 'steps'],
  ),
  [RULE]: waitsOnce,
};

export const TASK_BODY = objectOf<Required<TaskBody>>(
  'A task.',
  {
    task_id: name('Its id; by default the `Idempotency-Key`, or a new one.'),
    task_data: TASK_DATA,
    scheduled_time: timeSchema('Nothing runs before this time.'),
    priority: wholeSchema(
      '1 is the most urgent: 1 to 3 go to the queue `high`, 4 to 7 to `normal`, 8 to 10 to `low`.',
      TASK_PRIORITIES.least,
      TASK_PRIORITIES.most,
      TASK_PRIORITIES.usual,
    ),
  },
  ['task_data'],
);

export const RUN_BODY = objectOf<Required<RunBody>>('What a run is started with.', {
  input: { description: 'The input of the run.' },
  start_at: timeSchema('Nothing runs before this time.'),
  priority: wordSchema('The queue of its tasks.', PRIORITIES),
});

export const RESCHEDULE_BODY = objectOf<Required<RescheduleBody>>(
  'The new time of a task.',
  {
    scheduled_time: timeSchema('The new time; a time in the past means at once.'),
    reason: textSchema('Why.', 1, 1_000),
  },
  ['scheduled_time'],
);

/** Fields that answers have beside what users say: a body may have them, and they are ignored. */
const ANSWERED = ['id', 'status', 'version', 'created_by', 'created_at', 'updated_at', 'last_run', 'repeated'];

/** The form of a body that may be an answer that was changed. */
export function asAnswered(schema: DocumentSchema, others: readonly string[] = []): DocumentSchema {
  const ignored = Object.fromEntries([...ANSWERED, ...others].map((field) => [field, {}]));
  return { ...schema, properties: { ...ignored, ...(schema['properties'] as object) } };
}
