import type {
  DependencyOn,
  JsonObject,
  JsonValue,
  OrchestrationDefinition,
  Retry,
  StepDefinition,
  Violation,
} from '@batuta/contracts';

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
  readonly timeoutMs: number | undefined;
  readonly retry: Retry | undefined;
  /** Places of the step, of what it runs and of its input, in the body. */
  readonly at: { readonly step: string; readonly type: string; readonly config: string };
}

/** A process whose newest run has to end before a run of another one begins. */
interface ProcessDependency {
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
      ...(step.retry === undefined ? {} : { retry: step.retry as unknown as JsonValue }),
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
