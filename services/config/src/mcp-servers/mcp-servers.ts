import { etagOf, preconditionRefusal, secretNames, TOKEN_SCHEMA } from '@batuta/contracts';
import type {
  ListMcpServersReply,
  McpServer,
  McpServerReply,
  McpTool,
  PinMcpToolsRequest,
  Preconditions,
  Principal,
  Violation,
} from '@batuta/contracts';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { invalid, refuse } from '../access/refusals.js';
import { findable, intField, textField } from '../access/requests.js';
import { ConfigRows } from '../database/data-source.js';
import { Secrets } from '../secrets/secrets.js';
import { mcpServerShape, reportMcpServer } from './mcp-server-shape.js';
import type { McpServerBody } from './mcp-server-shape.js';

const token = documentCheck(TOKEN_SCHEMA);
const MAX_SERVERS = 100;
const MAX_TOOLS = 200;
const MAX_TOOL_BYTES = 512 * 1024;
const COLUMNS = 'tenant_id, name, said, tools, revision, updated_at';

interface Row {
  readonly tenant_id: string;
  readonly name: string;
  readonly said: McpServerBody;
  readonly tools: readonly McpTool[];
  readonly revision: number;
  readonly updated_at: Date;
}

/** The MCP servers of each tenant, and the tools that may be called. */
@Injectable()
export class McpServers {
  readonly #rows: ConfigRows;
  readonly #secrets: Secrets;

  constructor(rows: ConfigRows, secrets: Secrets) {
    this.#rows = rows;
    this.#secrets = secrets;
  }

  /** Makes or changes a server. Each change raises its revision by one. Another URL needs another consent. */
  async put(
    principal: Principal,
    name: unknown,
    body: unknown,
    preconditions?: Preconditions,
  ): Promise<McpServerReply> {
    const { tenantId } = principal;
    const server = textField(name);
    const report = new Report();
    token(server, '/name', report);
    guardJson(body, report);
    mcpServerShape(body, '', report);
    if (isRecord(body)) reportMcpServer(body, report);
    if (report.total > 0) return invalid('The MCP server', report.violations, report.total);
    const said = mcpServerShape.withoutNulls(body) as McpServerBody;
    const missing = await this.#missingSecrets(tenantId, said);
    if (missing.length > 0) return invalid('The MCP server', missing);
    return this.#rows.of(tenantId).transaction(async (manager): Promise<McpServerReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      const before = await lockedRow(manager, tenantId, server);
      const refused = preconditionRefusal(preconditions, before === undefined ? undefined : tagged(before));
      if (refused !== undefined) return { refused };
      if (before === undefined) {
        const [{ count } = { count: 0 }] = await manager.query<{ count: number }[]>(
          'SELECT count(*)::int AS count FROM config.mcp_servers WHERE tenant_id = $1',
          [tenantId],
        );
        if (count >= MAX_SERVERS) return refuse('conflict', `A tenant may have at most ${MAX_SERVERS} MCP servers.`);
      }
      const tools = before !== undefined && before.said.url === said.url ? before.tools : [];
      const [row] = await manager.query<Row[]>(
        `INSERT INTO config.mcp_servers AS m (tenant_id, name, said, tools, revision) VALUES ($1, $2, $3, $4, 1)
           ON CONFLICT (tenant_id, name) DO UPDATE
             SET said = excluded.said, tools = excluded.tools, revision = m.revision + 1, updated_at = now()
           RETURNING ${COLUMNS}`,
        [tenantId, server, JSON.stringify(said), JSON.stringify(tools)],
      );
      if (row === undefined) throw new Error('the MCP server that was stored is not there');
      return { ...replyOf(row), ...(before === undefined ? { created: true } : {}) };
    });
  }

  async #missingSecrets(tenantId: string, { headers = {} }: McpServerBody): Promise<Violation[]> {
    const named = Object.entries(headers).flatMap(([header, text]) =>
      secretNames(text).map((secret) => ({ header, secret })),
    );
    if (named.length === 0) return [];
    const { known, meant } = await this.#secrets.known(tenantId, [...new Set(named.map(({ secret }) => secret))]);
    return named
      .filter(({ secret }) => !known.includes(secret))
      .map(({ header, secret }) => {
        const near = meant[secret];
        const hint = near === undefined ? `make it with PUT /api/v1/secrets/${secret}` : `did you mean "${near}"?`;
        const message = `there is no secret "${secret}"; ${hint}`;
        return { path: `/headers/${header}`, code: 'unknown_secret', message };
      });
  }

  async get(tenantId: string, name: unknown): Promise<McpServerReply> {
    const [row] = await this.#rows
      .of(tenantId)
      .query<Row[]>(`SELECT ${COLUMNS} FROM config.mcp_servers WHERE tenant_id = $1 AND name = $2`, [
        tenantId,
        findable(name, 64) ?? '',
      ]);
    return row === undefined ? notFound() : replyOf(row);
  }

  /** The tenant's servers by name. */
  async list(tenantId: string): Promise<ListMcpServersReply> {
    const rows = await this.#rows
      .of(tenantId)
      .query<Row[]>(`SELECT ${COLUMNS} FROM config.mcp_servers WHERE tenant_id = $1 ORDER BY name LIMIT $2`, [
        tenantId,
        MAX_SERVERS,
      ]);
    return { servers: rows.map(toServer) };
  }

  /** Deletes a server. Later calls of its tools fail with `mcp_server_unknown`. */
  async delete(principal: Principal, name: unknown, preconditions?: Preconditions): Promise<McpServerReply> {
    const { tenantId } = principal;
    const server = findable(name, 64) ?? '';
    return this.#rows.of(tenantId).transaction(async (manager): Promise<McpServerReply> => {
      const found = await lockedRow(manager, tenantId, server);
      if (found === undefined) return notFound();
      const refused = preconditionRefusal(preconditions, tagged(found));
      if (refused !== undefined) return { refused };
      await manager.query('DELETE FROM config.mcp_servers WHERE tenant_id = $1 AND name = $2', [tenantId, server]);
      return { server: toServer(found) };
    });
  }

  /** Stores the tools that an admin has consented to, if the server is still the one that they were read from. */
  async pin({ tenantId, name, revision, tools }: PinMcpToolsRequest): Promise<McpServerReply> {
    const list = (tools ?? []).map(({ state: _state, ...tool }) => tool);
    const text = JSON.stringify(list);
    if (list.length > MAX_TOOLS || Buffer.byteLength(text) > MAX_TOOL_BYTES) {
      return refuse('conflict', `At most ${MAX_TOOLS} tools of ${MAX_TOOL_BYTES} bytes together may be consented to.`);
    }
    return this.#rows.of(tenantId).transaction(async (manager): Promise<McpServerReply> => {
      const found = await lockedRow(manager, tenantId, findable(name, 64) ?? '');
      if (found === undefined) return notFound();
      if (found.revision !== intField(revision)) {
        return refuse('conflict', 'The MCP server was changed meanwhile. List its tools again.');
      }
      const [row] = await manager.query<[Row[], number]>(
        `UPDATE config.mcp_servers SET tools = $3, revision = revision + 1, updated_at = now()
           WHERE tenant_id = $1 AND name = $2 RETURNING ${COLUMNS}`,
        [tenantId, found.name, text],
      );
      const [stored] = row;
      if (stored === undefined) throw new Error('the MCP server that was locked is not there');
      return replyOf(stored);
    });
  }
}

const notFound = (): McpServerReply => refuse('not_found', 'There is no such MCP server.');

async function lockedRow(manager: EntityManager, tenantId: string, name: string): Promise<Row | undefined> {
  const [row] = await manager.query<Row[]>(
    `SELECT ${COLUMNS} FROM config.mcp_servers WHERE tenant_id = $1 AND name = $2 FOR UPDATE`,
    [tenantId, name],
  );
  return row;
}

function toServer({ said, name, tools, tenant_id: tenantId, revision, updated_at: updatedAt }: Row): McpServer {
  const { url, headers, description = '' } = said;
  return {
    name,
    url,
    description,
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    tools: [...tools],
    revision,
    updatedAt: updatedAt.getTime(),
    tenantId,
  };
}

function tagged(row: Row): { etag: string; version: number } {
  const shown = toServer(row);
  return { etag: etagOf(shown, shown.revision), version: shown.revision };
}

const replyOf = (row: Row): McpServerReply => ({ server: toServer(row), etag: tagged(row).etag });
