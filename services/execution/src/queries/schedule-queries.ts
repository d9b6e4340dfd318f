import { LIMITS, SCHEDULE_EVENT_SCHEMAS, SCHEDULE_STATUSES } from '@batuta/contracts';
import type {
  Event,
  GetScheduleReply,
  GetScheduleRequest,
  JsonObject,
  ListScheduleEventsReply,
  ListScheduleEventsRequest,
  ListSchedulesReply,
  ListSchedulesRequest,
  Refusal,
  ScheduleEventType,
  ScheduleView,
} from '@batuta/contracts';
import type { TenantPool } from '@batuta/service';
import { isUuid } from '../messages/fields.js';
import type { ExecutionReader } from '../store/port.js';
import { decodeListCursor, encodeListCursor } from './cursor.js';
import { refused } from './request-rules.js';
import { LIST_SCHEDULES, READ_SCHEDULE } from './sql.js';

const LIST = 'schedules';
const DEFAULT_LIMIT = 50;
const MOST = 200;
/** A page has to fit into a message. One schedule is smaller than this. */
const PAGE_BYTES = LIMITS.natsMaxPayloadBytes / 2;
/** Events that are read with one statement. */
const READ_TOGETHER = 20;

/** Answers queries about schedules from their rows, which are written together with their events. */
export class ScheduleQueries {
  readonly #readerOf: (tenantId: string) => Pick<ExecutionReader, 'readEvents'>;
  readonly #pool: Pick<TenantPool, 'seen'>;

  constructor(readerOf: (tenantId: string) => Pick<ExecutionReader, 'readEvents'>, pool: Pick<TenantPool, 'seen'>) {
    this.#readerOf = readerOf;
    this.#pool = pool;
  }

  async get({ tenantId, scheduleId }: GetScheduleRequest): Promise<GetScheduleReply> {
    const schedule = await this.#schedule(tenantId, scheduleId);
    return schedule === undefined ? NOT_FOUND : { schedule };
  }

  /** Newest first. */
  async list(request: ListSchedulesRequest): Promise<ListSchedulesReply> {
    const { tenantId, status = '', configId = '', limit = 0, cursor = '' } = request;
    const after = cursor === '' ? undefined : decodeListCursor(LIST, cursor);
    if (cursor !== '' && after === undefined) {
      return { schedules: [], ...badCursor };
    }
    const size = limit === 0 ? DEFAULT_LIMIT : Math.min(limit, MOST);
    const { rows } = await this.#pool
      .seen({ tenantId })
      .query<{ id: string; created_at: string; view: ScheduleView; found: number }>(LIST_SCHEDULES, [
        tenantId,
        SCHEDULE_STATUSES.find((item) => item === status) ?? null,
        configId === '' ? null : configId,
        after?.createdAt ?? null,
        after?.id ?? null,
        size + 1,
        PAGE_BYTES,
      ]);
    const page = rows.slice(0, size);
    const last = page.length < (rows[0]?.found ?? 0) ? page.at(-1) : undefined;
    return {
      schedules: page.map(({ view }) => view),
      ...(last === undefined
        ? {}
        : { nextCursor: encodeListCursor(LIST, { createdAt: Number(last.created_at), id: last.id }) }),
    };
  }

  /** Events from a version on. */
  async history(request: ListScheduleEventsRequest): Promise<ListScheduleEventsReply> {
    const { tenantId, scheduleId, fromVersion, limit } = request;
    if ((await this.#schedule(tenantId, scheduleId)) === undefined) return { events: [], nextVersion: 0, ...NOT_FOUND };
    const { events, nextVersion } = await this.#events(tenantId, scheduleId, fromVersion, limit || DEFAULT_LIMIT);
    return {
      nextVersion,
      events: events
        .filter(({ type }) => Object.hasOwn(SCHEDULE_EVENT_SCHEMAS, type))
        .map(({ version, type, at, data }) => ({
          version,
          type: type as string as ScheduleEventType,
          at,
          data: data as unknown as JsonObject,
        })),
    };
  }

  /** A few at a time, because each may have a definition with a large input. */
  async #events(
    tenantId: string,
    id: string,
    from: number,
    limit: number,
  ): Promise<{ readonly events: Event[]; readonly nextVersion: number }> {
    const reader = this.#readerOf(tenantId);
    const events: Event[] = [];
    let bytes = 0;
    for (let left = Math.min(limit, MOST); left > 0; left -= READ_TOGETHER) {
      const wanted = Math.min(left, READ_TOGETHER);
      const page = await reader.readEvents(id, from + events.length, wanted);
      for (const event of page) {
        bytes += Buffer.byteLength(JSON.stringify(event.data));
        if (bytes > PAGE_BYTES && events.length > 0) return { events, nextVersion: event.version };
        events.push(event);
      }
      if (page.length < wanted) break;
    }
    return { events, nextVersion: 0 };
  }

  async #schedule(tenantId: string, id: string): Promise<ScheduleView | undefined> {
    if (!isUuid(id)) return undefined;
    const { rows } = await this.#pool.seen({ tenantId }).query<{ view: ScheduleView }>(READ_SCHEDULE, [id, tenantId]);
    return rows[0]?.view;
  }
}

const NOT_FOUND = refused('not_found', 'There is no such schedule.');
const badCursor = {
  refused: {
    code: 'validation_failed',
    message: 'The cursor is not one that this list has answered.',
    violations: [{ path: '/cursor', code: 'bad_cursor', message: 'is not a cursor of this list' }],
  } satisfies Refusal,
};
