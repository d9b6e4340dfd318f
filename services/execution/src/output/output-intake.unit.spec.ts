import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { AttemptOutput, AttemptOutputReply, OutputPublished } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { systemClock } from '../partitions/ports/system-ports.js';
import { OutputIntake } from './output-intake.js';

const ID = '0190b3e0-0000-7000-8000-000000000001';

interface Row {
  readonly key: string;
  readonly seq: number;
  readonly kind: string;
  readonly text: string;
  readonly id: string | null;
}

/** As much of the table as the intake uses. */
class Table {
  readonly rows: Row[] = [];
  readonly batches: number[] = [];
  down = false;
  over = false;

  query = ({ name, values }: { name?: string; values?: unknown[] }): Promise<{ rows: unknown[] }> => {
    if (this.down) return Promise.reject(new Error('the database is down'));
    if (name === 'output-place') {
      if (this.over) return Promise.resolve({ rows: [] });
      const mine = this.rows.filter(({ key }) => key === (values ?? []).join('/'));
      const starts = mine.filter(({ kind }) => kind === 'start');
      const place = {
        tenantId: 'default',
        seq: Math.max(0, ...mine.map(({ seq }) => seq)),
        bytes: mine.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0),
        base: Math.max(0, ...starts.map(({ seq }) => seq)),
        runs: starts.map(({ id }) => id),
      };
      return Promise.resolve({ rows: [place] });
    }
    const [ids = [], steps = [], attempts = [], seqs = [], , kinds = [], texts = [], parts = []] = (values ??
      []) as unknown[][];
    this.batches.push(ids.length);
    for (const [at, id] of ids.entries()) {
      const key = [id, steps[at], attempts[at]].join('/');
      const seq = Number(seqs[at]);
      if (this.rows.some((row) => row.key === key && row.seq === seq)) continue;
      this.rows.push({
        key,
        seq,
        kind: String(kinds[at]),
        text: String(texts[at]),
        id: (parts[at] as string | null) ?? null,
      });
    }
    return Promise.resolve({ rows: [] });
  };

  text(key = `${ID}/draft/1`): string {
    const rows = this.rows.filter((row) => row.key === key).toSorted((one, other) => one.seq - other.seq);
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, at) => at + 1));
    return rows.map(({ kind, text }) => (kind === 'start' ? '|' : text)).join('');
  }
}

describe('partial output of attempts', () => {
  const intakes: OutputIntake[] = [];
  afterEach(() => Promise.all(intakes.splice(0).map((intake) => intake.stop())));

  const make = (table: Table, wanted: { value: boolean | undefined } = { value: true }) => {
    const shown: OutputPublished[] = [];
    const intake = new OutputIntake({
      clock: systemClock,
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
      pool: { query: table.query } as never,
      bus: { followed: () => true, publishOutput: (_, text) => shown.push(JSON.parse(text) as OutputPublished) },
    });
    intakes.push(intake);
    const send = (
      from: number,
      texts: readonly string[],
      more: Partial<AttemptOutput> = {},
    ): Promise<AttemptOutputReply> =>
      new Promise((resolve) => {
        const parts = texts.map((text) => ({ kind: 'text', text }));
        const output = { executionId: ID, stepId: 'draft', attempt: 1, run: 'a', from, parts, ...more };
        intake.take(
          output,
          () => Promise.resolve(wanted.value),
          (text) => resolve(JSON.parse(text) as AttemptOutputReply),
        );
      });
    return { shown, send, intake };
  };

  it('stores and shows each part once, even if parts come twice or too early, and answers where to continue', async () => {
    const table = new Table();
    const { shown, send } = make(table);
    expect(await send(1, ['a', 'b'])).toEqual({ wanted: true, next: 3 });
    expect(await send(5, ['e'])).toEqual({ wanted: true, next: 3 });
    const [again, more] = await Promise.all([send(1, ['a', 'b', 'c']), send(4, ['d'])]);
    expect([again.next, more.next]).toEqual([5, 5]);
    expect(table.text()).toBe('|abcd');
    const seen = shown.flatMap(({ from, parts }) =>
      parts.map((part, at) => [from + at, part.kind === 'start' ? '|' : part.text]),
    );
    expect(seen).toEqual([
      [1, '|'],
      [2, 'a'],
      [3, 'b'],
      [4, 'c'],
      [5, 'd'],
    ]);
  });

  it('continues after the parts that another owner has stored', async () => {
    const table = new Table();
    await make(table).send(1, ['a', 'b', 'c']);
    const { send } = make(table);
    expect(await send(6, ['f'])).toEqual({ wanted: true, next: 4 });
    expect(await send(3, ['c', 'd'])).toEqual({ wanted: true, next: 5 });
    expect(table.text()).toBe('|abcd');
  });

  it('puts a new run after the one before, and accepts no more of that one', async () => {
    const table = new Table();
    const { send } = make(table);
    await send(1, ['old ', 'words']);
    expect(await send(2, ['late'], { run: 'b' })).toEqual({ wanted: true, next: 1 });
    expect(await send(1, ['new'], { run: 'b' })).toEqual({ wanted: true, next: 2 });
    expect(await send(3, ['still here'])).toMatchObject({ wanted: false });
    // The owner after this one knows it too.
    const next = make(table);
    expect(await next.send(3, ['still here'])).toMatchObject({ wanted: false });
    expect(await next.send(2, [' words'], { run: 'b' })).toEqual({ wanted: true, next: 3 });
    expect(table.text()).toBe('|old words|new words');
  });

  it('wants no output of an attempt or execution that is over, and does not answer while that is not known', async () => {
    const table = new Table();
    expect(await make(table, { value: false }).send(1, ['a'])).toEqual({ wanted: false, reason: 'stale' });
    const unknown = { value: undefined as boolean | undefined };
    const { send } = make(table, unknown);
    const first = send(1, ['a']);
    expect(await Promise.race([first, delay(50, 'silent')])).toBe('silent');
    unknown.value = true;
    expect(await send(1, ['a'])).toEqual({ wanted: true, next: 2 });
    expect(table.text()).toBe('|a');
  });

  it('asks again when a result of the attempt was recorded, also while it asks', async () => {
    const table = new Table();
    const wanted = { value: true as boolean | undefined };
    const { send, intake } = make(table, wanted);
    const event = { type: 'StepCompleted', data: { stepId: 'draft', attempt: 1 } };
    const record = (): void => intake.committed({ execution: { id: ID }, events: [{ event }] });
    const first = send(1, ['a']);
    record();
    wanted.value = false;
    expect(await first).toEqual({ wanted: false, reason: 'stale' });
    wanted.value = true;
    expect(await send(1, ['a'])).toEqual({ wanted: true, next: 2 });
    wanted.value = false;
    expect(await send(2, ['b'])).toEqual({ wanted: true, next: 3 });
    record();
    expect(await send(3, ['late'])).toEqual({ wanted: false, reason: 'stale' });
    expect(table.text()).toBe('|ab');
  });

  it('answers only after storing, and stores the parts when the database is back', async () => {
    const table = new Table();
    const { shown, send } = make(table);
    await send(1, ['a']);
    table.down = true;
    const answered = send(2, ['b']);
    await eventually(() => shown.length === 2, { describe: 'it is shown' });
    expect(await Promise.race([answered, delay(50, 'silent')])).toBe('silent');
    table.down = false;
    expect(await answered).toEqual({ wanted: true, next: 3 });
    expect(table.text()).toBe('|ab');
  });

  it('keeps a limited amount of one attempt', async () => {
    const table = new Table();
    const { send } = make(table);
    const large = 'x'.repeat(60_000);
    let said = 0;
    for (let from = 1; ; from += 1) {
      const { full } = await send(from, [large]);
      if (full === true) break;
      said += 1;
      expect(said).toBeLessThan(30);
    }
    expect(table.text().length).toBeLessThanOrEqual(1024 * 1024 + 1);
  });

  it('accepts a limited number of runs of one attempt, over all owners of the partition', async () => {
    const table = new Table();
    const { send } = make(table);
    for (let n = 0; n < 100; n += 1) expect(await send(1, ['x'], { run: `run${n}` })).toMatchObject({ wanted: true });
    expect(await send(1, ['x'], { run: 'more' })).toEqual({ wanted: false, reason: 'stale' });
    expect(await make(table).send(1, ['x'], { run: 'more' })).toEqual({ wanted: false, reason: 'stale' });
    expect(await send(2, ['y'], { run: 'run99' })).toEqual({ wanted: true, next: 3 });
    expect(table.rows).toHaveLength(201);
  });

  it('accepts no new run of an attempt that is full', async () => {
    const table = new Table();
    const { send } = make(table);
    for (let from = 1; ; from += 1) {
      const { full } = await send(from, ['x'.repeat(60_000)]);
      if (full === true) break;
      expect(from).toBeLessThan(30);
    }
    const { length } = table.rows;
    expect(await send(1, ['x'], { run: 'b' })).toEqual({ wanted: false, reason: 'stale' });
    expect(table.rows).toHaveLength(length);
  });

  it('lets tenants take turns, so a batch has parts of both', async () => {
    const table = new Table();
    const { send } = make(table);
    const many = Array.from({ length: 200 }, () => 'x');
    await Promise.all([
      ...Array.from({ length: 10 }, (_, at) => send(1, many, { stepId: `loud${at}` })),
      send(1, ['quiet'], { stepId: 'quiet' }),
    ]);
    expect(Math.max(...table.batches)).toBeLessThanOrEqual(600);
    expect(table.text(`${ID}/quiet/1`)).toBe('|quiet');
  });
});
