import { describe, expect, test } from '@jest/globals';
import { LIMITER_LIMITS } from '@batuta/contracts';
import type { AcquirePlace, LimiterDomainEvent, LimiterStreamEvent } from '@batuta/contracts';
import fc from 'fast-check';
import { decideLimiter } from './decide.js';
import { limiterEffectsOf, wantedLimiterEffects } from './effects.js';
import { evolveLimiter } from './evolve.js';
import { decodeLimiterSnapshot, encodeLimiterSnapshot } from './snapshot.js';
import { heldOf, HOLDER_CHECK_MS, isLimiterOver, NO_LIMITER, nextLimiterWake, waitingOf } from './state.js';
import type { LimiterState } from './state.js';
import { limiterView, placeReply } from './view.js';

const LIMITER = '8a7c2f5e-0000-5000-8000-000000000000';
const NOON = 1_700_000_000_000;
const id = (n: number): string => `${n.toString(16).padStart(8, '0')}-0000-7000-8000-000000000000`;

class Limiter {
  state: LimiterState = NO_LIMITER;
  now = NOON;
  events: readonly LimiterDomainEvent[] = [];
  outcome = '';

  #decide(command: object): this {
    const decision = decideLimiter({ id: 'l:', at: this.now, ...command } as never, this.state);
    if ('rejected' in decision) {
      this.events = [];
      this.outcome = decision.rejected.code;
      return this;
    }
    this.state = decision.next;
    this.events = decision.accepted;
    this.outcome = decision.outcome;
    return this;
  }

  asks(n: number, more: Partial<AcquirePlace> = {}): this {
    const acquire: AcquirePlace = {
      tenantId: 'default',
      order: 2,
      configId: id(9),
      configName: 'nightly',
      configVersion: 1,
      key: 'k',
      limit: 2,
      onLimit: 'queue',
      priority: 'normal',
      ...more,
    };
    return this.#decide({ type: 'AcquirePlace', limiterId: LIMITER, holder: id(n), acquire });
  }

  releases(n: number, order = 2, tenantId = 'default'): this {
    return this.#decide({ type: 'ReleasePlace', tenantId, holder: id(n), order });
  }

  loses(n: number, order = 2): this {
    return this.#decide({ type: 'LosePlace', holder: id(n), order });
  }

  wakes(): this {
    return this.#decide({ type: 'WakeLimiter' });
  }

  get said(): string[] {
    return this.events.map(({ type, data }) =>
      'holder' in data ? `${type} ${Number.parseInt(data.holder, 16)}` : type,
    );
  }

  get holders(): number[] {
    return (limiterView(this.state)?.holders ?? []).map(({ executionId }) => Number.parseInt(executionId, 16));
  }

  get waiters(): number[] {
    return (limiterView(this.state)?.waiters ?? []).map(({ executionId }) => Number.parseInt(executionId, 16));
  }
}

describe('a limiter', () => {
  test('grants as many places as the limit says, and then in the order of the requests', () => {
    const limiter = new Limiter().asks(1);
    expect(limiter.said).toEqual(['LimiterOpened', 'PlaceGranted 1']);
    limiter.asks(2).asks(3).asks(4);
    expect(limiter.said).toEqual(['PlaceQueued 4']);
    expect([limiter.holders, limiter.waiters]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(placeReply(limiter.state, id(4), 2)).toEqual({ state: 'queued', position: 2, held: 2, limit: 2 });
    limiter.releases(1);
    expect(limiter.said).toEqual(['PlaceReleased 1', 'PlaceGranted 3']);
    expect([limiter.holders, limiter.waiters]).toEqual([[2, 3], [4]]);
  });

  test('grants first to those with a higher priority', () => {
    const limiter = new Limiter().asks(1, { limit: 1 });
    limiter.asks(2, { priority: 'low' }).asks(3).asks(4, { priority: 'high' }).asks(5);
    expect(limiter.waiters).toEqual([4, 3, 5, 2]);
    expect(placeReply(limiter.state, id(2), 2)).toMatchObject({ position: 4 });
    limiter.releases(1);
    expect(limiter.holders).toEqual([4]);
  });

  test('counts a repeated request once, and a repeated release too', () => {
    const limiter = new Limiter().asks(1).asks(1);
    expect([limiter.said, limiter.outcome]).toEqual([[], 'recorded']);
    limiter.asks(2).asks(3).releases(1).releases(1);
    expect([limiter.said, limiter.outcome]).toEqual([[], 'stale']);
    expect(limiter.holders).toEqual([2, 3]);
  });

  test('takes a newer request of the same execution as the end of the earlier one', () => {
    const limiter = new Limiter().asks(1, { limit: 1 }).asks(2).asks(1, { order: 7 });
    expect(limiter.said).toEqual(['PlaceReleased 1', 'PlaceGranted 2', 'PlaceQueued 1']);
    limiter.releases(1, 2);
    expect([limiter.said, limiter.outcome]).toEqual([[], 'stale']);
    expect(limiter.waiters).toEqual([1]);
    limiter.releases(2);
    expect(limiter.holders).toEqual([1]);
  });

  test('does not hear of another tenant', () => {
    const limiter = new Limiter().asks(1).asks(2, { tenantId: 'other' });
    expect([limiter.said, limiter.outcome]).toEqual([[], 'unknown']);
    expect(limiter.releases(1, 2, 'other').outcome).toBe('unknown');
    expect(limiter.holders).toEqual([1]);
  });

  test('refuses, when the request says so', () => {
    for (const onLimit of ['reject', 'cancel_newest'] as const) {
      const limiter = new Limiter().asks(1, { limit: 1, onLimit }).asks(2, { onLimit });
      expect([limiter.said, limiter.outcome]).toEqual([[], 'limit_reached']);
      expect(limiter.releases(1).asks(2, { onLimit }).said).toEqual(['PlaceGranted 2']);
    }
  });

  test('lets the oldest end for the newest', () => {
    const onLimit = 'cancel_oldest';
    const limiter = new Limiter().asks(1, { limit: 1, onLimit }).asks(2, { onLimit });
    expect(limiter.said).toEqual(['PlaceQueued 2', 'PlaceEvicted 1']);
    expect(limiter.holders).toEqual([1]);
    limiter.asks(3, { onLimit });
    expect(limiter.said).toEqual(['PlaceQueued 3', 'PlaceEvicted 2']);
    expect(placeReply(limiter.state, id(2), 2)).toMatchObject({ state: 'evicted' });
    expect(wantedLimiterEffects(limiter.state).map(({ holder, place }) => [holder, place])).toEqual([
      [id(1), { order: 2, what: 'evicted', by: id(2) }],
      [id(2), { order: 2, what: 'evicted', by: id(3) }],
    ]);
    limiter.releases(2).releases(1);
    expect(limiter.said).toEqual(['PlaceReleased 1', 'PlaceGranted 3']);
  });

  test('follows the newest version of the config, and takes no place away', () => {
    const limiter = new Limiter().asks(1).asks(2).asks(3, { limit: 1, configVersion: 2 });
    expect(limiter.said).toEqual(['LimiterChanged', 'PlaceQueued 3']);
    expect(limiter.holders).toEqual([1, 2]);
    expect(limiter.releases(1).said).toEqual(['PlaceReleased 1']);
    expect(limiter.asks(4, { limit: 9 }).said).toEqual(['PlaceQueued 4']);
    expect(limiter.asks(5, { limit: 3, configVersion: 3 }).said).toEqual([
      'LimiterChanged',
      'PlaceQueued 5',
      'PlaceGranted 3',
      'PlaceGranted 4',
    ]);
  });

  test('asks its holders from time to time, and takes back what is not needed', () => {
    const limiter = new Limiter().asks(1).asks(2).asks(3);
    expect(nextLimiterWake(limiter.state)).toBe(NOON + HOLDER_CHECK_MS);
    expect(limiter.wakes().outcome).toBe('stale');
    limiter.now += HOLDER_CHECK_MS;
    limiter.wakes();
    expect(limiter.said).toEqual(['HoldersChecked']);
    const [checked] = limiter.events;
    const effects = limiterEffectsOf({ ...checked, executionId: LIMITER } as LimiterStreamEvent, limiter.state);
    expect(effects.map(({ holder }) => holder)).toEqual([id(1), id(2)]);
    expect(limiter.loses(1).said).toEqual(['PlaceReleased 1', 'PlaceGranted 3']);
    expect(limiter.loses(1).outcome).toBe('stale');
    limiter.releases(2).releases(3);
    expect(isLimiterOver(limiter.state)).toBe(true);
    expect(nextLimiterWake(limiter.state)).toBeUndefined();
  });

  test('has an end of its queue', () => {
    let state = new Limiter().asks(1, { limit: 1 }).state;
    const full = { high: 0, normal: LIMITER_LIMITS.waiters, low: 0 };
    const waiters = { size: LIMITER_LIMITS.waiters, children: [] };
    state = { ...state, waiting: full, waiters };
    const limiter = new Limiter();
    limiter.state = state;
    expect(limiter.asks(2).outcome).toBe('not_applicable');
  });
});

describe('whatever happens to a limiter', () => {
  const asked = fc.record({
    what: fc.constantFrom('ask', 'ask', 'ask', 'release', 'lose'),
    n: fc.integer({ min: 1, max: 12 }),
    order: fc.integer({ min: 2, max: 4 }),
    limit: fc.integer({ min: 1, max: 3 }),
    configVersion: fc.integer({ min: 1, max: 3 }),
    onLimit: fc.constantFrom('queue' as const, 'queue' as const, 'reject' as const, 'cancel_oldest' as const),
    priority: fc.constantFrom('high' as const, 'normal' as const, 'low' as const),
  });

  test('nobody gets a place above the limit, no free place is left while somebody waits, and the fold is the same', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 80 }), (steps) => {
        const limiter = new Limiter();
        let folded: LimiterState = NO_LIMITER;
        for (const { what, n, order, ...more } of steps) {
          if (what === 'ask') limiter.asks(n, { order, ...more });
          else if (limiter.state.version === 0) continue;
          else if (what === 'release') limiter.releases(n, order);
          else limiter.loses(n, order);
          const held = heldOf(limiter.state);
          if (limiter.said.some((line) => line.startsWith('PlaceGranted'))) {
            expect(held).toBeLessThanOrEqual(limiter.state.limit);
          }
          if (waitingOf(limiter.state) > 0) expect(held).toBeGreaterThanOrEqual(limiter.state.limit);
          expect(limiter.waiters).toHaveLength(waitingOf(limiter.state));
          for (const { type, data } of limiter.events) {
            const version = folded.version + 1;
            const full = { executionId: LIMITER, version, at: limiter.now, commandId: 'l:', type, data };
            folded = evolveLimiter(folded, full as unknown as LimiterStreamEvent);
          }
        }
        expect(folded).toEqual(limiter.state);
        const restored = decodeLimiterSnapshot(JSON.parse(JSON.stringify(encodeLimiterSnapshot(folded))) as never);
        if (folded.version === 0) return;
        expect(restored).toBeDefined();
        expect(limiterView(restored as LimiterState)).toEqual(limiterView(folded));
        expect(wantedLimiterEffects(restored as LimiterState)).toEqual(wantedLimiterEffects(folded));
      }),
      { numRuns: 300 },
    );
  });

  test('a queue of 20,000 costs no more for its last than for its first', () => {
    const limiter = new Limiter().asks(0, { limit: 1 });
    for (let n = 1; n <= 20_000; n++) limiter.asks(n);
    for (let n = 0; n < 20_000; n++) limiter.releases(n);
    expect(limiter.holders).toEqual([20_000]);
    expect(limiter.state.granted.size).toBeLessThan(100);
  });
});
