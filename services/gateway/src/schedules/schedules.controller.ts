import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { scheduleMistakes, timetableMistakes, timetableOf, upcoming, withoutNulls } from '@batuta/calendar';
import { encodeCursor, isoTime, operations, SCHEDULE_QUERIES, unknownField } from '@batuta/contracts';
import type {
  GetScheduleReply,
  JsonObject,
  JsonValue,
  ListScheduleEventsReply,
  ListSchedulesReply,
  MistakeCode,
  Preconditions,
  Principal,
  ResolveConfigReply,
  ScheduleCommand,
  ScheduleDefinition,
  ScheduleView,
  TagCondition,
  TimetableSpec,
  Violation,
} from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from '../dto/checked.js';
import { documentBody, epochOf } from '../dto/document-body.js';
import { createdAt, idempotencyKeyOf, tagged } from '../http/headers.js';
import { commandIdOf, executionIdOfKey, isUuid, uuidV7 } from '../http/ids.js';
import { Conditions } from '../http/preconditions.js';
import { Problem, accepted, problemOfRefusal } from '../http/problem.js';
import { parseQuery, versionOf } from '../http/query.js';
import { shownCursor } from '../http/shown.js';
import { definitionOf, shownSchedule, shownScheduleEvent } from './shown-schedule.js';
import { BACKFILL_BODY, SCHEDULE_REASON, TRIGGER_BODY } from '../dto/schedule-bodies.js';
import type { BackfillBody, ScheduleReason, TriggerBody } from '../dto/schedule-bodies.js';
import { RouteFor } from '../routes/operation-route.js';

const readReason = documentBody<ScheduleReason>('The body', SCHEDULE_REASON);
const readTrigger = documentBody<TriggerBody>('The body', TRIGGER_BODY);
const readBackfill = documentBody<BackfillBody>('The body', BACKFILL_BODY);
const HISTORY_LIST = 'schedule-history';

/** The sender of a command, the schedule, and the idempotency key. */
interface Commander {
  readonly principal: Principal;
  readonly id: string;
  readonly key: string | undefined;
}

@Controller()
export class SchedulesController {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  @RouteFor(operations.schedules.create)
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const key = idempotencyKeyOf(header);
    const id = key === undefined ? uuidV7() : executionIdOfKey(principal.tenantId, `schedule ${key}`);
    const definition = await this.#definition(principal, body);
    const repeated = await this.#command({ principal, id, key }, { create: { definition } });
    createdAt(reply, `/api/v1/schedules/${id}`);
    return this.#answer(reply, principal, id, repeated);
  }

  @RouteFor(operations.schedules.list)
  async list(@Caller() { tenantId }: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { status, config_id: configId, limit, cursor } = parseQuery(SCHEDULE_QUERIES.list, raw);
    const { schedules, nextCursor } = accepted(
      await this.#backend.ask<ListSchedulesReply>(operations.schedules.list.subject, {
        tenantId,
        status,
        configId,
        limit,
        cursor,
      }),
    );
    return { schedules: schedules.map(shownSchedule), next_cursor: shownCursor(nextCursor) };
  }

  @RouteFor(operations.schedules.previewOf)
  previewOf(@Body(objectBody) body: JsonValue, @Query() raw: unknown): JsonObject {
    const { count } = parseQuery(SCHEDULE_QUERIES.preview, raw);
    const { timetable, ...rest } = withoutNulls(body) as JsonObject;
    refuse([
      ...Object.keys(rest).map((key) => unknownField('', key, ['timetable'])),
      ...(timetable === undefined
        ? [violation('/timetable', 'required', 'must be there')]
        : timetableMistakes(timetable).map((found) => ({ ...found, path: `/timetable${found.path}` }))),
    ]);
    return timesOf(timetable as unknown as TimetableSpec, Date.now(), count);
  }

  @RouteFor(operations.schedules.get)
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const schedule = await this.#schedule(principal, id);
    return tagged(reply, `${schedule.revision}-${schedule.version}`, shownSchedule(schedule));
  }

  @RouteFor(operations.schedules.update)
  async update(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const expectedVersion = await this.#expected(principal, id, preconditions);
    const definition = await this.#definition(principal, definitionOf(body));
    await this.#command({ principal, id, key: undefined }, { update: { definition }, ...expectedVersion });
    return this.#answer(reply, principal, id, false);
  }

  @RouteFor(operations.schedules.delete)
  async remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const schedule = await this.#schedule(principal, id);
    const expectedVersion = await this.#expected(principal, id, preconditions);
    await this.#command({ principal, id, key: undefined }, { delete: {}, ...expectedVersion });
    return { ...shownSchedule(schedule), status: 'deleted', next_at: null };
  }

  @RouteFor(operations.schedules.pause)
  async pause(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body() body: JsonValue | undefined,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#control(reply, { principal, id, header, query }, { pause: readReason(body) });
  }

  @RouteFor(operations.schedules.resume)
  async resume(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body() body: JsonValue | undefined,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#control(reply, { principal, id, header, query }, { resume: readReason(body) });
  }

  @RouteFor(operations.schedules.trigger)
  async trigger(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body() body: JsonValue | undefined,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    return this.#control(reply, { principal, id, header, query }, { trigger: readTrigger(body) });
  }

  @RouteFor(operations.schedules.backfill)
  async backfill(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Headers('idempotency-key') header: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { from, to, ...overlap } = readBackfill(body);
    const backfill = { fromAt: epochOf(from), toAt: epochOf(to), ...overlap };
    return this.#control(reply, { principal, id, header, query }, { backfill });
  }

  @RouteFor(operations.schedules.preview)
  async preview(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const { count } = parseQuery(SCHEDULE_QUERIES.preview, raw);
    const { definition, remainingRuns = count, status } = await this.#schedule(principal, id);
    const left = status === 'finished' ? 0 : Math.min(count, remainingRuns);
    return timesOf(definition.timetable, Date.now(), left);
  }

  @RouteFor(operations.schedules.history)
  async history(
    @Caller() { tenantId }: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
  ): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(SCHEDULE_QUERIES.history, raw);
    const fromVersion = versionOf(HISTORY_LIST, cursor) ?? 1;
    const asked = { tenantId, scheduleId: id.toLowerCase(), fromVersion, limit: limit + 1 };
    const { events, nextVersion } = accepted(
      await this.#backend.ask<ListScheduleEventsReply>(operations.schedules.history.subject, asked),
    );
    // A page may end early when its events are large.
    const next = events[limit]?.version ?? (nextVersion > 0 ? nextVersion : undefined);
    return {
      events: events.slice(0, limit).map(shownScheduleEvent),
      next_cursor: next === undefined ? null : encodeCursor(HISTORY_LIST, String(next)),
    };
  }

  async #control(
    reply: FastifyReply,
    asked: { principal: Principal; id: string; header: string | undefined; query: unknown },
    command: ScheduleCommand,
  ): Promise<JsonObject> {
    parseQuery({}, asked.query);
    const { principal, header } = asked;
    const id = idOf(asked.id);
    const repeated = await this.#command({ principal, id, key: idempotencyKeyOf(header) }, command);
    return this.#answer(reply, principal, id, repeated);
  }

  /** Returns whether the command was a repeat. @throws Problem of the refusal. */
  async #command({ principal, id, key }: Commander, schedule: ScheduleCommand): Promise<boolean> {
    const scheduleId = idOf(id);
    const request = schedule as unknown as JsonObject;
    const [what = ''] = Object.keys(request);
    const reply = await this.#backend.command({
      commandId: commandIdOf(principal.tenantId, key, { route: ['schedule', scheduleId, what], request }),
      executionId: scheduleId,
      principal,
      schedule,
    });
    const { rejected } = reply;
    if (rejected !== undefined) {
      const other = rejected.code === 'already_exists' && key !== undefined;
      if (other) throw new Problem('idempotency_mismatch', 'The idempotency key was used for another schedule.');
      throw problemOfRefusal(rejected);
    }
    return reply.accepted?.repeated === true;
  }

  async #answer(reply: FastifyReply, principal: Principal, id: string, repeated: boolean): Promise<JsonObject> {
    const schedule = await this.#schedule(principal, id);
    return tagged(reply, `${schedule.revision}-${schedule.version}`, {
      ...shownSchedule(schedule),
      ...(repeated ? { repeated } : {}),
    });
  }

  async #schedule({ tenantId }: Principal, id: string): Promise<ScheduleView> {
    const asked = { tenantId, scheduleId: idOf(id) };
    const { schedule } = accepted(await this.#backend.ask<GetScheduleReply>(operations.schedules.get.subject, asked));
    if (schedule === undefined) throw notFound();
    return schedule;
  }

  /** The revision that the change requires, from the request's conditions. @throws Problem version_conflict. */
  async #expected(
    principal: Principal,
    id: string,
    conditions: Preconditions | undefined,
  ): Promise<{ expectedVersion?: number }> {
    if (conditions === undefined) return {};
    const { revision } = await this.#schedule(principal, id);
    const { ifMatch, ifNoneMatch } = conditions;
    // Only the schedule's definition counts. Otherwise each firing would make every change fail.
    const names = ({ any, tags = [] }: TagCondition): boolean =>
      any === true || tags.some((tag) => tag.split('-')[0] === String(revision));
    const matches = ifMatch === undefined || names(ifMatch);
    const excluded = ifNoneMatch !== undefined && names(ifNoneMatch);
    if (!matches || excluded) throw new Problem('version_conflict', `The schedule has version ${revision}.`);
    return { expectedVersion: revision };
  }

  /** The schedule in a body, with the config's id. @throws Problem validation_failed. */
  async #definition({ tenantId }: Principal, body: JsonValue): Promise<ScheduleDefinition> {
    const given = withoutNulls(body);
    refuse(scheduleMistakes(given));
    const definition = given as unknown as ScheduleDefinition;
    const { config, config_version: version, timetable } = definition;
    if (timetableOf(timetable).next(Date.now()) === undefined) {
      refuse([violation('/timetable', 'out_of_range', 'has no time that is still to come')]);
    }
    const resolved = await this.#backend.ask<ResolveConfigReply>(operations.configs.resolve.subject, {
      tenantId,
      id: config,
    });
    const { configId, refused } = resolved;
    if (refused?.code === 'not_found') {
      refuse([violation('/config', 'unknown_config', `there is no config "${config}"`)]);
    }
    if (configId === undefined) throw problemOfRefusal(refused ?? { code: 'internal', message: '' });
    if (version !== undefined) {
      const pinned = { tenantId, id: configId, version };
      const found = await this.#backend.ask<ResolveConfigReply>(operations.configs.resolve.subject, pinned);
      if (found.refused?.code === 'not_found') {
        refuse([violation('/config_version', 'unknown_config', `the config has no version ${version}`)]);
      }
      accepted(found);
    }
    return { ...definition, config: configId };
  }
}

const notFound = (): Problem => new Problem('not_found', 'There is no such schedule.');

/** The id in a path. An id that is not valid is not found. */
function idOf(text: string): string {
  const id = text.toLowerCase();
  if (!isUuid(id)) throw notFound();
  return id;
}

function violation(path: string, code: MistakeCode, message: string): Violation {
  return { path, code, message };
}

/** @throws Problem validation_failed with these mistakes, if there are any. */
function refuse(errors: readonly Violation[]): void {
  if (errors.length === 0) return;
  const detail = errors.map(({ path, message }) => `${path === '' ? 'The body' : path.slice(1)} ${message}`).join('; ');
  throw new Problem('validation_failed', `${detail}.`, { errors: [...errors] });
}

function timesOf(timetable: TimetableSpec, after: number, count: number): JsonObject {
  return { times: upcoming(timetableOf(timetable), after, count).map(isoTime) };
}
