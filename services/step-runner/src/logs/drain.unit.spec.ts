import { describe, expect, it } from '@jest/globals';
import { Drain } from './drain.js';

const patterns = (drain: Drain): string[] =>
  drain.clusters.toSorted((a, b) => b.count - a.count).map(({ count, template }) => `${count} ${template.join(' ')}`);

describe('Drain', () => {
  it('groups lines that differ in their variables and keeps the others apart', () => {
    const drain = new Drain();
    const lines = [
      'Connection from 10.0.0.1:5123 closed',
      'Connection from 10.0.0.2:9 closed',
      'User alice logged in after 12 ms',
      'User bob logged in after 15.5 ms',
      'User carol logged in after 3 ms',
      'Disk full',
    ];
    for (const [index, line] of lines.entries()) drain.add(line, index + 1);
    expect(patterns(drain)).toEqual([
      '3 User <*> logged in after <*> ms',
      '2 Connection from <*> closed',
      '1 Disk full',
    ]);
    const users = drain.clusters.find(({ count }) => count === 3);
    expect(users).toMatchObject({ firstLine: 3, lastLine: 5, example: 'User alice logged in after 12 ms' });
  });

  it('does not join lines of one length that have too little in common', () => {
    const drain = new Drain();
    drain.add('cache miss for key alpha', 1);
    drain.add('cache is now totally empty', 2);
    expect(drain.clusters).toHaveLength(2);
  });

  it('keeps a bounded number of clusters, forgets the oldest and counts what it forgot', () => {
    const drain = new Drain({ maxClusters: 50, maxChildren: 20 });
    const word = (n: number): string => String(n).replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)));
    for (let n = 0; n < 5_000; n++) drain.add(`${word(n)} ${word(n * 7)} ${word(n * 13)} ${word(n * 17)}`, n + 1);
    expect(drain.clusters.length).toBe(50);
    const kept = drain.clusters.reduce((sum, { count }) => sum + count, 0);
    expect(kept + drain.forgottenLines).toBe(5_000);
    expect(drain.forgottenClusters).toBeGreaterThan(0);
  });

  it('keeps a cluster that is still in use', () => {
    const drain = new Drain({ maxClusters: 3 });
    const kinds = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'];
    for (const [index, kind] of kinds.entries()) {
      drain.add(`${kind} happened`, index);
      drain.add('heartbeat', index);
    }
    expect(drain.clusters.find(({ template }) => template[0] === 'heartbeat')?.count).toBe(6);
  });
});
