import { MOST_WORK_STEPS } from '@batuta/contracts';
import type {
  DependencyOn,
  JsonObject,
  JsonValue,
  OrchestrationDefinition,
  StepDefinition,
  Violation,
} from '@batuta/contracts';
import type { BodyReader } from './checks.js';

/** What the platform keeps a config for; the configs are named and marked so. */
export type KeptFor = 'workflow' | 'process' | 'task';

/** A task of a workflow, or a step of a process. */
export interface WorkStep {
  readonly id: string;
  /** An agent, a config or a workflow. */
  readonly type: string;
  readonly isWorkflow: boolean;
  /** The input: an object as the user said it, with expressions. */
  readonly config: JsonObject | undefined;
  readonly timeoutMs: JsonValue | undefined;
  readonly retry: JsonValue | undefined;
  /** Places of the step, of what it runs and of its input, in the body. */
  readonly at: { readonly step: string; readonly type: string; readonly config: string };
}

/** A process whose newest run has to end before a run of another one begins. */
export interface ProcessDependency {
  readonly process: string;
  readonly on: DependencyOn;
  /** Its place in the body that says it. */
  readonly path?: string;
}

/** What a body says of a workflow, a process or a task. */
export interface Said {
  readonly name: string;
  readonly steps: readonly WorkStep[];
  readonly continueOnError: boolean;
  readonly after?: readonly ProcessDependency[];
}

const TASK_FIELDS = ['id', 'type', 'config', 'timeout_ms', 'retry'];
const STEP_FIELDS = ['id', 'type', 'name', 'task_data', 'input', 'timeout_ms', 'retry'];
const STEP_TYPES = ['workflow', 'task'] as const;

/** Tasks of a workflow: `[{type, config}]`. */
export function tasksIn(reader: BodyReader, value: JsonValue | undefined): readonly WorkStep[] {
  const tasks = reader.list('/tasks', value, MOST_WORK_STEPS, 1).map((entry, index): WorkStep => {
    const step = `/tasks/${index}`;
    const { id, type, config, timeout_ms: timeoutMs, retry } = reader.fields(step, entry, TASK_FIELDS);
    return {
      id: id === undefined ? `task_${index + 1}` : reader.token(`${step}/id`, id),
      type: reader.name(`${step}/type`, type),
      isWorkflow: false,
      config: config === undefined ? undefined : reader.fields(`${step}/config`, config, [], true),
      timeoutMs,
      retry,
      at: { step, type: `${step}/type`, config: `${step}/config` },
    };
  });
  refuseTwice(reader, tasks);
  return tasks;
}

/** Steps of a process: `{id, type: workflow, name}` or `{id, type: task, task_data: {type, …}}`. */
export function stepsIn(reader: BodyReader, value: JsonValue | undefined): readonly WorkStep[] {
  const steps = reader.list('/steps', value, MOST_WORK_STEPS, 1).map((entry, index): WorkStep => {
    const step = `/steps/${index}`;
    const fields = reader.fields(step, entry, STEP_FIELDS);
    const { id, type: kind, name, task_data: data, input, timeout_ms: timeoutMs, retry } = fields;
    const isWorkflow = kind === 'workflow';
    if (kind === undefined) reader.mistake(`${step}/type`, 'required', 'is required');
    reader.word(`${step}/type`, kind, STEP_TYPES);
    const base = { id: reader.token(`${step}/id`, id), isWorkflow, timeoutMs, retry };
    if (isWorkflow) {
      if (data !== undefined) reader.mistake(`${step}/task_data`, 'contradiction', 'is for steps of type task');
      const config = input === undefined ? undefined : reader.fields(`${step}/input`, input, [], true);
      const at = { step, type: `${step}/name`, config: `${step}/input` };
      return { ...base, type: reader.name(`${step}/name`, name), config, at };
    }
    if (name !== undefined) reader.mistake(`${step}/name`, 'contradiction', 'is for steps of type workflow');
    if (input !== undefined) reader.mistake(`${step}/input`, 'contradiction', 'is for steps of type workflow');
    if (kind === 'task' && data === undefined) reader.mistake(`${step}/task_data`, 'required', 'is required');
    const at = { step, type: `${step}/task_data/type`, config: `${step}/task_data` };
    return { ...base, ...taskData(reader, at.config, data), at };
  });
  refuseTwice(reader, steps);
  return steps;
}

/** What a task runs, and with what: `type` beside the fields of its input. */
export function taskData(
  reader: BodyReader,
  path: string,
  value: JsonValue | undefined,
): { readonly type: string; readonly config: JsonObject | undefined } {
  if (value === undefined) return { type: '', config: undefined };
  const { type, ...config } = reader.fields(path, value, [], true);
  return { type: reader.name(`${path}/type`, type), config: Object.keys(config).length === 0 ? undefined : config };
}

function refuseTwice(reader: BodyReader, steps: readonly WorkStep[]): void {
  const seen = new Set<string>();
  for (const { id, at } of steps) {
    if (id !== '' && seen.has(id)) reader.mistake(`${at.step}/id`, 'duplicate_id', `"${id}" stands twice`);
    seen.add(id);
  }
}

/** What a config runs in a step's place: an agent, or an execution of another config. */
export type Target = { readonly agent: string } | { readonly orchestration: { readonly config: string } };

/** The config of a workflow, a process or a task: its steps one after the other, each seeing what came before it. */
export function definitionOf(
  keptFor: KeptFor,
  name: string,
  { steps, continueOnError, after = [] }: Pick<Said, 'steps' | 'continueOnError' | 'after'>,
  targetOf: (step: WorkStep) => Target,
): JsonObject {
  return {
    name: `${keptFor}:${name}`,
    description: `Kept by the platform for a ${keptFor}; change it there.`,
    strategy: 'sequential',
    metadata: {
      batuta: {
        kept_for: keptFor,
        continue_on_error: continueOnError,
        workflows: steps.filter(({ isWorkflow }) => isWorkflow).map(({ id }) => id),
        after: after.map(({ process, on }) => ({ process, on })),
      },
    },
    steps: steps.map((step, index) => ({
      id: step.id,
      name: step.type,
      ...targetOf(step),
      ...(step.config === undefined ? {} : { input: step.config }),
      ...(step.timeoutMs === undefined ? {} : { timeout_ms: step.timeoutMs }),
      ...(step.retry === undefined ? {} : { retry: step.retry }),
      ...(continueOnError ? { on_failure: 'continue' } : {}),
      ...(index === 0 ? {} : { dependencies: [steps[index - 1]?.id ?? ''] }),
    })),
  };
}

/** What the mark of a config says beside its steps. */
export interface Mark {
  readonly kept_for: string;
  readonly continue_on_error: boolean;
  readonly workflows: readonly string[];
  readonly after: readonly ProcessDependency[];
}

/** The mark of a config that the platform keeps; undefined for any other. */
export function markOf({ metadata }: OrchestrationDefinition): Mark | undefined {
  const mark = (metadata as JsonObject | undefined)?.['batuta'];
  return typeof mark === 'object' && mark !== null ? (mark as unknown as Mark) : undefined;
}

type Shown = { readonly [key: string]: JsonValue };

function shownLimits({ timeout_ms: timeoutMs, retry }: StepDefinition): Shown {
  return {
    ...(timeoutMs === undefined ? {} : { timeout_ms: timeoutMs }),
    ...(retry === undefined ? {} : { retry: retry as unknown as JsonValue }),
  };
}

/** The tasks of a workflow, as its body says them. */
export function shownTasks({ steps }: OrchestrationDefinition): JsonObject[] {
  return steps.map((step) => ({
    id: step.id,
    type: step.name,
    ...(step.input === undefined ? {} : { config: step.input as JsonValue }),
    ...shownLimits(step),
  }));
}

/** The steps of a process, as its body says them. */
export function shownSteps({ steps }: OrchestrationDefinition, { workflows }: Mark): JsonObject[] {
  return steps.map((step) => {
    const { id, name, input } = step;
    if (!workflows.includes(id)) {
      return {
        id,
        type: 'task',
        task_data: { type: name, ...(input as JsonObject | undefined) },
        ...shownLimits(step),
      };
    }
    return {
      id,
      type: 'workflow',
      name,
      ...(input === undefined ? {} : { input: input as JsonValue }),
      ...shownLimits(step),
    };
  });
}

/** A mistake in the config, at its place in the body that the config was made from. */
export function placed(
  { path, message, ...rest }: Violation,
  { steps, after = [] }: Pick<Said, 'steps' | 'after'>,
  named: string,
): Violation {
  const waits = after[Number(/^\/after\/(\d+)\/process$/.exec(path)?.[1] ?? '-1')];
  if (waits?.path !== undefined) return { ...rest, message, path: waits.path };
  const [, index, field = ''] = /^\/steps\/(\d+)(\/.*)?$/.exec(path) ?? [];
  const at = index === undefined ? undefined : steps[Number(index)]?.at;
  const said = message.replace(/config "(workflow|process):/, '$1 "');
  if (at === undefined) return { ...rest, message: said, path: path === '/name' ? `/${named}` : path };
  if (field === '/agent' || field === '/orchestration/config' || field === '/name') {
    return { ...rest, message: said, path: at.type };
  }
  const input = field.startsWith('/input') ? field.slice('/input'.length) : undefined;
  return { ...rest, message: said, path: input === undefined ? `${at.step}${field}` : `${at.config}${input}` };
}
