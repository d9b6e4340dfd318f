import { afterEach, describe, expect, it } from '@jest/globals';
import { SandboxBusyError } from './errors.js';
import { Sandbox } from './sandbox.js';
import { WorkerPool } from './worker-pool.js';
import type { JobOutcome } from './worker-thread.js';

describe('jobs that wait for a thread', () => {
  let sandbox: Sandbox | undefined;
  afterEach(() => sandbox?.close());

  const evaluate = (tenantId: string, expression = '1'): Promise<unknown> =>
    (sandbox as Sandbox).evaluate({ tenantId, expression, context: {}, timeoutMs: 120_000 });

  it('run in turns of their tenants, however many jobs one of them has', async () => {
    sandbox = new Sandbox({ threads: 1 });
    const order: string[] = [];
    const run = (tenantId: string): Promise<unknown> => evaluate(tenantId).then(() => order.push(tenantId));
    const many = Array.from({ length: 20 }, () => run('many'));
    // The first job gets the second thread, however long that thread takes to start. The others wait like those of
    // `many`.
    await Promise.all([...many, run('first'), run('second'), run('third')]);
    for (const tenant of ['second', 'third']) expect(order.indexOf(tenant)).toBeLessThan(8);
    expect(order).toHaveLength(23);
  });

  it('start at once beside a tenant that uses its maximum of threads', async () => {
    sandbox = new Sandbox({ threads: 1 });
    let ended = 0;
    const endless = Array.from({ length: 3 }, () =>
      evaluate('many', '($f := function() { $f() }; $f())').then(
        () => (ended += 1),
        () => undefined,
      ),
    );
    for (let n = 0; n < 5; n += 1) await expect(evaluate('few')).resolves.toMatchObject({ ok: true });
    expect(ended).toBe(0);
    await sandbox.close();
    await Promise.all(endless);
  });

  it('are refused, and not blamed, when no thread starts', async () => {
    // Too little memory for the thread itself.
    sandbox = new Sandbox({ threads: 1, memoryMb: 1 });
    await expect(evaluate('any')).rejects.toMatchObject({
      name: 'SandboxBusyError',
      message: 'No thread for schemas, expressions and templates could be started. Try again in a moment.',
    });
    await expect(sandbox.parseExpressions(['a + 1'])).rejects.toBeInstanceOf(SandboxBusyError);
  });

  it('find a started thread beside a tenant whose jobs end their threads', async () => {
    const pool = new WorkerPool({ role: 'expression', threads: 1, memoryMb: 64, maxQueued: 100, maxWaitMs: 60_000 });
    const run = (tenantId: string, expression: string, timeoutMs: number): Promise<JobOutcome> =>
      pool.run(() => ({ kind: 'evaluate', expression, context: '{}', resultBytes: 1_000 }), timeoutMs, tenantId);
    const endless = (): Promise<JobOutcome> => run('dear', '($f := function() { $f() }; $f())', 300);
    try {
      await endless();
      await run('cheap', '1', 20_000);
      expect(pool.started).toBe(2);
      for (let n = 0; n < 3; n += 1) {
        const job = endless();
        const before = pool.started;
        await expect(run('cheap', '1', 20_000)).resolves.toMatchObject({ kind: 'reply' });
        expect(pool.started).toBe(before);
        await expect(job).resolves.toEqual({ kind: 'time_limit' });
      }
      expect(pool.started).toBe(5);
    } finally {
      await pool.close();
    }
  });

  it('start at once beside several tenants with long jobs', async () => {
    sandbox = new Sandbox({ threads: 1 });
    const endless = (tenantId: string, timeoutMs: number): Promise<unknown> =>
      (sandbox as Sandbox).evaluate({
        tenantId,
        expression: '($f := function() { $f() }; $f())',
        context: {},
        timeoutMs,
      });
    for (const tenant of ['long-1', 'long-2']) await endless(tenant, 300);
    await evaluate('few');
    let ended = 0;
    const long = ['long-1', 'long-2'].map((tenant) =>
      endless(tenant, 20_000).then(
        () => (ended += 1),
        () => undefined,
      ),
    );
    for (let n = 0; n < 5; n += 1) await expect(evaluate('few')).resolves.toMatchObject({ ok: true });
    expect(ended).toBe(0);
    await sandbox.close();
    await Promise.all(long);
  });

  it('are refused only for the tenant that has too many', async () => {
    sandbox = new Sandbox({ threads: 1, maxQueued: 3 });
    const first = Array.from({ length: 4 }, () => evaluate('many'));
    await expect(evaluate('many')).rejects.toThrow(SandboxBusyError);
    await expect(evaluate('few')).resolves.toMatchObject({ ok: true });
    await Promise.all(first);
    await expect(evaluate('many')).resolves.toMatchObject({ ok: true });
  });

  it('are refused and forgotten when they have waited too long', async () => {
    sandbox = new Sandbox({ threads: 1, maxWaitMs: 1 });
    const long = evaluate('one', '$sum([1..200000].($ * 2))');
    await expect(evaluate('one')).rejects.toThrow(SandboxBusyError);
    await long;
    await expect(evaluate('one')).resolves.toMatchObject({ ok: true });
  });
});
