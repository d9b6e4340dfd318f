import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import { spanIds } from '@batuta/observability';
import type { FinishedSpan } from '@batuta/observability';
import { compile } from '../domain/index.js';
import { ExecutionTrace } from './execution-trace.js';

/** The spans of a history of test/golden. */
function spansOf(name: string): FinishedSpan[] {
  const history = JSON.parse(readFileSync(new URL(`../../test/golden/${name}.json`, import.meta.url), 'utf8')) as {
    definition: OrchestrationDefinition;
    events: (Event & { type: 'ExecutionStarted' })[];
  };
  const [started] = history.events;
  if (started === undefined) throw new Error('the history is empty');
  const trace = new ExecutionTrace(started, compile(history.definition));
  return history.events.flatMap((event) => trace.apply(event));
}

test('a trace says what was exceeded in the run that it happened in, and sums what failed attempts spent', () => {
  const spans = spansOf('budget');
  const attributesOf = (name: string) => spans.find((span) => span.name === name)?.attributes;
  expect(attributesOf('execution test')).toMatchObject({
    'batuta.execution.status': 'failed',
    'batuta.tokens': 110,
    'batuta.cost': 0.75,
    'batuta.budget.exceeded': 'tokens',
    'batuta.budget.limit': 100,
    'batuta.budget.spent': 110,
  });
  expect(attributesOf('retry of execution')).toMatchObject({
    'batuta.execution.status': 'completed',
    'batuta.budget.exceeded': 'cost',
    'batuta.budget.limit': 1,
    'batuta.budget.spent': 1.5,
  });
  expect(attributesOf('step a')).toMatchObject({ 'batuta.tokens': 80, 'batuta.cost': 0.25 });
  expect(attributesOf('run echo')).toMatchObject({
    'batuta.attempt.outcome': 'failed',
    'gen_ai.usage.input_tokens': 30,
    'gen_ai.usage.output_tokens': 10,
  });
});

test('a conversation with a model and its calls of tools have the names and attributes of the GenAI conventions', () => {
  const spans = spansOf('conversations');
  const asked = spans.find(({ name }) => name === 'invoke_agent ask');
  expect(asked?.attributes).toMatchObject({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'ask',
    'gen_ai.conversation.id': asked?.attributes?.['batuta.execution.id'],
    'batuta.step.id': 'ask',
  });
  const calls = spans.filter(({ name }) => name === 'execute_tool weather');
  expect(calls.map(({ attributes }) => attributes?.['gen_ai.tool.call.id'])).toEqual(['c2', 'c1', 'c3']);
  expect(calls.map(({ attributes, error }) => [attributes?.['gen_ai.tool.name'], error])).toEqual([
    ['weather', undefined],
    ['weather', undefined],
    ['weather', 'unknown_city'],
  ]);
  expect(new Set(calls.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([asked?.spanId]));
  // The runner makes the span of the model's call. It has the tokens, so that they are not counted twice.
  const runs = spans.filter(({ name }) => name === 'run ask_model');
  expect(runs.length).toBeGreaterThan(3);
  expect(runs.filter(({ attributes = {} }) => 'gen_ai.operation.name' in attributes)).toEqual([]);
});

test('the root links to its caller and to the request in the trace of the caller', () => {
  const history = JSON.parse(readFileSync(new URL('../../test/golden/budget.json', import.meta.url), 'utf8')) as {
    definition: OrchestrationDefinition;
    events: (Event & { type: 'ExecutionStarted' })[];
  };
  const [started] = history.events;
  if (started === undefined) throw new Error('the history is empty');
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const called = { ...started, data: { ...started.data, traceparent } };
  const trace = new ExecutionTrace(called, compile(history.definition));
  const spans = [called, ...history.events.slice(1)].flatMap((event) => trace.apply(event));
  expect(spans.find(({ name }) => name === 'execution test')?.links).toEqual([
    { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' },
    {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: spanIds.request(started.data.traceId, started.commandId),
    },
  ]);
});

test('a trace shows how long humans took, what came of it, and the commands that asked and decided', () => {
  const spans = spansOf('approvals');
  const nameOf = (id: string | undefined): string | undefined => spans.find(({ spanId }) => spanId === id)?.name;
  const waits = spans
    .filter(({ name }) => name === 'human wait')
    .map(({ attributes = {}, parentSpanId, startAt, endAt, links = [] }) => [
      nameOf(parentSpanId),
      attributes['batuta.approval.outcome'],
      attributes['batuta.approval.timed_out'],
      Math.round(endAt - startAt),
      links.map(({ spanId }) => nameOf(spanId)).join(),
    ]);
  expect(waits).toEqual([
    ['step legal', 'rejected', true, 1_000, 'command record_result,command wake'],
    ['step silence', 'approved', true, 2_000, 'command start,command wake'],
    ['step gate', 'rejected', false, 2_000, 'command record_evaluation,command decide_approval'],
    ['step boss', 'withdrawn', false, 1_000, 'command wake'],
    ['step legal', 'rejected', true, 1_000, 'command retry,command wake'],
    ['step boss', 'approved', false, 0, 'command wake,command decide_approval'],
    ['step gate', 'approved', false, 1_000, 'command record_evaluation,command decide_approval'],
  ]);
  const gate = spans.find(({ name }) => name === 'step gate');
  expect(gate?.attributes).not.toHaveProperty('batuta.agent');
  const asked = spans.find(({ attributes = {} }) => attributes['batuta.approval.approvers'] === 2);
  expect(asked?.attributes).toMatchObject({ 'batuta.step.id': 'gate', 'batuta.timer.planned_ms': 60_000 });
});
