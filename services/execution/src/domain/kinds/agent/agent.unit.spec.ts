import { expect, test } from '@jest/globals';
import { LIMITS } from '@batuta/contracts';
import { decide } from '../../decide.js';
import { compile } from '../../graph/compile.js';
import { initialState } from '../../state/state.js';

function startedWith(input: unknown) {
  const config = compile({
    name: 'one',
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'A', agent: 'echo', input: input as never }],
  });
  const decision = decide(
    {
      type: 'StartExecution',
      id: 'start',
      at: 1_000,
      seed: 1,
      executionId: 'e',
      principal: { tenantId: 't', userId: 'u', role: 'operator', keyId: 'k' },
      start: { traceId: 'ab'.repeat(16), configId: 'c', configVersion: 1 } as never,
    },
    initialState(config),
  );
  if ('rejected' in decision) throw new Error(decision.rejected.message);
  return { config, events: decision.accepted };
}

test('a step that says nothing else is the work of an agent, and takes a slot', () => {
  const { config, events } = startedWith({ text: 'hi' });
  expect(config.units[0]).toMatchObject({ agent: 'echo', work: { kind: 'agent' }, takesSlot: true });
  expect(events.at(-1)).toEqual({ type: 'StepScheduled', data: { stepId: 'a', attempt: 1 } });
});

test('an input beyond the limit fails the step before any attempt', () => {
  const { events } = startedWith({ text: 'x'.repeat(LIMITS.stepInputBytes) });
  expect(events.map(({ type }) => type)).toEqual(['ExecutionStarted', 'StepFailed', 'ExecutionFailed']);
  expect(events[1]?.data).toMatchObject({ failure: { code: 'input_too_large', retryable: false } });
});
