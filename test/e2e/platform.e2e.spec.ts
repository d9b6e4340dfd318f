import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import WebSocket from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const EXECUTIONS = '/api/v1/orchestrations/executions';

interface Started {
  readonly execution_id: string;
  readonly trace_id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly repeated?: boolean;
}

interface Shown {
  readonly version: number;
  readonly type: string;
  readonly data?: Record<string, unknown>;
}

interface Problem {
  readonly code: string;
  readonly errors?: readonly { path: string; code: string }[];
}

const echo = (name: string, extra: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  strategy: 'sequential',
  steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
  ...extra,
});

/** All messages of a WebSocket until it closes. */
function conversation(url: string, key: string, first?: unknown): Promise<{ messages: Shown[]; code: number }> {
  return new Promise((resolve, reject) => {
    const messages: Shown[] = [];
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` } });
    socket.on('open', () => {
      if (first !== undefined) {
        socket.send(JSON.stringify(first));
      }
    });
    socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString('utf8')) as Shown));
    socket.on('unexpected-response', (_request, response) => {
      socket.terminate();
      reject(new Error(`status ${String(response.statusCode)}`));
    });
    socket.on('error', () => undefined);
    socket.on('close', (code) => resolve({ messages, code }));
  });
}

describe('the platform, through its gateway', () => {
  let cluster: Cluster;
  let api: Api;
  let ws: string;

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    ws = api.url.replace('http', 'ws');
    expectStatus(await api.post(CONFIGS, echo('plain')), 201);
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  it('answers a start with ids and the status, and with the result if it waits', async () => {
    const started = expectStatus(await api.post<Started>(`${EXECUTE}/plain`, { input: { n: 1 } }), 202);
    expect(started.trace_id).toMatch(/^[\da-f]{32}$/);
    const waited = expectStatus(await api.post<Started>(`${EXECUTE}/plain?wait=30s`, { input: { n: 2 } }), 200);
    expect(waited).toMatchObject({ status: 'completed', output: { n: 2 } });
    const status = await api.get(`/api/v1/orchestrations/status/${waited.trace_id}`);
    expect(expectStatus(status, 200)).toMatchObject({ execution_id: waited.execution_id, status: 'completed' });
    const steps = await api.get<{ steps: object[] }>(`${EXECUTIONS}/${waited.execution_id}/steps`);
    expect(expectStatus(steps, 200).steps).toMatchObject([{ step_id: 'only', status: 'completed', output: { n: 2 } }]);
    const result = await api.get(`${EXECUTIONS}/${waited.execution_id}/result`);
    expect(expectStatus(result, 200)).toMatchObject({ status: 'completed', output: { n: 2 } });
    const events = await api.get<{ events: Shown[] }>(`${EXECUTIONS}/${waited.execution_id}/events`);
    expect(expectStatus(events, 200).events.map(({ version, type }) => [version, type])).toEqual([
      [1, 'ExecutionStarted'],
      [2, 'StepScheduled'],
      [3, 'StepCompleted'],
      [4, 'ExecutionCompleted'],
    ]);
  });

  it('always runs the version that a PUT has just answered', async () => {
    const made = expectStatus(await api.post<{ id: string }>(CONFIGS, echo('moving')), 201);
    for (let round = 1; round <= 25; round += 1) {
      const mapped = {
        ...echo('moving'),
        steps: [{ id: 'only', name: 'Only', agent: 'echo', input: { round } }],
      };
      expectStatus(await api.call('PUT', `${CONFIGS}/${made.id}`, mapped), 200);
      const done = expectStatus(await api.post<Started>(`${EXECUTE}/moving?wait=30s`, { input: {} }), 200);
      expect(done.output).toEqual({ round });
    }
  }, 300_000);

  it('starts one execution when a start is repeated with its key, and refuses another body', async () => {
    const headers = { 'idempotency-key': 'order-17' };
    const first = expectStatus(await api.post<Started>(`${EXECUTE}/plain`, { input: { n: 1 } }, headers), 202);
    const second = expectStatus(await api.post<Started>(`${EXECUTE}/plain`, { input: { n: 1 } }, headers), 202);
    expect(second).toMatchObject({ execution_id: first.execution_id, trace_id: first.trace_id, repeated: true });
    const other = await api.post<Problem>(`${EXECUTE}/plain`, { input: { n: 2 } }, headers);
    expect(expectStatus(other, 422).code).toBe('idempotency_mismatch');
  });

  it('refuses an invalid input with every violation, and starts nothing', async () => {
    const schema = {
      type: 'object',
      required: ['city', 'days'],
      properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
    };
    expectStatus(await api.post(CONFIGS, echo('strict', { input_schema: schema })), 201);
    const refused = await api.post<Problem>(`${EXECUTE}/strict`, { input: { city: 5, days: 0 } });
    expect(expectStatus(refused, 422).code).toBe('input_invalid');
    expect(refused.body.errors?.map(({ path }) => path).toSorted()).toEqual(['/input/city', '/input/days']);
    const list = await api.get<{ executions: unknown[] }>(`${EXECUTIONS}?config_id=strict`);
    expect(expectStatus(list, 200).executions).toEqual([]);
  });

  it('reports every mistake of a config at once, with its path, and saves nothing', async () => {
    const step = (id: string, dependencies: string[]): object => ({ id, name: id, agent: 'echo', dependencies });
    const refused = await api.post<Problem>(CONFIGS, {
      name: 'broken',
      strategy: 'parallel',
      steps: [
        step('a', ['c']),
        step('b', ['a']),
        step('c', ['b', 'nowhere']),
        { id: 'a', name: 'again', agent: 'no_such_agent', fallback_for: 'ghost' },
      ],
      settings: { parallel_limit: -1 },
    });
    expect(refused.status).toBe(400);
    const codes = new Set(refused.body.errors?.map(({ code }) => code));
    for (const code of ['duplicate_id', 'unknown_dependency', 'unknown_agent']) {
      expect(codes).toContain(code);
    }
    expect((await api.get(`${CONFIGS}/broken`)).status).toBe(404);
  });

  it('streams past and live events over the monitor socket without a gap, from any version', async () => {
    expectStatus(
      await api.post(CONFIGS, {
        name: 'slow',
        strategy: 'sequential',
        steps: ['a', 'b', 'c'].map((id) => ({ id, name: id, agent: 'delay', input: { ms: 100 } })),
      }),
      201,
    );
    const { execution_id: id } = expectStatus(await api.post<Started>(`${EXECUTE}/slow`, { input: {} }), 202);
    const [all, tail] = await Promise.all([
      conversation(`${ws}/ws/executions/${id}/monitor`, api.key),
      conversation(`${ws}/ws/executions/${id}/monitor?from_version=4`, api.key),
    ]);
    expect(all.code).toBe(1000);
    expect(all.messages.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(all.messages.at(-1)?.type).toBe('ExecutionCompleted');
    expect(tail.messages).toEqual(all.messages.slice(3));
    const late = await conversation(`${ws}/ws/executions/${id}/monitor`, api.key);
    expect(late.messages).toEqual(all.messages);
  });

  it('executes over a WebSocket: the same events, then the result', async () => {
    const { messages, code } = await conversation(`${ws}/api/v1/orchestrations/ws/execute/plain`, api.key, {
      input: { over: 'ws' },
    });
    expect(code).toBe(1000);
    expect(messages.map(({ type }) => type)).toEqual([
      'ExecutionStarted',
      'StepScheduled',
      'StepCompleted',
      'ExecutionCompleted',
      'result',
    ]);
    expect(messages.at(-1)).toMatchObject({ status: 'completed', output: { over: 'ws' } });
  });

  it('cancels a running execution: it ends at once and stays ended', async () => {
    expectStatus(
      await api.post(CONFIGS, {
        name: 'endless',
        strategy: 'sequential',
        steps: [{ id: 'wait', name: 'Wait', agent: 'delay', input: { ms: 60_000 }, timeout_ms: 120_000 }],
      }),
      201,
    );
    const { execution_id: id } = expectStatus(await api.post<Started>(`${EXECUTE}/endless`, { input: {} }), 202);
    const cancelled = await api.post(`${EXECUTIONS}/${id}/cancel`, { reason: 'not needed any more' });
    expect(cancelled.status).toBeLessThan(300);
    const after = expectStatus(await api.get(`${EXECUTIONS}/${id}`), 200);
    expect(after).toMatchObject({ status: 'cancelled' });
    const again = await api.post<Problem>(`${EXECUTIONS}/${id}/cancel`, { reason: 'twice' });
    expect(again.body.code).toBe('already_cancelled');
    const done = expectStatus(await api.post<Started>(`${EXECUTE}/plain?wait=30s`, { input: {} }), 200);
    const late = await api.post<Problem>(`${EXECUTIONS}/${done.execution_id}/cancel`, {});
    expect(late.body.code).toBe('already_completed');
  });

  it("hides one tenant's resources from another, over REST and WebSocket", async () => {
    const { secret } = expectStatus(
      await api.post<{ secret: string }>('/api/v1/api-keys', {
        user_id: 'eve',
        role: 'admin',
        name: 'other tenant',
        tenant_id: 'other',
      }),
      201,
    );
    const other = new Api(api.url, secret);
    const mine = expectStatus(await api.post<Started>(`${EXECUTE}/plain?wait=30s`, { input: {} }), 200);
    for (const path of [
      `${CONFIGS}/plain`,
      `${EXECUTIONS}/${mine.execution_id}`,
      `${EXECUTIONS}/${mine.execution_id}/events`,
      `${EXECUTIONS}/${mine.execution_id}/steps`,
      `${EXECUTIONS}/${mine.execution_id}/result`,
      `/api/v1/orchestrations/status/${mine.trace_id}`,
    ]) {
      expect([path, (await other.get(path)).status]).toEqual([path, 404]);
    }
    expect((await other.post(`${EXECUTE}/plain`, { input: {} })).status).toBe(404);
    expect((await other.post(`${EXECUTIONS}/${mine.execution_id}/cancel`, {})).status).toBe(404);
    const list = await other.get<{ executions: unknown[] }>(EXECUTIONS);
    expect(expectStatus(list, 200).executions).toEqual([]);
    await expect(conversation(`${ws}/ws/executions/${mine.execution_id}/monitor`, secret)).rejects.toThrow('404');
    await expect(conversation(`${ws}/ws/executions/${mine.execution_id}/monitor`, 'batuta_wrong')).rejects.toThrow(
      '401',
    );
    expect((await new Api(api.url, 'batuta_wrong').get(EXECUTIONS)).status).toBe(401);
  });

  it('answers bad input with the right 4xx and changes nothing', async () => {
    const database = new pg.Client({ connectionString: cluster.stack.databaseUrl });
    await database.connect();
    const size = async (): Promise<string> => {
      const { rows } = await database.query<{ size: string }>(
        `SELECT (SELECT count(*) FROM execution.events) || '/' || (SELECT count(*) FROM config.orchestration_configs) AS size`,
      );
      return rows[0]?.size ?? '';
    };
    try {
      const before = await size();
      const send = async (path: string, body: string, type = 'application/json'): Promise<[number, string]> => {
        const response = await fetch(`${api.url}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${api.key}`, 'content-type': type },
          body,
        });
        const problem = (await response.json()) as Problem & { stack?: unknown };
        expect(response.headers.get('content-type')).toContain('application/problem+json');
        expect(JSON.stringify(problem)).not.toMatch(/node_modules|at \w+ \(/);
        return [response.status, problem.code];
      };
      const start = `${EXECUTE}/plain`;
      expect(await send(start, '{"input": ')).toEqual([400, 'malformed_json']);
      expect(await send(start, '{"input": 1, "extra": 2}')).toEqual([400, 'validation_failed']);
      expect(await send(start, '{"input": {"__proto__": {"a": 1}}}')).toEqual([400, 'forbidden_key']);
      expect(await send(start, '{"input": "a\\u0000b"}')).toEqual([400, 'validation_failed']);
      expect(await send(start, '{"input": "\\ud800"}')).toEqual([400, 'validation_failed']);
      expect(await send(start, `{"input": ${'['.repeat(200)}${']'.repeat(200)}}`)).toEqual([400, 'too_deep']);
      expect(await send(start, `{"input": "${'x'.repeat(2 * 1024 * 1024)}"}`)).toEqual([413, 'payload_too_large']);
      expect(await send(start, 'input=1', 'application/x-www-form-urlencoded')).toEqual([
        415,
        'unsupported_media_type',
      ]);
      expect(await send(`${EXECUTE}/no-such-config`, '{"input": 1}')).toEqual([404, 'not_found']);
      expect(await send(`${EXECUTIONS}/not-a-uuid/cancel`, '{}')).toEqual([404, 'not_found']);
      expect(await send(CONFIGS, '{"name": 5}')).toEqual([400, 'validation_failed']);
      expect(await size()).toBe(before);
    } finally {
      await database.end();
    }
  });

  it('fails a step whose agent misbehaves, with an understandable reason', async () => {
    expectStatus(
      await api.post(CONFIGS, {
        name: 'failing',
        strategy: 'sequential',
        steps: [
          {
            id: 'bad',
            name: 'Bad',
            agent: 'fail',
            input: { message: 'the supplier said no', code: 'supplier_refused', retryable: false },
            retry: { max_attempts: 3, backoff_ms: 10 },
          },
        ],
      }),
      201,
    );
    const failed = expectStatus(await api.post<Started>(`${EXECUTE}/failing?wait=30s`, { input: {} }), 200);
    expect(failed.status).toBe('failed');
    const shown = expectStatus(
      await api.get<{ failure: unknown; steps: { attempt: number }[] }>(`${EXECUTIONS}/${failed.execution_id}`),
      200,
    );
    expect(shown.failure).toMatchObject({ code: 'supplier_refused', message: 'the supplier said no' });
    expect(shown.steps[0]?.attempt).toBe(1);

    expectStatus(
      await api.post(CONFIGS, {
        name: 'hanging',
        strategy: 'sequential',
        steps: [
          { id: 'hang', name: 'Hang', agent: 'delay', input: { ms: 60_000 }, timeout_ms: 100, on_failure: 'continue' },
          { id: 'next', name: 'Next', agent: 'echo', dependencies: ['hang'] },
        ],
      }),
      201,
    );
    const went = expectStatus(await api.post<Started>(`${EXECUTE}/hanging?wait=30s`, { input: { a: 1 } }), 200);
    expect(went).toMatchObject({ status: 'completed', output: { a: 1, hang: null } });
    const steps = expectStatus(
      await api.get<{ steps: { failure?: { code: string } }[] }>(`${EXECUTIONS}/${went.execution_id}/steps`),
      200,
    );
    expect(steps.steps[0]?.failure?.code).toBe('timeout');
  });
});
