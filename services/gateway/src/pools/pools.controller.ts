import { Controller, Query } from '@nestjs/common';
import { DEFAULT_POOL, PoolViewSchema, operations, toUserJson } from '@batuta/contracts';
import type { JsonObject, ListAgentsReply, ListPoolsReply, ListPoolsRequest, Principal } from '@batuta/contracts';
import { Caller } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { accepted } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { RouteFor } from '../routes/operation-route.js';

@Controller()
export class PoolsController {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  @RouteFor(operations.pools.list)
  async list(@Caller() { tenantId }: Principal, @Query() query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    const { agents } = await this.#backend.ask<ListAgentsReply>(operations.agents.list.subject, { tenantId });
    const served = new Map<string, string[]>([[DEFAULT_POOL, []]]);
    for (const { name, pool } of agents ?? []) served.set(pool, [...(served.get(pool) ?? []), name]);
    const asked: ListPoolsRequest = { pools: [...served.keys()].sort(), forTenant: tenantId };
    const { pools } = accepted(await this.#backend.ask<ListPoolsReply>(operations.pools.list.subject, asked));
    return {
      pools: (pools ?? []).map((pool) => toUserJson(PoolViewSchema, { ...pool, agents: served.get(pool.pool) ?? [] })),
    };
  }
}
