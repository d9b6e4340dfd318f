import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import fc from 'fast-check';
import { ChainWalk, canonicalJson, linkOf } from './chain.js';
import type { ChainProblem, ChainedEvent } from './chain.js';
import { merklePath, merkleRoot } from './checkpoint.js';

const shuffled = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, shuffled(item)]),
  );
};

const ID = '00000000-0000-7000-8000-000000000001';

/** A chain whose commits have these numbers of events. */
function chainOf(sizes: readonly number[]): ChainedEvent[] {
  const events: ChainedEvent[] = [];
  let previous = '';
  for (const size of sizes) {
    const commit = Array.from({ length: size }, (_, index): ChainedEvent => {
      const version = events.length + index + 1;
      const place = { version, partition: 3, position: version * 2, at: 1_000 + version };
      return {
        ...place,
        type: 'StepScheduled',
        commandId: `c-${version}`,
        data: { stepId: 'a', attempt: 1 },
        link: '',
      };
    });
    const linked = commit.map((event) => ({
      position: event.position,
      stored: { ...event, data: canonicalJson(event.data as object) },
    }));
    previous = linkOf(previous, ID, 3, linked);
    events.push(...commit.map((event, index) => (index === size - 1 ? { ...event, link: previous } : event)));
  }
  return events;
}

function walked(events: readonly ChainedEvent[], version?: number): readonly ChainProblem[] {
  const walk = new ChainWalk(ID);
  for (const event of events) walk.add(event);
  walk.end(version);
  return walk.problems;
}

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 });

describe('canonical JSON', () => {
  it('is the same in whatever order keys come, and means the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as object);
        expect(canonicalJson(shuffled(value as JsonValue) as object)).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text) as object)).toBe(text);
      }),
    );
  });

  it('keeps a key named __proto__ as a key', () => {
    const value = JSON.parse('{"b":1,"__proto__":{"z":1,"a":2}}') as object;
    expect(canonicalJson(value)).toBe('{"__proto__":{"a":2,"z":1},"b":1}');
  });
});

describe('a chain', () => {
  it('finds no problem in committed events', () => {
    fc.assert(fc.property(sizes, (commits) => expect(walked(chainOf(commits))).toEqual([])));
  });

  const changes: readonly ((event: ChainedEvent) => ChainedEvent)[] = [
    (event) => ({ ...event, at: event.at + 1 }),
    (event) => ({ ...event, type: 'StepStarted' }),
    (event) => ({ ...event, commandId: 'other' }),
    (event) => ({ ...event, data: { stepId: 'a', attempt: 2 } }),
    (event) => ({ ...event, position: event.position + 1 }),
    (event) => ({ ...event, link: 'ab'.repeat(32) }),
    (event) => ({ ...event, link: null }),
  ];

  it('finds any single change, and names only the commit that holds it', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (commits, which, how) => {
        const events = chainOf(commits);
        const place = which % events.length;
        const [event] = [events[place]];
        const change = changes[how % changes.length];
        if (event === undefined || change === undefined) throw new Error('no event');
        const changed = events.map((one, index) => (index === place ? change(one) : one));
        const [first] = walked(changed);
        const newest = event.link !== '' && event.version === events.length;
        // Without its link, the newest event looks like an event from before links, if its commit has no other event.
        if (change(event).link === null && newest && commits.at(-1) === 1) return;
        expect(first?.kind).toBe('changed');
        expect(first?.fromVersion).toBeLessThanOrEqual(event.version + 1);
        expect(first?.toVersion).toBeGreaterThanOrEqual(event.version);
      }),
    );
  });

  it('finds missing events, and names their neighbours', () => {
    const events = chainOf([2, 1, 3]);
    expect(walked(events.filter(({ version }) => version !== 3))).toEqual([
      expect.objectContaining({ kind: 'missing', fromVersion: 3, toVersion: 3, fromPosition: 4, toPosition: 8 }),
    ]);
    expect(walked(events.slice(0, 5))).toEqual([expect.objectContaining({ kind: 'missing', fromVersion: 6 })]);
    expect(walked(events.slice(0, 3))).toEqual([]);
    expect(walked(events.slice(0, 3), 6)).toEqual([
      expect.objectContaining({ kind: 'missing', fromVersion: 4, toVersion: 6 }),
    ]);
  });

  it('finds an event that was moved', () => {
    const events = chainOf([2, 2]);
    const moved = events.map((event) => (event.version === 3 ? { ...event, position: 1 } : event));
    expect(walked(moved)).toEqual([
      expect.objectContaining({ kind: 'moved', fromVersion: 3, toVersion: 3, fromPosition: 1 }),
    ]);
  });

  it('starts after the events that were stored before links existed', () => {
    const events = chainOf([1, 2]).map((event) => ({
      ...event,
      version: event.version + 1,
      position: event.position + 9,
    }));
    const old = { ...events[0], version: 1, position: 1, link: null } as ChainedEvent;
    const linked = events.map((event) => ({
      position: event.position,
      stored: { ...event, data: canonicalJson(event.data as object) },
    }));
    const all = [
      old,
      ...events.map((event, index) => ({ ...event, link: index === 2 ? linkOf('', ID, 3, linked) : '' })),
    ];
    const walk = new ChainWalk(ID);
    for (const event of all) walk.add(event);
    walk.end();
    expect([walk.problems, walk.unlinked, walk.linked]).toEqual([[], 1, 3]);
  });
});

describe('a Merkle path', () => {
  it('leads from each leaf to its root, and to no other root', async () => {
    const { createHash } = await import('node:crypto');
    for (let count = 1; count <= 17; count += 1) {
      const leaves = Array.from({ length: count }, (_, index) => ({
        position: index * 3 + 1,
        link: createHash('sha256').update(String(index)).digest('hex'),
      }));
      const root = merkleRoot(leaves);
      for (const [place, { position, link }] of leaves.entries()) {
        const at = Buffer.alloc(9);
        at.writeBigUInt64BE(BigInt(position), 1);
        let node = createHash('sha256').update(at).update(link, 'hex').digest();
        for (const { side, hash } of merklePath(leaves, place)) {
          const other = Buffer.from(hash, 'hex');
          const pair = side === 'left' ? [other, node] : [node, other];
          node = createHash('sha256')
            .update(Buffer.from([1]))
            .update(Buffer.concat(pair))
            .digest();
        }
        expect(node.toString('hex')).toBe(root);
      }
      const other = leaves.map((leaf, index) =>
        index === count - 1 ? { ...leaf, position: leaf.position + 1 } : leaf,
      );
      expect(merkleRoot(other)).not.toBe(root);
    }
  });
});
