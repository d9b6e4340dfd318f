import { describe, expect, it } from '@jest/globals';
import { StrictLookup } from './lookup.js';
import type { Leased } from './lookup.js';

interface Sent {
  readonly key: string;
  answer(value: string, until?: number): void;
  fail(error: Error): void;
}

function lookups(): { lookup: StrictLookup<string>; sent: Sent[] } {
  const sent: Sent[] = [];
  const lookup = new StrictLookup<string>(
    (key) =>
      new Promise<Leased<string>>((resolve, reject) =>
        sent.push({ key, answer: (value, until) => resolve({ value, until }), fail: reject }),
      ),
    2,
  );
  return { lookup, sent };
}

describe('a strict lookup', () => {
  it('is sent at once when none is running', () => {
    const { lookup, sent } = lookups();
    void lookup.get('a');
    void lookup.get('b');
    expect(sent.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it('never serves callers that came after it was sent, and joins them in the next lookup', async () => {
    const { lookup, sent } = lookups();
    const first = lookup.get('a');
    // The value changes here, so a later caller must see the new one.
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

  it('reports a failure only to its own callers, and continues', async () => {
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

  it('reuses an answer while it is leased, and asks again afterwards', async () => {
    const { lookup, sent } = lookups();
    const first = lookup.get('a');
    const meanwhile = lookup.get('a');
    sent[0]?.answer('leased', Infinity);
    expect(await Promise.all([first, meanwhile, lookup.get('a')])).toEqual(['leased', 'leased', 'leased']);
    expect(sent).toHaveLength(1);
    const other = lookup.get('b');
    sent[1]?.answer('over', performance.now() - 1);
    expect(await other).toBe('over');
    void lookup.get('b');
    expect(sent).toHaveLength(3);
  });

  it('keeps a limited number of leases', async () => {
    const { lookup, sent } = lookups();
    for (const [place, key] of ['a', 'b', 'c'].entries()) {
      const got = lookup.get(key);
      sent[place]?.answer(key, Infinity);
      await got;
    }
    void lookup.get('c');
    expect(sent).toHaveLength(3);
    void lookup.get('a');
    expect(sent).toHaveLength(4);
  });
});
