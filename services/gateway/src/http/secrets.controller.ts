import { Body, Controller, Delete, Get, Param, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { roleOf, subjects } from '@batuta/contracts';
import type { JsonObject, JsonValue, ListSecretsReply, Preconditions, Principal, SecretReply } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, Queries, Refuses } from './documented.js';
import { createdAt, tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { cursorParameter, limitParameter, parseQuery } from './query.js';
import { secretOf, shownCursor, shownSecret } from './shown.js';

const LIST = { limit: limitParameter(200), cursor: cursorParameter } as const;

@ApiTags('Secrets')
@ApiBearerAuth()
@Controller('api/v1/secrets')
export class SecretsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @Needs(roleOf(subjects.config.secretList))
  @ApiOperation({ summary: 'List secrets, without their values' })
  @Queries(LIST)
  @Answers(200, 'SecretPage', 'A page, by name.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(LIST, raw);
    const asked = { principal, limit, cursor };
    const { secrets, nextCursor } = accepted(
      await this.backend.ask<ListSecretsReply>(subjects.config.secretList, asked),
    );
    return { secrets: (secrets ?? []).map(shownSecret), next_cursor: shownCursor(nextCursor) };
  }

  @Get(':name')
  @Needs(roleOf(subjects.config.secretGet))
  @ApiOperation({ summary: 'Get what is known of a secret, without its value' })
  @IfNoneMatch
  @Answers(200, 'SecretInfo', 'The secret.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const asked = { principal, name };
    const { secret, etag } = accepted(await this.backend.ask<SecretReply>(subjects.config.secretGet, asked));
    return tagged(reply, etag, shownSecret(secret));
  }

  @Put(':name')
  @Needs(roleOf(subjects.config.secretPut))
  @ApiOperation({
    summary: 'Make a secret, or give it a new value',
    description:
      'Configs refer to it as `{{secret:NAME}}`. Its value is stored encrypted and comes back in no answer. The fields that a GET answered may be sent back with a new value: they are ignored.',
  })
  @IfMatch
  @BodyIs('SecretBody', 'The value.')
  @Answers(201, 'SecretInfo', 'Made.', true)
  @Answers(200, 'SecretInfo', 'Changed.', true)
  @Refuses(
    'version_conflict',
    'conflict',
    'not_applicable',
    'malformed_json',
    'unsupported_media_type',
    'payload_too_large',
  )
  async put(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, body: secretOf(name, body), preconditions };
    const {
      secret,
      etag,
      created = false,
    } = accepted(await this.backend.ask<SecretReply>(subjects.config.secretPut, request));
    if (created) createdAt(reply, `/api/v1/secrets/${encodeURIComponent(name)}`);
    return tagged(reply, etag, shownSecret(secret));
  }

  @Delete(':name')
  @Needs(roleOf(subjects.config.secretDelete))
  @ApiOperation({
    summary: 'Delete a secret and its value',
    description: 'Steps and callbacks that refer to it fail with `secret_missing` from then on, at most 5 s later.',
  })
  @IfMatch
  @Answers(200, 'SecretInfo', 'The deleted secret.')
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, preconditions };
    const { secret } = accepted(await this.backend.ask<SecretReply>(subjects.config.secretDelete, request));
    return secret === undefined ? { name } : shownSecret(secret);
  }
}
