import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { encodeCursor, STRATEGIES, subjects, roleOf } from '@batuta/contracts';
import type {
  Config,
  ConfigReply,
  JsonObject,
  JsonValue,
  ListConfigsReply,
  ListVersionsReply,
  Principal,
} from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, PatchIs, Queries, Refuses } from './documented.js';
import { etagOf, expectedVersionOf } from './headers.js';
import { countsOf, OFFSET, offsetOf } from './offset.js';
import { accepted, Problem } from './problem.js';
import {
  booleanParameter,
  cursorParameter,
  limitParameter,
  parseQuery,
  textParameter,
  versionOf,
  wordParameter,
} from './query.js';
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
} as const;

@ApiTags('Configs')
@ApiBearerAuth()
@Controller('api/v1/orchestrations/configs')
export class ConfigsController {
  constructor(private readonly backend: Backend) {}

  @Post()
  @Needs(roleOf(subjects.config.create))
  @ApiOperation({ summary: 'Create a config', description: 'Every mistake in the definition is reported at once.' })
  @BodyIs('ConfigBody', 'The definition.')
  @Answers(201, 'Config', 'Created, version 1.', true)
  @Refuses('name_taken', 'malformed_json', 'too_deep', 'forbidden_key', 'payload_too_large', 'unsupported_media_type')
  async create(
    @Caller() principal: Principal,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const config = await this.#ask(subjects.config.create, { principal, definition: definitionOf(body) });
    void reply.header('location', `/api/v1/orchestrations/configs/${config.id}`);
    return withEtag(reply, config);
  }

  @Get()
  @ApiOperation({ summary: 'List configs', description: 'The newest version of each, newest change first.' })
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
  @Answers(200, 'Config', 'The newest version.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() raw: unknown,
    @Headers('if-none-match') seen: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject | undefined> {
    const query = parseQuery(ONE, raw);
    const config = await this.#ask(subjects.config.get, { principal, id, includeDeleted: query.include_deleted });
    if (seen !== undefined && seen.split(',').some((tag) => tag.trim() === etagOf(config.version))) {
      void reply.header('etag', etagOf(config.version)).code(304);
      return undefined;
    }
    return withEtag(reply, config);
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
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const expectedVersion = expectedVersionOf(ifMatch);
    const definition = definitionOf(body);
    return withEtag(reply, await this.#ask(subjects.config.update, { principal, id, definition, expectedVersion }));
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
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const expectedVersion = expectedVersionOf(ifMatch);
    const request = { principal, id, definition: patchOf(body), expectedVersion, merge: true };
    return withEtag(reply, await this.#ask(subjects.config.update, request));
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
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const expectedVersion = expectedVersionOf(ifMatch);
    return withEtag(reply, await this.#ask(subjects.config.delete, { principal, id, expectedVersion }));
  }

  @Post(':id/restore')
  @HttpCode(200)
  @Needs(roleOf(subjects.config.restore))
  @ApiOperation({ summary: 'Restore a deleted config' })
  @Answers(200, 'Config', 'The restored config.', true)
  @Refuses('not_found', 'name_taken', 'conflict')
  async restore(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return withEtag(reply, await this.#ask(subjects.config.restore, { principal, id }));
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
  @Answers(200, 'Config', 'That version.', true)
  @Refuses('not_found')
  async version(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Param('version') text: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Problem('not_found', 'There is no such version.');
    return withEtag(reply, await this.#ask(subjects.config.get, { principal, id, version: Number(text) }));
  }

  async #ask(pattern: string, request: unknown): Promise<Config> {
    const { config } = accepted(await this.backend.ask<ConfigReply>(pattern, request));
    if (config === undefined) throw new Problem('not_found', 'There is no such config.');
    return config;
  }
}

function withEtag(reply: FastifyReply, config: Config): JsonObject {
  void reply.header('etag', etagOf(config.version));
  return shownConfig(config);
}
