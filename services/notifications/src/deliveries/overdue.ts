import { gauge } from '@batuta/observability';
import type { DataSource } from 'typeorm';
import { setTimeout as delay } from 'node:timers/promises';

/** The count stops here. */
const MOST = 10_000;
const SCRAPE_MS = 2_000;

const OVERDUE = `
SELECT count(*)::float8 AS due, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float8 AS seconds
FROM (
  SELECT next_attempt_at FROM notifications.orchestration_callbacks
  WHERE next_attempt_at <= now() ORDER BY next_attempt_at LIMIT ${MOST}
) AS due`;

const sources = new Set<DataSource>();

const seconds = gauge(
  'batuta_notifications_deliveries_overdue_seconds',
  'Time since the oldest due delivery without an attempt became due',
);
gauge(
  'batuta_notifications_deliveries_due',
  `Due deliveries without an attempt, counted up to ${MOST}; the same in every process`,
  [],
  async function collect() {
    const [source] = sources;
    if (source === undefined) return;
    const read = source.query<{ due: number; seconds: number }[]>(OVERDUE).catch(() => undefined);
    // The readiness check reports an outage; a scrape must not wait for it.
    const [row] = (await Promise.race([read, delay(SCRAPE_MS, undefined, { ref: false })])) ?? [];
    if (row === undefined) return;
    this.set(row.due);
    seconds.set(row.seconds);
  },
);

/** Adds overdue deliveries to the process's metrics until the result is called. */
export function exposeOverdue(source: DataSource): () => void {
  sources.add(source);
  return () => sources.delete(source);
}
