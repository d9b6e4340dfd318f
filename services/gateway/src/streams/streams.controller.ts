import type { Readable } from 'node:stream';
import { Controller, Param, Query, Req, Res } from '@nestjs/common';
import { EXECUTION_QUERIES, operations, placeOf, placeText } from '@batuta/contracts';
import type { JsonObject, OutputPlace, Principal } from '@batuta/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Executions } from '../executions/executions.js';
import { executionIdOf } from '../http/ids.js';
import { mistake, Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { vary } from '../http/representation.js';
import { RouteFor } from '../routes/operation-route.js';
import { EventStreams } from './event-streams.js';
import { readStream } from './stream-follow.js';
import { itemsOf } from './stream-items.js';
import { requireMonitored, STEP } from './stream-route.js';

const EVENT_STREAM = 'text/event-stream';
const BEGINNING: OutputPlace = { attempt: 0, seq: 0 };

/** The output of steps while they run. */
@Controller()
export class StreamsController {
  readonly #backend: Backend;
  readonly #executions: Executions;
  readonly #eventStreams: EventStreams;

  constructor(backend: Backend, executions: Executions, eventStreams: EventStreams) {
    this.#backend = backend;
    this.#executions = executions;
    this.#eventStreams = eventStreams;
  }

  @RouteFor(operations.executions.stream)
  async stream(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('step_id') stepId: string,
    @Query() raw: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject | Readable> {
    const { attempt, after, limit } = parseQuery(EXECUTION_QUERIES.stream, raw);
    const executionId = executionIdOf(id);
    if (!STEP.test(stepId)) throw new Problem('step_not_found', 'The config has no such step.');
    const { tenantId } = principal;
    vary(reply, 'Accept');
    if (new Negotiator(request.raw).mediaType(['application/json', EVENT_STREAM]) === EVENT_STREAM) {
      if (attempt !== undefined) {
        throw mistake(
          '/attempt',
          'not_allowed',
          'is for JSON: an event stream goes through all attempts from `after` on',
        );
      }
      await requireMonitored(this.#executions, tenantId, executionId);
      // Refuses a step that cannot be followed now, while the answer can still have a status.
      await readStream(this.#backend, { tenantId, executionId, stepId, limit: 1 }, BEGINNING);
      const place = lastEventOf(request) ?? after;
      const stream = await this.#eventStreams.open(request, { tenantId, executionId, stepId, place });
      void reply.type(EVENT_STREAM).header('cache-control', 'no-store');
      return stream;
    }
    const place = after ?? (attempt === undefined ? BEGINNING : { attempt, seq: 0 });
    if (attempt !== undefined && place.attempt !== attempt) {
      throw mistake('/after', 'not_allowed', `must be a place of attempt ${attempt}`);
    }
    const found = await readStream(
      this.#backend,
      { tenantId, executionId, stepId, limit, ...(attempt === undefined ? {} : { onlyAttempt: true }) },
      place,
    );
    const items = itemsOf(stepId, found).filter(
      (item) => item.attempt > place.attempt || (item.attempt === place.attempt && item.seq > place.seq),
    );
    const last = items.at(-1);
    const next = last ?? (after === undefined ? undefined : place);
    return {
      execution_id: executionId,
      step_id: stepId,
      items: items.map(({ shown }) => shown),
      next: next === undefined ? null : placeText(next),
      more: found.more === true,
      over: found.over === true && found.more !== true,
    };
  }
}

/** @throws Problem validation_failed. */
function lastEventOf(request: FastifyRequest): OutputPlace | undefined {
  const text = request.headers['last-event-id'];
  if (text === undefined || text === '') return undefined;
  const place = typeof text === 'string' ? placeOf(text) : undefined;
  if (place === undefined) {
    throw mistake('/headers/last-event-id', 'bad_format', 'must be the id of an event of this stream');
  }
  return place;
}
