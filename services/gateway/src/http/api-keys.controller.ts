import { Body, Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { parseTime, subjects, roleOf, cursorParameter, limitParameter } from '@batuta/contracts';
import type {
  ApiKeyReply,
  CreateApiKeyReply,
  Idempotency,
  JsonObject,
  ListApiKeysReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody } from './checked.js';
import { Answers, IfMatch, IfNoneMatch, OF_A_BODY, Queries, Refuses, SecretOnceKey } from './documented.js';
import { ApiKeyBody } from './dto/api-key.dto.js';
import { createdAt, secret, tagged } from './headers.js';
import { Once } from './idempotency.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { parseQuery } from './query.js';
import { shownCursor, shownKey } from './shown.js';

const LIST = { limit: limitParameter(200), cursor: cursorParameter } as const;

@ApiTags('API keys')
@ApiBearerAuth()
@Needs(roleOf(subjects.config.keyCreate))
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(private readonly backend: Backend) {}

  @Post()
  @ApiOperation({
    summary: 'Make an API key',
    description:
      'The answer is the only place where the key itself is shown; a repeat under the same `Idempotency-Key` has everything else. When the first answer was lost, revoke that key and make another.',
  })
  @SecretOnceKey
  @ApiBody({ type: ApiKeyBody })
  @Answers(201, 'NewApiKey', 'The key.', true)
  @Refuses('idempotency_mismatch', ...OF_A_BODY)
  async create(
    @Caller() principal: Principal,
    @Body(checkedBody(ApiKeyBody)) body: ApiKeyBody,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    secret(response);
    const reply = accepted(
      await this.backend.ask<CreateApiKeyReply>(subjects.config.keyCreate, {
        principal,
        userId: body.user_id,
        role: body.role,
        name: body.name ?? undefined,
        expiresAt: body.expires_at == null ? undefined : parseTime(body.expires_at),
        tenantId: body.tenant_id ?? undefined,
        idempotency,
      }),
    );
    const key = shownKey(reply.key);
    createdAt(response, `/api/v1/api-keys/${reply.key?.id ?? ''}`);
    const { secret: shownOnce, repeated = false } = reply;
    return tagged(response, reply.etag, { ...key, ...(repeated ? { repeated } : { secret: shownOnce ?? '' }) });
  }

  @Get()
  @ApiOperation({ summary: "List the tenant's API keys, without the keys themselves" })
  @Queries(LIST)
  @Answers(200, 'ApiKeyPage', 'A page, the newest first; revoked ones too.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(LIST, raw);
    const { keys, nextCursor } = accepted(
      await this.backend.ask<ListApiKeysReply>(subjects.config.keyList, { principal, limit, cursor }),
    );
    return { keys: (keys ?? []).map(shownKey), next_cursor: shownCursor(nextCursor) };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get an API key, without the key itself' })
  @IfNoneMatch
  @Answers(200, 'ApiKey', 'The key, also when it was revoked.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { key, etag } = accepted(await this.backend.ask<ApiKeyReply>(subjects.config.keyGet, { principal, id }));
    return tagged(reply, etag, shownKey(key));
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Revoke an API key', description: 'Open WebSockets of the key are closed.' })
  @IfMatch
  @Answers(200, 'ApiKey', 'The revoked key.', true)
  @Refuses('not_found', 'version_conflict')
  async revoke(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, id, preconditions };
    const { key, etag } = accepted(await this.backend.ask<ApiKeyReply>(subjects.config.keyRevoke, request));
    return tagged(reply, etag, shownKey(key));
  }
}
