import { DEPENDENCY_ENDS, LIMITS, PRIORITIES, TASK_PRIORITIES } from '@batuta/contracts';
import type { DependencyOn, JsonValue, Priority } from '@batuta/contracts';
import { BodyReader } from './checks.js';
import { stepsIn, taskData, tasksIn } from './steps.js';
import type { Said, WorkStep } from './steps.js';

/** Fields that answers have beside what users say: a body may have them, and they are ignored. */
const KEPT = ['id', 'status', 'version', 'created_by', 'created_at', 'updated_at', 'last_run', 'repeated'];

/** The body of a workflow. @throws Problem validation_failed. */
export function workflowIn(body: JsonValue): Said {
  const reader = new BodyReader('The workflow');
  const { name, tasks, config } = reader.fields('', body, ['name', 'tasks', 'config', ...KEPT]);
  const steps = tasksIn(reader, tasks);
  const { continue_on_error: goesOn } = reader.fields('/config', config, ['continue_on_error']);
  const continueOnError = reader.flag('/config/continue_on_error', goesOn);
  const said = { name: reader.name('/name', name), steps, continueOnError };
  reader.end();
  return said;
}

/** The body of a process. @throws Problem validation_failed. */
export function processIn(body: JsonValue): Said {
  const reader = new BodyReader('The process');
  const known = ['steps', 'dependencies', 'after', 'config', 'config_id', ...KEPT];
  const { id, steps: given, dependencies, after, config } = reader.fields('', body, known);
  const steps = stepsIn(reader, given);
  const waits = [
    ...reader.list('/dependencies', dependencies, LIMITS.dependencies).map((each, index) => ({
      process: reader.token(`/dependencies/${index}`, each),
      on: DEPENDENCY_ENDS[0] as DependencyOn,
      path: `/dependencies/${index}`,
    })),
    ...reader.list('/after', after, LIMITS.dependencies).map((each, index) => {
      const path = `/after/${index}`;
      const { process, on } = reader.fields(path, each, ['process', 'on']);
      const found = reader.word(`${path}/on`, on, DEPENDENCY_ENDS) ?? DEPENDENCY_ENDS[0];
      return { process: reader.token(`${path}/process`, process), on: found, path: `${path}/process` };
    }),
  ];
  const { continue_on_error: goesOn } = reader.fields('/config', config, ['continue_on_error']);
  const continueOnError = reader.flag('/config/continue_on_error', goesOn);
  const name = reader.token('/id', id);
  const seen = new Set<string>();
  for (const { process, path } of waits) {
    if (process !== '' && seen.has(process)) {
      reader.mistake(path, 'duplicate_dependency', `"${process}" stands twice`);
    }
    if (process !== '' && process === name) reader.mistake(path, 'self_dependency', 'is the process itself');
    seen.add(process);
  }
  reader.end();
  return { name, steps, continueOnError, after: waits };
}

/** The fair queue that a task of this priority goes to. */
export function queueOf(priority: number): Priority {
  if (priority <= 3) return PRIORITIES[0];
  return priority <= 7 ? PRIORITIES[1] : PRIORITIES[2];
}

export interface TaskSaid {
  readonly taskId: string | undefined;
  readonly step: WorkStep;
  readonly scheduledAt: number | undefined;
  readonly priority: number;
}

/** The body of a task. @throws Problem validation_failed. */
export function taskIn(body: JsonValue): TaskSaid {
  const reader = new BodyReader('The task');
  const { task_id: id, ...fields } = reader.fields('', body, ['task_id', 'task_data', 'scheduled_time', 'priority']);
  const { task_data: data, scheduled_time: scheduled, priority } = fields;
  if (data === undefined) reader.mistake('/task_data', 'required', 'is required');
  const at = { step: '/task_data', type: '/task_data/type', config: '/task_data' };
  const step = { id: 'task', ...taskData(reader, '/task_data', data), isWorkflow: false, at };
  const taskId = id === undefined ? undefined : reader.name('/task_id', id);
  const scheduledAt = reader.time('/scheduled_time', scheduled);
  const { least, most, usual } = TASK_PRIORITIES;
  const number = reader.whole('/priority', priority, least, most) ?? usual;
  reader.end();
  return { taskId, step: { ...step, timeoutMs: undefined, retry: undefined }, scheduledAt, priority: number };
}

/** What a run is started with. @throws Problem validation_failed. */
export function runIn(body: JsonValue | undefined): {
  readonly input: JsonValue | undefined;
  readonly startAt: number | undefined;
  readonly priority: Priority | undefined;
} {
  const reader = new BodyReader('The body');
  const { input, start_at: start, priority } = reader.fields('', body, ['input', 'start_at', 'priority']);
  const said = {
    input,
    startAt: reader.time('/start_at', start),
    priority: reader.word('/priority', priority, PRIORITIES),
  };
  reader.end();
  return said;
}
