import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ALL_OPERATIONS, operations } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { KEYS } from './fake-platform.js';
import { startGatewayOn, startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

type Era = 'auto' | 'legacy';
const TIMEOUT = { timeout: 120_000 };
const INPUT = { type: 'object', properties: { who: { type: 'string' } }, required: ['who'] };

describe('the MCP endpoint', () => {
  let under: UnderTest;
  const clients: Client[] = [];

  beforeAll(async () => {
    under = await startUnderTest();
    under.fake.handlers.set(operations.agents.list.subject, () => ({
      agents: [
        {
          name: 'echo',
          pool: 'x',
          description: 'Says it.',
          inputSchema: { type: 'object' },
          builtIn: true,
          revision: 1,
        },
        { name: 'typed', pool: 'x', inputSchema: { type: 'object', properties: { type: {} } }, builtIn: false },
      ],
    }));
  });
  afterAll(async () => {
    await under.close();
  });
  beforeEach(() => {
    under.fake.configs.clear();
    under.fake.finishAtOnce = true;
    under.fake.putConfig('greeting', { description: 'Greets somebody.', input_schema: INPUT } as never);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  async function connect(key: string, mode: Era, headers = {}, url = under.gateway.url): Promise<Client> {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${key}`, ...headers } },
    });
    await client.connect(transport, TIMEOUT);
    clients.push(client);
    return client;
  }

  const textOf = ({ content }: CallToolResult): string => {
    const [first] = content;
    return first?.type === 'text' ? first.text : '';
  };
  const started = () => [...under.fake.executions.keys()];
  const commands = () => under.fake.asked.filter(({ pattern }) => pattern === 'command');
  const cancelled = (id: string) =>
    under.fake.executions.get(id)?.events.some(({ type }) => type === 'ExecutionCancelled') ?? false;

  describe.each(['auto', 'legacy'] as const)('with a client of the %s protocol', (mode) => {
    it('speaks the newest version that both know', async () => {
      const client = await connect(KEYS.operator, mode);
      expect(client.getProtocolEra()).toBe(mode === 'auto' ? 'modern' : 'legacy');
      expect(client.getServerVersion()).toMatchObject({ name: 'batuta' });
      expect(client.getInstructions()).toContain('executions_result');
    });

    it('lists configs with their description and schema, and operations with those of the API', async () => {
      const { tools } = await (await connect(KEYS.operator, mode)).listTools(undefined, TIMEOUT);
      const tool = tools.find(({ name }) => name === 'run_greeting');
      expect(tool).toMatchObject({ title: 'greeting', inputSchema: INPUT });
      expect(tool?.description).toContain('Greets somebody.');
      const cancel = tools.find(({ name }) => name === 'executions_cancel');
      expect(cancel).toMatchObject({
        annotations: { readOnlyHint: false },
        inputSchema: { required: ['id'], properties: { body: { $ref: '#/$defs/CancelBody' }, idempotency_key: {} } },
      });
      const named = ALL_OPERATIONS.filter(({ http }) => http?.tool === true).map(({ name }) => name);
      expect(tools.map(({ name }) => name)).toEqual(
        expect.arrayContaining(named.map((name) => name.replace('.', '_'))),
      );
      expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length);
      for (const { name } of tools) expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    });

    it('runs a config and answers with its output, its state and a link', async () => {
      const client = await connect(KEYS.operator, mode);
      await client.listTools(undefined, TIMEOUT);
      const result = await client.callTool({ name: 'run_greeting', arguments: { who: 'Ada' } }, TIMEOUT);
      expect(JSON.parse(textOf(result))).toEqual({ echoed: { who: 'Ada' } });
      const { execution_id: id } = result.structuredContent as { execution_id: string };
      expect(result.structuredContent).toMatchObject({ status: 'completed', output: { echoed: { who: 'Ada' } } });
      expect(result.content).toContainEqual(
        expect.objectContaining({
          type: 'resource_link',
          uri: `${under.gateway.url}/api/v1/orchestrations/executions/${id}`,
        }),
      );
    });

    it('says the mistakes of an input to the model, and starts nothing', async () => {
      const client = await connect(KEYS.operator, mode);
      const before = started().length;
      const result = await client.callTool({ name: 'run_greeting', arguments: { who: 7 } }, TIMEOUT);
      expect(result.isError).toBe(true);
      expect(textOf(result)).toMatch(/^input_invalid: .*\n- \/input\/who: /s);
      expect(started()).toHaveLength(before);
    });

    it('reports the progress of a run from its events, with growing numbers', async () => {
      under.fake.finishAtOnce = false;
      const client = await connect(KEYS.operator, mode);
      const before = new Set(started());
      const told: { progress: number; message?: string | undefined }[] = [];
      const call = client.callTool(
        { name: 'run_greeting', arguments: { who: 'Ada' } },
        { ...TIMEOUT, onprogress: (progress) => told.push(progress) },
      );
      const [id = ''] = await eventually(() => {
        const fresh = started().filter((each) => !before.has(each));
        return fresh.length > 0 && fresh;
      });
      await eventually(() => told.some(({ message }) => message?.includes(id)));
      under.fake.append(id, 'StepScheduled', { stepId: 'hello', attempt: 1 });
      await eventually(() => told.some(({ message }) => message === 'step hello is scheduled'));
      under.fake.append(id, 'StepCompleted', { stepId: 'hello', attempt: 1, output: 1 });
      await eventually(() => told.some(({ message }) => message === 'step hello is completed'));
      under.fake.append(id, 'ExecutionCompleted', { output: 'hello Ada' });
      expect(textOf(await call)).toBe('hello Ada');
      const numbers = told.map(({ progress }) => progress);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    });

    it('cancels the execution of a call that the client cancels', async () => {
      under.fake.finishAtOnce = false;
      const client = await connect(KEYS.operator, mode);
      const before = new Set(started());
      const cancel = new AbortController();
      const call = client.callTool(
        { name: 'run_greeting', arguments: { who: 'Ada' } },
        { ...TIMEOUT, signal: cancel.signal },
      );
      const outcome = call.then(
        () => 'answered',
        () => 'rejected',
      );
      const [id = ''] = await eventually(() => {
        const fresh = started().filter((each) => !before.has(each));
        return fresh.length > 0 && fresh;
      });
      cancel.abort('not needed');
      expect(await outcome).toBe('rejected');
      await eventually(() => cancelled(id));
      const said = commands().at(-1)?.data as { cancel?: { reason?: string } };
      expect(said.cancel?.reason).toContain('MCP');
    });

    it('answers a viewer with what a viewer may do, and refuses the rest by the role', async () => {
      const client = await connect(KEYS.viewer, mode);
      const { tools } = await client.listTools(undefined, TIMEOUT);
      const names = tools.map(({ name }) => name);
      expect(names).toContain('executions_status');
      expect(names.filter((name) => /^run_|^agent_|cancel|start|create/.test(name))).toEqual([]);
      await expect(client.callTool({ name: 'run_greeting', arguments: { who: 'x' } }, TIMEOUT)).rejects.toThrow(
        'There is no tool',
      );
      const refused = await client.callTool(
        { name: 'executions_start', arguments: { config_id: 'greeting', body: { input: { who: 'x' } } } },
        TIMEOUT,
      );
      expect([refused.isError, textOf(refused)]).toEqual([true, expect.stringMatching(/^forbidden: /)]);
    });

    it('calls an operation as the API does, with its refusals', async () => {
      const client = await connect(KEYS.operator, mode);
      const startedNow = await client.callTool(
        {
          name: 'executions_start',
          arguments: { config_id: 'greeting', wait: '30s', body: { input: { who: 'Ada' } } },
        },
        TIMEOUT,
      );
      expect(startedNow.structuredContent).toMatchObject({ status: 'completed' });
      const { execution_id: id } = startedNow.structuredContent as { execution_id: string };
      const shown = await client.callTool({ name: 'executions_get', arguments: { id } }, TIMEOUT);
      expect(shown.structuredContent).toMatchObject({ id, status: 'completed' });
      const wrong = await client.callTool({ name: 'configs_create', arguments: { body: { name: 'x' } } }, TIMEOUT);
      expect(textOf(wrong)).toMatch(/^validation_failed: .*\n- \/steps: /s);
      const odd = await client.callTool({ name: 'executions_get', arguments: { id, verbose: true } }, TIMEOUT);
      expect(textOf(odd)).toContain('There is no argument "verbose"');
    });
  });

  it.each(['..', '.', ''])('does not let an argument %j lead to another path', async (id) => {
    const client = await connect(KEYS.operator, 'auto');
    const asked = () => under.fake.asked.filter(({ pattern }) => pattern === operations.executions.get.subject).length;
    const before = asked();
    const result = await client.callTool({ name: 'executions_steps', arguments: { id } }, TIMEOUT);
    expect(result.isError).toBe(true);
    expect(asked()).toBe(before);
  });

  it('treats an argument that looks like a path as one id', async () => {
    const client = await connect(KEYS.operator, 'auto');
    const result = await client.callTool(
      { name: 'executions_steps', arguments: { id: '../../configs?x=1#' } },
      TIMEOUT,
    );
    expect(textOf(result)).toMatch(/^not_found: /);
  });

  it('answers the same call again with the same execution, also through another gateway', async () => {
    const other = await startGatewayOn(under.nats);
    try {
      const first = await connect(KEYS.operator, 'auto', { 'idempotency-key': 'night-run-7' });
      const second = await connect(KEYS.operator, 'auto', { 'idempotency-key': 'night-run-7' }, other.gateway.url);
      const call = { name: 'run_greeting', arguments: { who: 'Ada' } };
      const one = await first.callTool(call, TIMEOUT);
      const two = await second.callTool(call, TIMEOUT);
      expect(two.structuredContent).toEqual(one.structuredContent);
      const changed = await second.callTool({ ...call, arguments: { who: 'Eve' } }, TIMEOUT);
      expect(textOf(changed)).toMatch(/^idempotency_mismatch: /);
      const meta = { 'batuta/idempotency_key': 'in-the-call' };
      const plain = await connect(KEYS.operator, 'auto');
      const three = await plain.callTool({ ...call, _meta: meta }, TIMEOUT);
      const four = await plain.callTool({ ...call, _meta: meta }, TIMEOUT);
      expect(four.structuredContent).toEqual(three.structuredContent);
      expect(three.structuredContent).not.toEqual(one.structuredContent);
    } finally {
      await other.gateway.close();
    }
  });

  it('gives a call with a key back to a client that lost its connection, and does not cancel it', async () => {
    under.fake.finishAtOnce = false;
    const before = new Set(started());
    const lost = await connect(KEYS.operator, 'auto', { 'idempotency-key': 'lost-and-found' });
    const call = { name: 'run_greeting', arguments: { who: 'Ada' } };
    const broken = lost.callTool(call, { ...TIMEOUT, onprogress: () => undefined }).then(
      () => 'answered',
      () => 'rejected',
    );
    const [id = ''] = await eventually(() => {
      const fresh = started().filter((each) => !before.has(each));
      return fresh.length > 0 && fresh;
    });
    await lost.close();
    expect(await broken).toBe('rejected');
    const again = await connect(KEYS.operator, 'auto', { 'idempotency-key': 'lost-and-found' });
    const result = again.callTool(call, TIMEOUT);
    await eventually(() => under.fake.asked.filter(({ data }) => data['executionId'] === id).length > 1);
    under.fake.append(id, 'ExecutionCompleted', { output: 'found' });
    expect(textOf(await result)).toBe('found');
    expect(cancelled(id)).toBe(false);
  });

  it('gives the same call of a session the same execution, and a call of another session another one', async () => {
    const call = (session: string, id: number, who = 'Ada') =>
      under.call('POST', '/mcp', {
        body: { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'run_greeting', arguments: { who } } },
        headers: { accept: 'application/json, text/event-stream', 'mcp-session-id': session },
      });
    const sessions = ['0198e7a0-0000-7000-8000-000000000001', '0198e7a0-0000-7000-8000-000000000002'] as const;
    const idIn = ({ text }: { text: string }): string | undefined => /"execution_id":"([^"]+)"/.exec(text)?.[1];
    const first = idIn(await call(sessions[0], 7));
    expect(first).toBeDefined();
    expect(idIn(await call(sessions[0], 7))).toBe(first);
    expect(idIn(await call(sessions[0], 8))).not.toBe(first);
    expect(idIn(await call(sessions[1], 7))).not.toBe(first);
    expect((await call('not-a-session', 7)).status).toBe(404);
  });

  it('answers a long run while it goes on, and its result later', async () => {
    const { gateway } = await startGatewayOn(under.nats, { BATUTA_GATEWAY_MCP_WAIT: '50ms' });
    under.fake.finishAtOnce = false;
    try {
      const client = await connect(KEYS.operator, 'auto', {}, gateway.url);
      const result = await client.callTool({ name: 'run_greeting', arguments: { who: 'Ada' } }, TIMEOUT);
      const { execution_id: id } = result.structuredContent as { execution_id: string };
      expect(result).toMatchObject({ structuredContent: { status: 'running' } });
      expect(result.isError ?? false).toBe(false);
      expect(textOf(result)).toContain('executions_result');
      under.fake.append(id, 'ExecutionCompleted', { output: 'late' });
      const later = await client.callTool({ name: 'executions_result', arguments: { id, wait: '30s' } }, TIMEOUT);
      expect(later.structuredContent).toMatchObject({ status: 'completed', output: 'late' });
    } finally {
      await gateway.close();
    }
  });

  it('leaves the execution of a cancelled call alone when the operator wants that', async () => {
    const { gateway } = await startGatewayOn(under.nats, { BATUTA_GATEWAY_MCP_CANCELS: 'false' });
    under.fake.finishAtOnce = false;
    try {
      const client = await connect(KEYS.operator, 'auto', {}, gateway.url);
      const before = new Set(started());
      const cancel = new AbortController();
      const call = client.callTool({ name: 'run_greeting', arguments: { who: 'x' } }, { signal: cancel.signal });
      const outcome = call.then(
        () => 'answered',
        () => 'rejected',
      );
      const [id = ''] = await eventually(() => {
        const fresh = started().filter((each) => !before.has(each));
        return fresh.length > 0 && fresh;
      });
      const reads = () => under.fake.asked.filter(({ data }) => data['executionId'] === id).length;
      const readsBefore = reads();
      cancel.abort('gone');
      expect(await outcome).toBe('rejected');
      // After a client has left, the gateway reads the execution once more, and would then cancel it.
      await eventually(() => reads() > readsBefore);
      const reader = await connect(KEYS.operator, 'auto', {}, gateway.url);
      for (let turn = 0; turn < 3; turn += 1) {
        const read = await reader.callTool({ name: 'executions_status', arguments: { trace_id: 'x' } }, TIMEOUT);
        expect(read.isError).toBe(true);
      }
      expect(commands().filter(({ data }) => data['executionId'] === id && 'cancel' in data)).toEqual([]);
      expect(cancelled(id)).toBe(false);
    } finally {
      await gateway.close();
    }
  });

  it('shows another tenant nothing', async () => {
    const own = await connect(KEYS.operator, 'auto');
    const mine = await own.callTool({ name: 'run_greeting', arguments: { who: 'Ada' } }, TIMEOUT);
    const { execution_id: id } = mine.structuredContent as { execution_id: string };
    const stranger = await connect(KEYS.stranger, 'auto');
    for (const name of ['executions_get', 'executions_result', 'executions_cancel']) {
      const result = await stranger.callTool({ name, arguments: { id } }, TIMEOUT);
      expect([name, textOf(result)]).toEqual([name, expect.stringMatching(/^not_found: /)]);
    }
  });

  it('fails a run that failed, with its failure', async () => {
    under.fake.finishAtOnce = false;
    const client = await connect(KEYS.operator, 'auto');
    const before = new Set(started());
    const call = client.callTool({ name: 'run_greeting', arguments: { who: 'Ada' } }, TIMEOUT);
    const [id = ''] = await eventually(() => {
      const fresh = started().filter((each) => !before.has(each));
      return fresh.length > 0 && fresh;
    });
    under.fake.append(id, 'ExecutionFailed', { failure: { code: 'agent_failed', message: 'no luck' } });
    const result = await call;
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toMatchObject({ execution_id: id, status: 'failed' });
  });

  it('lists agents, but none whose input has a field that a task uses itself', async () => {
    const { tools } = await (await connect(KEYS.operator, 'auto')).listTools(undefined, TIMEOUT);
    const names = tools.map(({ name }) => name);
    expect(names).toContain('agent_echo');
    expect(names).not.toContain('agent_typed');
  });

  it('hides what the platform keeps, and what its owner does not want to be a tool', async () => {
    under.fake.putConfig('task:echo', { metadata: { batuta: { kept_for: 'task' } } } as never);
    under.fake.putConfig('hidden', { metadata: { mcp: false } } as never);
    under.fake.putConfig('größe (neu)');
    const client = await connect(KEYS.operator, 'auto');
    const { tools } = await client.listTools(undefined, TIMEOUT);
    const names = tools.map(({ name }) => name).filter((name) => name.startsWith('run_'));
    expect(names).toEqual(['run_greeting', expect.stringMatching(/^run_gr_e_neu__[0-9a-f]{8}$/)]);
    const result = await client.callTool({ name: names[1] ?? '', arguments: {} }, TIMEOUT);
    expect(result.structuredContent).toMatchObject({ status: 'completed' });
    await expect(client.callTool({ name: 'run_hidden', arguments: {} }, TIMEOUT)).rejects.toThrow('There is no tool');
  });

  describe('at the edge', () => {
    const initialize = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const accept = 'application/json, text/event-stream';

    /** Fetch does not let a test choose the host. */
    const post = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const body = JSON.stringify(initialize);
        const request = httpRequest(
          `${under.gateway.url}/mcp`,
          {
            method: 'POST',
            headers: {
              authorization: `Bearer ${KEYS.operator}`,
              'content-type': 'application/json',
              accept,
              'content-length': Buffer.byteLength(body),
              ...headers,
            },
          },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        request.once('error', reject).end(body);
      });

    it('wants a key', async () => {
      const none = await under.call('POST', '/mcp', { body: initialize, key: null, headers: { accept } });
      expect([none.status, none.body['code']]).toEqual([401, 'unauthenticated']);
      expect(none.headers.get('www-authenticate')).toContain('Bearer');
      const wrong = await under.call('POST', '/mcp', { body: initialize, key: 'batuta_no_such_key' });
      expect(wrong.status).toBe(401);
    });

    it.each([
      [{}, 200],
      [{ host: 'localhost:1234' }, 200],
      [{ origin: 'http://localhost:5173' }, 200],
      [{ host: 'evil.example' }, 403],
      [{ host: 'evil.example', origin: 'http://evil.example' }, 403],
      [{ origin: 'http://evil.example' }, 403],
      [{ origin: 'null' }, 403],
    ])('answers a page or name %j with %i', async (headers, status) => {
      expect(await post(headers)).toBe(status);
    });

    it('has no stream to listen to and no session to end', async () => {
      expect((await under.call('GET', '/mcp', { headers: { accept: 'text/event-stream' } })).status).toBe(405);
      expect((await under.call('DELETE', '/mcp')).status).toBe(405);
    });

    it('answers what is no message of the protocol with a mistake', async () => {
      for (const body of [[], {}, { jsonrpc: '1.0', id: 1, method: 'ping' }, 'x', 7, null]) {
        const answer = await under.call('POST', '/mcp', { body, headers: { accept } });
        expect([JSON.stringify(body), answer.status]).toEqual([JSON.stringify(body), 400]);
      }
      expect((await under.call('POST', '/mcp', { raw: '{', headers: { accept } })).status).toBe(400);
    });
  });
});
