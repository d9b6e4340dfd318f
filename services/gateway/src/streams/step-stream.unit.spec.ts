import { describe, expect, it } from '@jest/globals';
import type { OutputPlace, OutputPublished, ReadStreamReply, StreamEnd, StreamPart } from '@batuta/contracts';
import { eventually, seeded } from '@batuta/testing';
import { StepStream } from './step-stream.js';

/** A step whose attempts talk; what is published may be lost, doubled and late, and is stored a little later. */
class Step {
  readonly stored: StreamPart[] = [];
  readonly ends: StreamEnd[] = [];
  newest = 0;
  over = false;
  reads = 0;

  read = async ({ attempt, seq }: OutputPlace): Promise<ReadStreamReply> => {
    this.reads += 1;
    // As the service does: what has ended is looked at before what was said.
    const ended = [...this.ends];
    const { over, newest } = this;
    await Promise.resolve();
    const parts = this.stored
      .filter((part) => part.attempt > attempt || (part.attempt === attempt && part.seq > seq))
      .filter((part) => part.attempt <= newest)
      .toSorted((one, other) => one.attempt - other.attempt || one.seq - other.seq);
    const page = parts.slice(0, 5);
    await Promise.resolve();
    const more = page.length < parts.length;
    const upTo = more ? (page.at(-1)?.attempt ?? 0) - 1 : Infinity;
    const read = new Set([attempt, ...page.map((part) => part.attempt)]);
    const ends = ended.filter((end) => read.has(end.attempt) && end.attempt <= upTo);
    return { parts: page, ends, more, over, version: 7 };
  };
}

describe('the stream of a step', () => {
  it.each(Array.from({ length: 30 }, (_, seed) => seed))(
    'leaves nothing out and doubles nothing, whatever is lost, doubled or late (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const step = new Step();
      const given: { place: string; text: string }[] = [];
      const stream = new StepStream('draft', undefined, {
        read: step.read,
        deliver: (items) => {
          for (const { shown } of items) given.push({ place: shown.place, text: shown.text ?? '' });
        },
        drained: () => Promise.resolve(),
        closed: false,
        failed: (error) => {
          throw error;
        },
      });
      const expected: { place: string; text: string }[] = [];
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        step.newest = attempt;
        for (let seq = 1; seq <= 20; seq += 1) {
          const part = { kind: 'text', text: `${attempt}:${seq}` };
          expected.push({ place: `${attempt}.${seq}`, text: part.text });
          const published: OutputPublished = { stepId: 'draft', attempt, from: seq, parts: [part], at: 1 };
          // It is stored before the result comes, and often after it was shown.
          step.stored.push({ ...part, attempt, seq, at: 1 });
          for (let copies = random.next() < 0.2 ? 0 : random.next() < 0.2 ? 2 : 1; copies > 0; copies -= 1) {
            stream.heard(published);
          }
          if (random.next() < 0.3) await new Promise(setImmediate);
        }
        step.ends.push({ attempt, outcome: attempt < 3 ? 'failed' : 'completed' });
        expected.push({ place: `${attempt}.end`, text: '' });
        step.over = attempt === 3;
        if (random.next() < 0.5 || step.over) void stream.catchUp();
      }
      await eventually(() => stream.over && given.length >= expected.length, {
        timeoutMs: 30_000,
        describe: 'all is given on',
      });
      expect(given).toEqual(expected);
    },
  );

  it('does not read the store while messages come in order', async () => {
    const step = new Step();
    const texts: string[] = [];
    const stream = new StepStream(
      'draft',
      { attempt: 1, seq: 2 },
      {
        read: step.read,
        deliver: (items) => texts.push(...items.map(({ shown }) => shown.text ?? '')),
        drained: () => Promise.resolve(),
        closed: false,
        failed: () => undefined,
      },
    );
    const part = (text: string) => ({ kind: 'text', text });
    stream.heard({ stepId: 'draft', attempt: 1, from: 2, parts: [part('b'), part('c')], at: 1 });
    stream.heard({ stepId: 'draft', attempt: 1, from: 4, parts: [part('d')], at: 1 });
    expect([texts, step.reads]).toEqual([['c', 'd'], 0]);
  });
});
