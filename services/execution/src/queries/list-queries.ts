import { EXECUTION_STATUSES } from '@batuta/contracts';
import type {
  ListApprovalsReply,
  ListApprovalsRequest,
  ListExecutionsReply,
  ListExecutionsRequest,
} from '@batuta/contracts';
import type { Queryable, TenantPool } from '@batuta/service';
import { failedNode } from '../domain/index.js';
import type { Failed } from '../domain/index.js';
import { isUuid } from '../messages/fields.js';
import { decodeListCursor, encodeListCursor } from './cursor.js';
import { fittingApprovals } from './fit-reply.js';
import { countExecutions, listApprovals, listExecutions } from './list-sql.js';
import type { ExecutionFilters } from './list-sql.js';
import { BAD_CURSOR, clamp, isTime, wrong } from './request-rules.js';
import { approvalSummary, executionSummary, failedOf } from './summaries.js';
import type { ApprovalRow, SummaryRow } from './summaries.js';
import type { TenantExecutions } from './tenant-executions.js';

/** Largest offset of a list. */
const MAX_OFFSET = 1_000_000;

/** Answers lists from the projections, each with a tenant's rights. */
export class ListQueries {
  readonly #pool: Pick<TenantPool, 'seen'>;
  readonly #executions: TenantExecutions;

  constructor(pool: Pick<TenantPool, 'seen'>, executions: TenantExecutions) {
    this.#pool = pool;
    this.#executions = executions;
  }

  async executions(request: ListExecutionsRequest): Promise<ListExecutionsReply> {
    const cursor = request.cursor ? decodeListCursor('executions', request.cursor) : undefined;
    if (request.cursor && cursor === undefined) {
      return { executions: [], ...BAD_CURSOR };
    }
    const statuses = request.status ?? [];
    const unknown = statuses.find((status) => !EXECUTION_STATUSES.includes(status));
    if (unknown !== undefined) {
      return { executions: [], ...wrong('/status', 'not_allowed', `must be one of ${EXECUTION_STATUSES.join(', ')}`) };
    }
    for (const [path, at] of [
      ['/created_from', request.createdFrom],
      ['/created_to', request.createdTo],
    ] as const) {
      if (at !== undefined && !isTime(at)) return { executions: [], ...wrong(path, 'out_of_range', 'is no time') };
    }
    const limit = clamp(request.limit, 50, 200);
    // Planned again each time, because a generic plan would not know how rare the given values are.
    const filters: ExecutionFilters = {
      tenantId: request.tenantId,
      configId: request.configId || undefined,
      configName: request.configName || undefined,
      userId: request.userId || undefined,
      sessionId: request.sessionId || undefined,
      parentId: request.parentId || undefined,
      statuses,
      createdFrom: request.createdFrom || undefined,
      createdTo: request.createdTo || undefined,
      after: cursor,
      limit: limit + 1,
      offset: clamp(request.offset, 0, MAX_OFFSET),
    };
    const { tenantId } = request;
    const { rows } = await this.#pool.seen({ tenantId }).query<SummaryRow>(listExecutions(filters));
    const total = request.withTotal === true ? await this.#total(filters) : {};
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      executions: await Promise.all(page.map(async (row) => executionSummary(row, await this.#failed(row)))),
      ...total,
      ...(rows.length > limit && last !== undefined
        ? { nextCursor: encodeListCursor('executions', { createdAt: last.created_at.getTime(), id: last.id }) }
        : {}),
    };
  }

  /** What failed, from its step runs, or from its events while the step runs are not written yet. */
  async #failed(row: SummaryRow): Promise<Failed> {
    if (row.failed_step_id === null || row.failure_is_projected) return failedOf(row);
    // An unreadable execution does not keep the others from the list.
    const state = await this.#executions.current(row.tenant_id, row.id).catch(() => undefined);
    return state === undefined ? failedOf(row) : failedNode(state, row.failed_step_id);
  }

  async #total(filters: ExecutionFilters): Promise<{ total: number }> {
    const { tenantId } = filters;
    const lists = this.#pool.seen({ tenantId });
    const { rows } = await lists.query<{ total: number }>(countExecutions(filters));
    return { total: rows[0]?.total ?? 0 };
  }

  /**
   * Waiting approvals from the projection. One that was requested or decided a moment ago may be missing or still
   * there.
   */
  async approvals(request: ListApprovalsRequest): Promise<ListApprovalsReply> {
    const cursor = request.cursor ? decodeListCursor('approvals', request.cursor) : undefined;
    if (request.cursor && cursor === undefined) {
      return { approvals: [], ...BAD_CURSOR };
    }
    if (request.executionId && !isUuid(request.executionId)) return { approvals: [] };
    const limit = clamp(request.limit, 50, 200);
    const { tenantId } = request;
    const lists = this.#pool.seen({ tenantId });
    // Row level security would prevent the use of the index of approvers. So rows are found as for all tenants, and
    // then read as the tenant sees them.
    const searched = request.approver ? this.#pool.seen('everybody') : lists;
    const found = await searched.query<ApprovalRow>(
      listApprovals({
        tenantId,
        configId: request.configId || undefined,
        configName: request.configName || undefined,
        executionId: request.executionId || undefined,
        approver: request.approver || undefined,
        after: cursor,
        limit: limit + 1,
      }),
    );
    const rows = request.approver ? await seenBy(lists, found.rows) : found.rows;
    const approvals = fittingApprovals(rows.slice(0, limit).map(approvalSummary));
    const last = rows[approvals.length - 1];
    return {
      approvals,
      ...(rows.length > approvals.length && last !== undefined
        ? {
            nextCursor: encodeListCursor('approvals', { createdAt: last.approval_requested_at.getTime(), id: last.id }),
          }
        : {}),
    };
  }
}

/** Those whose execution the tenant sees. */
async function seenBy(lists: Queryable, rows: readonly ApprovalRow[]): Promise<ApprovalRow[]> {
  if (rows.length === 0) return [];
  const seen = await lists.query<{ id: string }>(
    'SELECT id FROM execution.orchestration_executions WHERE id = ANY($1::uuid[])',
    [[...new Set(rows.map((row) => row.execution_id))]],
  );
  const ids = new Set(seen.rows.map(({ id }) => id));
  return rows.filter((row) => ids.has(row.execution_id));
}
