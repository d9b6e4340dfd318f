import { operations } from '@batuta/contracts';
import type { Event, GetStartsReply, StartSummary } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import type { DataSource } from 'typeorm';
import type { ExecutionContext } from '../templates/message.js';
import * as sql from './log-sql.js';

/** Executions that are asked for in one request, at most as many as the execution service answers. */
const ASKED_AT_ONCE = 1_000;

/** An execution that events were read of. */
export interface PageExecution extends ExecutionContext {
  /** Null when its start names none. */
  readonly callback_url: string | null;
  readonly callback_url_gone: boolean;
  /** What the database keeps of it: nothing, or also whether it has ended. */
  readonly kept: 'not' | 'running' | 'ended';
  /** Whether it had an enabled callback of its own. */
  readonly own: boolean;
}

export interface PageExecutions {
  readonly known: ReadonlyMap<string, PageExecution>;
  /** Asked for, and unknown to the execution service too. */
  readonly unknown: ReadonlySet<string>;
  /** Those whose events nobody can judge yet, because the execution service does not answer. */
  readonly unanswered: ReadonlySet<string>;
  /** Why. */
  readonly failure?: UnavailableError;
}

type KeptColumns = Omit<PageExecution, 'kept' | 'own' | 'execution_id'> & { readonly ended: boolean };
type KeptRow = { readonly execution_id: string; readonly own: boolean } & (
  KeptColumns | Record<keyof KeptColumns, null>
);

/**
 * What is known of the executions of these events: what is kept, else what their start says, which is among the events or
 * asked of the execution service. It is asked where somebody may want to hear of the execution: of any when `all`, else of those
 * with a callback of their own, and of those that were retried, whose start may name a callback_url. Throws what the
 * execution service answers instead of starts.
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

/** Columns of notifications.executions. proto-JSON leaves out what is empty. */
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
