import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import { REDUCER_VERSION, compile, encodeSnapshot, evolve, initialState } from '../../domain/index.js';
import type { State } from '../../domain/index.js';

const TEST = new URL('../../../test/', import.meta.url);
const GOLDEN = new URL('golden/', TEST);

/** JSON with sorted keys, so that only content counts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** Digest of the snapshots after every event of a golden history. */
function digestOf(name: string): string {
  const { definition, events } = JSON.parse(readFileSync(new URL(name, GOLDEN), 'utf8')) as {
    definition: OrchestrationDefinition;
    events: Event[];
  };
  const hash = createHash('sha256');
  let state: State = initialState(compile(definition));
  for (const event of events) {
    state = evolve(state, event);
    hash.update(canonical({ ...(encodeSnapshot(state) as object), reducer: 0 }));
  }
  return hash.digest('hex').slice(0, 16);
}

describe('REDUCER_VERSION', () => {
  it('is raised with every change that makes the fold of a history different', () => {
    const known = JSON.parse(readFileSync(new URL('reducer-version.json', TEST), 'utf8')) as {
      reducer_version: number;
      digests: Record<string, string>;
    };
    const digests = Object.fromEntries(readdirSync(GOLDEN).map((name) => [name, digestOf(name)]));
    // A difference means that existing snapshots do not equal the result of the current code. Raise REDUCER_VERSION in
    // domain/state/snapshot.ts, so that they are dropped, and write both values into test/reducer-version.json.
    expect({ reducer_version: REDUCER_VERSION, digests }).toEqual(known);
  });
});
