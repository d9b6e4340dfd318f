import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import { compile } from '../domain/index.js';
import { ExecutionTrace } from './execution-trace.js';

test('a trace says what was exceeded in the run that it happened in, and sums what failed attempts spent', () => {
  const history = JSON.parse(readFileSync(new URL('../../test/golden/budget.json', import.meta.url), 'utf8')) as {
    definition: OrchestrationDefinition;
    events: (Event & { type: 'ExecutionStarted' })[];
  };
  const [started] = history.events;
  if (started === undefined) throw new Error('the history is empty');
  const trace = new ExecutionTrace(started, compile(history.definition));
  const spans = history.events.flatMap((event) => trace.apply(event));
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
