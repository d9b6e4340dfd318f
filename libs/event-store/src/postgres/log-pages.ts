import { UnreadableEventError } from '../kinds.js';
import type { LogCursor, LogEvent, LogPage } from '../port.js';

export interface EventRow {
  execution_id: string;
  version: number;
  type: string;
  at: number;
  command_id: string;
  position: number;
  partition: number;
  data: unknown;
}

/** An event for the cursor with index `of`; all event columns are null when the cursor has no event. */
export type LogRow = { readonly of: number; readonly last_position: number } & (
  EventRow | Record<keyof EventRow, null>
);

/** A page, and how many rows of the log it was made of. */
export interface ReadPage<E extends LogEvent> {
  readonly page: LogPage<E>;
  readonly rows: number;
}

/** The pages of some cursors. `read` makes an event of a row, or nothing when it is not wanted. */
export function logPages<E extends LogEvent>(
  rows: readonly LogRow[],
  cursors: readonly LogCursor[],
  limit: number,
  read: (row: EventRow) => E | undefined,
): ReadPage<E>[] {
  const found = new Map<number, { events: E[]; read: number; rows: number; last: number; unreadable: Set<string> }>();
  for (const row of rows) {
    const { of, last_position: last } = row;
    let page = found.get(of);
    if (page === undefined) found.set(of, (page = { events: [], read: 0, rows: 0, last, unreadable: new Set() }));
    if (row.execution_id === null) continue;
    page.rows += 1;
    page.read = row.position;
    try {
      const event = read(row);
      if (event !== undefined) page.events.push(event);
    } catch (error) {
      // An unreadable event must not keep readers of the log from later events.
      if (!(error instanceof UnreadableEventError)) throw error;
      page.unreadable.add(row.execution_id);
    }
  }
  return cursors.map(({ after }, place) => {
    const page = found.get(place + 1);
    if (page === undefined) return { page: { events: [], position: after }, rows: 0 };
    const upTo = Math.max(after, page.read);
    const position = page.rows < limit ? Math.max(upTo, page.last) : upTo;
    const unreadable = page.unreadable.size === 0 ? {} : { unreadable: [...page.unreadable] };
    return { page: { events: page.events, position, ...unreadable }, rows: page.rows };
  });
}

/** Events of a partition that are read before their size is known. */
const FIRST_EVENTS = 16;
/** Bytes of events that are read at once. A reader that was away must not use up the memory when it comes back. */
const MOST_BYTES = 32 * 1024 * 1024;

/** Reads pages of at most `limit` events. Those of large events end before the limit, and say so. */
export async function boundedPages<E extends LogEvent>(
  cursors: readonly LogCursor[],
  limit: number,
  read: (cursors: readonly LogCursor[], limit: number) => Promise<ReadPage<E>[]>,
): Promise<LogPage<E>[]> {
  const first = Math.min(limit, FIRST_EVENTS);
  const pages = await read(cursors, first);
  const full = pages.flatMap(({ rows }, place) => (first < limit && rows >= first ? [place] : []));
  if (full.length === 0) return pages.map(({ page }) => page);
  const events = full.flatMap((place) => pages[place]?.page.events ?? []);
  const bytes = events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
  const room = Math.floor((MOST_BYTES - bytes) / (bytes / Math.max(1, events.length) + 1) / full.length);
  const rest = Math.max(0, Math.min(limit - first, room));
  const after = full.map((place) => ({
    partition: cursors[place]?.partition ?? 0,
    after: pages[place]?.page.position ?? 0,
  }));
  const others = rest === 0 ? [] : await read(after, rest);
  const joined = new Map(full.map((place, index) => [place, others[index]]));
  return pages.map(({ page }, place) => {
    if (!joined.has(place)) return page;
    const next = joined.get(place);
    const ended = next !== undefined && (next.rows < rest || first + rest === limit);
    const unreadable = [...new Set([...(page.unreadable ?? []), ...(next?.page.unreadable ?? [])])];
    return {
      events: [...page.events, ...(next?.page.events ?? [])],
      position: next?.page.position ?? page.position,
      ...(unreadable.length === 0 ? {} : { unreadable }),
      ...(ended ? {} : { more: true }),
    };
  });
}
