import { ConnectionError } from '@batuta/client';
import { eventually } from '@batuta/testing';
import type { EventuallyOptions } from '@batuta/testing';
import { expectStatus } from './api.js';
import type { Answer, Api } from './api.js';

/** The answer says nothing about the request: nobody was there, or it must be sent again later. */
class AskAgain extends Error {}

/**
 * Sends a request like a client that may lose its connection: again while there is no answer, or while the answer is
 * 503 with a time for a retry. Every other answer is judged at once. An error of `judge` ends the waiting, unless it is
 * an `AskAgain`.
 */
async function surely<T, R>(
  ask: () => Promise<Answer<T>>,
  judge: (answer: Answer<T>) => R,
  options: EventuallyOptions,
): Promise<R> {
  let wrong: Error | undefined;
  const found = await eventually(
    async () => {
      try {
        const answer = await ask();
        if (answer.status === 503 && answer.headers.get('retry-after') !== null) {
          throw new AskAgain('answered with 503');
        }
        return { result: judge(answer) };
      } catch (error) {
        const isAway = error instanceof AskAgain || isSilence(error);
        if (!isAway) wrong = error as Error;
        throw error;
      }
    },
    { ...options, pointless: () => wrong },
  );
  return found.result;
}

/**
 * Whether there was no answer. The client reports an invalid answer as an error of the connection too. Errors are
 * recognised by name, because `fetch` throws errors of Node's realm, which are not instances of the classes that a test
 * sees.
 */
function isSilence(error: unknown): boolean {
  if (!(error instanceof Error) && Object.prototype.toString.call(error) !== '[object Error]') return false;
  const { name, cause } = error as Error;
  // The connection was cut in the middle of the answer.
  if (name === 'TypeError') return cause !== undefined;
  if (!(error instanceof ConnectionError)) return false;
  return ['TypeError', 'TimeoutError'].includes((cause as Error | undefined)?.name ?? '');
}

/** Starts an execution with its key, so that it starts once, however often the request is sent. */
export function startSurely(api: Api, config: string, key: string, input: unknown): Promise<string> {
  return surely(
    () =>
      api.post<{ execution_id: string }>(
        `/api/v1/orchestrations/execute/${config}`,
        { input },
        { 'idempotency-key': key },
      ),
    (answer) => expectStatus(answer, 202).execution_id,
    { timeoutMs: 300_000, describe: `start ${key} is answered` },
  );
}

/** Waits until every execution has this status. */
export async function allHaveStatus(
  api: Api,
  ids: readonly string[],
  status: string,
  timeoutMs = 600_000,
): Promise<void> {
  const open = new Set(ids);
  const until = performance.now() + timeoutMs;
  for (const id of ids) {
    await surely(
      () => api.get<{ status: string }>(`/api/v1/orchestrations/executions/${id}`),
      (answer) => {
        const { status: now } = expectStatus(answer, 200);
        if (now !== status) throw new AskAgain(`${open.size} are not ${status}, for example ${id}: ${now}`);
        open.delete(id);
      },
      {
        timeoutMs: Math.max(1, until - performance.now()),
        intervalMs: 100,
        describe: `all executions are ${status}`,
      },
    );
  }
}
