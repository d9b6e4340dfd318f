import { describe, expect, it } from '@jest/globals';
import { FairGate, GateBusyError } from './fair-gate.js';

const never = new AbortController().signal;
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('FairGate', () => {
  it('gives a tenant only its share, and makes its other work wait', async () => {
    const gate = new FairGate({ total: 10, perTenant: 2, waiting: 10 });
    const leaves = [await gate.enter('a', never), await gate.enter('a', never)];
    let third = false;
    const waiting = gate.enter('a', never).then((leave) => {
      third = true;
      return leave;
    });
    await gate.enter('b', never);
    await tick();
    expect(third).toBe(false);
    leaves[0]?.();
    // A second call has no effect.
    leaves[0]?.();
    await waiting;
    await expect(Promise.race([gate.enter('a', never), tick().then(() => 'waits')])).resolves.toBe('waits');
  });

  it('serves tenants in turns when all places are taken', async () => {
    const gate = new FairGate({ total: 1, perTenant: 1, waiting: 10 });
    let leave = await gate.enter('a', never);
    const order: string[] = [];
    const enter = (tenant: string): Promise<void> =>
      gate.enter(tenant, never).then((left) => {
        order.push(tenant);
        leave = left;
      });
    const all = [enter('a'), enter('a'), enter('a'), enter('b'), enter('c')];
    for (let turn = 1; turn <= all.length; turn += 1) {
      leave();
      while (order.length < turn) await tick();
    }
    await Promise.all(all);
    expect(order.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
  });

  it('refuses waiting work beyond the limit, of this tenant only', async () => {
    const gate = new FairGate({ total: 10, perTenant: 1, waiting: 1 });
    await gate.enter('a', never);
    void gate.enter('a', never);
    await expect(gate.enter('a', never)).rejects.toBeInstanceOf(GateBusyError);
    await expect(gate.enter('b', never)).resolves.toBeInstanceOf(Function);
  });

  it('forgets work whose signal fires while it waits', async () => {
    const gate = new FairGate({ total: 1, perTenant: 1, waiting: 1 });
    const leave = await gate.enter('a', never);
    const stop = new AbortController();
    const waiting = gate.enter('a', stop.signal);
    stop.abort(new Error('out of time'));
    await expect(waiting).rejects.toThrow('out of time');
    leave();
    await expect(gate.enter('a', never)).resolves.toBeInstanceOf(Function);
    await expect(gate.enter('b', stop.signal)).rejects.toThrow('out of time');
  });
});
