import { afterEach, describe, expect, it } from '@jest/globals';
import { partitionOf } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import type { CommitOutcome } from '@batuta/event-store';
import { PARTITIONS, engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { cancelRequest, executionId, startRequest, success } from './fixtures.js';

const engines: TestEngine[] = [];

async function started(options: Parameters<typeof engineInMemory>[0] = {}): Promise<TestEngine> {
  const made = await engineInMemory(options);
  engines.push(made);
  return made;
}

async function types(test: TestEngine, id: string): Promise<string[]> {
  const events = await test.store.readEvents(id, 1, 1_000);
  expect(events.map((event) => event.version)).toEqual(events.map((_, index) => index + 1));
  return events.map((event) => event.type);
}

/** An execution whose first task has been dispatched. */
async function running(test: TestEngine, config = 'three'): Promise<string> {
  const id = executionId();
  expect(await test.bus.command(startRequest(id, config)).answer).toMatchObject({ accepted: { executionId: id } });
  await eventually(() => test.bus.tasks.some((task) => task.executionId === id));
  return id;
}

/** The id of an execution in this partition, as if it were made at `at`, epoch ms. */
function executionIn(partition: number, at = Date.now()): string {
  for (;;) {
    const id = executionId(at);
    if (partitionOf(id, PARTITIONS) === partition) return id;
  }
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.stop()));
});

describe('a commit whose outcome is unknown', () => {
  it.each([
    ['was applied', true],
    ['was not applied', false],
  ])('and that %s raises the epoch and is answered from the log', async (_title, applied) => {
    const test = await started();
    const id = await running(test);
    const partition = partitionOf(id, PARTITIONS);
    const epochBefore = (await test.store.view()).partitions[partition]?.epoch ?? 0;
    const unknown: CommitOutcome = { kind: 'unknown', message: 'the line went dead' };
    let faults = 0;
    if (applied) test.faults.after = (_request, outcome) => (faults++ === 0 ? unknown : outcome);
    else test.faults.before = () => (faults++ === 0 ? unknown : undefined);
    const reply = await test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]).answer;
    expect(reply.replies).toEqual([{ outcome: 'recorded' }]);
    expect((await test.store.view()).partitions[partition]?.epoch).toBe(epochBefore + 1);
    expect(await types(test, id)).toEqual(['ExecutionStarted', 'StepScheduled', 'StepCompleted', 'StepScheduled']);
    // Its effects may never have been performed: the next owner of the epoch performs what is still wanted.
    await eventually(() => test.bus.tasks.some((task) => task.executionId === id && task.stepId === 'b'));
    expect(test.engine.counters.unknownCommits).toBe(1);
  });

  it('has its effects performed also when its start is decided once more, because its id looks new', async () => {
    const test = await started();
    // A gateway whose clock is ahead made the id: this owner takes it for one that the log cannot have.
    const id = executionIn(0, Date.now() + 3_600_000);
    let release: () => void = () => undefined;
    let again = false;
    test.faults.after = () => {
      delete test.faults.after;
      test.faults.before = () => {
        delete test.faults.before;
        again = true;
        return new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
      };
      return { kind: 'unknown', message: 'the line went dead' };
    };
    const start = test.bus.command(startRequest(id, 'three'));
    await eventually(() => again);
    // What was committed without effects is looked for meanwhile, and meets the start that is on its way.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    release();
    expect(await start.answer).toMatchObject({ accepted: { executionId: id, repeated: true } });
    await eventually(() => test.bus.tasks.some((task) => task.executionId === id));
    expect(await types(test, id)).toEqual(['ExecutionStarted', 'StepScheduled']);
  });

  it('never lets what was decided on top of it be answered before it is known', async () => {
    const test = await started();
    const id = await running(test);
    let release: (outcome: CommitOutcome) => void = () => undefined;
    test.faults.before = () => {
      delete test.faults.before;
      return new Promise<CommitOutcome>((resolve) => (release = resolve));
    };
    const first = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await eventually(() => test.faults.before === undefined);
    const onTop = test.bus.command(cancelRequest(id));
    const duplicate = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([first.answered(), onTop.answered(), duplicate.answered()]).toEqual([false, false, false]);
    release({ kind: 'unknown', message: 'cut' });
    expect((await first.answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect(await onTop.answer).toMatchObject({ accepted: { status: 'cancelled' } });
    expect((await duplicate.answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect((await types(test, id)).filter((type) => type === 'StepCompleted')).toHaveLength(1);
  });
});

describe('an answer that appends nothing', () => {
  it('is not given by an owner that was replaced', async () => {
    const test = await started();
    const id = await running(test);
    const partition = partitionOf(id, PARTITIONS);
    const stale = test.bus.handlers.get(partition);
    await test.store.register('two', 'second', 60_000);
    const epoch = (await test.store.view()).partitions[partition]?.epoch ?? -1;
    expect(await test.store.claim('two', 'second', [{ partition, epoch }])).toHaveLength(1);
    // By its memory this result is of an attempt that does not exist, and the runner would throw its work away.
    const asked = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 9 })], stale);
    await eventually(() => test.engine.owned.every((item) => item.id !== partition));
    expect(asked.answered()).toBe(false);
  });

  it('waits for the commit that it was decided on', async () => {
    const test = await started();
    const id = await running(test);
    let release: () => void = () => undefined;
    test.faults.before = () => new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    const first = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await new Promise((resolve) => setImmediate(resolve));
    const repeat = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(repeat.answered()).toBe(false);
    delete test.faults.before;
    release();
    await first.answer;
    expect((await repeat.answer).replies).toEqual([{ outcome: 'recorded' }]);
  });
});

describe('a commit that PostgreSQL refuses', () => {
  it('discards what was decided on top of it and decides all of it again', async () => {
    const test = await started();
    const id = await running(test);
    let release: (outcome: CommitOutcome) => void = () => undefined;
    test.faults.before = () => {
      delete test.faults.before;
      return new Promise<CommitOutcome>((resolve) => (release = resolve));
    };
    const first = test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await eventually(() => test.faults.before === undefined);
    const second = test.bus.results(id, [success({ executionId: id, stepId: 'b', attempt: 1 })]);
    await new Promise((resolve) => setImmediate(resolve));
    const tasksBefore = test.bus.tasks.length;
    release({ kind: 'rejected', code: '40001', message: 'could not serialize', transient: true });
    expect((await first.answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect((await second.answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect(await types(test, id)).toEqual([
      'ExecutionStarted',
      'StepScheduled',
      'StepCompleted',
      'StepScheduled',
      'StepCompleted',
      'StepScheduled',
    ]);
    expect(test.bus.tasks.length).toBeGreaterThan(tasksBefore);
  });

  it('rejects the culprit alone', async () => {
    const test = await started();
    const [good, bad] = [executionId(), executionId()];
    test.faults.before = (request) =>
      request.events.some((event) => event.executionId === bad)
        ? { kind: 'rejected', code: '22P05', message: 'untranslatable character', transient: false }
        : undefined;
    const answers = [test.bus.command(startRequest(bad, 'three')), test.bus.command(startRequest(good, 'three'))];
    expect(await answers[0]?.answer).toMatchObject({ rejected: { code: 'internal' } });
    expect(await answers[1]?.answer).toMatchObject({ accepted: { executionId: good } });
    expect(await types(test, good)).toEqual(['ExecutionStarted', 'StepScheduled']);
    expect(await types(test, bad)).toEqual([]);
  });

  it('turns a result that cannot be stored into a failure of its attempt', async () => {
    const test = await started();
    const id = await running(test);
    test.faults.before = (request) =>
      request.events.some((event) => event.data.includes('poison'))
        ? { kind: 'rejected', code: '22P02', message: 'no', transient: false }
        : undefined;
    const reply = await test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 }, 'poison')]).answer;
    expect(reply.replies).toEqual([{ outcome: 'recorded' }]);
    expect(await types(test, id)).toContain('ExecutionFailed');
  });

  it('answers a start that the log has already from the log', async () => {
    const test = await started();
    const request = startRequest(executionId(), 'three');
    await test.bus.command(request).answer;
    // As after an eviction: memory has forgotten it, and its id looks as if it were new.
    for (const partition of test.engine.owned) {
      for (const execution of partition.executions.values()) {
        await eventually(() => execution.idle);
        partition.forget(execution);
      }
    }
    const again = await test.bus.command(request).answer;
    expect(again).toMatchObject({ accepted: { executionId: request.executionId, repeated: true } });
    expect(await types(test, request.executionId)).toEqual(['ExecutionStarted', 'StepScheduled']);
  });
});

describe('a partition that is lost and taken again while its commit is slow', () => {
  it('never commits under the new epoch what was decided under the old one', async () => {
    const test = await started({ leaseMs: 400 });
    const id = await running(test);
    const partition = partitionOf(id, PARTITIONS);
    const epochOf = (): number => test.engine.owned.find((item) => item.id === partition)?.epoch ?? 0;
    const before = epochOf();
    let release: () => void = () => undefined;
    test.faults.before = () => {
      delete test.faults.before;
      return new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    };
    test.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]);
    await eventually(() => test.faults.before === undefined);
    // Decided on top of the commit that is under way; it waits for the next one.
    const onTop = test.bus.command(cancelRequest(id));
    await test.store.register('two', 'second', 60_000);
    await test.store.claim('two', 'second', [{ partition, epoch: before }]);
    await test.store.release('two', [{ partition, epoch: before + 1, publishedPosition: 0 }]);
    await test.store.resign('two', 'second');
    await eventually(() => epochOf() > before + 1);
    // Makes the next commit name the partition under its new epoch.
    const other = executionIn(partition);
    const start = test.bus.command(startRequest(other, 'three'));
    release();
    expect(await start.answer).toMatchObject({ accepted: { executionId: other } });
    expect(onTop.answered()).toBe(false);
    expect(await types(test, id)).toEqual(['ExecutionStarted', 'StepScheduled']);
    // Whoever was not answered asks again, and is answered from the log as it is.
    expect(await test.bus.command(cancelRequest(id)).answer).toMatchObject({ accepted: { status: 'cancelled' } });
    expect(await types(test, id)).toEqual(['ExecutionStarted', 'StepScheduled', 'ExecutionCancelled']);
  });
});

describe('requests', () => {
  it('are refused with the place of the mistake, and change nothing', async () => {
    const test = await started();
    const request = { ...startRequest(executionId(), 'three'), surprise: 1 };
    expect(await test.bus.command(request).answer).toMatchObject({
      rejected: { code: 'validation_failed', message: 'surprise is not a known field' },
    });
    const missing = startRequest(executionId(), 'no-such-config');
    expect(await test.bus.command(missing).answer).toMatchObject({ rejected: { code: 'not_found' } });
  });

  it('of another tenant see no execution', async () => {
    const test = await started();
    const id = await running(test);
    expect(await test.bus.command(cancelRequest(id, 'other')).answer).toMatchObject({
      rejected: { code: 'not_found' },
    });
    expect(await types(test, id)).toEqual(['ExecutionStarted', 'StepScheduled']);
  });

  it('fail an attempt whose agent nobody serves', async () => {
    const test = await started();
    const id = executionId();
    await test.bus.command(startRequest(id, 'elsewhere')).answer;
    await eventually(async () => expect(await types(test, id)).toContain('ExecutionFailed'));
  });
});
