import { describe, expect, test } from '@jest/globals';
import type { JsonObject, JsonValue, Llm, OrchestrationDefinition, StepDefinition } from '@batuta/contracts';
import { taskOf } from '../../task.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { view } from '../../view/view.js';
import { config, failure, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const TOOLS = [
  { name: 'weather', agent: 'weather_service' },
  { name: 'news', agent: 'news_service', parallel: 1, max_result_bytes: 100, retry: { max_attempts: 2 } },
  { name: 'done', finish: true },
];

const asking = (
  llm: Partial<Llm> = {},
  step: Partial<StepDefinition> = {},
  rest: Partial<OrchestrationDefinition> = {},
): OrchestrationDefinition =>
  config(
    'sequential',
    [{ id: 'ask', llm: { model: 'writer', system: 'Be brief.', prompt: '{% input.question %}', ...llm }, ...step }],
    rest,
  );

const start = (llm?: Partial<Llm>, step?: Partial<StepDefinition>, rest?: Partial<OrchestrationDefinition>): Scenario =>
  scenario(asking(llm, step, rest)).start({ question: 'Umbrella?' });

const says = (text: string, more: JsonObject = {}): JsonValue => ({ text, finish_reason: 'stop', ...more });
const wants = (...names: string[]): JsonValue => ({
  text: '',
  finish_reason: 'tool-calls',
  tool_calls: names.map((name, place) => ({ id: `call_${place}`, name, input: { place } })),
});

const task = (run: Scenario, stepId: string): JsonObject => {
  const made = taskOf(run.state, stepId, { partition: 0, dispatch: 1, checkFirst: false });
  return made as unknown as JsonObject;
};
const inputOf = (run: Scenario, stepId: string): JsonObject => task(run, stepId)['input'] as JsonObject;
const stepOf = (run: Scenario) => view(run.state).steps[0];

describe('a step that asks a model', () => {
  test('asks it once and is done when it answers', () => {
    const run = start();
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled ask #1']);
    expect(task(run, 'ask')).toMatchObject({ agent: 'ask_model', idempotencyKey: 'execution-1/ask/1' });
    expect(inputOf(run, 'ask')).toEqual({
      model: 'writer',
      on_invalid: 'report',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Umbrella?' },
      ],
    });
    run.ok('ask', says('Yes.', { _tokens: { input: 9, output: 2 }, _cost: 0.5, model: { id: 'm' } }));
    expect(run.last).toEqual(['ModelAnswered ask', 'StepCompleted ask #0', 'ExecutionCompleted']);
    expect(run.lastEvents[0]?.data).toMatchObject({ turn: 1, next: 'end', tokenCount: 11, estimatedCost: 0.5 });
    expect(view(run.state)).toMatchObject({
      output: { text: 'Yes.', finish_reason: 'stop' },
      tokenCount: 11,
      estimatedCost: 0.5,
    });
    expect(stepOf(run)).toMatchObject({ status: 'completed', attempt: 1, retryCount: 0, llm: { turns: 1 } });
  });

  test('calls what the model wants called, side by side, and gives it the results in the order of its calls', () => {
    const run = start({ tools: TOOLS });
    run.ok('ask', wants('weather', 'weather'));
    expect(run.last).toEqual([
      'ModelAnswered ask',
      'ToolCalled ask:weather:1',
      'StepScheduled ask:weather:1 #1',
      'ToolCalled ask:weather:2',
      'StepScheduled ask:weather:2 #1',
    ]);
    expect(task(run, 'ask:weather:2')).toMatchObject({ agent: 'weather_service', input: { place: 1 } });
    expect(stepOf(run)).toMatchObject({ status: 'running', llm: { turns: 1, calls: [{ status: 'running' }, {}] } });
    run.ok('ask:weather:2', 'dry');
    expect(run.last).toEqual(['StepCompleted ask:weather:2 #1']);
    run.ok('ask:weather:1', 'wet');
    expect(run.last).toEqual(['StepCompleted ask:weather:1 #1', 'StepScheduled ask #2']);
    const messages = inputOf(run, 'ask')['messages'] as JsonObject[];
    expect(messages.slice(2)).toEqual([
      {
        role: 'assistant',
        content: '',
        tool_calls: [
          { id: 'call_0', name: 'weather', input: { place: 0 } },
          { id: 'call_1', name: 'weather', input: { place: 1 } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_0', name: 'weather', content: 'wet' },
      { role: 'tool', tool_call_id: 'call_1', name: 'weather', content: 'dry' },
    ]);
    expect(task(run, 'ask')).toMatchObject({ idempotencyKey: 'execution-1/ask/2' });
    run.ok('ask', wants('weather'));
    // The same unit makes another call, with another attempt.
    expect(run.last).toContain('StepScheduled ask:weather:1 #2');
    expect(task(run, 'ask:weather:1')).toMatchObject({ idempotencyKey: 'execution-1/ask:weather:1/2' });
  });

  test('makes as many calls of a tool at once as it may, and the others after them', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('news', 'news'));
    expect(run.last).toEqual(['ModelAnswered ask', 'ToolCalled ask:news:1', 'StepScheduled ask:news:1 #1']);
    run.ok('ask:news:1', 'a'.repeat(500));
    expect(run.last).toEqual(['StepCompleted ask:news:1 #1', 'ToolCalled ask:news:1', 'StepScheduled ask:news:1 #2']);
    run.fails('ask:news:1', failure('busy'));
    run.wakes(60_000);
    run.fails('ask:news:1', failure('busy'));
    // The model handles the failure of a tool.
    expect(run.last).toEqual([
      'StepAttemptFailed ask:news:1 #3 busy final',
      'StepFailed ask:news:1 busy continue',
      'StepScheduled ask #2',
    ]);
    const [, , , long, failed] = inputOf(run, 'ask')['messages'] as JsonObject[];
    expect(long).toMatchObject({ content: { truncated: true, bytes: 502, beginning: 'a'.repeat(100) } });
    expect(failed).toMatchObject({ is_error: true, content: { error: { code: 'busy' } } });
  });

  test('calls no tool that its config does not name, whatever was asked for or reported', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('delete_everything', 'weather'));
    expect(run.last).toEqual(['ModelAnswered ask', 'ToolCalled ask:weather:1', 'StepScheduled ask:weather:1 #1']);
    run.ok('ask:weather:1', { tools: ['delete_everything'], approved: true });
    const [, , , refused] = inputOf(run, 'ask')['messages'] as JsonObject[];
    expect(refused).toMatchObject({ is_error: true, content: 'There is no tool "delete_everything".' });
    run.ok('ask', wants('nothing'));
    expect(run.last).toEqual(['ModelAnswered ask', 'StepScheduled ask #3']);
  });

  test('gives what is wrong with a call back to the model', () => {
    const bad = { id: 'x', name: 'weather', input: {}, problem: 'The input does not fit: it must have city.' };
    const run = start({ tools: TOOLS }).ok('ask', { text: '', finish_reason: 'tool-calls', tool_calls: [bad] });
    expect(run.last).toEqual(['ModelAnswered ask', 'StepScheduled ask #2']);
    expect((inputOf(run, 'ask')['messages'] as JsonObject[]).at(-1)).toMatchObject({ content: bad.problem });
  });

  test('ends by the tool that finishes it', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('weather', 'done'));
    expect(run.last).toEqual(['ModelAnswered ask', 'StepCompleted ask #0', 'ExecutionCompleted']);
    expect(view(run.state).output).toEqual({ place: 1 });
  });

  test('ends by max_turns: it fails, or the last turn has no tools', () => {
    const failing = start({ tools: TOOLS, max_turns: 1 }).ok('ask', wants('weather'));
    expect(failing.last.slice(0, 2)).toEqual(['ModelAnswered ask', 'StepFailed ask max_turns_reached abort']);
    const answering = start({ tools: TOOLS, max_turns: 2, on_max_turns: 'answer' });
    expect(inputOf(answering, 'ask')).not.toHaveProperty('tool_choice');
    answering.ok('ask', wants('weather')).ok('ask:weather:1');
    expect(inputOf(answering, 'ask')).toMatchObject({ tool_choice: 'none' });
    answering.ok('ask', wants('weather'));
    expect(answering.last).toContain('StepFailed ask max_turns_reached abort');
  });

  test('has an answer that does not fit repaired, a few times', () => {
    const schema = { type: 'object' };
    const run = start({ output_schema: schema, max_repairs: 1 });
    expect(inputOf(run, 'ask')).toMatchObject({ output_schema: schema });
    run.ok('ask', says('four', { problem: 'it is not JSON.' }));
    expect(run.last).toEqual(['ModelAnswered ask', 'StepScheduled ask #2']);
    expect((inputOf(run, 'ask')['messages'] as JsonObject[]).at(-1)).toEqual({
      role: 'user',
      content: 'Your answer does not fit: it is not JSON. Answer again, with JSON only.',
    });
    run.ok('ask', says('{"n":4}', { output: { n: 4 } }));
    expect(view(run.state).output).toEqual({ n: 4 });
    const stubborn = start({ output_schema: schema, max_repairs: 1 });
    stubborn.ok('ask', says('four', { problem: 'no.' })).ok('ask', says('4', { problem: 'no.' }));
    expect(stubborn.last).toContain('StepFailed ask model_answer_invalid abort');
  });

  test('asks a busy model again, each call with all its attempts', () => {
    const run = start({ tools: TOOLS }, { retry: { max_attempts: 2, jitter: 'none' } });
    run.fails('ask', { ...failure('model_rate_limited'), details: { retry_after_ms: 9_000 } });
    expect(nextWake(run.state)).toBe(run.now + 9_000);
    run.wakes(9_000);
    expect(run.last).toEqual(['StepScheduled ask #2']);
    run.ok('ask', wants('weather')).ok('ask:weather:1').fails('ask', failure('model_unavailable'));
    expect(run.last).toEqual([`StepAttemptFailed ask #3 model_unavailable +9000`, 'StepScheduled ask #4']);
    run.fails('ask', failure('model_unavailable'));
    expect(run.last).toContain('StepFailed ask model_unavailable abort');
  });

  test('takes no result twice, and none of an earlier call', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('news', 'news'));
    run.ok('ask', says('again'), 1);
    expect([run.outcome, run.last]).toEqual(['recorded', []]);
    run.ok('ask:news:1', 'first');
    run.ok('ask:news:1', 'late', 1);
    expect([run.outcome, run.last]).toEqual(['recorded', []]);
    run.ok('ask:news:1', 'second');
    const contents = (inputOf(run, 'ask')['messages'] as JsonObject[]).slice(3).map(({ content }) => content);
    expect(contents).toEqual(['first', 'second']);
  });

  test('stops its tools when it is skipped, and when its time is over', () => {
    const skipped = start({ tools: TOOLS }).ok('ask', wants('weather'));
    skipped.when({ type: 'SkipStep', stepId: 'ask', by: 'alice' });
    expect(skipped.effects).toContainEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', stepId: 'ask:weather:1', attempt: 1, reason: 'caller_ended' }],
    });
    expect(skipped.wanted).toEqual([]);
    skipped.ok('ask:weather:1', 'late', 1);
    expect(skipped.last).toEqual([]);
    const late = start({ tools: TOOLS }, { schedule_to_close_ms: 5_000 }).ok('ask', wants('weather'));
    late.wakes(5_000);
    expect(late.last[0]).toBe('StepFailed ask schedule_to_close_timeout abort');
    expect(late.status).toBe('failed');
  });

  test('goes on after a pause where it was, and nothing that was done is done again', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('weather', 'news')).ok('ask:news:1', 'news');
    run.when({ type: 'PauseExecution', now: true });
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'StepScheduled ask:weather:1 #2']);
    run.ok('ask:weather:1', 'dry').when({ type: 'PauseExecution' }).ok('ask', says('No.'));
    expect(run.last).toEqual(['ModelAnswered ask', 'StepCompleted ask #0']);
    run.when({ type: 'ResumeExecution' });
    expect(run.status).toBe('completed');
  });

  test('is folded from a snapshot as from its events', () => {
    const run = start({ tools: TOOLS }).ok('ask', wants('weather', 'news')).ok('ask:news:1', { x: 1 });
    const again = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue);
    expect(again).toBeDefined();
    expect(encodeSnapshot(again as never)).toEqual(encodeSnapshot(run.state));
    run.state = again as never;
    run.ok('ask:weather:1', 'dry');
    expect(run.last).toEqual(['StepCompleted ask:weather:1 #1', 'StepScheduled ask #2']);
  });
});

describe('the budget of steps that ask models', () => {
  const rest = { settings: { budget: { max_tokens: 1_000 } } };

  test('is reserved before a call and settled after it', () => {
    const run = start({ tools: TOOLS }, {}, rest);
    expect(run.lastEvents[1]?.data).toMatchObject({ reserved: { maxTokens: 1_000 } });
    expect(inputOf(run, 'ask')).toMatchObject({ budget: { tokens: 1_000 } });
    run.ok('ask', { ...(wants('weather') as JsonObject), _tokens: 400 }).ok('ask:weather:1', { _tokens: 100 });
    expect(inputOf(run, 'ask')).toMatchObject({ budget: { tokens: 500 } });
    run.ok('ask', { ...(wants('weather') as JsonObject), _tokens: 500 }).ok('ask:weather:1');
    expect(run.last).toEqual([
      'StepCompleted ask:weather:1 #2',
      'StepFailed ask budget_too_small abort',
      'ExecutionFailed ask budget_too_small',
    ]);
  });

  test('is shared by calls that run at once, so that all of them stay within it', () => {
    const ask = (id: string) => ({ id, llm: { model: 'writer', prompt: 'x' } });
    const run = scenario(config('parallel', [ask('a'), ask('b')], rest)).start({});
    const reserved = (id: string) => (inputOf(run, id)['budget'] as JsonObject)['tokens'];
    expect([reserved('a'), reserved('b')]).toEqual([500, 500]);
    run.ok('a', says('x', { _tokens: 100 })).fails('b', failure('busy'));
    run.wakes(60_000);
    expect(reserved('b')).toBe(900);
  });
});
