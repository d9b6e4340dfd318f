import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BatutaClient } from '@batuta/client';
import type { StreamItem } from '@batuta/client';
import { createLogger } from '@batuta/observability';
import { loadStepRunnerSettings, startStepRunner } from '@batuta/step-runner';
import type { RunningStepRunner } from '@batuta/step-runner';
import { eventually } from '@batuta/testing';
import { WebSocket } from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { BatutaCommand } from '../support/command.js';

const BASE = '/api/v1/orchestrations';
const KEY = 'sk-live-0123456789abcdefghij';

/** A call of a model that the test answers piece by piece. */
class ModelCall {
  readonly #response: ServerResponse;

  constructor(
    readonly body: { readonly messages: readonly { content: string }[]; readonly stream?: boolean },
    response: ServerResponse,
  ) {
    this.#response = response;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
  }

  delta(delta: object): void {
    this.#send({ choices: [{ index: 0, delta, finish_reason: null }] });
  }

  finish(reason = 'stop'): void {
    this.#send({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
    this.#send({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 } });
    this.#response.end('data: [DONE]\n\n');
  }

  break(): void {
    this.#response.destroy();
  }

  #send(chunk: object): void {
    const whole = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'piecewise', ...chunk };
    this.#response.write(`data: ${JSON.stringify(whole)}\n\n`);
  }
}

/** A model whose answers the test writes. */
class PiecewiseModel {
  readonly calls: ModelCall[] = [];
  readonly #server: Server = createServer((request, response) => void this.#take(request, response));
  url = '';

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The newest call whose prompt holds the text, when there are so many of them. */
  call(prompt: string, number = 1): Promise<ModelCall> {
    return eventually(
      () => this.calls.filter(({ body }) => JSON.stringify(body.messages).includes(prompt))[number - 1] ?? false,
      { timeoutMs: 60_000, describe: `call ${number} of the model about ${prompt}` },
    );
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    this.calls.push(new ModelCall(JSON.parse(text) as ModelCall['body'], response));
  }
}

/** What somebody was told so far, in order. */
class Told {
  readonly items: StreamItem[] = [];
  readonly ended: Promise<void>;

  constructor(source: AsyncIterable<StreamItem>) {
    this.ended = (async () => {
      for await (const item of source) this.items.push(item);
    })();
    this.ended.catch(() => undefined);
  }

  /** Texts of the newest attempt that are not void. */
  text(kind = 'text'): string {
    let text = '';
    for (const item of this.items) {
      if (item.type === 'start' || (item.type === 'end' && item.void === true)) text = '';
      else if (item.kind === kind) text += item.text ?? '';
    }
    return text;
  }

  has(text: string): Promise<unknown> {
    return eventually(() => this.text().includes(text), { timeoutMs: 60_000, describe: `"${text}" is told` });
  }
}

/** An event stream as `EventSource` reads it. */
async function* events(url: string, key: string, lastEventId?: string): AsyncGenerator<StreamItem> {
  const response = await fetch(url, {
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  let buffer = '';
  for await (const chunk of response.body ?? []) {
    buffer += Buffer.from(chunk as Uint8Array).toString();
    for (let at = buffer.indexOf('\n\n'); at >= 0; at = buffer.indexOf('\n\n')) {
      const lines = buffer.slice(0, at).split('\n');
      buffer = buffer.slice(at + 2);
      const data = lines.find((line) => line.startsWith('data: '));
      if (data === undefined) continue;
      const item = JSON.parse(data.slice(6)) as StreamItem;
      expect(lines).toEqual(expect.arrayContaining([`id: ${item.place}`, `event: ${item.type}`]));
      yield item;
    }
  }
}

describe('what steps say while they run', () => {
  let cluster: Cluster;
  let api: Api;
  let second: BatutaClient;
  let runner: RunningStepRunner;
  const model = new PiecewiseModel();
  const talks: { readonly say: (text: string) => void; readonly finish: (output: unknown) => void }[] = [];

  const start = async (config: string, topic: string): Promise<string> => {
    const { execution_id: id } = await api.client.executions.start(config, { input: { topic } });
    return id;
  };
  const stored = async (id: string, step: string): Promise<StreamItem[]> => {
    const items: StreamItem[] = [];
    for (let after: string | undefined; ;) {
      const page = await api.client.executions.stream(id, step, {
        limit: 3,
        ...(after === undefined ? {} : { after }),
      });
      items.push(...page.items);
      after = page.next ?? undefined;
      if (!page.more) return items;
    }
  };

  beforeAll(async () => {
    await model.start();
    cluster = await Cluster.start({
      instances: { gateway: 2 },
      env: {
        BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_RUNNER_MODEL_IDLE: '10s',
        BATUTA_SECRETS_KEYS: Buffer.alloc(32, 7).toString('base64'),
      },
    });
    api = cluster.api();
    second = new BatutaClient({ url: cluster.process('gateway', 1).url, apiKey: api.key, WebSocket });
    await api.client.secrets.put('MODEL_KEY', { value: KEY });
    expectStatus(
      await api.call('PUT', '/api/v1/models/piecewise', {
        provider: 'openai_compatible',
        model: 'piecewise',
        base_url: model.url,
        api_key: '{{secret:MODEL_KEY}}',
        stream: true,
      }),
      201,
    );
    await api.client.agents.put('talker', { pool: 'talk', description: 'says what the test says' });
    runner = await startStepRunner({
      settings: loadStepRunnerSettings({
        NATS_URL: cluster.stack.natsUrl,
        NATS_CREDS: await cluster.workerCredentials('talk'),
        BATUTA_RUNNER_ID: 'talk',
        BATUTA_RUNNER_POOLS: 'talk',
      }),
      logger: createLogger({ service: 'talk', level: 'silent' }),
      opsServer: false,
      agents: [
        {
          name: 'talker',
          version: '1',
          run: (_input, { output }) => new Promise((finish) => talks.push({ say: (text) => output(text), finish })),
        },
      ],
    });
    const prompt = { prompt: '{% input.topic %}', model: 'piecewise' };
    const retry = { max_attempts: 2, backoff_ms: 50 };
    for (const config of [
      { name: 'draft', steps: [{ id: 'draft', name: 'Draft', llm: prompt, retry, output_key: 'draft' }] },
      {
        name: 'research',
        steps: [{ id: 'research', name: 'Research', llm: { ...prompt, tools: [{ name: 'look', agent: 'talker' }] } }],
      },
      { name: 'silent', steps: [{ id: 'a', name: 'A', agent: 'echo' }] },
      { name: 'talk', steps: [{ id: 'talk', name: 'Talk', agent: 'talker' }] },
    ]) {
      expectStatus(await api.post(`${BASE}/configs`, { strategy: 'sequential', ...config }), 201);
    }
  }, 300_000);

  afterAll(async () => {
    for (const { finish } of talks) finish(null);
    await runner?.close();
    await cluster?.stop();
    await model.stop();
  }, 300_000);

  it('shows the text and the thoughts of a model as they come, over WebSocket, event stream and JSON alike', async () => {
    const id = await start('draft', 'otters');
    const overSocket = new Told(api.client.executions.followOutput(id));
    const overStream = new Told(events(`${second.url}${BASE}/executions/${id}/steps/draft/stream`, api.key));
    const call = await model.call('otters');
    expect(call.body.stream).toBe(true);
    call.delta({ role: 'assistant', reasoning_content: 'They asked about otters.' });
    call.delta({ content: 'Otters hold' });
    // Both have it before the model has said the rest.
    await Promise.all([overSocket.has('Otters hold'), overStream.has('Otters hold')]);
    call.delta({ content: ' paws,' });
    await Promise.all([overSocket.has('Otters hold paws,'), overStream.has('Otters hold paws,')]);
    call.delta({ content: ' while they sleep.' });
    call.finish();
    await Promise.all([overSocket.ended, overStream.ended]);
    expect(overSocket.text()).toBe('Otters hold paws, while they sleep.');
    expect(overSocket.text('reasoning')).toBe('They asked about otters.');
    expect(overStream.items).toEqual(overSocket.items);
    expect(await stored(id, 'draft')).toEqual(overSocket.items);
    const { items } = overSocket;
    expect(items[0]).toMatchObject({ type: 'start', step_id: 'draft', attempt: 1, place: '1.1' });
    // A model's answer ends its attempt, and the step goes on to its own end.
    expect(items.at(-1)).toMatchObject({ type: 'end', outcome: 'answered', void: false, place: '1.end' });
    expect(items.map(({ place }) => place)).toEqual([...items.slice(0, -1).map((_, at) => `1.${at + 1}`), '1.end']);
    const result = await api.client.executions.wait(id);
    expect(result).toMatchObject({ status: 'completed', output: { text: 'Otters hold paws, while they sleep.' } });
    // Whoever comes afterwards gets the same, and whoever was there until the middle gets the rest.
    const late = new Told(second.executions.followOutput(id));
    await late.ended;
    expect(late.items).toEqual(items);
    const rest = new Told(second.executions.followOutput(id, { steps: ['draft'], after: { draft: '1.2' } }));
    await rest.ended;
    expect(rest.items).toEqual(items.slice(2));
    const again = new Told(events(`${api.url}${BASE}/executions/${id}/steps/draft/stream`, api.key, '1.3'));
    await again.ended;
    expect(again.items).toEqual(items.slice(3));
  }, 300_000);

  it('is followed in a terminal, also from an agent made of a model, and over an outage of the gateway', async () => {
    await api.client.agents.put('teller', { llm: { model: 'piecewise', system: 'You tell.' } });
    const config = { name: 'tells', strategy: 'sequential', steps: [{ id: 'work', name: 'Work', agent: 'teller' }] };
    expectStatus(await api.post(`${BASE}/configs`, config), 201);
    const id = await start('tells', 'foxes');
    const gateway = cluster.process('gateway', 1);
    const env = { BATUTA_URL: gateway.url, BATUTA_API_KEY: api.key };
    const command = new BatutaCommand(['follow', id], tmpdir(), env);
    const call = await model.call('foxes');
    call.delta({ content: 'Foxes ' });
    await command.says(/\[work > \w+\]\nFoxes /);
    await gateway.end('SIGKILL');
    await command.says(/The connection to the platform is lost\. Trying again …/);
    await gateway.start();
    call.delta({ content: 'bark.' });
    call.finish();
    expect(await command.exited()).toBe(0);
    expect(command.output).toMatch(/\[work > \w+\]\nbark\.\n(.*\n)?completed\n$/);
    // It was said, and is shown to whoever comes later.
    const late = new BatutaCommand(['follow', id], tmpdir(), { BATUTA_URL: api.url, BATUTA_API_KEY: api.key });
    expect(await late.exited()).toBe(0);
    expect(late.output).toMatch(/^\[work > \w+\]\nFoxes bark\.\ncompleted\n$/);
    const silent = await api.client.executions.start('silent', { input: {} });
    const none = new BatutaCommand(['follow', silent.execution_id], tmpdir(), env);
    expect(await none.exited()).toBe(0);
    expect(none.output).toMatch(/^completed\n.*"stream": true/m);
  }, 300_000);

  it('says that an attempt which broke off is void, and shows the next one', async () => {
    const id = await start('draft', 'badgers');
    const told = new Told(api.client.executions.followOutput(id, { steps: ['draft'] }));
    const first = await model.call('badgers');
    first.delta({ role: 'assistant', content: 'Badgers are' });
    await told.has('Badgers are');
    first.break();
    const next = await model.call('badgers', 2);
    next.delta({ role: 'assistant', content: 'Badgers dig.' });
    next.finish();
    await told.ended;
    const ends = told.items.filter(({ type }) => type === 'end');
    expect(ends).toMatchObject([
      { attempt: 1, outcome: 'failed', void: true, code: 'http_unreachable' },
      { attempt: 2, outcome: 'answered', void: false },
    ]);
    expect(told.text()).toBe('Badgers dig.');
    expect(told.items).toEqual(await stored(id, 'draft'));
    expect((await api.client.executions.wait(id)).status).toBe('completed');
    const only = await api.client.executions.stream(id, 'draft', { attempt: 1 });
    expect(only.items.map(({ attempt }) => attempt)).toEqual(only.items.map(() => 1));
  }, 300_000);

  it.each([
    ['stalls', 'model_stalled', () => undefined],
    [
      'is too long',
      'response_too_large',
      (call: ModelCall) => {
        for (let i = 0; i < 100; i += 1) call.delta({ content: 'x'.repeat(100_000) });
      },
    ],
  ] as const)(
    'fails an answer that %s',
    async (what, code, then) => {
      const id = await start('draft', `moles ${what}`);
      for (const number of [1, 2]) {
        if (number === 2 && code === 'response_too_large') break;
        const call = await model.call(`moles ${what}`, number);
        call.delta({ role: 'assistant', content: 'Moles' });
        then(call);
      }
      const result = await api.client.executions.wait(id);
      expect(result).toMatchObject({ status: 'failed', failure: { code } });
      const items = await stored(id, 'draft');
      expect(items.at(-1)).toMatchObject({ type: 'end', void: true, code });
      // What is kept of an attempt has its limit.
      expect(items.reduce((bytes, { text = '' }) => bytes + text.length, 0)).toBeLessThanOrEqual(1024 * 1024);
    },
    300_000,
  );

  it('hides a secret that comes in pieces', async () => {
    const id = await start('draft', 'keys');
    const told = new Told(api.client.executions.followOutput(id));
    const call = await model.call('keys');
    call.delta({ role: 'assistant', content: 'The key is ' });
    await told.has('The key is ');
    for (const character of KEY) call.delta({ content: character });
    call.delta({ content: ', they say.' });
    call.finish();
    await told.ended;
    expect(told.text()).toBe('The key is ***, they say.');
    expect(JSON.stringify(told.items)).not.toContain(KEY.slice(0, 12));
  }, 300_000);

  it('shows calls of tools as the model writes them, and what the tools say', async () => {
    const id = await start('research', 'weasels');
    const told = new Told(api.client.executions.followOutput(id));
    const first = await model.call('weasels');
    first.delta({
      tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a"' } }],
    });
    first.delta({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] });
    first.finish('tool_calls');
    const tool = await eventually(() => talks.at(-1) ?? false, { timeoutMs: 60_000, describe: 'the tool is called' });
    tool.say('I look at ');
    tool.say('the weasels.');
    await told.has('weasels.');
    tool.finish({ seen: 3 });
    const last = await model.call('weasels', 2);
    last.delta({ content: 'Three weasels.' });
    last.finish();
    await told.ended;
    const said = told.items.filter(({ kind }) => kind === 'tool_call');
    expect(said.map(({ text }) => text).join('')).toBe('{"a":1}');
    expect(said[0]).toMatchObject({ id: 'c1', name: 'look', step_id: 'research' });
    const byTool = told.items.filter(({ step_id: step }) => step !== 'research');
    expect(byTool[0]?.step_id).toMatch(/^research:look:/);
    expect(byTool.map(({ text = '' }) => text).join('')).toBe('I look at the weasels.');
    expect(byTool.at(-1)).toMatchObject({ type: 'end', outcome: 'completed' });
    expect((await api.client.executions.wait(id)).output).toMatchObject({ text: 'Three weasels.' });
  }, 300_000);

  it('leaves nothing out and doubles nothing for a client that loses its connection all the time', async () => {
    const id = await start('talk', 'much');
    const talk = await eventually(() => talks.at(-1) ?? false, { timeoutMs: 60_000, describe: 'it talks' });
    const words = Array.from({ length: 400 }, (_, at) => `word${at} `);
    const url = (gateway: number): string => `${cluster.process('gateway', gateway).url}`;
    let text = '';
    let after: string | undefined;
    let connections = 0;
    const followed = (async () => {
      for (;;) {
        connections += 1;
        let left = 3 + (connections % 7);
        const client = new BatutaClient({ url: url(connections % 2), apiKey: api.key, WebSocket });
        const items = client.executions.followOutput(id, after === undefined ? {} : { after: { talk: after } });
        for await (const item of items) {
          after = item.place;
          if (item.type === 'end') return item;
          if (item.type === 'part') text += item.text ?? '';
          left -= 1;
          if (left === 0) break;
        }
      }
    })();
    for (const [at, word] of words.entries()) {
      talk.say(word);
      if (at % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    talk.finish({ done: true });
    expect(await followed).toMatchObject({ outcome: 'completed' });
    expect(text).toBe(words.join(''));
    expect(connections).toBeGreaterThan(5);
    expect((await api.client.executions.wait(id)).output).toEqual({ done: true });
  }, 300_000);

  it('shows it to nobody of another tenant, and refuses what makes no sense in words', async () => {
    const id = await start('draft', 'secrets of ours');
    const call = await model.call('secrets of ours');
    call.delta({ role: 'assistant', content: 'Ours alone.' });
    const told = new Told(api.client.executions.followOutput(id));
    await told.has('Ours alone.');
    await api.post('/api/v1/tenants', { id: 'others' });
    const key = { tenant_id: 'others', user_id: 'spy', role: 'admin', name: 'spy' } as const;
    const { secret = '' } = await api.client.apiKeys.create(key);
    const spy = new Api(api.url, secret);
    expect((await spy.get(`${BASE}/executions/${id}/steps/draft/stream`)).status).toBe(404);
    await expect(spy.client.executions.followOutput(id).next()).rejects.toMatchObject({ code: 'not_found' });
    const path = `${BASE}/executions/${id}/steps`;
    expect((await api.get(`${path}/none/stream`)).body).toMatchObject({ code: 'step_not_found' });
    expect((await api.get(`${path}/draft/stream?after=first`)).body).toMatchObject({
      errors: [{ path: '/after', message: expect.stringContaining('1.20') as unknown }],
    });
    const steps = Array.from({ length: 21 }, (_, place) => `q${place}`);
    // A WebSocket that is refused tells clients no status.
    await expect(api.client.executions.followOutput(id, { steps }).next()).rejects.toMatchObject({
      name: 'ConnectionError',
    });
    call.finish();
    await told.ended;
  }, 300_000);
});
