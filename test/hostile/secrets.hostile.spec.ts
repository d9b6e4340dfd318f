import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { WebSocket } from 'ws';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { BatutaCommand } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';
import { OtlpCollector } from '../support/otlp-collector.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const EXECUTIONS = '/api/v1/orchestrations/executions';
const CALLBACKS = '/api/v1/orchestrations/callbacks';
const VALUE = 'Zq9!tök/en+q7xwz"secret"value';
const REF = '{{secret:LEAKED}}';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
/** Forms of the value that must not appear anywhere. */
const FORMS = [
  VALUE,
  JSON.stringify(VALUE).slice(1, -1),
  encodeURIComponent(VALUE),
  base64(VALUE),
  base64(`admin:${VALUE}`).slice(8, -4),
  Buffer.from(VALUE).toString('hex'),
  'Zq9!t',
  'q7xwz',
];

interface Ended {
  readonly execution_id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly failure?: { readonly code: string };
}

/** A model that wants a tool called with references to secrets, and then answers with one. */
function answerOfModel(asked: string, host: string): object {
  const { messages } = JSON.parse(asked) as { messages: { role: string }[] };
  const hasCalled = messages.some(({ role }) => role === 'tool');
  const input = { url: `http://${host}/tool?k=${REF}`, headers: { 'x-token': REF } };
  const call = { id: 'c1', type: 'function', function: { name: 'fetch', arguments: JSON.stringify(input) } };
  const message = hasCalled
    ? { role: 'assistant', content: `done ${REF}` }
    : { role: 'assistant', content: null, tool_calls: [call] };
  return {
    id: '1',
    object: 'chat.completion',
    created: 1,
    model: 'any',
    choices: [{ index: 0, finish_reason: hasCalled ? 'stop' : 'tool_calls', message }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}

/** Sends back everything that it received, in every form. */
function reflect(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.url?.startsWith('/model/') === true) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answerOfModel(Buffer.concat(chunks).toString('utf8'), request.headers.host ?? '')));
      return;
    }
    const told = { url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString('utf8') };
    const authorization = Buffer.from(String(request.headers['x-token'] ?? ''), 'latin1').toString('utf8');
    const again = { ...told, upper: authorization.toUpperCase(), base64: base64(`admin:${authorization}:x`) };
    response.setHeader('x-reflected', encodeURIComponent(authorization));
    response.writeHead(request.url?.startsWith('/fail') === true ? 418 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...again, hex: Buffer.from(authorization).toString('hex') }));
  });
}

describe('the value of a secret', () => {
  let platform: LocalPlatform;
  let collector: OtlpCollector;
  let server: Server;
  let url: string;
  let admin: Api;
  let operator: Api;
  const received: { url: string; token: string }[] = [];
  const answers: string[] = [];

  const keep = <T>(answer: Answer<T>): Answer<T> => {
    answers.push(JSON.stringify(answer.body), JSON.stringify([...answer.headers]));
    return answer;
  };
  const save = async (name: string, steps: object[], more: object = {}): Promise<void> => {
    expectStatus(keep(await operator.post(CONFIGS, { name, strategy: 'sequential', steps, ...more })), 201);
  };
  const run = async (name: string, input: object = {}): Promise<Ended> => {
    const ended = keep(await operator.post<Ended>(`${EXECUTE}/${name}?wait=60s`, { input }));
    const { execution_id: id } = ended.body;
    keep(await operator.get(`${EXECUTIONS}/${id}`));
    keep(await operator.get(`${EXECUTIONS}/${id}/events`));
    return ended.body;
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      received.push({ url: request.url ?? '', token: String(request.headers['x-token'] ?? '') });
      reflect(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    collector = await OtlpCollector.start();
    platform = await LocalPlatform.start({
      BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
      BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
      BATUTA_LOG_LEVEL: 'debug',
      BATUTA_EXECUTION_RETENTION_EVERY: '200ms',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    });
    admin = await platform.user('acme', 'admin');
    operator = await platform.user('acme', 'operator');
    expectStatus(keep(await admin.call('PUT', '/api/v1/secrets/LEAKED', { value: VALUE })), 201);
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
    await collector?.stop();
    server?.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }, 300_000);

  it('reaches the target to which a config sends it', async () => {
    const target = `${url}/ok?key=${REF}`;
    const input = { url: target, method: 'POST', headers: { 'x-token': 'Bearer {{secret:ASCII}}' }, body: { a: REF } };
    expectStatus(keep(await admin.call('PUT', '/api/v1/secrets/ASCII', { value: 'plain-ascii-q7xwz' })), 201);
    await save('sends', [{ id: 'call', name: 'Call', agent: 'http', input }]);
    const ended = await run('sends');
    expect(ended.status).toBe('completed');
    const last = received.at(-1);
    expect(last?.token).toBe('Bearer plain-ascii-q7xwz');
    expect(new URL(last?.url ?? '', url).searchParams.get('key')).toBe(VALUE.replace('+', ' '));
    expect(JSON.stringify(ended.output)).toContain('***');
  }, 300_000);

  it('is removed from the output of agents, in whatever form', async () => {
    await save('echoes', [{ id: 'a', name: 'A', agent: 'echo', input: { [`x`]: REF, y: [`${REF}${REF}`] } }]);
    expect((await run('echoes')).output).toEqual({ x: '***', y: ['******'] });
    await save('fails', [
      {
        id: 'a',
        name: 'A',
        agent: 'fail',
        input: { code: 'told', message: `${'x'.repeat(1_960)}${REF}`, retryable: false },
      },
    ]);
    expect((await run('fails')).failure?.code).toBe('told');
    await save('renders', [
      {
        id: 'a',
        name: 'A',
        agent: 'synthesizer',
        input: { template: '{{ v | base64_encode }} {{ v | url_encode }} {{ v | escape }} {{ v | upcase }}', v: REF },
      },
    ]);
    expect((await run('renders')).status).toBe('completed');
    for (const path of ['ok', 'fail']) {
      const headers = { 'x-token': '{{secret:ASCII}}' };
      const input = { url: `${url}/${path}/${REF}`, method: 'POST', headers, body: REF };
      await save(`reflected-${path}`, [{ id: 'a', name: 'A', agent: 'http', input }]);
      await run(`reflected-${path}`);
    }
    const unreachable = { url: `http://127.0.0.1:1/${REF}`, headers: { a: '{{secret:ASCII}}' } };
    await save('unreachable', [{ id: 'a', name: 'A', agent: 'http', input: unreachable }]);
    expect((await run('unreachable')).failure?.code).toBe('http_unreachable');
    await save('invalid', [{ id: 'a', name: 'A', agent: 'http', input: { url: `${REF}://x`, method: REF } }]);
    expect((await run('invalid')).status).toBe('failed');
  }, 300_000);

  it('is not revealed by a reference in an input, an output or an expression', async () => {
    await save('given', [
      { id: 'a', name: 'A', agent: 'echo' },
      {
        id: 'b',
        name: 'B',
        agent: 'echo',
        dependencies: ['a'],
        input: { x: '{% input.x %}', y: '{% outputs.a.x %}', z: '{% "{{" & "secret:LEAKED}}" %}' },
      },
      { id: 'c', name: 'C', agent: 'http', input: { url: `{% input.url %}`, headers: { 'x-token': '{% input.x %}' } } },
    ]);
    const before = received.length;
    const ended = await run('given', { x: REF, url: `${url}/given` });
    expect(ended.status).toBe('completed');
    expect(received.slice(before).map(({ token }) => token)).toEqual([REF]);
    const start = keep(await operator.post(`${EXECUTE}/given`, { input: {}, callback_url: `${url}/hook/${REF}` }));
    expect([start.status, start.body['code']]).toEqual([400, 'validation_failed']);
    const stranger = await platform.user('globex', 'operator');
    const steps = [{ id: 'a', name: 'A', agent: 'echo', input: { x: REF } }];
    const refused = await stranger.post<{ errors: { code: string }[] }>(CONFIGS, {
      name: 's',
      strategy: 'sequential',
      steps,
    });
    expect([refused.status, refused.body.errors[0]?.code]).toEqual([400, 'unknown_secret']);
  }, 300_000);

  it('is sent by callbacks and kept nowhere', async () => {
    await save('called-back', [{ id: 'a', name: 'A', agent: 'echo' }]);
    const body = {
      config_id: 'called-back',
      type: 'webhook',
      events: ['completed'],
      callback_url: `${url}/hook/{{secret:ASCII}}`,
      callback_headers: { 'x-token': '{{secret:ASCII}}', 'x-own': 'another value' },
    };
    const made = expectStatus(keep(await operator.post(CALLBACKS, body)), 201);
    expect(made['callback_headers']).toEqual({ 'x-token': '{{secret:ASCII}}', 'x-own': '***' });
    const wrong = { ...body, callback_url: `${url}/hook/{{secret:ASCI}}`, callback_body_template: REF };
    const refused = await operator.post<{ errors: { path: string; code: string }[] }>(CALLBACKS, wrong);
    expect(refused.body.errors.map(({ path, code }) => `${path} ${code}`)).toEqual(
      expect.arrayContaining(['/callback_url unknown_secret', '/callback_body_template secret_not_allowed']),
    );
    const { execution_id: id } = await run('called-back');
    await eventually(() =>
      received.some((one) => one.url === '/hook/plain-ascii-q7xwz' && one.token === 'plain-ascii-q7xwz'),
    );
    await eventually(async () => {
      const deliveries = keep(
        await operator.get<{ deliveries: { status: string }[] }>(
          `/api/v1/orchestrations/callbacks/deliveries?execution_id=${id}`,
        ),
      );
      return deliveries.status !== 200 || deliveries.body.deliveries[0]?.status === 'delivered';
    });
  }, 300_000);

  it('is sent to models as their key and told by no failure of theirs', async () => {
    const model = { provider: 'openai_compatible', model: 'any', base_url: `${url}/fail`, api_key: REF };
    expectStatus(keep(await admin.call('PUT', '/api/v1/models/writer', model)), 201);
    keep(await admin.get('/api/v1/models/writer'));
    const before = received.length;
    const input = { model: 'writer', prompt: 'otters' };
    await save('asks', [{ id: 'a', name: 'A', agent: 'ask_model', input }]);
    expect((await run('asks')).status).toBe('failed');
    // A conversation asks with the same key.
    const llm = { model: 'writer', prompt: '{% "otters" %}' };
    await save('talks', [{ id: 'a', name: 'A', llm }]);
    expect((await run('talks')).status).toBe('failed');
    expect(received.length).toBeGreaterThan(before + 1);
  }, 300_000);

  it('is sent by the tasks of workflows and processes, and by no input of a task, a run or a schedule', async () => {
    const call = (path: string): Record<string, unknown> => ({
      url: `${url}/${path}`,
      method: 'POST',
      headers: { 'x-token': '{{secret:ASCII}}' },
      body: { a: REF },
    });
    const arrives = async (path: string): Promise<string> => {
      const found = (): string | undefined => received.find((one) => one.url === `/${path}`)?.token;
      await eventually(() => found() !== undefined, { timeoutMs: 120_000, describe: `/${path} is called` });
      return found() ?? '';
    };
    const workflow = { name: 'sends-too', tasks: [{ type: 'http', config: call('workflow') }] };
    const { id } = expectStatus(keep(await operator.post<{ id: string }>('/api/v1/workflows', workflow)), 201);
    const started = keep(await operator.post<{ id: string }>(`/api/v1/workflows/${id}/start`, {}));
    expect(await arrives('workflow')).toBe('plain-ascii-q7xwz');
    const steps = [{ type: 'task', id: 'one', task_data: { type: 'http', ...call('process') } }];
    expectStatus(keep(await operator.post('/api/v1/processes', { id: 'sends-again', steps })), 201);
    expectStatus(keep(await operator.post('/api/v1/processes/sends-again/start', {})), 202);
    expect(await arrives('process')).toBe('plain-ascii-q7xwz');
    // The input of an execution is data. Whoever may start one must not learn secrets by it.
    const task = { task_id: 'asks', task_data: { type: 'http', ...call('task') } };
    expectStatus(keep(await operator.post('/api/v1/tasks', task)), 202);
    expect(await arrives('task')).toBe('{{secret:ASCII}}');
    await save('called-by', [{ id: 'a', name: 'A', agent: 'http' }]);
    const timetable = { every_ms: 3_600_000 };
    const schedule = { name: 'asks', config: 'called-by', timetable, input: call('schedule') };
    const refused = keep(await operator.post<{ errors: { code: string }[] }>('/api/v1/schedules', schedule));
    expect([refused.status, refused.body.errors[0]?.code]).toEqual([400, 'secret_not_allowed']);
    const shown = [
      `/api/v1/workflows/${id}`,
      `/api/v1/workflows/${id}/runs`,
      `/api/v1/workflows/${id}/runs/${started.body.id}`,
      '/api/v1/processes',
      '/api/v1/processes/sends-again/runs',
      '/api/v1/tasks',
      '/api/v1/tasks/asks',
    ];
    for (const path of shown) expectStatus(keep(await operator.get(path)), 200);
  }, 300_000);

  it('is not in an archive, nor in what is restored from it', async () => {
    const { execution_id: id } = await run('sends');
    expectStatus(
      keep(await admin.call('PUT', '/api/v1/retention-policies/old', { older_than_ms: 0, action: 'archive' })),
      201,
    );
    await eventually(async () => expect((await operator.get(`${EXECUTIONS}/${id}`)).status).toBe(410), {
      timeoutMs: 120_000,
      describe: 'the execution is in the archive',
    });
    const exported = async (): Promise<void> => {
      const path = `${EXECUTIONS}/${id}/export`;
      const response = await operator.client.send({ method: 'GET', path, body: undefined, headers: {} });
      expect(response.status).toBe(200);
      answers.push(await response.text());
    };
    await exported();
    expectStatus(keep(await admin.call('DELETE', '/api/v1/retention-policies/old')), 200);
    expectStatus(keep(await admin.post(`${EXECUTIONS}/${id}/restore`, {})), 200);
    for (const more of ['', '/events', '/steps/call']) keep(await operator.get(`${EXECUTIONS}/${id}${more}`));
    await exported();
  }, 300_000);

  it('is not told to a model that writes a reference into what it wants called', async () => {
    const model = { provider: 'openai_compatible', model: 'any', base_url: `${url}/model/v1`, api_key: REF };
    expectStatus(keep(await admin.call('PUT', '/api/v1/models/caller', model)), 201);
    const refused = await operator.post<{ errors: { code: string }[] }>(CONFIGS, {
      name: 'prompts',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'A', llm: { model: 'caller', prompt: `say ${REF}` } }],
    });
    expect([refused.status, refused.body.errors[0]?.code]).toEqual([400, 'secret_not_allowed']);
    const llm = { model: 'caller', prompt: 'go', tools: [{ name: 'fetch', agent: 'http' }] };
    await save('calls', [{ id: 'a', name: 'A', llm }]);
    const before = received.length;
    expect((await run('calls')).output).toMatchObject({ text: `done ${REF}` });
    const called = received.slice(before).find((one) => one.url.startsWith('/tool'));
    expect([decodeURIComponent(called?.url ?? ''), called?.token]).toEqual([`/tool?k=${REF}`, REF]);
  }, 300_000);

  it('is in no event that is watched over WebSockets', async () => {
    const socket = new WebSocket(`${platform.url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/sends`, {
      headers: { authorization: `Bearer ${operator.key}` },
    });
    const told: string[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.on('open', () => socket.send(JSON.stringify({ input: {} })));
      socket.on('message', (data: Buffer) => {
        told.push(data.toString('utf8'));
        if (/completed|failed/.test(told.at(-1) ?? '') && /"execution|"type":"end/.test(told.at(-1) ?? '')) resolve();
      });
      socket.on('close', () => resolve());
      socket.on('error', reject);
    });
    socket.terminate();
    expect(told.length).toBeGreaterThan(1);
    expect(told.join(' ')).toContain('StepCompleted');
    answers.push(...told);
  });

  it('is given to nothing that the audit log does not name', async () => {
    interface Used {
      readonly used_by: string;
      readonly resource: string;
    }
    const uses = async (api: Api, query: string): Promise<Used[]> =>
      expectStatus(keep(await api.get<{ entries: Used[] }>(`/api/v1/audit?action=secrets.use&limit=500&${query}`)), 200)
        .entries;
    const ended = await run('sends');
    const own = await uses(admin, `execution_id=${ended.execution_id}`);
    const by = `executions/${ended.execution_id}/steps/call/agents/http`;
    expect(own.map(({ resource, used_by: who }) => `${resource} ${who}`).toSorted()).toEqual([
      `secrets/ASCII ${by}`,
      `secrets/LEAKED ${by}`,
    ]);
    const all = await uses(admin, 'resource=secrets/LEAKED');
    expect(all.some(({ used_by: who }) => who.endsWith('/agents/ask_model'))).toBe(true);
    expect((await uses(admin, 'resource=secrets/ASCII')).some(({ used_by: who }) => who.includes('/callbacks/'))).toBe(
      true,
    );
    // Operators do not read it, and a stranger's log has none of it.
    expect((await operator.get('/api/v1/audit?action=secrets.use')).status).toBe(403);
    const stranger = await platform.user('globex', 'admin');
    expect(await uses(stranger, '')).toEqual([]);
    expect((await stranger.get('/api/v1/audit?tenant_id=acme')).status).toBeGreaterThanOrEqual(403);
  });

  it('is missing after its deletion', async () => {
    await save('misses', [{ id: 'a', name: 'A', agent: 'echo', input: { x: '{{secret:ASCII}}' } }]);
    expectStatus(keep(await admin.call('DELETE', '/api/v1/secrets/ASCII')), 200);
    const code = await eventually(async () => (await run('misses')).failure?.code ?? false, { timeoutMs: 120_000 });
    expect(code).toBe('secret_missing');
  }, 300_000);

  it('does not appear in any table, log, span or answer', async () => {
    keep(await admin.get('/api/v1/secrets'));
    keep(await admin.get('/api/v1/secrets/LEAKED'));
    const found: string[] = [];
    const look = (where: string, text: string): void => {
      for (const form of FORMS) {
        if (text.toLowerCase().includes(form.toLowerCase())) found.push(`${where}: ${form}`);
      }
    };
    const { database_url: connectionString } = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as {
      database_url: string;
    };
    const client = new pg.Client({ connectionString });
    await client.connect();
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(tables.length).toBeGreaterThan(15);
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`);
      // Binary columns are shown as hexadecimal digits.
      for (const { row } of rows) look(name, row);
    }
    await client.end();
    await eventually(() => collector.spans.some(({ name }) => name.startsWith('callback')), { timeoutMs: 120_000 });
    for (const body of collector.bodies) look('a span', body);
    for (const answer of answers) look('an answer', answer);
    look('the output of npm start', platform.command.output);
    const files = readdirSync(platform.dir, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.log'),
    );
    for (const file of files) {
      const path = join(platform.dir, file);
      if (statSync(path).isFile()) look(file, readFileSync(path, 'utf8'));
    }
    const archived = readdirSync(join(platform.dir, 'archive'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.jsonl.gz'),
    );
    expect(archived.length).toBeGreaterThan(0);
    for (const file of archived) {
      look(file, gunzipSync(readFileSync(join(platform.dir, 'archive', file))).toString('utf8'));
    }
    const bundle = join(platform.dir, 'bundle.json.gz');
    const doctor = new BatutaCommand(['doctor', '--bundle', bundle], platform.dir);
    await doctor.exited();
    look('the output of doctor', doctor.output);
    look('the bundle of doctor', gunzipSync(readFileSync(bundle)).toString('utf8'));
    // And whatever else lies there: the files of PostgreSQL with its log of changes, and those of JetStream.
    const bytes = FORMS.map((form) => Buffer.from(form));
    let size = 0;
    for (const file of readdirSync(platform.dir, { recursive: true, encoding: 'utf8' })) {
      const path = join(platform.dir, file);
      if (!(statSync(path, { throwIfNoEntry: false })?.isFile() === true)) continue;
      const content = readFileSync(path);
      size += content.length;
      for (const form of bytes) if (content.includes(form)) found.push(`${file}: ${form.toString()}`);
    }
    expect(size).toBeGreaterThan(10_000_000);
    expect(found).toEqual([]);
  }, 300_000);
});
