import { Readable } from 'node:stream';
import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AUDIT_BATCH, AUDIT_FILTERS, AuditEntrySchema, operations, toUserJson } from '@batuta/contracts';
import type { ListAuditReply, ListAuditRequest, Principal } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Queries, Refuses } from '../routes/documented.js';
import { accepted } from '../http/problem.js';
import { parseQuery } from '../http/query.js';

/** The audit log as a stream. */
@ApiTags('Audit')
@ApiBearerAuth()
@Controller('api/v1/audit')
export class AuditExportController {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  @Get('export')
  @Needs(operations.audit.list.role)
  @ApiOperation({
    summary: 'Export the audit log',
    description:
      'Lines of JSON, one for each entry, in the order of `seq`. Without filters each `link` is made from the one before, so a changed or missing entry can be detected with `batuta audit verify`.',
  })
  @Queries(AUDIT_FILTERS)
  @ApiResponse({
    status: 200,
    description: 'The entries.',
    content: { 'application/x-ndjson': { schema: { type: 'string' } } },
  })
  @Refuses('not_found')
  async export(@Caller() principal: Principal, @Query() raw: unknown, @Res() reply: FastifyReply): Promise<void> {
    const {
      tenant_id: tenantId,
      user_id: userId,
      key_id: keyId,
      execution_id: executionId,
      ...same
    } = parseQuery(AUDIT_FILTERS, raw);
    const page = async (cursor?: string): Promise<ListAuditReply> => {
      const asked = {
        principal,
        tenantId,
        userId,
        keyId,
        executionId,
        ...same,
        limit: AUDIT_BATCH,
        oldestFirst: true,
        cursor,
      };
      return accepted(
        await this.#backend.ask<ListAuditReply>(operations.audit.list.subject, asked as ListAuditRequest),
      );
    };
    // Read the first page now, because a refusal must come before the status line is sent.
    const first = await page();
    async function* texts(): AsyncGenerator<string> {
      for (let part = first; ; part = await page(part.nextCursor)) {
        for (const entry of part.entries) yield `${JSON.stringify(toUserJson(AuditEntrySchema, entry))}\n`;
        if (part.nextCursor === undefined) return;
      }
    }
    await reply.type('application/x-ndjson').send(Readable.from(texts()));
  }
}
