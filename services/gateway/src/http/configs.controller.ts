import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  encodeCursor,
  STRATEGIES,
  subjects,
  roleOf,
  booleanParameter,
  cursorParameter,
  limitParameter,
  textParameter,
  wordParameter,
} from '@batuta/contracts';
import type {
  ConfigReply,
  Idempotency,
  JsonObject,
  JsonValue,
  ListConfigsReply,
  ListVersionsReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, OnceKey, PatchIs, Queries, Refuses } from './documented.js';
import { createdAt, tagged } from './headers.js';
import { Once } from './idempotency.js';
import { Conditions } from './preconditions.js';
import { countsOf, OFFSET, offsetOf } from './offset.js';
import { accepted, Problem } from './problem.js';
import { parseQuery, versionOf } from './query.js';
import { definitionOf, patchOf, shownConfig, shownCursor } from './shown.js';

const LIST = {
  name: textParameter('Configs whose name contains this.'),
  strategy: wordParameter('Configs with this strategy.', STRATEGIES),
  owner_id: textParameter('Configs of this owner.'),
  include_deleted: booleanParameter('Deleted ones too.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
  ...OFFSET,
} as const;
const ONE = { include_deleted: booleanParameter('Also when it was deleted.') } as const;
const VERSIONS = {
  limit: limitParameter(200),
  cursor: cursorParameter,
  include_deleted: booleanParameter('Also when the config was deleted.'),
} as const;

@ApiTags('Configs')
@ApiBearerAuth()
@Controller('api/v1/orchestrations/configs')
export class ConfigsController {
  constructor(private readonly backend: Backend) {}

  @Post()
  @Needs(roleOf(subjects.config.create))
  @ApiOperation({ summary: 'Create a config', description: 'Every mistake in the definition is reported at once.' })
  @OnceKey
  @BodyIs('ConfigBody', 'The definition.')
  @Answers(201, 'Config', 'Created, version 1.', true)
  @Refuses(
    'name_taken',
    'idempotency_mismatch',
    'malformed_json',
    'too_deep',
    'forbidden_key',
    'payload_too_large',
    'unsupported_media_type',
  )
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, definition: definitionOf(body), idempotency };
    const made = await this.#ask(subjects.config.create, request, reply);
    createdAt(reply, `/api/v1/orchestrations/configs/${made['id'] as string}`);
    return made;
  }

  @Get()
  @ApiOperation({ summary: 'List configs', description: 'The newest version of each, newest first.' })
  @Queries(LIST)
  @Answers(200, 'ConfigPage', 'A page.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(LIST, raw);
    const reply = accepted(
      await this.backend.ask<ListConfigsReply>(subjects.config.list, {
        principal,
        nameContains: query.name,
        strategy: query.strategy,
        ownerId: query.owner_id,
        includeDeleted: query.include_deleted,
        limit: query.limit,
        cursor: query.cursor,
        ...offsetOf(query),
      }),
    );
    return {
      ...countsOf(query, reply.total),
      configs: (reply.configs ?? []).map(shownConfig),
      next_cursor: shownCursor(reply.nextCursor),
    };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a config by id or name' })
  @Queries(ONE)
  @IfNoneMatch
  @Answers(200, 'Config', 'The newest version.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { include_deleted: includeDeleted } = parseQuery(ONE, raw);
    return this.#ask(subjects.config.get, { principal, id, includeDeleted }, reply);
  }

  @Put(':id')
  @Needs(roleOf(subjects.config.update))
  @ApiOperation({
    summary: 'Change a config: makes a new version',
    description:
      'Running executions keep theirs. What a GET answered may be sent back: id, version, owner and times are ignored.',
  })
  @IfMatch
  @BodyIs('ConfigBody', 'The whole new definition.')
  @Answers(200, 'Config', 'The new version.', true)
  @Refuses(
    'not_found',
    'version_conflict',
    'name_taken',
    'malformed_json',
    'payload_too_large',
    'unsupported_media_type',
  )
  async update(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const definition = definitionOf(body);
    return this.#ask(subjects.config.update, { principal, id, definition, preconditions }, reply);
  }

  @Patch(':id')
  @Needs('operator')
  @ApiOperation({
    summary: 'Change some fields of a config: makes a new version',
    description:
      'The body is a JSON merge patch (RFC 7396): what it names is replaced, objects field by field, lists as a whole; null takes a field away.',
  })
  @IfMatch
  @PatchIs('ConfigPatch', 'The fields to change.')
  @Answers(200, 'Config', 'The new version.', true)
  @Refuses(
    'not_found',
    'version_conflict',
    'name_taken',
    'malformed_json',
    'payload_too_large',
    'unsupported_media_type',
  )
  async patch(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, id, definition: patchOf(body), preconditions, merge: true };
    return this.#ask(subjects.config.update, request, reply);
  }

  @Delete(':id')
  @Needs(roleOf(subjects.config.delete))
  @ApiOperation({ summary: 'Delete a config', description: 'It can be restored; running executions go on.' })
  @IfMatch
  @Answers(200, 'Config', 'The deleted config.', true)
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#ask(subjects.config.delete, { principal, id, preconditions }, reply);
  }

  @Post(':id/restore')
  @HttpCode(200)
  @Needs(roleOf(subjects.config.restore))
  @ApiOperation({ summary: 'Restore a deleted config' })
  @IfMatch
  @OnceKey
  @Answers(200, 'Config', 'The restored config.', true)
  @Refuses('not_found', 'name_taken', 'conflict', 'version_conflict', 'idempotency_mismatch')
  async restore(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#ask(subjects.config.restore, { principal, id, preconditions, idempotency }, reply);
  }

  @Get(':id/versions')
  @ApiOperation({ summary: "List a config's versions, newest first" })
  @Queries(VERSIONS)
  @Answers(200, 'ConfigVersions', 'A page.')
  @Refuses('not_found')
  async versions(@Caller() principal: Principal, @Param('id') id: string, @Query() raw: unknown): Promise<JsonObject> {
    const query = parseQuery(VERSIONS, raw);
    const reply = accepted(
      await this.backend.ask<ListVersionsReply>(subjects.config.versions, {
        principal,
        id,
        limit: query.limit,
        beforeVersion: versionOf('versions', query.cursor),
        includeDeleted: query.include_deleted,
      }),
    );
    const versions = reply.versions ?? [];
    // A page may be shorter than asked when its documents are large; the first version is the last one of the list.
    const oldest = versions.at(-1)?.version ?? 1;
    return {
      versions: versions.map(shownConfig),
      next_cursor: oldest > 1 ? encodeCursor('versions', String(oldest)) : null,
    };
  }

  @Get(':id/versions/:version')
  @ApiOperation({ summary: 'Get one version of a config' })
  @Queries(ONE)
  @IfNoneMatch
  @Answers(200, 'Config', 'That version.', true)
  @Refuses('not_found')
  async version(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('version') text: string,
    @Query() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    const { include_deleted: includeDeleted } = parseQuery(ONE, raw);
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Problem('not_found', 'There is no such version.');
    return this.#ask(subjects.config.get, { principal, id, version: Number(text), includeDeleted }, reply);
  }

  async #ask(pattern: string, request: unknown, reply: FastifyReply): Promise<JsonObject> {
    const { config, etag, repeated = false } = accepted(await this.backend.ask<ConfigReply>(pattern, request));
    return tagged(reply, etag, { ...shownConfig(config), ...(repeated ? { repeated } : {}) });
  }
}
