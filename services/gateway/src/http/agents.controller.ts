import { Body, Controller, Delete, Get, Param, Patch, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { subjects, roleOf } from '@batuta/contracts';
import type { AgentReply, JsonObject, JsonValue, ListAgentsReply, Preconditions, Principal } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, PatchIs, Refuses } from './documented.js';
import { createdAt, tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { parseQuery } from './query.js';
import { agentOf, agentPatchOf, shownAgent } from './shown.js';

@ApiTags('Agents')
@ApiBearerAuth()
@Controller('api/v1/agents')
export class AgentsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @ApiOperation({ summary: 'List agents, the built-in ones too' })
  @Answers(200, 'AgentList', 'All agents.')
  @Refuses()
  async list(@Caller() { tenantId }: Principal, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const { agents } = await this.backend.ask<ListAgentsReply>(subjects.config.agentList, { tenantId });
    return { agents: (agents ?? []).map(shownAgent) };
  }

  @Get(':name')
  @ApiOperation({ summary: 'Get an agent' })
  @IfNoneMatch
  @Answers(200, 'Agent', 'The agent.', true)
  @Refuses('not_found')
  async get(
    @Caller() { tenantId }: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { agent, etag } = accepted(await this.backend.ask<AgentReply>(subjects.config.agentGet, { tenantId, name }));
    return tagged(reply, etag, shownAgent(agent));
  }

  @Put(':name')
  @Needs(roleOf(subjects.config.agentPut))
  @ApiOperation({
    summary: 'Register an agent that your own workers serve',
    description:
      'A worker needs only a NATS client; see examples/worker-without-sdk. What a GET answered may be sent back: `revision`, `tenant_id`, `built_in` and `updated_at` are ignored.',
  })
  @IfMatch
  @BodyIs('AgentBody', 'The agent.')
  @Answers(201, 'Agent', 'Registered.', true)
  @Answers(200, 'Agent', 'Changed.', true)
  @Refuses(
    'version_conflict',
    'conflict',
    'pool_taken',
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
    const request = { principal, name, body: agentOf(name, body), preconditions };
    const {
      agent,
      etag,
      created = false,
    } = accepted(await this.backend.ask<AgentReply>(subjects.config.agentPut, request));
    if (created) createdAt(reply, `/api/v1/agents/${encodeURIComponent(name)}`);
    return tagged(reply, etag, shownAgent(agent));
  }

  @Patch(':name')
  @Needs(roleOf(subjects.config.agentPut))
  @ApiOperation({
    summary: 'Change some fields of an agent',
    description:
      'The body is a JSON merge patch (RFC 7396): what it names is replaced, objects field by field, lists as a whole; null takes a field away.',
  })
  @IfMatch
  @PatchIs('AgentPatch', 'The fields to change.')
  @Answers(200, 'Agent', 'Changed.', true)
  @Refuses(
    'not_found',
    'version_conflict',
    'conflict',
    'pool_taken',
    'not_applicable',
    'malformed_json',
    'unsupported_media_type',
    'payload_too_large',
  )
  async patch(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, body: agentPatchOf(body), preconditions, merge: true };
    const { agent, etag } = accepted(await this.backend.ask<AgentReply>(subjects.config.agentPut, request));
    return tagged(reply, etag, shownAgent(agent));
  }

  @Delete(':name')
  @Needs(roleOf(subjects.config.agentDelete))
  @ApiOperation({ summary: 'Remove an agent' })
  @IfMatch
  @Answers(200, 'Agent', 'The removed agent.')
  @Refuses('not_found', 'version_conflict', 'conflict', 'not_applicable')
  async remove(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, preconditions };
    const { agent } = accepted(await this.backend.ask<AgentReply>(subjects.config.agentDelete, request));
    return agent === undefined ? { name } : shownAgent(agent);
  }
}
