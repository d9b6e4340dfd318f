import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import WebSocket from 'ws';
import { Api, expectStatus } from '../support/api.js';
import { CalledServer } from '../support/called-server.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const BASE = '/api/v1/orchestrations';

const RELEASE = {
  name: 'release',
  strategy: 'sequential',
  steps: [
    { id: 'build', name: 'Build', agent: 'echo', input: { version: '{% input.version %}' } },
    {
      id: 'gate',
      name: 'Release it?',
      dependencies: ['build'],
      input: { build: '{% outputs.build %}' },
      approval: {
        message: '{% "Release " & outputs.build.version & "?" %}',
        approvers: ['grace', 'admin'],
        timeout_ms: 600_000,
      },
    },
    {
      id: 'ship',
      name: 'Ship',
      agent: 'echo',
      dependencies: ['gate'],
      input: { shipped: '{% outputs.gate.data.channel %}', by: '{% outputs.gate.by %}' },
    },
  ],
};

interface Waiting {
  readonly approvals: readonly { readonly execution_id: string; readonly step_id: string; readonly message: string }[];
}

describe('approvals, through the whole platform', () => {
  let cluster: Cluster;
  let api: Api;
  let run: Orchestrations;
  const called = new CalledServer();
  const told = (): { type: string; data: Record<string, unknown> }[] =>
    called.to('/hook').map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });
  const all: string[] = [];

  const userKey = async (userId: string, role: string): Promise<Api> => {
    const { secret } = expectStatus(
      await api.post<{ secret: string }>('/api/v1/api-keys', { user_id: userId, role, name: `${userId}'s` }),
      201,
    );
    return new Api(api.url, secret);
  };
  const start = async (version = '1.0'): Promise<string> => {
    const id = await run.start('release', { input: { version } });
    all.push(id);
    return id;
  };
  const waits = (id: string): Promise<unknown> =>
    eventually(async () => stepOf(await run.get(id), 'gate').approval?.status === 'waiting', { timeoutMs: 60_000 });
  const waiting = async (query = ''): Promise<Waiting['approvals']> =>
    expectStatus(await api.get<Waiting>(`${BASE}/approvals${query}`), 200).approvals;

  beforeAll(async () => {
    const hook = `${await called.start()}/hook`;
    cluster = await Cluster.start({
      instances: { notifications: 1 },
      env: { BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1' },
    });
    api = cluster.api();
    run = new Orchestrations(api);
    const config = expectStatus(await api.post<{ id: string }>(`${BASE}/configs`, RELEASE), 201);
    expectStatus(
      await api.post(`${BASE}/callbacks`, {
        config_id: config.id,
        type: 'webhook',
        events: ['approval_requested', 'completed'],
        callback_url: hook,
      }),
      201,
    );
    expectStatus(
      await api.post(`${BASE}/callbacks`, {
        config_id: config.id,
        type: 'websocket',
        to: 'grace',
        events: ['approval_requested'],
      }),
      201,
    );
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
    await called.stop();
  }, 300_000);

  it('is requested, notified, listed and watched, survives a kill -9 of the engine, and is decided by an approver', async () => {
    const grace = await userKey('grace', 'operator');
    const eve = await userKey('eve', 'operator');
    const viewer = await userKey('grace', 'viewer');
    const id = await start('2.1');
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/ws/executions/${id}/monitor`, {
      headers: { authorization: `Bearer ${api.key}` },
    });
    const watched: string[] = [];
    socket.on('message', (data: Buffer) => watched.push((JSON.parse(data.toString('utf8')) as { type: string }).type));
    try {
      await waits(id);
      const step = stepOf(await run.get(id), 'gate');
      expect(step).toMatchObject({
        status: 'running',
        approval: { status: 'waiting', message: 'Release 2.1?', approvers: ['grace', 'admin'] },
      });
      await eventually(() => told().length === 1, { timeoutMs: 60_000, describe: 'the webhook is told' });
      expect(told()[0]).toMatchObject({
        type: 'approval.requested',
        data: {
          execution_id: id,
          config_name: 'release',
          step_id: 'gate',
          message: 'Release 2.1?',
          input: { build: { version: '2.1' } },
          approvers: ['grace', 'admin'],
          deadline_at: step.approval?.deadline_at,
        },
      });
      await eventually(
        async () => {
          const inbox = expectStatus(
            await grace.get<{ notifications: { execution_id: string; event_type: string }[] }>('/api/v1/notifications'),
            200,
          );
          expect(inbox.notifications).toMatchObject([{ execution_id: id, event_type: 'approval_requested' }]);
        },
        { timeoutMs: 60_000 },
      );
      await eventually(async () => expect(await waiting()).toMatchObject([{ execution_id: id, step_id: 'gate' }]), {
        timeoutMs: 60_000,
      });
      expect(await waiting('?approver=grace')).toHaveLength(1);
      expect(await waiting('?approver=eve')).toEqual([]);
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      await engine.start();
      const decide = async (who: Api, verdict: string, body: object, key?: string) => {
        const answer = await who.post<{ code?: string; repeated?: boolean }>(
          `${BASE}/executions/${id}/steps/gate/${verdict}`,
          body,
          key === undefined ? {} : { 'idempotency-key': key },
        );
        return { http: answer.status, ...answer.body };
      };
      expect(await decide(eve, 'approve', {})).toMatchObject({ http: 403, code: 'not_an_approver' });
      expect(await decide(viewer, 'approve', {})).toMatchObject({ http: 403, code: 'forbidden' });
      expect(await decide(api, 'approve', { data: 1, more: 2 })).toMatchObject({
        http: 400,
        code: 'validation_failed',
      });
      const body = { comment: 'shipped by hand', data: { channel: 'stable' } };
      expect(await decide(grace, 'approve', body, 'mine')).toMatchObject({ http: 200, status: 'running' });
      expect(await decide(grace, 'approve', body, 'mine')).toMatchObject({ http: 200, repeated: true });
      expect(['already_decided', 'already_completed']).toContain((await decide(grace, 'reject', {})).code);
      const execution = await run.ended(id);
      expect(execution).toMatchObject({ status: 'completed', output: { shipped: 'stable', by: 'grace' } });
      expect(await decide(api, 'approve', {})).toMatchObject({ http: 409, code: 'already_completed' });
      expect(stepOf(execution, 'gate')).toMatchObject({
        attempt: 0,
        output: { approved: true, by: 'grace', comment: 'shipped by hand', data: { channel: 'stable' } },
        approval: { status: 'approved', decided_by: 'grace' },
      });
      expect(outline(await run.events(id), 'ApprovalRequested', 'ApprovalDecided', 'StepCompleted')).toEqual([
        'StepCompleted build',
        'ApprovalRequested gate',
        'ApprovalDecided gate',
        'StepCompleted gate',
        'StepCompleted ship',
      ]);
      await eventually(() => watched.includes('ExecutionCompleted'), { timeoutMs: 60_000 });
      expect(watched.filter((type) => type.startsWith('Approval'))).toEqual(['ApprovalRequested', 'ApprovalDecided']);
      await eventually(() => told().length === 2, { timeoutMs: 60_000 });
      expect(told().map(({ type }) => type)).toEqual(['approval.requested', 'execution.completed']);
      await eventually(async () => expect(await waiting()).toEqual([]), { timeoutMs: 60_000 });
    } finally {
      socket.terminate();
    }
  }, 300_000);

  it('can be decided during a pause, requested again by a retry, skipped, and withdrawn by the end', async () => {
    const rejected = await start();
    await waits(rejected);
    expect(await run.command(rejected, 'pause', { now: true })).toMatchObject({ http: 200, status: 'paused' });
    expect(await run.command(rejected, 'steps/gate/reject', { comment: 'not yet' })).toMatchObject({
      http: 200,
      status: 'paused',
    });
    expect(await run.command(rejected, 'steps/gate/approve')).toMatchObject({ http: 409, code: 'already_decided' });
    expect(await run.command(rejected, 'resume')).toMatchObject({ http: 200, status: 'failed' });
    const failed = await run.ended(rejected);
    expect(failed.failure).toMatchObject({ code: 'approval_rejected', message: 'rejected by admin: not yet' });
    expect(await run.command(rejected, 'retry')).toMatchObject({ http: 200, status: 'running' });
    await waits(rejected);
    await run.command(rejected, 'steps/gate/approve', { data: { channel: 'beta' } });
    expect(await run.ended(rejected)).toMatchObject({ status: 'completed', output: { shipped: 'beta', by: 'admin' } });
    const fork = await run.command(rejected, 'fork', { from_step_id: 'ship' });
    const forked = (fork as unknown as { execution_id: string }).execution_id;
    all.push(forked);
    expect(await run.ended(forked)).toMatchObject({ status: 'completed', output: { shipped: 'beta' } });
    const skipped = await start();
    await waits(skipped);
    await run.command(skipped, 'steps/gate/skip');
    expect(await run.ended(skipped)).toMatchObject({ status: 'completed' });
    const cancelled = await start();
    await waits(cancelled);
    await run.command(cancelled, 'cancel');
    expect(stepOf(await run.ended(cancelled), 'gate')).toMatchObject({
      status: 'skipped',
      skip_reason: 'execution_cancelled',
      approval: { status: 'withdrawn' },
    });
    await eventually(async () => expect(await waiting()).toEqual([]), { timeoutMs: 60_000 });
  }, 300_000);

  it('has one outcome when two decide at the same time', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => start()));
    await Promise.all(
      ids.map(async (id) => {
        await waits(id);
        const answers = await Promise.all(
          ['approve', 'reject', 'approve', 'reject'].map((verdict) => run.command(id, `steps/gate/${verdict}`)),
        );
        const [taken, ...others] = answers.filter(({ http }) => http === 200);
        expect([taken?.http, others]).toEqual([200, []]);
        const { status } = await run.ended(id);
        expect(status).toBe(answers.findIndex(({ http }) => http === 200) % 2 === 0 ? 'completed' : 'failed');
        expect(outline(await run.events(id), 'ApprovalDecided')).toEqual(['ApprovalDecided gate']);
      }),
    );
  }, 300_000);

  it('leaves a log without gaps', async () => {
    const { ended } = await checkLog(cluster.stack.databaseUrl, all);
    expect(Object.values(ended).reduce((sum, count) => sum + count, 0)).toBe(all.length);
  });
});
