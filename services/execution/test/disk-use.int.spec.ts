import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { exposeMetrics } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { DiskUseReader } from '../src/partitions/disk-use.js';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('one');
  await platform.run();
});

afterAll(() => platform?.end());

it('is shown by table and stream, and grows with what is stored', async () => {
  let now = 0;
  const streamInfo = async (stream: string): Promise<{ state?: { bytes?: number } }> =>
    (await platform.connection.request(`$JS.API.STREAM.INFO.${stream}`, '')).json();
  const reader = new DiskUseReader(platform.sql, streamInfo, () => now);
  const before = await reader.current();
  expect(before?.database).toBeGreaterThan(1024 * 1024);
  expect([...(before?.streams.keys() ?? [])]).toEqual(['STEPS', 'LIFECYCLE']);
  const id = executionId();
  await platform.command(startRequest(id, 'three', { text: randomBytes(200_000).toString('base64') }));
  await eventually(async () => (await platform.get(id))?.status === 'completed', { timeoutMs: 120_000 });
  // Within a minute nothing is read again.
  now = 59_999;
  expect(await reader.current()).toBe(before);
  now = 60_000;
  const after = await reader.current();
  const events = (use: typeof before): number => use?.tables.get('execution.events') ?? 0;
  expect(events(after)).toBeGreaterThan(events(before));
  expect(after?.streams.get('LIFECYCLE')).toBeGreaterThan(before?.streams.get('LIFECYCLE') ?? Infinity);
  const { body: text } = await exposeMetrics();
  expect(text).toMatch(/^batuta_database_bytes \d{7,}$/m);
  expect(text).toMatch(/^batuta_table_bytes\{table="execution.events"\} \d+$/m);
  expect(text).toMatch(/^batuta_stream_bytes\{stream="STEPS"\} \d+$/m);
});
