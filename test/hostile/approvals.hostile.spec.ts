import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { Api, expectStatus } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';
import { Orchestrations, stepOf } from '../support/orchestration.js';

const BASE = '/api/v1/orchestrations';

describe('an operator who is no approver of a step', () => {
  let platform: LocalPlatform;
  let run: Orchestrations;
  let eve: Orchestrations;
  let grace: Api;

  const waits = (id: string): Promise<unknown> =>
    eventually(async () => stepOf(await run.get(id), 'gate').approval?.status === 'waiting', { timeoutMs: 60_000 });

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    const api = platform.admin();
    run = new Orchestrations(api);
    const user = async (name: string): Promise<Api> => {
      const { secret = '' } = await api.client.apiKeys.create({ user_id: name, role: 'operator', name });
      return new Api(platform.url, secret);
    };
    grace = await user('grace');
    eve = new Orchestrations(await user('eve'));
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  it('does not get past it: no skip, fork, retry, pause or end leads to the next steps', async () => {
    const echoes = (id: string, dependencies: string[], input: object) => ({
      id,
      name: id,
      agent: 'echo',
      dependencies,
      input,
    });
    await run.save({
      name: 'payment',
      strategy: 'parallel',
      steps: [
        echoes('check', [], { large: '{% input.amount > 5 %}' }),
        {
          id: 'gate',
          name: 'Pay?',
          dependencies: ['check'],
          when: '{% outputs.check.large %}',
          approval: { approvers: ['grace'] },
          input: { amount: '{% input.amount %}' },
        },
        echoes('prepare', ['gate'], { prepared: '{% input.amount %}' }),
        echoes('pay', ['prepare'], { paid: '{% input.amount %}' }),
      ],
    });
    const refused = { http: 403, code: 'not_an_approver' };
    const begin = async (amount: number): Promise<string> => {
      const id = await run.start('payment', { input: { amount } });
      await waits(id);
      return id;
    };
    const forked = async (id: string, amount?: number): Promise<string> => {
      const body = { from_step_id: 'pay', ...(amount === undefined ? {} : { input: { amount, by: 'eve' } }) };
      const answer = (await eve.command(id, 'fork', body)) as unknown as { execution_id: string };
      return answer.execution_id;
    };
    const approve = async (id: string): Promise<void> => {
      expectStatus(await grace.post(`${BASE}/executions/${id}/steps/gate/approve`, {}), 200);
    };
    const notPaid = async (id: string): Promise<void> => {
      expect(stepOf(await run.get(id), 'pay')).toMatchObject({ attempt: 0 });
    };

    const id = await begin(10);
    for (const user of [eve, run]) {
      expect(await user.command(id, 'steps/gate/approve')).toMatchObject(refused);
      expect(await user.command(id, 'steps/gate/reject')).toMatchObject(refused);
      expect(await user.command(id, 'steps/gate/skip', { reason: 'urgent' })).toMatchObject(refused);
    }
    expect(await eve.command(id, 'pause', { now: true })).toMatchObject({ http: 200 });
    expect(await eve.command(id, 'steps/gate/skip')).toMatchObject(refused);
    expect(await eve.command(id, 'resume')).toMatchObject({ http: 200 });
    expect(await eve.command(id, 'steps/prepare/skip')).toMatchObject({ http: 200 });
    await notPaid(id);
    expect(await eve.command(id, 'terminate')).toMatchObject({ http: 200 });
    const after = await forked(id);
    await waits(after);
    await notPaid(after);
    expect(await eve.command(after, 'steps/gate/skip')).toMatchObject(refused);
    expect(await eve.command(id, 'retry')).toMatchObject({ http: 200 });
    await waits(id);
    await notPaid(id);
    expect(await eve.command(id, 'cancel', { compensate: true })).toMatchObject({ http: 200 });
    await notPaid(id);

    const paid = await begin(20);
    await approve(paid);
    expect(await run.ended(paid)).toMatchObject({ status: 'completed', output: { paid: 20 } });
    // The same amount was approved, whatever else the input contains. Another amount was not.
    const same = await run.ended(await forked(paid, 20));
    expect(same).toMatchObject({ status: 'completed', output: { paid: 20 } });
    expect(stepOf(same, 'gate')).toMatchObject({ reused: true, approval: { status: 'approved', decided_by: 'grace' } });
    const more = await forked(paid, 9_999);
    await waits(more);
    expect(stepOf(await run.get(more), 'gate').approval).toMatchObject({ input: { amount: 9_999 } });
    await notPaid(more);
    expect(await eve.command(more, 'steps/gate/skip')).toMatchObject(refused);
    const again = await forked(more, 8_888);
    await waits(again);
    await notPaid(again);
    await approve(more);
    expect(await run.ended(more)).toMatchObject({ status: 'completed', output: { paid: 9_999 } });
    for (const left of [after, again]) await run.command(left, 'terminate', { reason: 'the test is over' });
    expect(await run.get(again)).toMatchObject({
      cancelled_by: 'admin',
      cancel_reason: 'the test is over',
      terminated: true,
    });
  }, 300_000);

  it('does not get past it in an execution that a step runs, at whatever depth and moment', async () => {
    const child = (id: string, config: string, more: object = {}): object => ({
      id,
      name: id,
      orchestration: { config },
      ...more,
    });
    const gate = { id: 'gate', name: 'Pay?', approval: { approvers: ['grace'] } };
    await run.save({ name: 'asks', strategy: 'sequential', steps: [gate] });
    await run.save({ name: 'middle', strategy: 'sequential', steps: [child('lower', 'asks')] });
    const pay = { id: 'pay', name: 'pay', agent: 'echo', dependencies: ['upper'] };
    await run.save({ name: 'outer', strategy: 'parallel', steps: [child('upper', 'middle'), pay] });
    const slow = { id: 'slow', name: 'slow', agent: 'delay', input: { ms: 600_000 }, timeout_ms: 900_000 };
    await run.save({
      name: 'later',
      strategy: 'parallel',
      steps: [slow, child('upper', 'middle', { dependencies: ['slow'] }), pay],
    });
    await run.save({ name: 'harmless', strategy: 'sequential', steps: [{ ...slow, id: 'only' }] });
    await run.save({ name: 'free', strategy: 'parallel', steps: [child('upper', 'harmless'), pay] });
    const refused = { http: 403, code: 'not_an_approver' };
    const childOf = async (id: string, step: string): Promise<string> => {
      let found = '';
      await eventually(
        async () => {
          found = (stepOf(await run.get(id), step) as { child?: { execution_id?: string } }).child?.execution_id ?? '';
          expect(found).not.toBe('');
        },
        { timeoutMs: 60_000, describe: `step ${step} has a child` },
      );
      return found;
    };

    const id = await run.start('outer', { input: {} });
    // At once, and when the child waits for the approval.
    expect(await eve.command(id, 'steps/upper/skip')).toMatchObject(refused);
    const middle = await childOf(id, 'upper');
    const lower = await childOf(middle, 'lower');
    await waits(lower);
    expect(await eve.command(id, 'steps/upper/skip')).toMatchObject(refused);
    expect(await eve.command(middle, 'steps/lower/skip')).toMatchObject(refused);
    expect(await eve.command(lower, 'steps/gate/skip')).toMatchObject(refused);
    // A child that is ended by others is no approval: its step fails.
    expect(await eve.command(lower, 'cancel')).toMatchObject({ http: 200 });
    await eventually(async () => expect((await run.get(id)).status).toBe('failed'), { timeoutMs: 60_000 });
    expect(stepOf(await run.get(id), 'pay')).toMatchObject({ attempt: 0 });
    expect(await eve.command(id, 'retry')).toMatchObject({ http: 200 });
    await eventually(async () => expect((await run.get(id)).status).toBe('running'), { timeoutMs: 60_000 });
    expect(await eve.command(id, 'steps/upper/skip')).toMatchObject(refused);
    const forked = (await eve.command(id, 'fork', { from_step_id: 'upper' })) as unknown as { execution_id: string };
    expect(await eve.command(forked.execution_id, 'steps/upper/skip')).toMatchObject(refused);
    // Before it is the step's turn, too.
    const before = await run.start('later', { input: {} });
    expect(await eve.command(before, 'steps/upper/skip')).toMatchObject(refused);
    // Whoever may decide may skip, and a step that asks nobody may be skipped by every operator.
    const own = new Orchestrations(grace);
    expect(await own.command(before, 'steps/upper/skip')).toMatchObject({ http: 200 });
    const free = await run.start('free', { input: {} });
    expect(await eve.command(free, 'steps/upper/skip')).toMatchObject({ http: 200 });
    expect(await run.ended(free)).toMatchObject({ status: 'completed' });
    for (const left of [id, forked.execution_id, before]) await run.command(left, 'terminate');
  }, 300_000);
});
