import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Mistake } from '@batuta/program';
import WebSocket from 'ws';

/** Where a running platform is, as `.batuta/run.json` says. */
export interface RunFile {
  readonly url: string;
  readonly pid: number;
  /** With user and password. */
  readonly nats_url: string;
  readonly api_key_file: string;
  /** With its password: the file is readable by its owner only. */
  readonly database_url: string;
  /** Where each service answers /health/ready. */
  readonly services: Readonly<Record<string, string>>;
  /** Absent when the database is not ours. */
  readonly postgres_log?: string | null;
  /** Holds a directory for each tenant, whose files its agents may read. */
  readonly agent_files: string;
}

/** A person's mistake or a platform that is not there: shown without a stack. */
export class CliError extends Mistake {
  override readonly name = 'CliError';
}

export interface Connection {
  readonly url: string;
  readonly apiKey: string;
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What `.batuta/run.json` says when the platform that wrote it is still alive, else undefined. */
export async function readRunFile(dataDir: string): Promise<RunFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDir, 'run.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  const run = JSON.parse(text) as RunFile;
  return isAlive(run.pid) ? run : undefined;
}

/**
 * The platform to talk to: BATUTA_URL and BATUTA_API_KEY when set, else the one running from `dataDir`.
 * @throws CliError when there is none, saying how to start or name one.
 */
export async function findPlatform(dataDir: string, env: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  if (env['BATUTA_URL'] !== undefined) {
    const apiKey = env['BATUTA_API_KEY'];
    if (apiKey === undefined) {
      throw new CliError('BATUTA_URL is set but BATUTA_API_KEY is not: set it to an API key of that platform.');
    }
    return { url: env['BATUTA_URL'].replace(/\/$/, ''), apiKey };
  }
  return await platformHere(dataDir);
}

/**
 * The platform that runs from `dataDir`, whatever the environment names.
 * @throws CliError when none does.
 */
export async function platformHere(dataDir: string): Promise<Connection> {
  const run = await readRunFile(dataDir);
  if (run === undefined) {
    throw new CliError(
      'No platform is running here. Start one with `npm start`, or name one with BATUTA_URL and BATUTA_API_KEY.',
    );
  }
  return { url: run.url, apiKey: (await readFile(run.api_key_file, 'utf8')).trim() };
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly errors?: readonly { path: string; message: string }[];
}

/** Calls the REST API; throws CliError with the problem's words when the answer is not 2xx. */
export async function callApi<T>(connection: Connection, method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`${connection.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${connection.apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw new CliError(`${connection.url} does not answer: ${String((error as Error).cause ?? error)}`);
  }
  const text = await response.text();
  if (!response.ok) {
    let problem: Problem = {};
    try {
      problem = JSON.parse(text) as Problem;
    } catch {
      // Not from Batuta (a proxy, say): the status says all there is.
    }
    const details = (problem.errors ?? []).map((item) => `\n  ${item.path || '/'}: ${item.message}`).join('');
    throw new CliError(
      `${method} ${path}: ${response.status} ${problem.title ?? response.statusText}` +
        `${problem.detail === undefined ? '' : `: ${problem.detail}`}${details}`,
    );
  }
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export interface MonitorEvent {
  readonly version: number;
  readonly type: string;
  readonly at: string;
  readonly data: Record<string, unknown>;
}

/**
 * Follows an execution over the WebSocket until its terminal event; calls `onEvent` in order of version.
 * A connection that breaks is made again and goes on behind the last version seen.
 * @throws CliError when the platform refuses the connection, or after `maxReconnects` breaks in a row without an event.
 */
export async function followExecution(
  connection: Connection,
  executionId: string,
  onEvent: (event: MonitorEvent) => void,
  maxReconnects = 20,
): Promise<void> {
  let nextVersion = 1;
  let breaks = 0;
  for (;;) {
    const url = `${connection.url.replace(/^http/, 'ws')}/ws/executions/${executionId}/monitor?from_version=${nextVersion}`;
    const ended = await new Promise<boolean>((resolve, reject) => {
      const socket = new WebSocket(url, { headers: { authorization: `Bearer ${connection.apiKey}` } });
      socket.on('message', (data: Buffer) => {
        const event = JSON.parse(data.toString('utf8')) as MonitorEvent;
        breaks = 0;
        nextVersion = event.version + 1;
        onEvent(event);
      });
      socket.on('unexpected-response', (_request, response) => {
        socket.terminate();
        reject(new CliError(`the platform refused the WebSocket with status ${String(response.statusCode)}`));
      });
      // What follows an error is always a close, which decides.
      socket.on('error', () => undefined);
      socket.on('close', (code) => resolve(code === 1000));
    });
    if (ended) {
      return;
    }
    breaks += 1;
    if (breaks > maxReconnects) {
      throw new CliError(`the WebSocket of execution ${executionId} keeps breaking; is the platform still running?`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
