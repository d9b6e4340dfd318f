import { AUDIT_BATCH, AUDIT_OUTCOMES } from '../audit.js';
import type { AppendAuditReply, AppendAuditRequest, ListAuditReply, ListAuditRequest } from '../audit.js';
import {
  AppendAuditReplySchema,
  AppendAuditRequestSchema,
  ListAuditReplySchema,
  ListAuditRequestSchema,
} from '../generated/batuta/config/v1/audit_pb.js';
import { defineInternal, defineOperation } from './define.js';
import { cursorParameter, limitParameter, textParameter, timeParameter, wordParameter } from './parameters.js';

/** Query parameters for a list and an export of the audit log. */
export const AUDIT_FILTERS = {
  tenant_id: textParameter(
    'Whose log; default: your own. Other tenants are for admins of the tenant `default`.',
    40,
    'acme',
  ),
  user_id: textParameter('Only what this user asked for.'),
  key_id: textParameter('Only what was asked for with this API key.'),
  action: textParameter('Only this operation, by its name.', 255, 'configs.update'),
  resource: textParameter('Only what was about this resource: a path below /api/v1/.', 512, 'secrets/TICKET_TOKEN'),
  execution_id: textParameter('Only uses of secrets by this execution.', 36, '0193f3c1-1111-7000-8000-000000000000'),
  outcome: wordParameter('Only what came to this.', AUDIT_OUTCOMES),
  from: timeParameter('Only from this time on.'),
  before: timeParameter('Only before this time.'),
} as const;

/** The record of changes and refusals. */
export const audit = {
  list: defineOperation<ListAuditRequest, ListAuditReply>({
    name: 'audit.list',
    service: 'config',
    subject: 'batuta.config.audit.list',
    kind: 'read',
    role: 'admin',
    does: 'read the audit log',
    request: ListAuditRequestSchema,
    reply: ListAuditReplySchema,
    // For the log of another tenant, which the caller may not be allowed to know.
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: '/api/v1/audit',
      summary: 'List entries of the audit log, newest first',
      description: 'An entry is there within a second after its answer. It holds no bodies and no values.',
      query: { ...AUDIT_FILTERS, limit: limitParameter(AUDIT_BATCH), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'AuditPage', says: 'A page.' }],
    },
  }),
  append: defineInternal<AppendAuditRequest, AppendAuditReply>({
    name: 'audit.append',
    service: 'config',
    subject: 'batuta.config.audit.append',
    kind: 'command',
    request: AppendAuditRequestSchema,
    reply: AppendAuditReplySchema,
    // Engines report requests with a token that they did not issue.
    askedBy: ['gateway', 'execution'],
  }),
} as const;
