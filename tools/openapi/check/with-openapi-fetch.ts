import createClient from 'openapi-fetch';
import type { paths } from './generated/openapi-typescript.js';

const client = createClient<paths>({
  baseUrl: process.env['BATUTA_URL'] ?? '',
  headers: { authorization: `Bearer ${process.env['BATUTA_API_KEY'] ?? ''}` },
});
const name = `openapi-typescript-${Date.now()}`;
const created = await client.POST('/api/v1/orchestrations/configs', {
  body: {
    name,
    strategy: 'sequential',
    steps: [{ id: 'hello', name: 'Hello', agent: 'echo', input: { said: 'hello' } }],
  },
});
if (created.data === undefined) throw new Error(created.error.detail);
const started = await client.POST('/api/v1/orchestrations/execute/{config_id}', {
  params: { path: { config_id: created.data.id } },
  body: { input: { who: 'world' } },
});
if (started.data === undefined) throw new Error(started.error.detail);
const id = started.data.execution_id;
const result = await client.GET('/api/v1/orchestrations/executions/{id}/result', {
  params: { path: { id }, query: { wait: '60s' } },
});
if (result.data?.status !== 'completed') throw new Error(JSON.stringify(result));
const page = await client.GET('/api/v1/orchestrations/executions/{id}/events', { params: { path: { id } } });
const completed: string[] = [];
for (const event of page.data?.events ?? []) if (event.type === 'StepCompleted') completed.push(event.data.step_id);
if (completed.join() !== 'hello') throw new Error(JSON.stringify(page));
console.log('created, executed, waited, read typed events');
