import { operations } from '@batuta/contracts';
import type { Event, GetStartsReply, StartSummary } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import type { DataSource } from 'typeorm';
import type { ExecutionContext } from '../templates/message.js';
import * as sql from './log-sql.js';

/** Executions in one request, at most as many as the execution service accepts. */
const ASKED_AT_ONCE = 1_000;

/** An execution with events in this reading. */
export interface PageExecution extends ExecutionContext {
  /** Null when its start has none. */
  readonly callback_url: string | null;
  readonly callback_url_gone: boolean;
  /** What the database stores about it: nothing, or whether it runs or has ended. */
  readonly kept: 'not' | 'running' | 'ended';
  /** Whether it had its own enabled callback. */
  readonly own: boolean;
}

export interface PageExecutions {
  readonly known: ReadonlyMap<string, PageExecution>;
  /** Requested, but the execution service does not know them. */
  readonly unknown: ReadonlySet<string>;
  /** Their events cannot be handled yet, because the execution service does not answer. */
  readonly unanswered: ReadonlySet<string>;
  /** Why the execution service did not answer. */
  readonly failure?: UnavailableError;
}

type KeptColumns = Omit<PageExecution, 'kept' | 'own' | 'execution_id'> & { readonly ended: boolean };
type KeptRow = { readonly execution_id: string; readonly own: boolean } & (
  KeptColumns | Record<keyof KeptColumns, null>
);

/**
 * What is known about the executions of these events: the stored facts, else their start, which is among the events or
 * is requested from the execution service. Starts are requested for all executions when `all` is set. Otherwise only
 * for those with their own callback, and for retried ones, whose start may name a callback_url. Throws the error that
 * the execution service answers.
 */
export async function executionsOf(
  { dataSource, control }: { readonly dataSource: DataSource; readonly control: ControlClient },
  events: readonly Event[],
  all: boolean,
): Promise<PageExecutions> {
  const ids = [...new Set(events.map(({ executionId }) => executionId))];
  const rows = await dataSource.query<KeptRow[]>(sql.KEPT, [ids]);
  const known = new Map<string, PageExecution>();
  const asked = new Set<string>();
  for (const row of rows) {
    if (row.own) asked.add(row.execution_id);
    if (row.tenant_id !== null) known.set(row.execution_id, { ...row, kept: row.ended ? 'ended' : 'running' });
  }
  const add = (start: StartSummary): void => {
    known.set(start.executionId, { ...contextOf(start), kept: 'not', own: asked.has(start.executionId) });
  };
  for (const event of events) {
    if (event.type === 'ExecutionRetried' || event.type === 'ExecutionReopened') asked.add(event.executionId);
    if (event.type === 'ExecutionStarted' && !known.has(event.executionId)) {
      add({ ...event.data, executionId: event.executionId });
    }
  }
  const missing = ids.filter((id) => !known.has(id) && (all || asked.has(id)));
  for (let from = 0; from < missing.length; from += ASKED_AT_ONCE) {
    const executionIds = missing.slice(from, from + ASKED_AT_ONCE);
    try {
      const { starts } = await control.request<GetStartsReply>(operations.engine.starts.subject, { executionIds });
      for (const start of starts) add(start);
    } catch (failure) {
      if (!(failure instanceof UnavailableError)) throw failure;
      const answered = missing.slice(0, from);
      return { known, unknown: notIn(known, answered), unanswered: new Set(missing.slice(from)), failure };
    }
  }
  return { known, unknown: notIn(known, missing), unanswered: new Set() };
}

/** Columns of notifications.executions. proto-JSON omits empty values. */
export function contextOf(
  start: Partial<StartSummary> & Pick<StartSummary, 'executionId'>,
): Omit<PageExecution, 'kept' | 'own'> {
  return {
    execution_id: start.executionId,
    tenant_id: start.tenantId ?? '',
    trace_id: start.traceId ?? '',
    config_id: start.configId ?? '',
    config_name: start.configName ?? '',
    user_id: start.userId ?? '',
    callback_url: start.callbackUrl || null,
    callback_url_gone: false,
  };
}

const notIn = (known: ReadonlyMap<string, unknown>, ids: readonly string[]): Set<string> =>
  new Set(ids.filter((id) => !known.has(id)));
