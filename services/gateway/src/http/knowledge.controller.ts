import { Body, Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  KNOWLEDGE_LIMITS,
  PassageSchema,
  roleOf,
  subjects,
  toUserJson,
  cursorParameter,
  limitParameter,
  textParameter,
} from '@batuta/contracts';
import type {
  DocumentReply,
  Idempotency,
  JsonObject,
  ListDocumentsReply,
  Preconditions,
  Principal,
  SearchKnowledgeReply,
} from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody } from './checked.js';
import { Answers, IfMatch, IfNoneMatch, OnceKey, Queries, Refuses } from './documented.js';
import { DocumentBody } from './dto/document.dto.js';
import { createdAt, tagged } from './headers.js';
import { Once } from './idempotency.js';
import { Conditions } from './preconditions.js';
import { accepted, Problem } from './problem.js';
import { parseQuery } from './query.js';
import { shownCursor, shownDocument } from './shown.js';

const LIST = { limit: limitParameter(200), cursor: cursorParameter } as const;
const SEARCH = {
  q: { ...textParameter('What to look for.', KNOWLEDGE_LIMITS.query, 'checkout latency'), required: true },
  limit: limitParameter(KNOWLEDGE_LIMITS.results, KNOWLEDGE_LIMITS.defaultResults),
} as const;

@ApiTags('Knowledge')
@ApiBearerAuth()
@Controller('api/v1/knowledge')
export class KnowledgeController {
  constructor(private readonly backend: Backend) {}

  @Post('documents')
  @Needs(roleOf(subjects.config.knowledgePut))
  @ApiOperation({ summary: 'Add a document, or replace the one with the same source' })
  @IfMatch
  @OnceKey
  @ApiBody({ type: DocumentBody })
  @Answers(201, 'StoredDocument', 'Added or replaced.', true)
  @Answers(200, 'StoredDocument', 'The same content was there already.', true)
  @Refuses('version_conflict', 'idempotency_mismatch', 'malformed_json', 'payload_too_large', 'unsupported_media_type')
  async put(
    @Caller() principal: Principal,
    @Body(checkedBody(DocumentBody)) body: DocumentBody,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Once() idempotency: Idempotency | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const {
      document,
      etag,
      unchanged = false,
      repeated = false,
    } = accepted(
      await this.backend.ask<DocumentReply>(subjects.config.knowledgePut, {
        principal,
        source: body.source,
        title: body.title ?? undefined,
        contentType: body.content_type ?? 'text/markdown',
        content: body.content,
        metadata: body.metadata ?? undefined,
        preconditions,
        idempotency,
      }),
    );
    const shown = shownDocument(document);
    if (unchanged) void reply.code(200);
    else createdAt(reply, `/api/v1/knowledge/documents/${document?.id ?? ''}`);
    return tagged(reply, etag, { ...shown, unchanged, ...(repeated ? { repeated } : {}) });
  }

  @Get('documents')
  @ApiOperation({ summary: 'List documents' })
  @Queries(LIST)
  @Answers(200, 'DocumentPage', 'A page.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(LIST, raw);
    const reply = accepted(
      await this.backend.ask<ListDocumentsReply>(subjects.config.knowledgeList, { principal, limit, cursor }),
    );
    return { documents: (reply.documents ?? []).map(shownDocument), next_cursor: shownCursor(reply.nextCursor) };
  }

  @Get('documents/:id')
  @ApiOperation({ summary: 'Get what is known of a document, without its text' })
  @IfNoneMatch
  @Answers(200, 'KnowledgeDocument', 'The document.', true)
  @Refuses('not_found')
  async get(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, id };
    const { document, etag } = accepted(await this.backend.ask<DocumentReply>(subjects.config.knowledgeGet, request));
    return tagged(reply, etag, shownDocument(document));
  }

  @Delete('documents/:id')
  @Needs(roleOf(subjects.config.knowledgeDelete))
  @ApiOperation({ summary: 'Remove a document' })
  @IfMatch
  @Answers(200, 'KnowledgeDocument', 'The removed document.')
  @Refuses('not_found', 'version_conflict')
  async remove(
    @Caller() principal: Principal,
    @Param('id') id: string,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { document } = accepted(
      await this.backend.ask<DocumentReply>(subjects.config.knowledgeDelete, { principal, id, preconditions }),
    );
    return document === undefined ? { id } : shownDocument(document);
  }

  @Get('search')
  @ApiOperation({ summary: 'Search the documents', description: 'Ranked passages, hits between ** and **.' })
  @Queries(SEARCH)
  @Answers(200, 'Passages', 'The best passages first.')
  @Refuses()
  async search(@Caller() { tenantId }: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { q, limit } = parseQuery(SEARCH, raw);
    if (q === undefined) {
      throw new Problem('validation_failed', 'The query parameter q is required.', {
        errors: [{ path: '/q', message: 'q is required', code: 'required' }],
      });
    }
    const { passages } = accepted(
      await this.backend.ask<SearchKnowledgeReply>(subjects.config.knowledgeSearch, { tenantId, query: q, limit }),
    );
    return { passages: (passages ?? []).map((passage) => toUserJson(PassageSchema, passage)) };
  }
}
