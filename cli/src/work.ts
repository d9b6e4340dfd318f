import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { BatutaClient } from '@batuta/client';
import { CliError } from './api-client.js';

type WorkNoun = 'schedules' | 'tasks' | 'workflows' | 'processes';

interface WorkOptions {
  readonly reason?: string;
  /** Of tasks: when. */
  readonly at?: string;
}

/** One line each, the newest first. */
export async function* workLines(client: BatutaClient, noun: WorkNoun, limit: number): AsyncGenerator<string> {
  let left = limit;
  for await (const line of linesOf(client, noun)) {
    if (left-- <= 0) return;
    yield line;
  }
}

async function* linesOf(client: BatutaClient, noun: WorkNoun): AsyncGenerator<string> {
  switch (noun) {
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
export async function createWork(client: BatutaClient, noun: WorkNoun, file: string): Promise<object> {
  const body = await documentIn(file);
  switch (noun) {
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

async function documentIn(file: string): Promise<object> {
  let said: string;
  try {
    said = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(said) as object;
  } catch (error) {
    throw new CliError(`${file} is not JSON: ${(error as Error).message}`);
  }
}

type Verb = (client: BatutaClient, id: string, options: WorkOptions) => PromiseLike<object>;

const why = ({ reason }: WorkOptions): { reason?: string } => (reason === undefined ? {} : { reason });

/** What can be done to one of them, by the words of the command line. */
const WORK_VERBS: Readonly<Record<WorkNoun, Readonly<Record<string, Verb>>>> = {
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
