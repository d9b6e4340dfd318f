import type { Refusal } from '@batuta/contracts';
import type { LargeFields } from '@batuta/event-store';
import { deletedRejection } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { StreamLoader } from '../partitions/lane/execution-loader.js';
import type { ExecutionSource } from '../partitions/lane/fold-execution.js';
import { isExecution } from '../partitions/lane/stream-state.js';
import type { StreamState } from '../partitions/lane/stream-state.js';
import { WITHOUT_LARGE } from '../store/large-fields.js';

/** Executions read with one statement. Each of them may be large. */
const READ_TOGETHER = 20;

/** Reads executions from the log with the rights of the tenant that asks. */
export class TenantExecutions {
  readonly #sourceOf: (tenantId: string, leaveOut?: LargeFields) => ExecutionSource;
  /** For each tenant that asks now: concurrent queries are read with one statement, which sees one tenant's rows. */
  readonly #loaders = new Map<string, { readonly loader: StreamLoader; asking: number }>();

  constructor(sourceOf: (tenantId: string, leaveOut?: LargeFields) => ExecutionSource) {
    this.#sourceOf = sourceOf;
  }

  source(tenantId: string): ExecutionSource {
    return this.#sourceOf(tenantId);
  }

  /** Without payloads that are too large for a list. */
  smallSource(tenantId: string): ExecutionSource {
    return this.#sourceOf(tenantId, WITHOUT_LARGE);
  }

  /** The current state of an execution. Undefined when it does not exist, or is another kind of stream. */
  current(tenantId: string, id: string): Promise<State | undefined> {
    return this.#load(tenantId, id, () => this.source(tenantId));
  }

  /** The same without payloads that are too large for a list. Each has a mark in its place. */
  currentSmall(tenantId: string, id: string): Promise<State | undefined> {
    return this.#load(`${tenantId} small`, id, () => this.smallSource(tenantId));
  }

  async #load(key: string, id: string, source: () => ExecutionSource): Promise<State | undefined> {
    let entry = this.#loaders.get(key);
    if (entry === undefined) {
      const loader = new StreamLoader(source(), setImmediate, READ_TOGETHER, 2, false);
      this.#loaders.set(key, (entry = { loader, asking: 0 }));
    }
    entry.asking += 1;
    let state: StreamState | undefined;
    try {
      state = (await entry.loader.load(id))?.state;
    } finally {
      entry.asking -= 1;
      if (entry.asking === 0) this.#loaders.delete(key);
    }
    return state !== undefined && isExecution(state) ? state : undefined;
  }

  /** The refusal for a tenant's deleted execution, whether its events are removed already or not. */
  async deleted(tenantId: string, executionId: string): Promise<{ refused: Refusal } | undefined> {
    const { reader } = this.#sourceOf(tenantId);
    const [newest] = await reader.readNewest([executionId]);
    if (newest?.type !== 'ExecutionDeleted') return undefined;
    const [event] = await reader.readEvents(executionId, newest.version, 1);
    if (event?.type !== 'ExecutionDeleted' || event.data.tenantId !== tenantId) return undefined;
    const { at, commandId, data: facts } = event;
    const refusal = deletedRejection({ deleted: { at, commandId, facts } });
    return refusal === undefined ? undefined : { refused: refusal };
  }
}
