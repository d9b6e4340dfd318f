import { describe, expect, it, jest } from '@jest/globals';
import { BodyRoom } from './body-room.js';

/** Asks for room and records the outcome. */
function asker(room: BodyRoom) {
  const entered: string[] = [];
  const refused: string[] = [];
  const leaves = new Map<string, () => void>();
  const ask = (name: string, tenant: string, bytes: number): (() => void) =>
    room.ask(
      tenant,
      bytes,
      (leave) => {
        entered.push(name);
        leaves.set(name, leave);
      },
      ({ code }) => refused.push(`${name} ${code}`),
    );
  return { ask, entered, refused, leave: (name: string) => leaves.get(name)?.() };
}

describe('the room for bodies', () => {
  it('accepts a body that fits, and the next when one leaves', () => {
    const room = new BodyRoom(100, 60_000);
    const { ask, entered, leave } = asker(room);
    ask('a', 't', 60);
    ask('b', 't', 40);
    ask('c', 't', 50);
    expect([entered, room.used, room.waiting]).toEqual([['a', 'b'], 100, 1]);
    leave('b');
    expect(entered).toEqual(['a', 'b']);
    leave('a');
    expect([entered, room.used, room.waiting]).toEqual([['a', 'b', 'c'], 50, 0]);
  });

  it('accepts a body alone when it is larger than the room', () => {
    const room = new BodyRoom(100, 60_000);
    const { ask, entered, leave } = asker(room);
    ask('small', 't', 1);
    ask('large', 't', 500);
    ask('late', 't', 1);
    expect(entered).toEqual(['small']);
    leave('small');
    expect(entered).toEqual(['small', 'large']);
    leave('large');
    expect([entered, room.used]).toEqual([['small', 'large', 'late'], 1]);
  });

  it('lets tenants take turns, however many requests one has', () => {
    const room = new BodyRoom(10, 60_000);
    const { ask, entered, leave } = asker(room);
    for (const name of ['a1', 'a2', 'a3', 'a4']) ask(name, 'a', 10);
    ask('b1', 'b', 10);
    ask('b2', 'b', 10);
    for (const name of ['a1', 'a2', 'b1', 'a3', 'b2', 'a4']) leave(name);
    expect(entered).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
    expect([room.used, room.waiting]).toEqual([0, 0]);
  });

  it('refuses with 503 after the longest wait, and forgets clients that have left', () => {
    jest.useFakeTimers();
    try {
      const room = new BodyRoom(10, 1_000);
      const { ask, entered, refused, leave } = asker(room);
      ask('a', 't', 10);
      ask('b', 't', 10);
      const leftLine = ask('c', 't', 10);
      leftLine();
      jest.advanceTimersByTime(1_001);
      expect([refused, room.waiting]).toEqual([['b unavailable'], 0]);
      leave('a');
      expect([entered, room.used]).toEqual([['a'], 0]);
      ask('d', 't', 10);
      expect(entered).toEqual(['a', 'd']);
    } finally {
      jest.useRealTimers();
    }
  });

  it('accepts later requests when a large one at the head gives up', () => {
    const room = new BodyRoom(10, 60_000);
    const { ask, entered } = asker(room);
    ask('a', 't', 5);
    const giveUp = ask('large', 't', 10);
    ask('small', 't', 5);
    expect(entered).toEqual(['a']);
    giveUp();
    expect(entered).toEqual(['a', 'small']);
  });

  it('leaves room for other tenants when one asks for more than its share', () => {
    const room = new BodyRoom(100, 60_000, 25);
    const { ask, entered, leave } = asker(room);
    for (const name of ['a', 'b', 'c']) ask(name, 'mallory', 20);
    ask('large', 'mallory', 80);
    expect([entered, room.waiting]).toEqual([['a'], 3]);
    ask('d', 'quiet', 80);
    ask('e', 'third', 1);
    expect(entered).toEqual(['a', 'd']);
    leave('d');
    expect(entered).toEqual(['a', 'd', 'e']);
    for (const name of ['a', 'b']) leave(name);
    expect(entered).toEqual(['a', 'd', 'e', 'b', 'c']);
    leave('c');
    // It is larger than the share, so it is the only one of its tenant.
    expect([entered.at(-1), room.used, room.waiting]).toEqual(['large', 81, 0]);
  });
});
