import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { parseTime, subjects, roleOf } from '@batuta/contracts';
import type { CreateApiKeyReply, JsonObject, ListApiKeysReply, Principal, RevokeApiKeyReply } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody } from './checked.js';
import { Answers, OF_A_BODY, Queries, Refuses } from './documented.js';
import { ApiKeyBody } from './dto/api-key.dto.js';
import { accepted } from './problem.js';
import { cursorParameter, limitParameter, parseQuery } from './query.js';
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
    description: 'The answer is the only place where the key itself is shown.',
  })
  @ApiBody({ type: ApiKeyBody })
  @Answers(201, 'NewApiKey', 'The key.')
  @Refuses(...OF_A_BODY)
  async create(
    @Caller() principal: Principal,
    @Body(checkedBody(ApiKeyBody)) body: ApiKeyBody,
    @Query() query: unknown,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const reply = accepted(
      await this.backend.ask<CreateApiKeyReply>(subjects.config.keyCreate, {
        principal,
        userId: body.user_id,
        role: body.role,
        name: body.name ?? undefined,
        expiresAt: body.expires_at == null ? undefined : parseTime(body.expires_at),
        tenantId: body.tenant_id ?? undefined,
      }),
    );
    return { ...shownKey(reply.key), secret: reply.secret ?? '' };
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

  @Delete(':id')
  @ApiOperation({ summary: 'Revoke an API key', description: 'Open WebSockets of the key are closed.' })
  @Answers(200, 'ApiKey', 'The revoked key.')
  @Refuses('not_found')
  async revoke(@Caller() principal: Principal, @Param('id') id: string, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    return shownKey(
      accepted(await this.backend.ask<RevokeApiKeyReply>(subjects.config.keyRevoke, { principal, id })).key,
    );
  }
}
