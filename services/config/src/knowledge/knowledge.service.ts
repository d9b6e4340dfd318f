import { createHash } from 'node:crypto';
import {
  decodeCursor,
  encodeCursor,
  etagOf,
  KNOWLEDGE_LIMITS,
  LIMITS,
  newId,
  preconditionRefusal,
  isUuid,
  nameSchema,
  METADATA_SCHEMA,
} from '@batuta/contracts';
import type {
  DocumentReply,
  Idempotency,
  JsonObject,
  KnowledgeDocument,
  ListDocumentsReply,
  MistakeCode,
  Passage,
  Preconditions,
  Principal,
  SearchKnowledgeReply,
} from '@batuta/contracts';
import { IdempotencyKeys } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, invalidField, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, pageSize, textField } from '../access/requests.js';
import { Report, documentCheck, guardJson, unstorable } from '@batuta/documents';
import { TenantLimitsRegistry } from '../tenants/limits.js';
import { DocumentEntity } from './document.entity.js';
import { highlightOf } from './highlight.js';
import { knowledgeQuery } from './query.js';
import type { KnowledgeQuery } from './query.js';
import { SEARCH_SQL } from './search-sql.js';
import { splitPassages, titleIn } from './split-passages.js';
import type { ContentType, SplitPassage } from './split-passages.js';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;

const sourceShape = documentCheck(nameSchema(KNOWLEDGE_LIMITS.source));
const titleShape = documentCheck({ type: 'string', maxLength: KNOWLEDGE_LIMITS.title });
const typeShape = documentCheck({ type: 'string', enum: ['text/markdown', 'text/plain'] });
const contentShape = documentCheck({ type: 'string', minLength: 1, maxLength: LIMITS.payloadBytes });
const metadataShape = documentCheck(METADATA_SCHEMA);

const NOT_FOUND = refuse('not_found', 'There is no such document.');

interface NewDocument {
  readonly source: string;
  readonly title: string;
  readonly contentType: ContentType;
  readonly content: string;
  readonly metadata: JsonObject;
}

/** The knowledge base of each tenant: documents split into passages that PostgreSQL's full text search finds. */
@Injectable()
export class Knowledge {
  readonly #rows: ConfigRows;
  readonly #keys: IdempotencyKeys;
  readonly #limits: TenantLimitsRegistry;

  constructor(rows: ConfigRows, keys: IdempotencyKeys, limits: TenantLimitsRegistry) {
    this.#rows = rows;
    this.#keys = keys;
    this.#limits = limits;
  }

  /** Adds a document, or replaces the one with the same source. An identical document stays unchanged. */
  async put(
    principal: Principal,
    request: {
      source: unknown;
      title?: unknown;
      contentType?: unknown;
      content: unknown;
      metadata?: unknown;
      preconditions?: Preconditions | undefined;
      idempotency?: Idempotency | undefined;
    },
  ): Promise<DocumentReply> {
    const { preconditions, idempotency } = request;
    const earlier = await this.#keys.earlier<DocumentReply>(
      this.#rows.of(principal.tenantId),
      principal.tenantId,
      idempotency,
    );
    if (earlier !== undefined) return earlier;
    const document = checkDocument(request);
    if ('refused' in document) return document;
    const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex');
    const { tenantId } = principal;
    const where = { tenantId, source: document.source };
    const same = await this.#rows.of(tenantId).manager.existsBy(DocumentEntity, { ...where, contentHash: hash });
    const passages = same ? [] : splitPassages(document.content, document.contentType);
    const save = async (manager: EntityManager): Promise<DocumentReply> => {
      // Writers of one source wait for each other, so that the state checked by the preconditions stays.
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 8))', [JSON.stringify(where)]);
      const before = await manager.findOne(DocumentEntity, { where, lock: { mode: 'pessimistic_write' } });
      const refused = preconditionRefusal(preconditions, before === null ? undefined : { etag: tagOf(before) });
      if (refused !== undefined) return { refused };
      if (before?.contentHash === hash) return { ...replyOf(before), unchanged: true };
      const bytes = Buffer.byteLength(document.content);
      await this.#limits.requireRoom(manager, tenantId, bytes - (before?.contentBytes ?? 0));
      const split = same ? splitPassages(document.content, document.contentType) : passages;
      const [row] = await manager.query<{ id: string }[]>(
        `INSERT INTO config.knowledge_documents
           (id, tenant_id, source, title, content_type, content_hash, content_bytes, passages, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant_id, source) DO UPDATE SET title = excluded.title, content_type = excluded.content_type,
           content_hash = excluded.content_hash, content_bytes = excluded.content_bytes, passages = excluded.passages,
           metadata = excluded.metadata, updated_at = now()
         RETURNING id`,
        [
          newId(),
          tenantId,
          document.source,
          document.title,
          document.contentType,
          hash,
          bytes,
          split.length,
          JSON.stringify(document.metadata),
        ],
      );
      const id = row?.id;
      await manager.query('DELETE FROM config.knowledge_passages WHERE document_id = $1', [id]);
      await manager.query(
        `INSERT INTO config.knowledge_passages
           (document_id, passage_index, tenant_id, title, headings, heading_text, text, first_line, last_line)
         SELECT $1, p.passage_index, $2, $3, p.headings, p.heading_text, p.text, p.first_line, p.last_line
         FROM json_to_recordset($4::json) AS p(
           passage_index integer, headings jsonb, heading_text text, text text, first_line integer, last_line integer)`,
        [id, tenantId, document.title, JSON.stringify(split.map(passageRow))],
      );
      const saved = await manager.findOneByOrFail(DocumentEntity, where);
      return { ...replyOf(saved), unchanged: false };
    };
    try {
      return await this.#rows
        .of(tenantId)
        .transaction((manager) => this.#keys.once(manager, tenantId, idempotency, () => save(manager)));
    } catch (error) {
      if (error instanceof RefusedError) return error.refusal;
      throw error;
    }
  }

  /** A page of documents, the newest first. */
  async list(principal: Principal, request: { limit?: unknown; cursor?: unknown }): Promise<ListDocumentsReply> {
    const cursor = textField(request.cursor);
    const after = cursor === '' ? undefined : decodeCursor('documents', cursor);
    if (cursor !== '' && (after === undefined || !isUuid(after))) {
      return { documents: [], ...invalidField('/cursor', 'bad_cursor', 'is not a cursor of this list') };
    }
    const limit = pageSize(request.limit, DEFAULT_PAGE, MAX_PAGE);
    const query = this.#rows
      .of(principal.tenantId)
      .manager.createQueryBuilder(DocumentEntity, 'document')
      .where('document.tenantId = :tenant', { tenant: principal.tenantId })
      .orderBy('document.id', 'DESC')
      .limit(limit + 1);
    if (after !== undefined) query.andWhere('document.id < :after', { after });
    const found = await query.getMany();
    const documents = found.slice(0, limit);
    const last = documents.at(-1);
    return {
      documents: documents.map(toDocument),
      ...(last !== undefined && found.length > limit ? { nextCursor: encodeCursor('documents', last.id) } : {}),
    };
  }

  /** The facts about a document, without its text. */
  async get(principal: Principal, id: unknown): Promise<DocumentReply> {
    const documentId = findable(id, 36);
    if (documentId === undefined || !isUuid(documentId)) return NOT_FOUND;
    const { tenantId } = principal;
    const found = await this.#rows.of(tenantId).manager.findOneBy(DocumentEntity, { id: documentId, tenantId });
    return found === null ? NOT_FOUND : replyOf(found);
  }

  /** Removes a document with its passages. */
  async delete(principal: Principal, id: unknown, preconditions?: Preconditions): Promise<DocumentReply> {
    const documentId = findable(id, 36);
    if (documentId === undefined || !isUuid(documentId)) return NOT_FOUND;
    const where = { id: documentId, tenantId: principal.tenantId };
    return this.#rows.of(principal.tenantId).transaction(async (manager) => {
      const found = await manager.findOne(DocumentEntity, { where, lock: { mode: 'pessimistic_write' } });
      if (found === null) return NOT_FOUND;
      const refused = preconditionRefusal(preconditions, { etag: tagOf(found) });
      if (refused !== undefined) return { refused };
      await manager.delete(DocumentEntity, where);
      return { document: toDocument(found) };
    });
  }

  /**
   * The passages that match a query best. The query has the form of a web search (`"a phrase"`, `or`, `-not`). When no
   * passage has all its words and it has no such operators, passages with most of the words are returned. Parts of
   * identifiers and words of scripts without spaces are found too.
   */
  async search(tenantId: string, request: { query: unknown; limit?: unknown }): Promise<SearchKnowledgeReply> {
    const query = textField(request.query);
    const mistake = queryMistake(query);
    if (mistake !== undefined) return { passages: [], ...invalidField('/q', mistake.code, mistake.message) };
    const limit = pageSize(request.limit, KNOWLEDGE_LIMITS.defaultResults, KNOWLEDGE_LIMITS.results);
    const asked = knowledgeQuery(query);
    const { words, grams, isEither, anyWords, anyGrams, exact } = asked;
    const parameters = [words, grams, isEither, anyWords, anyGrams, exact, tenantId, limit];
    // Row level security would prevent the use of the search index. So passages are found as for all tenants, and then
    // read again as the tenant sees them.
    const found = await this.#rows.everybody.query<PassageRow[]>(SEARCH_SQL, parameters);
    const rows = found.length === 0 ? [] : await this.#seen(tenantId, found);
    return { passages: rows.map((row) => toPassage(row, asked)) };
  }

  /** Which of the passages the tenant sees. */
  async #seen(tenantId: string, found: readonly PassageRow[]): Promise<PassageRow[]> {
    const rows = await this.#rows.of(tenantId).query<{ document_id: string; passage_index: number }[]>(
      `SELECT p.document_id, p.passage_index FROM unnest($1::uuid[], $2::integer[]) AS w(document_id, passage_index)
       JOIN config.knowledge_passages p USING (document_id, passage_index)`,
      [found.map((row) => row.document_id), found.map((row) => row.passage_index)],
    );
    const seen = new Set(rows.map((row) => `${row.document_id} ${row.passage_index}`));
    return found.filter((row) => seen.has(`${row.document_id} ${row.passage_index}`));
  }
}

function queryMistake(query: string): { readonly code: MistakeCode; readonly message: string } | undefined {
  if (query.trim() === '') return { code: 'too_short', message: 'must not be empty' };
  if (query.length > KNOWLEDGE_LIMITS.query) {
    return { code: 'too_long', message: `may have at most ${KNOWLEDGE_LIMITS.query} characters` };
  }
  const problem = unstorable(query);
  return problem === undefined ? undefined : { code: 'invalid_character', message: problem };
}

interface PassageRow {
  readonly document_id: string;
  readonly source: string;
  readonly title: string;
  readonly headings: string[];
  readonly text: string;
  readonly headline: string;
  readonly rank: number;
  readonly passage_index: number;
  readonly first_line: number;
  readonly last_line: number;
}

function checkDocument(request: {
  source: unknown;
  title?: unknown;
  contentType?: unknown;
  content: unknown;
  metadata?: unknown;
}): NewDocument | Refused {
  const { source, title = '', metadata = {} } = request;
  const contentType = textField(request.contentType) || 'text/markdown';
  // Some files begin with a byte order mark.
  const content = typeof request.content === 'string' ? request.content.replace(/^\uFEFF/, '') : request.content;
  const report = new Report();
  guardJson({ source, title, metadata, content }, report);
  sourceShape(source, '/source', report);
  titleShape(title, '/title', report);
  typeShape(contentType, '/content_type', report);
  contentShape(content, '/content', report);
  metadataShape(metadata, '/metadata', report);
  if (Buffer.byteLength(JSON.stringify(metadata)) > KNOWLEDGE_LIMITS.metadataBytes) {
    report.add('/metadata', 'too_long', `must have at most ${KNOWLEDGE_LIMITS.metadataBytes} bytes`);
  }
  if (typeof content === 'string' && Buffer.byteLength(content) > LIMITS.payloadBytes) {
    report.add('/content', 'too_long', `must have at most ${LIMITS.payloadBytes} bytes`);
  }
  if (report.total > 0) return invalid('The document', report.violations, report.total);
  const type = contentType as ContentType;
  const lastPart = String(source)
    .split('/')
    .findLast((part) => part !== '');
  return {
    source: source as string,
    title: (title as string) || (titleIn(content as string, type) ?? lastPart ?? (source as string)),
    contentType: type,
    content: content as string,
    metadata: metadata as JsonObject,
  };
}

function passageRow(passage: SplitPassage, index: number): JsonObject {
  return {
    passage_index: index,
    headings: [...passage.headings],
    heading_text: passage.headings.join('\n'),
    text: passage.text,
    first_line: passage.firstLine,
    last_line: passage.lastLine,
  };
}

function toPassage(row: PassageRow, { marks }: KnowledgeQuery): Passage {
  return {
    documentId: row.document_id,
    source: row.source,
    title: row.title,
    headings: row.headings,
    text: row.text,
    highlight: highlightOf(row.text, row.headline, marks),
    rank: Number(row.rank),
    passageIndex: row.passage_index,
    firstLine: row.first_line,
    lastLine: row.last_line,
  };
}

/** The document's text is not shown, but a different text is a different document. */
const tagOf = (document: DocumentEntity): string => etagOf([toDocument(document), document.contentHash]);

const replyOf = (document: DocumentEntity): DocumentReply => ({
  document: toDocument(document),
  etag: tagOf(document),
});

function toDocument(document: DocumentEntity): KnowledgeDocument {
  return {
    id: document.id,
    tenantId: document.tenantId,
    source: document.source,
    title: document.title,
    passages: document.passages,
    updatedAt: document.updatedAt.getTime(),
    metadata: document.metadata as JsonObject,
  };
}
