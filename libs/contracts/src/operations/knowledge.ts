import type {
  DeleteDocumentRequest,
  DocumentReply,
  GetDocumentRequest,
  ListDocumentsReply,
  ListDocumentsRequest,
  PutDocumentRequest,
  SearchKnowledgeReply,
  SearchKnowledgeRequest,
} from '../config.js';
import {
  DeleteDocumentRequestSchema,
  DocumentReplySchema,
  GetDocumentRequestSchema,
  ListDocumentsReplySchema,
  ListDocumentsRequestSchema,
  PutDocumentRequestSchema,
  SearchKnowledgeReplySchema,
  SearchKnowledgeRequestSchema,
} from '../generated/batuta/config/v1/knowledge_pb.js';
import { KNOWLEDGE_LIMITS } from '../limits.js';
import { defineOperation } from './define.js';
import { cursorParameter, limitParameter, textParameter } from './parameters.js';

const PATH = '/api/v1/knowledge';

/** Documents that agents search. */
export const knowledge = {
  put: defineOperation<PutDocumentRequest, DocumentReply>({
    name: 'knowledge.put',
    service: 'config',
    subject: 'batuta.config.knowledge.put',
    kind: 'command',
    role: 'operator',
    does: 'add a document',
    request: PutDocumentRequestSchema,
    reply: DocumentReplySchema,
    http: {
      method: 'POST',
      path: `${PATH}/documents`,
      summary: 'Add a document, or replace the one with the same source',
      compares: true,
      once: 'once',
      body: {
        schema: 'DocumentBody',
        says: 'The document.',
        example: {
          source: 'runbooks/import.md',
          title: 'Import',
          content_type: 'text/markdown',
          content: '# Import\n\nA duplicate key in the import: use upsert.',
        },
      },
      answers: [
        { status: 201, schema: 'StoredDocument', says: 'Added or replaced.', etag: true },
        { status: 200, schema: 'StoredDocument', says: 'The same content was there already.', etag: true },
      ],
    },
  }),
  list: defineOperation<ListDocumentsRequest, ListDocumentsReply>({
    name: 'knowledge.list',
    service: 'config',
    subject: 'batuta.config.knowledge.list',
    kind: 'read',
    role: 'viewer',
    does: 'list documents',
    request: ListDocumentsRequestSchema,
    reply: ListDocumentsReplySchema,
    http: {
      method: 'GET',
      path: `${PATH}/documents`,
      summary: 'List documents',
      query: { limit: limitParameter(200), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'DocumentPage', says: 'A page.' }],
    },
  }),
  get: defineOperation<GetDocumentRequest, DocumentReply>({
    name: 'knowledge.get',
    service: 'config',
    subject: 'batuta.config.knowledge.get',
    kind: 'read',
    role: 'viewer',
    does: 'see a document',
    request: GetDocumentRequestSchema,
    reply: DocumentReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/documents/:id`,
      summary: 'Get what is known of a document, without its text',
      seen: true,
      answers: [{ status: 200, schema: 'KnowledgeDocument', says: 'The document.', etag: true }],
    },
  }),
  delete: defineOperation<DeleteDocumentRequest, DocumentReply>({
    name: 'knowledge.delete',
    service: 'config',
    subject: 'batuta.config.knowledge.delete',
    kind: 'command',
    role: 'operator',
    does: 'delete a document',
    request: DeleteDocumentRequestSchema,
    reply: DocumentReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/documents/:id`,
      summary: 'Remove a document',
      compares: true,
      answers: [{ status: 200, schema: 'KnowledgeDocument', says: 'The removed document.' }],
    },
  }),
  search: defineOperation<SearchKnowledgeRequest, SearchKnowledgeReply>({
    name: 'knowledge.search',
    service: 'config',
    subject: 'batuta.config.knowledge.search',
    kind: 'read',
    role: 'viewer',
    does: 'search documents',
    request: SearchKnowledgeRequestSchema,
    reply: SearchKnowledgeReplySchema,
    askedBy: ['gateway', 'step-runner'],
    http: {
      method: 'GET',
      path: `${PATH}/search`,
      tool: true,
      summary: 'Search the documents',
      description: 'Ranked passages, hits between ** and **.',
      query: {
        q: { ...textParameter('What to look for.', KNOWLEDGE_LIMITS.query, 'checkout latency'), required: true },
        limit: limitParameter(KNOWLEDGE_LIMITS.results, KNOWLEDGE_LIMITS.defaultResults),
      },
      answers: [{ status: 200, schema: 'Passages', says: 'The best passages first.' }],
    },
  }),
} as const;
