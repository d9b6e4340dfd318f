import { isTerminal } from '../domain/index.js';
import type { ExecutionStatus } from '@batuta/contracts';
import type { ListCursor } from './cursor.js';

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

/** Collects the parameters of a statement that depends on the given filters. */
class Parameters {
  readonly values: unknown[] = [];

  /** The placeholder of a value in the statement. */
  add(value: unknown, type = 'text'): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

export interface ExecutionFilters {
  readonly tenantId: string;
  readonly configId?: string | undefined;
  readonly configName?: string | undefined;
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly parentId?: string | undefined;
  readonly statuses: readonly ExecutionStatus[];
  /** Epoch ms, inclusive and exclusive. */
  readonly createdFrom?: number | undefined;
  readonly createdTo?: number | undefined;
  readonly after?: ListCursor | undefined;
  readonly limit: number;
  /** Items to skip. */
  readonly offset?: number | undefined;
}

const EXECUTIONS = 'execution.orchestration_executions';
/** Those that have not ended, with what lists filter by. */
const UNFINISHED = 'execution.unfinished_executions';
/** Of the event that starts a child: its parent. In the form of the index. */
const IS_CHILD = `e.type = 'ExecutionStarted' AND e.data ? 'parent' AND e.data->'parent'->>'executionId'`;
const NEWEST_FIRST = 'ORDER BY created_at DESC, id DESC';
const EVERY_STATUS: readonly ExecutionStatus[] = [
  'pending',
  'running',
  'paused',
  'compensation',
  'completed',
  'failed',
  'cancelled',
];
/** How many running steps of an execution a list shows. */
const MOST_CURRENT_STEPS = 5;
/** Characters of a failure's message in a list. */
const SHOWN_MESSAGE = 1_000;

/**
 * One page of a tenant's executions, newest first, with the failure of each failed one and the running steps of each
 * that has not ended.
 *
 * Ended executions (without a wake-up) have an index for each filter. An execution enters these indexes once, at its
 * end, so that earlier commits do not pay for them. The others are found in a table of their own, which has the same
 * indexes. Each part is in the order of the list, and read separately, because otherwise the planner may scan all
 * executions in the hope of an early match.
 */
export function listExecutions(filters: ExecutionFilters): Statement {
  const parameters = new Parameters();
  const { statuses, limit, offset = 0 } = filters;
  const { range, only } = conditionsOf(filters, parameters);
  const place = parameters.add(limit + offset, 'int');
  const passing = offset === 0 ? undefined : parameters.add(offset, 'int');
  const answer = (rows: string): Statement => ({
    text: shown(passing === undefined ? rows : `SELECT * FROM (${rows}) AS counted ${NEWEST_FIRST} OFFSET ${passing}`),
    values: parameters.values,
  });
  const page = (where: readonly string[], columns: string, from: string): string =>
    `SELECT ${columns} FROM ${from} WHERE ${where.join(' AND ')} ${NEWEST_FIRST} LIMIT ${place}`;
  const filtered = only.length > 0 || statuses.length > 0;
  if (!filtered) return answer(page(range, '*', EXECUTIONS));

  const parts = halvesOf(statuses).flatMap(({ table, half, some }) => {
    const where = [...range, ...only, ...half];
    // One by one, because each is in the order of the list.
    const each = statuses.length === 0 ? [where] : some.map((status) => [...where, statusIs(status, parameters)]);
    return each.map((conditions) =>
      table === EXECUTIONS
        ? page(conditions, '*', table)
        : `SELECT x.* FROM (${page(conditions, 'id', table)}) AS found JOIN ${EXECUTIONS} x USING (id)`,
    );
  });
  const together = parts.map((part) => `(${part})`).join('\nUNION ALL\n');
  return answer(`SELECT * FROM (${together}) AS parts ${NEWEST_FIRST} LIMIT ${place}`);
}

/** How many of a tenant's executions match on all pages. The parts are as above, and each is counted by its index. */
export function countExecutions(filters: ExecutionFilters): Statement {
  const parameters = new Parameters();
  const { statuses } = filters;
  const { range, only } = conditionsOf({ ...filters, after: undefined }, parameters);
  const count = (where: readonly string[], from: string): string =>
    `(SELECT count(*) FROM ${from} WHERE ${where.join(' AND ')})`;
  const parts: string[] = [];
  if (only.length === 0 && statuses.length === 0) {
    parts.push(count(range, EXECUTIONS));
  } else {
    for (const { table, half, some } of halvesOf(statuses)) {
      const status = statuses.length === 0 ? [] : [`status = ANY(${parameters.add(some, 'text[]')})`];
      parts.push(count([...range, ...only, ...half, ...status], table));
    }
  }
  return { text: `SELECT (${parts.join(' + ')})::float8 AS total`, values: parameters.values };
}

interface Half {
  readonly table: typeof EXECUTIONS | typeof UNFINISHED;
  readonly half: readonly string[];
  readonly some: readonly ExecutionStatus[];
}

/** Where ended executions and the others are found, without the half that none of the given statuses needs. */
function halvesOf(statuses: readonly ExecutionStatus[]): readonly Half[] {
  const asked = statuses.length === 0 ? EVERY_STATUS : statuses;
  const halves: readonly Half[] = [
    { table: EXECUTIONS, half: ['wake_at IS NULL'], some: asked.filter(isTerminal) },
    { table: UNFINISHED, half: [], some: asked.filter((status) => !isTerminal(status)) },
  ];
  return halves.filter(({ some }) => some.length > 0);
}

const statusIs = (status: ExecutionStatus, parameters: Parameters): string => `status = ${parameters.add(status)}`;

/** Conditions for the page's position, and for the filters with an index each. */
function conditionsOf(
  filters: ExecutionFilters,
  parameters: Parameters,
): { readonly range: readonly string[]; readonly only: readonly string[] } {
  const { tenantId, configId, configName, userId, sessionId, parentId, createdFrom, createdTo, after } = filters;
  // A deleted execution has a row until it is removed.
  const range = [`tenant_id = ${parameters.add(tenantId)}`, `status <> 'deleted'`];
  if (createdFrom !== undefined) range.push(`created_at >= ${parameters.add(new Date(createdFrom), 'timestamptz')}`);
  if (createdTo !== undefined) range.push(`created_at < ${parameters.add(new Date(createdTo), 'timestamptz')}`);
  if (after !== undefined) {
    const at = parameters.add(new Date(after.createdAt), 'timestamptz');
    range.push(`(created_at, id) < (${at}, ${parameters.add(after.id, 'uuid')})`);
  }
  const only: string[] = [];
  if (configId !== undefined) only.push(`config_id = ${parameters.add(configId)}`);
  if (configName !== undefined) only.push(`config_name = ${parameters.add(configName)}`);
  if (userId !== undefined) only.push(`user_id = ${parameters.add(userId)}`);
  if (sessionId !== undefined) only.push(`session_id = ${parameters.add(sessionId)}`);
  if (parentId !== undefined) {
    // Few executions have children, so their starts have an index, and no row has another column.
    const children = `SELECT e.execution_id FROM execution.events e WHERE ${IS_CHILD} = ${parameters.add(parentId)}`;
    only.push(`id = ANY(ARRAY(${children}))`);
  }
  return { range, only };
}

/** A page together with its additional columns. */
function shown(page: string): string {
  return `
WITH page AS MATERIALIZED (${page})
SELECT page.id, page.trace_id, page.config_id, page.config_name, page.status, page.user_id, page.session_id,
  page.tenant_id, page.created_at, page.started_at, page.completed_at, page.paused_at, page.total_latency_ms,
  page.estimated_cost, page.created_by, coalesce(page.token_count, 0) AS token_count,
  failed.step_id AS failed_step_id, failed.code AS failure_code, failed.message AS failure_message,
  failed.retryable AS failure_retryable, run.step_name AS failed_step_name, run.agent_id AS failed_agent,
  run.retry_count + (run.started_at IS NOT NULL)::int AS failed_attempts, current.steps AS current_steps,
  first.parent_id, restored.at AS restored_at,
  failed.step_id IS NULL OR EXISTS (
    SELECT FROM execution.orchestration_step_runs s WHERE s.execution_id = page.id AND s.version >= page.version
  ) AS failure_is_projected
FROM page
LEFT JOIN LATERAL (
  SELECT e.data->'parent'->>'executionId' AS parent_id FROM execution.events e
  WHERE e.execution_id = page.id AND e.version = 1
) AS first ON true
LEFT JOIN LATERAL (
  SELECT e.at, (e.data->>'endedVersion')::int AS ended_version FROM execution.events e
  WHERE e.execution_id = page.id AND e.version = page.version AND e.type = 'ExecutionRestored'
) AS restored ON page.wake_at IS NULL
LEFT JOIN LATERAL (
  SELECT e.data->>'stepId' AS step_id, e.data->'failure'->>'code' AS code,
    left(e.data->'failure'->>'message', ${SHOWN_MESSAGE}) AS message, e.data->'failure'->'retryable' AS retryable
  FROM execution.events e
  WHERE e.execution_id = page.id AND e.version = coalesce(restored.ended_version, page.version)
    AND e.type = 'ExecutionFailed'
) AS failed ON page.status = 'failed'
LEFT JOIN LATERAL (
  SELECT s.step_name, s.agent_id, s.retry_count, s.started_at FROM execution.orchestration_step_runs s
  WHERE s.execution_id = page.id AND s.step_id = failed.step_id
) AS run ON failed.step_id IS NOT NULL
LEFT JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_object('stepId', s.step_id, 'stepName', s.step_name, 'agentId', s.agent_id,
    'status', s.status, 'attempt', s.retry_count + 1, 'awaitingApproval', s.approval_requested_at IS NOT NULL)
    ORDER BY s.step_index) AS steps
  FROM (
    SELECT * FROM execution.orchestration_step_runs r
    WHERE r.execution_id = page.id AND r.status IN ('running', 'paused') ORDER BY r.step_index LIMIT ${MOST_CURRENT_STEPS}
  ) AS s
) AS current ON page.wake_at IS NOT NULL
${NEWEST_FIRST.replace('created_at', 'page.created_at').replace(', id', ', page.id')}`;
}

export interface ApprovalFilters {
  readonly tenantId: string;
  readonly configId?: string | undefined;
  readonly configName?: string | undefined;
  readonly executionId?: string | undefined;
  /** Approvals that this user may decide. */
  readonly approver?: string | undefined;
  readonly after?: ListCursor | undefined;
  readonly limit: number;
}

const OLDEST_FIRST = 'ORDER BY approval_requested_at, id';

/** One page of a tenant's waiting approvals, oldest first. Each filter has an index of waiting approvals. */
export function listApprovals(filters: ApprovalFilters): Statement {
  const parameters = new Parameters();
  const { tenantId, configId, configName, executionId, approver, after, limit } = filters;
  const where = ['approval_requested_at IS NOT NULL', `approval_tenant_id = ${parameters.add(tenantId)}`];
  if (configId !== undefined) where.push(`approval_config_id = ${parameters.add(configId)}`);
  if (configName !== undefined) where.push(`approval_config_name = ${parameters.add(configName)}`);
  if (executionId !== undefined) where.push(`execution_id = ${parameters.add(executionId, 'uuid')}`);
  if (after !== undefined) {
    const at = parameters.add(new Date(after.createdAt), 'timestamptz');
    where.push(`(approval_requested_at, id) > (${at}, ${parameters.add(after.id, 'uuid')})`);
  }
  const place = parameters.add(limit, 'int');
  const page = (more: readonly string[], from = 'execution.orchestration_step_runs'): string =>
    `SELECT * FROM ${from} WHERE ${[...where, ...more].join(' AND ')} ${OLDEST_FIRST} LIMIT ${place}`;
  let rows = page([]);
  if (approver !== undefined) {
    // Read separately: those of one user by the names in the lists, and those open to all operators in their order.
    const named = `SELECT * FROM execution.orchestration_step_runs
  WHERE approval_requested_at IS NOT NULL AND approval_approvers ? ${parameters.add(approver)}`;
    rows = `WITH named AS MATERIALIZED (${named})
SELECT * FROM ((${page([], 'named')})
UNION ALL
(${page(['approval_approvers IS NULL'])})) AS parts ${OLDEST_FIRST} LIMIT ${place}`;
  }
  return {
    text: `
WITH page AS MATERIALIZED (${rows})
SELECT s.id, s.execution_id, s.step_id, s.step_name, e.config_id, e.config_name, e.status, s.approval_message,
  s.approval_approvers, s.approval_requested_at, s.approval_deadline_at
FROM page s
JOIN execution.orchestration_executions e ON e.id = s.execution_id
ORDER BY s.approval_requested_at, s.id`,
    values: parameters.values,
  };
}
