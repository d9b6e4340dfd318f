import { EVENT_SCHEMAS, isTerminalEventType } from '@batuta/contracts';
import type {
  Event,
  EventType,
  GetStartsReply,
  GetStartsRequest,
  GetVersionsReply,
  GetVersionsRequest,
  JsonValue,
  ListEventsReply,
  ListEventsRequest,
  LogPage,
  ReadLogReply,
  ReadLogRequest,
} from '@batuta/contracts';
import { jsonBytes } from '../domain/index.js';
import { isUuid } from '../messages/fields.js';
import { OF_EXECUTIONS, ONLY_CALLED_BACK_STARTS } from '../store/kinds.js';
import type { ExecutionReader } from '../store/port.js';
import { REPLY_BYTES, fittingEvents } from './fit-reply.js';
import { clamp, refused } from './request-rules.js';
import type { TenantExecutions } from './tenant-executions.js';

/** Events of an execution that are read before their size is known. */
const FIRST_READ = 50;
const MOST_VERSIONS = 10_000;
const MOST_STARTS = 1_000;
const MOST_CURSORS = 4_096;

/** Answers queries for the events themselves: of one execution to its tenant, and of all to services that follow the log. */
export class LogQueries {
  readonly #reader: ExecutionReader;
  readonly #executions: TenantExecutions;

  /** `reader` sees all tenants' events. */
  constructor(reader: ExecutionReader, executions: TenantExecutions) {
    this.#reader = reader;
    this.#executions = executions;
  }

  async events(request: ListEventsRequest): Promise<ListEventsReply> {
    const notFound = { events: [], ...refused('not_found', 'There is no such execution.') };
    if (!isUuid(request.executionId)) return notFound;
    const limit = clamp(request.limit, 1_000, 1_000);
    const from = clamp(request.fromVersion, 1, Number.MAX_SAFE_INTEGER);
    const { tenantId, executionId } = request;
    const [[first], events, gone] = await Promise.all([
      this.#executions.smallSource(tenantId).reader.readEvents(executionId, 1, 1),
      this.#page(tenantId, executionId, from, limit),
      this.#executions.deleted(request.tenantId, request.executionId),
    ]);
    if (gone !== undefined) return { events: [], ...gone };
    if (first?.type !== 'ExecutionStarted' || first.data.tenantId !== request.tenantId) return notFound;
    const kept = fittingEvents(events).events;
    const last = kept.at(-1);
    const more = last !== undefined && (kept.length < events.length || events.length === limit);
    return { events: kept, ...(more ? { nextVersion: last.version + 1 } : {}) };
  }

  /** Events that fill a reply, or all up to the limit. Large events are read a few at a time, and not a thousand at once. */
  async #page(tenantId: string, id: string, from: number, limit: number): Promise<Event[]> {
    const { reader } = this.#executions.source(tenantId);
    const events: Event[] = [];
    let together = FIRST_READ;
    for (let [left, bytes] = [limit, 0]; left > 0 && bytes <= REPLY_BYTES;) {
      const wanted = Math.min(left, together);
      const page = await reader.readEvents(id, from + events.length, wanted);
      events.push(...page);
      if (page.length < wanted) break;
      left -= wanted;
      const size = page.reduce((sum, { data }) => sum + jsonBytes(data as JsonValue), 0);
      bytes += size;
      together = Math.max(1, Math.min(limit, Math.floor(REPLY_BYTES / (size / page.length + 1))));
    }
    return events;
  }

  /** Newest versions, for callers that may already see these executions. */
  async versions(request: GetVersionsRequest): Promise<GetVersionsReply> {
    const asked = request.executionIds.slice(0, MOST_VERSIONS);
    const ids = asked.filter((id) => isUuid(id));
    const newest = ids.length === 0 ? [] : await this.#reader.readNewest(ids);
    const found = new Map(ids.map((id, place) => [id, newest[place]]));
    return {
      versions: asked.map((id) => found.get(id)?.version ?? 0),
      ended: asked.map((id) => {
        const type = found.get(id)?.type ?? '';
        return isTerminalEventType(type) || type === 'ExecutionDeleted';
      }),
    };
  }

  /**
   * How executions began, for callers that may already see them. Read from the log, so that a rebuild of read models
   * hides none.
   */
  async starts({ executionIds }: GetStartsRequest): Promise<GetStartsReply> {
    if (executionIds.length > MOST_STARTS) throw new RangeError(`at most ${MOST_STARTS} starts may be read at once`);
    const found = await this.#reader.readStarts(executionIds.filter((id) => isUuid(id)));
    return {
      starts: [...found].map(([executionId, start]) => ({
        executionId,
        tenantId: start.tenantId,
        traceId: start.traceId,
        configId: start.configId,
        configName: start.configName,
        userId: start.userId,
        ...(start.callbackUrl === undefined ? {} : { callbackUrl: start.callbackUrl }),
      })),
    };
  }

  /** Events of partitions' logs after given positions, for consumers with their own cursors. */
  async read(request: ReadLogRequest): Promise<ReadLogReply> {
    const types = (request.types ?? []).filter((type): type is EventType => Object.hasOwn(EVENT_SCHEMAS, type));
    const limit = clamp(request.limit, 1_000, 1_000);
    const asked = request.cursors ?? [{ partition: request.partition ?? 0, afterPosition: request.afterPosition ?? 0 }];
    if (asked.length > MOST_CURSORS) throw new RangeError(`at most ${MOST_CURSORS} cursors may be read at once`);
    const cursors = asked.map(({ partition, afterPosition }) => ({ partition, after: Math.max(0, afterPosition) }));
    const found = await this.#reader.readLogs(cursors, limit, {
      ...OF_EXECUTIONS,
      types,
      ...(request.onlyCalledBackStarts === true ? { filter: ONLY_CALLED_BACK_STARTS } : {}),
    });
    let room = REPLY_BYTES;
    const pages = found.map((page, place): LogPage => {
      const kept = fittingEvents(page.events, room);
      room -= kept.bytes;
      if (kept.events.length === page.events.length) return page;
      const position = kept.events.at(-1)?.position ?? cursors[place]?.after ?? 0;
      return { events: kept.events, position, more: true };
    });
    if (request.cursors !== undefined) return { events: [], position: 0, pages };
    const [{ events, position } = { events: [], position: 0 }] = pages;
    return { events, position };
  }
}
