import { readFile } from 'node:fs/promises';
import { BatutaClient, ConnectionError, ProblemError, UnexpectedAnswerError } from '@batuta/client';
import { Mistake } from '@batuta/program';
import { WebSocket } from 'ws';
import { readRunFile } from '../run-file.js';

/** A person's mistake or a platform that is not there: shown without a stack. */
export class CliError extends Mistake {
  override readonly name = 'CliError';
}

export interface Connection {
  readonly url: string;
  readonly apiKey: string;
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

/** What went wrong with the API, in the words for a person; other errors as they are. */
export function shownError(error: unknown): unknown {
  const isOfApi =
    error instanceof ProblemError || error instanceof ConnectionError || error instanceof UnexpectedAnswerError;
  return isOfApi ? new CliError(error.message) : error;
}
