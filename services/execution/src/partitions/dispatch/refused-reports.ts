import { DEFAULT_TENANT, newId, operations } from '@batuta/contracts';
import type { AppendAuditReply, NewAuditEntry } from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import type { EngineLog } from '../ports/ports.js';

/**
 * How many refused reports are recorded one by one. Further ones within the same time become one entry with their
 * number.
 */
const EACH = 20;
const GATHER_MS = 1_000;
const ANSWER_MS = 5_000;
/** How many entries may wait for the config service, because a forger may send any number of reports. */
const MOST_WAITING = 1_000;

/**
 * Records reports without the token of their task in the audit log. Their senders are unknown, so the entries are in
 * the log of the platform's tenant.
 */
export class RefusedReports {
  readonly #control: Pick<ControlClient, 'request'>;
  readonly #log: EngineLog;
  #waiting: NewAuditEntry[] = [];
  #recorded = 0;
  #more = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(control: Pick<ControlClient, 'request'>, log: EngineLog) {
    this.#control = control;
    this.#log = log;
  }

  record(executionId: string, stepId: string, attempt: number): void {
    if (this.#recorded >= EACH) {
      this.#more += 1;
    } else {
      this.#recorded += 1;
      this.#add(`executions/${executionId}/steps/${stepId}/attempts/${attempt}`);
    }
    this.#timer ??= setTimeout(() => void this.#store(), GATHER_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #add(resource: string): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    const what = { action: 'tasks.report', resource, outcome: 'refused', code: 'not_found' } as const;
    this.#waiting.push({ id: newId(), at: Date.now(), tenantId: DEFAULT_TENANT, channel: 'nats', ...what });
  }

  async #store(): Promise<void> {
    if (this.#more > 0) this.#add(`${this.#more} more`);
    this.#recorded = 0;
    this.#more = 0;
    const entries = this.#waiting;
    try {
      const options = { timeoutMs: ANSWER_MS };
      await this.#control.request<AppendAuditReply>(
        operations.audit.append.subject,
        { entries: entries.slice(0, 500) },
        options,
      );
      this.#waiting = this.#waiting.slice(Math.min(500, entries.length));
    } catch (error) {
      this.#log.warn({ err: error, entries: entries.length }, 'the audit log takes no entries');
    }
    this.#timer = undefined;
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => void this.#store(), GATHER_MS).unref();
  }
}
