import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import type { Event } from '@batuta/client';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { BatutaCommand } from '../support/command.js';
import { checkLog } from '../support/event-log.js';
import { Lab } from '../support/lab.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const held = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  name: id,
  agent: 'held',
  ...more,
});
const echo = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  name: id,
  agent: 'echo',
  ...more,
});
const CHAIN = {
  name: 'chain',
  strategy: 'sequential',
  steps: [held('a'), held('b', { dependencies: ['a'] }), echo('c', { dependencies: ['b'] })],
};

describe('commands to a running execution, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;
  const all: string[] = [];

  const start = async (config: string, body: Record<string, unknown> = {}): Promise<string> => {
    const id = await run.start(config, body);
    all.push(id);
    return id;
  };

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    await run.save(CHAIN);
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  describe('pause and resume', () => {
    it('lets running steps finish, starts nothing new, and continues at the resume', async () => {
      const id = await start('chain');
      const a = await lab.attempt(id, 'a');
      expect(await run.command(id, 'pause', { reason: 'lunch' })).toMatchObject({ http: 200, status: 'paused' });
      expect(await run.command(id, 'pause')).toMatchObject({ http: 409, code: 'already_paused' });
      expect(a.signal.aborted).toBe(false);
      a.finish({ from: 'a' });
      await eventually(async () => stepOf(await run.get(id), 'a').status === 'completed', { timeoutMs: 60_000 });
      expect(await run.get(id)).toMatchObject({ status: 'paused', steps: [{}, { status: 'pending' }, {}] });
      expect(await run.command(id, 'resume')).toMatchObject({ http: 200, status: 'running' });
      expect(await run.command(id, 'resume')).toMatchObject({ http: 409, code: 'not_paused' });
      (await lab.attempt(id, 'b')).finish({ from: 'b' });
      expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { b: { from: 'b' } } });
    }, 300_000);

    it('with now stops running attempts, which run again without counting', async () => {
      const id = await start('chain');
      const first = await lab.attempt(id, 'a');
      expect(await run.command(id, 'pause', { now: true })).toMatchObject({ http: 200, status: 'paused' });
      await eventually(() => first.signal.aborted, { timeoutMs: 60_000, describe: 'the agent is told to stop' });
      expect(stepOf(await run.get(id), 'a').status).toBe('paused');
      await run.command(id, 'resume');
      // The step allows one attempt in total, and the stopped one did not count.
      (await lab.attempt(id, 'a', 2)).finish(1);
      (await lab.attempt(id, 'b')).finish(2);
      expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    }, 300_000);

    it('has one clear outcome when it races with the completion', async () => {
      await run.save({ name: 'single', strategy: 'sequential', steps: [held('only')] });
      const ids = await Promise.all(Array.from({ length: 10 }, () => start('single')));
      const outcomes = await Promise.all(
        ids.map(async (id) => {
          const attempt = await lab.attempt(id, 'only');
          attempt.finish(7);
          const paused = await run.command(id, 'pause');
          if (paused.http === 200) {
            // A step that finished during the pause ends the execution at the resume.
            await eventually(async () => stepOf(await run.get(id), 'only').status === 'completed', {
              timeoutMs: 60_000,
            });
            expect((await run.get(id)).status).toBe('paused');
            expect((await run.command(id, 'resume')).http).toBe(200);
          } else {
            expect(paused).toMatchObject({ http: 409, code: 'already_completed' });
          }
          expect(await run.ended(id)).toMatchObject({ status: 'completed', output: 7 });
          return paused.http;
        }),
      );
      expect(outcomes.every((http) => http === 200 || http === 409)).toBe(true);
    }, 300_000);
  });

  it.each([
    ['cancel', {}],
    ['cancel', { compensate: true }],
    ['terminate', {}],
    ['pause', { now: true }],
    ['steps/only/skip', {}],
  ])(
    '%s %j that races with the completion has one answer, and the execution agrees with it',
    async (command, body) => {
      const name = `race-${command.replaceAll('/', '-')}-${Object.keys(body).join('')}`;
      await run.save({ name, strategy: 'sequential', steps: [held('only', { compensate: { agent: 'echo' } })] });
      const ids = await Promise.all(Array.from({ length: 8 }, () => start(name)));
      await Promise.all(
        ids.map(async (id, place) => {
          const attempt = await lab.attempt(id, 'only');
          // Half of them finish first, the others while the command is in transit.
          const early = place % 2 === 0;
          if (early) attempt.finish(7);
          const sent = run.command(id, command, body);
          if (!early) attempt.finish(7);
          const answer = await sent;
          if (answer.http === 409) {
            expect(answer.code).toBe('already_completed');
            expect(await run.ended(id)).toMatchObject({ status: 'completed', output: 7 });
            return;
          }
          expect(answer.http).toBe(200);
          if (command === 'pause') {
            expect(answer.status).toBe('paused');
            await run.command(id, 'resume');
            if (stepOf(await run.get(id), 'only').status !== 'completed') (await lab.attempt(id, 'only', 2)).finish(7);
            expect(await run.ended(id)).toMatchObject({ status: 'completed', output: 7 });
            return;
          }
          const after = await run.ended(id);
          if (command === 'steps/only/skip') {
            expect(after).toMatchObject({ status: 'completed', output: null, steps: [{ status: 'skipped' }] });
            return;
          }
          expect(after.status).toBe('cancelled');
          const undoes = Object.keys(body).length > 0;
          // A running attempt is reported before anything is undone.
          if (undoes) expect(after.compensation).toEqual({ compensated: ['only'], not_compensated: [] });
          else expect(stepOf(after, 'only').status).not.toBe('completed');
        }),
      );
    },
    300_000,
  );

  describe('cancel and terminate', () => {
    it('fires the abort signals, is final, and a second one is refused', async () => {
      const id = await start('chain');
      const a = await lab.attempt(id, 'a');
      expect(await run.command(id, 'cancel', { reason: 'mistake' })).toMatchObject({ http: 200, status: 'cancelled' });
      await eventually(() => a.signal.aborted, { timeoutMs: 60_000, describe: 'the agent is told to stop' });
      expect(await run.command(id, 'cancel')).toMatchObject({ http: 409, code: 'already_cancelled' });
      expect(await run.command(id, 'pause')).toMatchObject({ http: 409, code: 'already_cancelled' });
      expect((await run.events(id)).at(-1)).toMatchObject({ type: 'ExecutionCancelled', data: { reason: 'mistake' } });
    }, 300_000);

    it.each([
      ['pause', {}, { status: 'paused' }],
      ['pause', { now: true }, { status: 'paused' }],
      ['cancel', { reason: 'enough' }, { status: 'cancelled' }],
      ['terminate', {}, { status: 'cancelled' }],
      ['steps/a/skip', {}, { status: 'running' }],
      ['resume', {}, { status: 'running' }],
      ['retry', {}, { status: 'running' }],
    ])(
      '%s %j, sent three times with one key, takes effect once and gets the same answer',
      async (command, body, shown) => {
        const id = await start('chain');
        await lab.attempt(id, 'a');
        if (command === 'resume') await run.command(id, 'pause');
        if (command === 'retry') await run.command(id, 'cancel');
        const send = () => run.command(id, command, body, `once-${command}`);
        const first = await send();
        expect(first).toMatchObject({ http: 200, ...shown });
        expect(first.repeated).not.toBe(true);
        const events = await run.events(id);
        for (const again of [await send(), await send()]) {
          expect(again).toMatchObject({ http: 200, repeated: true });
        }
        expect(await run.events(id)).toHaveLength(events.length);
        if (command !== 'cancel' && command !== 'terminate') await run.command(id, 'terminate');
      },
      300_000,
    );

    it('takes effect once, however often it is sent with one key, even at the same time', async () => {
      const id = await start('chain');
      await lab.attempt(id, 'a');
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => run.command(id, 'cancel', { reason: 'twice' }, 'cancel-key')),
      );
      expect(answers.every(({ http, status }) => http === 200 && status === 'cancelled')).toBe(true);
      expect(answers.filter(({ repeated }) => repeated !== true)).toHaveLength(1);
      expect(outline(await run.events(id), 'ExecutionCancelled')).toHaveLength(1);
      // Without a key, seven of eight simultaneous requests are told that the execution is cancelled already.
      const other = await start('chain');
      const codes = await Promise.all(Array.from({ length: 8 }, () => run.command(other, 'cancel')));
      expect(codes.map(({ http }) => http).toSorted()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
    }, 300_000);

    it('terminate ends an execution that is being undone, and lists what was undone until then', async () => {
      await run.save({
        name: 'undo-slowly',
        strategy: 'sequential',
        steps: [
          echo('one', { compensate: { agent: 'held' } }),
          echo('two', { compensate: { agent: 'undo' } }),
          held('three'),
        ],
      });
      const id = await start('undo-slowly');
      const three = await lab.attempt(id, 'three');
      expect(await run.command(id, 'cancel', { compensate: true })).toMatchObject({
        http: 200,
        status: 'compensation',
      });
      // The step was running, so the compensation waits for it.
      three.finish('late');
      const undoing = await lab.attempt(id, 'one:compensate');
      expect(await run.command(id, 'cancel')).toMatchObject({ http: 409, code: 'compensating' });
      expect(await run.command(id, 'pause')).toMatchObject({ http: 409, code: 'compensating' });
      expect(await run.command(id, 'terminate', { reason: 'enough' })).toMatchObject({
        http: 200,
        status: 'cancelled',
      });
      await eventually(() => undoing.signal.aborted, { timeoutMs: 60_000 });
      expect(await run.get(id)).toMatchObject({
        status: 'cancelled',
        compensation: { compensated: ['two'], not_compensated: ['one'] },
      });
    }, 300_000);
  });

  describe('compensation', () => {
    it('undoes steps on a cancel in reverse order of completion, including running attempts', async () => {
      const undo = { compensate: { agent: 'undo', input: { step: '{% output.done %}' } } };
      await run.save({
        name: 'undo-all',
        strategy: 'parallel',
        steps: [held('x', undo), held('y', undo), held('z', undo)],
      });
      const id = await start('undo-all');
      const [x, y, z] = await Promise.all(['x', 'y', 'z'].map((step) => lab.attempt(id, step)));
      y?.finish({ done: 'y' });
      await eventually(async () => stepOf(await run.get(id), 'y').status === 'completed', { timeoutMs: 60_000 });
      x?.finish({ done: 'x' });
      await eventually(async () => stepOf(await run.get(id), 'x').status === 'completed', { timeoutMs: 60_000 });
      expect(await run.command(id, 'cancel', { compensate: true })).toMatchObject({ status: 'compensation' });
      z?.finish({ done: 'z' });
      expect(await run.ended(id)).toMatchObject({
        status: 'cancelled',
        compensation: { compensated: ['z', 'x', 'y'], not_compensated: [] },
      });
      const undone = lab.undone.filter(({ executionId }) => executionId === id).map(({ input }) => input);
      expect(undone).toEqual([{ step: 'z' }, { step: 'x' }, { step: 'y' }]);
      expect(await run.command(id, 'retry')).toMatchObject({ http: 409, code: 'already_compensated' });
    }, 300_000);

    it('stops when one of them fails for good, and lists what was not undone', async () => {
      await run.save({
        name: 'undo-breaks',
        strategy: 'sequential',
        steps: [
          echo('first', { compensate: { agent: 'undo' } }),
          echo('second', {
            compensate: { agent: 'undo', input: { fail: true }, retry: { max_attempts: 2, backoff_ms: 1 } },
          }),
          echo('third', { compensate: { agent: 'undo' } }),
          { id: 'bad', name: 'bad', agent: 'fail', input: { code: 'broken', retryable: false } },
        ],
      });
      const id = await start('undo-breaks');
      expect(await run.ended(id)).toMatchObject({
        status: 'failed',
        failure: { code: 'broken' },
        compensation: {
          compensated: ['third'],
          not_compensated: ['second', 'first'],
          failed_step_id: 'second',
          failure: { code: 'cannot_undo' },
        },
        compensations: [
          { step_id: 'first', status: 'skipped' },
          { step_id: 'second', status: 'failed', attempt: 2, failure: { code: 'cannot_undo' } },
          { step_id: 'third', status: 'completed' },
        ],
      });
      const result = await api.get(`/api/v1/orchestrations/executions/${id}/result`);
      expect(result.body).toMatchObject({
        compensation: { compensated: ['third'], not_compensated: ['second', 'first'] },
      });
      // The obstacle still exists first, and is then removed.
      expect(await run.command(id, 'compensate')).toMatchObject({ http: 200, status: 'compensation' });
      expect(await run.ended(id)).toMatchObject({ status: 'failed', compensation: { compensated: ['third'] } });
      lab.undoFails = false;
      try {
        const reason = 'the lock is released';
        expect(await run.command(id, 'compensate', { reason })).toMatchObject({ http: 200, status: 'compensation' });
        const undone = await run.ended(id);
        expect(undone).toMatchObject({
          status: 'failed',
          failure: { code: 'broken' },
          compensation: { compensated: ['third', 'second', 'first'], not_compensated: [] },
          controls: [
            { command: 'compensate', by: 'admin' },
            { command: 'compensate', by: 'admin', reason },
          ],
        });
        expect(undone.compensation).not.toHaveProperty('failure');
      } finally {
        lab.undoFails = true;
      }
      const again = await run.command(id, 'compensate');
      expect(again).toMatchObject({ http: 409, code: 'nothing_to_compensate' });
    }, 300_000);
  });

  describe('skip', () => {
    it('stops a running step, whose dependents see null; a finished step cannot be skipped', async () => {
      const id = await start('chain');
      const a = await lab.attempt(id, 'a');
      expect(await run.command(id, 'steps/a/skip')).toMatchObject({ http: 200, status: 'running' });
      await eventually(() => a.signal.aborted, { timeoutMs: 60_000 });
      expect((await lab.attempt(id, 'b')).input).toEqual({ a: null });
      expect(await run.command(id, 'steps/a/skip')).toMatchObject({ http: 409, code: 'step_already_finished' });
      expect(await run.command(id, 'steps/none/skip')).toMatchObject({ http: 404, code: 'step_not_found' });
      expect(await run.command(id, 'steps/b/skip', {}, 'skip-b')).toMatchObject({ http: 200 });
      const again = await run.command(id, 'steps/b/skip', {}, 'skip-b');
      expect(again).toMatchObject({ http: 200, repeated: true });
      expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { b: null } });
      expect(await run.command(id, 'steps/b/skip')).toMatchObject({ http: 409, code: 'already_completed' });
    }, 300_000);
  });

  describe('retry', () => {
    it('runs a failed execution again from its failed steps and keeps the completed ones', async () => {
      const id = await start('chain');
      expect(await run.command(id, 'retry')).toMatchObject({
        http: 409,
        code: 'not_retryable',
        detail: expect.stringContaining('running'),
      });
      (await lab.attempt(id, 'a')).finish({ once: true });
      (await lab.attempt(id, 'b')).fail('down');
      expect(await run.ended(id)).toMatchObject({ status: 'failed', failure: { code: 'down' } });
      // Of two simultaneous retries, one runs the execution again and the other is refused because it is running.
      const both = await Promise.all([run.command(id, 'retry'), run.command(id, 'retry')]);
      expect(both.map(({ http }) => http).toSorted()).toEqual([200, 409]);
      const b = await lab.attempt(id, 'b', 2);
      expect(b.input).toEqual({ a: { once: true } });
      b.finish({ second: true });
      expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { b: { second: true } } });
      expect(await run.command(id, 'retry')).toMatchObject({ http: 409, code: 'already_completed' });
      expect(lab.held.filter(({ executionId, stepId }) => executionId === id && stepId === 'a')).toHaveLength(1);
      // A follower from the first event gets both ends, and is disconnected at the last one.
      const events: Event[] = [];
      for await (const event of api.client.executions.follow(id)) events.push(event);
      expect(events.map(({ version }) => version)).toEqual(events.map((_event, index) => index + 1));
      expect(outline(events, 'ExecutionFailed', 'ExecutionRetried', 'ExecutionCompleted')).toEqual([
        'ExecutionFailed b',
        'ExecutionRetried',
        'ExecutionCompleted',
      ]);
    }, 300_000);

    it('runs a cancelled execution again too', async () => {
      const id = await start('chain');
      await lab.attempt(id, 'a');
      await run.command(id, 'cancel');
      expect(await run.command(id, 'retry')).toMatchObject({ http: 200, status: 'running' });
      (await lab.attempt(id, 'a', 2)).finish(1);
      (await lab.attempt(id, 'b')).finish(2);
      expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    }, 300_000);
  });

  describe('fork', () => {
    it('starts from a middle step with edited input and takes over the steps that were completed before it', async () => {
      const source = await start('chain', { input: { n: 1 }, metadata: { team: 'ops' } });
      (await lab.attempt(source, 'a')).finish({ kept: true });
      (await lab.attempt(source, 'b')).finish({ of: 'source' });
      await run.ended(source);
      const forked = await run.command(source, 'fork', { from_step_id: 'b', input: { n: 2 } }, 'fork-1');
      expect(forked.http).toBe(202);
      const id = (forked as unknown as { execution_id: string }).execution_id;
      all.push(id);
      expect(id).not.toBe(source);
      expect((await lab.attempt(id, 'b')).input).toEqual({ n: 2, a: { kept: true } });
      (await lab.attempt(id, 'b')).finish({ of: 'fork' });
      expect(await run.ended(id)).toMatchObject({
        status: 'completed',
        forked_from: source,
        forked_from_step_id: 'b',
        metadata: { team: 'ops' },
        output: { n: 2, b: { of: 'fork' } },
        steps: [{ step_id: 'a', status: 'completed', reused: true, output: { kept: true } }, {}, {}],
      });
      expect(lab.held.some(({ executionId, stepId }) => executionId === id && stepId === 'a')).toBe(false);
      const again = await run.command(source, 'fork', { from_step_id: 'b', input: { n: 2 } }, 'fork-1');
      expect(again).toMatchObject({ http: 202, repeated: true, execution_id: id });
      const other = await run.command(source, 'fork', { from_step_id: 'b', input: { n: 3 } }, 'fork-1');
      expect(other).toMatchObject({ http: 422, code: 'idempotency_mismatch' });
    }, 300_000);

    it('is refused for a step or an execution that does not exist, and for invalid input', async () => {
      await run.save({
        name: 'typed',
        strategy: 'sequential',
        steps: [echo('only')],
        input_schema: { type: 'object', required: ['n'], properties: { n: { type: 'number' } } },
      });
      const id = await start('typed', { input: { n: 1 } });
      await run.ended(id);
      expect(await run.command(id, 'fork', { from_step_id: 'none' })).toMatchObject({
        http: 404,
        code: 'step_not_found',
      });
      expect(await run.command(id, 'fork', {})).toMatchObject({ http: 400, code: 'validation_failed' });
      expect(await run.command(id, 'fork', { from_step_id: 'only', input: { n: 'x' } })).toMatchObject({
        http: 422,
        code: 'input_invalid',
      });
      const unknown = '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f';
      for (const [command, body] of [
        ['fork', { from_step_id: 'only' }],
        ['pause', {}],
        ['resume', {}],
        ['terminate', {}],
        ['retry', {}],
        ['steps/a/skip', {}],
      ] as const) {
        expect(await run.command(unknown, command, body)).toMatchObject({ http: 404, code: 'not_found' });
      }
    }, 300_000);
  });

  describe('start options and the past', () => {
    it('starts nothing before start_at, and uses the priority of the start', async () => {
      const startAt = new Date(Date.now() + 3_000);
      const id = await start('chain', { start_at: startAt.toISOString(), priority: 'high' });
      expect(await run.get(id)).toMatchObject({ status: 'pending', priority: 'high', start_at: startAt.toISOString() });
      (await lab.attempt(id, 'a')).finish(1);
      expect(Date.now()).toBeGreaterThanOrEqual(startAt.getTime());
      (await lab.attempt(id, 'b')).finish(2);
      await run.ended(id);
      const bad = await api.post('/api/v1/orchestrations/execute/chain', { start_at: 'tomorrow', priority: 'urgent' });
      expect(bad.body).toMatchObject({
        code: 'validation_failed',
        errors: [{ path: '/start_at' }, { path: '/priority' }],
      });
    }, 300_000);

    it('shows the state at any past version, and refuses versions that it does not have', async () => {
      const id = await start('chain', { input: { n: 1 } });
      (await lab.attempt(id, 'a')).finish({ from: 'a' });
      (await lab.attempt(id, 'b')).finish({ from: 'b' });
      const last = await run.ended(id);
      for (const { version, type, data } of await run.events(id)) {
        const then = await run.get(id, version);
        expect(then.version).toBe(version);
        if (type === 'StepScheduled') expect(stepOf(then, String(data['step_id'])).status).toBe('running');
        if (type === 'StepCompleted') expect(stepOf(then, String(data['step_id'])).output).toEqual(data['output']);
        expect(then.status).toBe(version < last.version ? 'running' : 'completed');
      }
      expect(await run.get(id, last.version)).toEqual(last);
      const path = `/api/v1/orchestrations/executions/${id}?at_version=`;
      expect((await api.get(`${path}${last.version + 1}`)).body).toMatchObject({
        status: 404,
        code: 'not_found',
        detail: expect.stringContaining(`newest is ${last.version}`),
      });
      for (const wrong of ['0', '-1', '1.5', 'x', '']) {
        expect((await api.get(`${path}${wrong}`)).body).toMatchObject({ status: 400, code: 'validation_failed' });
      }
    }, 300_000);

    it('shows an agent’s progress while it runs, and keeps the last report', async () => {
      const id = await start('chain');
      const a = await lab.attempt(id, 'a');
      a.heartbeat(0.25, 'a quarter');
      await eventually(
        async () =>
          expect(stepOf(await run.get(id), 'a')).toMatchObject({ progress: 0.25, progress_message: 'a quarter' }),
        { timeoutMs: 60_000 },
      );
      expect(outline(await run.events(id), 'StepProgressed')).toEqual(['StepProgressed a']);
      // The last heartbeat is kept, however quickly they follow each other.
      a.heartbeat(0.5, 'half');
      a.heartbeat(0.75, 'nearly all');
      a.finish(1);
      (await lab.attempt(id, 'b')).finish(2);
      expect(stepOf(await run.ended(id), 'a')).toMatchObject({
        status: 'completed',
        progress: 0.75,
        progress_message: 'nearly all',
      });
    }, 300_000);

    it('fails a step that no runner starts in time, and continues one that a runner has started', async () => {
      expectStatus(await api.call('PUT', '/api/v1/agents/nobody', { pool: 'empty' }), 201);
      await run.save({
        name: 'unstarted',
        strategy: 'parallel',
        steps: [
          { id: 'lost', name: 'lost', agent: 'nobody', schedule_to_start_ms: 400, on_failure: 'continue' },
          held('found', { schedule_to_start_ms: 5_000 }),
        ],
      });
      const id = await start('unstarted');
      const found = await lab.attempt(id, 'found');
      await eventually(async () => stepOf(await run.get(id), 'lost').failure?.code === 'schedule_to_start_timeout', {
        timeoutMs: 60_000,
      });
      await eventually(async () => outline(await run.events(id), 'StepProgressed').includes('StepProgressed found'), {
        timeoutMs: 60_000,
        describe: 'its start is reported',
      });
      found.finish(1);
      expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { found: 1, lost: null } });
    }, 300_000);
  });

  describe('an engine that is killed', () => {
    it('in the middle of a consensus decides in the same way, with every vote counted once', async () => {
      const member = { consensus_group: 'jury' };
      await run.save({
        name: 'jury',
        strategy: 'consensus',
        steps: [
          held('one', member),
          held('two', member),
          held('three', member),
          echo('tell', { dependencies: ['jury'] }),
        ],
        consensus_groups: [{ id: 'jury', mode: 'majority', vote_key: '$lowercase(vote)', early_stop: true }],
      });
      const id = await start('jury');
      const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((step) => lab.attempt(id, step)));
      one?.finish({ vote: 'YES' });
      await eventually(async () => stepOf(await run.get(id), 'one').status === 'completed', { timeoutMs: 60_000 });
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      two?.finish({ vote: 'yes' });
      await engine.start();
      expect(await run.ended(id)).toMatchObject({
        status: 'completed',
        output: { jury: { vote: 'YES' } },
        consensus: [{ winners: ['one', 'two'], decided_by: 'threshold' }],
      });
      await eventually(() => three?.signal.aborted === true, {
        timeoutMs: 60_000,
        describe: 'the third one is stopped',
      });
      expect(outline(await run.events(id), 'ConsensusReached')).toEqual(['ConsensusReached jury']);
    }, 300_000);

    it('in the middle of a compensation continues it, each step once and in order', async () => {
      const undo = { compensate: { agent: 'held' } };
      await run.save({
        name: 'undo-killed',
        strategy: 'sequential',
        steps: [echo('one', undo), echo('two', undo), echo('three', undo), held('wait')],
      });
      const id = await start('undo-killed');
      await lab.attempt(id, 'wait');
      await run.command(id, 'cancel', { compensate: true });
      (await lab.attempt(id, 'wait')).finish(1);
      (await lab.attempt(id, 'three:compensate')).finish(1);
      const two = await lab.attempt(id, 'two:compensate');
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      two.finish(1);
      await engine.start();
      (await lab.attempt(id, 'one:compensate')).finish(1);
      expect(await run.ended(id)).toMatchObject({
        status: 'cancelled',
        compensation: { compensated: ['three', 'two', 'one'], not_compensated: [] },
      });
      const compensations = outline(await run.events(id), 'StepCompleted').filter((each) =>
        each.endsWith(':compensate'),
      );
      expect(compensations).toEqual([
        'StepCompleted three:compensate',
        'StepCompleted two:compensate',
        'StepCompleted one:compensate',
      ]);
    }, 300_000);
  });

  it('left a log without broken guarantees', async () => {
    const { ended } = await checkLog(cluster.stack.databaseUrl, all);
    expect(Object.values(ended).reduce((sum, count) => sum + count, 0)).toBe(all.length);
    expect(Object.keys(ended).toSorted()).toEqual(['ExecutionCancelled', 'ExecutionCompleted', 'ExecutionFailed']);
  });

  it('left read models and snapshots that equal the fold of the log, and verify finds differences', async () => {
    const verify = async (which: string): Promise<{ code: number | null; output: string }> => {
      const command = new BatutaCommand(['verify', which], cluster.dir, { DATABASE_URL: cluster.stack.databaseUrl });
      return { code: await command.exited(), output: command.output };
    };
    const clean = await verify('all');
    expect(clean.output).toMatch(/folded \d+ executions \(\d+ events, [1-9]\d* snapshots\): 0 differ/);
    expect(clean.code).toBe(0);
    const [id = ''] = all;
    const database = new pg.Client({ connectionString: cluster.stack.databaseUrl });
    await database.connect();
    await database.query(
      `UPDATE execution.orchestration_step_runs SET status = 'failed' WHERE execution_id = $1 AND step_id = 'b'`,
      [id],
    );
    await database.end();
    for (const which of ['all', id]) {
      const { code, output } = await verify(which);
      expect(output).toContain(
        `${id}  orchestration_step_runs  /b/status: the log says "completed", stored is "failed"`,
      );
      expect(output).toContain('1 differ');
      expect(code).toBe(1);
    }
    expect(await verify('everything')).toMatchObject({ code: 1, output: expect.stringContaining('neither the id') });
  }, 300_000);
});
