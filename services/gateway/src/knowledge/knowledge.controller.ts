import { operations } from '@batuta/contracts';
import { featureController } from '../routes/feature-controller.js';
import { Problem } from '../http/problem.js';
import { shownDocument } from '../http/shown.js';
import type { DocumentBody } from '../dto/document.dto.js';

export const KnowledgeController = featureController('KnowledgeController', operations.knowledge, {
  put: {
    request: ({ body }) => ({ contentType: (body as unknown as DocumentBody).content_type ?? 'text/markdown' }),
    makes: ({ unchanged = false }) => !unchanged,
    shown: ({ document, unchanged = false, repeated = false }) => ({
      ...shownDocument(document),
      unchanged,
      ...(repeated ? { repeated } : {}),
    }),
  },
  search: {
    request: ({ query: { q } }) => {
      if (typeof q === 'string') return { query: q };
      throw new Problem('validation_failed', 'The query parameter q is required.', {
        errors: [{ path: '/q', message: 'q is required', code: 'required' }],
      });
    },
  },
});
