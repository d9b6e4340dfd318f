import type { BatutaClient } from '@batuta/client';
import type { ListOptions, WorkNoun } from '../command-line.js';
import { CliError } from './api-client.js';
import { saveConfig } from './configs.js';
import { documentIn } from './json-argument.js';

interface WorkOptions {
  readonly reason?: string;
  /** Of tasks: when. */
  readonly at?: string;
}

/** One line each, the newest first. One line that says so when there are none. */
export async function* workLines(
  client: BatutaClient,
  noun: WorkNoun,
  { limit = 50, ...filters }: ListOptions,
): AsyncGenerator<string> {
  let count = 0;
  for await (const line of linesOf(client, noun, filters)) {
    if (count >= limit) return;
    count += 1;
    yield line;
  }
  if (count === 0) yield `there are no ${Object.keys(filters).length === 0 ? '' : 'such '}${noun}`;
}

async function* linesOf(client: BatutaClient, noun: WorkNoun, filters: ListOptions): AsyncGenerator<string> {
  switch (noun) {
    case 'configs':
      for await (const { id, name, version, steps_count: steps } of client.configs.list()) {
        yield `${id}  ${name}  version ${version}  ${steps} step${steps === 1 ? '' : 's'}`;
      }
      return;
    case 'executions': {
      const { status, config: config_id, session: session_id } = filters;
      for await (const execution of client.executions.list({ status, config_id, session_id })) {
        const { id, status: state, config_name: config, created_at: at, failure } = execution;
        yield `${id}  ${state}  ${config}  ${at ?? ''}${failure === undefined ? '' : `  ${failure.code}`}`;
      }
      return;
    }
    case 'schedules':
      for await (const { id, name, status, next_at: next } of client.schedules.list()) {
        yield `${id}  ${status}  ${name}${next == null ? '' : `  next at ${next}`}`;
      }
      return;
    case 'tasks':
      for await (const { task_id: id, status, task_data: data, scheduled_time: at } of client.tasks.list()) {
        yield `${id}  ${status}  ${data.type}${at == null ? '' : `  at ${at}`}`;
      }
      return;
    case 'workflows':
      for await (const { id, name, status } of client.workflows.list()) yield `${id}  ${status}  ${name}`;
      return;
    case 'processes':
      for await (const { id, status, after } of client.processes.list()) {
        const waits = after.map(({ process }) => process).join(', ');
        yield `${id}  ${status}${waits === '' ? '' : `  after ${waits}`}`;
      }
      return;
    default:
      noun satisfies never;
  }
}

/** One of them, as the API shows it. */
export async function shownWork(client: BatutaClient, noun: WorkNoun, id: string): Promise<object> {
  return await client[noun].get(id);
}

/** Makes one of a document: a file, or "-" for standard input. @throws CliError when it cannot be read. */
export async function createWork(
  client: BatutaClient,
  noun: Exclude<WorkNoun, 'executions'>,
  file: string,
): Promise<object> {
  const body = await documentIn(file);
  switch (noun) {
    case 'configs':
      return await saveConfig(client, body as never);
    case 'schedules':
      return await client.schedules.create(body as never);
    case 'tasks':
      return await client.tasks.create(body as never);
    case 'workflows':
      return await client.workflows.create(body as never);
    case 'processes':
      return await client.processes.create(body as never);
    default:
      return noun satisfies never;
  }
}

type Verb = (client: BatutaClient, id: string, options: WorkOptions) => PromiseLike<object>;

const why = ({ reason }: WorkOptions): { reason?: string } => (reason === undefined ? {} : { reason });

/** What can be done to one of them, by the words of the command line. */
const WORK_VERBS: Readonly<Record<WorkNoun, Readonly<Record<string, Verb>>>> = {
  configs: {},
  executions: {
    result: (client, id) => client.executions.result(id),
    pause: (client, id, options) => client.executions.pause(id, why(options)),
    resume: (client, id, options) => client.executions.resume(id, why(options)),
    cancel: (client, id, options) => client.executions.cancel(id, why(options)),
    retry: (client, id, options) => client.executions.retry(id, why(options)),
  },
  schedules: {
    pause: (client, id, options) => client.schedules.pause(id, why(options)),
    resume: (client, id, options) => client.schedules.resume(id, why(options)),
    trigger: (client, id) => client.schedules.trigger(id, {}),
    preview: (client, id) => client.schedules.preview(id),
    history: (client, id) => client.schedules.history(id, { limit: 100 }),
    rm: (client, id) => client.schedules.delete(id),
  },
  tasks: {
    cancel: (client, id, options) => client.tasks.cancel(id, why(options)),
    reschedule: (client, id, { at, ...options }) => {
      if (at === undefined) throw new CliError('say when, such as --at 2030-01-31T12:00:00Z');
      return client.tasks.reschedule(id, { scheduled_time: at, ...why(options) });
    },
  },
  workflows: {
    start: (client, id) => client.workflows.start(id),
    pause: (client, id, options) => client.workflows.pause(id, why(options)),
    resume: (client, id, options) => client.workflows.resume(id, why(options)),
    runs: (client, id) => client.workflows.runs(id),
    rm: (client, id) => client.workflows.delete(id),
  },
  processes: {
    start: (client, id) => client.processes.start(id),
    retry: (client, id, options) => client.processes.retry(id, why(options)),
    cancel: (client, id, options) => client.processes.cancel(id, why(options)),
    runs: (client, id) => client.processes.runs(id),
    rm: (client, id) => client.processes.delete(id),
  },
};

/** @throws CliError for a word that is none of the noun's. */
export async function changedWork(
  client: BatutaClient,
  noun: WorkNoun,
  word: string,
  id: string,
  options: WorkOptions,
): Promise<object> {
  const verb = WORK_VERBS[noun][word];
  if (verb === undefined) throw new CliError(`${noun} know no "${word}"`);
  return await verb(client, id, options);
}
