import { httpClient } from '../harness/http.mjs';

/** @param {{ entry_port: number }} given */
export async function connect(given) {
  const http = httpClient(given.entry_port);
  return {
    /** @param {string} execution @param {import('../harness/workload.mjs').Shape} shape */
    execute: (execution, shape) => http.post('/executions', { id: execution, shape }),
  };
}
