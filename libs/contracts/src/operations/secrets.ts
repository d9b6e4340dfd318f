import type {
  DeleteSecretRequest,
  GetSecretRequest,
  KnownSecretsReply,
  KnownSecretsRequest,
  ListSecretsReply,
  ListSecretsRequest,
  PutSecretRequest,
  ResolveSecretsReply,
  ResolveSecretsRequest,
  SecretReply,
} from '../config.js';
import {
  DeleteSecretRequestSchema,
  GetSecretRequestSchema,
  KnownSecretsReplySchema,
  KnownSecretsRequestSchema,
  ListSecretsReplySchema,
  ListSecretsRequestSchema,
  PutSecretRequestSchema,
  ResolveSecretsReplySchema,
  ResolveSecretsRequestSchema,
  SecretReplySchema,
} from '../generated/batuta/config/v1/service_pb.js';
import { defineInternal, defineOperation } from './define.js';
import { cursorParameter, limitParameter } from './parameters.js';

const PATH = '/api/v1/secrets';

/**
 * Values that configs and callbacks refer to and must not contain. Operators write configs, so they may read the names
 * of secrets. Nobody can read the values.
 */
export const secrets = {
  list: defineOperation<ListSecretsRequest, ListSecretsReply>({
    name: 'secrets.list',
    service: 'config',
    subject: 'batuta.config.secret.list',
    kind: 'read',
    role: 'operator',
    does: 'list secrets',
    request: ListSecretsRequestSchema,
    reply: ListSecretsReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List secrets, without their values',
      query: { limit: limitParameter(200), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'SecretPage', says: 'A page, by name.' }],
    },
  }),
  get: defineOperation<GetSecretRequest, SecretReply>({
    name: 'secrets.get',
    service: 'config',
    subject: 'batuta.config.secret.get',
    kind: 'read',
    role: 'operator',
    does: 'see secrets',
    request: GetSecretRequestSchema,
    reply: SecretReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:name`,
      summary: 'Get what is known of a secret, without its value',
      seen: true,
      answers: [{ status: 200, schema: 'SecretInfo', says: 'The secret.', etag: true }],
    },
  }),
  put: defineOperation<PutSecretRequest, SecretReply>({
    name: 'secrets.put',
    service: 'config',
    subject: 'batuta.config.secret.put',
    kind: 'command',
    role: 'admin',
    does: 'set a secret',
    request: PutSecretRequestSchema,
    reply: SecretReplySchema,
    refuses: ['conflict', 'not_applicable'],
    http: {
      method: 'PUT',
      path: `${PATH}/:name`,
      summary: 'Make a secret, or give it a new value',
      description:
        'Configs refer to it as `{{secret:NAME}}`. Its value is stored encrypted and comes back in no answer. The fields that a GET answered may be sent back with a new value: they are ignored.',
      compares: true,
      body: {
        schema: 'SecretBody',
        says: 'The value.',
        kept: ['version', 'created_at', 'updated_at', 'last_used_at', 'updated_by'],
        example: { value: 'not-a-real-token', description: 'For the ticket system' },
      },
      answers: [
        { status: 201, schema: 'SecretInfo', says: 'Made.', etag: true },
        { status: 200, schema: 'SecretInfo', says: 'Changed.', etag: true },
      ],
    },
  }),
  delete: defineOperation<DeleteSecretRequest, SecretReply>({
    name: 'secrets.delete',
    service: 'config',
    subject: 'batuta.config.secret.delete',
    kind: 'command',
    role: 'admin',
    does: 'delete a secret',
    request: DeleteSecretRequestSchema,
    reply: SecretReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:name`,
      summary: 'Delete a secret and its value',
      description: 'Steps and callbacks that refer to it fail with `secret_missing` from then on, at most 5 s later.',
      compares: true,
      answers: [{ status: 200, schema: 'SecretInfo', says: 'The deleted secret.' }],
    },
  }),
  /** The values are sent to the services that use them, and never to the gateway. */
  resolve: defineInternal<ResolveSecretsRequest, ResolveSecretsReply>({
    name: 'secrets.resolve',
    service: 'config',
    subject: 'batuta.config.secret.resolve',
    kind: 'read',
    request: ResolveSecretsRequestSchema,
    reply: ResolveSecretsReplySchema,
    askedBy: ['step-runner', 'notifications'],
  }),
  known: defineInternal<KnownSecretsRequest, KnownSecretsReply>({
    name: 'secrets.known',
    service: 'config',
    subject: 'batuta.config.secret.known',
    kind: 'read',
    request: KnownSecretsRequestSchema,
    reply: KnownSecretsReplySchema,
    askedBy: ['notifications'],
  }),
} as const;
