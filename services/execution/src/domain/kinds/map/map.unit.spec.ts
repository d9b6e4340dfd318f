import { describe, expect, test } from '@jest/globals';
import {
  LIMITS,
  type JsonValue,
  type MapDefinition,
  type OrchestrationDefinition,
  type StepDefinition,
} from '@batuta/contracts';
import { commandIds } from '../../commands/command.js';
import { endOf } from '../../effects/effect.js';
import { taskInput } from '../../expressions/inputs.js';
import { compile } from '../../graph/compile.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { unitState } from '../../state/state.js';
import { taskOf } from '../../task.js';
import { view } from '../../view/view.js';
import { NOON, config, failure, scenario, type Scenario } from '../../../../test/engine/scenario.js';
import type { ChildState } from '../orchestration/child-state.js';
import { chunkConfig } from './chunk-start.js';
import { chunksOf } from './chunks.js';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const STEP = { agent: 'echo' } as const;

const mapping = (map: Partial<MapDefinition> = {}, more: Partial<StepDefinition> = {}): OrchestrationDefinition =>
  config('sequential', [
    { id: 'each', map: { items: '{% input.list %}', step: STEP, ...map }, ...more },
    { id: 'after', dependencies: ['each'] },
  ]);

const over = (list: JsonValue, map: Partial<MapDefinition> = {}, more: Partial<StepDefinition> = {}): Scenario =>
  scenario(mapping(map, more)).start({ list, unused: 'x' });

const stepOf = (run: Scenario) => view(run.state).steps[0];
const resultsOf = (run: Scenario): JsonValue[] => (stepOf(run)?.output ?? []) as JsonValue[];

/** The lanes of a map that have a child which has not ended. */
function working(run: Scenario): string[] {
  return run.state.config.units
    .filter(({ kind, index }) => kind === 'lane' && unitState(run.state, index).phase === 'awaiting')
    .map(({ id }) => id);
}

function childOf(run: Scenario, lane: string): ChildState {
  const { child } = unitState(run.state, run.state.config.unitIndex.get(lane) ?? -1);
  if (child === undefined) throw new Error(`no child in ${lane}`);
  return child;
}

/** The execution of a lane's chunk, as the engine starts it. */
function chunkOf(run: Scenario, lane: string): Scenario {
  const unit = run.state.config.units[run.state.config.unitIndex.get(lane) ?? -1];
  const found = unit === undefined ? undefined : chunkConfig(run.state, unit);
  if (unit === undefined || found === undefined) throw new Error(`no chunk in ${lane}`);
  const input = taskOfLane(run, lane);
  const parent = { executionId: run.state.executionId, stepId: 'each', depth: 1 };
  return scenario(found.definition).start(input, { parent, endTo: run.state.executionId });
}

const taskOfLane = (run: Scenario, lane: string): JsonValue => taskInput(run.state, lane);

function starts(run: Scenario, lane: string, version = 1): Scenario {
  const { id } = childOf(run, lane);
  return run.when({
    type: 'RecordChildAnswer',
    id: commandIds.startAnswered(id),
    childId: id,
    outcome: 'started',
    facts: { configId: 'chunk', configName: 'test/each', configVersion: 1, version },
  });
}

/** The chunk of a lane has ended, and tells its parent. */
function ends(run: Scenario, lane: string, chunk: Scenario): Scenario {
  const { id } = childOf(run, lane);
  const end = endOf(chunk.state);
  if (end === undefined) throw new Error('the chunk has not ended');
  return run.when({ type: 'RecordChildEnd', id: commandIds.ended(id), childId: id, end });
}

const taskInputOf = ({ state }: Scenario): { first: number } => ({ first: 0, ...(state.started?.input as object) });

/** Every item of the chunk is successful, except those for which `fails` is true. */
function play(chunk: Scenario, fails: (index: number) => boolean = () => false): Scenario {
  const { first } = taskInputOf(chunk);
  for (const { id, order } of chunk.state.config.units.slice(0, chunk.state.config.stepCount)) {
    if (chunk.status !== 'running' || unitState(chunk.state, order).phase !== 'running') continue;
    if (fails(first + order)) chunk.fails(id);
    else chunk.ok(id, { did: first + order });
  }
  return chunk;
}

/** Plays every chunk until none is left. */
function playAll(run: Scenario, fails?: (index: number) => boolean): Scenario {
  for (let lane = working(run)[0]; lane !== undefined; lane = working(run)[0]) {
    const chunk = play(chunkOf(run, lane), fails);
    starts(run, lane);
    ends(run, lane, chunk);
  }
  return run;
}

describe('a step with a map', () => {
  test('has children for chunks of its list, and gives the outputs in the order of the items', () => {
    const run = over(numbers(25));
    expect(run.last).toEqual([
      'ExecutionStarted',
      'MapStarted each',
      ...['1', '2', '3'].map((n) => `ChildRequested each:${n}`),
    ]);
    expect(stepOf(run)).toMatchObject({ status: 'running', map: { total: 25, done: 0, failed: 0, running: 25 } });
    expect(run.effects.map(({ type }) => type)).toEqual(expect.arrayContaining(['startChild']));
    // The last chunk ends first.
    for (const lane of ['each:3', 'each:1', 'each:2']) {
      const chunk = play(chunkOf(run, lane));
      starts(run, lane);
      ends(run, lane, chunk);
    }
    expect(run.last).toEqual([
      'ChildEnded each:2',
      'MapChunkEnded each',
      'StepCompleted each #0',
      'StepScheduled after #1',
    ]);
    expect(stepOf(run)).toMatchObject({
      status: 'completed',
      output: numbers(25).map((did) => ({ did })),
      map: { total: 25, done: 25, failed: 0, running: 0, failedItems: [] },
    });
    expect(view(run.state).children?.every(({ stepId }) => stepId === 'each')).toBe(true);
  });

  test('is done at once with an empty list', () => {
    expect(over([]).last).toEqual([
      'ExecutionStarted',
      'MapStarted each',
      'StepCompleted each #0',
      'StepScheduled after #1',
    ]);
  });

  test.each([
    ['a text', 'abc', 'items must be a list and is a string'],
    ['one object', { a: 1 }, 'items must be a list and is an object'],
    ['nothing', null, 'items must be a list and is null'],
  ])('fails clearly when its list is %s', (_name, list, message) => {
    const run = over(list);
    expect(run.last[1]).toBe('StepFailed each items_invalid abort');
    expect(view(run.state).failure?.message).toContain(message);
    expect(view(run.state).failure?.message).toContain('put it into brackets');
  });

  test('takes no list that is longer than max_items', () => {
    const run = over(numbers(4), { max_items: 3 });
    expect(view(run.state).failure?.message).toBe('the list has 4 items, and at most 3 are allowed (max_items)');
    expect(over(numbers(LIMITS.mapItems)).last[1]).toBe('MapStarted each');
    expect(over(numbers(LIMITS.mapItems + 1)).last[1]).toBe('StepFailed each items_invalid abort');
  });

  test('takes items that are null and items that are equal', () => {
    const run = playAll(over([null, 7, 7]));
    expect(stepOf(run)).toMatchObject({ status: 'completed', output: [{ did: 0 }, { did: 1 }, { did: 2 }] });
  });

  test('works on as many items at once as it may, over all chunks', () => {
    const atOnce = (run: Scenario): number[] =>
      working(run).map((lane) => chunkOf(run, lane).state.config.parallelLimit);
    expect(atOnce(over(numbers(100), { max_concurrency: 5 }))).toEqual([1, 1, 1, 1, 1]);
    expect(atOnce(over(numbers(100), { max_concurrency: 23 }))).toEqual([3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
    // One chunk has all places.
    expect(atOnce(over(numbers(8), { max_concurrency: 23 }))).toEqual([23]);
    expect(atOnce(over(numbers(10_000)))).toEqual(Array.from({ length: 10 }, () => 100));
  });

  test('starts the next chunk when one has ended', () => {
    const run = over(numbers(50), { max_concurrency: 2 });
    expect(working(run)).toEqual(['each:1', 'each:2']);
    const chunk = play(chunkOf(run, 'each:2'));
    while (chunk.status === 'running') play(chunk);
    starts(run, 'each:2');
    ends(run, 'each:2', chunk);
    expect(run.last).toEqual(['ChildEnded each:2', 'MapChunkEnded each', 'ChildRequested each:2']);
    expect(childOf(run, 'each:2').chunk).toBe(2);
  });

  test('waits for its slot like any step, and its children take none', () => {
    const definition = config(
      'parallel',
      [{ id: 'each', map: { items: '{% input.list %}', step: STEP } }, { id: 'other' }],
      { settings: { parallel_limit: 1 } },
    );
    const run = scenario(definition).start({ list: numbers(30) });
    expect(run.last.filter((line) => line.startsWith('ChildRequested'))).toHaveLength(3);
    expect(run.last).not.toContain('StepScheduled other #1');
    playAll(run);
    expect(run.last.at(-1)).toBe('StepScheduled other #1');
  });

  test('survives a snapshot', () => {
    const run = over(numbers(25));
    starts(run, 'each:1');
    ends(run, 'each:1', play(chunkOf(run, 'each:1')));
    const decoded = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as never);
    expect(decoded).toEqual(run.state);
  });
});

describe('failed items', () => {
  test('end the step when there are more than it tolerates, and the other children are told to stop', () => {
    const run = over(numbers(30), { tolerated_failures: 1 });
    const chunk = play(chunkOf(run, 'each:1'), (index) => index === 2 || index === 5);
    expect(chunk.status).toBe('failed');
    starts(run, 'each:1');
    ends(run, 'each:1', chunk);
    expect(run.last).toEqual([
      'ChildEnded each:1',
      'MapChunkEnded each',
      'StepFailed each items_failed abort',
      'ExecutionFailed each items_failed',
    ]);
    const { failure: why } = view(run.state);
    expect(why?.message).toBe(
      '2 of 30 items failed, and at most 1 may: item 2 (broken): broken happened; item 5 (broken): broken happened',
    );
    expect(why?.details).toMatchObject({
      failed: 2,
      total: 30,
      failed_items: [{ index: 2, code: 'broken' }, { index: 5 }],
    });
    expect(run.wanted.map(({ type }) => type)).toEqual(['commandChild', 'commandChild']);
  });

  test('are null in the list when they are tolerated, and listed', () => {
    const run = playAll(over(numbers(30), { tolerated_failures: '10%' }), (index) => index % 10 === 3);
    expect(stepOf(run)).toMatchObject({
      status: 'completed',
      map: {
        total: 30,
        done: 27,
        failed: 3,
        tolerated: 3,
        failedItems: [{ index: 3, code: 'broken', message: 'broken happened' }, { index: 13 }, { index: 23 }],
      },
    });
    expect(resultsOf(run)[3]).toBeNull();
    expect(resultsOf(run)[4]).toEqual({ did: 4 });
  });

  test('stop a chunk that has too many by itself', () => {
    const chunk = chunkOf(over(numbers(10), { tolerated_failures: 1 }), 'each:1');
    chunk.fails('item-0');
    expect(chunk.last).toEqual(['StepAttemptFailed item-0 #1 broken final', 'StepFailed item-0 broken continue']);
    chunk.fails('item-1');
    expect(chunk.last.at(-1)).toBe('ExecutionFailed item-1 broken');
  });

  test.each([
    ['report', { total: 12, completed: 11, failed: 1, failed_items: [{ index: 1 }], results: [{ did: 0 }, null] }],
    ['counts', { total: 12, completed: 11, failed: 1, failed_items: [{ index: 1 }] }],
  ] as const)('are part of the output with results %s', (results, expected) => {
    const run = playAll(over(numbers(12), { tolerated_failures: 5, results }), (index) => index === 1);
    const output = stepOf(run)?.output as { results?: JsonValue[] };
    expect({
      ...output,
      ...(output.results === undefined ? {} : { results: output.results.slice(0, 2) }),
    }).toMatchObject(expected);
    expect('results' in output).toBe(results === 'report');
  });

  test('are the only ones that a retry works on again', () => {
    const run = over(numbers(30));
    const chunks = new Map(working(run).map((lane) => [lane, chunkOf(run, lane)]));
    const first = play(chunks.get('each:1') as Scenario);
    starts(run, 'each:1');
    ends(run, 'each:1', first);
    const second = play(chunks.get('each:2') as Scenario, (index) => index === 19);
    starts(run, 'each:2');
    ends(run, 'each:2', second);
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' });
    // The third chunk was told to stop and has not told its end, so its lane continues with it.
    expect(run.last).toEqual(['ExecutionRetried', 'MapStarted each', 'ChildRequested each:3', 'ChildRequested each:1']);
    expect(run.lastEvents[2]?.data).toMatchObject({ chunk: 3, resumed: true, number: 1 });
    expect(run.lastEvents[3]?.data).toMatchObject({ chunk: 2, resumed: true, number: 1 });
    expect(stepOf(run)).toMatchObject({ map: { total: 30, done: 10, failed: 0, running: 20 } });
    second.when({ type: 'RetryExecution' });
    expect(second.last).toEqual(['ExecutionRetried', 'StepScheduled item-9 #2']);
    second.ok('item-9', { did: 'again' });
    starts(run, 'each:1', second.state.version - 3);
    ends(run, 'each:1', second);
    starts(run, 'each:3');
    ends(run, 'each:3', play(chunks.get('each:3') as Scenario));
    expect(run.last).toContain('StepCompleted each #0');
    expect(resultsOf(run).slice(18, 21)).toEqual([{ did: 18 }, { did: 'again' }, { did: 20 }]);
  });

  test('are worked on from the beginning when a retry has another list', () => {
    const definition = config('sequential', [
      { id: 'list', on_failure: 'continue' },
      { id: 'each', dependencies: ['list'], map: { items: '{% outputs.list ? outputs.list : [1] %}', step: STEP } },
    ]);
    const run = scenario(definition).start({}).fails('list').evaluated('input:each', [1, 2]);
    starts(run, 'each:1');
    ends(
      run,
      'each:1',
      play(chunkOf(run, 'each:1'), () => true),
    );
    const { id } = childOf(run, 'each:1');
    run.when({ type: 'RetryExecution' });
    run.ok('list', [3]).evaluated('input:each', [3]);
    expect(run.lastEvents.find(({ type }) => type === 'MapStarted')?.data).toMatchObject({ number: 2, total: 1 });
    expect(run.lastEvents.at(-1)?.data).toMatchObject({ chunk: 1, number: 1 });
    expect(childOf(run, 'each:1').id).not.toBe(id);
  });
});

describe('a step with a map that was done', () => {
  test('works on its whole list again when its group votes again', () => {
    const member = (id: string, more: object) => ({ id, consensus_group: 'g', ...more });
    const definition = config(
      'consensus',
      [member('each', { map: { items: [1, 2], step: STEP } }), member('other', {})],
      { consensus_groups: [{ id: 'g', mode: 'unanimous' }] },
    );
    const run = scenario(definition).start({});
    starts(run, 'each:1');
    ends(run, 'each:1', play(chunkOf(run, 'each:1')));
    run.ok('other', 'else');
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' });
    const { data } = run.lastEvents.find(({ type }) => type === 'MapStarted') ?? {};
    expect(data).toMatchObject({ number: 2, total: 2 });
    expect(data).not.toHaveProperty('resumed');
    expect(working(run)).toEqual(['each:1']);
  });
});

describe('a chunk', () => {
  test('shows its steps the item, its position and what they refer to besides', () => {
    const step = { agent: 'echo', input: { of: '{% item.n %}', at: '{% index %}', for: '{% input.who %}' } };
    const definition = config('sequential', [{ id: 'each', map: { items: '{% input.list %}', step } }]);
    const run = scenario(definition).start({ list: numbers(25).map((n) => ({ n: n * 2 })), who: 'ann' });
    const chunk = chunkOf(run, 'each:2');
    expect(taskOf(chunk.state, 'item-3', { partition: 0, dispatch: 1, checkFirst: false })?.input).toEqual({
      of: 26,
      at: 13,
      for: 'ann',
    });
  });

  test('gives an agent without a mapping the item itself', () => {
    const chunk = chunkOf(over([{ a: 1 }, 'b']), 'each:1');
    const inputOf = (id: string) => taskOf(chunk.state, id, { partition: 0, dispatch: 1, checkFirst: false })?.input;
    expect([inputOf('item-0'), inputOf('item-1')]).toEqual([{ a: 1 }, 'b']);
  });

  test('is given only what its expressions refer to', () => {
    expect(taskOfLane(over([1]), 'each:1')).not.toHaveProperty('input');
    const step = { agent: 'echo', when: 'input.unused = "x"' };
    expect(taskOfLane(over([1], { step }), 'each:1')).toMatchObject({ input: { unused: 'x' } });
  });

  test('skips items whose condition is false', () => {
    const run = over([{ go: true }, { go: false }], { step: { agent: 'echo', when: 'item.go' } });
    const chunk = chunkOf(run, 'each:1');
    expect(chunk.last).toContain('StepSkipped item-1 condition_false');
    chunk.ok('item-0', 'yes');
    starts(run, 'each:1');
    ends(run, 'each:1', chunk);
    expect(stepOf(run)).toMatchObject({ output: ['yes', null], map: { done: 2, failed: 0 } });
  });

  test('tries an item again as its retry says', () => {
    const run = over([1, 2], { step: { agent: 'echo', retry: { max_attempts: 2 } } });
    const chunk = chunkOf(run, 'each:1').fails('item-0', failure('broken'));
    expect(chunk.last).toEqual([`StepAttemptFailed item-0 #1 broken +${chunk.now - NOON}`, 'StepScheduled item-0 #2']);
  });

  test('has a child of its own for each item when a config works on them', () => {
    const step = { orchestration: { config: 'billing' } };
    const chunk = chunkOf(over([{ n: 1 }, { n: 2 }], { step }), 'each:1');
    expect(chunk.last.slice(1)).toEqual(['ChildRequested item-0', 'ChildRequested item-1']);
    expect(taskInput(chunk.state, 'item-1')).toEqual({ n: 2 });
  });

  test('has lists within the list when a map works on them', () => {
    const step = { map: { items: '{% item %}', step: { agent: 'echo' } } };
    const chunk = chunkOf(over([[1, 2], [], [3]], { step }), 'each:1');
    expect(chunk.last).toContain('StepCompleted item-1 #0');
    const inner = play(chunkOf(chunk, 'item-0:1'));
    starts(chunk, 'item-0:1');
    ends(chunk, 'item-0:1', inner);
    expect(chunk.last).toContain('StepCompleted item-0 #0');
  });

  test('that was cancelled fails the step of its parent', () => {
    const run = over(numbers(12));
    const chunk = chunkOf(run, 'each:1').when({ type: 'CancelExecution' });
    starts(run, 'each:1');
    ends(run, 'each:1', chunk);
    expect(run.last.slice(0, 3)).toEqual([
      'ChildEnded each:1',
      'MapChunkEnded each',
      'StepFailed each child_cancelled abort',
    ]);
  });
});

describe('what happens to a step with a map', () => {
  test('reaches its children: pause, resume and cancel', () => {
    const run = over(numbers(25));
    for (const lane of working(run)) starts(run, lane);
    run.when({ type: 'PauseExecution', now: true });
    expect(run.effects.filter(({ type }) => type === 'commandChild')).toHaveLength(3);
    expect(childOf(run, 'each:2').command).toMatchObject({ command: 'pause', now: true });
    run.when({ type: 'ResumeExecution' });
    expect(childOf(run, 'each:2').command).toMatchObject({ command: 'resume' });
    run.when({ type: 'CancelExecution', reason: 'enough' });
    expect(childOf(run, 'each:2').command).toMatchObject({ command: 'cancel', reason: 'enough' });
  });

  test.each([
    ['terminate', 'terminate'],
    ['cancel', 'cancel'],
    ['abandon', undefined],
  ] as const)('on_parent_close %s is for its children when the step is skipped', (way, command) => {
    const run = over(numbers(12), { on_parent_close: way });
    for (const lane of working(run)) starts(run, lane);
    run.when({ type: 'SkipStep', stepId: 'each' });
    expect(childOf(run, 'each:1').command?.command).toBe(command);
    expect(run.last.at(-1)).toBe('StepScheduled after #1');
  });

  test('starts no chunk in a pause, and goes on after it', () => {
    const run = over(numbers(30), { max_concurrency: 1 });
    const chunk = chunkOf(run, 'each:1');
    while (chunk.status === 'running') play(chunk);
    starts(run, 'each:1');
    run.when({ type: 'PauseExecution' });
    ends(run, 'each:1', chunk);
    expect(run.last).toEqual(['ChildEnded each:1', 'MapChunkEnded each']);
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'ChildRequested each:1']);
  });

  test('starts no chunk without a budget', () => {
    const definition = { ...mapping({ max_concurrency: 1 }), settings: { budget: { max_tokens: 10 } } };
    const run = scenario(definition).start({ list: numbers(30) });
    const chunk = chunkOf(run, 'each:1');
    while (chunk.status === 'running') {
      for (const { id, order } of chunk.state.config.units) {
        if (unitState(chunk.state, order).phase === 'running') chunk.ok(id, { _tokens: 3 });
      }
    }
    expect(chunk.state.tokenCount).toBe(30);
    starts(run, 'each:1');
    ends(run, 'each:1', chunk);
    expect(run.last).toEqual([
      'ChildEnded each:1',
      'MapChunkEnded each',
      'BudgetExceeded',
      'ExecutionFailed budget_exceeded',
    ]);
  });

  test('takes an end once, and none of an earlier run', () => {
    const run = over(numbers(5));
    const chunk = play(chunkOf(run, 'each:1'));
    expect(ends(run, 'each:1', chunk).outcome).toBe('later');
    starts(run, 'each:1', 1);
    expect(ends(run, 'each:1', chunk).outcome).toBe('recorded');
    expect(ends(run, 'each:1', chunk).outcome).toBe('stale');
  });

  test('costs the same for each event, whatever the number of items', () => {
    const run = over(numbers(10_000));
    expect(unitState(run.state, 0).map?.chunks).toHaveLength(100);
    expect(run.state.config.units.filter(({ kind }) => kind === 'lane')).toHaveLength(10);
  });
});

describe('the chunks of a list', () => {
  test('have at most 100 items, and no more bytes than fit', () => {
    expect(chunksOf(numbers(9), 1_000)).toEqual({ starts: [0] });
    expect(chunksOf(numbers(25), 1_000)).toEqual({ starts: [0, 10, 20] });
    expect(chunksOf(numbers(10_000), 1_000_000)).toEqual({ starts: numbers(100).map((n) => n * 100) });
    expect(chunksOf(['x'.repeat(400), 'y'.repeat(400), 'z'.repeat(400)], 1_000)).toEqual({ starts: [0, 2] });
    expect(chunksOf(['a', 'x'.repeat(2_000)], 1_000)).toEqual({ tooLarge: 1, bytes: 2_003 });
  });

  test('are one config each size, unfolded to a step for each item', () => {
    const run = over(numbers(25));
    const unit = run.state.config.units[run.state.config.unitIndex.get('each:3') ?? -1];
    const found = unit === undefined ? undefined : chunkConfig(run.state, unit);
    expect(found?.definition).toMatchObject({ chunk_items: 5, name: 'test/each', steps: [{ id: 'each' }] });
    expect(compile(found?.definition as never).units.map(({ id }) => id)).toEqual(numbers(5).map((n) => `item-${n}`));
  });
});
