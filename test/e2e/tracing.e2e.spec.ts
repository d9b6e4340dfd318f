import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partitionOf, subjects } from '@batuta/contracts';
import type { CommandReply, CommandRequest } from '@batuta/contracts';
import { connectNats, requestUntilAnswered } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import WebSocket from 'ws';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { CalledServer } from '../support/called-server.js';
import { Cluster } from '../support/cluster.js';
import { tableUnder } from '../support/markdown-table.js';
import { OtlpCollector } from '../support/otlp-collector.js';
import type { CollectedSpan } from '../support/otlp-collector.js';
import type { DeployableService } from '../support/service-process.js';

const DOCS = new URL('../../docs/observability.md', import.meta.url);
/** A row of documented metrics may name several services. */
const isOf = (row: Readonly<Record<string, string>>, service: string): boolean =>
  (row['Service'] ?? '').split(', ').includes(service);
const SERVICES: readonly DeployableService[] = ['gateway', 'config', 'execution', 'step-runner', 'notifications'];
const SECRET = `secret-${randomBytes(12).toString('hex')}`;
const CALLER = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
const CONFIGS = '/api/v1/orchestrations/configs';
const WEBSOCKET_SPAN = 'GET /api/v1/orchestrations/ws/execute/:config_id';
/** Waits, agrees, waits for a human until time decides, continues, waits a moment, fails and is undone. */
const UNDONE = {
  name: 'undone',
  strategy: 'consensus',
  consensus_groups: [{ id: 'panel', mode: 'majority', vote_key: 'verdict' }],
  steps: [
    ...['one', 'two'].map((id) => ({
      id,
      name: id,
      agent: 'echo',
      consensus_group: 'panel',
      input: { verdict: 'yes' },
    })),
    { id: 'gate', name: 'Gate', dependencies: ['panel'], approval: { timeout_ms: 50, on_timeout: 'approve' } },
    { id: 'after', name: 'After', agent: 'echo', dependencies: ['gate'], compensate: { agent: 'echo' } },
    { id: 'moment', name: 'Moment', dependencies: ['after'], wait: { duration_ms: 20 } },
    {
      id: 'nobody',
      name: 'Nobody',
      dependencies: ['moment'],
      signal: { name: 'go', timeout_ms: 20, on_timeout: 'continue' },
    },
    { id: 'fails', name: 'Fails', agent: 'fail', dependencies: ['nobody'], input: { retryable: false } },
  ],
};
const FAILING = {
  name: 'failing',
  strategy: 'sequential',
  steps: [
    { id: 'kept', name: 'Kept', agent: 'echo', compensate: { agent: 'fail', input: { retryable: false } } },
    { id: 'fails', name: 'Fails', agent: 'fail', dependencies: ['kept'], input: { retryable: false } },
  ],
};
const JAEGER = 'http://jaeger.example:16686';
/** Uses a model, which calls one tool and is then done. */
const CONVERSATION = {
  name: 'conversation',
  strategy: 'sequential',
  steps: [
    { id: 'ask', name: 'Ask', llm: { model: 'scripted', prompt: SECRET, tools: [{ name: 'look', agent: 'echo' }] } },
  ],
};
const TALK = '/v1/chat/completions';

/** The model's answer, by the number of earlier requests. */
function answerOfModel(earlier: number): string {
  const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":"the sky"}' } };
  const message =
    earlier === 0
      ? { role: 'assistant', content: null, tool_calls: [call] }
      : { role: 'assistant', content: `It rains. ${SECRET}` };
  const finish_reason = earlier === 0 ? 'tool_calls' : 'stop';
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  return JSON.stringify({
    id: 'a',
    object: 'chat.completion',
    created: 1,
    model: 'scripted-1',
    choices: [{ index: 0, message, finish_reason }],
    usage,
  });
}

interface Row {
  readonly pattern: RegExp;
  readonly span: string;
  readonly service: string;
  readonly kind: string;
  readonly parents: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/** The documentation's words for parents, with a pattern for the names of their spans. */
const PARENTS: Readonly<Record<string, RegExp>> = {
  execution: /^(execution |(retry|compensation) of execution$)/,
  request: /^(GET|POST) \//,
  command: /^command /,
  step: /^(step|invoke_agent|execute_tool) /,
  conversation: /^invoke_agent /,
  attempt: /^attempt /,
  run: /^run /,
  consensus: /^consensus /,
  compensation: /^compensation$/,
};

function documentedSpans(): Row[] {
  return tableUnder(DOCS, 'Spans').map((row): Row => {
    const span = row['Span'] ?? '';
    const names = (row['Attributes'] ?? '').split(' ').filter((name) => name !== '');
    const source = span
      .replaceAll(/[{}.]/g, String.raw`\$&`)
      .replaceAll('<method> <route>', String.raw`[A-Z]+ /\S+`)
      .replaceAll('<method>', '[A-Z]+')
      .replaceAll(/<\w+>/g, '.+');
    return {
      pattern: new RegExp(`^${source}$`),
      span,
      service: `batuta-${row['Service']}`,
      kind: row['Kind'] ?? '',
      parents: row['Parent'] === 'none' ? [] : (row['Parent'] ?? '').split(/, | or /),
      required: names.filter((name) => !name.endsWith('?')),
      optional: names.filter((name) => name.endsWith('?')).map((name) => name.slice(0, -1)),
    };
  });
}

/** Starts an execution over a WebSocket and waits for its result. */
function startByWebSocket(
  { url, key }: Api,
  config: string,
): Promise<{ execution_id: string; trace_id: string; status: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/orchestrations/ws/execute/${config}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    socket.on('open', () => socket.send('{}'));
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as { type: string } & Awaited<
        ReturnType<typeof startByWebSocket>
      >;
      if (message.type === 'result') resolve(message);
      if (message.type === 'error') reject(new Error(data.toString('utf8')));
    });
  });
}

/** The execution, its work after its end, and requests without a caller. */
const ROOTS = /^(execution |(retry|compensation) of execution$|(GET|POST) \/)/;

/** Whether Jaeger takes the clock of a span for wrong (its adjuster of clock skew, which compares a span with the one above). */
function looksSkewed(span: CollectedSpan, above: CollectedSpan | undefined): boolean {
  if (above === undefined) return false;
  if (span.end - span.start > above.end - above.start) return span.start < above.start;
  return span.start < above.start || span.end > above.end;
}

function checkTree(spans: readonly CollectedSpan[]): void {
  const ids = new Set(spans.map((span) => span.spanId));
  const roots = spans.filter((span) => span.parentSpanId === undefined).map(({ name }) => name);
  expect(roots.filter((name) => name.startsWith('execution '))).toHaveLength(1);
  expect(roots.filter((name) => !ROOTS.test(name))).toEqual([]);
  expect(spans.filter((span) => span.parentSpanId !== undefined && !ids.has(span.parentSpanId))).toEqual([]);
  expect(spans.filter((span) => span.end < span.start)).toEqual([]);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  expect(spans.filter((span) => looksSkewed(span, byId.get(span.parentSpanId ?? ''))).map(({ name }) => name)).toEqual(
    [],
  );
}

describe('the telemetry of a platform', () => {
  const called = new CalledServer(
    (path, earlier) =>
      path === '/broken' ? 400 : (path === '/flaky' || path === '/hook') && earlier === 0 ? 503 : 200,
    (path, earlier) => (path === TALK ? answerOfModel(earlier) : '{"said":"hello"}'),
  );
  let collector: OtlpCollector;
  let cluster: Cluster;
  let api: Api;
  let base: string;
  let execution: { execution_id: string; trace_id: string };
  let spans: CollectedSpan[];
  let others: string[] = [];

  const named = (name: string): CollectedSpan[] => spans.filter((span) => span.name === name);
  const only = (name: string): CollectedSpan => {
    const found = named(name);
    if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`);
    return found[0] as CollectedSpan;
  };
  const under = (parent: CollectedSpan): CollectedSpan[] => spans.filter((span) => span.parentSpanId === parent.spanId);
  const parentOf = (span: CollectedSpan): CollectedSpan | undefined =>
    collector.trace(span.traceId).find((other) => other.spanId === span.parentSpanId);

  /** A command that has no REST route, sent as the gateway would send it. */
  const command = async (body: Partial<CommandRequest>, executionId = execution.execution_id): Promise<void> => {
    const logger = createLogger({ service: 'test', level: 'silent' });
    const nats = await connectNats({
      url: cluster.stack.natsUrl,
      credentials: cluster.serviceCredentials('gateway'),
      name: 'test',
      logger,
    });
    try {
      const request = {
        commandId: `test-${randomBytes(8).toString('hex')}`,
        executionId,
        principal: { tenantId: 'default', userId: 'tester', role: 'admin' },
        ...body,
      };
      const subject = subjects.command(partitionOf(executionId, 64));
      const reply = await requestUntilAnswered(nats, subject, JSON.stringify(request), { deadlineMs: 30_000 });
      expect(reply.json<CommandReply>().rejected).toBeUndefined();
    } finally {
      await nats.close();
    }
  };

  /** Waits until the exported spans pass the check, because each process exports in its own time. */
  const exported = (check: () => void): Promise<unknown> =>
    eventually(
      () => {
        check();
      },
      { timeoutMs: 60_000, intervalMs: 200, describe: 'all spans have been exported' },
    );

  /** Starts an execution that waits for its time first; gives it a later one when a slow machine took it after that. */
  /** How often it was started: on a busy machine the first one may begin too late to have waited. */
  let undone = 0;
  const startBeforeItsTime = async (
    delayed: { id: string; traceId: string },
    config: { configId: string; configVersion: number },
  ): Promise<void> => {
    for (let delayMs = 500; ; delayMs *= 4) {
      delayed.id = randomUUID();
      delayed.traceId = randomBytes(16).toString('hex');
      const startAt = Date.now() + delayMs;
      await command({ start: { ...config, traceId: delayed.traceId, startAt } }, delayed.id);
      undone += 1;
      // It was accepted before its time, so it waits.
      if (Date.now() < startAt) return;
    }
  };

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    base = await called.start();
    cluster = await Cluster.start({
      instances: { notifications: 1 },
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        BATUTA_JAEGER_URL: `${JAEGER}/`,
        BATUTA_EXECUTION_PROJECTION: '100',
        BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_NOTIFICATIONS_POLL: '200ms',
        BATUTA_NOTIFICATIONS_DUE: '20ms',
        BATUTA_NOTIFICATIONS_RETRY_BASE: '50ms',
        BATUTA_LOG_LEVEL: 'trace',
      },
    });
    api = cluster.api();
    expectStatus(
      await api.post(CONFIGS, {
        name: 'traced',
        strategy: 'parallel',
        steps: [
          {
            id: 'flaky',
            name: 'Flaky',
            agent: 'http',
            input: { url: `${base}/flaky?key=${SECRET}` },
            retry: { max_attempts: 3, backoff_ms: 50 },
          },
          {
            id: 'broken',
            name: 'Broken',
            agent: 'http',
            input: { url: `${base}/broken` },
            on_failure: 'fallback',
          },
          { id: 'instead', name: 'Instead', agent: 'echo', is_fallback: true, fallback_for: 'broken' },
          {
            id: 'held',
            name: 'Held',
            agent: 'http',
            dependencies: ['flaky'],
            input: { url: `${base}/held` },
            timeout_ms: 60_000,
          },
          {
            id: 'spender',
            name: 'Spender',
            agent: 'echo',
            dependencies: ['held', 'broken'],
            input: { text: '{% input.secret & "!" %}', _tokens: { input: 40, output: 2 }, _cost: 0.25 },
          },
        ],
      }),
      201,
    );
  }, 300_000);

  afterAll(async () => {
    await called.stop();
    await cluster?.stop();
    await collector?.stop();
  }, 300_000);

  it('runs an orchestration with a retry, a fallback, a pause, a kill -9 of the engine and a webhook', async () => {
    execution = expectStatus(
      await api.post<{ execution_id: string; trace_id: string }>(
        '/api/v1/orchestrations/execute/traced',
        { input: { secret: SECRET }, callback_url: `${base}/hook` },
        { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` },
      ),
      202,
    );
    await eventually(
      () => {
        if (called.to('/held').length === 0) throw new Error('not called yet');
        // Commits are recorded in memory, so this one must be exported before the engine is killed.
        if (!collector.spans.some((span) => span.name === 'commit' && span.attributes['batuta.event.version'] === 1)) {
          throw new Error('the commit of the start is not exported yet');
        }
      },
      { timeoutMs: 60_000, describe: 'the held step runs' },
    );
    await command({ pause: { reason: 'a human looks' } });
    // Nothing is exported from here until the kill of the engine, so the next engine must export it.
    collector.down = true;
    const engine = cluster.process('execution');
    await engine.end('SIGKILL');
    collector.down = false;
    await engine.start();
    await command({ resume: {} });
    called.release();
    await eventually(
      async () => {
        const { status } = expectStatus(
          await api.get<{ status: string }>(`/api/v1/orchestrations/executions/${execution.execution_id}`),
          200,
        );
        if (status !== 'completed') throw new Error(status);
      },
      { timeoutMs: 60_000, describe: 'the execution is completed' },
    );
    await eventually(
      () => {
        const names = collector.trace(execution.trace_id).map((span) => span.name);
        for (const name of ['execution traced', 'redelivery backoff']) {
          if (!names.includes(name)) throw new Error(`no span ${name}`);
        }
        const ofCaller = collector.trace(CALLER.traceId).map((span) => span.name);
        if (ofCaller.length < 2) throw new Error(`of the caller's trace only: ${ofCaller.join(', ')}`);
        if (names.filter((name) => name === 'callback webhook').length < 2) throw new Error('not both callbacks');
        // Each process exports its own spans, so one process's spans say nothing about another's.
        if (names.filter((name) => name === 'GET').length < 4) throw new Error('not all calls');
        for (const part of ['queue wait', 'run ']) {
          if (names.filter((name) => name.startsWith(part)).length < 6) throw new Error(`not every "${part}"`);
        }
        for (const name of ['pause', 'resume', 'start']) {
          if (!names.includes(`command ${name}`)) throw new Error(`no span command ${name}`);
        }
        checkTree(collector.trace(execution.trace_id));
      },
      { timeoutMs: 60_000, describe: 'the trace has been exported' },
    );
    spans = collector.trace(execution.trace_id);
  }, 300_000);

  it('gives one tree: one trace, one execution, no orphan', () => {
    const traces = new Set(collector.spans.map((span) => span.traceId));
    expect(traces).toEqual(new Set([execution.trace_id, CALLER.traceId]));
    checkTree(spans);
    expect(new Set(spans.map((span) => span.attributes['batuta.execution.id']))).toEqual(
      new Set([execution.execution_id]),
    );
  });

  it('gives each span a length in microseconds, and keeps steps, attempts, runs and calls inside their parents', () => {
    expect(collector.spans.filter(({ start, end }) => end - start < 1_000n).map(({ name }) => name)).toEqual([]);
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const inside = spans.filter(({ name }) => /^(step |attempt |queue wait|run |retry backoff|GET$)/.test(name));
    expect(inside.length).toBeGreaterThan(15);
    const outside = inside.filter(({ start, end, parentSpanId = '' }) => {
      const parent = byId.get(parentSpanId);
      return parent === undefined || start < parent.start || end > parent.end;
    });
    expect(outside.map(({ name }) => name)).toEqual([]);
  });

  it('has the request in the trace of its caller, and the traces link to each other', () => {
    const root = only('execution traced');
    const [request, command, ...more] = collector
      .trace(CALLER.traceId)
      .sort((one, other) => Number(one.start) - Number(other.start)) as [CollectedSpan, CollectedSpan];
    expect(more).toEqual([]);
    expect(request).toMatchObject({
      name: 'POST /api/v1/orchestrations/execute/:config_id',
      parentSpanId: CALLER.spanId,
      links: [only('command start').spanId, root.spanId].map((spanId) => ({ traceId: execution.trace_id, spanId })),
    });
    expect(command).toMatchObject({
      name: 'request batuta.execution.{partition}.command',
      parentSpanId: request.spanId,
    });
    expect(root.links).toEqual([CALLER, { traceId: CALLER.traceId, spanId: request.spanId }]);
  });

  it('shows the retry, the fallback, the pause, the commands and the callback where they belong', () => {
    const flaky = only('step flaky');
    expect(flaky.attributes).toMatchObject({ 'batuta.step.attempts': 2, 'batuta.step.status': 'completed' });
    expect(
      under(flaky)
        .map((span) => span.name)
        .sort(),
    ).toEqual(['attempt 1', 'attempt 2', 'retry backoff']);
    for (const attempt of under(flaky).filter((span) => span.name.startsWith('attempt'))) {
      const children = under(attempt);
      const [wait, run] = ['queue wait', 'run http'].map((name) => children.find((span) => span.name === name));
      expect(wait?.start).toBe(attempt.start);
      expect(wait?.end).toBe(run?.start);
      const calls = under(run as CollectedSpan);
      expect(calls.map((span) => span.name)).toEqual(['GET']);
      // The called server got the span of this call.
      expect(called.to('/flaky').map(({ headers }) => headers['traceparent'])).toContain(
        `00-${execution.trace_id}-${calls[0]?.spanId}-01`,
      );
    }
    const broken = only('step broken');
    expect(broken).toMatchObject({
      error: 'http_status',
      attributes: {
        'batuta.failure.handling': 'fallback',
        'batuta.fallback.step': 'instead',
        'error.type': 'http_status',
      },
    });
    const instead = only('step instead');
    expect(instead.attributes['batuta.fallback.for']).toBe('broken');
    expect(instead.links).toEqual([{ traceId: execution.trace_id, spanId: broken.spanId }]);
    const paused = only('paused');
    expect(paused.links.map(({ spanId }) => spanId)).toEqual([
      only('command pause').spanId,
      only('command resume').spanId,
    ]);
    const [refused, wait, taken] = [...named('callback webhook'), only('redelivery backoff')].sort(
      (one, other) => Number(one.start) - Number(other.start),
    ) as [CollectedSpan, CollectedSpan, CollectedSpan];
    expect([refused, wait, taken].map((span) => span.name)).toEqual([
      'callback webhook',
      'redelivery backoff',
      'callback webhook',
    ]);
    expect(refused).toMatchObject({ error: '503', attributes: { 'batuta.attempt': 1 } });
    expect(wait.attributes['batuta.delivery.id']).toBe(refused.attributes['batuta.delivery.id']);
    expect(wait.end).toBe(taken.start);
    expect(taken.attributes).toMatchObject({ 'batuta.attempt': 2, 'http.response.status_code': 200 });
    expect(under(only('command start')).map((span) => span.name)).toEqual(['commit']);
  });

  it('shows what agents spent by the GenAI conventions, on the run, the step and the execution', () => {
    const spender = only('step spender');
    const run = spans.find(
      (span) => span.name === 'run echo' && span.attributes['batuta.step.id'] === 'spender',
    ) as CollectedSpan;
    expect(run.attributes).toMatchObject({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'echo',
      'gen_ai.usage.input_tokens': 40,
      'gen_ai.usage.output_tokens': 2,
      'batuta.tokens': 42,
      'batuta.cost': 0.25,
    });
    for (const span of [spender, only('execution traced')]) {
      expect(span.attributes['batuta.tokens']).toBe(42);
    }
  });

  it('gives one tree for a start by WebSocket, a retry of failed steps, a delay, a consensus and a compensation', async () => {
    const config = expectStatus(await api.post<{ id: string; version: number }>(CONFIGS, UNDONE), 201);
    const delayed = { id: randomUUID(), traceId: randomBytes(16).toString('hex') };
    const { id: configId, version: configVersion } = config;
    await startBeforeItsTime(delayed, { configId, configVersion });
    expectStatus(await api.post(CONFIGS, FAILING), 201);
    const failed = await startByWebSocket(api, 'failing');
    expect(failed.status).toBe('failed');
    await command({ retry: {} }, failed.execution_id);
    await eventually(() => command({ compensate: {} }, failed.execution_id), {
      timeoutMs: 120_000,
      describe: 'the retry has failed, and its undoing goes on',
    });
    others = [delayed.traceId, failed.trace_id];
    await eventually(
      () => {
        const names = new Set(others.flatMap((id) => collector.trace(id)).map((span) => span.name));
        for (const name of [
          'execution undone',
          'execution failing',
          'retry of execution',
          'compensation of execution',
          WEBSOCKET_SPAN,
        ]) {
          if (!names.has(name)) throw new Error(`no span ${name}`);
        }
      },
      { timeoutMs: 60_000, describe: 'both traces have been exported' },
    );
    const expected = ['start delay', 'consensus panel', 'compensation', 'step after:compensate', 'human wait'];
    await exported(() => {
      for (const id of others) checkTree(collector.trace(id));
      const names = collector.trace(delayed.traceId).map((span) => span.name);
      expect(names).toEqual(expect.arrayContaining(expected));
    });
    const undone = collector.trace(delayed.traceId);
    const wait = undone.find(({ name }) => name === 'human wait');
    expect(wait?.attributes).toMatchObject({
      'batuta.approval.outcome': 'approved',
      'batuta.approval.timed_out': true,
    });
    expect(wait?.parentSpanId).toBe(undone.find(({ name }) => name === 'step gate')?.spanId);
    const linked = (wait?.links ?? []).map(({ spanId }) => undone.find((span) => span.spanId === spanId)?.name);
    expect(linked).toEqual(['command record_result', 'command wake']);
  }, 300_000);

  it('shows a conversation with a model by the GenAI conventions, without its content', async () => {
    const model = { provider: 'openai_compatible', model: 'scripted', base_url: `${base}/v1` };
    expectStatus(await api.call('PUT', '/api/v1/models/scripted', model), 201);
    expectStatus(await api.post(CONFIGS, CONVERSATION), 201);
    const route = '/api/v1/orchestrations/execute/conversation?wait=60s';
    const { trace_id: traceId } = expectStatus(
      await api.post<{ trace_id: string; status: string }>(route, { input: {} }),
      200,
    );
    others.push(traceId);
    await exported(() => {
      const names = collector.trace(traceId).map((span) => span.name);
      expect(names.filter((name) => name === 'chat scripted')).toHaveLength(2);
      expect(names).toEqual(
        expect.arrayContaining(['execution conversation', 'invoke_agent ask', 'execute_tool look', 'POST']),
      );
      checkTree(collector.trace(traceId));
    });
    const talk = collector.trace(traceId);
    const chats = talk
      .filter(({ name }) => name === 'chat scripted')
      .sort((one, other) => Number(one.start) - Number(other.start));
    expect(chats.map(({ attributes }) => attributes['gen_ai.response.finish_reasons'])).toEqual([
      ['tool-calls'],
      ['stop'],
    ]);
    expect(chats[0]?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai_compatible',
      'gen_ai.response.model': 'scripted-1',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 5,
    });
    expect(parentOf(chats[0] as CollectedSpan)?.name).toBe('run ask_model');
    const tool = talk.find(({ name }) => name === 'execute_tool look') as CollectedSpan;
    expect(tool.attributes).toMatchObject({ 'gen_ai.tool.name': 'look', 'gen_ai.tool.call.id': 'c1' });
    expect(parentOf(tool)?.name).toBe('invoke_agent ask');
  }, 300_000);

  it('shows the duration of a child in the trace of its parent, and links to the trace of the child', async () => {
    const steps = [{ id: 'part', name: 'Part', orchestration: { config: 'conversation' } }];
    expectStatus(await api.post(CONFIGS, { name: 'parent', strategy: 'sequential', steps }), 201);
    const { trace_id: traceId, status } = expectStatus(
      await api.post<{ trace_id: string; status: string }>('/api/v1/orchestrations/execute/parent?wait=60s', {}),
      200,
    );
    expect(status).toBe('completed');
    others.push(traceId);
    await exported(() => {
      const child = collector.trace(traceId).find(({ name }) => name === 'child execution');
      expect(child?.attributes).toMatchObject({ 'batuta.step.id': 'part', 'batuta.child.status': 'completed' });
      expect(parentOf(child as CollectedSpan)?.name).toBe('step part');
      checkTree(collector.trace(traceId));
    });
  }, 300_000);

  it('exports exactly the spans and attributes that the documentation lists', async () => {
    await exported(() => {
      const { problems, unseen } = compareWithDocumentation();
      expect({ problems, unseen }).toEqual({ problems: [], unseen: [] });
    });
  });

  /** The differences between the exported spans and the table of the documentation. */
  function compareWithDocumentation(): { problems: string[]; unseen: string[] } {
    const rows = documentedSpans();
    const problems: string[] = [];
    const all = [execution.trace_id, CALLER.traceId, ...others].flatMap((id) => collector.trace(id));
    for (const span of all) {
      const row = rows.find((each) => each.service === span.service && each.pattern.test(span.name));
      if (row === undefined) {
        problems.push(`${span.service} "${span.name}" is not documented`);
        continue;
      }
      const parent = parentOf(span);
      const isOfCaller = row.parents.includes('caller') && span.parentSpanId === CALLER.spanId;
      if (
        !isOfCaller &&
        !(row.parents.includes('none') && span.parentSpanId === undefined) &&
        !row.parents.some((name) => PARENTS[name]?.test(parent?.name ?? '')) &&
        row.parents.length > 0
      ) {
        problems.push(`"${span.name}" is under "${parent?.name}", not under ${row.parents.join(' or ')}`);
      }
      if (row.kind !== span.kind) problems.push(`"${span.name}" is of the kind ${span.kind}, not ${row.kind}`);
      const allowed = new Set([...row.required, ...row.optional, 'batuta.execution.id', 'error.type']);
      for (const name of Object.keys(span.attributes)) {
        if (!allowed.has(name)) problems.push(`"${span.name}" has ${name}, which is not documented`);
      }
      for (const name of row.required) {
        if (!Object.hasOwn(span.attributes, name)) problems.push(`"${span.name}" lacks ${name}`);
      }
    }
    const unseen = rows.filter((row) => !all.some((span) => row.pattern.test(span.name))).map((row) => row.span);
    return { problems: [...new Set(problems)], unseen };
  }

  it('links the status to Jaeger and passes the trace on to the webhook', async () => {
    const status = expectStatus(
      await api.get<{ trace_url: string }>(`/api/v1/orchestrations/status/${execution.trace_id}`),
      200,
    );
    expect(status.trace_url).toBe(`${JAEGER}/trace/${execution.trace_id}`);
    expect(called.to('/hook').map(({ headers }) => headers['traceparent'])).toEqual(
      [1, 2].map((attempt) => {
        const span = named('callback webhook').find((each) => each.attributes['batuta.attempt'] === attempt);
        return `00-${execution.trace_id}-${span?.spanId}-01`;
      }),
    );
  });

  it('shows exactly the documented metrics at each service, and no id in any label', async () => {
    const rows = tableUnder(DOCS, 'Exported metrics');
    const problems: string[] = [];
    const texts = new Map<string, string>();
    for (const service of SERVICES) {
      const response = await fetch(`${cluster.process(service).url}/metrics`);
      expect(response.status).toBe(200);
      const text = await response.text();
      texts.set(service, text);
      const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
      for (const row of rows.filter((each) => isOf(each, service))) {
        const type = types.get(row['Metric']);
        if (type !== row['Type']) {
          problems.push(`${service}: ${row['Metric']} is ${type}, documented as ${row['Type']}`);
        }
      }
      for (const [name] of types) {
        const documented = rows.some((row) => row['Metric'] === name && isOf(row, service));
        if (/^(batuta|gen_ai)_/.test(name ?? '') && !documented) problems.push(`${service}: ${name} is not documented`);
      }
      const labels = new Map(rows.map((row) => [row['Metric'], new Set((row['Labels'] ?? '').split(' '))]));
      for (const [, name = '', found = ''] of text.matchAll(/^((?:batuta|gen_ai)_\w+)\{([^}]*)\}/gm)) {
        const metric = name.replace(/_(bucket|sum|count)$/, '');
        for (const [, label = ''] of found.matchAll(/(\w+)="/g)) {
          if (label !== 'le' && labels.get(metric)?.has(label) !== true && labels.get(name)?.has(label) !== true) {
            problems.push(`${service}: ${name} has the label ${label}, which is not documented`);
          }
        }
      }
      if (!types.has('nodejs_eventloop_lag_seconds')) problems.push(`${service} does not tell of its event loop`);
      expect(text).not.toMatch(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|[\da-f]{32}/);
      expect(text).not.toContain(SECRET);
    }
    expect(problems).toEqual([]);
    // The engine was restarted in the middle, and counts from then on.
    const engine = texts.get('execution') ?? '';
    expect(engine).toMatch(/^batuta_executions_total\{status="completed"\} 4$/m);
    expect(engine).toMatch(/^batuta_tokens_total\{agent="echo"\} 42$/m);
    expect(engine).toMatch(/^batuta_cost_total\{agent="echo"\} 0\.25$/m);
    expect(engine).toMatch(/^batuta_step_run_seconds_count\{agent="echo"\} [1-9]\d*$/m);
    expect(engine).toMatch(/^batuta_step_queue_seconds_count\{agent="echo"\} [1-9]\d*$/m);
    expect(engine).toContain(`\nbatuta_approvals_total{outcome="requested"} ${undone}\n`);
    expect(engine).toContain(`\nbatuta_approvals_total{outcome="approved_by_timeout"} ${undone}\n`);
    expect(engine).toContain(`\nbatuta_approval_wait_seconds_count{outcome="approved_by_timeout"} ${undone}\n`);
    // A human is not an agent.
    expect(engine).not.toContain('agent=""');
    expect(engine).toMatch(/^batuta_engine_partitions 64$/m);
    expect(engine).toMatch(/^batuta_engine_takeovers_total 64$/m);
    // Metrics of projections and the queue follow a little later.
    await eventually(async () => {
      const later = await (await fetch(`${cluster.process('execution').url}/metrics`)).text();
      expect(later).toMatch(/^batuta_approvals_waiting 0$/m);
      expect(later).toMatch(/^batuta_queue_tasks\{pool="default",priority="normal",state="waiting"\} 0$/m);
      expect(later).toMatch(/^batuta_projection_lag_events\{projection="traces"\} 0$/m);
    });
    expect(texts.get('notifications')).toMatch(
      /^batuta_notifications_attempts_total\{channel="webhook",outcome="delivered"\} 1$/m,
    );
  }, 300_000);

  it('keeps payloads out of logs and traces at every level, and changes the level at run time', async () => {
    const folder = join(cluster.dir, 'logs');
    let lines = 0;
    for (const file of readdirSync(folder)) {
      const text = readFileSync(join(folder, file), 'utf8');
      expect(text).not.toContain(SECRET);
      for (const line of text.split('\n').filter((each) => each.startsWith('{'))) {
        expect(JSON.parse(line)).toMatchObject({ service: expect.any(String), level: expect.any(String) });
        lines += 1;
      }
    }
    expect(lines).toBeGreaterThan(20);
    expect(called.to('/flaky')).toHaveLength(2);
    expect(collector.bodies.filter((body) => body.includes(SECRET))).toEqual([]);
    const change = await fetch(`${cluster.process('execution').url}/log-level?level=error`, { method: 'PUT' });
    expect(await change.json()).toEqual({ level: 'error' });
  });
});
