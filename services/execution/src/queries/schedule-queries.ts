import { SCHEDULE_EVENT_SCHEMAS, SCHEDULE_STATUSES } from '@batuta/contracts';
import type {
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
      .query<{ id: string; created_at: string; view: ScheduleView }>(LIST_SCHEDULES, [
        tenantId,
        SCHEDULE_STATUSES.find((item) => item === status) ?? null,
        configId === '' ? null : configId,
        after?.createdAt ?? null,
        after?.id ?? null,
        size + 1,
      ]);
    const page = rows.slice(0, size);
    const last = rows.length > size ? page.at(-1) : undefined;
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
    if ((await this.#schedule(tenantId, scheduleId)) === undefined) return { events: [], ...NOT_FOUND };
    const events = await this.#readerOf(tenantId).readEvents(
      scheduleId,
      fromVersion,
      Math.min(limit || DEFAULT_LIMIT, MOST),
    );
    return {
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
