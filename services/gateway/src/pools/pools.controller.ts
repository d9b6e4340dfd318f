import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { DEFAULT_POOL, PoolViewSchema, operations, subjects, toUserJson } from '@batuta/contracts';
import type { JsonObject, ListAgentsReply, ListPoolsReply, ListPoolsRequest, Principal } from '@batuta/contracts';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Answers, Refuses } from '../http/documented.js';
import { accepted } from '../http/problem.js';
import { parseQuery } from '../http/query.js';

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
    const { agents } = await this.backend.ask<ListAgentsReply>(operations.agents.list.subject, { tenantId });
    const served = new Map<string, string[]>([[DEFAULT_POOL, []]]);
    for (const { name, pool } of agents ?? []) served.set(pool, [...(served.get(pool) ?? []), name]);
    const asked: ListPoolsRequest = { pools: [...served.keys()].sort() };
    const { pools } = accepted(await this.backend.ask<ListPoolsReply>(subjects.query.pools, asked));
    return {
      pools: (pools ?? []).map((pool) => toUserJson(PoolViewSchema, { ...pool, agents: served.get(pool.pool) ?? [] })),
    };
  }
}
