import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RunnerBeat, Task } from '@batuta/contracts';
import { newCounters } from '../ports/counters.js';
import { DirectDispatch } from './direct-dispatch.js';
import type { DirectDispatchParts } from './direct-dispatch.js';
import type { RunnerAnswer } from './task-sender.js';
import type { TenantTerms } from './pool-queue.js';
import type { Clock, LostTask, OutgoingTask, PublishOutcome, Runs } from '../ports/ports.js';

interface Asked {
  readonly subject: string;
  readonly tasks: readonly string[];
  readonly answer: (answer: RunnerAnswer) => void;
}

/** Time that moves only on request. */
class ManualClock implements Clock {
  #now = 1_000;
  #timers: { at: number; callback: () => void }[] = [];
  now = (): number => this.#now;
  elapsed = (): number => this.#now;
  soon = (callback: () => void): void => callback();
  next = (callback: () => void): void => callback();
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** Moves time on in steps that are shorter than any timer. */
  pass(ms: number): void {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now = Math.min(end, this.#now + 10);
      for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
        this.#timers = this.#timers.filter((other) => other !== timer);
        timer.callback();
      }
    }
  }
  /** Stalls for this long: due timers fire late, all at once. */
  stall(ms: number): void {
    this.#now += ms;
    this.pass(10);
  }
}

let clock: ManualClock;
let direct: DirectDispatch;
let asked: Asked[];
let queued: string[];
let lost: LostTask[];
let outcomes: Map<string, PublishOutcome>;
let next = 0;

let terms: Record<string, TenantTerms>;
let taken: number;

function open(more: Partial<DirectDispatchParts> = {}): void {
  direct = new DirectDispatch({
    clock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    counters: newCounters(),
    ask: (subject, { value }, _timeoutMs, answer) => {
      asked.push({ subject, tasks: value.tasks.map(({ stepId }) => stepId), answer });
    },
    enqueue: (task, done) => {
      queued.push(task.attemptKey);
      done('stored');
    },
    terms: (tenantId) => terms[tenantId] ?? { weight: 1, running: Infinity },
    taken: () => Promise.resolve(taken),
    ...more,
  });
  direct.onLost((tasks) => lost.push(...tasks));
}

beforeEach(() => {
  clock = new ManualClock();
  terms = {};
  taken = 0;
  asked = [];
  queued = [];
  lost = [];
  outcomes = new Map();
  next = 0;
  open();
});

function beat(
  incarnation: string,
  more: Partial<RunnerBeat> & { free?: number; slots?: number; open?: boolean } = {},
): void {
  const { free = more.slots ?? 2, slots = 2, open: isOpen = true, ...rest } = more;
  direct.heard({
    runnerId: `runner ${incarnation}`,
    incarnation,
    pools: [{ pool: 'default', free, open: isOpen, slots }],
    held: [],
    expiresMs: 2_000,
    ...rest,
  });
}

function taskOf(
  n: number,
  lostRunners: number,
  more: Partial<OutgoingTask> & { tenantId?: string } = {},
): OutgoingTask {
  const { tenantId = 'one', ...rest } = more;
  const attemptKey = `e/s${n}/1`;
  return {
    pool: 'default',
    attemptKey,
    again: false,
    lostRunners,
    priority: 'normal',
    subject: `subject.${n}`,
    messageId: `${attemptKey}/1`,
    task: { executionId: 'e', stepId: `s${n}`, attempt: 1, agent: 'a', partition: 0, tenantId } as Task,
    length: 100,
    ...rest,
  };
}

/** Offers a task and returns its attempt's key. */
function offer(lostRunners = 0, more: Partial<OutgoingTask> & { tenantId?: string } = {}): string {
  const task = taskOf((next += 1), lostRunners, more);
  const { attemptKey } = task;
  const done = (outcome: PublishOutcome): void => {
    if (outcomes.has(attemptKey)) throw new Error(`${attemptKey} was settled twice`);
    outcomes.set(attemptKey, outcome);
  };
  direct.dispatch(task, done);
  return attemptKey;
}

const turn = (): Promise<void> => new Promise((resolve) => queueMicrotask(resolve));
const receipt = (taken: number, open = true): RunnerAnswer => ({ text: JSON.stringify({ taken, open }) });

describe('giving tasks', () => {
  it('sends all tasks of one turn in one message, and settles each when the runner confirms it', async () => {
    beat('a');
    const [one, two] = [offer(), offer()];
    expect(asked).toEqual([]);
    await turn();
    expect(asked.map(({ subject, tasks }) => [subject, tasks])).toEqual([
      ['batuta.runner.default.a.tasks', ['s1', 's2']],
    ]);
    expect(outcomes.size).toBe(0);
    expect(direct.holds(one)).toBe(true);
    asked[0]?.answer(receipt(2));
    expect([...outcomes]).toEqual([
      [one, 'stored'],
      [two, 'stored'],
    ]);
  });

  it('takes no task while no runner is there, or none is open', () => {
    const first = offer();
    beat('a', { open: false });
    expect(queued).toEqual([first, offer()]);
  });

  it('prefers the runner with the most room', async () => {
    beat('a', { free: 1 });
    beat('b');
    offer();
    offer();
    offer();
    await turn();
    expect(asked.map(({ subject, tasks }) => [subject, tasks.length]).toSorted()).toEqual([
      ['batuta.runner.default.a.tasks', 1],
      ['batuta.runner.default.b.tasks', 2],
    ]);
  });

  it('gives a waiting task the slot of a result that has arrived', async () => {
    beat('a');
    const keys = [offer(), offer(), offer()];
    await turn();
    asked[0]?.answer(receipt(2));
    direct.reported(keys[0] ?? '');
    await turn();
    expect(asked[1]?.tasks).toEqual(['s3']);
    expect(queued).toEqual([]);
  });

  it('limits the tasks that a runner holds while results are not answered', async () => {
    beat('a');
    const keys = [offer(), offer(), offer(), offer()];
    await turn();
    asked[0]?.answer(receipt(2));
    for (const key of keys.slice(0, 2)) direct.reported(key);
    await turn();
    expect(asked[1]?.tasks).toEqual(['s3']);
    direct.answered(keys[0] ?? '');
    await turn();
    expect(asked[2]?.tasks).toEqual(['s4']);
  });

  it('keeps a task without a slot waiting, and queues it when the runner sends no more signs of life', async () => {
    beat('a');
    offer();
    offer();
    const third = offer();
    await turn();
    asked[0]?.answer(receipt(2));
    clock.pass(1_900);
    expect(queued).toEqual([]);
    expect(direct.waits(third)).toBe(true);
    clock.pass(600);
    expect(queued).toEqual([third]);
    expect(outcomes.get(third)).toBe('stored');
  });

  it('queues a task that gets no slot while other owners use its share', () => {
    beat('a', { free: 0 });
    direct.owns(0.5);
    const [one, two] = [offer(), offer()];
    clock.pass(900);
    expect(queued).toEqual([]);
    clock.pass(400);
    expect(queued).toEqual([one]);
    expect(direct.waits(two)).toBe(true);
  });

  it('queues a task that a runner refuses because its own queue has tasks', async () => {
    beat('a');
    const [one, two] = [offer(), offer()];
    await turn();
    asked[0]?.answer(receipt(1, false));
    expect(outcomes.get(one)).toBe('stored');
    expect(queued).toEqual([two]);
    expect(queued).toContain(two);
    expect(direct.holds(two)).toBe(false);
  });

  it('keeps a task for the next slot when a runner refuses it for lack of one', async () => {
    beat('a');
    const [one, two] = [offer(), offer()];
    await turn();
    asked[0]?.answer(receipt(1));
    expect(queued).toEqual([]);
    direct.reported(one);
    await turn();
    expect(asked[1]?.tasks).toEqual(['s2']);
    asked[1]?.answer(receipt(1));
    expect(outcomes.get(two)).toBe('stored');
  });
});

it('believes a beat only for its own pool', () => {
  beat('a', { held: ['f/x/3'] });
  expect(direct.holds('f/x/3', 'default')).toBe(true);
  expect(direct.holds('f/x/3', 'other')).toBe(false);
});

describe('lost tasks', () => {
  it('are those that a runner has taken and no longer lists', async () => {
    beat('a');
    const [one, two] = [offer(), offer()];
    await turn();
    // A beat that was in transit before the tasks says nothing about them.
    beat('a');
    expect(lost).toEqual([]);
    asked[0]?.answer(receipt(2));
    beat('a', { held: [one, two] });
    expect(lost).toEqual([]);
    beat('a', { held: [two] });
    expect(lost).toEqual([{ executionId: 'e', stepId: 's1', attempt: 1, lostRunners: 0 }]);
    expect(direct.holds(one)).toBe(false);
    expect(direct.holds(two)).toBe(true);
  });

  it('exclude answered ones', async () => {
    beat('a');
    const one = offer();
    await turn();
    asked[0]?.answer(receipt(1));
    direct.reported(one);
    direct.answered(one);
    beat('a');
    expect(lost).toEqual([]);
  });

  it('exclude those that an earlier owner gave, once their holder is answered', async () => {
    beat('a');
    const one = offer();
    await turn();
    asked[0]?.answer(receipt(1));
    beat('a', { held: [one] });
    beat('b', { held: [one] });
    direct.answered(one);
    // The other runner must report its own tasks.
    expect(direct.holds(one)).toBe(true);
    direct.answered(one);
    expect(direct.holds(one)).toBe(false);
    clock.pass(3_000);
    expect(lost).toEqual([]);
  });

  it('are all tasks of a silent runner, also those of other owners; unconfirmed ones go to the queue', async () => {
    beat('a', { held: ['f/x/3'] });
    const one = offer(1);
    await turn();
    asked[0]?.answer(receipt(1));
    const two = offer();
    await turn();
    clock.pass(11_900);
    expect(lost).toEqual([]);
    clock.pass(400);
    // Its process was not seen to end, so the count stays.
    expect(lost).toEqual([
      { executionId: 'e', stepId: 's1', attempt: 1, lostRunners: 1 },
      { executionId: 'f', stepId: 'x', attempt: 3, lostRunners: 0, pools: ['default'] },
    ]);
    expect(queued).toEqual([two]);
    expect(outcomes.get(one)).toBe('stored');
    expect(direct.holds(one)).toBe(false);
  });

  it('do not include those of a runner that stands still for ten seconds and then continues', async () => {
    beat('a', { held: ['f/x/3'] });
    const one = offer();
    await turn();
    asked[0]?.answer(receipt(1));
    clock.pass(2_300);
    expect(queued).toEqual([offer()]);
    for (let second = 3; second <= 10; second++) {
      asked.at(-1)?.answer('timeout');
      clock.pass(1_000);
    }
    expect(lost).toEqual([]);
    expect(direct.holds(one)).toBe(true);
    beat('a', { held: ['f/x/3', one] });
    offer();
    await turn();
    expect(asked.at(-1)?.tasks).toEqual(['s3']);
    expect(lost).toEqual([]);
  });

  it('are found sooner when nobody listens on the runner’s subject', () => {
    beat('a', { held: ['f/x/3'] });
    clock.pass(1_000);
    expect(asked).toHaveLength(1);
    asked[0]?.answer('no_responders');
    expect(lost).toEqual([{ executionId: 'f', stepId: 'x', attempt: 3, lostRunners: 1, pools: ['default'] }]);
  });

  it('are found at once when a runner of the same name appears and nobody listens on the old subject', () => {
    beat('a', { runnerId: 'one', held: ['f/x/3'] });
    beat('b', { runnerId: 'other' });
    clock.pass(200);
    beat('c', { runnerId: 'one' });
    expect(asked.map(({ subject, tasks }) => [subject, tasks])).toEqual([
      ['batuta.runner.default.a.tasks', []],
      ['batuta.runner.default.b.tasks', []],
    ]);
    asked[1]?.answer(receipt(0));
    expect(lost).toEqual([]);
    asked[0]?.answer('no_responders');
    expect(lost).toEqual([{ executionId: 'f', stepId: 'x', attempt: 3, lostRunners: 1, pools: ['default'] }]);
    expect(direct.runners).toBe(2);
  });

  it('are found soon when another runner appears and nobody listens on a silent one’s subject, now and a moment later', () => {
    beat('a', { held: ['f/x/3'] });
    clock.pass(200);
    beat('b');
    asked[0]?.answer('no_responders');
    expect(lost).toEqual([]);
    clock.pass(300);
    expect(asked).toHaveLength(2);
    asked[1]?.answer('no_responders');
    expect(lost).toEqual([{ executionId: 'f', stepId: 'x', attempt: 3, lostRunners: 1, pools: ['default'] }]);
  });

  it('do not include those of a frozen or reconnecting runner when another one appears', () => {
    beat('a', { held: ['f/x/3'] });
    clock.pass(200);
    beat('b');
    asked[0]?.answer('no_responders');
    beat('a', { held: ['f/x/3'] });
    clock.pass(300);
    expect(asked).toHaveLength(1);
    beat('c', { runnerId: 'runner a' });
    // A runner is asked once for one silence, however many new ones appear.
    beat('d');
    expect(asked.map(({ subject }) => subject).slice(1)).toEqual([
      'batuta.runner.default.a.tasks',
      'batuta.runner.default.b.tasks',
    ]);
    asked[1]?.answer('timeout');
    asked[2]?.answer('timeout');
    expect(lost).toEqual([]);
    expect(direct.runners).toBe(4);
  });

  it('do not include first-time tasks while no runner listens, which go to the queue', async () => {
    beat('a', { held: ['f/x/3'] });
    const one = offer();
    await turn();
    asked[0]?.answer('no_responders');
    expect(queued).toEqual([one]);
    expect(lost).toEqual([]);
    expect(queued).toEqual([one, offer()]);
    beat('a', { held: ['f/x/3'] });
    const third = offer();
    await turn();
    asked[1]?.answer('lost');
    asked[2]?.answer('no_responders');
    clock.pass(300);
    // The runner may have it, so no other gets it.
    expect(asked[3]?.tasks).toEqual(['s3']);
    expect(queued).not.toContain(third);
    asked[3]?.answer(receipt(1));
    expect(outcomes.get(third)).toBe('stored');
  });

  it('do not arise because this process stood still', () => {
    beat('a', { held: ['f/x/3'] });
    clock.stall(10_000);
    expect(lost).toEqual([]);
    beat('a', { held: ['f/x/3'] });
    clock.pass(1_000);
    expect(lost).toEqual([]);
  });

  it('do not arise because a receipt is late: the tasks are sent again to the same runner', async () => {
    beat('a');
    const one = offer();
    await turn();
    asked[0]?.answer('timeout');
    expect(asked[1]).toMatchObject({ subject: 'batuta.runner.default.a.tasks', tasks: ['s1'] });
    beat('a', { held: [one] });
    expect(outcomes.get(one)).toBe('stored');
    asked[1]?.answer(receipt(1));
    expect(lost).toEqual([]);
    expect(queued).toEqual([]);
  });

  it('gives an attempt that is dispatched twice to one runner, and settles both dispatches', async () => {
    beat('a');
    beat('b');
    const settled: string[] = [];
    const dispatch = (name: string): void => {
      direct.dispatch(taskOf(1, 0), (outcome) => settled.push(`${name} ${outcome}`));
    };
    dispatch('first');
    dispatch('second');
    await turn();
    expect(asked).toHaveLength(1);
    expect(settled).toEqual([]);
    asked[0]?.answer('no_responders');
    await turn();
    expect(asked[1]?.subject).not.toBe(asked[0]?.subject);
    asked[1]?.answer(receipt(1));
    expect(settled).toEqual(['first stored', 'second stored']);
  });

  it('treats a second dispatch of an attempt as done when a runner has confirmed it', async () => {
    beat('a');
    const key = offer();
    await turn();
    asked[0]?.answer(receipt(1));
    expect(outcomes.get(key)).toBe('stored');
    const settled: string[] = [];
    direct.dispatch(taskOf(next, 0), (outcome) => settled.push(outcome));
    await turn();
    expect(asked).toHaveLength(1);
    expect(settled).toEqual(['stored']);
  });
});

describe('runners that ended with an attempt', () => {
  const begins = (
    incarnation: string,
    more: { redelivered?: boolean; alone?: boolean; attemptKey?: string } = {},
  ): Runs => direct.begins({ attemptKey: 'f/x/1', incarnation, redelivered: true, alone: false, ...more });
  /** The runner is silent, and is no longer subscribed for tasks. */
  const end = (incarnation: string): void => {
    clock.pass(1_200);
    const subject = `batuta.runner.default.${incarnation}.tasks`;
    for (const one of asked.splice(0)) one.answer(one.subject === subject ? 'no_responders' : receipt(0));
  };

  it('are counted for attempts that they began from the queue, by their beats or questions', () => {
    beat('a', { begun: ['f/x/1'] });
    beat('b');
    expect(begins('b')).toEqual({ held: true, lostRunners: 0 });
    end('a');
    // The queue has it, so it is not dispatched again.
    expect(lost).toEqual([]);
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
    // Its last report was that it begins.
    beat('b', { begun: ['f/x/1'] });
    beat('c');
    expect(begins('c')).toEqual({ held: true, lostRunners: 1 });
    end('b');
    expect(begins('c')).toEqual({ held: false, lostRunners: 2 });
  });

  it('do not include one that only stands still, even when another runs the attempt; its end counts later', () => {
    beat('a', { begun: ['f/x/1'] });
    for (let second = 1; second <= 11; second++) {
      clock.pass(1_000);
      beat('b');
      asked.at(-1)?.answer('timeout');
    }
    expect(begins('b')).toEqual({ held: true, lostRunners: 0 });
    clock.pass(1_300);
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
    end('a');
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
  });

  it('include one without a sign of life for two minutes', () => {
    beat('a', { begun: ['f/x/1'] });
    clock.pass(130_000);
    beat('b');
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
    clock.pass(3_000);
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
    beat('a', { begun: ['f/x/1'] });
    expect(begins('b')).toEqual({ held: true, lostRunners: 0 });
  });

  it('may include one that fell silent before it could list its attempts', () => {
    beat('a');
    clock.pass(1_500);
    beat('b');
    expect(begins('b')).toEqual({ held: true, lostRunners: 0 });
    expect(begins('b', { redelivered: false })).toEqual({ held: false, lostRunners: 0 });
    beat('a');
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
  });

  it('do not include one that sends signs of life again', () => {
    beat('a', { begun: ['f/x/1'] });
    beat('b');
    end('a');
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
    beat('a');
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
  });

  it('do not include one that was told to stop', () => {
    beat('a', { begun: ['f/x/1'] });
    beat('a', { begun: [], over: true });
    beat('b');
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
    end('a');
    expect(begins('b', { redelivered: false })).toEqual({ held: false, lostRunners: 0 });
  });

  it('count as one when the queue redelivers an attempt that no beat listed, and a runner ended recently', () => {
    beat('a');
    beat('b');
    expect(begins('b', { attemptKey: 'f/y/1' })).toEqual({ held: false, lostRunners: 0 });
    end('a');
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
    expect(begins('b')).toEqual({ held: false, lostRunners: 1 });
    expect(begins('b', { attemptKey: 'f/z/1', redelivered: false })).toEqual({ held: false, lostRunners: 0 });
  });

  it('do not count against an attempt that waited to run alone', () => {
    for (const name of ['a', 'b']) {
      beat(name, { begun: ['f/x/1'], held: ['f/y/1'] });
      end(name);
    }
    beat('c', { held: ['f/y/1'] });
    expect(begins('c')).toEqual({ held: false, lostRunners: 2 });
    end('c');
    beat('d');
    expect(begins('d')).toEqual({ held: false, lostRunners: 2 });
    expect(begins('d', { attemptKey: 'f/y/1' })).toEqual({ held: false, lostRunners: 2 });
    expect(begins('d', { alone: true })).toEqual({ held: false, lostRunners: 2 });
    end('d');
    beat('e');
    expect(begins('e', { alone: true })).toEqual({ held: false, lostRunners: 3 });
    expect(begins('e', { attemptKey: 'f/y/1' })).toEqual({ held: false, lostRunners: 2 });
  });

  it('are counted in the attempt’s own pool, like its holder', () => {
    beat('a', { begun: ['f/x/1'], pools: [{ pool: 'other', free: 2, open: true, slots: 2 }] });
    beat('b');
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
    clock.pass(1_200);
    for (const one of asked.splice(0)) one.answer(one.subject.includes('.other.') ? 'no_responders' : receipt(0));
    expect(begins('b')).toEqual({ held: false, lostRunners: 0 });
  });

  it('are forgotten when the outcome is known', () => {
    beat('a', { begun: ['f/x/1'] });
    end('a');
    direct.answered('f/x/1');
    beat('b');
    expect(begins('b', { redelivered: false })).toEqual({ held: false, lostRunners: 0 });
  });
});

describe('tenants', () => {
  const offers = (count: number, tenantId: string, more: Partial<OutgoingTask> = {}): string[] =>
    Array.from({ length: count }, () => offer(0, { tenantId, ...more }));
  /** The sent steps, in order. The steps of each turn are confirmed. */
  const sent = async (): Promise<string[]> => {
    await turn();
    const all = asked.splice(0);
    for (const { tasks, answer } of all) answer(receipt(tasks.length));
    return all.flatMap(({ tasks }) => tasks.map((step) => `e/${step}/1`));
  };
  const end = (key: string): void => {
    direct.reported(key);
    direct.answered(key);
  };

  it('may use every slot while they are alone, and take turns when others come', async () => {
    beat('a', { slots: 3 });
    const many = offers(9, 'many');
    expect(await sent()).toEqual(many.slice(0, 3));
    const few = offers(3, 'few');
    expect(await sent()).toEqual([]);
    end(many[0] ?? '');
    expect(await sent()).toEqual([few[0]]);
    // Each tenant has one, and the last turn was the other's.
    end(many[1] ?? '');
    expect(await sent()).toEqual([many[3]]);
    end(many[2] ?? '');
    expect(await sent()).toEqual([few[1]]);
    end(few[0] ?? '');
    expect(await sent()).toEqual([many[4]]);
    end(few[1] ?? '');
    expect(await sent()).toEqual([few[2]]);
    expect(queued).toEqual([]);
  });

  it('get slots by weight', async () => {
    terms = { heavy: { weight: 2, running: Infinity } };
    beat('a', { slots: 3 });
    const first = offers(3, 'other');
    await sent();
    const heavy = offers(9, 'heavy');
    const other = offers(9, 'other');
    for (const key of first) end(key);
    const running = await sent();
    expect(running.filter((key) => heavy.includes(key))).toHaveLength(2);
    expect(running.filter((key) => other.includes(key))).toHaveLength(1);
  });

  it('keep a recently used slot free, and lose it when they have not come for a while', async () => {
    beat('a', { slots: 8 });
    const [quiet = ''] = offers(1, 'quiet');
    await sent();
    end(quiet);
    const many = offers(20, 'many');
    expect(await sent()).toEqual(many.slice(0, 7));
    const [again = ''] = offers(1, 'quiet');
    expect(await sent()).toEqual([again]);
    end(again);
    expect(await sent()).toEqual([]);
    for (let second = 0; second < 16; second++) {
      clock.pass(1_000);
      beat('a', { slots: 8, free: 1, held: many.slice(0, 7) });
    }
    expect(await sent()).toEqual([many[7]]);
    expect(queued).toEqual([]);
  });

  it('never run more attempts at once than allowed, and do not delay others meanwhile', async () => {
    terms = { capped: { weight: 1, running: 4 } };
    direct.owns(0.5);
    beat('a', { slots: 8 });
    const capped = offers(5, 'capped');
    expect(await sent()).toEqual(capped.slice(0, 2));
    const other = offers(3, 'other');
    expect(await sent()).toEqual(other);
    end(capped[0] ?? '');
    expect(await sent()).toEqual([capped[2]]);
    terms = {};
    direct.termsChanged();
    expect(await sent()).toEqual(capped.slice(3));
  });

  it('have at most as many tasks in the queue as workers can take, and take turns there', async () => {
    const many = offers(500, 'many');
    // No worker is known.
    expect(queued).toEqual(many.slice(0, 16));
    const [few = ''] = offers(1, 'few');
    end(many[0] ?? '');
    expect(queued.at(-1)).toBe(few);
    // Workers without beats have taken all, so there may be more of them.
    taken = 16;
    clock.pass(500);
    await turn();
    await turn();
    expect(queued.length).toBeGreaterThan(17);
    expect(queued.length).toBeLessThanOrEqual(42);
  });

  it('have at most as many tasks in the queue as there are slots while direct dispatch is off', async () => {
    direct.close();
    open({ direct: false });
    beat('a', { slots: 8 });
    const many = offers(500, 'many');
    expect(queued).toEqual(many.slice(0, 28));
    expect(await sent()).toEqual([]);
    end(many[0] ?? '');
    expect(queued).toHaveLength(29);
  });

  it('do not lose a place in the queue to an attempt that ended without a result', async () => {
    const wanted = new Map<string, boolean>();
    direct.onDoubted((key, answer) => answer(wanted.get(key) ?? true));
    const many = offers(20, 'many');
    expect(queued).toEqual(many.slice(0, 16));
    clock.pass(6_000);
    expect(queued).toHaveLength(16);
    wanted.set(many[3] ?? '', false);
    clock.pass(6_000);
    expect(queued).toEqual(many.slice(0, 17));
  });

  it('do not run a task that is no longer needed after it has waited', async () => {
    beat('a', { slots: 1 });
    const [first = ''] = offers(1, 'one');
    await sent();
    const [ended = ''] = offers(1, 'one', { isWanted: () => false });
    const [last = ''] = offers(1, 'one');
    end(first);
    expect(await sent()).toEqual([last]);
    expect(outcomes.get(ended)).toBe('put_aside');
  });

  it('have priorities among their own tasks only', async () => {
    beat('a', { slots: 1 });
    let [running = ''] = offers(1, 'low');
    await sent();
    const low = offers(20, 'low', { priority: 'low' });
    const high = offers(20, 'low', { priority: 'high' });
    const order: string[] = [];
    for (let n = 0; n < 14; n++) {
      end(running);
      [running = ''] = await sent();
      order.push(running);
    }
    // Six to one. The first low task was next before the others came.
    expect(order.filter((key) => high.includes(key))).toHaveLength(11);
    expect(order.filter((key) => low.includes(key))).toHaveLength(3);
  });

  it('with more tasks than fit in memory get the rest recreated from the log when their turn comes near', async () => {
    direct.close();
    open({ sizes: { tasks: 8, length: 1_000, least: 2, mark: 2, shelved: 3 } });
    beat('a', { slots: 1 });
    const many = offers(10, 'many');
    expect(await sent()).toEqual([many[0]]);
    // One tenant may have four of eight in memory, three are on the shelf, and the audit finds the last two.
    expect(many.map((key) => [direct.waits(key), outcomes.get(key)])).toEqual([
      [false, 'stored'],
      ...Array.from({ length: 4 }, () => [true, undefined]),
      ...Array.from({ length: 3 }, () => [true, 'put_aside']),
      ...Array.from({ length: 2 }, () => [false, 'put_aside']),
    ]);
    expect(direct.waitingIn('default')).toBe(7);
    let running = many[0] ?? '';
    for (const key of many.slice(1, 4)) {
      end(running);
      expect(await sent()).toEqual([key]);
      running = key;
    }
    // One waits in memory, so the next is rebuilt, once.
    expect(lost).toEqual([{ executionId: 'e', stepId: 's6', attempt: 1, lostRunners: 0 }]);
    direct.dispatch(taskOf(6, 0, { again: true, tenantId: 'many' }), () => undefined);
    end(running);
    expect(await sent()).toEqual([many[4]]);
    end(many[4] ?? '');
    expect(await sent()).toEqual([many[5]]);
    expect(lost.map(({ stepId }) => stepId)).toEqual(['s6', 's7', 's8']);
  });

  it('with a task that waits for long do not hold the published position back, and its runner asks first', async () => {
    beat('a', { slots: 1 });
    const [first = '', second = ''] = offers(2, 'one');
    await sent();
    for (let n = 0; n < 70; n++) {
      clock.pass(1_000);
      beat('a', { slots: 1, free: 0, held: [first] });
    }
    expect(outcomes.get(second)).toBe('put_aside');
    expect(direct.waits(second)).toBe(true);
    end(first);
    expect(await sent()).toEqual([second]);
  });
});

describe('a pause', () => {
  let pools: Set<string>;
  let tenants: Set<string>;
  let agents: Set<string>;

  beforeEach(() => {
    [pools, tenants, agents] = [new Set(), new Set(), new Set()];
    direct.close();
    open({
      held: {
        pool: (pool, tenantId) => pools.has(pool) || tenants.has(tenantId),
        agent: (agent, tenantId) => agents.has(`${tenantId}/${agent}`),
      },
    });
  });

  const given = (): string[] => asked.flatMap(({ tasks }) => tasks);
  const ofAgent = (agent: string, more: Partial<OutgoingTask> & { tenantId?: string } = {}): string => {
    const task = taskOf(next + 1, 0, more);
    return offer(0, { ...more, task: { ...task.task, agent } });
  };

  it('of a pool holds its tasks back although there are slots, and no other tasks', async () => {
    beat('x', { slots: 4 });
    pools.add('default');
    offer();
    offer(0, { pool: 'other' });
    await turn();
    expect(given()).toEqual([]);
    expect(queued).toEqual(['e/s2/1']);
    pools.clear();
    direct.pausesChanged();
    await turn();
    expect(given()).toEqual(['s1']);
  });

  it('of a tenant lets the tasks of others pass', async () => {
    beat('x', { slots: 4 });
    tenants.add('one');
    offer();
    offer(0, { tenantId: 'two' });
    offer();
    await turn();
    expect(given()).toEqual(['s2']);
    tenants.clear();
    direct.pausesChanged();
    await turn();
    expect(given()).toEqual(['s2', 's1', 's3']);
  });

  it('of an agent lets the same tenant’s tasks for other agents pass, whenever they came', async () => {
    beat('x', { free: 0, slots: 4 });
    ofAgent('bad');
    ofAgent('good');
    ofAgent('bad', { tenantId: 'two' });
    await turn();
    expect(given()).toEqual([]);
    agents.add('one/bad');
    beat('x', { slots: 4 });
    ofAgent('bad');
    ofAgent('good');
    await turn();
    expect(given().sort()).toEqual(['s2', 's3', 's5']);
    agents.clear();
    direct.pausesChanged();
    await turn();
    beat('x', { slots: 8, held: ['e/s2/1', 'e/s3/1', 'e/s5/1'], free: 5 });
    await turn();
    expect(given().sort()).toEqual(['s1', 's2', 's3', 's4', 's5']);
  });

  it('does not count its tasks as waiting for a slot, so nobody starts runners for them', async () => {
    beat('x', { free: 0, slots: 1 });
    offer();
    offer(0, { tenantId: 'two' });
    expect(direct.waitingIn('default')).toBe(2);
    tenants.add('one');
    expect(direct.waitingIn('default')).toBe(1);
    expect([...direct.heldByPool()]).toEqual([['default', 1]]);
    pools.add('default');
    expect([...direct.waitingByPool()]).toEqual([['default', 0]]);
  });

  it('keeps only the names of many tasks, does not build them again and again, and gives all of them at its end', async () => {
    direct.close();
    open({ held: { pool: (pool) => pools.has(pool), agent: () => false } });
    beat('x', { slots: 100 });
    pools.add('default');
    const all = Array.from({ length: 60 }, () => offer());
    await turn();
    clock.pass(30_000);
    expect(lost).toEqual([]);
    expect(given()).toEqual([]);
    // All but the least number of tasks in memory are kept by name, and their dispatches do not stay open.
    expect([...outcomes.values()].filter((outcome) => outcome === 'put_aside')).toHaveLength(44);
    pools.clear();
    beat('x', { slots: 100 });
    direct.pausesChanged();
    await turn();
    clock.pass(300);
    await turn();
    expect(given()).toHaveLength(16);
    expect(lost.map(({ stepId }) => `e/${stepId}/1`)).toEqual(all.slice(16));
  });
});
