import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentReply, JsonObject, JsonValue, Model, ModelReply } from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import { addressPolicy, GuardedClient } from '@batuta/outbound-http';
import { Sandbox } from '@batuta/sandbox';
import { LLMock } from '@copilotkit/aimock';
import { testContext } from '../../test/test-context.js';
import type { Agent, PlatformContext } from '@batuta/worker';
import { askModelAgent } from './ask-model.js';

const KEY = 'sk-test-0123456789abcdef';

const models = new Map<string, Model>();
const agents = new Map<string, AgentReply['agent']>();
let sandbox: Sandbox;
let client: GuardedClient;
let agent: Agent<PlatformContext>;
const servers: Server[] = [];

const model = (more: Partial<Model>): Model => ({
  name: 'writer',
  provider: 'openai',
  model: 'gpt-4o-mini',
  description: '',
  apiKey: '{{secret:KEY}}',
  revision: 3,
  updatedAt: 0,
  tenantId: 'default',
  ...more,
});

const control: ControlClient = {
  request: <Reply>(pattern: string, data: unknown): Promise<Reply> => {
    const { name } = data as { name: string };
    const missing = { refused: { code: 'not_found', message: 'There is none.' } };
    if (pattern.includes('.model.')) {
      const found = models.get(name);
      return Promise.resolve((found === undefined ? missing : { model: found }) as ModelReply as Reply);
    }
    const found = agents.get(name);
    return Promise.resolve((found === undefined ? missing : { agent: found }) as AgentReply as Reply);
  },
  close: () => Promise.resolve(),
};

const run = async (input: JsonValue, more: Parameters<typeof testContext>[0] = {}): Promise<JsonObject> =>
  (await agent.run(
    input,
    testContext({
      useSecrets: (names) => Promise.resolve(new Map(names.map((name) => [name, KEY]))),
      redact: (text) => text.replaceAll(KEY, '***'),
      ...more,
    }),
  )) as JsonObject;

interface Seen {
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
}

/** The test's own server, for behaviour that the scripted model does not have. */
async function server(listener: RequestListener): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const made = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      seen.push({ headers: request.headers, body: text === '' ? {} : (JSON.parse(text) as JsonObject) });
      listener(request, response);
    });
  });
  servers.push(made);
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(made.address() as AddressInfo).port}/v1`, seen };
}

const answers = (status: number, body: string, headers: Record<string, string> = {}) =>
  server((_, response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body));

const completion = (message: JsonObject): string =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'said-by-server',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
  });

beforeAll(() => {
  sandbox = new Sandbox({ threads: 1 });
  client = new GuardedClient(addressPolicy(['127.0.0.1']));
  agent = askModelAgent({ control, client, sandbox, tracesContent: false, idleMs: 300 });
});

afterEach(() => {
  models.clear();
  agents.clear();
  for (const each of servers.splice(0)) {
    each.closeAllConnections();
    each.close();
  }
});

afterAll(async () => {
  await client.close();
  await sandbox.close();
});

describe('ask_model', () => {
  it.each([
    ['openai', '/v1'],
    ['openai_compatible', '/v1'],
    ['anthropic', '/v1'],
  ] as const)('asks a model of %s, with a system text, tools and a conversation', async (provider, path) => {
    const mock = new LLMock({ port: 0 });
    mock.onMessage('Which city?', { toolCalls: [{ name: 'weather', arguments: '{"city":"Lisboa"}' }] });
    mock.onMessage('Say hello', { content: 'Hello there!' });
    await mock.start();
    try {
      models.set('writer', model({ provider, baseUrl: `${mock.url}${path}`, model: 'some-model' }));
      agents.set('weather_service', {
        name: 'weather_service',
        pool: 'p',
        description: 'Tells the weather',
        builtIn: false,
        revision: 1,
        updatedAt: 0,
        tenantId: 'default',
        inputSchema: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } },
      });
      const hello = await run({ model: 'writer', system: 'Be brief.', prompt: 'Say hello', max_output_tokens: 50 });
      expect(hello).toMatchObject({ text: 'Hello there!', model: { name: 'writer', provider, revision: 3 } });
      const tools = [{ name: 'weather', agent: 'weather_service' }];
      const asked = await run({ model: 'writer', prompt: 'Which city?', tools, max_output_tokens: 50 });
      expect(asked['tool_calls']).toMatchObject([{ name: 'weather', input: { city: 'Lisboa' } }]);
      const [call] = asked['tool_calls'] as JsonObject[];
      mock.on({ hasToolResult: true }, { content: 'It rains.' });
      const messages = [
        { role: 'user', content: 'Which city?' },
        { role: 'assistant', content: '', tool_calls: [call as JsonObject] },
        { role: 'tool', tool_call_id: call?.['id'] as string, name: 'weather', content: { sky: 'rain' } },
      ];
      models.set('other', model({ name: 'other', provider, baseUrl: `${mock.url}${path}`, model: 'some-model' }));
      const last = mock.getLastRequest()?.body as unknown as JsonObject;
      expect(JSON.stringify(last)).toContain('Tells the weather');
      const after = await server((_, response) => response.end());
      expect(after.seen).toEqual([]);
      await run({ model: 'other', messages, tools, max_output_tokens: 50 });
      expect(JSON.stringify(mock.getLastRequest()?.body)).toContain('rain');
    } finally {
      await mock.stop();
    }
  });

  it('tells tokens, cost, and by which prices', async () => {
    const { url, seen } = await answers(200, completion({ content: 'hi' }));
    models.set('writer', model({ baseUrl: url, maxOutputTokens: 77, temperature: 0.5 }));
    const output = await run({ model: 'writer', prompt: { a: 1 } });
    expect(output).toMatchObject({
      text: 'hi',
      finish_reason: 'stop',
      _tokens: { input: 1_000, output: 100 },
      price: { matched: 'openai/gpt-4o-mini' },
      model: { id: 'said-by-server' },
    });
    expect(output['_cost']).toBeCloseTo(0.000_21, 9);
    expect(seen[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(seen[0]?.body).toMatchObject({
      model: 'gpt-4o-mini',
      max_tokens: 77,
      temperature: 0.5,
      messages: [{ role: 'user', content: '{"a":1}' }],
    });
    models.set('writer', model({ baseUrl: url, prices: { input: 1, output: 2 } }));
    expect(await run({ model: 'writer', prompt: 'x' })).toMatchObject({
      _cost: 0.001_2,
      price: { version: 'model writer revision 3' },
    });
    // A server that only has OpenAI's API has no price, even when its model has the name of an OpenAI model.
    models.set('writer', model({ provider: 'openai_compatible', baseUrl: url }));
    const unknown = await run({ model: 'writer', prompt: 'x' });
    expect(unknown).toMatchObject({ price: null });
    expect(unknown).not.toHaveProperty('_cost');
  });

  it('checks the calls that the model requests, and explains mistakes to the model', async () => {
    const call = (id: string, name: string, input: string) => ({
      id,
      type: 'function',
      function: { name, arguments: input },
    });
    const { url } = await answers(
      200,
      completion({
        content: null,
        tool_calls: [
          call('1', 'add', '{"a":1,"b":2}'),
          call('2', 'add', '{"a":"one"}'),
          call('3', 'add', '{"a":1'),
          call('4', 'delete_everything', '{}'),
        ],
      }),
    );
    models.set('writer', model({ baseUrl: url }));
    const number = { type: 'number' };
    const schema = { type: 'object', required: ['a', 'b'], properties: { a: number, b: number } };
    const { tool_calls: calls } = await run({
      model: 'writer',
      prompt: 'x',
      tools: [{ name: 'add', input_schema: schema }],
    });
    expect(calls).toEqual([
      { id: '1', name: 'add', input: { a: 1, b: 2 } },
      { id: '2', name: 'add', input: { a: 'one' }, problem: expect.stringMatching(/\/a must be number/) },
      { id: '3', name: 'add', input: '{"a":1', problem: 'The input is not JSON.' },
      {
        id: '4',
        name: 'delete_everything',
        input: {},
        problem: 'There is no tool "delete_everything". There are: add.',
      },
    ]);
  });

  it('gives an output that fits its schema, or says why not', async () => {
    const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
    const fenced = await answers(200, completion({ content: '```json\n{"n": 4}\n```' }));
    models.set('writer', model({ baseUrl: fenced.url }));
    expect(await run({ model: 'writer', prompt: 'x', output_schema: schema })).toMatchObject({ output: { n: 4 } });
    expect(fenced.seen[0]?.body['response_format']).toMatchObject({ type: 'json_schema' });
    const wrong = await answers(200, completion({ content: '{"n": "four"}' }));
    models.set('writer', model({ baseUrl: wrong.url }));
    await expect(run({ model: 'writer', prompt: 'x', output_schema: schema })).rejects.toMatchObject({
      name: 'RetryableError',
      code: 'model_answer_invalid',
      message: expect.stringContaining('/n must be integer'),
      details: { _tokens: { input: 1_000, output: 100 } },
    });
    const prose = await answers(200, completion({ content: 'The number is four.' }));
    models.set('writer', model({ baseUrl: prose.url }));
    const input = { model: 'writer', prompt: 'x', output_schema: schema, on_invalid: 'report' };
    expect(await run(input)).toMatchObject({ text: 'The number is four.', problem: 'it is not JSON.' });
  });

  it('stays within the rest of a budget, or does not ask', async () => {
    const { url, seen } = await answers(200, completion({ content: 'hi' }));
    models.set('writer', model({ baseUrl: url }));
    await run({ model: 'writer', prompt: 'x', budget: { tokens: 100 }, max_output_tokens: 5_000 });
    expect(Number(seen[0]?.body['max_tokens'])).toBeLessThan(100);
    await run({ model: 'writer', prompt: 'x', budget: { cost: 0.000_1 } });
    expect(Number(seen[1]?.body['max_tokens'])).toBeLessThanOrEqual(0.000_1 / 0.000_000_6);
    const long = 'word '.repeat(2_000);
    for (const budget of [{ tokens: 100 }, { cost: 0.000_01 }]) {
      await expect(run({ model: 'writer', prompt: long, budget })).rejects.toMatchObject({ code: 'budget_too_small' });
    }
    models.set('writer', model({ provider: 'openai_compatible', baseUrl: url }));
    await expect(run({ model: 'writer', prompt: 'x', budget: { cost: 1 } })).rejects.toMatchObject({
      code: 'price_unknown',
    });
    expect(seen).toHaveLength(2);
  });
});

describe('failures of a model', () => {
  it('are reported before anything is sent: no model, no key, no prompt, a context too long', async () => {
    const { url, seen } = await answers(200, completion({ content: 'hi' }));
    await expect(run({ model: 'none', prompt: 'x' })).rejects.toMatchObject({ code: 'model_unknown' });
    models.set('writer', model({ baseUrl: url, contextTokens: 1_000 }));
    const noSecret = { useSecrets: () => Promise.reject(new Error('secret_missing')) };
    await expect(run({ model: 'writer', prompt: 'x' }, noSecret)).rejects.toThrow('secret_missing');
    await expect(run({ model: 'writer', prompt: 'word '.repeat(5_000) })).rejects.toMatchObject({
      code: 'context_too_long',
      details: { context_tokens: 1_000 },
    });
    for (const input of [{ model: 'writer' }, { model: 'writer', messages: [] }, { prompt: 'x' }]) {
      await expect(run(input)).rejects.toMatchObject({ code: 'input_invalid' });
    }
    expect(seen).toEqual([]);
  });

  const error = (code: string, message: string): string => JSON.stringify({ error: { code, message } });

  it.each([
    ['a wrong key', 401, error('invalid_api_key', 'Incorrect API key'), 'TerminalError', 'model_key_refused'],
    ['a quota that is used up', 429, error('insufficient_quota', 'Pay'), 'TerminalError', 'model_quota'],
    ['a model that the provider does not have', 404, error('model_not_found', 'No'), 'TerminalError', 'model_unknown'],
    ['a call that makes no sense', 400, error('bad', 'No such role'), 'TerminalError', 'model_refused'],
    ['a provider with too much to do', 503, 'busy', 'RetryableError', 'model_unavailable'],
    ['an answer that is no JSON', 200, '<html>', 'RetryableError', 'model_answer_invalid'],
    ['an answer without a choice', 200, '{"id":"x"}', 'RetryableError', 'model_answer_invalid'],
  ])('tells %s', async (_, status, body, name, code) => {
    const { url, seen } = await answers(status, body);
    models.set('writer', model({ baseUrl: url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({ name, code });
    // The adapter does not retry by itself: each call is an attempt that the engine knows.
    expect(seen).toHaveLength(1);
  });

  it('tells how long to wait, and how long a context may be', async () => {
    const busy = await answers(429, error('rate_limit_exceeded', 'Slow down'), { 'retry-after': '7' });
    models.set('writer', model({ baseUrl: busy.url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({
      code: 'model_rate_limited',
      details: { retry_after_ms: 7_000 },
    });
    const message = "This model's maximum context length is 128000 tokens, you asked for 130172 tokens.";
    const long = await answers(400, error('context_length_exceeded', message));
    models.set('writer', model({ baseUrl: long.url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({
      code: 'context_too_long',
      details: { numbers: [128_000, 130_172] },
    });
  });

  it('tells an answer of 10 MB, one that breaks off and one that stalls', async () => {
    const large = await answers(200, completion({ content: 'x'.repeat(10_000_000) }));
    models.set('writer', model({ baseUrl: large.url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({ code: 'response_too_large' });
    const broken = await server((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"id":');
      setImmediate(() => request.socket.destroy());
    });
    models.set('writer', model({ baseUrl: broken.url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({
      name: 'RetryableError',
      code: 'http_unreachable',
    });
    expect(broken.seen).toHaveLength(1);
    const stalled = await server((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":');
    });
    models.set('writer', model({ baseUrl: stalled.url }));
    const over = new AbortController();
    const asked = run({ model: 'writer', prompt: 'x' }, { signal: over.signal });
    setTimeout(() => over.abort(new Error('out of time')), 200);
    await expect(asked).rejects.toThrow('out of time');
  });

  it('sends no key after a redirect to another origin, and reaches no address that is refused', async () => {
    const elsewhere = await answers(200, completion({ content: 'caught' }));
    const redirecting = await server((_, response) =>
      response.writeHead(307, { location: `${elsewhere.url.replace('127.0.0.1', 'localhost')}/x` }).end(),
    );
    models.set('writer', model({ baseUrl: redirecting.url }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({ code: 'input_invalid' });
    // It does not get the conversation either.
    expect(elsewhere.seen).toEqual([]);
    models.set('writer', model({ baseUrl: 'http://169.254.169.254/v1' }));
    await expect(run({ model: 'writer', prompt: 'x' })).rejects.toMatchObject({ code: 'address_refused' });
  });
});
