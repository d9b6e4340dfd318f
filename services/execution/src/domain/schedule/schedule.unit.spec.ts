import { describe, expect, test } from '@jest/globals';
import { uuidV5 } from '@batuta/contracts';
import type { ScheduleDefinition, ScheduleDomainEvent, ScheduleStreamEvent } from '@batuta/contracts';
import { decideSchedule } from './decide.js';
import type { ScheduleCommandInput } from './command.js';
import { isScheduleEffectWanted, scheduleEffectsOf, wantedScheduleEffects } from './effects.js';
import { evolveSchedule } from './evolve.js';
import { decodeScheduleSnapshot, encodeScheduleSnapshot } from './snapshot.js';
import { CHECK_MS, NO_SCHEDULE, isScheduleOver, nextScheduleWake } from './state.js';
import type { ScheduleState } from './state.js';
import { scheduleView } from './view.js';

const ID = '0190a5b4-0000-7000-8000-000000000001';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Midnight. */
const START = Date.UTC(2026, 0, 1);
const PRINCIPAL = { tenantId: 'default', userId: 'ann', role: 'operator', keyId: 'k' } as const;

const HOURLY: ScheduleDefinition = { name: 'hourly', config: 'c', timetable: { every_ms: HOUR } };

class Story {
  state: ScheduleState = NO_SCHEDULE;
  readonly events: ScheduleStreamEvent[] = [];
  #commands = 0;

  constructor(definition: Partial<ScheduleDefinition> = {}, at = START) {
    const create = { definition: { ...HOURLY, ...definition } };
    this.at(at, { type: 'CreateSchedule', scheduleId: ID, principal: PRINCIPAL, create });
  }

  /** The events of a command, or its refusal. */
  at(at: number, command: Distributed): ScheduleDomainEvent[] | string {
    this.#commands += 1;
    const outside = { by: 'ann', expectedVersion: 0, id: `command-${this.#commands}` };
    const internal = command.type.startsWith('Record') || command.type === 'WakeSchedule';
    const whole = { ...outside, ...(internal ? { id: 'w:' } : {}), at, ...command } as ScheduleCommandInput;
    const decision = decideSchedule(whole, this.state);
    if ('rejected' in decision) return decision.rejected.code;
    let folded = this.state;
    for (const event of decision.accepted) {
      const stored = {
        ...structuredClone(event),
        executionId: ID,
        version: folded.version + 1,
        at,
        commandId: whole.id,
        partition: 0,
        position: 0,
      } as ScheduleStreamEvent;
      this.events.push(stored);
      folded = evolveSchedule(folded, stored);
    }
    // The decision's own state equals the state computed from its events.
    expect(folded).toEqual(decision.next);
    this.state = decision.next;
    return [...decision.accepted];
  }

  wake(at: number): string[] {
    return told(this.at(at, { type: 'WakeSchedule' }));
  }

  started(nominalAt: number, outcome: 'started' | 'refused' = 'started'): string[] {
    const executionId = uuidV5(ID, String(nominalAt));
    return told(this.at(Math.max(nominalAt, this.state.at), { type: 'RecordStart', executionId, outcome }));
  }

  ended(nominalAt: number, at: number, status: 'completed' | 'failed' | 'cancelled' = 'completed'): string[] {
    return told(this.at(at, { type: 'RecordEnd', executionId: uuidV5(ID, String(nominalAt)), status }));
  }
}

type Distributed = ScheduleCommandInput extends infer C
  ? C extends unknown
    ? Omit<C, 'id' | 'at' | 'by' | 'expectedVersion'> & { id?: string; expectedVersion?: number }
    : never
  : never;

const hour = (at: number): string => new Date(at).toISOString().slice(5, 16);

/** Events, one line each. */
function told(events: ScheduleDomainEvent[] | string): string[] {
  if (typeof events === 'string') return [events];
  return events.map((event) => {
    switch (event.type) {
      case 'ScheduleFired':
        return `fired ${hour(event.data.nominalAt)} ${event.data.cause}`;
      case 'ScheduleBuffered':
        return `buffered ${event.data.nominalAt.map(hour).join(',')}`;
      case 'ScheduleSkipped':
        return `skipped ${event.data.count}${event.data.more === true ? '+' : ''} ${event.data.reason} to ${hour(event.data.lastAt)}`;
      case 'SchedulePaused':
        return `paused ${event.data.cause}`;
      case 'ScheduleExecutionEnded':
        return event.data.status;
      case 'ScheduleOthersStopped':
        return `${event.data.how} ${event.data.executionIds.length}`;
      default:
        return event.type;
    }
  });
}

const at = (hours: number): number => START + hours * HOUR;

describe('firing', () => {
  test('starts the execution whose id follows from the schedule and the time', () => {
    const story = new Story();
    expect(nextScheduleWake(story.state)).toBe(at(1));
    expect(story.wake(at(1) - 1)).toEqual([]);
    expect(story.wake(at(1))).toEqual(['fired 01-01T01:00 schedule']);
    expect(story.state.running[0]?.executionId).toBe(uuidV5(ID, String(at(1))));
    expect(wantedScheduleEffects(story.state)).toEqual([{ type: 'start', executionId: uuidV5(ID, String(at(1))) }]);
    expect(story.started(at(1))).toEqual(['ScheduleStartAnswered']);
    expect(wantedScheduleEffects(story.state)).toEqual([]);
  });

  test('a second wake, an old owner and a clock that was set back fire nothing twice', () => {
    const story = new Story();
    story.wake(at(1));
    story.started(at(1));
    story.ended(at(1), at(1) + 5);
    expect(story.wake(at(1))).toEqual([]);
    expect(story.wake(at(1) - MINUTE)).toEqual([]);
    expect(story.wake(at(1) + 5)).toEqual([]);
    expect(story.wake(at(2))).toEqual(['fired 01-01T02:00 schedule']);
  });

  test('a single time fires once and finishes the schedule', () => {
    const story = new Story({ timetable: { at: '2026-01-01T03:00:00Z' } });
    expect(story.wake(at(3))).toEqual(['fired 01-01T03:00 schedule', 'ScheduleFinished']);
    expect(nextScheduleWake(story.state)).toBe(at(3) + CHECK_MS);
    expect(isScheduleOver(story.state)).toBe(false);
    story.started(at(3));
    story.ended(at(3), at(3) + 1);
    expect(isScheduleOver(story.state)).toBe(true);
    expect(nextScheduleWake(story.state)).toBeUndefined();
  });

  test('max_runs counts what the timetable starts, and not what people start', () => {
    const story = new Story({ max_runs: 2, overlap: 'allow' });
    expect(told(story.at(at(0), { type: 'TriggerSchedule', trigger: {} }))).toEqual(['fired 01-01T00:00 trigger']);
    expect(story.wake(at(1))).toEqual(['fired 01-01T01:00 schedule']);
    expect(scheduleView(story.state)?.remainingRuns).toBe(1);
    expect(story.wake(at(2))).toEqual(['fired 01-01T02:00 schedule', 'ScheduleFinished']);
    expect(story.wake(at(3))).toEqual([]);
  });

  test('jitter delays the start and not the time', () => {
    const story = new Story({ jitter_ms: 10 * MINUTE });
    const wake = nextScheduleWake(story.state) ?? 0;
    expect(wake).toBeGreaterThan(at(1));
    expect(wake).toBeLessThan(at(1) + 10 * MINUTE);
    expect(story.wake(wake - 1)).toEqual([]);
    expect(story.wake(wake)).toEqual(['fired 01-01T01:00 schedule']);
  });
});

describe('overlap', () => {
  const running = (definition: Partial<ScheduleDefinition>): Story => {
    const story = new Story(definition);
    story.wake(at(1));
    story.started(at(1));
    return story;
  };

  test('skip leaves the time out, with its reason', () => {
    const story = running({});
    expect(story.wake(at(2))).toEqual(['skipped 1 overlap to 01-01T02:00']);
    story.ended(at(1), at(2) + 1);
    expect(story.wake(at(3))).toEqual(['fired 01-01T03:00 schedule']);
  });

  test('buffer_one keeps one time until the execution has ended', () => {
    const story = running({ overlap: 'buffer_one' });
    expect(story.wake(at(2))).toEqual(['buffered 01-01T02:00']);
    expect(story.wake(at(3))).toEqual(['skipped 1 buffer_full to 01-01T03:00']);
    expect(story.ended(at(1), at(3) + 1)).toEqual(['completed', 'fired 01-01T02:00 schedule']);
  });

  test('buffer_all keeps them in order, up to its limit', () => {
    const story = running({ overlap: 'buffer_all', buffer_limit: 2 });
    expect([...story.wake(at(2)), ...story.wake(at(3)), ...story.wake(at(4))]).toEqual([
      'buffered 01-01T02:00',
      'buffered 01-01T03:00',
      'skipped 1 buffer_full to 01-01T04:00',
    ]);
    expect(story.ended(at(1), at(4) + 1)).toEqual(['completed', 'fired 01-01T02:00 schedule']);
    story.started(at(2));
    expect(story.ended(at(2), at(4) + 2)).toEqual(['completed', 'fired 01-01T03:00 schedule']);
  });

  test.each(['cancel', 'terminate'] as const)('%s_other ends what runs and starts the newest time after it', (how) => {
    const story = running({ overlap: `${how}_other` });
    expect(story.wake(at(2))).toEqual([`${how} 1`, 'buffered 01-01T02:00']);
    expect(wantedScheduleEffects(story.state)).toEqual([{ type: 'stop', executionId: uuidV5(ID, String(at(1))) }]);
    expect(story.wake(at(3))).toEqual(['skipped 1 replaced to 01-01T02:00', 'buffered 01-01T03:00']);
    expect(story.ended(at(1), at(3) + 1, 'cancelled')).toEqual(['cancelled', 'fired 01-01T03:00 schedule']);
  });

  test('allow starts beside what runs', () => {
    const story = running({ overlap: 'allow' });
    expect(story.wake(at(2))).toEqual(['fired 01-01T02:00 schedule']);
    expect(story.state.running).toHaveLength(2);
  });
});

describe('times that nobody could fire', () => {
  const back = at(10) + 30 * MINUTE;

  test('latest starts the last of them', () => {
    expect(new Story().wake(back)).toEqual(['skipped 9 missed to 01-01T09:00', 'fired 01-01T10:00 missed']);
  });

  test('skip starts none', () => {
    const story = new Story({ missed: { runs: 'skip' } });
    expect(story.wake(back)).toEqual(['skipped 10 missed to 01-01T10:00']);
    expect(story.wake(at(11))).toEqual(['fired 01-01T11:00 schedule']);
  });

  test('all starts each, up to its limit', () => {
    const story = new Story({ missed: { runs: 'all', limit: 3 }, overlap: 'allow' });
    expect(story.wake(back)).toEqual([
      'fired 01-01T01:00 missed',
      'fired 01-01T02:00 missed',
      'fired 01-01T03:00 missed',
      'skipped 7 over_limit to 01-01T10:00',
    ]);
  });

  test('what is older than the window is left out (kubernetes #36311: more than a hundred missed, and never again)', () => {
    const story = new Story({ missed: { runs: 'latest', window_ms: 2 * HOUR } });
    expect(story.wake(at(500) + 30 * MINUTE)).toEqual([
      'skipped 498 too_old to 01-21T18:00',
      'skipped 1 missed to 01-21T19:00',
      'fired 01-21T20:00 missed',
    ]);
  });

  test('a year of seconds costs one decision and no more', () => {
    const story = new Story({ timetable: { every_ms: 1_000 }, missed: { runs: 'latest', window_ms: 10_000 } });
    const [first] = story.wake(START + 365 * 24 * HOUR);
    expect(first).toMatch(/^skipped 1000\+ too_old/);
    expect(nextScheduleWake(story.state)).toBeLessThanOrEqual(START + 365 * 24 * HOUR + CHECK_MS);
  });

  test('more in the window than one decision counts are dealt with by the next, and the last of them starts', () => {
    const story = new Story({ timetable: { every_ms: 1_000 } });
    const now = START + 40 * MINUTE;
    const events: string[] = [];
    for (let turn = 0; turn < 10 && (nextScheduleWake(story.state) ?? Infinity) <= now; turn++) {
      events.push(...story.wake(now));
    }
    expect(events.filter((event) => event.includes('missed'))).toEqual([
      'skipped 1000 missed to 01-01T00:16',
      'skipped 1000 missed to 01-01T00:33',
      'skipped 338 missed to 01-01T00:38',
      'fired 01-01T00:38 missed',
    ]);
  });

  test('a time is not missed when somebody comes within a minute', () => {
    expect(new Story({ missed: { runs: 'skip' } }).wake(at(1) + 59_000)).toEqual(['fired 01-01T01:00 schedule']);
  });
});

describe('pausing', () => {
  test('what is due meanwhile is left out, with its reason', () => {
    const story = new Story();
    expect(told(story.at(at(0), { type: 'PauseSchedule', reason: 'holidays' }))).toEqual(['paused user']);
    expect(nextScheduleWake(story.state)).toBeUndefined();
    expect(story.wake(at(3))).toEqual([]);
    expect(told(story.at(at(3) + 1, { type: 'ResumeSchedule', reason: '' }))).toEqual([
      'skipped 3 paused to 01-01T03:00',
      'ScheduleResumed',
    ]);
    expect(story.wake(at(4))).toEqual(['fired 01-01T04:00 schedule']);
  });

  test('a failure pauses when it is asked to, a refused start too', () => {
    const failing = new Story({ pause_on_failure: true });
    failing.wake(at(1));
    failing.started(at(1));
    expect(failing.ended(at(1), at(1) + 1, 'failed')).toEqual(['failed', 'paused failure']);
    const refused = new Story({ pause_on_failure: true });
    refused.wake(at(1));
    expect(refused.started(at(1), 'refused')).toEqual(['ScheduleStartAnswered', 'paused failure']);
    const going = new Story();
    going.wake(at(1));
    going.started(at(1));
    expect(going.ended(at(1), at(1) + 1, 'failed')).toEqual(['failed']);
  });

  test('contradictory commands are refused', () => {
    const story = new Story();
    expect(story.at(at(0), { type: 'ResumeSchedule', reason: '' })).toBe('not_paused');
    story.at(at(0), { type: 'PauseSchedule', reason: '' });
    expect(story.at(at(0), { type: 'PauseSchedule', reason: '' })).toBe('already_paused');
    expect(story.at(at(0), { type: 'UpdateSchedule', update: { definition: HOURLY }, expectedVersion: 7 })).toBe(
      'version_conflict',
    );
    story.at(at(0), { type: 'DeleteSchedule' });
    expect(story.at(at(0), { type: 'TriggerSchedule', trigger: {} })).toBe('not_found');
  });
});

test('a repeated command changes nothing', () => {
  const story = new Story();
  const trigger = { type: 'TriggerSchedule', trigger: {}, id: 'same' } as const;
  expect(told(story.at(at(0), trigger))).toEqual(['fired 01-01T00:00 trigger']);
  expect(story.at(at(0) + 5, trigger)).toEqual([]);
  expect(story.state.running).toHaveLength(1);
});

test('a backfill starts one execution for each time, one after the other, and none for a time that has one', () => {
  const story = new Story();
  story.wake(at(1));
  story.started(at(1));
  story.ended(at(1), at(1) + 1);
  const backfill = { fromAt: at(0), toAt: at(2) };
  expect(told(story.at(at(1) + 2, { type: 'BackfillSchedule', backfill }))).toEqual([
    'buffered 01-01T00:00,01-01T01:00,01-01T02:00',
    'fired 01-01T00:00 backfill',
  ]);
  story.started(at(0));
  story.ended(at(0), at(1) + 3);
  // The same id as the first time: the engine answers that it exists, and how it ended.
  const again = story.at(at(1) + 4, {
    type: 'RecordStart',
    executionId: uuidV5(ID, String(at(1))),
    outcome: 'existed',
    ended: 'completed',
  });
  expect(told(again)).toEqual(['ScheduleStartAnswered', 'completed', 'fired 01-01T02:00 backfill']);
  expect(story.at(at(2), { type: 'BackfillSchedule', backfill: { fromAt: at(0), toAt: at(5_000) } })).toBe(
    'not_applicable',
  );
});

test('a new definition counts from its own time', () => {
  const story = new Story();
  const definition = { ...HOURLY, timetable: { every_ms: 10 * MINUTE } };
  story.at(at(0) + 15 * MINUTE, { type: 'UpdateSchedule', update: { definition } });
  expect(nextScheduleWake(story.state)).toBe(at(0) + 20 * MINUTE);
  expect(story.state.revision).toBe(2);
});

test('an execution that is silent for long is asked after', () => {
  const story = new Story({ timetable: { at: '2026-01-01T01:00:00Z' } });
  story.wake(at(1));
  story.started(at(1));
  expect(nextScheduleWake(story.state)).toBe(at(1) + CHECK_MS);
  expect(story.wake(at(1) + CHECK_MS)).toEqual(['ScheduleRunsChecked']);
  expect(wantedScheduleEffects(story.state)).toHaveLength(1);
  expect(story.state.running[0]?.started).toBe(true);
});

test('an event’s effects are those that the state still wants', () => {
  const story = new Story();
  story.wake(at(1));
  const fired = story.events.at(-1) as ScheduleStreamEvent;
  const effect = { type: 'start', executionId: uuidV5(ID, String(at(1))) } as const;
  expect(scheduleEffectsOf(fired, story.state)).toEqual([effect]);
  story.started(at(1));
  expect(isScheduleEffectWanted(story.state, effect)).toBe(false);
  expect(scheduleEffectsOf(fired, story.state)).toEqual([]);
});

test('a snapshot is the state, and the rest of the log goes on from it', () => {
  const story = new Story({ overlap: 'buffer_all' });
  for (let hours = 1; hours < 5; hours++) story.wake(at(hours));
  const decoded = decodeScheduleSnapshot(JSON.parse(JSON.stringify(encodeScheduleSnapshot(story.state))));
  const plain = (state: ScheduleState | undefined): unknown => JSON.parse(JSON.stringify(state));
  expect(plain(decoded)).toEqual(plain(story.state));
  expect(story.events.reduce(evolveSchedule, NO_SCHEDULE)).toEqual(story.state);
});
