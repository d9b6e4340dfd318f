import { describe, expect, it } from '@jest/globals';
import { limitReached } from '@batuta/contracts';
import type { AdmitReply, AdmitRequest, TenantLimits } from '@batuta/contracts';
import type { OwnStart } from '../partitions/ports/ports.js';
import { StreamStarts } from './stream-starts.js';

/** Time that passes when it is told to; what is asked is answered by the newest `answer`. */
class World {
  now = 0;
  limits: TenantLimits | undefined = { startsPerSecond: 1, unfinishedExecutions: 3 };
  readonly asked: AdmitRequest[] = [];
  answer: (request: AdmitRequest) => AdmitReply | Promise<AdmitReply> = () => ({});
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  readonly starts = new StreamStarts({
    clock: {
      elapsed: () => this.now,
      after: (ms, callback) => {
        this.#timers.push({ at: this.now + ms, callback });
        return () => undefined;
      },
    },
    limitsOf: () => this.limits,
    admit: async (request) => {
      this.asked.push(request);
      return this.answer(request);
    },
  });

  async pass(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 100;
      const due = this.#timers.filter(({ at }) => at <= this.now);
      this.#timers = this.#timers.filter(({ at }) => at > this.now);
      for (const { callback } of due) callback();
      await settled();
    }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const start = (id: string, more: Partial<OwnStart> = {}): OwnStart => ({
  tenantId: 'acme',
  commandId: id,
  executionId: id,
  input: { of: id },
  child: false,
  waitMs: 60_000,
  wanted: () => true,
  ...more,
});

const full = (
  limit: 'starts_per_second' | 'unfinished_executions' | 'execution_bytes',
  retryMs?: number,
): AdmitReply => ({
  refused: limitReached(limit, 3, 'full', retryMs),
});

describe('starts of schedules and parents', () => {
  it('are not counted when the tenant has no limits', async () => {
    const world = new World();
    for (const limits of [undefined, {}, { websockets: 1 }]) {
      world.limits = limits;
      expect(await world.starts.admitted(start('a'))).toBeUndefined();
    }
    expect(world.asked).toEqual([]);
  });

  it('wait in order until there is a place, and only the first one asks', async () => {
    const world = new World();
    const ended: string[] = [];
    world.answer = () => full('starts_per_second', 1_000);
    for (const id of ['a', 'b', 'c']) {
      void world.starts.admitted(start(id)).then((refusal) => ended.push(`${id} ${JSON.stringify(refusal)}`));
    }
    await world.pass(10_000);
    expect(ended).toEqual([]);
    expect(new Set(world.asked.map(({ commandId }) => commandId))).toEqual(new Set(['a']));
    expect(world.asked.length).toBeLessThanOrEqual(11);
    world.answer = () => ({});
    await world.pass(2_000);
    expect(ended).toEqual(['a undefined', 'b undefined', 'c undefined']);
  });

  it('are refused with the reason, each when its own time is over', async () => {
    const world = new World();
    world.answer = () => full('unfinished_executions', 200);
    const short = world.starts.admitted(start('short', { waitMs: 1_000 }));
    let long: unknown = 'waits';
    void world.starts.admitted(start('long', { waitMs: 30_000 })).then((refusal) => (long = refusal));
    await world.pass(5_000);
    expect(await short).toMatchObject({ code: 'limit_reached', details: { limit: 'unfinished_executions' } });
    expect(long).toBe('waits');
    await world.pass(30_000);
    expect(long).toMatchObject({ code: 'limit_reached' });
  });

  it('do not wait for bytes, which only a deletion gives back', async () => {
    const world = new World();
    world.limits = { executionBytes: 10 };
    world.answer = () => full('execution_bytes');
    expect(await world.starts.admitted(start('a'))).toMatchObject({ details: { limit: 'execution_bytes' } });
    expect(world.asked[0]).toMatchObject({ executionBytes: 10, bytes: 10 });
  });

  it('let children begin when starts have no place, because parents hold these places', async () => {
    const world = new World();
    world.answer = ({ unfinishedExecutions }) => (unfinishedExecutions > 3 ? {} : full('unfinished_executions', 200));
    let other: unknown = 'waits';
    void world.starts.admitted(start('a')).then((refusal) => (other = refusal));
    expect(await world.starts.admitted(start('child', { child: true }))).toBeUndefined();
    expect(world.asked.at(-1)).toMatchObject({ commandId: 'child', unfinishedExecutions: 6 });
    expect(other).toBe('waits');
  });

  it('have one outcome for all requests for the same start', async () => {
    const world = new World();
    world.answer = () => full('unfinished_executions', 200);
    const outcomes: unknown[] = [];
    for (const waitMs of [1_000, 30_000]) {
      void world.starts.admitted(start('same', { waitMs })).then((refusal) => outcomes.push(refusal));
    }
    await world.pass(5_000);
    expect(outcomes).toHaveLength(2);
    expect(outcomes[0]).toBe(outcomes[1]);
  });

  it('do not hold up others when they are not wanted any more', async () => {
    const world = new World();
    world.answer = () => full('unfinished_executions', 200);
    let wanted = true;
    const gone = world.starts.admitted(start('gone', { wanted: () => wanted }));
    const next = world.starts.admitted(start('next'));
    await world.pass(1_000);
    wanted = false;
    world.answer = () => ({});
    await world.pass(1_000);
    expect(await gone).toBe('unwanted');
    expect(await next).toBeUndefined();
  });

  it('are told when they cannot be counted, and ask again', async () => {
    const world = new World();
    world.answer = () => Promise.reject(new Error('no database'));
    const both = [world.starts.admitted(start('a')), world.starts.admitted(start('b'))];
    const outcomes = await Promise.allSettled(both);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    world.answer = () => ({});
    expect(await world.starts.admitted(start('a'))).toBeUndefined();
  });

  it('do not wait in an endless line', async () => {
    const world = new World();
    world.answer = () => full('starts_per_second', 1_000);
    for (let n = 0; n < 1_000; n += 1) void world.starts.admitted(start(`s${n}`));
    expect(await world.starts.admitted(start('one more'))).toMatchObject({ code: 'limit_reached' });
    expect(
      await Promise.race([world.starts.admitted(start('b', { tenantId: 'b' })), settled().then(() => 'waits')]),
    ).toBe('waits');
  });
});
