import type {
  ApiKeyReply,
  AuthenticateReply,
  AuthenticateRequest,
  CreateApiKeyReply,
  CreateApiKeyRequest,
  GetApiKeyRequest,
  ListApiKeysReply,
  ListApiKeysRequest,
  RevokeApiKeyRequest,
} from '../config.js';
import {
  ApiKeyReplySchema,
  AuthenticateReplySchema,
  AuthenticateRequestSchema,
  CreateApiKeyReplySchema,
  CreateApiKeyRequestSchema,
  GetApiKeyRequestSchema,
  ListApiKeysReplySchema,
  ListApiKeysRequestSchema,
  RevokeApiKeyRequestSchema,
} from '../generated/batuta/config/v1/service_pb.js';
import { defineInternal, defineOperation } from './define.js';
import { cursorParameter, limitParameter } from './parameters.js';

const PATH = '/api/v1/api-keys';

/** API keys and their roles. */
export const apiKeys = {
  create: defineOperation<CreateApiKeyRequest, CreateApiKeyReply>({
    name: 'apiKeys.create',
    service: 'config',
    subject: 'batuta.config.key.create',
    kind: 'command',
    role: 'admin',
    does: 'create an API key',
    request: CreateApiKeyRequestSchema,
    reply: CreateApiKeyReplySchema,
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Make an API key',
      description:
        'The answer is the only place where the key itself is shown; a repeat under the same `Idempotency-Key` has everything else. When the first answer was lost, revoke that key and make another.',
      once: 'secret',
      secret: true,
      body: { schema: 'ApiKeyBody', says: 'The key.', example: { user_id: 'ada', role: 'operator', name: 'laptop' } },
      answers: [{ status: 201, schema: 'NewApiKey', says: 'The key.', etag: true }],
    },
  }),
  list: defineOperation<ListApiKeysRequest, ListApiKeysReply>({
    name: 'apiKeys.list',
    service: 'config',
    subject: 'batuta.config.key.list',
    kind: 'read',
    role: 'admin',
    does: 'list API keys',
    request: ListApiKeysRequestSchema,
    reply: ListApiKeysReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: "List the tenant's API keys, without the keys themselves",
      query: { limit: limitParameter(200), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'ApiKeyPage', says: 'A page, the newest first; revoked ones too.' }],
    },
  }),
  get: defineOperation<GetApiKeyRequest, ApiKeyReply>({
    name: 'apiKeys.get',
    service: 'config',
    subject: 'batuta.config.key.get',
    kind: 'read',
    role: 'admin',
    does: 'read API keys',
    request: GetApiKeyRequestSchema,
    reply: ApiKeyReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:id`,
      summary: 'Get an API key, without the key itself',
      seen: true,
      answers: [{ status: 200, schema: 'ApiKey', says: 'The key, also when it was revoked.', etag: true }],
    },
  }),
  revoke: defineOperation<RevokeApiKeyRequest, ApiKeyReply>({
    name: 'apiKeys.revoke',
    service: 'config',
    subject: 'batuta.config.key.revoke',
    kind: 'command',
    role: 'admin',
    does: 'revoke an API key',
    request: RevokeApiKeyRequestSchema,
    reply: ApiKeyReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:id`,
      summary: 'Revoke an API key',
      description: 'Open WebSockets of the key are closed.',
      compares: true,
      answers: [{ status: 200, schema: 'ApiKey', says: 'The revoked key.', etag: true }],
    },
  }),
  authenticate: defineInternal<AuthenticateRequest, AuthenticateReply>({
    name: 'apiKeys.authenticate',
    service: 'config',
    subject: 'batuta.config.key.authenticate',
    kind: 'read',
    request: AuthenticateRequestSchema,
    reply: AuthenticateReplySchema,
    askedBy: ['gateway'],
  }),
} as const;
