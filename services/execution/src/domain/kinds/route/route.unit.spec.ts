import { describe, expect, test } from '@jest/globals';
import type { JsonObject, JsonValue, OrchestrationDefinition, Route, StepDefinition } from '@batuta/contracts';
import { commandIds } from '../../commands/command.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { taskOf } from '../../task.js';
import { view } from '../../view/view.js';
import { config, failure, NOON, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const CANDIDATES: Route['candidates'] = [
  { name: 'billing', agent: 'payments', description: 'Money', keywords: ['refund', 'charged twice'] },
  { name: 'orders', agent: 'shop', description: 'Orders', when: 'input.order' },
  { name: 'other', config: 'desk', description: 'All else' },
];
const WITHOUT_RULES = CANDIDATES.map(({ keywords: _keywords, when: _when, ...rest }) => rest);

const routing = (
  route: Partial<Route> = {},
  step: Partial<StepDefinition> = {},
  rest: Partial<OrchestrationDefinition> = {},
): OrchestrationDefinition =>
  config('sequential', [{ id: 'r', route: { candidates: CANDIDATES, ...route }, ...step }], rest);
const start = (
  input: JsonValue,
  route?: Partial<Route>,
  step?: Partial<StepDefinition>,
  rest?: Partial<OrchestrationDefinition>,
): Scenario => scenario(routing(route, step, rest)).start(input);
const MODEL: Partial<Route> = { mode: 'model', model: 'writer', candidates: WITHOUT_RULES };
const asked = (route: Partial<Route> = {}, step?: Partial<StepDefinition>, rest?: Partial<OrchestrationDefinition>) =>
  start({ message: 'Where is my money?' }, { ...MODEL, ...route }, step, rest);

const says = (output: JsonObject, more: JsonObject = {}): JsonValue => ({
  text: JSON.stringify(output),
  output,
  model: { id: 'm', name: 'writer' },
  ...more,
});
const choice = (chosen: string, confidence: number): JsonObject => ({ chosen, confidence, reason: 'it is clear' });
const task = (run: Scenario, stepId: string) =>
  taskOf(run.state, stepId, { partition: 0, dispatch: 1, checkFirst: false });
const decisions = (run: Scenario): number => run.events.filter(({ type }) => type === 'RouteDecided').length;
const stepOf = (run: Scenario) => view(run.state).steps[0];

describe('a route by rules', () => {
  test('lets the first candidate work whose keyword is in the message, and gives its output', () => {
    const run = start({ message: 'I was CHARGED  twice!' });
    expect(run.last).toEqual(['ExecutionStarted', 'RouteDecided r', 'StepScheduled r:billing:1 #1']);
    expect(run.lastEvents[1]?.data).toEqual({
      stepId: 'r',
      chosen: 'billing',
      chosenId: 'r:billing:1',
      by: 'rules',
      confidence: 1,
      reason: 'the message has "charged twice"',
      scores: [{ candidate: 'billing', score: 1 }],
    });
    expect(task(run, 'r:billing:1')).toMatchObject({
      agent: 'payments',
      input: { message: 'I was CHARGED  twice!' },
      idempotencyKey: 'execution-1/r:billing:1/1',
    });
    run.ok('r:billing:1', { paid: 12 });
    expect(run.last).toEqual(['StepCompleted r:billing:1 #1', 'StepCompleted r #0', 'ExecutionCompleted']);
    expect(view(run.state).output).toEqual({ paid: 12 });
    expect(stepOf(run)).toMatchObject({ status: 'completed', route: { chosen: 'billing', by: 'rules' } });
  });

  test.each<[string, JsonValue, string | undefined]>([
    ['a part of a word is no keyword', { message: 'refunds' }, undefined],
    ['a keyword stands between signs', { message: '(Refund)' }, 'billing'],
    ['a condition sees the input', { message: 'Hi', order: 7 }, 'orders'],
    ['the first in order is chosen', { message: 'refund', order: 7 }, 'billing'],
    ['without a message the whole input is read', { text: 'refund' }, 'billing'],
  ])('%s', (_title, input, chosen) => {
    const run = start(input, { fallback: 'other' });
    expect(stepOf(run)).toMatchObject({ route: chosen === undefined ? { by: 'fallback' } : { chosen, by: 'rules' } });
  });

  test('does not read the whole input in place of a message that a mapping does not find', () => {
    const run = start({ text: 'refund' }, { message: '{% input.subject %}', fallback: 'other' });
    expect(stepOf(run)).toMatchObject({ route: { chosen: 'other', by: 'fallback' } });
  });

  test('fails when no rule holds and there is no fallback', () => {
    const candidates = CANDIDATES.slice(0, 1);
    const run = start({ message: 'Hi' }, { candidates });
    expect(run.last).toEqual([
      'ExecutionStarted',
      'StepFailed r route_undecided abort',
      'ExecutionFailed r route_undecided',
    ]);
    expect(view(run.state).failure).toMatchObject({ message: 'no rule holds; the route has no fallback' });
  });

  test('has the sandbox evaluate conditions that are more than a path, all at once', () => {
    const candidates = [
      { name: 'large', agent: 'payments', when: 'input.amount > 100' },
      { name: 'small', agent: 'payments', when: 'input.amount <= 100' },
    ];
    const run = start({ amount: 7 }, { candidates });
    expect(run.last).toEqual(['ExecutionStarted', 'EvaluationRequested input:r']);
    run.evaluated('input:r', false, true);
    expect(run.last).toEqual(['EvaluationRecorded input:r', 'RouteDecided r', 'StepScheduled r:small:1 #1']);
    expect(start({ amount: 7 }, { candidates }).evaluationFails('input:r').last).toContain(
      'StepFailed r expression_failed abort',
    );
  });

  test('starts a config as a child, whose output is the step’s', () => {
    const run = start('Hi', { candidates: CANDIDATES.slice(2), fallback: 'other' }, { input: { q: 1 } });
    expect(run.last).toEqual(['ExecutionStarted', 'RouteDecided r', 'ChildRequested r:other:1']);
    const childId = run.state.units.get(run.state.config.unitIndex.get('r:other:1') ?? -1)?.child?.id ?? '';
    const facts = { configId: 'c', configName: 'desk', configVersion: 3, version: 1 };
    run.when({ type: 'RecordChildAnswer', childId, outcome: 'started', facts });
    const end = { at: run.now, version: 9, status: 'completed', output: 'done' };
    run.when({ type: 'RecordChildEnd', id: commandIds.ended(childId), childId, end: end as never });
    expect(run.last.slice(-2)).toEqual(['StepCompleted r #0', 'ExecutionCompleted']);
    expect(view(run.state).output).toBe('done');
  });

  test('fails with its candidate, for its reason', () => {
    const run = start({ message: 'refund' }).fails('r:billing:1', failure('no_money', false));
    expect(run.last).toEqual([
      'StepAttemptFailed r:billing:1 #1 no_money final',
      'StepFailed r:billing:1 no_money continue',
      'StepFailed r no_money abort',
      'ExecutionFailed r no_money',
    ]);
    expect(view(run.state).failure?.message).toBe('the candidate "billing" failed: no_money happened');
  });
});

describe('a route by a model', () => {
  test('asks once with the candidates, and decides by the answer', () => {
    const run = asked({ instructions: 'Money first.' });
    expect(run.last).toEqual(['ExecutionStarted', 'RouteAsked r', 'StepScheduled r:model:0 #1']);
    const made = task(run, 'r:model:0');
    expect(made).toMatchObject({ agent: 'ask_model', maxAttempts: 5 });
    const { messages, output_schema: schema, model } = (made?.input ?? {}) as Record<string, JsonObject[] & JsonObject>;
    expect(model).toBe('writer');
    expect(messages?.[0]?.['content']).toMatch(
      /Money first\.\n\nCandidates: \[\{"name":"billing","description":"Money"\}/,
    );
    expect(messages?.[1]).toEqual({ role: 'user', content: 'Where is my money?' });
    expect(schema).toMatchObject({ properties: { chosen: { enum: ['billing', 'orders', 'other'] } } });
    run.ok('r:model:0', says(choice('billing', 0.9), { _tokens: { input: 20, output: 5 }, _cost: 0.25 }));
    expect(run.last).toEqual(['StepCompleted r:model:0 #1', 'RouteDecided r', 'StepScheduled r:billing:1 #1']);
    expect(run.lastEvents[1]?.data).toEqual({
      stepId: 'r',
      chosen: 'billing',
      chosenId: 'r:billing:1',
      by: 'model',
      confidence: 0.9,
      reason: 'it is clear',
      scores: [{ candidate: 'billing', score: 0.9 }],
      model: { id: 'm', name: 'writer' },
      tokens: 25,
    });
    expect(view(run.state)).toMatchObject({ tokenCount: 25, estimatedCost: 0.25 });
    run.ok('r:billing:1', { paid: 1 });
    expect(view(run.state)).toMatchObject({ status: 'completed', output: { paid: 1 } });
    expect(decisions(run)).toBe(1);
  });

  test('asks once more when the answer names nobody, then takes the fallback', () => {
    const run = asked({ fallback: 'orders' }).ok('r:model:0', says(choice('nobody', 1)));
    expect(run.last).toEqual(['StepCompleted r:model:0 #1', 'RouteAsked r', 'StepScheduled r:model:0 #2']);
    const made = task(run, 'r:model:0');
    expect(made).toMatchObject({ idempotencyKey: 'execution-1/r:model:0/2' });
    expect(made?.input).toMatchObject({ messages: { length: 4 } });
    run.ok('r:model:0', { text: 'Dunno', problem: 'it is not JSON.' });
    expect(run.last).toEqual(['StepCompleted r:model:0 #2', 'RouteDecided r', 'StepScheduled r:orders:1 #1']);
    expect(stepOf(run)?.route).toMatchObject({
      by: 'fallback',
      confidence: 0,
      reason: 'the model gave no answer that fits: it is not JSON.',
    });
  });

  test('takes the answer to the second question', () => {
    const run = asked()
      .ok('r:model:0', { text: '', problem: 'no' })
      .ok('r:model:0', says(choice('orders', 0.5)));
    expect(stepOf(run)?.route).toMatchObject({ chosen: 'orders', by: 'model' });
  });

  test('does not count a choice below min_confidence, and says the scores', () => {
    const run = asked({ min_confidence: 0.8 }).ok('r:model:0', says(choice('billing', 0.79)));
    expect(run.last).toContain('StepFailed r route_undecided abort');
    expect(view(run.state).failure).toMatchObject({
      message: 'no candidate reaches min_confidence 0.8: billing 0.79 (it is clear); the route has no fallback',
      details: { scores: [{ candidate: 'billing', score: 0.79 }] },
    });
    const saved = asked({ min_confidence: 0.8, fallback: 'other' }).ok('r:model:0', says(choice('billing', 0.79)));
    expect(saved.last).toEqual(['StepCompleted r:model:0 #1', 'RouteDecided r', 'ChildRequested r:other:1']);
    expect(stepOf(saved)?.route).toMatchObject({ chosen: 'other', by: 'fallback', confidence: 0.79 });
  });

  test('fails when the model cannot be asked', () => {
    const run = asked({ fallback: 'other' }).fails('r:model:0', failure('model_quota', false));
    expect(run.last).toContain('StepFailed r model_quota abort');
    expect(decisions(run)).toBe(0);
  });

  test('asks the model only when no rule holds, in mode hybrid', () => {
    const hybrid: Partial<Route> = { ...MODEL, mode: 'hybrid', candidates: CANDIDATES.slice(0, 1) };
    expect(start({ message: 'refund' }, hybrid).last).toContain('RouteDecided r');
    const run = start({ message: 'Hi' }, hybrid);
    expect(run.last).toEqual(['ExecutionStarted', 'RouteAsked r', 'StepScheduled r:model:0 #1']);
    run.ok('r:model:0', says(choice('billing', 1)));
    expect(stepOf(run)?.route).toMatchObject({ chosen: 'billing', by: 'model' });
  });

  test('asks by meaning with descriptions and examples, and takes the most similar candidate', () => {
    const semantic: Partial<Route> = { mode: 'semantic', embedding_model: 'vectors', candidates: WITHOUT_RULES };
    const run = start({ message: 'Where?' }, semantic);
    expect(run.last).toEqual(['ExecutionStarted', 'RouteAsked r', 'StepScheduled r:semantic:0 #1']);
    expect(task(run, 'r:semantic:0')).toMatchObject({
      agent: 'compare_meaning',
      input: { model: 'vectors', text: 'Where?', candidates: [{ name: 'billing', texts: ['Money'] }, {}, {}] },
    });
    const scores = [
      { name: 'billing', score: 0.2 },
      { name: 'nobody', score: 1 },
      { name: 'orders', score: 0.8 },
    ];
    run.ok('r:semantic:0', { scores, model: { name: 'vectors' }, _tokens: 9 });
    expect(run.last).toEqual(['StepCompleted r:semantic:0 #1', 'RouteDecided r', 'StepScheduled r:orders:1 #1']);
    expect(run.lastEvents[1]?.data).toMatchObject({
      by: 'semantic',
      confidence: 0.8,
      scores: [
        { candidate: 'orders', score: 0.8 },
        { candidate: 'billing', score: 0.2 },
      ],
      model: { name: 'vectors' },
      tokens: 9,
    });
    const unsure = start({ message: 'Where?' }, { ...semantic, min_confidence: 0.9 }).ok('r:semantic:0', { scores });
    expect(view(unsure.state).failure).toMatchObject({
      code: 'route_undecided',
      details: { scores: [{ candidate: 'orders' }, { candidate: 'billing' }] },
    });
  });

  test('asks the model when meanings are not similar enough, in mode hybrid', () => {
    const hybrid: Partial<Route> = { ...MODEL, mode: 'hybrid', embedding_model: 'vectors' };
    const run = start({ message: 'Where?' }, hybrid).ok('r:semantic:0', { scores: [{ name: 'orders', score: 0.4 }] });
    expect(run.last).toEqual(['StepCompleted r:semantic:0 #1', 'RouteAsked r', 'StepScheduled r:model:0 #1']);
    run.ok('r:model:0', says(choice('billing', 0.9), { _tokens: 5 }));
    expect(stepOf(run)?.route).toMatchObject({ chosen: 'billing', by: 'model', tokens: 5 });
    expect(decisions(run)).toBe(1);
  });

  test('does not ask again after a snapshot, a pause or a retry of the candidate', () => {
    const run = asked({ candidates: WITHOUT_RULES.map((each) => ({ ...each, retry: { max_attempts: 2 } })) });
    run.when({ type: 'PauseExecution' }).ok('r:model:0', says(choice('billing', 1)));
    expect(run.last).toEqual(['StepCompleted r:model:0 #1']);
    const copy = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue);
    expect(copy).toEqual(run.state);
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'RouteDecided r', 'StepScheduled r:billing:1 #1']);
    run.fails('r:billing:1', failure('busy'));
    expect(run.last.at(-1)).toBe('StepScheduled r:billing:1 #2');
    run.when({ type: 'PauseExecution', now: true }).when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'StepScheduled r:billing:1 #3']);
    run.ok('r:billing:1', 1);
    expect(view(run.state)).toMatchObject({ status: 'completed', output: 1 });
    expect(decisions(run)).toBe(1);
  });

  test('reserves its share of the budget, and is not asked when nothing is left', () => {
    const settings = { budget: { max_tokens: 100 } };
    const run = asked({}, {}, { settings });
    expect(run.lastEvents.at(-1)?.data).toMatchObject({ stepId: 'r:model:0', reserved: { maxTokens: 100 } });
    expect(task(run, 'r:model:0')?.input).toMatchObject({ budget: { tokens: 100 } });
    run.ok('r:model:0', { text: '', problem: 'no', _tokens: 100 });
    expect(run.last).toContain('StepFailed r budget_too_small abort');
    const spent = asked({}, {}, { settings }).ok('r:model:0', says(choice('billing', 1), { _tokens: 101 }));
    expect(spent.last).toEqual(['StepCompleted r:model:0 #1', 'BudgetExceeded', 'ExecutionFailed budget_exceeded']);
  });

  test('stops what it asked when it is skipped or out of time', () => {
    const skipped = asked().when({ type: 'SkipStep', stepId: 'r', by: 'ann' });
    expect(skipped.last.slice(0, 1)).toEqual(['StepSkipped r requested']);
    expect(skipped.effects).toContainEqual(
      expect.objectContaining({ type: 'stopAttempts', attempts: [expect.objectContaining({ stepId: 'r:model:0' })] }),
    );
    const late = asked({}, { schedule_to_close_ms: 500 });
    expect(nextWake(late.state)).toBe(NOON + 500);
    expect(late.wakes(500).last).toContain('StepFailed r schedule_to_close_timeout abort');
  });

  test('decides anew in each iteration of a repeat, and once in each', () => {
    const run = asked({}, { repeat: { until: 'result.done', max_iterations: 3 } });
    run.ok('r:model:0', says(choice('orders', 1))).ok('r:orders:1', { done: false });
    expect(run.last).toEqual([
      'StepCompleted r:orders:1 #1',
      'IterationCompleted r',
      'IterationPlanned r',
      'RouteAsked r',
      'StepScheduled r:model:0 #2',
    ]);
    run.ok('r:model:0', says(choice('billing', 1))).ok('r:billing:1', { done: true });
    expect(run.last.at(-1)).toBe('ExecutionCompleted');
    expect(decisions(run)).toBe(2);
    expect(view(run.state).output).toEqual({ done: true });
  });
});
