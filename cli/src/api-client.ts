import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatutaClient, ConnectionError, ProblemError, UnexpectedAnswerError } from '@batuta/client';
import { Mistake } from '@batuta/program';
import { WebSocket } from 'ws';

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

/** The API of a platform. */
export function clientOf({ url, apiKey }: Connection): BatutaClient {
  return new BatutaClient({ url, apiKey, WebSocket });
}

/** What went wrong with the API, in the words for a person; other errors as they are. */
export function shownError(error: unknown): unknown {
  const isOfApi =
    error instanceof ProblemError || error instanceof ConnectionError || error instanceof UnexpectedAnswerError;
  return isOfApi ? new CliError(error.message) : error;
}
