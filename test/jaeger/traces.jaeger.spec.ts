import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { CalledServer } from '../support/called-server.js';
import { Cluster } from '../support/cluster.js';
import { Jaeger } from '../support/jaeger.js';
import type { JaegerSpan } from '../support/jaeger.js';

/** Four steps: one is retried, two run in parallel, the last one uses both. A webhook is told of the end. */
const FOUR_STEPS = (base: string): object => ({
  name: 'four-steps',
  strategy: 'parallel',
  steps: [
    {
      id: 'fetch',
      name: 'Fetch',
      agent: 'http',
      input: { url: `${base}/flaky` },
      retry: { max_attempts: 3, backoff_ms: 20 },
    },
    { id: 'left', name: 'Left', agent: 'echo', dependencies: ['fetch'] },
    { id: 'right', name: 'Right', agent: 'echo', dependencies: ['fetch'] },
    { id: 'both', name: 'Both', agent: 'echo', dependencies: ['left', 'right'] },
  ],
});
/** Votes, waits for a human until time decides, runs a child, fails, takes a fallback, fails for good and is undone. */
const UNDONE = (base: string): object => ({
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
    { id: 'child', name: 'Child', dependencies: ['moment'], orchestration: { config: 'four-steps' } },
    {
      id: 'breaks',
      name: 'Breaks',
      agent: 'http',
      dependencies: ['child'],
      input: { url: `${base}/broken` },
      on_failure: 'fallback',
    },
    { id: 'instead', name: 'Instead', agent: 'echo', is_fallback: true, fallback_for: 'breaks' },
    { id: 'fails', name: 'Fails', agent: 'fail', dependencies: ['breaks'], input: { retryable: false } },
  ],
});
const CALLER = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };

describe('traces in a real Jaeger', () => {
  const called = new CalledServer((path, earlier) =>
    path === '/broken' ? 400 : path === '/flaky' && earlier === 0 ? 503 : 200,
  );
  let base: string;
  let jaeger: Jaeger;
  let cluster: Cluster;
  let api: Api;
  let started: { execution_id: string; trace_id: string };
  let spans: readonly JaegerSpan[];

  const named = (name: string | RegExp, of = spans): JaegerSpan[] =>
    of.filter(({ operationName }) => (typeof name === 'string' ? operationName === name : name.test(operationName)));
  const warnings = (of: readonly JaegerSpan[]): string[] =>
    of.flatMap((span) => (span.warnings ?? []).map((warning) => `${span.operationName}: ${warning}`));

  beforeAll(async () => {
    jaeger = await Jaeger.start();
    base = await called.start();
    cluster = await Cluster.start({
      instances: { notifications: 1 },
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        BATUTA_JAEGER_URL: jaeger.url,
        BATUTA_EXECUTION_PROJECTION: '100',
        BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
        BATUTA_NOTIFICATIONS_POLL: '200ms',
      },
    });
    api = cluster.api();
    expectStatus(await api.post('/api/v1/orchestrations/configs', FOUR_STEPS(base)), 201);
    const start = Date.now();
    started = expectStatus(
      await api.post<typeof started>(
        '/api/v1/orchestrations/execute/four-steps?wait=60s',
        { callback_url: `${base}/hook` },
        { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` },
      ),
      200,
    );
    await jaeger.receive({ ...CALLER, name: 'the caller asks', start, end: Date.now() });
    await eventually(
      async () => {
        spans = await jaeger.trace(started.trace_id);
        expect(named('execution four-steps')).toHaveLength(1);
        expect(named(/^step /)).toHaveLength(4);
        expect(named(/^run /)).toHaveLength(5);
        expect(named('GET')).toHaveLength(2);
        expect(named('callback webhook')).toHaveLength(1);
        const ids = new Set(spans.map(({ spanID }) => spanID));
        const parents = spans.flatMap(({ references }) => references).filter(({ refType }) => refType === 'CHILD_OF');
        expect(parents.filter(({ traceID, spanID }) => traceID === started.trace_id && !ids.has(spanID))).toEqual([]);
        expect(await jaeger.trace(CALLER.traceId)).toHaveLength(3);
      },
      { intervalMs: 500, describe: 'Jaeger has both traces' },
    );
  }, 600_000);

  afterAll(async () => {
    await cluster?.stop();
    await called.stop();
    await jaeger?.stop();
  }, 300_000);

  it('have no warning', async () => {
    expect(warnings(spans)).toEqual([]);
    expect(warnings(await jaeger.trace(CALLER.traceId))).toEqual([]);
  });

  it('have no span without a length', () => {
    expect(spans.length).toBeGreaterThan(20);
    expect(spans.filter(({ duration }) => duration < 1).map(({ operationName }) => operationName)).toEqual([]);
  });

  it('have no warning when an execution votes, waits, has a child, fails and is undone', async () => {
    expectStatus(await api.post('/api/v1/orchestrations/configs', UNDONE(base)), 201);
    const { trace_id: traceId } = expectStatus(
      await api.post<typeof started>('/api/v1/orchestrations/execute/undone?wait=60s', {}),
      200,
    );
    await eventually(
      async () => {
        const all = await jaeger.trace(traceId);
        for (const name of ['execution undone', 'compensation', 'human wait', 'child execution', 'consensus panel']) {
          expect(named(name, all)).toHaveLength(1);
        }
        expect(named(/^run /, all).length).toBeGreaterThanOrEqual(7);
        expect(warnings(all)).toEqual([]);
        expect(all.filter(({ duration }) => duration < 1).map(({ operationName }) => operationName)).toEqual([]);
      },
      { intervalMs: 500, describe: 'Jaeger has the trace' },
    );
  });

  it('show the request in the trace of its caller, under the caller’s span, and link to each other', async () => {
    const ofCaller = await jaeger.trace(CALLER.traceId);
    const [request] = named('POST /api/v1/orchestrations/execute/:config_id', ofCaller);
    const linksOf = (span: JaegerSpan | undefined, refType: string): string[] =>
      (span?.references ?? []).filter((reference) => reference.refType === refType).map(({ traceID }) => traceID);
    expect(request?.references).toContainEqual({
      refType: 'CHILD_OF',
      traceID: CALLER.traceId,
      spanID: CALLER.spanId,
    });
    expect(ofCaller.flatMap((span) => linksOf(span, 'FOLLOWS_FROM'))).toContain(started.trace_id);
    expect(linksOf(named('execution four-steps')[0], 'FOLLOWS_FROM')).toContain(CALLER.traceId);
  });

  it('are reached from the status by its link', async () => {
    const { trace_url: url } = expectStatus(
      await api.get<{ trace_url: string }>(`/api/v1/orchestrations/status/${started.trace_id}`),
      200,
    );
    expect(url).toBe(`${jaeger.url}/trace/${started.trace_id}`);
    expect((await fetch(url)).status).toBe(200);
  });
});
