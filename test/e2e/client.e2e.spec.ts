import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isProblem } from '@batuta/client';
import type { BatutaClient, Event, OrchestrationDefinition } from '@batuta/client';
import { LocalPlatform } from '../support/local-platform.js';

const GREETING: OrchestrationDefinition = {
  name: 'client-greeting',
  strategy: 'sequential',
  steps: [
    { id: 'hello', name: 'Hello', agent: 'echo', input: { said: 'hello' } },
    { id: 'wait', name: 'Wait', agent: 'delay', input: { ms: 300 } },
  ],
};

describe('the client, with a platform', () => {
  let platform: LocalPlatform;
  let client: BatutaClient;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    client = platform.admin().client;
    await client.configs.create(GREETING);
  }, 300_000);
  afterAll(() => platform?.stop(), 300_000);

  it('starts an execution, follows it live, waits for its result and reads its typed events', async () => {
    const { execution_id: id } = await client.executions.start(GREETING.name, { input: { who: 'world' } });
    const live: Event[] = [];
    for await (const event of client.executions.follow(id)) live.push(event);
    const result = await client.executions.wait(id);
    expect(result.status).toBe('completed');

    const events = await client.executions.events(id, { limit: 2 }).all();
    expect(live).toEqual(events);
    const outputs: unknown[] = [];
    for (const event of events) if (event.type === 'StepCompleted') outputs.push(event.data.output);
    expect(outputs[0]).toEqual({ said: 'hello' });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['ExecutionStarted', 'StepScheduled', 'StepCompleted', 'ExecutionCompleted']),
    );
    // From the middle, like a client that was disconnected.
    const rest: number[] = [];
    for await (const { version } of client.executions.follow(id, { fromVersion: 3 })) rest.push(version);
    expect(rest).toEqual(events.slice(2).map(({ version }) => version));
  }, 300_000);

  it('runs an execution to its end in one call, once for one key', async () => {
    const idempotencyKey = 'client-once';
    const first = await client.executions.run(GREETING.name, {}, { idempotencyKey, wait: '30s' });
    const again = await client.executions.run(GREETING.name, {}, { idempotencyKey, wait: '30s' });
    expect(first.status).toBe('completed');
    expect([again.execution_id, again.repeated]).toEqual([first.execution_id, true]);
  }, 300_000);

  it('changes only the version that it has read, and reads only changes', async () => {
    const { etag = '' } = await client.configs.get(GREETING.name).full();
    await expect(client.configs.get(GREETING.name, { ifNoneMatch: etag })).rejects.toThrow('not modified');
    await client.configs.patch(GREETING.name, { description: 'Says hello.' }, { ifMatch: etag });
    const stale = await client.configs
      .patch(GREETING.name, { description: 'Says nothing.' }, { ifMatch: etag })
      .catch((error: unknown) => error);
    expect(isProblem(stale, 'version_conflict')).toBe(true);
  }, 300_000);

  it('reads every page of a list', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.configs.create({ ...GREETING, name: `paged-${name}` });
    const names: string[] = [];
    for await (const config of client.configs.list({ name: 'paged-', limit: 2 })) names.push(config.name);
    expect(names.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `paged-${name}`));
  }, 300_000);

  it('tells why an execution cannot be followed', async () => {
    const none = '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f';
    await expect(client.executions.follow(none).next()).rejects.toMatchObject({ code: 'not_found' });
    const wrong = (await platform.user('other', 'viewer')).client;
    await expect(wrong.executions.start(GREETING.name)).rejects.toMatchObject({ code: 'forbidden' });
  }, 300_000);
});
