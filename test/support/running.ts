import { eventually } from '@batuta/testing';
import type { Api } from './api.js';

/** Starts an execution as a client does that may lose its connection: sent again with its key until it is answered. */
export async function startSurely(api: Api, config: string, key: string, input: unknown): Promise<string> {
  let id = '';
  await eventually(
    async () => {
      ({ execution_id: id } = await api.client.executions.start(config, { input }, { idempotencyKey: key }));
    },
    { timeoutMs: 60_000, describe: `start ${key} is answered` },
  );
  return id;
}

/** Waits until every execution has this status. */
export async function allHaveStatus(api: Api, ids: readonly string[], status: string): Promise<void> {
  const open = new Set(ids);
  await eventually(
    async () => {
      for (const id of open) {
        const shown = await api.client.executions.get(id);
        if (shown.status !== status) {
          throw new Error(`${open.size} are not ${status}, for example ${id}: ${shown.status}`);
        }
        open.delete(id);
      }
    },
    { timeoutMs: 90_000, intervalMs: 100, describe: `all executions are ${status}` },
  );
}
