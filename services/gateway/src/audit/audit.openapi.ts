import { AuditEntrySchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { page } from '../openapi/openapi-schema.js';

export const auditPart: OpenApiPart = {
  messages: [AuditEntrySchema],
  always: {
    AuditEntry: ['id', 'tenant_id', 'seq', 'at', 'channel', 'action', 'resource', 'outcome', 'link'],
  },
  says: {
    entries: 'The entries.',
    'AuditEntry.id': 'Its id, a UUIDv7.',
    'AuditEntry.tenant_id': 'The tenant whose log has it: the caller’s, or `default` without a valid key.',
    'AuditEntry.seq': 'Its place in the log of the tenant.',
    'AuditEntry.at': 'When it was answered.',
    'AuditEntry.key_id': 'The API key; empty without a valid one.',
    'AuditEntry.user_id': 'Who asked.',
    'AuditEntry.role': 'With which role.',
    'AuditEntry.channel':
      'How the request came: `rest`, `websocket`, `nats`, `command` for a command on the database, or `use` for the use of a secret.',
    'AuditEntry.action': 'Name of the operation.',
    'AuditEntry.resource': 'The resource: a path below /api/v1/.',
    'AuditEntry.revision': 'The `ETag` after the change, if the resource has one.',
    'AuditEntry.outcome': '`succeeded`, `refused` or `failed`.',
    'AuditEntry.code': 'Code of the problem it was refused with.',
    'AuditEntry.address': 'Address of the client.',
    'AuditEntry.request_id': 'The `X-Request-Id` of the answer.',
    'AuditEntry.used_by':
      'What used a secret: `executions/{id}/steps/{step}/agents/{agent}` or `executions/{id}/callbacks/{id}`. Only in entries of such uses.',
    'AuditEntry.link': 'SHA-256 over the link before and this entry, in hexadecimal digits.',
  },
  schemas: () => ({
    AuditPage: page('entries', 'AuditEntry'),
  }),
};
