import { KnowledgeDocumentSchema, PassageSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { ref, listOf, page, REPEATED } from '../openapi/openapi-schema.js';

export const knowledgePart: OpenApiPart = {
  messages: [KnowledgeDocumentSchema, PassageSchema],
  always: {
    KnowledgeDocument: ['id', 'tenant_id', 'source', 'title', 'passages', 'updated_at'],
    Passage: [
      'document_id',
      'source',
      'title',
      'text',
      'highlight',
      'rank',
      'passage_index',
      'first_line',
      'last_line',
      'headings',
    ],
    Passages: ['passages'],
  },
  rules: {
    'DocumentBody.source': { minLength: 1 },
    'DocumentBody.content': { minLength: 1 },
  },
  says: {
    source: 'The source of the document. A document with the same source replaces it.',
    title: 'Its title.',
    passages: 'The passages.',
    'KnowledgeDocument.passages': 'How many passages it was split into.',
    document_id: 'The document that contains it.',
    documents: 'The documents, newest first.',
    headings: 'Headings above the passage, from the top.',
    text: 'The passage itself.',
    highlight: 'Pieces of the passage with hits between `**`.',
    rank: 'How well it matches: higher is better.',
    passage_index: 'Place of the passage in its document, from 0.',
    first_line: 'Its first line in the document.',
    last_line: 'Its last line in the document.',
  },
  schemas: () => ({
    StoredDocument: {
      allOf: [
        ref('KnowledgeDocument'),
        {
          type: 'object',
          properties: {
            unchanged: { type: 'boolean', description: 'Whether the document had the same content before.' },
            repeated: REPEATED,
          },
        },
      ],
    },
    DocumentPage: page('documents', 'KnowledgeDocument'),
    Passages: { type: 'object', properties: { passages: listOf('Passage') } },
  }),
  parameters: [[/^\/api\/v1\/knowledge\/documents\//, 'id', { description: 'The document.', schema: UUID_SCHEMA }]],
};
