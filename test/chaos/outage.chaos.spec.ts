import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import type { Answer, Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const API = '/api/v1/orchestrations';
const CONFIG = { name: 'plain', strategy: 'sequential', steps: [{ id: 'only', name: 'Only', agent: 'echo' }] };

describe('while PostgreSQL is unavailable', () => {
  let cluster: Cluster;
  let api: Api;
  let executionId: string;

  beforeAll(async () => {
    cluster = await Cluster.start({ instances: { notifications: 1 } });
    api = cluster.api();
    expectStatus(await api.post(`${API}/configs`, CONFIG), 201);
    const started = await api.post<{ execution_id: string }>(`${API}/execute/plain?wait=60s`, { input: {} });
    executionId = expectStatus(started, 200).execution_id;
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  const requests = (): Record<string, () => Promise<Answer>> => ({
    'the list of configs': () => api.get(`${API}/configs`),
    'a config': () => api.get(`${API}/configs/plain`),
    'a new config': () => api.post(`${API}/configs`, { ...CONFIG, name: 'new' }),
    'the list of executions': () => api.get(`${API}/executions`),
    'an execution': () => api.get(`${API}/executions/${executionId}`),
    'its events': () => api.get(`${API}/executions/${executionId}/events`),
    'a start': () => api.post(`${API}/execute/plain`, { input: {} }, { 'idempotency-key': 'away' }),
    agents: () => api.get('/api/v1/agents'),
    'a search': () => api.get('/api/v1/knowledge/search?q=x'),
    keys: () => api.get('/api/v1/api-keys'),
    callbacks: () => api.get(`${API}/callbacks`),
    approvals: () => api.get(`${API}/approvals`),
  });

  it('every request is answered with 503 and a time for a retry, and works again afterwards', async () => {
    await cluster.postgres.stop();
    const answers = await Promise.all(
      Object.entries(requests()).map(async ([name, ask]): Promise<unknown[]> => {
        const { status, headers, body } = await ask();
        return [name, status, body['code'], headers.get('retry-after') !== null];
      }),
    );
    expect(answers).toEqual(Object.keys(requests()).map((name) => [name, 503, 'unavailable', true]));
    await cluster.postgres.start();
    await eventually(
      async () => {
        for (const ask of Object.values(requests())) {
          const { status, body } = await ask();
          // The earlier start and config may have been stored after all.
          if (status >= 500) throw new Error(JSON.stringify(body));
        }
      },
      { timeoutMs: 120_000, describe: 'every request works again' },
    );
  }, 300_000);
});
