import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

const COMMANDS = [
  'pause',
  'resume',
  'cancel',
  'terminate',
  'retry',
  'compensate',
  'steps/one/skip',
  'steps/one/approve',
  'steps/one/reject',
  'signals/go',
] as const;
const DECISIONS: ReadonlySet<string> = new Set(['steps/one/approve', 'steps/one/reject']);

describe('commands to an execution at the edge', () => {
  let under: UnderTest;
  let id: string;
  let path: string;
  const commands = (): Record<string, unknown>[] =>
    under.fake.asked.filter(({ pattern }) => pattern === 'command').map(({ data }) => data);

  beforeAll(async () => {
    under = await startUnderTest();
  });
  afterAll(async () => {
    await under.close();
  });
  beforeEach(async () => {
    under.fake.putConfig('greeting');
    under.fake.finishAtOnce = false;
    const started = await under.call('POST', '/api/v1/orchestrations/execute/greeting', { body: { input: { a: 1 } } });
    id = String(started.body['execution_id']);
    path = `/api/v1/orchestrations/executions/${id}`;
    under.fake.asked.length = 0;
  });

  it.each(COMMANDS)(
    '%s refuses bad bodies, unknown fields and parameters, viewers and strangers, and sends nothing',
    async (command) => {
      const call = async (options: object, query = ''): Promise<unknown[]> => {
        const answer = await under.call('POST', `${path}/${command}${query}`, options);
        return [answer.status, answer.body['code']];
      };
      expect(await call({ raw: '{"reason"' })).toEqual([400, 'malformed_json']);
      expect(await call({ body: [] })).toEqual([400, 'validation_failed']);
      expect(await call({ body: { hurry: true } })).toEqual([400, 'validation_failed']);
      const wrong = DECISIONS.has(command) ? { comment: 7 } : { reason: 7 };
      expect(await call({ body: wrong })).toEqual([400, 'validation_failed']);
      expect(await call({}, '?force=true')).toEqual([400, 'validation_failed']);
      expect(await call({ headers: { 'idempotency-key': 'with space' } })).toEqual([400, 'validation_failed']);
      expect(await call({ key: KEYS.viewer })).toEqual([403, 'forbidden']);
      expect(commands()).toEqual([]);
      expect(await call({ key: KEYS.stranger })).toEqual([404, 'not_found']);
    },
  );

  it('passes the body on, and gives the same command the same id only under the same key', async () => {
    const send = async (command: string, body: object, key?: string): Promise<Record<string, unknown>> => {
      under.fake.asked.length = 0;
      await under.call('POST', `${path}/${command}`, {
        body,
        ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
      });
      return commands()[0] ?? {};
    };
    const paused = await send('pause', { reason: 'lunch', now: true }, 'k1');
    expect(paused).toMatchObject({ executionId: id, pause: { reason: 'lunch', now: true } });
    const ids = [
      paused,
      await send('pause', { now: true, reason: 'lunch' }, 'k1'),
      await send('pause', { reason: 'lunch' }, 'k1'),
      await send('terminate', { reason: 'lunch' }, 'k1'),
      await send('pause', { reason: 'lunch', now: true }, 'k2'),
      await send('pause', { reason: 'lunch', now: true }),
      await send('pause', { reason: 'lunch', now: true }),
    ].map(({ commandId }) => String(commandId));
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(6);
    expect(await send('cancel', { compensate: true })).toMatchObject({ cancel: { compensate: true } });
    expect(await send('steps/a_b/skip', {})).toMatchObject({ skipStep: { stepId: 'a_b' } });
    const because = { reason: 'done by hand' };
    expect(await send('steps/one/skip', because)).toMatchObject({ skipStep: { stepId: 'one', ...because } });
    expect(await send('retry', because)).toMatchObject({ retry: because });
    expect(await send('resume', because)).toMatchObject({ resume: because });
    expect(await send('compensate', because)).toMatchObject({ compensate: because });
  });

  it('deletes for admins alone, with why and of which version', async () => {
    const remove = (query = '', options: object = {}) =>
      under.call('DELETE', `${path}${query}`, { key: KEYS.admin, ...options });
    for (const query of ['?force=true', '?if_version=0', '?if_version=x', '?reason=']) {
      const { status, body } = await remove(query);
      expect([query, status, body['code']]).toEqual([query, 400, 'validation_failed']);
    }
    expect((await remove('', { key: KEYS.operator })).status).toBe(403);
    expect((await remove('', { key: KEYS.viewer })).status).toBe(403);
    expect(commands()).toEqual([]);
    const key = { headers: { 'idempotency-key': 'd1' } };
    expect((await remove('?reason=asked%20to&if_version=7', key)).status).toBe(200);
    await remove('?reason=asked%20to&if_version=7', key);
    await remove();
    const [first, second, third] = commands();
    expect(first).toMatchObject({ executionId: id, deleteExecution: { reason: 'asked to', ifVersion: 7 } });
    expect(second?.['commandId']).toBe(first?.['commandId']);
    expect(third?.['commandId']).not.toBe(first?.['commandId']);
    expect(third?.['deleteExecution']).toEqual({});
  });

  it('checks the payload of a signal against its schema, and passes it on unchanged', async () => {
    const schema = { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] };
    const steps = [{ id: 'paid', name: 'Paid', signal: { name: 'payment', schema } }];
    under.fake.putConfig('ordering', { steps });
    const started = await under.call('POST', '/api/v1/orchestrations/execute/ordering', { body: {} });
    const signals = `/api/v1/orchestrations/executions/${String(started.body['execution_id'])}/signals`;
    under.fake.asked.length = 0;
    for (const [body, place] of [
      [{ payload: { amount: 'much' } }, '/payload/amount type'],
      [{ payload: {} }, '/payload/amount required'],
      [{}, '/payload type'],
    ] as const) {
      const refused = await under.call('POST', `${signals}/payment`, { body });
      expect([refused.status, refused.body['code']]).toEqual([422, 'input_invalid']);
      expect(refused.body.errors?.map(({ path: at, code }) => `${at} ${code}`)).toEqual([place]);
    }
    expect((await under.call('POST', `${signals}/a.b`, {})).body['code']).toBe('signal_not_found');
    expect(commands()).toEqual([]);
    const headers = { 'idempotency-key': 'k9' };
    for (const amount of [5, 5, 6]) {
      await under.call('POST', `${signals}/payment`, { body: { payload: { amount } }, headers });
    }
    await under.call('POST', `${signals}/other`, { body: { payload: null } });
    expect(commands().map(({ signal }) => signal)).toEqual([
      ...[5, 5, 6].map((amount) => ({ name: 'payment', payload: { amount } })),
      { name: 'other', payload: null },
    ]);
    const [first, second, third] = commands().map(({ commandId }) => String(commandId));
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('checks the data of an approval against its schema, but not those of a rejection', async () => {
    const schema = { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] };
    under.fake.putConfig('refund', { steps: [{ id: 'gate', name: 'Gate', approval: { schema } }] });
    const started = await under.call('POST', '/api/v1/orchestrations/execute/refund', { body: {} });
    const gate = `/api/v1/orchestrations/executions/${String(started.body['execution_id'])}/steps/gate`;
    under.fake.asked.length = 0;
    for (const [body, place] of [
      [{ data: { amount: 'much' } }, '/data/amount type'],
      [{ comment: 'fine' }, '/data type'],
    ] as const) {
      const refused = await under.call('POST', `${gate}/approve`, { body });
      expect([refused.status, refused.body['code']]).toEqual([422, 'input_invalid']);
      expect(refused.body.errors?.map(({ path: at, code }) => `${at} ${code}`)).toEqual([place]);
    }
    expect(commands()).toEqual([]);
    expect((await under.call('POST', `${gate}/approve`, { body: { data: { amount: 5 } } })).status).toBe(200);
    expect((await under.call('POST', `${gate}/reject`, { body: { data: 'too much' } })).status).toBe(200);
    expect(commands()).toHaveLength(2);
  });

  it('passes a decision on unchanged, with an id that belongs to the user who decided', async () => {
    const decide = async (verdict: string, options: object): Promise<Record<string, unknown>> => {
      under.fake.asked.length = 0;
      const answer = await under.call('POST', `${path}/steps/one/${verdict}`, options);
      expect(answer.status).toBe(200);
      return commands()[0] ?? {};
    };
    expect(await decide('approve', {})).toMatchObject({ decideApproval: { stepId: 'one', approved: true } });
    const body = { comment: 'no', data: { nested: [1, null], constructor_: 'x' } };
    expect(await decide('reject', { body })).toMatchObject({
      decideApproval: { stepId: 'one', approved: false, comment: 'no', data: body.data },
    });
    expect((await decide('approve', { body: { data: null } }))['decideApproval']).toEqual({
      stepId: 'one',
      approved: true,
      data: null,
    });
    const headers = { 'idempotency-key': 'k1' };
    const ids = [
      await decide('approve', { headers }),
      await decide('approve', { headers }),
      await decide('reject', { headers }),
      await decide('approve', { headers, key: KEYS.colleague }),
    ].map(({ commandId }) => String(commandId));
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
  });

  it.each([
    ['a long comment', { comment: 'x'.repeat(2001) }, 400, 'validation_failed'],
    ['data that is too deep', { data: JSON.parse('['.repeat(70) + ']'.repeat(70)) as unknown }, 400, 'too_deep'],
    ['a forbidden key', { data: JSON.parse('{"__proto__": 1}') as unknown }, 400, 'forbidden_key'],
    ['too much data', { data: 'x'.repeat(1024 * 1024) }, 413, 'payload_too_large'],
  ])('refuses a decision with %s', async (_, body, status, code) => {
    const answer = await under.call('POST', `${path}/steps/one/approve`, { body });
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(commands()).toEqual([]);
  });

  it('lists the approvals that wait in the caller’s tenant, in pages', async () => {
    under.fake.approvals = [
      {
        executionId: id,
        stepId: 'one',
        stepName: 'One',
        configId: 'greeting',
        configName: 'greeting',
        message: 'May it?',
        requestedAt: 1_738_324_800_000,
        status: 'running',
        approvers: ['ada'],
      },
    ];
    const url = '/api/v1/orchestrations/approvals';
    const page = await under.call(
      'GET',
      `${url}?approver=ada&limit=1&config_id=greeting&execution_id=${id.toUpperCase()}`,
    );
    expect(page.status).toBe(200);
    expect(page.body).toEqual({
      approvals: [
        {
          execution_id: id,
          step_id: 'one',
          step_name: 'One',
          config_id: 'greeting',
          config_name: 'greeting',
          message: 'May it?',
          requested_at: '2025-01-31T12:00:00.000Z',
          status: 'running',
          approvers: ['ada'],
        },
      ],
      next_cursor: 'next',
    });
    expect(under.fake.asked.at(-1)).toMatchObject({
      data: { tenantId: 'default', approver: 'ada', limit: 1, configName: 'greeting', executionId: id },
    });
    expect((await under.call('GET', `${url}?user=x`)).status).toBe(400);
    expect((await under.call('GET', url, { key: KEYS.viewer })).status).toBe(200);
    const { body } = await under.call('GET', '/docs-json');
    expect(JSON.stringify((body['paths'] as Record<string, unknown>)[url])).toContain('ApprovalPage');
    const { schemas } = body['components'] as { schemas: Record<string, { properties: object }> };
    expect(Object.keys(schemas['ApprovalView']?.properties ?? {})).toEqual(
      expect.arrayContaining(['status', 'message', 'deadline_at', 'decided_by', 'timed_out']),
    );
    expect(schemas['Step']?.properties).toHaveProperty('approval');
  });

  it('forks with the fields of the source, unless the request sets others', async () => {
    const forked = await under.call('POST', `${path}/fork`, { body: { from_step_id: 'one', priority: 'low' } });
    expect(forked.status).toBe(202);
    expect(forked.headers.get('location')).toBe(
      `/api/v1/orchestrations/executions/${String(forked.body['execution_id'])}`,
    );
    expect(commands()).toMatchObject([
      {
        start: {
          configId: 'greeting',
          configVersion: 1,
          priority: 'low',
          fork: { executionId: id, fromStepId: 'one' },
        },
      },
    ]);
    const none = await under.call('POST', `${path}/fork`, { body: { input: {} } });
    expect([none.status, none.body['errors']]).toMatchObject([400, [{ path: '/from_step_id', code: 'required' }]]);
  });

  it('passes the budget of a start on, shows it, and gives a fork the limits of its source unless the request sets others', async () => {
    const limits = (): unknown => (commands().at(-1)?.['start'] as { budget?: unknown } | undefined)?.budget;
    const execute = '/api/v1/orchestrations/execute/greeting';
    const started = await under.call('POST', execute, { body: { budget: { max_tokens: 100, max_cost: 0.5 } } });
    expect(started.status).toBe(202);
    expect(limits()).toEqual({ maxTokens: 100, maxCost: 0.5 });
    const source = `/api/v1/orchestrations/executions/${String(started.body['execution_id'])}`;
    expect((await under.call('GET', source)).body).toMatchObject({
      budget: { max_tokens: 100, max_cost: 0.5, spent_tokens: 7, spent_cost: 0.25 },
    });
    await under.call('POST', `${source}/fork`, { body: { from_step_id: 'one' } });
    expect(limits()).toEqual({ maxTokens: 100, maxCost: 0.5 });
    await under.call('POST', `${source}/fork`, { body: { from_step_id: 'one', budget: { max_cost: 9 } } });
    expect(limits()).toEqual({ maxCost: 9 });
    under.fake.asked.length = 0;
    const wrong: [unknown, string][] = [
      [{}, '/budget required'],
      [[], '/budget wrong_type'],
      [5, '/budget wrong_type'],
      [{ max_tokens: 0 }, '/budget/max_tokens out_of_range'],
      [{ max_tokens: 1.5 }, '/budget/max_tokens wrong_type'],
      [{ max_cost: -1 }, '/budget/max_cost out_of_range'],
      [{ max_cost: '1' }, '/budget/max_cost wrong_type'],
      [{ max_euros: 1 }, '/budget/max_euros unknown_field'],
    ];
    for (const [budget, mistake] of wrong) {
      const refused = await under.call('POST', execute, { body: { budget } });
      expect(refused.status).toBe(400);
      expect(refused.body.errors?.map(({ path, code }) => `${path} ${code}`)).toEqual([mistake]);
    }
    expect(commands()).toEqual([]);
    const headers = { 'idempotency-key': 'spend-1' };
    const again = async (body: object): Promise<unknown> => {
      const answer = await under.call('POST', execute, { headers, body });
      return answer.body['repeated'] ?? answer.body['code'] ?? answer.status;
    };
    expect(await again({ budget: { max_cost: 1 } })).toBe(202);
    expect(await again({ budget: { max_cost: 1 } })).toBe(true);
    expect(await again({ budget: { max_cost: 2 } })).toBe('idempotency_mismatch');
    expect(await again({})).toBe('idempotency_mismatch');
  });

  it('is all in the OpenAPI document, with every refusal', async () => {
    const { body } = await under.call('GET', '/docs-json');
    const paths = body['paths'] as Record<string, Record<string, { responses: Record<string, unknown> }>>;
    const base = '/api/v1/orchestrations/executions/{id}';
    for (const command of [...COMMANDS, 'fork']) {
      const route = paths[`${base}/${command.replace('one', '{step_id}').replace('/go', '/{name}')}`]?.['post'];
      expect(Object.keys(route?.responses ?? {})).toEqual(
        expect.arrayContaining([command === 'fork' ? '202' : '200', '400', '401', '403', '404', '503']),
      );
    }
    expect(JSON.stringify(paths[`${base}/retry`])).toContain('not_retryable');
    expect(JSON.stringify(paths[`${base}/compensate`])).toContain('nothing_to_compensate');
    expect(JSON.stringify(paths[`${base}/steps/{step_id}/skip`])).toContain('not_an_approver');
    for (const code of ['already_decided', 'not_awaiting_approval', 'not_an_approver']) {
      expect(JSON.stringify(paths[`${base}/steps/{step_id}/approve`])).toContain(code);
    }
    expect(JSON.stringify(paths[base])).toContain('at_version');
  });
});
