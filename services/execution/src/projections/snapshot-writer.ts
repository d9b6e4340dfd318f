import { SlotMap } from '@batuta/collections';
import type { SnapshotStore } from '@batuta/event-store';
import { REDUCER_VERSION, encodeLimiterSnapshot, encodeScheduleSnapshot, encodeSnapshot } from '../domain/index.js';
import type { StreamChanges } from '../partitions/lane/batch.js';
import { isExecution } from '../partitions/lane/stream-state.js';
import type { StreamState } from '../partitions/lane/stream-state.js';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';

interface SnapshotWriterParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly snapshots: SnapshotStore;
  /** A snapshot is due when an execution's version passes a multiple of this. */
  readonly everyEvents: number;
}

/** At most this many wait. Without a snapshot, loading only takes longer. */
const MOST_PENDING = 1_000;
const PAUSE_MS = 20;
const PAUSE_AFTER_FAILURE_MS = 2_000;

/** Stores the states of long executions, one at a time, so that writing never delays the commit loop for long. */
export class SnapshotWriter {
  readonly #parts: SnapshotWriterParts;
  readonly #pending = new SlotMap<string, StreamState>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #idle = true;
  #stopped = false;

  constructor(parts: SnapshotWriterParts) {
    this.#parts = parts;
  }

  /** Called for each successful commit. */
  committed({ base, state, execution }: StreamChanges): void {
    const { everyEvents } = this.#parts;
    if (isExecution(state) && state.deleted !== undefined) return void this.#pending.delete(execution.id);
    const before = base?.version ?? 0;
    if (Math.floor(before / everyEvents) === Math.floor(state.version / everyEvents)) return;
    if (this.#stopped || (this.#pending.size >= MOST_PENDING && !this.#pending.has(execution.id))) return;
    this.#pending.set(execution.id, state);
    if (this.#idle) this.#schedule(PAUSE_MS);
  }

  /** Stops writing and drops waiting snapshots. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#pending.clear();
    await this.#running;
  }

  #schedule(ms: number): void {
    this.#idle = this.#stopped;
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#next();
    });
  }

  /** Never rejects. */
  async #next(): Promise<void> {
    let pause = PAUSE_MS;
    const [entry] = this.#pending;
    if (entry !== undefined) {
      const [executionId, state] = entry;
      try {
        await this.#write(executionId, state);
      } catch (error) {
        pause = PAUSE_AFTER_FAILURE_MS;
        this.#parts.log.warn(
          { err: error, execution: executionId },
          'a snapshot cannot be written; loading takes longer',
        );
      }
      if (this.#pending.get(executionId) === state) this.#pending.delete(executionId);
    }
    if (this.#pending.size > 0) this.#schedule(pause);
    else this.#idle = true;
  }

  async #write(executionId: string, state: StreamState): Promise<void> {
    if (!isExecution(state)) {
      await this.#parts.snapshots.writeSnapshot({
        executionId,
        version: state.version,
        reducerVersion: REDUCER_VERSION,
        configId: '',
        configVersion: 0,
        state: state.kind === 'limiter' ? encodeLimiterSnapshot(state) : encodeScheduleSnapshot(state),
      });
      return;
    }
    if (state.started === undefined) return;
    const { configId, configVersion } = state.started;
    await this.#parts.snapshots.writeSnapshot({
      executionId,
      version: state.version,
      reducerVersion: REDUCER_VERSION,
      configId,
      configVersion,
      state: encodeSnapshot(state),
    });
  }
}
