import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import fc from 'fast-check';
import { idMapDelete, idMapGet, idMapSet, idMapSize, idMapValues, type IdMap } from './id-map.js';
import { EMPTY_QUEUE, queueItems, queuePush, queueShift, type Queue } from './queue.js';
import { heapInsert, heapPop, type Heap } from './heap.js';
import { canonicalJson, jsonBytes, jsonBytesBeyond } from './json.js';
import { nextAttemptAt, retryPolicy } from '../failures/retry.js';
import { uniform } from './random.js';
import { Vector } from './vector.js';

describe('persistent structures', () => {
  test('a vector behaves like an array, and older vectors keep what they had', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3000 }),
        fc.array(fc.tuple(fc.nat(3200), fc.nat()), { maxLength: 30 }),
        (length, writes) => {
          const array = Array.from({ length }, (_, index) => index);
          let vector = Vector.from(array);
          for (const [index, value] of writes) {
            const before = vector.toArray();
            const older = vector;
            vector = vector.set(index, value);
            if (index < length) {
              array[index] = value;
            }
            expect(older.toArray()).toEqual(before);
            expect(vector.get(index)).toBe(array[index]);
          }
          expect(vector.toArray()).toEqual(array);
        },
      ),
    );
  });

  test('a map by id behaves like a Map, whatever its ids, and older maps keep what they had', () => {
    const ids = fc.oneof(fc.uuid(), fc.constantFrom('a', 'b', 'ab', 'abc', 'z', '', '00', '0000'));
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, fc.option(fc.nat())), { maxLength: 60 }), (writes) => {
        const known = new Map<string, number>();
        let map: IdMap<number>;
        for (const [id, value] of writes) {
          const older = map;
          const before = idMapValues(older);
          map = value === null ? idMapDelete(map, id) : idMapSet(map, id, value);
          if (value === null) known.delete(id);
          else known.set(id, value);
          expect(idMapValues(older)).toEqual(before);
          expect(idMapGet(map, id)).toBe(known.get(id));
        }
        expect(idMapSize(map)).toBe(known.size);
        expect(idMapValues(map).sort()).toEqual([...known.values()].sort());
        let again: IdMap<number>;
        for (const [id, value] of [...known].reverse()) again = idMapSet(again, id, value);
        expect(again).toEqual(map);
      }),
    );
  });

  test('a queue behaves like an array', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat())), (steps) => {
        let array: number[] = [];
        let queue: Queue<number> = EMPTY_QUEUE;
        for (const step of steps) {
          array = step === null ? array.slice(1) : [...array, step];
          queue = step === null ? queueShift(queue) : queuePush(queue, step);
          expect([...queueItems(queue)]).toEqual(array);
          expect(queue.size).toBe(array.length);
        }
      }),
    );
  });

  test('a heap gives its items back in order of key, then of item', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(20))), (entries) => {
        let heap: Heap | undefined;
        for (const [key, item] of entries) {
          heap = heapInsert(heap, key, item, 0);
        }
        const popped: [number, number][] = [];
        for (; heap !== undefined; heap = heapPop(heap)) {
          popped.push([heap.key, heap.item]);
        }
        expect(popped).toEqual([...entries].sort(([a, i], [b, j]) => a - b || i - j));
      }),
    );
  });

  test('the measured size of a value is the size of its JSON in UTF-8', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), (value) => {
        expect(jsonBytes(value as JsonValue)).toBe(Buffer.byteLength(JSON.stringify(value)));
      }),
    );
  });

  test('a size beyond a limit is the exact one, and there is none up to it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), (value) => {
        const exact = jsonBytes(value as JsonValue);
        for (const limit of [0, Math.floor(exact / 2), exact - 1, exact, 7 * exact]) {
          expect(jsonBytesBeyond(limit, value as JsonValue)).toBe(exact > limit ? exact : undefined);
        }
      }),
    );
  });

  test('canonical JSON does not depend on the order of keys, and tells different values apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const shuffled = JSON.parse(JSON.stringify(a), (_, value: unknown) =>
          typeof value === 'object' && value !== null && !Array.isArray(value)
            ? Object.fromEntries(Object.entries(value).reverse())
            : value,
        ) as JsonValue;
        expect(canonicalJson(shuffled)).toBe(canonicalJson(a as JsonValue));
        expect(JSON.parse(canonicalJson(a as JsonValue))).toEqual(JSON.parse(JSON.stringify(a)));
        const same = canonicalJson(a as JsonValue) === canonicalJson(b as JsonValue);
        expect(same).toBe(isDeepEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))));
      }),
    );
  });
});

function isDeepEqual(a: unknown, b: unknown): boolean {
  try {
    expect(a).toEqual(b);
    return true;
  } catch {
    return false;
  }
}

describe('the wait between attempts', () => {
  const broken = { code: 'broken', message: '', retryable: true };

  test('grows by the coefficient up to the cap, and jitter only shortens it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.boolean(),
        fc.nat(),
        (failures, backoff_ms, max_backoff_ms, jitter, seed) => {
          const policy = retryPolicy({
            max_attempts: 99,
            backoff_ms,
            max_backoff_ms,
            jitter: jitter ? 'full' : 'none',
          });
          const ceiling = Math.min(max_backoff_ms, backoff_ms * 2 ** (failures - 1));
          const wait = (nextAttemptAt(policy, broken, failures, 0, 1000, seed, 1) ?? 0) - 1000;
          expect(wait).toBeGreaterThanOrEqual(jitter ? 0 : ceiling);
          expect(wait).toBeLessThanOrEqual(ceiling);
        },
      ),
    );
  });

  test('full jitter spreads evenly and depends on the seed alone', () => {
    const draws = Array.from({ length: 4000 }, (_, seed) => uniform(seed, 3, 1));
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(draws.filter((draw) => draw < 0.1).length).toBeGreaterThan(300);
    expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
    expect(uniform(7, 3, 1)).toBe(draws[7]);
  });
});
