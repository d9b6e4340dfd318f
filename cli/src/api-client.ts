import { readFile } from 'node:fs/promises';
import { BatutaClient, ConnectionError, ProblemError, UnexpectedAnswerError } from '@batuta/client';
import { Mistake } from '@batuta/program';
import { WebSocket } from 'ws';
import { readRunFile } from '../run-file.js';

/** A user's mistake, or a platform that cannot be reached. Shown without a stack trace. */
export class CliError extends Mistake {
  override readonly name = 'CliError';
}

interface Connection {
  readonly url: string;
  readonly apiKey: string;
}

/**
 * The platform to use: BATUTA_URL and BATUTA_API_KEY if set, otherwise the one that runs from `dataDir`.
 * @throws CliError when there is none. The message says how to start or name one.
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
 * The platform that runs from `dataDir`, whatever the environment contains.
 * @throws CliError when there is none.
 */
export async function platformHere(dataDir: string): Promise<Connection> {
  const run = readRunFile(dataDir);
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

/** An error of the API in a form for people. Other errors are returned unchanged. */
export function shownError(error: unknown): unknown {
  const isOfApi =
    error instanceof ProblemError || error instanceof ConnectionError || error instanceof UnexpectedAnswerError;
  if (!isOfApi) return error;
  return new CliError(nothingListens(error) ? `${error.message}\n${NOTHING_LISTENS}` : error.message);
}

const NOTHING_LISTENS =
  'Is the platform running? Start one with `npm start`, or name another with BATUTA_URL and BATUTA_API_KEY.';

/** Whether no program listens at the address of the platform. */
function nothingListens(error: Error): boolean {
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ECONNREFUSED') return true;
  }
  return false;
}
