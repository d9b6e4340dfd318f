/**
 * SQLSTATEs of a server that cannot serve now: the classes 08 (connection), 53 (resources: connections, disk, memory)
 * and 57P (shutdown, recovery, start), a cancelled statement, a standby that refuses writes, and conflicts that a retry
 * resolves. Source: PostgreSQL's documentation, appendix A.
 */
const SQLSTATE = /^(?:08...|53...|57P..|57014|25006|40001|40P01)$/;
const SYSTEM = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);
/** Errors of pg and its pool that have no code. */
const PG_MESSAGE =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed and is not queryable|Cannot use a pool after calling end|Driver not Connected)/;

/** Whether an error says that PostgreSQL cannot be reached or cannot serve now. False for a mistake in a statement. */
export function isDatabaseOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseOutage);
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  if (typeof code === 'string' && (SQLSTATE.test(code) || SYSTEM.has(code))) return true;
  return PG_MESSAGE.test(error.message) || (driverError !== error && isDatabaseOutage(driverError));
}
