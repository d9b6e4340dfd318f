import { SlotMap } from '@batuta/collections';
import { isTerminalEventType } from '@batuta/contracts';
import type { Event } from '@batuta/contracts';
import { UnreadableEventError } from '@batuta/event-store';
import { SpansRefusedError } from '@batuta/observability';
import type { FinishedSpan, Tracing } from '@batuta/observability';
import type { Pool } from 'pg';
import { OF_EXECUTIONS } from '../store/kinds.js';
import type { ExecutionReader } from '../store/port.js';
import type { ConfigRegistry } from '../partitions/ports/config-registry.js';
import type { Partition } from '../partitions/lane/partition.js';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';
import { ExecutionTrace } from './execution-trace.js';
import { MOVE_CURSORS, OPEN_CURSORS } from './sql.js';

interface TraceProjectionParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Pick<Pool, 'query'>;
  readonly reader: Pick<ExecutionReader, 'readLogs' | 'readStreams'>;
  readonly configs: Pick<ConfigRegistry, 'find'>;
  readonly tracing: Tracing;
  readonly partitions: () => readonly Partition[];
  readonly intervalMs: number;
}

/** Events in one read. */
const PAGE = 500;
/** Events in one export, over all partitions. Their spans are in memory meanwhile. */
const ROUND = 2_000;
/** Traces that stay open between rounds. A forgotten one is computed from the log again when it continues. */
const MOST_OPEN = 5_000;
const LONGEST_PAUSE_MS = 30_000;
const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;

/**
 * Traces as a projection of the log: turns committed events into spans, exports them, and then moves the partition's
 * cursor. After a crash in between, the same spans are exported again with the same ids.
 */
export class TraceProjection {
  readonly #parts: TraceProjectionParts;
  readonly #cursors = new Map<Partition, number>();
  /** Partitions whose cursor is not read yet, with their last position at the takeover. */
  readonly #unread = new Map<Partition, number>();
  /** By execution, least recently used first. Null for executions that are not sampled. */
  readonly #traces = new SlotMap<string, ExecutionTrace | null>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failures = 0;

  constructor(parts: TraceProjectionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Exports the rest if the collector accepts it. Otherwise the partitions' next owners do. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
    if (this.#failures > 0) return;
    try {
      while (await this.#export());
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'the last traces are left to the next owner');
    }
  }

  /** A partition was taken. */
  owned(partition: Partition): void {
    this.#unread.set(partition, partition.committedPosition);
  }

  /** Committed events of owned partitions whose spans are not exported yet. */
  get lag(): number {
    let lag = 0;
    for (const partition of this.#parts.partitions()) {
      const cursor = this.#cursors.get(partition);
      if (cursor !== undefined) lag += Math.max(0, partition.committedPosition - cursor);
    }
    return lag;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#round().then((pause) => this.#schedule(pause));
    });
  }

  /** Returns the milliseconds until the next round. */
  async #round(): Promise<number> {
    const { intervalMs, log } = this.#parts;
    try {
      await this.#openCursors();
      const full = await this.#export();
      this.#failures = 0;
      return full ? 0 : intervalMs;
    } catch (error) {
      // Open traces are ahead of the cursors now, so they are computed again.
      this.#traces.clear();
      this.#failures += 1;
      log.warn({ err: error, lag: this.lag }, 'traces cannot be exported now');
      return Math.min(LONGEST_PAUSE_MS, intervalMs * 2 ** Math.min(this.#failures, 10));
    }
  }

  async #openCursors(): Promise<void> {
    for (const [partition, cursor] of this.#cursors) {
      // This owner or the next one may export the last commits. The spans are the same.
      if (!partition.owned && cursor >= partition.committedPosition) this.#cursors.delete(partition);
    }
    if (this.#unread.size === 0) return;
    const wanted = [...this.#unread];
    const { rows } = await this.#parts.pool.query<{ partition: number; position: string }>(OPEN_CURSORS, [
      wanted.map(([partition]) => partition.id),
      wanted.map(([, position]) => position),
    ]);
    const positions = new Map(rows.map((row) => [row.partition, Number(row.position)]));
    for (const [partition] of wanted) {
      this.#unread.delete(partition);
      if (partition.owned) this.#cursors.set(partition, positions.get(partition.id) ?? 0);
    }
  }

  /** Exports new commits. Returns true when there are more. */
  async #export(): Promise<boolean> {
    const behind = [...this.#cursors].filter(([partition, cursor]) => partition.committedPosition > cursor);
    if (behind.length === 0) return false;
    const limit = Math.min(PAGE, Math.ceil(ROUND / behind.length));
    const cursors = behind.map(([{ id }, after]) => ({ partition: id, after }));
    const pages = await this.#parts.reader.readLogs(cursors, limit, OF_EXECUTIONS);
    const spans: FinishedSpan[] = [];
    for (const { events, unreadable = [] } of pages) {
      // Events of a newer version have no span here. The trace continues when they can be read.
      for (const id of unreadable) this.#traces.set(id, null);
      spans.push(...(await this.#spansOf(events)));
    }
    try {
      await this.#parts.tracing.export(spans);
    } catch (error) {
      if (!(error instanceof SpansRefusedError)) throw error;
      this.#parts.log.error({ err: error, spans: spans.length }, 'spans were refused for good and are lost');
    }
    await this.#parts.pool.query(MOVE_CURSORS, [
      cursors.map(({ partition }) => partition),
      pages.map(({ position }) => position),
    ]);
    for (const [place, [partition, cursor]] of behind.entries()) {
      this.#cursors.set(partition, pages[place]?.position ?? cursor);
    }
    return pages.some(({ events, more }) => more === true || events.length >= limit);
  }

  async #spansOf(events: readonly Event[]): Promise<FinishedSpan[]> {
    await this.#openTraces(events);
    const spans: FinishedSpan[] = [];
    for (const event of events) {
      const trace = this.#traces.get(event.executionId);
      if (trace == null || trace.version >= event.version) continue;
      for (const span of trace.apply(event)) spans.push(span);
    }
    for (const event of events) {
      const trace = this.#traces.get(event.executionId);
      if (trace === undefined) continue;
      this.#traces.delete(event.executionId);
      const ended = trace === null ? isTerminalEventType(event.type) : trace.ended;
      if (!ended) this.#traces.set(event.executionId, trace);
    }
    for (const id of this.#traces.keys()) {
      if (this.#traces.size <= MOST_OPEN) break;
      this.#traces.delete(id);
    }
    return spans;
  }

  /** The logs of executions. Unreadable ones have no entry. */
  async #historiesOf(ids: readonly string[]): Promise<Map<string, Event[]>> {
    if (ids.length === 0) return new Map();
    try {
      return await this.#parts.reader.readStreams(ids);
    } catch (error) {
      if (!(error instanceof UnreadableEventError)) throw error;
      return this.#historiesOf(ids.filter((id) => id !== error.executionId));
    }
  }

  /** Opens the traces of events. Traces of running executions are computed up to these events. */
  async #openTraces(events: readonly Event[]): Promise<void> {
    const firsts = new Map<string, Event>();
    for (const event of events) {
      if (!this.#traces.has(event.executionId) && !firsts.has(event.executionId)) firsts.set(event.executionId, event);
    }
    const older = [...firsts.values()].filter((event) => event.version > 1).map((event) => event.executionId);
    const histories = await this.#historiesOf(older);
    for (const [id, first] of firsts) {
      const before = first.version === 1 ? [first] : (histories.get(id) ?? []);
      const [started] = before;
      if (started?.type !== 'ExecutionStarted') continue;
      const { traceId, configId, configVersion } = started.data;
      if (!TRACE_ID.test(traceId) || !this.#parts.tracing.sampled(traceId)) {
        this.#traces.set(id, null);
        continue;
      }
      const found = await this.#parts.configs.find(configId, configVersion);
      if (found.kind === 'unavailable') throw new Error(`config ${configId} cannot be read: ${found.message}`);
      if (found.kind === 'missing') continue;
      const trace = new ExecutionTrace(started, found.config);
      for (const event of before) if (event.version < first.version) trace.apply(event);
      this.#traces.set(id, trace);
    }
  }
}
