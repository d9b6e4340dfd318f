import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STRATEGIES } from '@batuta/contracts';
import WebSocket from 'ws';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const FOLDER = new URL('../../examples/source-document/', import.meta.url);
const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as T;
const EXAMPLE = read<{ name: string; steps: { steps: { id: string; name: string }[]; settings: object } }>(
  'orchestration.json',
);
const START = read<{ input: Record<string, unknown> }>('start.json');
const API = '/api/v1/orchestrations';

interface Status {
  readonly execution_id: string;
  readonly status: string;
  readonly session_id?: string;
  readonly config_name: string;
  readonly input: unknown;
  readonly output: { report: string } | null;
  readonly metrics: { latency_ms: number; cost: number; tokens: number };
  readonly steps: { step_id: string; step_name: string; status: string; latency_ms: number; error: string | null }[];
}

describe('the example of the source document', () => {
  let cluster: Cluster;
  let api: Api;

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    const document = {
      source: 'runbooks/import.md',
      content: '# Import\n\nA duplicate key in the import: use upsert.',
    };
    const stored = await api.post('/api/v1/knowledge/documents', document);
    expect([200, 201]).toContain(stored.status);
  }, 300_000);

  afterAll(() => cluster?.stop(), 300_000);

  /** The messages of a WebSocket until it closes, or the status and body of a refused upgrade. */
  function talk(path: string, first?: unknown): Promise<{ status: number; messages: Record<string, unknown>[] }> {
    return new Promise((resolve) => {
      const messages: Record<string, unknown>[] = [];
      const take = (data: Buffer) => void messages.push(JSON.parse(data.toString()) as Record<string, unknown>);
      const socket = new WebSocket(`${api.url.replace('http', 'ws')}${path}`, {
        headers: { authorization: `Bearer ${api.key}` },
      });
      socket.on('open', () => first === undefined || socket.send(JSON.stringify(first)));
      socket.on('message', take);
      socket.on('error', () => undefined);
      socket.on('close', () => resolve({ status: 101, messages }));
      socket.on('unexpected-response', (_request, response) => {
        response.on('data', take);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, messages }));
      });
    });
  }

  /** Runs the example with a strategy and returns its status, like its clients. */
  async function run(strategy: string, body: { input: unknown }): Promise<Status> {
    const name = `${EXAMPLE.name}-${strategy}-${Object.keys(body.input as object).length}`;
    expectStatus(await api.post(`${API}/configs`, { ...EXAMPLE, name, strategy }), 201);
    const started = await api.post<{ trace_id: string }>(`${API}/execute/${name}?wait=60s`, body);
    return expectStatus(await api.get<Status>(`${API}/status/${expectStatus(started, 200).trace_id}`), 200);
  }

  async function inputOf(execution: Status, step: string): Promise<Record<string, unknown>> {
    const path = `${API}/executions/${execution.execution_id}/steps/${step}`;
    return expectStatus(await api.get<{ input: Record<string, unknown> }>(path), 200).input;
  }

  it.each(STRATEGIES)(
    'runs unchanged with strategy %s',
    async (strategy) => {
      const status = await run(strategy, START);
      expect(status).toMatchObject({ status: 'completed', session_id: 'session-42', input: START.input });
      expect(status.metrics).toEqual({ latency_ms: expect.any(Number), cost: 0, tokens: 0 });
      expect(status.steps).toMatchObject(
        EXAMPLE.steps.steps.map(({ id, name }) => ({ step_id: id, step_name: name, status: 'completed', error: null })),
      );
      const report = status.output?.report;
      expect(report).toContain('## Step 1');
      expect(report).toContain('The log has 1 error in 2 lines.');
      expect(report).toContain('runbooks/import.md');
      // A field of an output occurs twice in the input, and is reported once.
      expect(report).not.toContain('## Passages');

      const log = await inputOf(status, 'step_2');
      expect(log).toMatchObject({ ...START.input, dep_step_1: { jobs: [{ name: 'nightly-import' }] } });
      expect(log['jobs']).toEqual((log['dep_step_1'] as { jobs: unknown }).jobs);
      const answer = await inputOf(status, 'step_4');
      expect(Object.keys(answer).filter((key) => key.startsWith('dep_'))).toEqual([
        'dep_step_1',
        'dep_step_2',
        'dep_step_3',
      ]);
    },
    300_000,
  );

  it.each(STRATEGIES)(
    'continues with strategy %s without the failed step, and tells later steps the reason',
    async (strategy) => {
      const { job_name: _job, query: _query, ...input } = START.input;
      const status = await run(strategy, { input });
      expect(status.status).toBe('completed');
      const [job, log, search, answer] = status.steps;
      expect([job?.status, log?.status, search?.status, answer?.status]).toEqual([
        'failed',
        'completed',
        'failed',
        'completed',
      ]);
      expect(job?.error).toContain('status_handler needs something to look at');
      expect(await inputOf(status, 'step_2')).toMatchObject({ dep_step_1: { error: job?.error }, error: job?.error });
      expect(await inputOf(status, 'step_4')).toMatchObject({ dep_step_3: { error: search?.error } });
      expect(status.output?.report).toContain(`Step 1 failed: `);
    },
    300_000,
  );

  it('is found in lists by offset, with the total number', async () => {
    interface Page {
      readonly configs?: { name: string; steps_count: number }[];
      readonly executions?: { config_name: string }[];
      readonly total?: number;
      readonly next_cursor: string | null;
    }
    const page = async (path: string): Promise<Page> => expectStatus(await api.get<Page>(`${API}/${path}`), 200);
    const all = await page('configs?limit=200&with_total=true');
    expect(all.total).toBe(all.configs?.length);
    const second = await page('configs?limit=1&offset=1');
    expect(second).toMatchObject({ total: all.total, limit: 1, offset: 1, configs: [all.configs?.[1]] });
    expect(second.configs?.[0]?.steps_count).toBe(4);
    const executions = await page('executions?limit=200');
    expect(executions).not.toHaveProperty('total');
    const some = await page('executions?limit=2&offset=1&status=completed&status=failed');
    expect(some).toMatchObject({ total: executions.executions?.length, limit: 2, offset: 1 });
    expect(some.executions).toEqual(executions.executions?.slice(1, 3));
    expect(await api.get(`${API}/executions?offset=1&cursor=${String(some.next_cursor)}`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: '/offset', code: 'contradiction' }] },
    });
  });

  it('has no live feed with enable_monitoring false, and can be read over REST', async () => {
    const name = `${EXAMPLE.name} unseen`;
    const steps = { steps: EXAMPLE.steps.steps, settings: { enable_monitoring: false } };
    expectStatus(await api.post(`${API}/configs`, { ...EXAMPLE, name, steps }), 201);
    const path = encodeURIComponent(name);
    const live = await talk(`${API}/ws/execute/${path}`, START);
    expect(live).toMatchObject({ status: 101, messages: [{ type: 'result', status: 'completed' }] });
    const id = String(live.messages[0]?.['execution_id']);
    const refused = await talk(`/ws/executions/${id}/monitor`);
    expect(refused).toMatchObject({ status: 409, messages: [{ code: 'not_monitored' }] });
    expectStatus(await api.get(`${API}/executions/${id}/result?wait=30s`), 200);
    const { events } = expectStatus(
      await api.get<{ events: { type: string }[] }>(`${API}/executions/${id}/events`),
      200,
    );
    expect(events.at(-1)?.type).toBe('ExecutionCompleted');
  }, 300_000);

  it('is changed in part by a merge patch, in either form and with either media type', async () => {
    const name = `${EXAMPLE.name} to patch`;
    const path = `${API}/configs/${encodeURIComponent(name)}`;
    const made = await api.post(`${API}/configs`, { ...EXAMPLE, name });
    expectStatus(made, 201);
    const headers = { 'content-type': 'application/merge-patch+json', 'if-match': made.headers.get('etag') ?? '' };
    const first = await api.call('PATCH', path, { steps: { settings: { parallel_limit: 5 } } }, headers);
    expect(expectStatus(first, 200)).toMatchObject({
      version: 2,
      steps: EXAMPLE.steps.steps,
      settings: { ...EXAMPLE.steps.settings, parallel_limit: 5, default_input: 'merged' },
    });
    expect(await api.call('PATCH', path, { description: 'x' }, headers)).toMatchObject({
      status: 412,
      body: { code: 'version_conflict' },
    });
    const second = await api.call('PATCH', path, { description: null });
    expect(expectStatus(second, 200)).not.toHaveProperty('description');
    expect(second.headers.get('etag')).not.toBe(first.headers.get('etag'));
    expect(await api.call('PATCH', path, { is_active: false })).toMatchObject({
      status: 400,
      body: { code: 'validation_failed', errors: [{ path: '/is_active', code: 'read_only' }] },
    });
    const posted = await api.post(`${API}/configs`, { ...EXAMPLE, name: 'no patch' }, headers);
    expect(posted).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
  });

  it('is shown in the flat form, which may be sent back', async () => {
    const shown = expectStatus(
      await api.get<{ id: string; version: number; steps: unknown[] }>(`${API}/configs/${EXAMPLE.name}-parallel-4`),
      200,
    );
    expect(shown).toMatchObject({
      steps: EXAMPLE.steps.steps,
      steps_count: 4,
      settings: { ...EXAMPLE.steps.settings, default_input: 'merged' },
    });
    expect(expectStatus(await api.call('PUT', `${API}/configs/${shown.id}`, shown), 200)).toMatchObject({
      version: shown.version + 1,
      settings: { default_input: 'merged' },
    });
  });
});
