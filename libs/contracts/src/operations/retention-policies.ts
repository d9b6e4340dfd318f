import {
  ListRetentionPoliciesReplySchema,
  ListRetentionPoliciesRequestSchema,
  PutRetentionPolicyRequestSchema,
  RetentionPolicyReplySchema,
  RetentionPolicyRequestSchema,
} from '../generated/batuta/execution/v1/retention_pb.js';
import type {
  ListRetentionPoliciesReply,
  ListRetentionPoliciesRequest,
  PutRetentionPolicyRequest,
  RetentionPolicyReply,
  RetentionPolicyRequest,
} from '../retention.js';
import { defineOperation } from './define.js';

const PATH = '/api/v1/retention-policies';

/**
 * Rules by which executions are deleted or archived automatically. Operators may read them, to know why an execution was deleted.
 * Only admins may change them, as with a deletion by hand.
 */
export const retentionPolicies = {
  list: defineOperation<ListRetentionPoliciesRequest, ListRetentionPoliciesReply>({
    name: 'retentionPolicies.list',
    service: 'execution',
    subject: 'batuta.execution.retention.list',
    kind: 'read',
    role: 'operator',
    does: 'list retention policies',
    request: ListRetentionPoliciesRequestSchema,
    reply: ListRetentionPoliciesReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List retention policies, by name',
      answers: [{ status: 200, schema: 'RetentionPolicies', says: 'All of the tenant.' }],
    },
  }),
  get: defineOperation<RetentionPolicyRequest, RetentionPolicyReply>({
    name: 'retentionPolicies.get',
    service: 'execution',
    subject: 'batuta.execution.retention.get',
    kind: 'read',
    role: 'operator',
    does: 'see a retention policy',
    request: RetentionPolicyRequestSchema,
    reply: RetentionPolicyReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:name`,
      summary: 'Get a retention policy',
      seen: true,
      answers: [{ status: 200, schema: 'RetentionPolicy', says: 'The policy.', etag: true }],
    },
  }),
  put: defineOperation<PutRetentionPolicyRequest, RetentionPolicyReply>({
    name: 'retentionPolicies.put',
    service: 'execution',
    subject: 'batuta.execution.retention.put',
    kind: 'command',
    role: 'admin',
    does: 'set a retention policy',
    request: PutRetentionPolicyRequestSchema,
    reply: RetentionPolicyReplySchema,
    refuses: ['conflict'],
    http: {
      method: 'PUT',
      path: `${PATH}/:name`,
      summary: 'Make a retention policy, or replace it',
      description:
        'Executions that have ended and that it matches are deleted for good, within minutes: with `older_than_ms` those that ended that long ago, with `keep_newest` those that are not among the newest, with both only those that are neither young nor new. With `action` `archive` they are in the archive before, and their bundles stay there. The fields that a GET answered may be sent back: they are ignored.',
      compares: true,
      body: {
        schema: 'RetentionPolicyBody',
        says: 'Which executions.',
        kept: ['version', 'created_at', 'updated_at', 'updated_by'],
        example: { statuses: ['completed'], older_than_ms: 2_592_000_000 },
      },
      answers: [
        { status: 201, schema: 'RetentionPolicy', says: 'Made.', etag: true },
        { status: 200, schema: 'RetentionPolicy', says: 'Replaced.', etag: true },
      ],
    },
  }),
  delete: defineOperation<RetentionPolicyRequest, RetentionPolicyReply>({
    name: 'retentionPolicies.delete',
    service: 'execution',
    subject: 'batuta.execution.retention.delete',
    kind: 'command',
    role: 'admin',
    does: 'delete a retention policy',
    request: RetentionPolicyRequestSchema,
    reply: RetentionPolicyReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:name`,
      summary: 'Delete a retention policy',
      description: 'What it has deleted stays deleted.',
      compares: true,
      answers: [{ status: 200, schema: 'RetentionPolicy', says: 'The deleted policy.' }],
    },
  }),
} as const;
