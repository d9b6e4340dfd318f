import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  DELIVERY_STATUSES,
  isoTime,
  subjects,
  roleOf,
  TENANT_SECRET_ROLE,
  cursorParameter,
  limitParameter,
  textParameter,
  wordsParameter,
} from '@batuta/contracts';
import type {
  CallbackReply,
  DeliveryReply,
  Idempotency,
  JsonObject,
  JsonValue,
  ListCallbacksReply,
  ListDeliveriesReply,
  Preconditions,
  Principal,
  RotateSecretReply,
} from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, OnceKey, Queries, Refuses, SecretOnceKey } from './documented.js';
import { createdAt, secret, tagged } from './headers.js';
import { Once } from './idempotency.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { parseQuery } from './query.js';
import { shownCursor } from './shown.js';
import { shownCallback, shownDelivery } from './shown-callback.js';

const LIST = {
  config_id: textParameter('Only callbacks of this config.'),
  execution_id: textParameter('Only callbacks of this execution.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
} as const;
const DEAD_LETTERS = {
  execution_id: textParameter('Only deliveries about this execution.'),
  callback_id: textParameter('Only deliveries of this callback.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
} as const;
const DELIVERIES = {
  ...DEAD_LETTERS,
  status: wordsParameter('Only deliveries with this status.', DELIVERY_STATUSES),
} as const;

@ApiTags('Callbacks')
@ApiBearerAuth()
@Controller('api/v1/orchestrations/callbacks')
export class CallbacksController {
  constructor(private readonly backend: Backend) {}

  @Post()
  @Needs(roleOf(subjects.notifications.callbackCreate))
  @ApiOperation({
    summary: 'Tell somebody about events of a config’s executions, or of one execution',
    description: 'For events that come after it. The signing secret of a webhook is shown only in this answer.',
  })
  @SecretOnceKey
  @BodyIs('CallbackBody', 'Whom to tell about what, and how.')
  @Answers(201, 'NewCallback', 'Made.', true)
  @Refuses('idempotency_mismatch', 'malformed_json', 'payload_too_large', 'unsupported_media_type', 'conflict')
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    secret(response);
    const request = { principal, body, idempotency };
    const reply = accepted(await this.backend.ask<CallbackReply>(subjects.notifications.callbackCreate, request));
    const callback = shownCallback(reply.callback);
    createdAt(response, `/api/v1/orchestrations/callbacks/${reply.callback?.id ?? ''}`);
    const { secret: shownOnce = '', repeated = false } = reply;
    return tagged(response, reply.etag, {
      ...callback,
      ...(shownOnce === '' ? {} : { secret: shownOnce }),
      ...(repeated ? { repeated } : {}),
    });
  }

  @Get()
  @ApiOperation({ summary: 'List callbacks' })
  @Queries(LIST)
  @Answers(200, 'CallbackPage', 'A page, the newest first.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { config_id: configId, execution_id: executionId, limit, cursor } = parseQuery(LIST, raw);
    const reply = accepted(
      await this.backend.ask<ListCallbacksReply>(subjects.notifications.callbackList, {
        principal,
        configId,
        executionId,
        limit,
        cursor,
      }),
    );
    return { callbacks: (reply.callbacks ?? []).map(shownCallback), next_cursor: shownCursor(reply.nextCursor) };
  }

  @Get('deliveries')
  @ApiOperation({ summary: 'List deliveries' })
  @Queries(DELIVERIES)
  @Answers(200, 'DeliveryPage', 'A page, the newest first.')
  @Refuses()
  async deliveries(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { execution_id: executionId, callback_id: callbackId, ...rest } = parseQuery(DELIVERIES, raw);
    return this.#page({ principal, executionId, callbackId, ...rest });
  }

  @Get('dead-letters')
  @ApiOperation({ summary: 'List the deliveries that were given up' })
  @Queries(DEAD_LETTERS)
  @Answers(200, 'DeliveryPage', 'A page, the newest first.')
  @Refuses()
  async deadLetters(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { execution_id: executionId, callback_id: callbackId, ...rest } = parseQuery(DEAD_LETTERS, raw);
    return this.#page({ principal, executionId, callbackId, deadLetter: true, ...rest });
  }

  @Get('deliveries/:id')
  @ApiOperation({ summary: 'One delivery with its attempts' })
  @Answers(200, 'CallbackDelivery', 'The delivery.')
  @Refuses('not_found')
  async delivery(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { delivery } = accepted(
      await this.backend.ask<DeliveryReply>(subjects.notifications.deliveryGet, { principal, id }),
    );
    return shownDelivery(delivery);
  }

  @Post('deliveries/:id/redrive')
  @Needs(roleOf(subjects.notifications.deliveryRedrive))
  @HttpCode(202)
  @ApiOperation({
    summary: 'Try a dead letter again',
    description: 'With the same `webhook-id` and all its retries.',
  })
  @OnceKey
  @Answers(202, 'RedrivenDelivery', 'It is on its way again.')
  @Refuses('not_found', 'conflict', 'idempotency_mismatch')
  async redrive(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, id, idempotency };
    const { delivery, repeated = false } = accepted(
      await this.backend.ask<DeliveryReply>(subjects.notifications.deliveryRedrive, request),
    );
    return { ...shownDelivery(delivery), ...(repeated ? { repeated } : {}) };
  }

  @Post('secret/rotate')
  @Needs(TENANT_SECRET_ROLE)
  @HttpCode(200)
  @ApiOperation({
    summary: 'A new signing secret for the short form `callback_url`',
    description: 'The tenant’s own. The secret before it signs too until it expires.',
  })
  @Answers(200, 'SigningSecret', 'The new secret, shown only now.')
  @SecretOnceKey
  @Refuses('idempotency_mismatch')
  async rotateTenant(
    @Caller() principal: Principal,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#rotate({ principal, idempotency }, response);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One callback' })
  @IfNoneMatch
  @Answers(200, 'Callback', 'The callback; values of headers that carry credentials are shown as ***.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#one(subjects.notifications.callbackGet, { principal, id }, response);
  }

  @Delete(':id')
  @Needs(roleOf(subjects.notifications.callbackDelete))
  @ApiOperation({ summary: 'Delete a callback', description: 'What it still had to deliver is not delivered.' })
  @IfMatch
  @Answers(200, 'Callback', 'The deleted callback.')
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#one(subjects.notifications.callbackDelete, { principal, id, preconditions }, response);
  }

  @Post(':id/enable')
  @Needs(roleOf(subjects.notifications.callbackEnable))
  @HttpCode(200)
  @ApiOperation({ summary: 'Enable a callback that a 410 disabled' })
  @IfMatch
  @OnceKey
  @Answers(200, 'Callback', 'The callback.', true)
  @Refuses('not_found', 'version_conflict', 'idempotency_mismatch')
  async enable(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, id, preconditions, idempotency };
    return this.#one(subjects.notifications.callbackEnable, request, response);
  }

  @Post(':id/secret/rotate')
  @Needs(roleOf(subjects.notifications.secretRotate))
  @HttpCode(200)
  @ApiOperation({
    summary: 'A new signing secret for a callback',
    description: 'The secret before it signs too until it expires.',
  })
  @SecretOnceKey
  @Answers(200, 'SigningSecret', 'The new secret, shown only now.')
  @Refuses('not_found', 'idempotency_mismatch')
  async rotate(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#rotate({ principal, callbackId: id, idempotency }, response);
  }

  async #one(pattern: string, request: object, response: FastifyReply): Promise<JsonObject> {
    const { callback, etag, repeated = false } = accepted(await this.backend.ask<CallbackReply>(pattern, request));
    return tagged(response, etag, { ...shownCallback(callback), ...(repeated ? { repeated } : {}) });
  }

  async #page(request: object): Promise<JsonObject> {
    const reply = accepted(await this.backend.ask<ListDeliveriesReply>(subjects.notifications.deliveryList, request));
    return { deliveries: (reply.deliveries ?? []).map(shownDelivery), next_cursor: shownCursor(reply.nextCursor) };
  }

  async #rotate(request: object, response: FastifyReply): Promise<JsonObject> {
    secret(response);
    const reply = accepted(await this.backend.ask<RotateSecretReply>(subjects.notifications.secretRotate, request));
    const { secret: shownOnce = '', previousExpiresAt: expiresAt = 0, repeated = false } = reply;
    return {
      ...(repeated ? { repeated } : { secret: shownOnce }),
      previous_expires_at: expiresAt === 0 ? null : isoTime(expiresAt),
    };
  }
}
