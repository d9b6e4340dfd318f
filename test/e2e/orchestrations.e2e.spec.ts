import { readFileSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';
import type { Event, ExecutionView } from '@batuta/client';

const FOLDER = new URL('../../examples/orchestrations/', import.meta.url);
const GUIDE = readFileSync(new URL('../../docs/orchestrations.md', import.meta.url), 'utf8');

interface Example {
  readonly input?: unknown;
  /** The decision for a step that waits for a human. */
  readonly signals?: { readonly name: string; readonly payload: unknown; readonly wrong: unknown };
  readonly approves?: { readonly step: string; readonly body: Record<string, unknown> };
  check(execution: ExecutionView, events: readonly Event[]): void;
}

const completedWith = (output: unknown): Example => ({
  check: (execution) => expect(execution).toMatchObject({ status: 'completed', output }),
});

/** The expected outcome of each example of docs/orchestrations.md. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  sequential: {
    input: { topic: 'otters' },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { published: 'Draft about otters' } });
      expect(outline(events, 'StepScheduled', 'StepCompleted')).toEqual([
        'StepScheduled draft',
        'StepCompleted draft',
        'StepScheduled review',
        'StepCompleted review',
        'StepScheduled publish',
        'StepCompleted publish',
      ]);
    },
  },
  orchestration: {
    input: { topics: ['otters', 'owls'] },
    check: (execution, events) => {
      const articles = ['Draft about otters', 'Draft about owls'];
      expect(execution).toMatchObject({ status: 'completed', output: { articles } });
      const children = execution.children ?? [];
      expect(children.map(({ step_id: step, status }) => [step, status])).toEqual([
        ['first', 'completed'],
        ['second', 'completed'],
      ]);
      expect(stepOf(execution, 'first').child?.execution_id).toBe(children[0]?.execution_id);
      expect(outline(events, 'ChildRequested', 'ChildEnded')).toHaveLength(4);
    },
  },
  map: {
    input: {
      first: 100,
      orders: [
        { price: 5, count: 2 },
        { price: 3, count: 1 },
      ],
    },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { invoices: 2, total: 13 } });
      expect(stepOf(execution, 'invoices')).toMatchObject({
        output: [
          { number: 100, total: 10 },
          { number: 101, total: 3 },
        ],
        map: { total: 2, done: 2, failed: 0, running: 0, failed_items: [] },
      });
      expect(outline(events, 'MapStarted', 'MapChunkEnded')).toEqual(['MapStarted invoices', 'MapChunkEnded invoices']);
    },
  },
  repeat: {
    input: { n: 2 },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { root: 1.4142 } });
      expect(stepOf(execution, 'root')).toMatchObject({
        attempt: 5,
        retry_count: 0,
        repeat: { iterations: 5, max_iterations: 20, results: [{ x: 2 }, { x: 1.5 }, {}, {}, {}] },
      });
      expect(outline(events, 'IterationCompleted')).toHaveLength(5);
      expect(outline(events, 'IterationPlanned')).toHaveLength(4);
    },
  },
  parallel: completedWith({ mean: 3.5 }),
  approval: {
    input: { customer: 'ada', amount: 120 },
    // The manager does not answer.
    approves: { step: 'director', body: { comment: 'half of it', data: { amount: 60 } } },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { paid: 60, approved_by: 'admin' } });
      expect(stepOf(execution, 'manager')).toMatchObject({
        status: 'failed',
        served_by: 'director',
        failure: { code: 'approval_timeout' },
        approval: {
          status: 'rejected',
          timed_out: true,
          message: 'Refund 120 EUR to ada?',
          input: { request: { customer: 'ada', amount: 120 } },
        },
      });
      expect(stepOf(execution, 'director').approval).toMatchObject({ status: 'approved', decided_by: 'admin' });
      expect(outline(events, 'ApprovalRequested', 'ApprovalDecided')).toEqual([
        'ApprovalRequested manager',
        'ApprovalDecided manager',
        'ApprovalRequested director',
        'ApprovalDecided director',
      ]);
    },
  },
  wait: {
    get input() {
      return { text: 'Tea', remind_at: new Date(Date.now() + 1_500).toISOString() };
    },
    check: (execution, events) => {
      const { remind_at: asked } = execution.input as { remind_at: string };
      expect(execution).toMatchObject({ status: 'completed', output: { text: 'Tea', first: asked } });
      expect(stepOf(execution, 'until').wait).toMatchObject({ status: 'over', until_at: asked });
      const waits = events.filter((event) => event.type === 'WaitStarted');
      expect(waits.map(({ data }) => data.step_id)).toEqual(['until', 'pause']);
      for (const { data } of waits) {
        const over = events.find((event) => event.type === 'StepCompleted' && event.data.step_id === data.step_id);
        expect(Date.parse(over?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(data.until_at ?? ''));
      }
    },
  },
  signal: {
    input: { item: 'tea' },
    signals: { name: 'payment', payload: { amount: 5 }, wrong: { amount: -1 } },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { item: 'tea', paid: 5, gift: 'none' } });
      expect(stepOf(execution, 'paid').signal).toMatchObject({
        status: 'received',
        name: 'payment',
        received_by: 'admin',
      });
      expect(stepOf(execution, 'gift').signal).toMatchObject({ status: 'timed_out' });
      expect(outline(events, 'SignalReceived')).toHaveLength(1);
    },
  },
  choice: {
    input: { amount: 500 },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { done: [null, 'examined', null] } });
      expect(stepOf(execution, 'route').output).toEqual({ branches: [1], steps: ['examine', 'inform'] });
      expect(stepOf(execution, 'pay')).toMatchObject({ status: 'skipped', skip_reason: 'not_chosen' });
      expect(events.find(({ type }) => type === 'ChoiceMade')?.data).toEqual({
        step_id: 'route',
        branches: [1],
        steps: ['examine', 'inform'],
      });
    },
  },
  route: {
    input: { message: 'Where is A-7?' },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { said: 'Where is A-7?' } });
      expect(stepOf(execution, 'answer').route).toMatchObject({ chosen: 'orders', by: 'rules', confidence: 1 });
      const decided = events.filter(({ type }) => type === 'RouteDecided').map(({ data }) => data);
      expect(decided).toMatchObject([{ step_id: 'answer', chosen: 'orders', chosen_id: 'answer:orders:1' }]);
    },
  },
  'consensus-quorum': {
    check: (execution) => {
      expect(execution.output).toEqual({ facts: { sky: 'clear', concert: true } });
      expect(execution.consensus).toMatchObject([
        { group_id: 'facts', mode: 'quorum', status: 'completed', winners: ['weather', 'events'], share: 2 / 3 },
      ]);
      expect(stepOf(execution, 'traffic')).toMatchObject({ status: 'failed', failure: { code: 'source_down' } });
    },
  },
  'consensus-majority': {
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: 'spam' });
      expect(stepOf(execution, 'three')).toMatchObject({ status: 'skipped', skip_reason: 'consensus_reached' });
      expect(events.find(({ type }) => type === 'ConsensusReached')?.data).toMatchObject({
        winners: ['one', 'two'],
        votes: [
          { step_id: 'one', option: 0 },
          { step_id: 'two', option: 0 },
          { step_id: 'three', excluded: 'consensus_reached' },
        ],
      });
    },
  },
  'consensus-tie': {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { vote: 'tea' } });
      expect(execution.consensus).toMatchObject([{ winners: ['a', 'd'], dissent: ['b', 'c'], decided_by: 'first' }]);
    },
  },
  'consensus-weighted': {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { dose: 5 } });
      expect(execution.consensus).toMatchObject([{ dissent: ['intern_1', 'intern_2'], share: 0.6 }]);
    },
  },
  'consensus-unanimous': {
    input: { on_duty: 'Ada' },
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { door: 'unknown', asked: 'Ada' } });
      expect(outline(events, 'ConsensusFailed')).toEqual(['ConsensusFailed sensors']);
      expect(execution.consensus).toMatchObject([{ status: 'failed', served_by: 'person' }]);
    },
  },
  'consensus-best': {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { text: 'Yes, from nine to five.' } });
      expect(execution.consensus).toMatchObject([{ winners: ['long'], decided_by: 'score' }]);
    },
  },
  'consensus-judge': {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { text: 'Hello' } });
      expect(execution.consensus).toMatchObject([{ winners: ['second'], decided_by: 'judge' }]);
    },
  },
  fallback: {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { from: 'secondary' } });
      expect(stepOf(execution, 'primary')).toMatchObject({ status: 'failed', served_by: 'secondary' });
      expect(stepOf(execution, 'slow_lane').status).toBe('skipped');
    },
  },
  'fallback-chain': {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { used: 'default' } });
      expect(stepOf(execution, 'lookup')).toMatchObject({ failure: { code: 'timeout' }, served_by: 'default_value' });
    },
  },
  'fallback-exhausted': {
    check: (execution) => {
      expect(execution).toMatchObject({
        status: 'failed',
        failure: {
          code: 'all_fallbacks_failed',
          details: {
            reasons: [
              { step_id: 'north', code: 'north_down' },
              { step_id: 'south', code: 'south_down' },
            ],
          },
        },
      });
    },
  },
  mapping: {
    input: { customer: 'Ann', items: [{ price: 20, quantity: 3 }] },
    check: (execution) => {
      expect(execution).toMatchObject({
        status: 'completed',
        output: { invoice: { to: 'Ann', percent: 0 }, total: 60, of: 'example-mapping' },
      });
      expect(stepOf(execution, 'discount')).toMatchObject({ status: 'skipped', skip_reason: 'condition_false' });
      expect(stepOf(execution, 'approve_discount')).toMatchObject({ skip_reason: 'dependency_skipped' });
    },
  },
  retry: {
    check: (execution, events) => {
      expect(execution).toMatchObject({ status: 'completed', output: { flaky: { answer: 42 }, wrong: null } });
      expect(stepOf(execution, 'flaky')).toMatchObject({ status: 'completed', attempt: 3, retry_count: 2 });
      expect(stepOf(execution, 'wrong')).toMatchObject({ status: 'failed', attempt: 1 });
      const failed = events.filter(({ type, data }) => type === 'StepAttemptFailed' && data['step_id'] === 'flaky');
      expect(failed).toHaveLength(2);
    },
  },
  time: {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', priority: 'high' });
      expect(stepOf(execution, 'lively')).toMatchObject({ status: 'completed', attempt: 1 });
      expect(stepOf(execution, 'lively').progress).toBeGreaterThan(0.5);
      expect(stepOf(execution, 'quiet').failure?.code).toBe('heartbeat_timeout');
      expect(stepOf(execution, 'slow').failure?.code).toBe('timeout');
      expect(stepOf(execution, 'stubborn').failure?.code).toBe('schedule_to_close_timeout');
    },
  },
  compensation: {
    check: (execution, events) => {
      expect(execution).toMatchObject({
        status: 'failed',
        failure: { code: 'card_declined' },
        compensation: { compensated: ['hotel', 'flight'] },
      });
      const undone = events.flatMap((event) =>
        event.type === 'StepCompleted' && event.data.step_id.endsWith(':compensate') ? [event.data.output] : [],
      );
      expect(undone).toEqual([{ cancel: 'H-1', flight: 'F-1' }, { cancel: 'F-1' }]);
    },
  },
  control: {
    input: { text: 'Hello', patience_ms: 0 },
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { published: 'Hello' } });
    },
  },
  budget: {
    check: (execution, events) => {
      const exceeded = { resource: 'tokens', limit: 1500, spent: 1600 };
      expect(execution).toMatchObject({
        status: 'failed',
        failure: { code: 'budget_exceeded', details: exceeded },
        token_count: 1600,
        budget: { max_tokens: 1500, max_cost: 0.5, spent_tokens: 1600, exceeded },
      });
      expect(stepOf(execution, 'publish')).toMatchObject({ status: 'skipped', skip_reason: 'not_reached' });
      expect(events.find(({ type }) => type === 'BudgetExceeded')?.data).toEqual(exceeded);
    },
  },
  cost: {
    check: (execution) => {
      expect(execution).toMatchObject({ status: 'completed', output: { ok: true }, token_count: 150 });
      expect(execution.estimated_cost).toBeCloseTo(0.0145);
      expect(stepOf(execution, 'ask')).toMatchObject({
        output: { text: 'An answer' },
        token_count: 120,
        estimated_cost: 0.0125,
      });
    },
  },
};

describe('the examples of docs/orchestrations.md', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let orchestrations: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    orchestrations = new Orchestrations(api);
    lab = await Lab.start(cluster);
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  it('of settings: what failures do by default is said once for a whole config', async () => {
    const step = (id: string, agent: string) => ({ id, name: id, agent });
    await orchestrations.save({
      name: 'goes-on',
      strategy: 'sequential',
      steps: [step('a', 'held'), { ...step('b', 'echo'), dependencies: ['a'], input: '{% input %}' }],
      settings: { on_failure: 'continue' },
    });
    const id = await orchestrations.start('goes-on', { input: { n: 1 } });
    (await lab.attempt(id, 'a')).fail('no_luck');
    const ended = await orchestrations.ended(id);
    expect(ended).toMatchObject({ status: 'completed', output: { n: 1 } });
    expect(stepOf(ended, 'a')).toMatchObject({ status: 'failed', failure: { code: 'no_luck' } });
  });

  it('are all in the guide, and all have an expected outcome here', () => {
    const files = readdirSync(FOLDER).map((file) => file.replace('.json', ''));
    expect(files.toSorted()).toEqual(Object.keys(EXAMPLES).toSorted());
    for (const file of files) expect(GUIDE).toContain(`examples/orchestrations/${file}.json`);
  });

  it.each(Object.keys(EXAMPLES))(
    '%s runs and has the outcome of the guide',
    async (name) => {
      const definition = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')) as { name: string };
      const config = await orchestrations.save({ ...definition });
      const { input, approves, signals, check } = EXAMPLES[name] as Example;
      const id = await orchestrations.start(config, input === undefined ? {} : { input });
      if (approves !== undefined) {
        const { step, body } = approves;
        await eventually(async () => stepOf(await orchestrations.get(id), step).approval?.status === 'waiting', {
          timeoutMs: 60_000,
        });
        expect(await orchestrations.command(id, `steps/${step}/approve`, body)).toMatchObject({ http: 200 });
      }
      if (signals !== undefined) {
        const { name: signal, payload, wrong } = signals;
        expect(await orchestrations.command(id, `signals/${signal}`, { payload: wrong })).toMatchObject({
          http: 422,
          code: 'input_invalid',
        });
        expect(await orchestrations.command(id, `signals/${signal}x`, { payload })).toMatchObject({ http: 404 });
        // The signal may arrive before or while the step waits. It counts in both cases.
        expect(await orchestrations.command(id, `signals/${signal}`, { payload })).toMatchObject({ http: 200 });
      }
      const execution = await orchestrations.ended(id);
      expect(execution.id).toBe(id);
      if (signals !== undefined) {
        const late = await orchestrations.command(id, `signals/${signals.name}`, { payload: signals.payload });
        expect(late).toMatchObject({ http: 409, code: 'already_completed' });
      }
      check(execution, await orchestrations.events(id));
    },
    300_000,
  );

  it('control can be paused, resumed, skipped, cancelled, retried, terminated, forked and undone as in the guide', async () => {
    const waiting = { input: { text: 'Hello', patience_ms: 600_000 } };
    const begin = async (attempt = 1, id?: string): Promise<string> => {
      const started = id ?? (await orchestrations.start('example-control', waiting));
      await eventually(
        async () =>
          expect(stepOf(await orchestrations.get(started), 'approval')).toMatchObject({ status: 'running', attempt }),
        { timeoutMs: 60_000 },
      );
      return started;
    };
    const told = async (
      id: string,
      command: string,
      body: Record<string, unknown> = {},
    ): Promise<string | undefined> => {
      const answer = await orchestrations.command(id, command, body);
      expect(answer.http).toBe(command === 'fork' ? 202 : 200);
      return answer.status;
    };
    const first = await begin();
    expect(await told(first, 'pause', { reason: 'lunch' })).toBe('paused');
    expect(await told(first, 'resume')).toBe('running');
    expect(await told(first, 'pause', { now: true })).toBe('paused');
    expect(stepOf(await orchestrations.get(first), 'approval').status).toBe('paused');
    expect(await told(first, 'resume')).toBe('running');
    await begin(2, first);
    expect(await told(first, 'cancel', { reason: 'changed my mind' })).toBe('cancelled');
    expect(await told(first, 'retry')).toBe('running');
    await begin(3, first);
    expect(await told(first, 'steps/approval/skip')).toBe('running');
    expect(await orchestrations.ended(first)).toMatchObject({ status: 'completed', output: { published: 'Hello' } });
    const fork = await orchestrations.command(first, 'fork', {
      from_step_id: 'approval',
      input: { text: 'other', patience_ms: 0 },
    });
    // The draft was completed earlier, so it is the draft of the first execution.
    expect(await orchestrations.ended(fork.execution_id ?? '')).toMatchObject({
      status: 'completed',
      output: { published: 'Hello' },
      forked_from: first,
      forked_from_step_id: 'approval',
    });
    expect(await told(await begin(), 'terminate', { reason: 'enough' })).toBe('cancelled');
    const undone = await begin();
    expect(await told(undone, 'pause', { now: true })).toBe('paused');
    await told(undone, 'cancel', { compensate: true });
    expect(await orchestrations.ended(undone)).toMatchObject({
      status: 'cancelled',
      compensation: { compensated: ['draft'], not_compensated: [] },
    });
  }, 300_000);

  it('shows spending wherever executions are shown', async () => {
    const listed = await api.get<{
      executions: { token_count: number; estimated_cost: number; trace_id: string; id: string }[];
    }>('/api/v1/orchestrations/executions?config_id=example-cost');
    const [found] = expectStatus(listed, 200).executions;
    expect(found).toMatchObject({ token_count: 150, estimated_cost: 0.0145 });
    const status = await api.get(`/api/v1/orchestrations/status/${found?.trace_id ?? ''}`);
    expect(status.body).toMatchObject({ token_count: 150, estimated_cost: expect.closeTo(0.0145) });
    const result = await api.get(`/api/v1/orchestrations/executions/${found?.id ?? ''}/result`);
    expect(result.body).toMatchObject({ token_count: 150, estimated_cost: expect.closeTo(0.0145) });
    const steps = await api.get(`/api/v1/orchestrations/executions/${found?.id ?? ''}/steps`);
    expect(steps.body).toMatchObject({ steps: [{ token_count: 120, estimated_cost: 0.0125 }, { token_count: 30 }] });
  });

  it('fails a step with a hostile expression, names it, and continues to serve others', async () => {
    const hostile = [
      '($f := function($n) { $f($n + 1) + 1 }; $f(0))',
      '($f := function($n) { $f($n) }; $f(0))',
      "$length($pad('x', 1000000000)) > 0",
      '$count([1..10000000].{"a": $})',
      "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /^(a+)+$/)[0].nothing.$error('x')",
      '$eval("[1..9999999]")',
      'input.missing.(1 + "x")',
      "1 + 'x'",
    ];
    const ids: string[] = [];
    for (const [index, when] of hostile.entries()) {
      const steps = [{ id: 'only', name: 'only', agent: 'echo', when }];
      ids.push(
        await orchestrations.start(
          await orchestrations.save({ name: `hostile-${index}`, strategy: 'parallel', steps }),
        ),
      );
    }
    // All of them are in the sandbox now, or wait for it. This execution needs only the engine.
    const plain = await api.post('/api/v1/orchestrations/execute/example-cost?wait=30s', {});
    expect(expectStatus(plain, 200)).toMatchObject({ status: 'completed' });
    for (const [index, id] of ids.entries()) {
      const { status, failure } = await orchestrations.ended(id);
      if (status === 'completed') {
        // Linear regular expressions and empty paths do no harm, and the condition is false.
        expect([4, 6]).toContain(index);
        continue;
      }
      expect(failure).toMatchObject({ code: 'expression_failed' });
      expect(failure?.message).toContain(JSON.stringify(hostile[index]).slice(0, 20));
    }
  }, 300_000);

  it('fails a step that divides by zero, and encodes UTF-8 texts as Base64', async () => {
    const run = async (
      name: string,
      input: object,
    ): Promise<{ status: string; output: unknown; failure?: unknown }> => {
      const steps = [{ id: 'only', name: 'only', agent: 'echo', input }];
      await orchestrations.save({ name, strategy: 'sequential', steps });
      const body = { input: { a: 1, b: 0 } };
      return expectStatus(await api.post(`/api/v1/orchestrations/execute/${name}?wait=30s`, body), 200);
    };
    const texts = { encoded: '{% $base64encode("é😀") %}', decoded: '{% $base64decode("w6k=") %}' };
    expect(await run('base64', texts)).toMatchObject({
      status: 'completed',
      output: { encoded: 'w6nwn5iA', decoded: 'é' },
    });
    expect(await run('divided', { share: '{% input.a / input.b %}' })).toMatchObject({
      status: 'failed',
      failure: { code: 'expression_failed', step_id: 'only', message: expect.stringContaining('division by zero') },
    });
  }, 300_000);

  it('answers a waiting start with votes, alternatives and compensations, like later requests', async () => {
    for (const name of ['example-consensus-unanimous', 'example-compensation', 'example-cost', 'example-mapping']) {
      const body = { input: { on_duty: 'Ada', customer: 'Ann', items: [] } };
      const waited = await api.post<{ execution_id: string }>(`/api/v1/orchestrations/execute/${name}?wait=30s`, body);
      const { execution_id: id } = expectStatus(waited, 200);
      expect((await api.get(`/api/v1/orchestrations/executions/${id}/result`)).body).toEqual(waited.body);
    }
  }, 300_000);
});
