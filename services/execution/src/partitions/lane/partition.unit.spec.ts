import { describe, expect, it } from '@jest/globals';
import { compile, initialState } from '../../domain/index.js';
import { Partition } from './partition.js';

describe('the published position of a partition', () => {
  const partition = (): Partition =>
    new Partition(
      { partition: 1, owner: 'one', ownerAlive: true, epoch: 1, lastPosition: 0, publishedPosition: 0 },
      0,
      0,
    );

  it('ends before the first commit with an effect that is open', () => {
    const one = partition();
    const first = one.openTicket(5);
    first.open += 1;
    one.close(first);
    const second = one.openTicket(9);
    one.close(second);
    expect(one.effectsDone).toBe(0);
    one.close(first);
    expect([one.effectsDone, one.openTickets]).toEqual([9, 0]);
  });

  it('needs no more memory while one effect hangs and later ones are done', () => {
    const one = partition();
    const hanging = one.openTicket(1);
    for (let position = 2; position <= 1_000; position++) one.close(one.openTicket(position));
    expect([one.effectsDone, one.openTickets]).toEqual([0, 2]);
    one.close(hanging);
    expect([one.effectsDone, one.openTickets]).toEqual([1_000, 0]);
  });
});

describe('executions that a partition evicts', () => {
  const evicted = (partition: Partition, id: string, endSubject?: string): void => {
    const execution = partition.add(id);
    execution.endSubject = endSubject;
    partition.evict(execution);
  };
  const partition = (): Partition =>
    new Partition(
      { partition: 1, owner: 'one', ownerAlive: true, epoch: 1, lastPosition: 0, publishedPosition: 0 },
      0,
      0,
    );

  it('still know the subject to tell of their end when they are read again', () => {
    const one = partition();
    evicted(one, 'a', 'end.a');
    evicted(one, 'b');
    expect(one.executions.size).toBe(0);
    expect(one.add('a').endSubject).toBe('end.a');
    expect(one.add('b').endSubject).toBeUndefined();
  });

  it('leave no state in memory with objects that still refer to them', () => {
    const one = partition();
    const execution = one.add('a');
    const state = initialState(
      compile({ name: 'c', strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'echo' }] }),
    );
    execution.committed = state;
    execution.current = state;
    one.evict(execution);
    expect([execution.committed, execution.current]).toEqual([undefined, undefined]);
    expect(one.executions.has('a')).toBe(false);
  });

  it('forget the subject when they are evicted again without one', () => {
    const one = partition();
    evicted(one, 'a', 'end.a');
    evicted(one, 'a');
    expect(one.add('a').endSubject).toBeUndefined();
  });

  it('keep the subjects of a thousand executions at most, the newest ones', () => {
    const one = partition();
    for (let index = 0; index <= 1_000; index++) evicted(one, `e${index}`, `end.${index}`);
    expect(one.add('e0').endSubject).toBeUndefined();
    expect(one.add('e1').endSubject).toBe('end.1');
    expect(one.add('e1000').endSubject).toBe('end.1000');
  });
});
