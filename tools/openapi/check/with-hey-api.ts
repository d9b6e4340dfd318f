import { client } from './generated/hey-api/client.gen.js';
import { configsCreate, executionsEvents, executionsResult, executionsStart } from './generated/hey-api/sdk.gen.js';

client.setConfig({ baseUrl: process.env['BATUTA_URL'] ?? '', auth: () => process.env['BATUTA_API_KEY'] ?? '' });
const name = `hey-api-${Date.now()}`;
const { data: config } = await configsCreate({
  throwOnError: true,
  body: {
    name,
    strategy: 'sequential',
    steps: [{ id: 'hello', name: 'Hello', agent: 'echo', input: { said: 'hello' } }],
  },
});
const { data: started } = await executionsStart({
  throwOnError: true,
  path: { config_id: config.id },
  body: { input: { who: 'world' } },
});
const id = started.execution_id;
const { data: result } = await executionsResult({ throwOnError: true, path: { id }, query: { wait: '60s' } });
if (result.status !== 'completed') throw new Error(JSON.stringify(result));
const { data: page } = await executionsEvents({ throwOnError: true, path: { id } });
const completed: string[] = [];
for (const event of page.events) if (event.type === 'StepCompleted') completed.push(event.data.step_id);
if (completed.join() !== 'hello') throw new Error(JSON.stringify(page));
console.log('created, executed, waited, read typed events');
