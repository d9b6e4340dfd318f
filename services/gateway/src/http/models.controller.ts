import { Body, Controller, Delete, Get, Param, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { roleOf, subjects } from '@batuta/contracts';
import type { JsonObject, JsonValue, ListModelsReply, ModelReply, Preconditions, Principal } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, Refuses } from './documented.js';
import { createdAt, tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { parseQuery } from './query.js';
import { modelOf, shownModel } from './shown.js';

@ApiTags('Models')
@ApiBearerAuth()
@Controller('api/v1/models')
export class ModelsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @ApiOperation({ summary: 'List models' })
  @Answers(200, 'ModelList', 'All models, by name.')
  @Refuses()
  async list(@Caller() { tenantId }: Principal, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const { models } = await this.backend.ask<ListModelsReply>(subjects.config.modelList, { tenantId });
    return { models: (models ?? []).map(shownModel) };
  }

  @Get(':name')
  @ApiOperation({ summary: 'Get a model' })
  @IfNoneMatch
  @Answers(200, 'Model', 'The model.', true)
  @Refuses('not_found')
  async get(
    @Caller() { tenantId }: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { model, etag } = accepted(await this.backend.ask<ModelReply>(subjects.config.modelGet, { tenantId, name }));
    return tagged(reply, etag, shownModel(model));
  }

  @Put(':name')
  @Needs(roleOf(subjects.config.modelPut))
  @ApiOperation({
    summary: 'Make or change a model',
    description:
      'Steps ask it by its name. `api_key` refers to a secret, `{{secret:NAME}}`, which must be there. What a GET answered may be sent back: `revision`, `tenant_id` and `updated_at` are ignored.',
  })
  @IfMatch
  @BodyIs('ModelBody', 'The model.')
  @Answers(201, 'Model', 'Made.', true)
  @Answers(200, 'Model', 'Changed.', true)
  @Refuses('version_conflict', 'conflict', 'malformed_json', 'unsupported_media_type', 'payload_too_large')
  async put(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, body: modelOf(name, body), preconditions };
    const {
      model,
      etag,
      created = false,
    } = accepted(await this.backend.ask<ModelReply>(subjects.config.modelPut, request));
    if (created) createdAt(reply, `/api/v1/models/${encodeURIComponent(name)}`);
    return tagged(reply, etag, shownModel(model));
  }

  @Delete(':name')
  @Needs(roleOf(subjects.config.modelDelete))
  @ApiOperation({
    summary: 'Delete a model',
    description: 'Steps that ask it fail with `model_unknown` from then on.',
  })
  @IfMatch
  @Answers(200, 'Model', 'The deleted model.')
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, preconditions };
    const { model } = accepted(await this.backend.ask<ModelReply>(subjects.config.modelDelete, request));
    return model === undefined ? { name } : shownModel(model);
  }
}
