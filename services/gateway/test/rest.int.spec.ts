import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ExecutionView, GetPayloadRequest } from '@batuta/contracts';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

describe('the REST edge', () => {
  let under: UnderTest;
  beforeAll(async () => {
    under = await startUnderTest();
  });
  afterAll(async () => {
    await under.close();
  });
  beforeEach(() => {
    under.fake.configs.clear();
    under.fake.putConfig('greeting');
    under.fake.finishAtOnce = true;
  });

  it('creates, shows, changes and lists configs, with the version as ETag', async () => {
    const definition = { name: 'fresh', strategy: 'parallel', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
    const created = await under.call('POST', '/api/v1/orchestrations/configs', { body: definition });
    expect(created.status).toBe(201);
    expect(created.headers.get('etag')).toBe('"1"');
    expect(created.body).toMatchObject({ ...definition, version: 1, created_at: '2023-11-14T22:13:20.000Z' });
    // The answer of a GET may be sent back unchanged.
    const changed = await under.call('PUT', '/api/v1/orchestrations/configs/fresh', {
      body: { ...created.body, description: 'new' },
      headers: { 'if-match': '"1"' },
    });
    expect([changed.status, changed.headers.get('etag')]).toEqual([200, '"2"']);
    const late = await under.call('PUT', '/api/v1/orchestrations/configs/fresh', {
      body: definition,
      headers: { 'if-match': '"1"' },
    });
    expect([late.status, late.body['code']]).toEqual([412, 'version_conflict']);
    const unchanged = await under.call('GET', '/api/v1/orchestrations/configs/fresh', {
      headers: { 'if-none-match': '"2"' },
    });
    expect([unchanged.status, unchanged.text]).toEqual([304, '']);
    const list = await under.call('GET', '/api/v1/orchestrations/configs?limit=10');
    expect(list.body).toMatchObject({ configs: [{ name: 'greeting' }, { name: 'fresh' }], next_cursor: null });
  });

  it('accepts the answer of a GET in a PUT, and ignores the fields that the platform maintains', async () => {
    const shown = { name: 'gpu', pool: 'gpus', revision: 3, built_in: false, tenant_id: 'default', updated_at: 'x' };
    await under.call('PUT', '/api/v1/agents/gpu', { body: shown, key: KEYS.admin });
    const sent = under.fake.asked.findLast(({ pattern }) => pattern === operations.agents.put.subject);
    expect(sent?.data).toMatchObject({ name: 'gpu', body: { pool: 'gpus' } });
    expect(Object.keys(sent?.data['body'] as object)).toEqual(['pool']);
    // Another name is a mistake, which the service reports.
    await under.call('PUT', '/api/v1/agents/gpu', { body: { name: 'cpu', pool: 'gpus' }, key: KEYS.admin });
    const other = under.fake.asked.findLast(({ pattern }) => pattern === operations.agents.put.subject);
    expect(other?.data).toMatchObject({ body: { name: 'cpu', pool: 'gpus' } });

    const kept = {
      id: 'x',
      tenant_id: 'x',
      owner_id: 'x',
      version: 99,
      is_active: false,
      created_at: 'x',
      steps_count: 7,
    };
    const definition = { name: 'greeting', strategy: 'parallel', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
    await under.call('PUT', '/api/v1/orchestrations/configs/greeting', { body: { ...definition, ...kept } });
    const saved = under.fake.asked.findLast(({ pattern }) => pattern === operations.configs.update.subject);
    expect(saved?.data['definition']).toEqual(definition);
    const patched = await under.call('PATCH', '/api/v1/orchestrations/configs/greeting', {
      body: { is_active: false },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    expect([patched.status, patched.body['code']]).toEqual([400, 'validation_failed']);
  });

  it('starts an execution and answers when it is committed', async () => {
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: { input: { a: 1 } } });
    expect(started.status).toBe(202);
    expect(Object.keys(started.body)).toEqual(['execution_id', 'trace_id', 'status']);
    expect(started.headers.get('location')).toBe(
      `/api/v1/orchestrations/executions/${String(started.body['execution_id'])}`,
    );
    expect(under.fake.executions.has(String(started.body['execution_id']))).toBe(true);
  });

  it('answers with the result when the execution ends within the wait', async () => {
    const done = await under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=30s', {
      body: { input: { a: 1 } },
    });
    expect(done.status).toBe(200);
    expect(done.body).toMatchObject({ status: 'completed', output: { echoed: { a: 1 } } });
  });

  it('answers 202 when the execution does not end within the wait', async () => {
    under.fake.finishAtOnce = false;
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=50ms', { body: {} });
    expect([started.status, started.body['status']]).toEqual([202, 'running']);
    const id = String(started.body['execution_id']);
    const pending = await under.call('GET', `/api/v1/orchestrations/executions/${id}/result`);
    expect([pending.status, pending.body['status']]).toEqual([202, 'running']);
    const cancelled = await under.call('POST', `/api/v1/orchestrations/executions/${id}/cancel`, {
      body: { reason: 'enough' },
    });
    expect([cancelled.status, cancelled.body['status']]).toEqual([200, 'cancelled']);
    // Also with a content type but without a body.
    const again = await under.call('POST', `/api/v1/orchestrations/executions/${id}/cancel`, { raw: '' });
    expect([again.status, again.body['code']]).toEqual([409, 'already_completed']);
  });

  it('says after a wait without a result which steps no worker has taken, and reads the queue only then', async () => {
    under.fake.finishAtOnce = false;
    const get = under.fake.handlers.get(operations.executions.get.subject);
    const asked: unknown[] = [];
    const queued = { sinceAt: 1_700_000_000_000, pool: 'text', workers: 0, slots: 0, backlog: 3 };
    under.fake.handlers.set(operations.executions.get.subject, (request: never) => {
      const { payloads } = request as { payloads?: string };
      asked.push(payloads);
      const reply = get?.(request) as { execution: { steps: object[] } };
      const steps = [{ stepId: 'a', queued }, { stepId: 'b' }];
      return payloads === 'own' ? { execution: { ...reply.execution, steps } } : reply;
    });
    try {
      const marks = [
        { step_id: 'a', since_at: '2023-11-14T22:13:20.000Z', pool: 'text', workers: 0, slots: 0, backlog: 3 },
      ];
      const path = '/api/v1/orchestrations/execute/greeting';
      const started = await under.call('POST', `${path}?wait=50ms`, { body: {} });
      expect([started.status, started.body['queued']]).toEqual([202, marks]);
      expect(asked).toEqual(['own']);
      const result = `/api/v1/orchestrations/executions/${String(started.body['execution_id'])}/result`;
      const waited = await under.call('GET', `${result}?wait=50ms`);
      expect([waited.status, waited.body['queued']]).toEqual([202, marks]);
      expect((await under.call('GET', result)).body).not.toHaveProperty('queued');
      expect((await under.call('POST', path, { body: {} })).body).not.toHaveProperty('queued');
      expect(asked).toEqual(['own', 'result', 'own', 'result']);
      // The execution was started, even when this query fails.
      under.fake.handlers.set(operations.executions.get.subject, () => ({
        refused: { code: 'unavailable', message: 'not now' },
      }));
      expect((await under.call('POST', `${path}?wait=50ms`, { body: {} })).status).toBe(202);
    } finally {
      if (get !== undefined) under.fake.handlers.set(operations.executions.get.subject, get);
    }
  });

  it('notices the end of an awaited execution although its message was lost', async () => {
    under.fake.finishAtOnce = false;
    const waiting = under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=20s', { body: {} });
    const before = new Set(under.fake.executions.keys());
    let id: string | undefined;
    while (id === undefined) {
      id = [...under.fake.executions.keys()].find((one) => !before.has(one));
      await new Promise((resolve) => setImmediate(resolve));
    }
    under.fake.appendAll(id, [['ExecutionCompleted', { output: 'unheard' }]], false);
    expect((await waiting).body).toMatchObject({ status: 'completed', output: 'unheard' });
  });

  it('shows the status, the steps and the events of an execution', async () => {
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=30s', {
      body: { input: 1 },
    });
    const { trace_id, execution_id } = started.body as { trace_id: string; execution_id: string };
    const status = await under.call('GET', `/api/v1/orchestrations/status/${trace_id}`);
    expect(status.body).toMatchObject({
      execution_id,
      trace_id,
      status: 'completed',
      step_counts: { total: 1, completed: 1, running: 0 },
      estimated_cost: 0.25,
      steps: [{ step_id: 'one', status: 'completed' }],
    });
    expect(status.text).not.toContain('big');
    const steps = await under.call('GET', `/api/v1/orchestrations/executions/${execution_id}/steps`);
    expect(steps.body).toMatchObject({ execution_id, steps: [{ step_id: 'one', output: { big: true } }] });
    const events = await under.call('GET', `/api/v1/orchestrations/executions/${execution_id}/events?limit=1`);
    expect(events.body).toMatchObject({ events: [{ version: 1, type: 'ExecutionStarted' }] });
    for (const from of [`cursor=${String(events.body['next_cursor'])}`, 'from_version=2']) {
      const rest = await under.call('GET', `/api/v1/orchestrations/executions/${execution_id}/events?${from}`);
      expect(rest.body).toMatchObject({ events: [{ version: 2, type: 'ExecutionCompleted' }], next_cursor: null });
    }
  });

  it('answers a repeat of an idempotent start with the first execution, and refuses another body', async () => {
    const options = { headers: { 'idempotency-key': 'order-7' }, body: { input: { b: 1, a: 2 } } };
    const first = await under.call('POST', '/api/v1/orchestrations/execute/greeting', options);
    const again = await under.call('POST', '/api/v1/orchestrations/execute/greeting?wait=5s', {
      ...options,
      body: { input: { a: 2, b: 1 } },
    });
    expect(again.status).toBe(200);
    expect(again.body['execution_id']).toBe(first.body['execution_id']);
    expect(again.body['trace_id']).toBe(first.body['trace_id']);
    const other = await under.call('POST', '/api/v1/orchestrations/execute/greeting', {
      ...options,
      body: { input: 3 },
    });
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_mismatch']);
    const stranger = await under.call('POST', '/api/v1/orchestrations/execute/greeting', {
      ...options,
      key: KEYS.stranger,
    });
    expect(stranger.body['execution_id']).not.toBe(first.body['execution_id']);
    under.fake.configs.clear();
    const gone = await under.call('POST', '/api/v1/orchestrations/execute/greeting', options);
    expect([gone.status, gone.body['execution_id']]).toEqual([202, first.body['execution_id']]);
  });

  it('refuses an input that does not fit the input_schema with every violation, and starts nothing', async () => {
    under.fake.putConfig('strict', {
      input_schema: {
        type: 'object',
        required: ['host'],
        properties: { host: { type: 'string' }, port: { type: 'integer' } },
      },
    });
    const before = under.fake.executions.size;
    const refused = await under.call('POST', '/api/v1/orchestrations/execute/strict', {
      body: { input: { port: 'x' } },
    });
    expect([refused.status, refused.body['code']]).toEqual([422, 'input_invalid']);
    expect(refused.body.errors?.map(({ path }) => path).sort()).toEqual(expect.arrayContaining(['/input/port']));
    expect(refused.body.errors?.length).toBe(2);
    expect(under.fake.executions.size).toBe(before);
    const fits = await under.call('POST', '/api/v1/orchestrations/execute/strict', { body: { input: { host: 'h' } } });
    expect(fits.status).toBe(202);
    expect(under.fake.count('batuta.config.version')).toBe(1);
  });

  it('shows its own output whole, of any size, and links to the payloads that were left out', async () => {
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: { input: { a: 1 } } });
    const id = String(started.body['execution_id']);
    const { handlers } = under.fake;
    const before = new Map(handlers);
    const get = before.get(operations.executions.get.subject) as (request: unknown) => { execution: ExecutionView };
    const output = { text: 'ü'.repeat(1_000), more: ['x'] };
    const text = JSON.stringify(output);
    try {
      handlers.set(operations.executions.get.subject, (request: unknown) => {
        const { output: _output, ...execution } = get(request).execution;
        const [step] = execution.steps;
        return {
          execution: {
            ...execution,
            outputOmitted: { bytes: 9 },
            steps: [{ ...step, output: undefined, outputOmitted: { bytes: 7 } }],
            consensus: [{ groupId: 'g', mode: 'quorum', status: 'completed', outputOmitted: { bytes: 8 } }],
          },
        };
      });
      handlers.set(operations.executions.output.subject, ({ payload, stepId, from }: GetPayloadRequest) => {
        if (payload === 'event') return { text: JSON.stringify(under.fake.executions.get(id)?.events[0]) };
        if (stepId === 'none') return { refused: { code: 'step_not_found', message: 'None.' } };
        const end = (from ?? 0) + 300;
        return { text: text.slice(from, end), ...(end < text.length ? { nextFrom: end } : {}) };
      });
      const path = `/api/v1/orchestrations/executions/${id}`;
      const view = await under.call('GET', path);
      expect(view.body['output']).toEqual(output);
      expect(view.body).not.toHaveProperty('output_omitted');
      expect(view.body['steps']).toMatchObject([{ output_omitted: { bytes: 7, href: `${path}/steps/one/output` } }]);
      expect(view.body['consensus']).toMatchObject([{ output_omitted: { bytes: 8, href: `${path}/steps/g/output` } }]);
      expect((await under.call('GET', `${path}/result`)).body['output']).toEqual(output);
      expect((await under.call('GET', `${path}/steps/one/output`)).body).toEqual({
        execution_id: id,
        step_id: 'one',
        output,
      });
      expect((await under.call('GET', `${path}/steps/none/output`)).body).toMatchObject({
        status: 404,
        code: 'step_not_found',
      });
      expect((await under.call('GET', `${path}/events/1`)).body).toMatchObject({
        version: 1,
        type: 'ExecutionStarted',
        data: { input: { a: 1 } },
      });
      for (const version of ['0', '-1', 'x', '99999999999']) {
        expect((await under.call('GET', `${path}/events/${version}`)).status).toBe(404);
      }
    } finally {
      for (const [pattern, handler] of before) handlers.set(pattern, handler);
    }
  });

  it('lets each role do its operations and nothing more', async () => {
    const execute = (key: string) => under.call('POST', '/api/v1/orchestrations/execute/greeting', { key, body: {} });
    expect((await execute(KEYS.viewer)).status).toBe(403);
    expect((await execute(KEYS.operator)).status).toBe(202);
    expect((await under.call('GET', '/api/v1/orchestrations/configs', { key: KEYS.viewer })).status).toBe(200);
    expect((await under.call('GET', '/api/v1/api-keys', { key: KEYS.operator })).status).toBe(403);
    expect((await under.call('GET', '/api/v1/api-keys', { key: KEYS.admin })).status).toBe(404);
  });

  it('is live and ready, and documents itself completely', async () => {
    expect((await under.call('GET', '/health/live', { key: null })).body).toEqual({ status: 'live' });
    const ready = await under.call('GET', '/health/ready', { key: null });
    expect([ready.status, ready.body['checks']]).toEqual([
      200,
      { gateway: 'ok', nats: 'ok', config: 'ok', execution: 'ok' },
    ]);
    expect((await under.call('GET', '/metrics', { key: null })).text).toContain('batuta_gateway_http_request_seconds');
    expect((await under.call('GET', '/docs', { key: null })).text).toContain('swagger');
    const document = (await under.call('GET', '/docs-json', { key: null })).body as unknown as {
      paths: Record<
        string,
        Record<string, { responses: Record<string, unknown>; security?: unknown[]; summary?: string }>
      >;
      components: { schemas: Record<string, unknown> };
    };
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const operation of Object.values(operations)) {
        expect(operation.summary).toBeTruthy();
        if (path.startsWith('/api/')) {
          expect(operation.security).toEqual([{ bearer: [] }]);
          expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['401', '403', '500', '503']));
        }
      }
    }
    expect(Object.keys(document.paths).length).toBeGreaterThanOrEqual(20);
  });
});
