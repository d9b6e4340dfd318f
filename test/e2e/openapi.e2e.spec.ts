import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';

interface Content {
  readonly schema?: Shape;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>;
}

interface Operation {
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly example?: string;
    readonly schema?: { readonly example?: unknown };
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly content?: Readonly<Record<string, Content>>;
        readonly headers?: Readonly<Record<string, { readonly description?: string; readonly $ref?: string }>>;
      }
    >
  >;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Shape>>;
    readonly examples: Readonly<Record<string, { readonly value: unknown }>>;
  };
}

interface Shape {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly additionalProperties?: Shape | boolean;
  readonly allOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly anyOf?: readonly Shape[];
}

/**
 * Fields whose texts are not names: sentences, documents, expressions and templates, and names that others have given.
 */
const FREE_TEXTS = new Set(
  (
    'description reason comment title content message prompt system when score vote_key model base_url api_key value ' +
    'callback_url callback_body_template subject_template html_template callback_headers to fallback non_retryable ids key $schema'
  ).split(' '),
);

const API = '/api/v1/orchestrations';
const EXECUTION = `${API}/executions/{id}`;

/** The config for routes that need an existing execution and therefore have no example of their own. */
const SLOW = {
  name: 'slow',
  strategy: 'sequential',
  steps: [
    { id: 'hello', name: 'Hello', agent: 'echo', compensate: { agent: 'echo' } },
    { id: 'again', name: 'Wait', agent: 'delay', input: { ms: 600_000 }, timeout_ms: 600_000 },
  ],
};
const ASKING = {
  name: 'asking',
  strategy: 'sequential',
  steps: [{ id: 'again', name: 'Ask', approval: { message: 'Fine?' } }],
};

const PAID = {
  name: 'paid',
  strategy: 'sequential',
  steps: [{ id: 'again', name: 'Wait', signal: { name: 'payment' } }],
};

describe('the OpenAPI document', () => {
  let platform: LocalPlatform;
  let api: Api;
  let document: OpenApi;
  /** Routes whose answer had a secret. */
  const secrets = new Set<string>();

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    api = platform.admin();
    document = expectStatus(await api.get<OpenApi>('/docs-json'), 200);
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  const operations = (): { method: string; path: string; operation: Operation }[] =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
    );

  it('equals the committed one', () => {
    expect(document).toEqual(JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')));
  });

  it('follows the specification', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });

  it('describes every field, at any depth of bodies and answers, every parameter and every header', () => {
    const missing: string[] = [];
    let seen = 0;
    const look = (place: string, { description = '', $ref }: { description?: string; $ref?: string }): void => {
      seen += 1;
      if (description === '' && $ref === undefined) missing.push(place);
    };
    const walk = (place: string, schema: Shape | undefined): void => {
      if (typeof schema !== 'object') return;
      const { properties = {}, items, additionalProperties, allOf = [], oneOf = [], anyOf = [] } = schema;
      for (const [name, field] of Object.entries(properties)) {
        look(`${place}.${name}`, field);
        walk(`${place}.${name}`, field);
      }
      for (const each of [items, additionalProperties, ...allOf, ...oneOf, ...anyOf]) walk(place, each as Shape);
    };
    for (const [name, schema] of Object.entries(document.components.schemas)) walk(name, schema);
    for (const { method, path, operation } of operations()) {
      const place = `${method} ${path}`;
      for (const parameter of operation.parameters ?? []) look(`${place} ?${parameter.name}`, parameter);
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) walk(place, schema);
      for (const { headers = {}, content = {} } of Object.values(operation.responses)) {
        for (const [name, header] of Object.entries(headers)) look(`${place} ${name}`, header);
        for (const { schema } of Object.values(content)) walk(place, schema);
      }
    }
    expect(seen).toBeGreaterThan(1_000);
    expect(missing).toEqual([]);
  });

  it('has no example for optional parameters, because the page would send them', () => {
    const parameters = operations().flatMap(({ operation }) => operation.parameters ?? []);
    const filled = parameters.filter(
      ({ required, example, schema }) => required !== true && (example ?? schema?.example) !== undefined,
    );
    expect(filled).toEqual([]);
    expect(parameters.find(({ name }) => name === 'If-Match')?.description).toMatch(/For example `".+"`\.$/);
  });

  it('shows an example of every error, with its own code and status', () => {
    let examples = 0;
    for (const { method, path, operation } of operations()) {
      if (!path.startsWith('/api/')) continue;
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (!(Number(status) >= 400)) continue;
        const shown = Object.entries(content?.['application/problem+json']?.examples ?? {});
        if (shown.length === 0) throw new Error(`${method} ${path} has no example for ${status}`);
        for (const [code, { $ref }] of shown) {
          const value = document.components.examples[$ref.split('/').at(-1) ?? '']?.value;
          expect(value).toMatchObject({ code, status: Number(status), type: `urn:batuta:problem:${code}` });
          examples += 1;
        }
      }
    }
    expect(examples).toBeGreaterThan(200);
  });

  /** Paths of the texts in a schema that are not one of a list of words. */
  function textsOf(schema: Shape | undefined, path: readonly (string | number)[] = []): (string | number)[][] {
    if (schema === undefined || path.length > 6) return [];
    if (schema.$ref !== undefined) {
      return textsOf(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''], path);
    }
    const { type, properties = {}, items, allOf = [], oneOf = [], anyOf = [] } = schema;
    const isText = schema.enum === undefined && [type].flat().includes('string');
    return [
      ...(isText ? [[...path]] : []),
      ...[...allOf, ...oneOf, ...anyOf].flatMap((each) => textsOf(each, path)),
      ...Object.entries(properties).flatMap(([name, each]) => textsOf(each, [...path, name])),
      ...textsOf(items, [...path, 0]),
    ];
  }

  /** A copy of a body with a value at a path. Undefined when the path does not exist. */
  function withField(body: unknown, [key, ...rest]: readonly (string | number)[], value: unknown): unknown {
    if (key === undefined) return value;
    const holder = body ?? (typeof key === 'number' ? [] : {});
    if (typeof holder !== 'object' || Array.isArray(holder) !== (typeof key === 'number')) return undefined;
    const child = withField((holder as Record<string | number, unknown>)[key], rest, value);
    if (child === undefined) return undefined;
    return Array.isArray(holder) ? [child, ...holder.slice(1)] : { ...holder, [key]: child };
  }

  /** Sends the example of the document. `Api` compares the answer with the document. */
  async function tryOut(method: string, path: string, parameters: Record<string, string> = {}): Promise<Answer> {
    const operation = document.paths[path]?.[method];
    if (operation === undefined) throw new Error(`there is no ${method} ${path}`);
    let target = path;
    for (const { in: where, name, example } of operation.parameters ?? []) {
      const value = parameters[name] ?? example;
      if (where === 'path') target = target.replace(`{${name}}`, encodeURIComponent(value ?? 'nothing'));
    }
    const [media, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    const body = content?.example;
    if (content !== undefined && body === undefined) throw new Error(`${method} ${path} has no example of its body`);
    const answer = await api.call(
      method.toUpperCase(),
      target,
      body,
      media === undefined ? {} : { 'content-type': media },
    );
    if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.status} ${JSON.stringify(answer.body)}`);
    if (answer.status === 201) await expectPlace(answer);
    if (typeof answer.body['secret'] === 'string' || typeof answer.body['file'] === 'string') {
      expect([path, answer.headers.get('cache-control')]).toEqual([path, 'no-store']);
      secrets.add(path);
    }
    return answer;
  }

  /** Checks that the created resource is at the URL in the answer. */
  async function expectPlace({ headers, body }: Answer): Promise<void> {
    const place = headers.get('location') ?? '';
    expect(place).toMatch(/^\/api\/v1\//);
    // GET on credentials does not return the file, so its answer differs from that of POST.
    if (place.includes('/credentials/')) {
      const there = await fetch(`${api.url}${place}`, { method: 'OPTIONS' });
      expect([there.status, there.headers.get('allow')]).toEqual([204, 'DELETE, GET, HEAD, OPTIONS']);
      expect(place).toContain(String(body['id']));
    } else if (place.includes('/pauses/')) {
      // A pause is shown by the list.
      const there = await fetch(`${api.url}${place}`, { method: 'OPTIONS' });
      expect([there.status, there.headers.get('allow')]).toEqual([204, 'DELETE, OPTIONS, PUT']);
      const { pauses } = (await api.get('/api/v1/pauses')).body as unknown as { pauses: { name: string }[] };
      expect(pauses.map(({ name }) => name)).toContain(body['name']);
    } else {
      const there = await api.get(place);
      const name = 'id' in body ? 'id' : 'name';
      expect([place, there.status, there.body[name]]).toEqual([place, 200, body[name]]);
    }
  }

  const start = async (config: string): Promise<string> =>
    expectStatus(await api.post<{ execution_id: string }>(`${API}/execute/${config}`, { input: {} }), 202).execution_id;
  const until = async (id: string, status: string, step?: string): Promise<void> => {
    await eventually(
      async () => {
        const view = expectStatus(
          await api.get<{ status: string; steps: { step_id: string; status: string }[] }>(`${API}/executions/${id}`),
          200,
        );
        const running =
          step === undefined || view.steps.some((each) => each.step_id === step && each.status === 'running');
        if (view.status !== status || !running) throw new Error(JSON.stringify(view));
      },
      { timeoutMs: 60_000, describe: `execution ${id} is ${status}` },
    );
  };
  const running = async (config: string): Promise<string> => {
    const id = await start(config);
    await until(id, 'running', 'again');
    return id;
  };

  it('has examples of bodies that a new platform accepts, and answers that match it', async () => {
    // All routes that accept a body, create something, or show a secret.
    const left = new Set(
      operations().flatMap(({ method, path, operation }) =>
        operation.requestBody || operation.responses['201'] !== undefined || path.endsWith('/rotate')
          ? [`${method} ${path}`]
          : [],
      ),
    );
    const send = async (method: string, path: string, parameters?: Record<string, string>): Promise<Answer> => {
      left.delete(`${method} ${path}`);
      return await tryOut(method, path, parameters);
    };

    await send('post', `${API}/configs`);
    const started = await send('post', `${API}/execute/{config_id}`);
    const id = String(started.body['execution_id']);
    const done = expectStatus(await api.get(`${API}/executions/${id}/result?wait=30s`), 200);
    expect(done['status']).toBe('completed');
    await send('post', `${EXECUTION}/fork`, { id });
    await send('put', `${API}/configs/{id}`);
    await send('patch', `${API}/configs/{id}`);
    const agent = await send('put', '/api/v1/agents/{name}');
    await send('patch', '/api/v1/agents/{name}');
    await send('post', '/api/v1/pools/{pool}/credentials', { pool: String(agent.body['pool']) });
    await send('post', '/api/v1/knowledge/documents');
    await send('put', '/api/v1/secrets/{name}');
    await send('put', '/api/v1/models/{name}');
    await send('put', '/api/v1/pauses/{kind}/{name}');
    await send('put', '/api/v1/mcp-servers/{name}');
    await send('put', '/api/v1/mcp-servers/{name}/consent');
    await send('put', '/api/v1/retention-policies/{name}');
    await send('post', '/api/v1/api-keys');
    await send('put', '/api/v1/tenants/{tenant}/limits', { tenant: 'default' });
    await send('put', '/api/v1/tenants/{tenant}/settings', { tenant: 'default' });
    await send('post', '/api/v1/schedules/preview');
    const schedule = { id: String((await send('post', '/api/v1/schedules')).body['id']) };
    await send('put', '/api/v1/schedules/{id}', schedule);
    for (const command of ['pause', 'resume', 'trigger', 'backfill']) {
      await send('post', `/api/v1/schedules/{id}/${command}`, schedule);
    }
    await send('post', '/api/v1/tasks');
    const later = { task_id: 'later', task_data: { type: 'echo' }, scheduled_time: '2029-01-01T00:00:00Z' };
    expectStatus(await api.post('/api/v1/tasks', later), 202);
    for (const command of ['reschedule', 'cancel']) {
      await send('post', `/api/v1/tasks/{task_id}/${command}`, { task_id: 'later' });
    }
    for (const feature of ['workflows', 'processes']) {
      await send('post', `/api/v1/${feature}`);
      await send('put', `/api/v1/${feature}/{id}`);
      await send('post', `/api/v1/${feature}/{id}/start`);
    }
    const callback = await send('post', `${API}/callbacks`);
    await send('post', `${API}/callbacks/{id}/secret/rotate`, { id: String(callback.body['id']) });
    await send('post', `${API}/callbacks/secret/rotate`);
    await send('post', '/api/v1/notifications/ack');

    for (const config of [SLOW, ASKING, PAID]) expectStatus(await api.post(`${API}/configs`, config), 201);
    const slow = await running('slow');
    const long = { name: 'long', tasks: [{ type: 'slow' }] };
    expectStatus(await api.post('/api/v1/workflows', long), 201);
    expectStatus(await api.post('/api/v1/workflows/long/start', {}), 202);
    for (const command of ['pause', 'resume']) await send('post', `/api/v1/workflows/{id}/${command}`, { id: 'long' });
    const steps = [{ id: 'only', type: 'workflow', name: 'long' }];
    expectStatus(await api.post('/api/v1/processes', { id: 'longer', steps }), 201);
    expectStatus(await api.post('/api/v1/processes/longer/start', {}), 202);
    for (const command of ['cancel', 'retry']) {
      await send('post', `/api/v1/processes/{id}/${command}`, { id: 'longer' });
    }
    await send('post', `${EXECUTION}/pause`, { id: slow });
    await send('post', `${EXECUTION}/resume`, { id: slow });
    await send('post', `${EXECUTION}/cancel`, { id: slow });
    await send('post', `${EXECUTION}/retry`, { id: slow });
    await until(slow, 'running', 'again');
    await send('post', `${EXECUTION}/terminate`, { id: slow });
    await send('post', `${EXECUTION}/compensate`, { id: slow });
    await send('post', `${EXECUTION}/steps/{step_id}/skip`, { id: await running('slow') });
    await send('post', `${EXECUTION}/steps/{step_id}/approve`, { id: await running('asking') });
    await send('post', `${EXECUTION}/signals/{name}`, { id: await running('paid') });
    await send('post', `${EXECUTION}/steps/{step_id}/reject`, { id: await running('asking') });
    // Nothing is archived here: archive.e2e.spec.ts restores.
    const restore = `${EXECUTION}/restore`;
    left.delete(`post ${restore}`);
    const refused = await api.post(restore.replace('{id}', id), { reason: 'asked for by the auditors' });
    expect(expectStatus(refused, 409)).toMatchObject({ code: 'not_archived' });
    expect([...left]).toEqual([]);
    expect([...secrets].toSorted()).toEqual(
      [
        '/api/v1/api-keys',
        `${API}/callbacks`,
        `${API}/callbacks/secret/rotate`,
        `${API}/callbacks/{id}/secret/rotate`,
        '/api/v1/pools/{pool}/credentials',
      ].toSorted(),
    );

    // Reads must show their fields as documented, with all kinds of executions.
    await running('asking');
    const status = expectStatus(await api.get(`${API}/executions/${slow}`), 200);
    const parameters = { id, step_id: 'again', trace_id: String(status['trace_id']) };
    for (const path of [
      `${API}/configs`,
      `${API}/executions`,
      `${API}/approvals`,
      EXECUTION,
      `${EXECUTION}/steps`,
      `${EXECUTION}/steps/{step_id}`,
      `${EXECUTION}/steps/{step_id}/output`,
      `${EXECUTION}/events`,
      `${EXECUTION}/verify`,
      `${EXECUTION}/result`,
      `${API}/status/{trace_id}`,
      `${API}/callbacks`,
      '/api/v1/agents',
      '/api/v1/pools',
      '/api/v1/pauses',
      '/api/v1/api-keys',
      '/api/v1/knowledge/documents',
      '/api/v1/models',
      '/api/v1/models/{name}',
      '/api/v1/mcp-servers',
      '/api/v1/mcp-servers/{name}',
      '/api/v1/secrets',
      '/api/v1/secrets/{name}',
      '/api/v1/retention-policies',
      '/api/v1/retention-policies/{name}',
      '/api/v1/notifications',
    ]) {
      await tryOut('get', path, parameters);
      if (path.startsWith(EXECUTION)) await tryOut('get', path, { ...parameters, id: slow });
    }
    await tryOut('get', `${API}/configs/{id}`);
  }, 300_000);

  it('has one rule for all names: no name may contain a character that only looks like a space', async () => {
    const taken: string[] = [];
    let tried = 0;
    for (const { method, path, operation } of operations()) {
      const [media, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
      // Routes of an existing execution or schedule accept no names except those of a start.
      if (content === undefined || /\/(executions|schedules)\/\{id\}/.test(path)) continue;
      // The tools of another server have the names that it gives them.
      if (path.endsWith('/consent')) continue;
      const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        name === 'tenant' ? 'default' : (operation.parameters?.find((each) => each.name === name)?.example ?? 'none'),
      );
      for (const field of textsOf(content.schema)) {
        if (field.some((part) => FREE_TEXTS.has(String(part)))) continue;
        const body = withField(content.example ?? {}, field, 'a\u00a0b');
        if (body === undefined) continue;
        tried += 1;
        const { status, body: answer } = await api.call(method.toUpperCase(), target, body, {
          'content-type': media ?? '',
        });
        const errors = (answer['errors'] ?? []) as { path: string }[];
        const told = errors.some((error) => error.path === `/${field.join('/')}`);
        if (status !== 400 || !told) taken.push(`${method} ${path} ${field.join('.')}: ${status}`);
      }
    }
    expect(tried).toBeGreaterThan(60);
    expect(taken).toEqual([]);
  });
});
