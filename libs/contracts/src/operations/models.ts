import type {
  DeleteModelRequest,
  GetModelRequest,
  ListModelsReply,
  ListModelsRequest,
  ModelReply,
  PutModelRequest,
} from '../config.js';
import {
  DeleteModelRequestSchema,
  GetModelRequestSchema,
  ListModelsReplySchema,
  ListModelsRequestSchema,
  ModelReplySchema,
  PutModelRequestSchema,
} from '../generated/batuta/config/v1/service_pb.js';
import { defineOperation } from './define.js';

const PATH = '/api/v1/models';

/** The language models that steps use. Only admins decide where a tenant's prompts and its key are sent. */
export const models = {
  list: defineOperation<ListModelsRequest, ListModelsReply>({
    name: 'models.list',
    service: 'config',
    subject: 'batuta.config.model.list',
    kind: 'read',
    role: 'viewer',
    does: 'list models',
    request: ListModelsRequestSchema,
    reply: ListModelsReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      tool: true,
      summary: 'List models',
      answers: [{ status: 200, schema: 'ModelList', says: 'All models, by name.' }],
    },
  }),
  get: defineOperation<GetModelRequest, ModelReply>({
    name: 'models.get',
    service: 'config',
    subject: 'batuta.config.model.get',
    kind: 'read',
    role: 'viewer',
    does: 'see a model',
    request: GetModelRequestSchema,
    reply: ModelReplySchema,
    refuses: ['not_found'],
    askedBy: ['gateway', 'step-runner'],
    http: {
      method: 'GET',
      path: `${PATH}/:name`,
      summary: 'Get a model',
      seen: true,
      answers: [{ status: 200, schema: 'Model', says: 'The model.', etag: true }],
    },
  }),
  put: defineOperation<PutModelRequest, ModelReply>({
    name: 'models.put',
    service: 'config',
    subject: 'batuta.config.model.put',
    kind: 'command',
    role: 'admin',
    does: 'set a model',
    request: PutModelRequestSchema,
    reply: ModelReplySchema,
    refuses: ['conflict'],
    http: {
      method: 'PUT',
      path: `${PATH}/:name`,
      summary: 'Make or change a model',
      description:
        'Steps ask it by its name. `api_key` refers to a secret, `{{secret:NAME}}`, which must be there. What a GET answered may be sent back: `revision`, `tenant_id` and `updated_at` are ignored.',
      compares: true,
      body: {
        schema: 'ModelBody',
        says: 'The model.',
        kept: ['tenant_id', 'revision', 'updated_at'],
        example: {
          provider: 'openai_compatible',
          model: 'llama3.2',
          base_url: 'http://127.0.0.1:11434/v1',
          max_output_tokens: 1_000,
        },
      },
      answers: [
        { status: 201, schema: 'Model', says: 'Made.', etag: true },
        { status: 200, schema: 'Model', says: 'Changed.', etag: true },
      ],
    },
  }),
  delete: defineOperation<DeleteModelRequest, ModelReply>({
    name: 'models.delete',
    service: 'config',
    subject: 'batuta.config.model.delete',
    kind: 'command',
    role: 'admin',
    does: 'delete a model',
    request: DeleteModelRequestSchema,
    reply: ModelReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:name`,
      summary: 'Delete a model',
      description: 'Steps that ask it fail with `model_unknown` from then on.',
      compares: true,
      answers: [{ status: 200, schema: 'Model', says: 'The deleted model.' }],
    },
  }),
} as const;
