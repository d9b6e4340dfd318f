import { Body, Controller, Delete, Get, Param, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RetentionPolicySchema, roleOf, subjects, toUserJson } from '@batuta/contracts';
import type {
  JsonObject,
  JsonValue,
  ListRetentionPoliciesReply,
  Preconditions,
  Principal,
  RetentionPolicyReply,
} from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, Refuses } from './documented.js';
import { createdAt, tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { accepted, Problem } from './problem.js';
import { parseQuery } from './query.js';

/** What the platform keeps beside what a user says of a policy. */
const KEPT = ['version', 'created_at', 'updated_at', 'updated_by'] as const;

function policyOf(name: string, body: JsonValue): JsonValue {
  const policy: JsonObject = { ...(body as JsonObject) };
  for (const field of KEPT) delete policy[field];
  if (policy['name'] === name) delete policy['name'];
  return policy;
}

function shown({ policy }: RetentionPolicyReply): JsonObject {
  if (policy === undefined) throw new Problem('not_found', 'There is no such retention policy.');
  return toUserJson(RetentionPolicySchema, policy);
}

/** Which executions are deleted by themselves. */
@ApiTags('Retention policies')
@ApiBearerAuth()
@Controller('api/v1/retention-policies')
export class RetentionController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @Needs(roleOf(subjects.retention.list))
  @ApiOperation({ summary: 'List retention policies, by name' })
  @Answers(200, 'RetentionPolicies', 'All of the tenant.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const asked = this.backend.ask<ListRetentionPoliciesReply>(subjects.retention.list, { principal });
    const { policies } = accepted(await asked);
    return { policies: (policies ?? []).map((policy) => toUserJson(RetentionPolicySchema, policy)) };
  }

  @Get(':name')
  @Needs(roleOf(subjects.retention.get))
  @ApiOperation({ summary: 'Get a retention policy' })
  @IfNoneMatch
  @Answers(200, 'RetentionPolicy', 'The policy.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const asked = this.backend.ask<RetentionPolicyReply>(subjects.retention.get, { principal, name });
    const found = accepted(await asked);
    return tagged(reply, found.etag, shown(found));
  }

  @Put(':name')
  @Needs(roleOf(subjects.retention.put))
  @ApiOperation({
    summary: 'Make a retention policy, or replace it',
    description:
      'Executions that have ended and that it matches are deleted for good, within minutes: with `older_than_ms` those that ended that long ago, with `keep_newest` those that are not among the newest, with both only those that are neither young nor new. The fields that a GET answered may be sent back: they are ignored.',
  })
  @IfMatch
  @BodyIs('RetentionPolicyBody', 'Which executions.')
  @Answers(201, 'RetentionPolicy', 'Made.', true)
  @Answers(200, 'RetentionPolicy', 'Replaced.', true)
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
    const request = { principal, name, body: policyOf(name, body), preconditions };
    const put = accepted(await this.backend.ask<RetentionPolicyReply>(subjects.retention.put, request));
    if (put.created === true) createdAt(reply, `/api/v1/retention-policies/${encodeURIComponent(name)}`);
    return tagged(reply, put.etag, shown(put));
  }

  @Delete(':name')
  @Needs(roleOf(subjects.retention.delete))
  @ApiOperation({ summary: 'Delete a retention policy', description: 'What it has deleted stays deleted.' })
  @IfMatch
  @Answers(200, 'RetentionPolicy', 'The deleted policy.')
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('name') name: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, name, preconditions };
    return shown(accepted(await this.backend.ask<RetentionPolicyReply>(subjects.retention.delete, request)));
  }
}
