import { describe, expect, it } from '@jest/globals';
import { StrictLookup } from './lookup.js';

interface Sent {
  readonly key: string;
  answer(value: string): void;
  fail(error: Error): void;
}

function lookups(): { lookup: StrictLookup<string>; sent: Sent[] } {
  const sent: Sent[] = [];
  const lookup = new StrictLookup<string>(
    (key) => new Promise((resolve, reject) => sent.push({ key, answer: resolve, fail: reject })),
  );
  return { lookup, sent };
}

describe('a strict lookup', () => {
  it('is sent at once when none is under way', () => {
    const { lookup, sent } = lookups();
    void lookup.get('a');
    void lookup.get('b');
    expect(sent.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it('never serves those who came after it was sent, and joins them in the next', async () => {
    const { lookup, sent } = lookups();
    const first = lookup.get('a');
    // The value changes here; whoever comes now must see the new one.
    const second = lookup.get('a');
    const third = lookup.get('a');
    expect(sent).toHaveLength(1);
    sent[0]?.answer('old');
    expect(await first).toBe('old');
    await Promise.resolve();
    expect(sent).toHaveLength(2);
    const fourth = lookup.get('a');
    sent[1]?.answer('new');
    expect(await Promise.all([second, third])).toEqual(['new', 'new']);
    await Promise.resolve();
    sent[2]?.answer('newest');
    expect(await fourth).toBe('newest');
  });

  it('tells a failure to those it served only, and goes on', async () => {
    const { lookup, sent } = lookups();
    const first = lookup.get('a');
    const second = lookup.get('a');
    sent[0]?.fail(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await Promise.resolve();
    sent[1]?.answer('up');
    expect(await second).toBe('up');
    const later = lookup.get('a');
    expect(sent).toHaveLength(3);
    sent[2]?.answer('again');
    expect(await later).toBe('again');
  });
});
