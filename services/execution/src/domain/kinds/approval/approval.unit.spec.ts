import { describe, expect, test } from '@jest/globals';
import { LIMITS } from '@batuta/contracts';
import type { Event, JsonValue } from '@batuta/contracts';
import { forkFrom } from '../../fork.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { view } from '../../view/view.js';
import { NOON, config, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const GATE = config('sequential', [
  { id: 'draft' },
  { id: 'gate', dependencies: ['draft'], approval: { message: '{% outputs.draft.text %}', timeout_ms: 60_000 } },
  { id: 'send', dependencies: ['gate'] },
]);

/** An execution of GATE whose draft is complete, so that the gate waits. */
function waiting(): Scenario {
  return scenario(GATE).start({}).ok('draft', { text: 'Dear all' });
}

const stepOf = (run: Scenario, id: string) => view(run.state).steps.find(({ stepId }) => stepId === id);
const output = (run: Scenario, id: string): JsonValue | undefined => stepOf(run, id)?.output;

describe('a step with an approval', () => {
  test('is asked for in its turn, with its message, and dispatches nothing', () => {
    const run = waiting();
    expect(run.last).toEqual(['StepCompleted draft #1', 'ApprovalRequested gate']);
    expect(run.lastEvents[1]?.data).toEqual({ stepId: 'gate', message: 'Dear all', deadlineAt: NOON + 60_000 });
    expect(run.effects).toEqual([{ type: 'lifecycle', event: 'ApprovalRequested' }]);
    expect(run.wanted).toEqual([]);
    expect(nextWake(run.state)).toBe(NOON + 60_000);
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'running',
      attempt: 0,
      approval: { status: 'waiting', message: 'Dear all', requestedAt: NOON, deadlineAt: NOON + 60_000 },
    });
  });

  test('completes when it is approved, with who, when, the comment and the data', () => {
    const run = waiting();
    run.now += 1_500;
    run.approves('gate', { comment: 'fine', data: { to: 'all' } });
    expect(run.last).toEqual(['ApprovalDecided gate approved alice', 'StepCompleted gate #0', 'StepScheduled send #1']);
    const decidedAt = new Date(NOON + 1_500).toISOString();
    expect(output(run, 'gate')).toEqual({
      approved: true,
      by: 'alice',
      comment: 'fine',
      data: { to: 'all' },
      decided_at: decidedAt,
    });
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'completed',
      latencyMs: 1_500,
      retryCount: 0,
      approval: {
        status: 'approved',
        decidedBy: 'alice',
        comment: 'fine',
        data: { to: 'all' },
        decidedAt: NOON + 1_500,
      },
    });
  });

  test('fails when it is rejected, and is not tried again', () => {
    const run = waiting().rejects('gate', { comment: 'too short', data: 3 });
    expect(run.last).toEqual([
      'ApprovalDecided gate rejected alice',
      'StepFailed gate approval_rejected abort',
      'ExecutionFailed gate approval_rejected',
    ]);
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'failed',
      failure: {
        code: 'approval_rejected',
        message: 'rejected by alice: too short',
        retryable: false,
        details: { by: 'alice', comment: 'too short' },
      },
      approval: { status: 'rejected', data: 3 },
    });
  });

  test('evaluates a message that is no plain path in the sandbox, with its input, and records both', () => {
    const definition = config('parallel', [
      {
        id: 'gate',
        input: { total: '{% $sum(input.prices) %}' },
        approval: { message: '{% "Pay " & $sum(input.prices) & "?" %}' },
      },
    ]);
    const run = scenario(definition).start({ prices: [1, 2] });
    expect(run.last.at(-1)).toBe('EvaluationRequested input:gate');
    expect(run.effects).toContainEqual(
      expect.objectContaining({ expressions: ['"Pay " & $sum(input.prices) & "?"', '$sum(input.prices)'] }),
    );
    run.evaluated('input:gate', 'Pay 3?', 3);
    expect(run.lastEvents.at(-1)?.data).toEqual({ stepId: 'gate', message: 'Pay 3?', input: { total: 3 } });
    expect(stepOf(run, 'gate')?.approval).toMatchObject({ message: 'Pay 3?', input: { total: 3 } });
  });

  test('fails when its message cannot be evaluated', () => {
    const definition = config('parallel', [{ id: 'gate', approval: { message: '{% $error("no") %}' } }]);
    const run = scenario(definition).start({}).evaluationFails('input:gate');
    expect(run.last).toEqual([
      'EvaluationRecorded input:gate',
      'StepFailed gate expression_failed abort',
      'ExecutionFailed gate expression_failed',
    ]);
  });

  test.each<[JsonValue, string]>([
    [{ a: 1 }, '{"a":1}'],
    [7, '7'],
    [null, ''],
    ['', ''],
  ])('shows a message that is %j as %j', (value, shown) => {
    const definition = config('parallel', [{ id: 'gate', approval: { message: '{% input.it %}' } }]);
    expect(stepOf(scenario(definition).start({ it: value }), 'gate')?.approval?.message).toBe(shown);
  });

  test('fails when its message or its input is too large to be kept in the request', () => {
    const long = config('parallel', [{ id: 'gate', approval: { message: '{% input.it %}' } }]);
    const large = config('parallel', [{ id: 'gate', input: '{% input.it %}', approval: {} }]);
    const over = 'x'.repeat(LIMITS.approvalMessageBytes - 1);
    expect(scenario(long).start({ it: over }).last).toContain('StepFailed gate input_too_large abort');
    expect(scenario(long).start({ it: over.slice(1) }).last).toContain('ApprovalRequested gate');
    expect(scenario(large).start({ it: over }).last).toContain('ApprovalRequested gate');
    const half = 'x'.repeat(LIMITS.payloadBytes / 2);
    const twice = config('parallel', [{ id: 'gate', input: ['{% input.it %}', '{% input.it %}'], approval: {} }]);
    expect(scenario(twice).start({ it: half }).last).toContain('StepFailed gate input_too_large abort');
  });
});

describe('a decision', () => {
  test('counts once: the second one is told of the first, whatever it says', () => {
    const run = waiting().approves('gate');
    expect(run.rejects('gate').rejected).toMatchObject({ code: 'already_decided' });
    expect(run.approves('gate').rejected).toMatchObject({ code: 'already_decided' });
  });

  test('with the same id is a repeat, also when the execution has ended since', () => {
    const run = waiting().rejects('gate', { id: '0190-same' });
    expect(run.rejects('gate', { id: '0190-same' }).outcome).toBe('repeated');
    expect(run.lastEvents).toEqual([]);
  });

  test.each([
    ['nobody is asked yet', 'gate', 'not_awaiting_approval'],
    ['an agent works on it', 'draft', 'not_awaiting_approval'],
    ['there is no such step', 'nothing', 'step_not_found'],
  ])('is refused when %s', (_, stepId, code) => {
    const run = scenario(GATE).start({});
    expect(run.approves(stepId).rejected).toMatchObject({ code });
    expect(run.rejects(stepId).rejected).toMatchObject({ code });
  });

  test('is refused for an execution that does not exist or has ended', () => {
    expect(scenario(GATE).approves('gate').rejected).toMatchObject({ code: 'not_found' });
    const ended = waiting().when({ type: 'CancelExecution' });
    expect(ended.approves('gate').rejected).toMatchObject({ code: 'already_cancelled' });
    expect(waiting().rejects('gate').approves('gate').rejected).toMatchObject({ code: 'already_failed' });
  });

  test('is for the approvers alone when there are some, before and after it was taken', () => {
    const definition = config('parallel', [{ id: 'gate', approval: { approvers: ['ann', 'bob'] } }, { id: 'other' }]);
    const run = scenario(definition).start({});
    expect(run.lastEvents[1]?.data).toMatchObject({ approvers: ['ann', 'bob'] });
    expect(run.approves('gate', { by: 'eve' }).rejected).toMatchObject({ code: 'not_an_approver' });
    expect(run.when({ type: 'DecideApproval', stepId: 'gate', approved: true }).rejected).toMatchObject({
      code: 'not_an_approver',
    });
    expect(run.approves('gate', { by: 'bob' }).outcome).toBe('done');
    expect(run.approves('gate', { by: 'eve' }).rejected).toMatchObject({ code: 'not_an_approver' });
  });

  test('that is larger than an output may be is refused', () => {
    const run = waiting().approves('gate', { data: 'x'.repeat(LIMITS.payloadBytes - 10) });
    expect(run.rejected).toMatchObject({ code: 'payload_too_large' });
    expect(run.approves('gate', { data: 'x'.repeat(LIMITS.payloadBytes - 200) }).outcome).toBe('done');
  });

  test('of a step that was skipped comes too late', () => {
    const run = waiting().when({ type: 'SkipStep', stepId: 'gate' });
    expect(run.last).toEqual(['StepSkipped gate requested', 'StepScheduled send #1']);
    expect(run.effects.filter(({ type }) => type === 'stopAttempts')).toEqual([]);
    expect(run.approves('gate').rejected).toMatchObject({ code: 'not_awaiting_approval' });
    expect(stepOf(run, 'gate')?.approval?.status).toBe('withdrawn');
  });
});

describe('the time to decide', () => {
  test('rejects when it has passed, as a timeout', () => {
    const run = waiting().wakes(59_999);
    expect(run.outcome).toBe('stale');
    expect(run.wakes(1).last).toEqual([
      'ApprovalDecided gate rejected by time',
      'StepFailed gate approval_timeout abort',
      'ExecutionFailed gate approval_timeout',
    ]);
    expect(stepOf(run, 'gate')).toMatchObject({
      failure: { code: 'approval_timeout', message: 'nobody decided within 60000 ms' },
      approval: { status: 'rejected', timedOut: true },
    });
  });

  test('approves when the config says so', () => {
    const definition = config('parallel', [{ id: 'gate', approval: { timeout_ms: 100, on_timeout: 'approve' } }]);
    const run = scenario(definition).start({}).wakes(100);
    expect(run.last).toEqual(['ApprovalDecided gate approved by time', 'StepCompleted gate #0', 'ExecutionCompleted']);
    const decidedAt = new Date(NOON + 100).toISOString();
    expect(output(run, 'gate')).toEqual({ approved: true, by: null, timed_out: true, decided_at: decidedAt });
  });

  test('means nothing once it is decided, and a decision before the timer fires counts', () => {
    const run = waiting();
    run.now += 60_001;
    expect(run.approves('gate').last[0]).toBe('ApprovalDecided gate approved alice');
    expect(run.wakes(100_000).last).toEqual([]);
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
  });

  test('does not pass in a pause: what fell due happens at the resume', () => {
    const run = waiting().when({ type: 'PauseExecution', now: true });
    expect(stepOf(run, 'gate')).toMatchObject({ status: 'running', approval: { status: 'waiting' } });
    expect(run.wakes(70_000).last).toEqual([]);
    run.when({ type: 'ResumeExecution' });
    expect(run.last[1]).toBe('ApprovalDecided gate rejected by time');
  });

  test('without a limit is the execution’s own', () => {
    const run = scenario(config('parallel', [{ id: 'gate', approval: {} }])).start({});
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
    run.wakes(run.state.deadlineAt - NOON);
    expect(run.last).toEqual(['ExecutionFailed execution_timeout']);
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'skipped',
      skipReason: 'execution_failed',
      approval: { status: 'withdrawn' },
    });
  });
});

describe('an approval among other steps', () => {
  test('needs no slot of parallel_limit, and takes none', () => {
    const steps = [{ id: 'a' }, { id: 'b' }, { id: 'gate', approval: {} }, { id: 'other', approval: {} }];
    const run = scenario(config('parallel', steps, { settings: { parallel_limit: 1 } })).start({});
    expect(run.last.slice(1)).toEqual(['StepScheduled a #1', 'ApprovalRequested gate', 'ApprovalRequested other']);
    expect(run.ok('a').last).toContain('StepScheduled b #1');
  });

  test('holds up what comes after it where one step runs at a time', () => {
    const run = scenario(config('sequential', [{ id: 'gate', approval: {} }, { id: 'b' }, { id: 'c' }])).start({});
    expect(run.last.slice(1)).toEqual(['ApprovalRequested gate']);
    expect(run.approves('gate').last).toContain('StepScheduled b #1');
    expect(run.last).not.toContain('StepScheduled c #1');
  });

  test('takes its turn in the list between agents', () => {
    const run = scenario(config('sequential', [{ id: 'a' }, { id: 'gate', approval: {} }, { id: 'b' }])).start({});
    expect(run.last.slice(1)).toEqual(['StepScheduled a #1']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #1', 'ApprovalRequested gate']);
  });

  test('is not asked for when its condition is false or a dependency it requires was skipped', () => {
    const conditional = config('parallel', [{ id: 'gate', when: 'input.big', approval: {} }]);
    expect(scenario(conditional).start({ big: false }).last).toContain('StepSkipped gate condition_false');
    expect(scenario(conditional).start({ big: true }).last).toContain('ApprovalRequested gate');
  });

  test('that is rejected goes on, or is served by an alternative, as any step', () => {
    const goesOn = config('parallel', [
      { id: 'gate', on_failure: 'continue', approval: {} },
      { id: 'after', dependencies: ['gate'] },
    ]);
    expect(scenario(goesOn).start({}).rejects('gate').last).toContain('StepScheduled after #1');
    const served = config('parallel', [
      { id: 'gate', on_failure: 'fallback', approval: { timeout_ms: 10 } },
      { id: 'boss', fallback_for: 'gate', fallback_when: ['timeout'], approval: {} },
      { id: 'robot', fallback_for: 'gate', fallback_when: ['error'] },
    ]);
    expect(scenario(served).start({}).rejects('gate').last).toContain('StepScheduled robot #1');
    const late = scenario(served).start({}).wakes(10);
    expect(late.last).toContain('ApprovalRequested boss');
    late.approves('boss');
    expect(late.status).toBe('completed');
    expect(view(late.state).output).toMatchObject({ approved: true });
  });

  test('may stand in for an agent that failed', () => {
    const definition = config('fallback', [{ id: 'agent' }, { id: 'human', is_fallback: true, approval: {} }]);
    const run = scenario(definition).start({}).fails('agent');
    expect(run.last).toContain('ApprovalRequested human');
    run.approves('human', { data: { text: 'by hand' } });
    expect(view(run.state)).toMatchObject({ status: 'completed', output: { data: { text: 'by hand' } } });
  });

  test('votes beside agents, and is not waited for once the group is sure', () => {
    const members = [
      { id: 'a', consensus_group: 'g' },
      { id: 'b', consensus_group: 'g' },
      { id: 'human', consensus_group: 'g', approval: {} },
    ];
    const group = { id: 'g', mode: 'majority' as const, threshold: 0.5, vote_key: '{% data.vote %}' };
    const definition = config('consensus', members, {
      consensus_groups: [{ ...group, early_stop: true }],
    });
    const voted = scenario({ ...definition, consensus_groups: [group] }).start({});
    voted
      .ok('a', { data: { vote: 1 } })
      .ok('b', { data: { vote: 2 } })
      .approves('human', { data: { vote: 2 } });
    expect(voted.last).toContain('ConsensusReached g threshold b+human not a');
    const early = scenario(definition).start({});
    early.ok('a', { data: { vote: 1 } }).ok('b', { data: { vote: 1 } });
    expect(early.last).toContain('StepSkipped human consensus_reached');
    expect(stepOf(early, 'human')?.approval?.status).toBe('withdrawn');
  });
});

describe('approvers', () => {
  const approvers = ['alice', 'bob'];
  const skips = (run: Scenario, stepId: string, by: string) =>
    run.when({ type: 'SkipStep', stepId, by }).rejected?.code ?? 'done';

  test('alone skip what they are asked for, before and while they are', () => {
    const guarded = config('sequential', [{ id: 'draft' }, { id: 'gate', approval: { approvers } }, { id: 'send' }]);
    const run = scenario(guarded).start();
    expect(skips(run, 'gate', 'mallory')).toBe('not_an_approver');
    expect(run.when({ type: 'SkipStep', stepId: 'gate' }).rejected?.code).toBe('not_an_approver');
    run.ok('draft');
    expect(skips(run, 'gate', 'mallory')).toBe('not_an_approver');
    run.when({ type: 'PauseExecution', now: true, by: 'mallory' });
    expect(skips(run, 'gate', 'mallory')).toBe('not_an_approver');
    run.when({ type: 'ResumeExecution', by: 'mallory' });
    expect(stepOf(run, 'gate')?.approval?.status).toBe('waiting');
    expect(skips(run, 'gate', 'bob')).toBe('done');
    expect(run.last).toEqual(['StepSkipped gate requested', 'StepScheduled send #1']);
  });

  test('are every operator where none is named', () => {
    const run = scenario(config('sequential', [{ id: 'gate', approval: {} }, { id: 'send' }])).start();
    expect(skips(run, 'gate', 'anybody')).toBe('done');
  });

  test.each([
    ['the condition of the approval', { when: '{% outputs.check.amount > 100 %}' }],
    ['a plain condition', { when: '{% outputs.check.large %}' }],
    ['require: all', { require: 'all' as const }],
  ])('are not gone around by a skip of what %s depends on', (_, more) => {
    const definition = config('parallel', [
      { id: 'first' },
      { id: 'check', dependencies: ['first'] },
      { id: 'other' },
      { id: 'gate', dependencies: ['check'], approval: { approvers }, ...more },
      { id: 'pay', dependencies: ['gate'] },
    ]);
    const run = scenario(definition).start();
    expect(skips(run, 'check', 'mallory')).toBe('not_an_approver');
    expect(skips(run, 'first', 'mallory')).toBe('not_an_approver');
    expect(skips(run, 'other', 'mallory')).toBe('done');
    expect(skips(run, 'check', 'alice')).toBe('done');
  });

  test('an approval that is asked for in any case does not hold back a skip of what is before it', () => {
    const definition = config('parallel', [
      { id: 'draft' },
      { id: 'gate', dependencies: ['draft'], approval: { approvers } },
    ]);
    const run = scenario(definition).start();
    expect(skips(run, 'draft', 'mallory')).toBe('done');
    expect(run.last).toEqual(['StepSkipped draft requested', 'ApprovalRequested gate']);
  });

  test('are not gone around by a skip of the step that they would stand in for', () => {
    const definition = config('sequential', [
      { id: 'auto', on_failure: 'fallback', retry: { max_attempts: 2, backoff_ms: 1_000 } },
      { id: 'model', fallback_for: 'auto', on_failure: 'fallback' },
      { id: 'gate', fallback_for: 'model', approval: { approvers } },
      { id: 'pay', dependencies: ['auto'] },
    ]);
    const run = scenario(definition).start();
    expect(skips(run, 'auto', 'mallory')).toBe('not_an_approver');
    run.fails('auto');
    expect(skips(run, 'model', 'mallory')).toBe('not_an_approver');
    run.fails('model');
    expect(stepOf(run, 'gate')?.approval?.status).toBe('waiting');
    expect(skips(run, 'gate', 'mallory')).toBe('not_an_approver');
    expect(skips(run, 'gate', 'alice')).toBe('done');
  });

  test('who has decided guards nothing any more', () => {
    const definition = config('parallel', [
      { id: 'auto', on_failure: 'fallback' },
      { id: 'gate', fallback_for: 'auto', approval: { approvers } },
      { id: 'pay', dependencies: ['auto'] },
    ]);
    const run = scenario(definition).start().fails('auto').approves('gate');
    expect(skips(run, 'pay', 'mallory')).toBe('done');
  });
});

describe('an approval and a fork after it', () => {
  const PAYMENT = config('parallel', [
    { id: 'check' },
    {
      id: 'gate',
      dependencies: ['check'],
      approval: { message: 'Pay?', approvers: ['alice'] },
      input: { amount: '{% input.amount %}', risk: '{% outputs.check.risk %}' },
    },
    { id: 'prepare', dependencies: ['gate'] },
    { id: 'pay', dependencies: ['prepare'] },
  ]);

  function paid(definition = PAYMENT, input: JsonValue = { amount: 10, note: 'a' }): Scenario {
    const source = scenario(definition).start(input);
    source.ok('check', { risk: 'low' }).approves('gate', { comment: 'fine' });
    return source.ok('prepare', { iban: 'x' }).ok('pay');
  }

  function fork(source: Scenario, from: string, input: JsonValue | undefined): Scenario {
    const found = forkFrom(source.state, from, input);
    const { reused } = found as Extract<typeof found, { reused: unknown }>;
    const start = { configId: 'config-1', configVersion: 1, traceId: 'ab'.repeat(16) };
    const principal = { tenantId: 'default', userId: 'mallory', role: 'operator' as const, keyId: 'k' };
    const forked = { executionId: 'execution-1', fromStepId: from };
    return scenario(source.state.config.definition).when({
      type: 'StartExecution',
      executionId: 'execution-2',
      principal,
      start: { ...start, ...(input === undefined ? {} : { input }), fork: forked },
      reused,
    });
  }

  test('with the same input is taken over at once, with who approved what', () => {
    const run = fork(paid(), 'pay', { note: 'a', amount: 10 });
    expect(run.last).toEqual([
      'ExecutionStarted',
      'StepReused check',
      'StepReused gate',
      'StepReused prepare',
      'StepScheduled pay #1',
    ]);
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'completed',
      reused: true,
      approval: { status: 'approved', decidedBy: 'alice', comment: 'fine', input: { amount: 10, risk: 'low' } },
    });
  });

  test('with another amount is asked again, and nothing after it runs before; what was done between is kept', () => {
    const run = fork(paid(), 'pay', { amount: 9_999, note: 'a' });
    expect(run.last).toEqual([
      'ExecutionStarted',
      'StepReused check',
      'StepReused gate',
      'StepReused prepare',
      'ApprovalRequested gate',
    ]);
    expect(run.lastEvents[2]?.data).toMatchObject({ stepId: 'gate', ifEqual: true });
    expect(stepOf(run, 'gate')).toMatchObject({
      status: 'running',
      approval: { status: 'waiting', input: { amount: 9_999, risk: 'low' } },
    });
    expect(stepOf(run, 'gate')).not.toHaveProperty('output');
    const skip = (stepId: string) => run.when({ type: 'SkipStep', stepId, by: 'mallory' }).rejected?.code;
    expect(skip('gate')).toBe('not_an_approver');
    expect(run.approves('gate', { by: 'mallory' }).rejected?.code).toBe('not_an_approver');
    run.when({ type: 'PauseExecution', now: true }).when({ type: 'ResumeExecution' });
    expect(stepOf(run, 'pay')?.status).toBe('pending');
    expect(run.approves('gate').last).toEqual([
      'ApprovalDecided gate approved alice',
      'StepCompleted gate #0',
      'StepScheduled pay #1',
    ]);
  });

  test('with another input that shows the approver the same is taken over in its turn', () => {
    const run = fork(paid(), 'pay', { amount: 10, note: 'b' });
    expect(run.last.slice(-2)).toEqual(['StepReused gate', 'StepScheduled pay #1']);
    expect(stepOf(run, 'gate')).toMatchObject({ status: 'completed', approval: { decidedBy: 'alice' } });
    // A fork of the fork also knows what was approved.
    run.ok('pay');
    expect(fork(run, 'pay', { amount: 10, note: 'c' }).last.slice(-2)).toEqual([
      'StepReused gate',
      'StepScheduled pay #1',
    ]);
    expect(fork(run, 'pay', { amount: 11, note: 'c' }).last.at(-1)).toBe('ApprovalRequested gate');
  });

  test('that shows nothing of the input was about all of it: another input is asked about', () => {
    const steps = PAYMENT.steps.map(({ input: _input, ...each }) => each);
    const plain = { ...PAYMENT, steps };
    expect(fork(paid(plain), 'pay', { amount: 10, note: 'a' }).last.at(-1)).toBe('StepScheduled pay #1');
    expect(fork(paid(plain), 'pay', { amount: 10, note: 'b' }).last.at(-1)).toBe('ApprovalRequested gate');
  });

  test('is asked again when a step before it runs again and gives something else', () => {
    const steps = PAYMENT.steps.map((each) =>
      each.id === 'check' ? { ...each, on_failure: 'continue' as const } : each,
    );
    const source = scenario({ ...PAYMENT, steps })
      .start({ amount: 10 })
      .fails('check');
    source.approves('gate').ok('prepare').ok('pay');
    const run = fork(source, 'pay', { amount: 10 });
    expect(run.last.at(-1)).toBe('StepScheduled check #1');
    expect(run.ok('check', { risk: 'high' }).last.at(-1)).toBe('ApprovalRequested gate');
    const same = fork(source, 'pay', { amount: 10 }).fails('check');
    expect(same.last.slice(-2)).toEqual(['StepReused gate', 'StepScheduled pay #1']);
  });

  test('that was not asked for, since its condition was false, is looked at again', () => {
    const steps = PAYMENT.steps.map((each) => (each.id === 'gate' ? { ...each, when: 'input.large' } : each));
    const source = scenario({ ...PAYMENT, steps })
      .start({ amount: 10 })
      .ok('check')
      .ok('prepare')
      .ok('pay');
    expect(stepOf(source, 'gate')?.skipReason).toBe('condition_false');
    expect(fork(source, 'pay', { amount: 10, large: true }).last.at(-1)).toBe('ApprovalRequested gate');
    expect(fork(source, 'pay', { amount: 12 }).last.slice(-2)).toEqual([
      'StepSkipped gate condition_false',
      'StepScheduled pay #1',
    ]);
  });

  test('that stood in for an agent, or voted, is not taken over as that one’s output for another input', () => {
    const standIn = config('parallel', [
      { id: 'auto', on_failure: 'fallback' },
      { id: 'gate', fallback_for: 'auto', approval: {}, input: { amount: '{% input.amount %}' } },
      { id: 'pay', dependencies: ['auto'] },
    ]);
    const source = scenario(standIn).start({ amount: 1 }).fails('auto').approves('gate').ok('pay');
    expect(fork(source, 'pay', { amount: 1 }).last.at(-1)).toBe('StepScheduled pay #1');
    const run = fork(source, 'pay', { amount: 2 });
    expect(run.last.at(-1)).toBe('StepScheduled auto #1');
    expect(run.fails('auto').last.at(-1)).toBe('ApprovalRequested gate');
    const voting = config('consensus', [
      { id: 'x', consensus_group: 'panel' },
      { id: 'gate', consensus_group: 'panel', approval: { message: '{% input.amount %}' } },
      { id: 'pay', dependencies: ['panel'] },
    ]);
    const voted = scenario(voting).start({ amount: 1 }).ok('x').approves('gate').ok('pay');
    expect(fork(voted, 'pay', { amount: 1 }).last.at(-1)).toBe('StepScheduled pay #1');
    expect(fork(voted, 'pay', { amount: 2 }).last).toContain('ApprovalRequested gate');
    expect(fork(voted, 'pay', { amount: 1, other: 1 }).last).toEqual([
      'ExecutionStarted',
      'StepReused gate',
      'StepScheduled x #1',
      'StepReused gate',
    ]);
  });

  test('keeps what it brought over a snapshot and a retry', () => {
    const steps = PAYMENT.steps.map((each) =>
      each.id === 'check' ? { ...each, on_failure: 'continue' as const } : each,
    );
    const source = scenario({ ...PAYMENT, steps })
      .start({ amount: 10 })
      .fails('check');
    source.approves('gate').ok('prepare').ok('pay');
    const run = fork(source, 'pay', { amount: 10 });
    const text = JSON.stringify(encodeSnapshot(run.state));
    expect(decodeSnapshot(run.state.config, JSON.parse(text) as JsonValue)).toEqual(run.state);
    run.when({ type: 'CancelExecution' }).when({ type: 'RetryExecution' }).fails('check');
    expect(run.last).toContain('StepReused gate');
  });
});

describe('an approval and a retry', () => {
  const steps = [
    { id: 'check', on_failure: 'continue' as const },
    { id: 'gate', dependencies: ['check'], approval: {}, input: { risk: '{% outputs.check.risk %}' } },
    { id: 'prepare', dependencies: ['gate'] },
    { id: 'pay', dependencies: ['prepare'] },
  ];
  const failed = (more: object = {}) => {
    const given = steps.map((each) => (each.id === 'gate' ? { ...each, ...more } : each));
    return scenario(config('parallel', given)).start({}).fails('check');
  };

  test('is asked again when a step before it runs again and gives something else; nothing after it runs before', () => {
    const run = failed().approves('gate').ok('prepare').fails('pay').when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled check #2']);
    expect(run.lastEvents[0]?.data).toMatchObject({ askAgain: ['gate'] });
    expect(run.ok('check', { risk: 'high' }).last).toEqual(['StepCompleted check #2', 'ApprovalRequested gate']);
    expect(run.approves('gate').last.at(-1)).toBe('StepScheduled pay #2');
  });

  test('holds when the same is asked', () => {
    const run = failed().approves('gate').ok('prepare').fails('pay').when({ type: 'RetryExecution' });
    expect(run.ok('check', { other: 1 }).last.slice(-2)).toEqual(['StepReused gate', 'StepScheduled pay #2']);
    const same = failed().approves('gate').ok('prepare').fails('pay').when({ type: 'RetryExecution' });
    expect(same.fails('check').last.slice(-2)).toEqual(['StepReused gate', 'StepScheduled pay #2']);
  });

  test('is looked at again where its condition was false for want of what now runs again', () => {
    const run = failed({ when: 'outputs.check.large' }).ok('prepare').fails('pay').when({ type: 'RetryExecution' });
    expect(run.ok('check', { large: true }).last.at(-1)).toBe('ApprovalRequested gate');
  });

  test('stays as it is when everything before it is kept', () => {
    const run = scenario(config('parallel', steps)).start({}).ok('check', { risk: 'low' }).approves('gate');
    run.ok('prepare').fails('pay').when({ type: 'RetryExecution' });
    expect(run.lastEvents[0]?.data).not.toHaveProperty('askAgain');
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled pay #2']);
  });

  test('that was not needed does not bring back the step that it would have stood in for', () => {
    const definition = config('parallel', [
      { id: 'check', on_failure: 'continue' },
      { id: 'other' },
      { id: 'auto', dependencies: ['check', 'other'], require: 'any', on_failure: 'fallback' },
      { id: 'human', fallback_for: 'auto', approval: { message: '{% outputs.check.risk %}' } },
      { id: 'pay', dependencies: ['auto'] },
    ]);
    const run = scenario(definition).start().fails('check').ok('other').ok('auto').fails('pay');
    run.when({ type: 'RetryExecution' });
    expect(run.lastEvents[0]?.data).not.toHaveProperty('askAgain');
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled check #2', 'StepScheduled pay #2']);
  });

  test('that voted, or stood in, brings its group or that step back with it', () => {
    const voting = config('consensus', [
      { id: 'check', on_failure: 'continue' },
      { id: 'x', consensus_group: 'panel' },
      {
        id: 'gate',
        consensus_group: 'panel',
        dependencies: ['check'],
        approval: { message: '{% outputs.check.risk %}' },
      },
      { id: 'auto', dependencies: ['check'], on_failure: 'fallback' },
      { id: 'human', fallback_for: 'auto', approval: { message: '{% outputs.check.risk %}' } },
      { id: 'pay', dependencies: ['panel', 'auto'] },
    ]);
    const run = scenario(voting)
      .start()
      .fails('check')
      .ok('x')
      .approves('gate')
      .fails('auto')
      .approves('human')
      .fails('pay');
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled check #2']);
    expect(run.ok('check', { risk: 'high' }).last.slice(1).sort()).toEqual([
      'ApprovalRequested gate',
      'StepScheduled auto #2',
      'StepScheduled x #2',
    ]);
    expect(run.fails('auto').last.at(-1)).toBe('ApprovalRequested human');
    expect(run.ok('x').approves('gate').approves('human').last.at(-1)).toBe('StepScheduled pay #2');
  });
});

describe('what comes after an approval', () => {
  test('waits for it also when a step between them is skipped', () => {
    const definition = config('parallel', [
      { id: 'gate', approval: { approvers: ['alice'] } },
      { id: 'between', dependencies: ['gate'] },
      { id: 'pay', dependencies: ['between'] },
    ]);
    const run = scenario(definition).start();
    expect(run.when({ type: 'SkipStep', stepId: 'between', by: 'mallory' }).last).toEqual([
      'StepSkipped between requested',
    ]);
    expect(stepOf(run, 'pay')?.status).toBe('pending');
    expect(run.rejects('gate').status).toBe('failed');
    expect(stepOf(run, 'pay')).toMatchObject({ status: 'skipped', attempt: 0 });
  });

  test('waits for the agent or the group in whose place, or in which, a human decides', () => {
    const definition = config('consensus', [
      { id: 'auto', on_failure: 'fallback' },
      { id: 'human', fallback_for: 'auto', approval: {} },
      { id: 'voter', consensus_group: 'panel', approval: {} },
      { id: 'between', dependencies: ['auto', 'panel'] },
      { id: 'pay', dependencies: ['between'] },
    ]);
    const run = scenario(definition).start().when({ type: 'SkipStep', stepId: 'between' });
    expect(run.fails('auto').approves('human').last.at(-1)).toBe('StepCompleted human #0');
    expect(run.approves('voter').last.at(-1)).toBe('StepScheduled pay #1');
  });
});

describe('an approval that waits', () => {
  test('may be decided in a pause; what follows waits for the resume', () => {
    const run = waiting().when({ type: 'PauseExecution' }).approves('gate');
    expect(run.last).toEqual(['ApprovalDecided gate approved alice', 'StepCompleted gate #0']);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled send #1']);
    const rejected = waiting().when({ type: 'PauseExecution' }).rejects('gate');
    expect(rejected.status).toBe('paused');
    expect(rejected.when({ type: 'ResumeExecution' }).last).toContain('ExecutionFailed gate approval_rejected');
  });

  test('rejected in a pause ends the execution at the resume before anything that fell due meanwhile', () => {
    const definition = config('parallel', [
      { id: 'gate', approval: {} },
      { id: 'slow', schedule_to_close_ms: 1_000 },
    ]);
    const run = scenario(definition).start({}).when({ type: 'PauseExecution', now: true }).rejects('gate');
    run.now += 2_000;
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual([
      'ExecutionResumed',
      'ExecutionFailed gate approval_rejected',
    ]);
    expect(stepOf(run, 'slow')).toMatchObject({ status: 'skipped' });
  });

  test('ends skipped when its execution ends, or begins to be undone', () => {
    const definition = config('parallel', [
      { id: 'done', compensate: { agent: 'undo' } },
      { id: 'gate', approval: { timeout_ms: 50 } },
      { id: 'broken' },
    ]);
    const run = scenario(definition).start({}).ok('done').fails('broken');
    expect(run.last).toContain('CompensationStarted broken');
    expect(run.approves('gate').rejected).toMatchObject({ code: 'compensating' });
    expect(stepOf(run, 'gate')?.approval?.status).toBe('withdrawn');
    expect(run.wakes(100).last).toEqual([]);
    run.ok('done:compensate');
    expect(stepOf(run, 'gate')).toMatchObject({ status: 'skipped', skipReason: 'execution_failed' });
  });

  test('is asked for again by a retry of the execution, and keeps its approval when it had one', () => {
    const rejected = waiting().rejects('gate').when({ type: 'RetryExecution' });
    expect(rejected.last).toEqual(['ExecutionRetried', 'ApprovalRequested gate']);
    expect(stepOf(rejected, 'gate')?.approval).toMatchObject({ status: 'waiting' });
    expect(rejected.approves('gate').last).toContain('StepScheduled send #1');
    const kept = rejected.fails('send').when({ type: 'RetryExecution' });
    expect(kept.last).toEqual(['ExecutionRetried', 'StepScheduled send #2']);
    expect(stepOf(kept, 'gate')).toMatchObject({ status: 'completed', approval: { status: 'approved' } });
  });

  test('is not asked for again in a fork after it', () => {
    const source = waiting().approves('gate').fails('send');
    const fork = forkFrom(source.state, 'send', source.state.started?.input);
    expect(fork).toMatchObject({ reused: [{ stepId: 'draft' }, { stepId: 'gate', output: { approved: true } }] });
    const again = forkFrom(source.state, 'gate', source.state.started?.input);
    expect(again).toMatchObject({ reused: [{ stepId: 'draft' }] });
  });

  test('waits for start_at, and begins the execution then', () => {
    const run = scenario(config('parallel', [{ id: 'gate', approval: {} }])).start({}, { startAt: NOON + 1_000 });
    expect(run.last).toEqual(['ExecutionStarted']);
    expect(run.approves('gate').rejected).toMatchObject({ code: 'not_awaiting_approval' });
    expect(run.wakes(1_000).last).toEqual(['ApprovalRequested gate']);
    expect(run.status).toBe('running');
  });

  test('costs nothing: beyond the budget it is asked for and waited for, and its execution completes with it', () => {
    const definition = config('sequential', [{ id: 'a' }, { id: 'gate', dependencies: ['a'], approval: {} }], {
      settings: { budget: { max_tokens: 5 } },
    });
    const run = scenario(definition).start({}).ok('a', { _tokens: 6 });
    expect(run.last).toEqual(['StepCompleted a #1', 'BudgetExceeded', 'ApprovalRequested gate']);
    run.approves('gate');
    expect(run.status).toBe('completed');
  });

  test('is withdrawn, or not asked for at all, when an agent would have to run beyond the budget', () => {
    const settings = { budget: { max_tokens: 5 } };
    const before = config('parallel', [{ id: 'a' }, { id: 'gate', approval: {} }, { id: 'b', dependencies: ['a'] }], {
      settings,
    });
    const waited = scenario(before).start({}).ok('a', { _tokens: 6 });
    expect(waited.last).toContain('ExecutionFailed budget_exceeded');
    expect(stepOf(waited, 'gate')?.approval?.status).toBe('withdrawn');
    const after = config(
      'parallel',
      [{ id: 'a' }, { id: 'gate', dependencies: ['a'], approval: {} }, { id: 'b', dependencies: ['a'] }],
      { settings },
    );
    const never = scenario(after).start({}).ok('a', { _tokens: 6 });
    expect(never.last).toEqual(['StepCompleted a #1', 'BudgetExceeded', 'ExecutionFailed budget_exceeded']);
    const then = config(
      'parallel',
      [{ id: 'a' }, { id: 'gate', dependencies: ['a'], approval: {} }, { id: 'b', dependencies: ['gate'] }],
      { settings },
    );
    const decided = scenario(then).start({}).ok('a', { _tokens: 6 });
    expect(decided.last).toContain('ApprovalRequested gate');
    expect(decided.approves('gate').last).toContain('ExecutionFailed budget_exceeded');
  });

  test('is in a snapshot, deadline and all', () => {
    const run = waiting();
    const restored = decodeSnapshot(
      run.state.config,
      JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue,
    );
    expect(restored).toBeDefined();
    expect(encodeSnapshot(restored ?? run.state)).toEqual(encodeSnapshot(run.state));
    run.state = restored ?? run.state;
    expect(nextWake(run.state)).toBe(NOON + 60_000);
    expect(run.approves('gate').outcome).toBe('done');
  });

  test('shows its decision between the two events of one commit, and waits no more', () => {
    const run = waiting();
    const before = run.state;
    run.approves('gate');
    const decided = run.events.at(-3) as Event;
    expect(decided.type).toBe('ApprovalDecided');
    const between = scenario(GATE);
    between.state = before;
    between.given(decided);
    expect(stepOf(between, 'gate')?.approval?.status).toBe('approved');
    expect(nextWake(between.state)).toBe(between.state.deadlineAt);
    expect(between.rejects('gate').rejected).toMatchObject({ code: 'already_decided' });
  });
});
