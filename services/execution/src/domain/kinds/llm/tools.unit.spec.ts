import { describe, expect, test } from '@jest/globals';
import type { JsonObject, JsonValue, LlmTool, OrchestrationDefinition } from '@batuta/contracts';
import { taskOf } from '../../task.js';
import { taskInput } from '../../expressions/inputs.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { commandIds } from '../../commands/command.js';
import { view } from '../../view/view.js';
import { NOON, config, failure, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const asking = (tools: LlmTool[], rest: Partial<OrchestrationDefinition> = {}): Scenario =>
  scenario(config('sequential', [{ id: 'ask', llm: { model: 'writer', prompt: 'Hi', tools } }], rest)).start({
    limit: 5,
  });
const says = (text: string): JsonValue => ({ text, finish_reason: 'stop' });
const wants = (...calls: [name: string, input: JsonValue][]): JsonValue => ({
  text: '',
  finish_reason: 'tool-calls',
  tool_calls: calls.map(([name, input], place) => ({ id: `call_${place}`, name, input })),
});
const messagesOf = (run: Scenario): JsonObject[] => {
  const task = taskOf(run.state, 'ask', { partition: 0, dispatch: 1, checkFirst: false });
  const { messages = [] } = (task?.input ?? {}) as JsonObject;
  return messages as JsonObject[];
};
const childOf = (run: Scenario, stepId: string) =>
  run.state.units.get(run.state.config.unitIndex.get(stepId) ?? -1)?.child;
const childStarted = (run: Scenario, stepId: string): Scenario =>
  run.when({
    type: 'RecordChildAnswer',
    childId: childOf(run, stepId)?.id ?? '',
    outcome: 'started',
    facts: { configId: 'c', configName: 'lookup', configVersion: 3, version: 1 },
  });
const childEnds = (run: Scenario, stepId: string, end: Record<string, unknown>): Scenario =>
  run.when({
    type: 'RecordChildEnd',
    id: commandIds.ended(childOf(run, stepId)?.id ?? ''),
    childId: childOf(run, stepId)?.id ?? '',
    end: { at: run.now, version: 9, ...end } as never,
  });

const GUARDED: LlmTool[] = [
  {
    name: 'refund',
    agent: 'payments',
    approval: { approvers: ['ann'], timeout_ms: 60_000 },
    retry: { max_attempts: 2 },
  },
];

/** The question about the first call. */
const CALL = 'ask:refund:1:5';

describe('a call that a human decides about', () => {
  const waiting = (): Scenario => asking(GUARDED).ok('ask', wants(['refund', { amount: 7 }]));

  test('is asked about with its tool and input, and is not made before', () => {
    const run = waiting();
    expect(run.last).toEqual(['ModelAnswered ask', 'ToolCalled ask:refund:1', 'ApprovalRequested ask:refund:1']);
    expect(run.lastEvents.at(-1)?.data).toEqual({
      stepId: 'ask:refund:1',
      decideAs: 'ask:refund:1:5',
      message: 'May the model call "refund"?',
      input: { tool: 'refund', input: { amount: 7 } },
      deadlineAt: NOON + 60_000,
      approvers: ['ann'],
    });
    expect(view(run.state).steps[0]?.llm?.calls).toMatchObject([
      {
        name: 'refund',
        status: 'asking',
        stepId: 'ask:refund:1:5',
        approval: { status: 'waiting', approvers: ['ann'] },
      },
    ]);
    expect(nextWake(run.state)).toBe(NOON + 60_000);
    const kept = JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue;
    run.state = decodeSnapshot(run.state.config, kept) ?? run.state;
    expect(encodeSnapshot(run.state)).toEqual(kept);
    expect(run.approves(CALL, { by: 'ann' }).outcome).toBe('done');
  });

  test('is made once it is approved, with all its attempts', () => {
    const run = waiting().approves(CALL, { by: 'ann' });
    expect(run.last).toEqual(['ApprovalDecided ask:refund:1 approved ann', 'StepScheduled ask:refund:1 #1']);
    run.fails('ask:refund:1', failure('busy')).wakes(60_000);
    expect(run.attempt('ask:refund:1')).toBe(2);
    run.ok('ask:refund:1', 'paid');
    expect(messagesOf(run).at(-1)).toMatchObject({ role: 'tool', content: 'paid' });
  });

  test('goes back to the model when it is declined, and is never made', () => {
    const run = waiting().rejects(CALL, { by: 'ann', comment: 'too much' });
    expect(run.last).toEqual([
      'ApprovalDecided ask:refund:1 rejected ann',
      'StepFailed ask:refund:1 approval_rejected continue',
      'StepScheduled ask #2',
    ]);
    expect(messagesOf(run).at(-1)).toMatchObject({
      is_error: true,
      content: { error: { code: 'approval_rejected', message: 'rejected by ann: too much' } },
    });
    // Each call is asked about anew, and an answer to the question before is none to this one.
    run.ok('ask', wants(['refund', { amount: 1 }]));
    expect(run.last.at(-1)).toBe('ApprovalRequested ask:refund:1');
    expect(run.approves(CALL, { by: 'ann' }).rejected?.code).toBe('not_awaiting_approval');
  });

  test('is declined when nobody decides in time, or made when the config says so', () => {
    expect(waiting().wakes(60_000).last).toEqual([
      'ApprovalDecided ask:refund:1 rejected by time',
      'StepFailed ask:refund:1 approval_timeout continue',
      'StepScheduled ask #2',
    ]);
    const [guarded] = GUARDED;
    const lenient = asking([{ ...(guarded as LlmTool), approval: { timeout_ms: 10, on_timeout: 'approve' } }]);
    lenient.ok('ask', wants(['refund', 1])).wakes(10);
    expect(lenient.last).toContain('StepScheduled ask:refund:1 #1');
  });

  test('is decided by nobody else, not by a skip, and once', () => {
    const run = waiting();
    expect(run.approves(CALL, { by: 'bob' }).rejected?.code).toBe('not_an_approver');
    expect(run.when({ type: 'SkipStep', stepId: 'ask', by: 'bob' }).rejected?.code).toBe('not_an_approver');
    expect(run.when({ type: 'SkipStep', stepId: 'ask:refund:1', by: 'ann' }).rejected?.code).toBe('step_not_found');
    run.approves(CALL, { by: 'ann' });
    expect(run.rejects(CALL, { by: 'ann' }).rejected).toMatchObject({
      code: 'already_decided',
      message: expect.stringContaining('it was approved') as unknown,
    });
    expect(run.approves(`${CALL}0`, { by: 'ann' }).rejected?.code).toBe('not_awaiting_approval');
    run.ok('ask:refund:1', { approved: true });
    expect(run.approves(CALL, { by: 'ann' }).rejected?.code).toBe('not_awaiting_approval');
  });

  test('is asked about only when its condition holds; one that cannot be evaluated is not made', () => {
    const tools: LlmTool[] = [
      { name: 'refund', agent: 'payments', approval: { when: 'call.input.amount > input.limit' } },
    ];
    const run = asking(tools).ok('ask', wants(['refund', { amount: 7 }]));
    expect(run.last.at(-1)).toBe('EvaluationRequested when:ask:refund:1');
    expect(run.effects).toContainEqual(
      expect.objectContaining({ context: { call: { tool: 'refund', input: { amount: 7 } }, input: { limit: 5 } } }),
    );
    run.evaluated('when:ask:refund:1', true);
    expect(run.last.at(-1)).toBe('ApprovalRequested ask:refund:1');
    const small = asking(tools)
      .ok('ask', wants(['refund', { amount: 1 }]))
      .evaluated('when:ask:refund:1', false);
    expect(small.last.at(-1)).toBe('StepScheduled ask:refund:1 #1');
    const broken = asking(tools)
      .ok('ask', wants(['refund', {}]))
      .evaluationFails('when:ask:refund:1');
    expect(broken.last).toContain('StepFailed ask:refund:1 expression_failed continue');
    const path: LlmTool[] = [{ name: 'refund', agent: 'payments', approval: { when: 'call.input.large' } }];
    expect(
      asking(path)
        .ok('ask', wants(['refund', { large: true }]))
        .last.at(-1),
    ).toBe('ApprovalRequested ask:refund:1');
    expect(
      asking(path)
        .ok('ask', wants(['refund', {}]))
        .last.at(-1),
    ).toBe('StepScheduled ask:refund:1 #1');
  });

  test('waits through a pause, and is gone with its step', () => {
    const run = waiting().when({ type: 'PauseExecution', now: true });
    run.approves(CALL, { by: 'ann' });
    expect(run.last).toEqual(['ApprovalDecided ask:refund:1 approved ann']);
    expect(run.when({ type: 'ResumeExecution' }).last.at(-1)).toBe('StepScheduled ask:refund:1 #1');
    const gone = waiting().when({ type: 'CancelExecution', by: 'bob' });
    expect(gone.approves(CALL, { by: 'ann' }).rejected?.code).toBe('already_cancelled');
  });

  test('is asked about again when the execution is retried, since the conversation begins anew', () => {
    const run = waiting().when({ type: 'TerminateExecution' });
    run.when({ type: 'RetryExecution', by: 'bob' }).ok('ask', wants(['refund', { amount: 7 }]));
    expect(run.last.at(-1)).toBe('ApprovalRequested ask:refund:1');
  });
});

describe('a tool that is a config', () => {
  const tools: LlmTool[] = [{ name: 'lookup', config: 'lookup', parallel: 2 }];

  test('is an execution for each call, also with the same input', () => {
    const run = asking(tools).ok('ask', wants(['lookup', { q: 1 }], ['lookup', { q: 1 }]));
    expect(run.last.filter((line) => line.startsWith('ChildRequested'))).toEqual([
      'ChildRequested ask:lookup:1',
      'ChildRequested ask:lookup:2',
    ]);
    expect(childOf(run, 'ask:lookup:1')?.id).not.toBe(childOf(run, 'ask:lookup:2')?.id);
    expect(taskInput(run.state, 'ask:lookup:1')).toEqual({ q: 1 });
    childStarted(run, 'ask:lookup:1');
    childEnds(run, 'ask:lookup:1', { status: 'completed', output: { found: 1 }, tokenCount: 5 });
    expect(run.last).toEqual(['ChildEnded ask:lookup:1', 'StepCompleted ask:lookup:1 #0']);
    childStarted(run, 'ask:lookup:2');
    childEnds(run, 'ask:lookup:2', {
      status: 'failed',
      failure: { code: 'broken', message: 'no', retryable: false },
    });
    expect(run.last).toEqual([
      'ChildEnded ask:lookup:2',
      'StepFailed ask:lookup:2 child_failed continue',
      'StepScheduled ask #2',
    ]);
    expect(messagesOf(run).slice(-2)).toMatchObject([
      { content: { found: 1 } },
      { is_error: true, content: { error: { code: 'child_failed' } } },
    ]);
    expect(run.state.spentTokens).toBe(5);
    const first = childOf(run, 'ask:lookup:1')?.id;
    run.ok('ask', wants(['lookup', { q: 1 }]));
    expect(run.last.at(-1)).toBe('ChildRequested ask:lookup:1');
    expect(childOf(run, 'ask:lookup:1')).toMatchObject({ number: 2, resumed: false });
    expect(childOf(run, 'ask:lookup:1')?.id).not.toBe(first);
  });

  test('is cancelled with its step, and told so until it knows', () => {
    const run = asking(tools).ok('ask', wants(['lookup', {}]));
    childStarted(run, 'ask:lookup:1');
    run.when({ type: 'SkipStep', stepId: 'ask', by: 'ann' });
    expect(run.effects).toContainEqual(expect.objectContaining({ type: 'commandChild', stepId: 'ask:lookup:1' }));
    expect(childOf(run, 'ask:lookup:1')?.command?.command).toBe('cancel');
    expect(run.wanted).toContainEqual(expect.objectContaining({ type: 'commandChild' }));
  });
});

describe('a conversation that is handed over', () => {
  const tools: LlmTool[] = [
    { name: 'billing', agent: 'billing_agent', hand_over: 'dialogue' },
    { name: 'look', agent: 'look' },
  ];

  test('ends the step with what the other one gives, which has its filtered messages', () => {
    const run = asking(tools)
      .ok('ask', wants(['look', {}]))
      .ok('ask:look:1', 'secret');
    run.ok('ask', { ...(wants(['billing', { topic: 'refund' }], ['look', {}]) as JsonObject), text: 'One moment.' });
    expect(run.last).toEqual(['ModelAnswered ask', 'ToolCalled ask:billing:1', 'StepScheduled ask:billing:1 #1']);
    expect(taskInput(run.state, 'ask:billing:1')).toEqual({
      topic: 'refund',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'One moment.' },
      ],
    });
    run.ok('ask:billing:1', { text: 'Refunded.' });
    expect(run.last).toEqual(['StepCompleted ask:billing:1 #1', 'StepCompleted ask #0', 'ExecutionCompleted']);
    expect(view(run.state).output).toEqual({ text: 'Refunded.' });
  });

  test('goes back to the model when the other one fails', () => {
    const run = asking(tools)
      .ok('ask', wants(['billing', {}]))
      .fails('ask:billing:1');
    expect(run.last.at(-1)).toBe('StepScheduled ask #2');
    run.ok('ask', says('Sorry.'));
    expect(view(run.state).output).toEqual({ text: 'Sorry.', finish_reason: 'stop' });
  });

  test.each([
    ['none', { topic: 1 }],
    ['last', { topic: 1, messages: [{ role: 'user', content: 'Hi' }] }],
    [
      'all',
      {
        topic: 1,
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: '', tool_calls: [{ id: 'call_0', name: 'look', input: {} }] },
          { role: 'tool', tool_call_id: 'call_0', name: 'look', content: 'secret' },
        ],
      },
    ],
  ] as const)('hands on %s', (how, expected) => {
    const run = asking([
      { name: 'billing', agent: 'b', hand_over: how },
      { name: 'look', agent: 'look' },
    ]);
    run
      .ok('ask', wants(['look', {}]))
      .ok('ask:look:1', 'secret')
      .ok('ask', wants(['billing', { topic: 1 }]));
    expect(taskInput(run.state, 'ask:billing:1')).toEqual(expected);
  });
});

describe('an agent that is made of a model', () => {
  const AGENT = { configId: '0190a5b4-0000-7000-8000-000000000009', version: 4 };
  const delegates = (run: Scenario, stepId: string): Scenario =>
    run.when({
      type: 'DelegateAttempt',
      id: commandIds.delegated(stepId, 1),
      stepId,
      attempt: run.attempt(stepId),
      ...AGENT,
    });
  const started = (more: Record<string, unknown> = {}): Scenario =>
    scenario(config('sequential', [{ id: 'a', agent: 'helper', ...more }, { id: 'b' }])).start({ q: 1 });

  test('works in an execution of its own, whose output is that of the attempt', () => {
    const run = delegates(started(), 'a');
    expect(run.last).toEqual(['ChildRequested a']);
    expect(run.lastEvents[0]?.data).toMatchObject({
      attempt: 1,
      config: 'helper',
      configId: AGENT.configId,
      configVersion: 4,
      number: 1,
    });
    expect(run.effects).toMatchObject([{ type: 'startChild', stepId: 'a' }]);
    // A repeated dispatch finds that it is done.
    expect(delegates(run, 'a').outcome).toBe('stale');
    childStarted(run, 'a');
    childEnds(run, 'a', { status: 'completed', output: { text: 'Yes.' }, tokenCount: 3 });
    expect(run.last).toEqual(['ChildEnded a', 'StepCompleted a #1', 'StepScheduled b #1']);
    expect(view(run.state)).toMatchObject({
      steps: [{ status: 'completed', output: { text: 'Yes.' }, agentVersion: '4', tokenCount: 3 }, {}],
      children: [{ stepId: 'a', status: 'completed' }],
    });
  });

  test('is tried again by its step’s policy, each attempt in another execution', () => {
    const run = delegates(started({ retry: { max_attempts: 2, backoff_ms: 10, jitter: 'none' } }), 'a');
    const first = childOf(run, 'a')?.id;
    childStarted(run, 'a');
    childEnds(run, 'a', { status: 'failed', failure: { code: 'model_unavailable', message: 'busy', retryable: true } });
    expect(run.last).toEqual(['ChildEnded a', 'StepAttemptFailed a #1 model_unavailable +10']);
    delegates(run.wakes(10), 'a');
    expect(childOf(run, 'a')).toMatchObject({ number: 2, attempt: { number: 2 } });
    expect(childOf(run, 'a')?.id).not.toBe(first);
    childStarted(run, 'a');
    childEnds(run, 'a', { status: 'failed', failure: { code: 'model_key_refused', message: 'no', retryable: false } });
    expect(run.last).toContain('StepFailed a model_key_refused abort');
  });

  test('is out of time when the config says how long it may take, and then its execution is cancelled', () => {
    const run = delegates(started({ timeout_ms: 500 }), 'a');
    childStarted(run, 'a');
    expect(nextWake(run.state)).toBe(NOON + 500);
    run.wakes(500);
    expect(run.last.slice(0, 2)).toEqual(['StepAttemptFailed a #1 timeout final', 'StepFailed a timeout abort']);
    expect(run.effects).toContainEqual(expect.objectContaining({ type: 'commandChild', stepId: 'a' }));
    expect(nextWake(delegates(started(), 'a').state)).toBeGreaterThan(NOON + 60_000);
  });

  test('is paused, cancelled and skipped with its step', () => {
    const run = delegates(started(), 'a');
    childStarted(run, 'a');
    run.when({ type: 'PauseExecution', now: true });
    expect(childOf(run, 'a')?.command?.command).toBe('pause');
    run.when({ type: 'ResumeExecution' });
    expect(childOf(run, 'a')?.command?.command).toBe('resume');
    run.when({ type: 'SkipStep', stepId: 'a', by: 'ann' });
    expect(childOf(run, 'a')?.command?.command).toBe('cancel');
    expect(run.last).toContain('StepScheduled b #1');
  });

  test('fails its attempt when its execution is refused', () => {
    const run = delegates(started(), 'a');
    const refusal = { code: 'input_invalid' as const, message: 'no' };
    run.when({ type: 'RecordChildAnswer', childId: childOf(run, 'a')?.id ?? '', outcome: 'refused', refusal });
    expect(run.last).toContain('StepFailed a child_refused abort');
  });

  test('is a tool and a judge like any other agent', () => {
    const run = asking([{ name: 'helper', agent: 'helper' }]).ok('ask', wants(['helper', { q: 2 }]));
    delegates(run, 'ask:helper:1');
    childStarted(run, 'ask:helper:1');
    childEnds(run, 'ask:helper:1', { status: 'completed', output: 'told' });
    expect(run.last).toEqual(['ChildEnded ask:helper:1', 'StepCompleted ask:helper:1 #1', 'StepScheduled ask #2']);
    const group = { id: 'g', mode: 'judge' as const, judge: 'arbiter' };
    const steps = ['x', 'y'].map((id) => ({ id, consensus_group: 'g' }));
    const judged = scenario(config('consensus', steps, { consensus_groups: [group] }))
      .start({})
      .ok('x')
      .ok('y');
    delegates(judged, 'g:judge');
    childStarted(judged, 'g:judge');
    childEnds(judged, 'g:judge', { status: 'completed', output: { winner: 'y' } });
    expect(judged.last.slice(0, 3)).toEqual([
      'ChildEnded g:judge',
      'StepCompleted g:judge #1',
      'ConsensusReached g judge y',
    ]);
  });
});
