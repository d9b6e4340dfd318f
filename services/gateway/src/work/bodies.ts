import { DEPENDENCY_ENDS, PRIORITIES, TASK_PRIORITIES } from '@batuta/contracts';
import type { JsonObject, JsonValue, Priority } from '@batuta/contracts';
import { documentBody, epochOf } from '../dto/document-body.js';
import {
  asAnswered,
  PROCESS_BODY,
  RESCHEDULE_BODY,
  RUN_BODY,
  TASK_BODY,
  usualTaskId,
  WORKFLOW_BODY,
} from '../dto/work-bodies.js';
import type {
  ProcessBody,
  ProcessStep,
  RescheduleBody,
  RunBody,
  TaskBody,
  TaskData,
  WorkflowBody,
  WorkflowTask,
} from '../dto/work-bodies.js';
import type { Said, WorkStep } from './steps.js';

const readWorkflow = documentBody<WorkflowBody>('The workflow', asAnswered(WORKFLOW_BODY));
const readProcess = documentBody<ProcessBody>('The process', asAnswered(PROCESS_BODY, ['config_id']));
const readTask = documentBody<TaskBody>('The task', TASK_BODY);
const readRun = documentBody<RunBody>('The body', RUN_BODY);
const readReschedule = documentBody<RescheduleBody>('The body', RESCHEDULE_BODY);

/** The body of a workflow. @throws Problem validation_failed. */
export function workflowIn(body: JsonValue): Said {
  const { name, tasks, config } = readWorkflow(body);
  return { name, steps: tasks.map(taskOf), continueOnError: config?.continue_on_error === true };
}

function taskOf({ id, type, config, timeout_ms: timeoutMs, retry }: WorkflowTask, index: number): WorkStep {
  const step = `/tasks/${index}`;
  const at = { step, type: `${step}/type`, config: `${step}/config` };
  return { id: id ?? usualTaskId(index), type, isWorkflow: false, config, timeoutMs, retry, at };
}

/** The body of a process. @throws Problem validation_failed. */
export function processIn(body: JsonValue): Said {
  const { id, steps, dependencies = [], after = [], config } = readProcess(body);
  const [on] = DEPENDENCY_ENDS;
  const waits = [
    ...dependencies.map((process, index) => ({ process, on, path: `/dependencies/${index}` })),
    ...after.map((each, index) => ({ on, ...each, path: `/after/${index}/process` })),
  ];
  return { name: id, steps: steps.map(stepOf), continueOnError: config?.continue_on_error === true, after: waits };
}

function stepOf(said: ProcessStep, index: number): WorkStep {
  const step = `/steps/${index}`;
  const { id, type, name = '', input, task_data: data, timeout_ms: timeoutMs, retry } = said;
  const base = { id, isWorkflow: type === 'workflow', timeoutMs, retry };
  if (data === undefined) {
    return { ...base, type: name, config: input, at: { step, type: `${step}/name`, config: `${step}/input` } };
  }
  const at = { step, type: `${step}/task_data/type`, config: `${step}/task_data` };
  return { ...base, ...runOf(data), at };
}

/** What a task runs, and with what: `type` beside the fields of its input. */
function runOf({ type, ...config }: TaskData): { readonly type: string; readonly config: JsonObject | undefined } {
  return { type, config: Object.keys(config).length === 0 ? undefined : config };
}

/** The fair queue that a task of this priority goes to. */
export function queueOf(priority: number): Priority {
  if (priority <= 3) return PRIORITIES[0];
  return priority <= 7 ? PRIORITIES[1] : PRIORITIES[2];
}

interface TaskSaid {
  readonly taskId: string | undefined;
  readonly step: WorkStep;
  readonly scheduledAt: number | undefined;
  readonly priority: number;
}

/** The body of a task. @throws Problem validation_failed. */
export function taskIn(body: JsonValue): TaskSaid {
  const { task_id: taskId, task_data: data, scheduled_time: at, priority = TASK_PRIORITIES.usual } = readTask(body);
  const places = { step: '/task_data', type: '/task_data/type', config: '/task_data' };
  const step = { id: 'task', ...runOf(data), isWorkflow: false, at: places, timeoutMs: undefined, retry: undefined };
  return { taskId, step, scheduledAt: at === undefined ? undefined : epochOf(at), priority };
}

/** What a run is started with. @throws Problem validation_failed. */
export function runIn(body: JsonValue | undefined): {
  readonly input: JsonValue | undefined;
  readonly startAt: number | undefined;
  readonly priority: Priority | undefined;
} {
  const { input, start_at: start, priority } = readRun(body ?? undefined);
  return { input, startAt: start === undefined ? undefined : epochOf(start), priority };
}

/** The new time of a task. @throws Problem validation_failed. */
export function rescheduleIn(body: JsonValue): { readonly startAt: number; readonly reason?: string } {
  const { scheduled_time: at, reason } = readReschedule(body);
  return { startAt: epochOf(at), ...(reason === undefined ? {} : { reason }) };
}
