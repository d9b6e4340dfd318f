import { Body, Controller, Delete, Get, Headers, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  DEFAULT_POOL,
  PoolCredentialsSchema,
  PoolViewSchema,
  parseTime,
  roleOf,
  subjects,
  toUserJson,
  cursorParameter,
  limitParameter,
} from '@batuta/contracts';
import type {
  CreatePoolCredentialsReply,
  JsonObject,
  ListAgentsReply,
  ListPoolCredentialsReply,
  ListPoolsReply,
  ListPoolsRequest,
  PoolCredentials,
  PoolCredentialsReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody } from './checked.js';
import { Answers, IfMatch, IfNoneMatch, Queries, Refuses } from './documented.js';
import { PoolCredentialsBody } from './dto/pool-credentials.dto.js';
import { createdAt, secret, tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { Problem, accepted } from './problem.js';
import { parseQuery } from './query.js';
import { shownCursor } from './shown.js';

const CREDENTIALS_LIST = { limit: limitParameter(200), cursor: cursorParameter } as const;

@ApiTags('Pools')
@ApiBearerAuth()
@Controller('api/v1/pools')
export class PoolsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @ApiOperation({
    summary: 'List the pools of workers that serve your agents, and the built-in one',
    description: 'As they are now: workers seen in the last 30 s, their slots, and tasks that wait for one.',
  })
  @Answers(200, 'PoolList', 'All pools, by name.')
  @Refuses()
  async list(@Caller() { tenantId }: Principal, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const { agents } = await this.backend.ask<ListAgentsReply>(subjects.config.agentList, { tenantId });
    const served = new Map<string, string[]>([[DEFAULT_POOL, []]]);
    for (const { name, pool } of agents ?? []) served.set(pool, [...(served.get(pool) ?? []), name]);
    const asked: ListPoolsRequest = { pools: [...served.keys()].sort() };
    const { pools } = accepted(await this.backend.ask<ListPoolsReply>(subjects.query.pools, asked));
    return {
      pools: (pools ?? []).map((pool) => toUserJson(PoolViewSchema, { ...pool, agents: served.get(pool.pool) ?? [] })),
    };
  }

  @Post(':pool/credentials')
  @Needs(roleOf(subjects.config.credentialsCreate))
  @ApiOperation({
    summary: 'Make NATS credentials for workers of a pool',
    description:
      'For a pool that serves agents of your tenant and of no other; for shared pools only an admin of the tenant `default`. The answer is the only place where the file is shown. It lets workers take and report on tasks of this pool, and nothing else.',
  })
  @ApiBody({ type: PoolCredentialsBody })
  @Answers(201, 'NewPoolCredentials', 'The credentials.', true)
  @Refuses('malformed_json', 'unsupported_media_type', 'not_found', 'conflict', 'not_applicable')
  async createCredentials(
    @Caller() principal: Principal,
    @Param('pool') pool: string,
    @Body(checkedBody(PoolCredentialsBody)) body: PoolCredentialsBody,
    @Query() query: unknown,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    secret(response);
    if (key !== undefined) {
      // The file is kept nowhere, so a repeat could not be answered with it.
      const message = 'is not taken here: each request makes new credentials; revoke those whose answer was lost';
      throw new Problem('validation_failed', `Idempotency-Key ${message}.`, {
        errors: [{ path: '/headers/idempotency-key', message, code: 'not_allowed' }],
      });
    }
    const reply = accepted(
      await this.backend.ask<CreatePoolCredentialsReply>(subjects.config.credentialsCreate, {
        principal,
        pool,
        name: body.name ?? undefined,
        expiresAt: body.expires_at == null ? undefined : parseTime(body.expires_at),
      }),
    );
    const shown = shownCredentials(reply.credentials);
    createdAt(response, `/api/v1/pools/${encodeURIComponent(pool)}/credentials/${reply.credentials?.id ?? ''}`);
    return tagged(response, reply.etag, { ...shown, file: reply.file ?? '' });
  }

  @Get(':pool/credentials')
  @Needs(roleOf(subjects.config.credentialsList))
  @ApiOperation({ summary: "List the tenant's NATS credentials of a pool, without the files" })
  @Queries(CREDENTIALS_LIST)
  @Answers(200, 'PoolCredentialsPage', 'A page, the newest first; revoked and expired ones too.')
  @Refuses('not_found')
  async listCredentials(
    @Caller() principal: Principal,
    @Param('pool') pool: string,
    @Query() raw: unknown,
  ): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(CREDENTIALS_LIST, raw);
    const asked = { principal, pool, limit, cursor };
    const { credentials, nextCursor } = accepted(
      await this.backend.ask<ListPoolCredentialsReply>(subjects.config.credentialsList, asked),
    );
    return { credentials: (credentials ?? []).map(shownCredentials), next_cursor: shownCursor(nextCursor) };
  }

  @Get(':pool/credentials/:id')
  @Needs(roleOf(subjects.config.credentialsGet))
  @ApiOperation({ summary: 'Get NATS credentials of a pool, without the file' })
  @IfNoneMatch
  @Answers(200, 'PoolCredentials', 'The credentials, also when they were revoked.', true)
  @Refuses('not_found')
  async getCredentials(
    @Caller() principal: Principal,
    @Param('pool') pool: string,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#one(subjects.config.credentialsGet, { principal, pool, id }, response);
  }

  @Delete(':pool/credentials/:id')
  @Needs(roleOf(subjects.config.credentialsRevoke))
  @ApiOperation({
    summary: 'Revoke NATS credentials of a pool',
    description: 'Workers that are connected with them are cut off. Their tasks go to other workers.',
  })
  @IfMatch
  @Answers(200, 'PoolCredentials', 'The revoked credentials.', true)
  @Refuses('not_found', 'not_applicable', 'version_conflict')
  async revokeCredentials(
    @Caller() principal: Principal,
    @Param('pool') pool: string,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#one(subjects.config.credentialsRevoke, { principal, pool, id, preconditions }, response);
  }

  async #one(pattern: string, request: object, response: FastifyReply): Promise<JsonObject> {
    const { credentials, etag } = accepted(await this.backend.ask<PoolCredentialsReply>(pattern, request));
    return tagged(response, etag, shownCredentials(credentials));
  }
}

function shownCredentials(credentials: PoolCredentials | undefined): JsonObject {
  if (credentials === undefined) throw new Problem('not_found', 'There are no such credentials.');
  return toUserJson(PoolCredentialsSchema, credentials);
}
