import { AUDIT_BATCH, newId, operations } from '@batuta/contracts';
import type { AppendAuditReply, NewAuditEntry } from '@batuta/contracts';
import { counter, gauge } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import type { Backend } from '../backend/backend.js';

export type AuditRecord = Omit<NewAuditEntry, 'id' | 'at'>;

interface AuditWriterOptions {
  readonly backend: Pick<Backend, 'probe'>;
  readonly logger: Logger;
  /** How many entries may wait to be stored. */
  readonly capacity: number;
}

/** How long an entry waits for others, so that they are stored together, in milliseconds. */
const GATHER_MS = 100;
const ANSWER_MS = 5_000;
const AGAIN_FIRST_MS = 250;
const AGAIN_LONGEST_MS = 5_000;

const written = counter('batuta_gateway_audit_entries_total', 'Entries of the audit log that were stored.');
const failures = counter(
  'batuta_gateway_audit_failures_total',
  'Attempts to store entries of the audit log that failed.',
);
const dropped = counter(
  'batuta_gateway_audit_dropped_total',
  'Attempts without a valid key that were not recorded, because too many entries wait to be stored.',
);
const waiting = gauge('batuta_gateway_audit_waiting', 'Entries of the audit log that wait to be stored.');

/**
 * Sends entries of the audit log to the config service, many at a time, after the answers that they describe. While
 * this is not possible, they wait in memory. When the memory is used up, `full` says that no further change is allowed
 * (ADR 0038).
 */
export class AuditWriter {
  readonly #options: AuditWriterOptions;
  readonly #waiting: NewAuditEntry[] = [];
  /** How many of the waiting entries come from requests without a valid key. */
  #nameless = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #againMs = AGAIN_FIRST_MS;
  #closed = false;

  constructor(options: AuditWriterOptions) {
    this.#options = options;
  }

  /** Whether there is no room for another entry. Then every request that would make one must be refused. */
  get full(): boolean {
    return this.#waiting.length >= this.#options.capacity;
  }

  record(record: AuditRecord): void {
    const nameless = record.userId === undefined;
    // Requests without a key must not be able to block those with a key.
    if (nameless && this.#nameless * 4 >= this.#options.capacity) {
      dropped.inc();
      return;
    }
    if (nameless) this.#nameless += 1;
    this.#waiting.push({ ...record, id: newId(), at: Date.now() });
    waiting.set(this.#waiting.length);
    if (this.#waiting.length >= AUDIT_BATCH) this.#send();
    else this.#later(GATHER_MS);
  }

  /** Stores the waiting entries, for at most `limitMs`. */
  async close(limitMs: number): Promise<void> {
    this.#closed = true;
    const until = performance.now() + limitMs;
    while (this.#waiting.length > 0 && performance.now() < until) {
      this.#send();
      await this.#sending;
    }
    clearTimeout(this.#timer);
    if (this.#waiting.length > 0) {
      this.#options.logger.error(
        { entries: this.#waiting.length },
        'entries of the audit log are lost with this process',
      );
    }
  }

  #later(ms: number): void {
    if (this.#closed || this.#sending !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, ms);
  }

  #send(): void {
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const entries = this.#waiting.slice(0, AUDIT_BATCH);
    let pauseMs = 0;
    this.#sending = this.#options.backend
      .probe<AppendAuditReply>(operations.audit.append.subject, { entries }, ANSWER_MS)
      .then(() => {
        this.#waiting.splice(0, entries.length);
        this.#nameless -= entries.filter(({ userId }) => userId === undefined).length;
        waiting.set(this.#waiting.length);
        written.inc(entries.length);
        this.#againMs = AGAIN_FIRST_MS;
        pauseMs = this.#waiting.length >= AUDIT_BATCH ? 0 : GATHER_MS;
      })
      .catch((error: unknown) => {
        failures.inc();
        // One line for the first failure of a series. The metric counts the others.
        if (this.#againMs === AGAIN_FIRST_MS) {
          this.#options.logger.error({ err: error, entries: this.#waiting.length }, 'the audit log takes no entries');
        }
        pauseMs = this.#againMs;
        this.#againMs = Math.min(AGAIN_LONGEST_MS, this.#againMs * 2);
      })
      .finally(() => {
        this.#sending = undefined;
        if (this.#waiting.length > 0) this.#later(pauseMs);
      });
  }
}
