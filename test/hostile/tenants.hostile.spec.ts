import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
/** Stands in everything of the attacked tenant, and in nothing that the attacker sends. */
const CONTENT = 'acme-content-q7xwz';

interface Operation {
  readonly requestBody?: {
    readonly content: Record<string, { readonly example?: unknown; readonly examples?: object }>;
  };
}
interface Route {
  readonly method: string;
  readonly template: string;
  readonly body: unknown;
}

/** Every operation of the API with the body of its example. A new route is attacked without a change here. */
function routes(): Route[] {
  const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
    paths: Record<string, Record<string, Operation>>;
  };
  return Object.entries(paths)
    .filter(([template]) => template.startsWith('/api/v1/'))
    .flatMap(([template, operations]) =>
      ['get', 'post', 'put', 'patch', 'delete'].flatMap((method) => {
        const operation = operations[method];
        if (operation === undefined) return [];
        const content = operation.requestBody?.content['application/json'];
        const [first] = Object.values((content?.examples ?? {}) as Record<string, { value: unknown }>);
        return [{ method: method.toUpperCase(), template, body: content?.example ?? first?.value }];
      }),
    );
}

/** Names that each tenant has for itself: with one of them the attacker reaches or makes its own thing. */
const OWN_NAMES =
  /\/(?:agents|models|secrets|retention-policies|pauses\/\{kind\})\/\{name\}$|\/mcp-servers\/\{name\}(?:\/tools|\/consent)?$|\/pools\/\{pool\}\/credentials$/;

describe("a tenant that knows all ids and names of another's things", () => {
  let platform: LocalPlatform;
  let owner: Api;
  let attacker: Api;
  /** The values of a path's parameters, by the beginning of the path. The first that fits counts. */
  let known: (readonly [beginning: string, values: Readonly<Record<string, string>>])[];
  /** Where the owner sees its things. */
  const shown = (): string[] =>
    routes()
      .filter(({ method, template }) => method === 'GET' && template.includes('{') && !template.endsWith('/stream'))
      .map(({ template }) => pathOf(template))
      // The server of a test is at no address that answers.
      .filter((path) => !path.endsWith('/limits') && !/mcp-servers\/[^/]+\/tools$/.test(path));

  const pathOf = (template: string): string => {
    const values = known.find(([beginning]) => template.startsWith(beginning))?.[1] ?? {};
    return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`this test knows no ${name} for ${template}`);
      return encodeURIComponent(value);
    });
  };

  /** Not every answer is JSON. */
  const send = async (
    api: Api,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; text: string }> => {
    const answer = await api.client.send({
      method,
      path,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
    });
    return { status: answer.status, text: await answer.text() };
  };

  const made = async (method: string, path: string, body: unknown): Promise<Record<string, string>> => {
    const answer = await owner.call<Record<string, string>>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    owner = await platform.user('acme', 'admin');
    attacker = await platform.user('mallory', 'admin');
    const step = { id: 'first', name: CONTENT, agent: 'echo', input: { say: CONTENT } };
    const approval = { id: 'second', name: 'Second', approval: { message: CONTENT }, dependencies: ['first'] };
    const steps = [step, approval];
    const { id: config = '' } = await made('POST', CONFIGS, { name: 'known', strategy: 'parallel', steps });
    const callback = await made('POST', '/api/v1/orchestrations/callbacks', {
      config_id: 'known',
      type: 'webhook',
      events: ['cancelled'],
      callback_url: `https://example.org/${CONTENT}`,
    });
    const execution = await made('POST', `${EXECUTE}/known?wait=2s`, { input: { say: CONTENT } });
    const document = await made('POST', '/api/v1/knowledge/documents', {
      source: 'known.md',
      title: CONTENT,
      content_type: 'text/markdown',
      content: `# ${CONTENT}`,
    });
    await made('PUT', '/api/v1/secrets/KNOWN', { value: 'a-value-of-acme', description: CONTENT });
    await made('PUT', '/api/v1/models/known', {
      provider: 'openai_compatible',
      model: CONTENT,
      base_url: 'http://127.0.0.1:9/v1',
      max_output_tokens: 100,
    });
    await made('PUT', '/api/v1/mcp-servers/known', { url: 'http://127.0.0.1:9/mcp', description: CONTENT });
    await made('PUT', '/api/v1/agents/known', {
      pool: 'known',
      description: CONTENT,
      input_schema: { type: 'object' },
    });
    const credentials = await made('POST', '/api/v1/pools/known/credentials', { name: CONTENT });
    await made('PUT', '/api/v1/retention-policies/known', { statuses: ['completed'], older_than_ms: 2_592_000_000 });
    await made('PUT', '/api/v1/pauses/agent/known', { reason: CONTENT });
    const key = await made('POST', '/api/v1/api-keys', { user_id: 'known', role: 'viewer', name: CONTENT });
    const schedule = await made('POST', '/api/v1/schedules', {
      name: 'known',
      config: 'known',
      timetable: { cron: '0 7 1 1 *', time_zone: 'UTC' },
      input: { say: CONTENT },
    });
    const task = { type: 'echo', say: CONTENT };
    await made('POST', '/api/v1/tasks', { task_id: 'known', task_data: task });
    const workflow = await made('POST', '/api/v1/workflows', {
      name: CONTENT,
      tasks: [{ type: 'echo', config: { say: CONTENT } }],
    });
    const workflowRun = await made('POST', `/api/v1/workflows/${workflow['id']}/start`, { input: {} });
    const processSteps = [{ id: 'first', type: 'task', task_data: task }];
    await made('POST', '/api/v1/processes', { id: 'known', steps: processSteps, dependencies: [] });
    const processRun = await made('POST', '/api/v1/processes/known/start', { input: {} });
    const id = (of: Record<string, string>, field = 'id'): string => {
      const value = of[field];
      if (value === undefined) throw new Error(`no ${field} in ${JSON.stringify(of)}`);
      return value;
    };
    const executionId = id(execution, 'execution_id');
    known = [
      [CONFIGS, { id: config, version: '1' }],
      [EXECUTE, { config_id: 'known' }],
      ['/api/v1/orchestrations/status', { trace_id: id(execution, 'trace_id') }],
      ['/api/v1/orchestrations/executions/{id}/steps/{step_id}/approve', { id: executionId, step_id: 'second' }],
      ['/api/v1/orchestrations/executions/{id}/steps/{step_id}/reject', { id: executionId, step_id: 'second' }],
      ['/api/v1/orchestrations/executions', { id: executionId, step_id: 'first', version: '1', name: 'known' }],
      // No delivery exists without a server that is called. The id of an execution is as good as any.
      ['/api/v1/orchestrations/callbacks/deliveries', { id: executionId }],
      ['/api/v1/orchestrations/callbacks', { id: id(callback) }],
      ['/api/v1/knowledge/documents', { id: id(document) }],
      ['/api/v1/secrets', { name: 'KNOWN' }],
      ['/api/v1/pools', { pool: 'known', id: id(credentials) }],
      ['/api/v1/pauses', { kind: 'agent', name: 'known' }],
      ['/api/v1/api-keys', { id: id(key) }],
      ['/api/v1/tenants', { tenant: 'acme' }],
      ['/api/v1/schedules', { id: id(schedule) }],
      ['/api/v1/tasks', { task_id: 'known' }],
      ['/api/v1/workflows', { id: id(workflow), run_id: id(workflowRun) }],
      ['/api/v1/processes', { id: 'known', run_id: id(processRun) }],
      ['/api/v1/', { name: 'known' }],
    ];
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  it('finds none of them by any route, and changes none', async () => {
    const before = new Map<string, string>();
    for (const path of shown()) before.set(path, (await send(owner, 'GET', path)).text);
    // The owner sees its things there, so the attacker could.
    expect([...before.values()].filter((text) => text.includes(CONTENT)).length).toBeGreaterThan(20);

    const wrong: string[] = [];
    for (const { method, template, body } of routes()) {
      const query = template === '/api/v1/knowledge/search' ? `?q=${CONTENT.slice(0, 4)}` : '';
      const { status, text } = await send(attacker, method, pathOf(template) + query, body);
      const isRefused = status === 404 || status === 403;
      const isNamed = template.includes('{') && !OWN_NAMES.test(template);
      if (status >= 500 || (isNamed && !isRefused)) wrong.push(`${method} ${template}: ${status}`);
      if (text.includes(CONTENT)) wrong.push(`${method} ${template} shows the content`);
    }
    expect(wrong).toEqual([]);

    const idOfRequest = /"request_id":"[^"]*"/;
    for (const [path, text] of before) {
      const after = (await send(owner, 'GET', path)).text;
      expect({ path, text: after.replace(idOfRequest, '') }).toEqual({ path, text: text.replace(idOfRequest, '') });
    }
  }, 300_000);

  it('reaches none of them by what it makes itself', async () => {
    const steps = (step: object): object => ({
      name: 'reaches',
      strategy: 'sequential',
      steps: [{ id: 'only', name: 'Only', ...step }],
    });
    const [, { id: config = '' }] = known[0] ?? ['', {}];
    const attempts: [path: string, body: object][] = [
      [CONFIGS, steps({ agent: 'known' })],
      [CONFIGS, steps({ agent: 'echo', input: { say: '{{secret:KNOWN}}' } })],
      [CONFIGS, steps({ orchestration: { config: 'known' } })],
      [CONFIGS, steps({ orchestration: { config } })],
      ['/api/v1/schedules', { name: 'reaches', config, timetable: { every_ms: 60_000 } }],
      [
        '/api/v1/orchestrations/callbacks',
        { config_id: config, type: 'webhook', events: ['completed'], callback_url: 'https://example.org/' },
      ],
      ['/api/v1/tasks', { task_id: 'reaches', task_data: { type: 'known' } }],
      ['/api/v1/workflows', { name: 'reaches', tasks: [{ type: 'known', config: {} }] }],
    ];
    for (const [path, body] of attempts) {
      const answer = await attacker.post(path, body);
      expect({ path, body, status: answer.status }).toEqual({ path, body, status: 400 });
      expect(JSON.stringify(answer.body)).not.toContain(CONTENT);
    }
    const pool = await attacker.call('PUT', '/api/v1/agents/reaches', {
      pool: 'known',
      description: '',
      input_schema: { type: 'object' },
    });
    expectStatus(pool, 409);
  }, 300_000);
});
