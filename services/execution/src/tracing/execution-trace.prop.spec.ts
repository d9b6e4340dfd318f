import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import { isTerminalEventType } from '@batuta/contracts';
import type { FinishedSpan } from '@batuta/observability';
import { spanIds } from '@batuta/observability';
import { propertyRuns } from '@batuta/testing';
import fc from 'fast-check';
import { compile } from '../domain/index.js';
import { anyDefinition, anyMove } from '../../test/engine/arbitraries.js';
import { NOON } from '../../test/engine/scenario.js';
import { run } from '../../test/engine/random-run.js';
import { ExecutionTrace } from './execution-trace.js';

function spansOf(definition: OrchestrationDefinition, events: readonly Event[]): FinishedSpan[] {
  const [started] = events;
  if (started?.type !== 'ExecutionStarted') throw new Error('no start');
  const trace = new ExecutionTrace(started, compile(definition));
  return events.flatMap((event) => trace.apply(event));
}

/** What must hold for every trace of an ended execution. */
function checkTree(spans: readonly FinishedSpan[], events: readonly Event[]): void {
  const ids = new Set(spans.map((span) => span.spanId));
  expect(ids.size).toBe(spans.length);
  expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
  const roots = spans.filter((span) => span.parentSpanId === undefined);
  const taken = events.filter(({ type }) => type === 'ExecutionRetried' || type === 'ExecutionReopened').length;
  expect(roots.filter(({ name }) => name.startsWith('execution '))).toHaveLength(1);
  expect(roots.filter(({ name }) => /^(retry|compensation) of execution$/.test(name))).toHaveLength(taken);
  expect(roots).toHaveLength(1 + taken);
  expect(spans.filter((span) => span.parentSpanId !== undefined && !ids.has(span.parentSpanId))).toEqual([]);
  expect(spans.filter((span) => span.endAt <= span.startAt)).toEqual([]);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const outside = spans.filter((span) => {
    const parent = byId.get(span.parentSpanId ?? '');
    // Members of a group may end after its outcome, and tools and the lanes of a map after their caller.
    if (parent === undefined || /^(consensus|invoke)/.test(parent.name) || span.name.startsWith('items ')) return false;
    return span.startAt < parent.startAt || span.endAt > parent.endAt;
  });
  expect(outside).toEqual([]);
  for (const event of events) {
    if (event.type !== 'StepScheduled') continue;
    const { stepId, attempt } = event.data;
    // A task contains the span id of its run, so the agent's own spans need that span.
    expect(ids.has(spanIds.run(stepId, attempt))).toBe(true);
  }
}

/** Each request of an approval has its wait, under its step and linked to the commands that began and ended it. */
function checkWaits(spans: readonly FinishedSpan[], events: readonly Event[]): void {
  const waits = spans.filter(({ name }) => name === 'human wait');
  expect(waits).toHaveLength(events.filter(({ type }) => type === 'ApprovalRequested').length);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const wait of waits) {
    const { attributes = {}, links = [] } = wait;
    expect(byId.get(wait.parentSpanId ?? '')?.name).toBe(`step ${String(attributes['batuta.step.id'])}`);
    expect(links).toHaveLength(attributes['batuta.approval.outcome'] === 'withdrawn' ? 1 : 2);
    for (const { spanId } of links) expect(byId.get(spanId)?.name).toMatch(/^command /);
  }
}

const goldenFolder = new URL('../../test/golden/', import.meta.url);
const histories = readdirSync(goldenFolder).map((name) => {
  const text = readFileSync(new URL(name, goldenFolder), 'utf8');
  return { name, ...(JSON.parse(text) as { definition: OrchestrationDefinition; events: Event[] }) };
});
// A deleted execution had its trace before.
const golden = histories.filter(({ events }) => !events.some(({ type }) => type === 'ExecutionDeleted'));

describe('the trace of an execution', () => {
  test('is one tree without orphans, whatever the config and whatever happens', () => {
    let ended = 0;
    let waits = 0;
    fc.assert(
      fc.property(anyDefinition, fc.array(anyMove, { maxLength: 60 }), (definition, moves) => {
        const { events } = run(definition, moves, () => undefined);
        const last = events.findLastIndex((event) => isTerminalEventType(event.type));
        if (last === -1) return;
        ended += 1;
        const told = events.slice(0, last + 1);
        const spans = spansOf(definition, told);
        checkTree(spans, told);
        checkWaits(spans, told);
        waits += spans.filter(({ name }) => name === 'human wait').length;
      }),
      { numRuns: propertyRuns(300) },
    );
    expect(ended).toBeGreaterThan(50);
    expect(waits).toBeGreaterThan(30);
  });

  test('has one span for an evaluation that comes again in the same millisecond, after a retry', () => {
    const definition: OrchestrationDefinition = {
      name: 'any',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'A', agent: 'echo', dependencies: [], when: '$exists(input)' }],
    };
    const { events } = run(
      definition,
      [
        { kind: 'evaluation', ok: false, output: null },
        { kind: 'control', command: { type: 'RetryExecution' } },
        { kind: 'evaluation', ok: false, output: null },
      ],
      () => undefined,
    );
    expect(events.filter(({ type }) => type === 'EvaluationRecorded').map(({ at }) => at)).toEqual([NOON, NOON]);
    checkTree(spansOf(definition, events), events);
  });

  test('has the same spans when it is folded anew from any event on', () => {
    fc.assert(
      fc.property(anyDefinition, fc.array(anyMove, { maxLength: 40 }), fc.nat(100), (definition, moves, cut) => {
        const { events } = run(definition, moves, () => undefined);
        const whole = spansOf(definition, events);
        const at = 1 + (cut % events.length);
        const [started] = events;
        if (started?.type !== 'ExecutionStarted') return;
        const before = spansOf(definition, events.slice(0, at));
        const again = new ExecutionTrace(started, compile(definition));
        for (const event of events.slice(0, at)) again.apply(event);
        const after = events.slice(at).flatMap((event) => again.apply(event));
        expect([...before, ...after]).toEqual(whole);
      }),
      { numRuns: propertyRuns(100) },
    );
  });

  test.each(golden)('of $name is one tree without orphans', ({ definition, events }) => {
    expect(isTerminalEventType(events.at(-1)?.type ?? '')).toBe(true);
    checkTree(spansOf(definition, events), events);
    checkWaits(spansOf(definition, events), events);
  });
});
