import { describe, expect, it } from '@jest/globals';
import type { NewAuditEntry } from '@batuta/contracts';
import { createLogger } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { AuditWriter } from './audit-writer.js';
import type { AuditRecord } from './audit-writer.js';

const logger = createLogger({ service: 'test', level: 'silent' as never });
const record = (resource: string, userId?: string): AuditRecord => ({
  tenantId: 'acme',
  channel: 'rest',
  action: 'secrets.put',
  resource,
  outcome: 'succeeded',
  ...(userId === undefined ? {} : { userId }),
});

/** A store of entries that can be unavailable. */
function store() {
  const stored: NewAuditEntry[] = [];
  const batches: number[] = [];
  const state = { away: false };
  const probe = async <Reply>(_pattern: string, data: unknown): Promise<Reply> => {
    await Promise.resolve();
    if (state.away) throw new Error('away');
    const { entries } = data as { entries: NewAuditEntry[] };
    batches.push(entries.length);
    stored.push(...entries);
    return { stored: entries.length } as Reply;
  };
  return { stored, batches, state, backend: { probe } };
}

describe('the writer of the audit log', () => {
  it('stores entries together, in order and once each', async () => {
    const { stored, batches, backend } = store();
    const writer = new AuditWriter({ backend, logger, capacity: 10_000 });
    for (let n = 0; n < 1_200; n += 1) writer.record(record(`r${n}`, 'ada'));
    await eventually(() => stored.length === 1_200);
    expect(stored.map(({ resource }) => resource)).toEqual(Array.from({ length: 1_200 }, (_, n) => `r${n}`));
    expect(new Set(stored.map(({ id }) => id)).size).toBe(1_200);
    expect(Math.max(...batches)).toBe(500);
    await writer.close(1_000);
  });

  it('is full while entries cannot be stored, and has room again afterwards', async () => {
    const { stored, state, backend } = store();
    state.away = true;
    const writer = new AuditWriter({ backend, logger, capacity: 100 });
    for (let n = 0; n < 99; n += 1) writer.record(record(`r${n}`, 'ada'));
    expect(writer.full).toBe(false);
    writer.record(record('last', 'ada'));
    expect(writer.full).toBe(true);
    state.away = false;
    await eventually(() => stored.length === 100);
    expect(writer.full).toBe(false);
    await writer.close(1_000);
  });

  it('reserves room for requests with a key', async () => {
    const { stored, state, backend } = store();
    state.away = true;
    const writer = new AuditWriter({ backend, logger, capacity: 100 });
    for (let n = 0; n < 1_000; n += 1) writer.record(record('anything'));
    expect(writer.full).toBe(false);
    writer.record(record('real', 'ada'));
    state.away = false;
    await eventually(() => stored.some(({ resource }) => resource === 'real'));
    expect(stored.length).toBe(26);
    await writer.close(1_000);
  });

  it('stores the waiting entries before it closes', async () => {
    const { stored, backend } = store();
    const writer = new AuditWriter({ backend, logger, capacity: 100 });
    writer.record(record('last words', 'ada'));
    await writer.close(5_000);
    expect(stored).toHaveLength(1);
  });
});
