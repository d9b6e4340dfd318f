import type { UnreadableEventError } from '@batuta/event-store';
import type { Clock, EngineLog } from '../ports/ports.js';

interface Entry {
  readonly error: UnreadableEventError;
  /** In the clock's elapsed time. Until then the log is not read for it again. */
  until: number;
}

/** After this time the log is read again, because a process of a newer version may have ended it. */
const AGAIN_MS = 30_000;
const MOST_KNOWN = 10_000;

/** Executions that this version cannot read, because their logs have unknown events. Each is logged once. */
export class UnreadableExecutions {
  readonly #parts: { readonly clock: Pick<Clock, 'elapsed'>; readonly log: EngineLog };
  readonly #entries = new Map<string, Entry>();

  constructor(parts: { readonly clock: Pick<Clock, 'elapsed'>; readonly log: EngineLog }) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Why it could not be read a moment ago. */
  lately(id: string): UnreadableEventError | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.until > this.#parts.clock.elapsed() ? entry.error : undefined;
  }

  found(id: string, error: UnreadableEventError): void {
    const until = this.#parts.clock.elapsed() + AGAIN_MS;
    const entry = this.#entries.get(id);
    if (entry !== undefined) {
      entry.until = until;
      return;
    }
    if (this.#entries.size >= MOST_KNOWN) return;
    this.#entries.set(id, { error, until });
    this.#parts.log.error(
      { err: error, execution_id: id, count: this.#entries.size },
      'an execution has events of a newer version, and stands still until a process of that version has its partition',
    );
  }

  readable(id: string): void {
    if (this.#entries.size > 0) this.#entries.delete(id);
  }
}
