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

/** The pages of some cursors. `read` makes an event of a row, or nothing when it is not wanted. */
export function logPages<E extends LogEvent>(
  rows: readonly LogRow[],
  cursors: readonly LogCursor[],
  limit: number,
  read: (row: EventRow) => E | undefined,
): LogPage<E>[] {
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
    if (page === undefined) return { events: [], position: after };
    const upTo = Math.max(after, page.read);
    const position = page.rows < limit ? Math.max(upTo, page.last) : upTo;
    return {
      events: page.events,
      position,
      ...(page.unreadable.size === 0 ? {} : { unreadable: [...page.unreadable] }),
    };
  });
}
