import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

let cluster: Cluster;
let api: Api;

beforeAll(async () => {
  cluster = await Cluster.start();
  api = cluster.api();
  const config = { name: 'scheduled', strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
  expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
});

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly next_at: string | null;
  readonly counts: Record<string, number>;
  readonly running: readonly { execution_id: string }[];
  readonly last_execution_id: string | null;
  readonly paused: { readonly reason: string } | null;
}

const SOON = { name: 'soon', config: 'scheduled', timetable: { every_ms: 1_000 }, input: { at: '{% nominal_time %}' } };

async function made(body: object): Promise<Shown> {
  return expectStatus(await api.post('/api/v1/schedules', body), 201) as unknown as Shown;
}

const shown = async (id: string): Promise<Shown> =>
  expectStatus(await api.get(`/api/v1/schedules/${id}`), 200) as unknown as Shown;

const events = async (id: string): Promise<{ type: string; data: Record<string, unknown> }[]> =>
  (expectStatus(await api.get(`/api/v1/schedules/${id}/history?limit=200`), 200) as unknown as { events: never[] })
    .events;

describe('schedules', () => {
  it('start executions with their input, and show how they ended', async () => {
    const { id } = await made(SOON);
    await eventually(async () => ((await shown(id)).counts['completed'] ?? 0) >= 2, {
      describe: 'two executions have completed',
      timeoutMs: 60_000,
    });
    const fired = (await events(id)).find(({ type }) => type === 'ScheduleFired');
    const execution = expectStatus(
      await api.get(`/api/v1/orchestrations/executions/${String(fired?.data['execution_id'])}`),
      200,
    ) as unknown as { metadata: Record<string, string>; input: Record<string, string> };
    expect(execution.metadata['schedule_id']).toBe(id);
    expect(execution.input['at']).toBe(execution.metadata['nominal_time']);
    const types = (await events(id)).map(({ type }) => type);
    expect(types[0]).toBe('ScheduleCreated');
    expect(types).toEqual(expect.arrayContaining(['ScheduleFired', 'ScheduleStartAnswered', 'ScheduleExecutionEnded']));
    expectStatus(await api.call('DELETE', `/api/v1/schedules/${id}`), 200);
    expectStatus(await api.get(`/api/v1/schedules/${id}`), 404);
    expectStatus(await api.post(`/api/v1/schedules/${id}/trigger`, {}), 404);
  });

  it('are listed, paused, resumed, triggered, backfilled and replaced', async () => {
    const body = { ...SOON, name: 'daily', timetable: { cron: '0 3 * * *', time_zone: 'Europe/Berlin' } };
    const { id } = await made(body);
    const list = expectStatus(await api.get('/api/v1/schedules?limit=1'), 200) as unknown as { schedules: Shown[] };
    expect(list.schedules.map((item) => item.id)).toEqual([id]);
    const preview = expectStatus(await api.get(`/api/v1/schedules/${id}/preview?count=3`), 200) as unknown as {
      times: string[];
    };
    expect(preview.times).toHaveLength(3);
    expectStatus(await api.post(`/api/v1/schedules/${id}/pause`, { reason: 'holidays' }), 200);
    expect((await shown(id)).paused).toMatchObject({ reason: 'holidays', cause: 'user' });
    expect(expectStatus(await api.post(`/api/v1/schedules/${id}/pause`, {}), 409)).toMatchObject({
      code: 'already_paused',
    });
    expectStatus(await api.post(`/api/v1/schedules/${id}/resume`, {}), 200);
    expectStatus(await api.post(`/api/v1/schedules/${id}/trigger`, {}), 200);
    const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-04T00:00:00Z' };
    expectStatus(await api.post(`/api/v1/schedules/${id}/backfill`, range), 200);
    await eventually(async () => (await shown(id)).counts['completed'] === 4, {
      describe: 'the triggered execution and those of three days have completed',
      timeoutMs: 60_000,
    });
    expectStatus(await api.post(`/api/v1/schedules/${id}/backfill`, range), 200);
    await eventually(async () => (await shown(id)).counts['completed'] === 7, {
      describe: 'they are told again',
      timeoutMs: 60_000,
    });
    const executions = expectStatus(await api.get('/api/v1/orchestrations/executions?limit=200'), 200) as unknown as {
      executions: { metadata?: Record<string, string> }[];
    };
    const own = executions.executions.filter(({ metadata }) => metadata?.['schedule_id'] === id);
    expect(own.length === 0 || own.length === 4).toBe(true);
    const replaced = expectStatus(
      await api.call('PUT', `/api/v1/schedules/${id}`, { ...body, name: 'other' }),
      200,
    ) as unknown as unknown as Shown;
    expect(replaced.version).toBe(2);
  });

  it('refuse contradictions, each with its place', async () => {
    const refused = async (body: object): Promise<string[]> => {
      const answer = expectStatus(await api.post('/api/v1/schedules', body), 400) as unknown as {
        errors: { path: string; code: string }[];
      };
      return answer.errors.map(({ path, code }) => `${path} ${code}`);
    };
    expect(await refused({})).toEqual(['/name required', '/config required', '/timetable required']);
    expect(await refused({ ...SOON, config: 'nobody' })).toEqual(['/config unknown_config']);
    expect(await refused({ ...SOON, config_version: 99 })).toEqual(['/config_version unknown_config']);
    expect(await refused({ ...SOON, timetable: { cron: '0 0 30 2 *' } })).toEqual(['/timetable/cron contradiction']);
    expect(await refused({ ...SOON, timetable: { at: '2020-01-01T00:00:00Z' } })).toEqual(['/timetable out_of_range']);
    expect(await refused({ ...SOON, jitter_ms: 1_000, buffer_limit: 3 })).toEqual([
      '/buffer_limit contradiction',
      '/jitter_ms contradiction',
    ]);
    expect(await refused({ ...SOON, input: '{{secret:A}}' })).toEqual(['/input secret_not_allowed']);
  });
});
