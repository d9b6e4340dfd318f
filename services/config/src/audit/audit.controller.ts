import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { AuditLog } from './audit-log.js';

export const AuditController = operationsController('AuditController', operations.audit, AuditLog, {
  list: (log, { principal, ...asked }) => log.list(principal, asked),
  append: async (log, { entries }) => ({ stored: await log.append(entries) }),
});
